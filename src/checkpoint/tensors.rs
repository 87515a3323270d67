use super::progress::ReadProgress;
use super::{FileError, foreign, write_atomically};
use crate::Pixels;
use crate::network::{Array, Weights};
use crate::text;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, TensorInfo, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::path::Path;

/// Values that one file may hold: 4 GiB as `f32`, half as many again as the largest published network has.
pub(super) const MAX_VALUES: usize = 1 << 30;
/// A header of 16 MiB names some hundred thousand tensors.
const MAX_HEADER: u64 = 16 << 20;
/// Bytes of a tensor's name.
pub(super) const MAX_NAME: usize = 1024;
/// Bytes that are decoded at once; a multiple of every number's size.
const CHUNK: usize = 1 << 20;
const LARGE: &str = "it is larger than any supported network";
const WHAT: &str = "a valid safetensors file";

/// The metadata of a safetensors file, by name.
pub(super) type Notes = HashMap<String, String>;

/// Names of tensors to their shapes.
pub(super) type Shapes = BTreeMap<String, Vec<usize>>;

/// How a number is written, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U8,
}

impl Number {
    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            Number::F64 | Number::I64 => 8,
            Number::F32 | Number::I32 => 4,
            Number::F16 | Number::BF16 | Number::I16 => 2,
            Number::I8 | Number::U8 => 1,
        }
    }

    /// The next `count` numbers, as the nearest `f32`. The caller has made sure that there are so many.
    pub fn read(self, reader: &mut (impl Read + ?Sized), count: usize) -> io::Result<Vec<f32>> {
        let mut values = Vec::with_capacity(count);
        let mut left = count.saturating_mul(self.size());
        let mut chunk = vec![0; left.min(CHUNK)];
        while left > 0 {
            let part = chunk.get_mut(..left.min(CHUNK)).unwrap_or_default();
            reader.read_exact(part)?;
            self.decode(part, &mut values);
            left -= part.len();
        }
        Ok(values)
    }

    /// The next `count` numbers, where these have more digits than `f32`. The caller has made sure that there are so many.
    pub fn read_doubles(self, reader: &mut (impl Read + ?Sized), count: usize) -> io::Result<Vec<f64>> {
        if self != Number::F64 {
            return Ok(self.read(reader, count)?.into_iter().map(f64::from).collect());
        }
        let mut values = Vec::with_capacity(count);
        let mut left = count.saturating_mul(self.size());
        let mut chunk = vec![0; left.min(CHUNK)];
        while left > 0 {
            let part = chunk.get_mut(..left.min(CHUNK)).unwrap_or_default();
            reader.read_exact(part)?;
            values.extend(part.as_chunks::<8>().0.iter().map(|&bytes| f64::from_le_bytes(bytes)));
            left -= part.len();
        }
        Ok(values)
    }

    fn decode(self, bytes: &[u8], values: &mut Vec<f32>) {
        match self {
            Number::F64 => numbers(bytes, values, |b| f64::from_le_bytes(b) as f32),
            Number::F32 => numbers(bytes, values, f32::from_le_bytes),
            Number::F16 => numbers(bytes, values, |b| f16::from_le_bytes(b).to_f32()),
            Number::BF16 => numbers(bytes, values, |b| bf16::from_le_bytes(b).to_f32()),
            Number::I64 => numbers(bytes, values, |b| i64::from_le_bytes(b) as f32),
            Number::I32 => numbers(bytes, values, |b| i32::from_le_bytes(b) as f32),
            Number::I16 => numbers(bytes, values, |b| i16::from_le_bytes(b).into()),
            Number::I8 => numbers(bytes, values, |b| i8::from_le_bytes(b).into()),
            Number::U8 => numbers(bytes, values, |[b]: [u8; 1]| b.into()),
        }
    }

    fn of(dtype: Dtype) -> Option<Self> {
        Some(match dtype {
            Dtype::F64 => Number::F64,
            Dtype::F32 => Number::F32,
            Dtype::F16 => Number::F16,
            Dtype::BF16 => Number::BF16,
            Dtype::I64 => Number::I64,
            Dtype::I32 => Number::I32,
            Dtype::I16 => Number::I16,
            Dtype::I8 => Number::I8,
            Dtype::U8 | Dtype::BOOL => Number::U8,
            _ => return None,
        })
    }
}

fn numbers<const N: usize>(bytes: &[u8], values: &mut Vec<f32>, number: impl Fn([u8; N]) -> f32) {
    values.extend(bytes.as_chunks::<N>().0.iter().map(|&chunk| number(chunk)));
}

/// Reads all tensors of a safetensors file as `f32` (from floating-point numbers or integers of
/// any usual width).
///
/// # Errors
/// If the file cannot be read, is not a safetensors file, or claims more than it holds.
pub fn read_tensors(path: &Path) -> Result<Weights, FileError> {
    read(path, &ReadProgress::default()).map(|(_, tensors)| tensors)
}

/// Metadata and tensors of a safetensors file.
pub(super) fn read(path: &Path, progress: &ReadProgress) -> Result<(Notes, Weights), FileError> {
    read_some(path, &|_| true, progress)
}

/// The same of those tensors that are `wanted` by their names.
pub(super) fn read_some(
    path: &Path,
    wanted: &dyn Fn(&str) -> bool,
    progress: &ReadProgress,
) -> Result<(Notes, Weights), FileError> {
    let (file, length) = progress.open(path)?;
    parse_some(file, length, wanted, path)
}

/// Whether a file of `length` bytes that begins so has the structure of safetensors: the length of a header that fits
/// into it, then that header's brace.
pub(super) fn begins(start: &[u8], length: u64) -> bool {
    let prefix = start.first_chunk().map(|prefix| u64::from_le_bytes(*prefix));
    start.get(8) == Some(&b'{')
        && prefix.is_some_and(|header| header <= MAX_HEADER && header <= length.saturating_sub(8))
}

/// The text that a safetensors file carries beside its tensors. Reads no tensor.
pub(super) fn read_metadata(path: &Path) -> Result<Notes, FileError> {
    read_header(path).map(|(notes, _)| notes)
}

/// The same of the bytes of such a file.
pub(super) fn notes(mut bytes: &[u8], path: &Path) -> Result<Notes, FileError> {
    let length = bytes.len() as u64;
    header(&mut bytes, length, path).map(|header| header.metadata().clone().unwrap_or_default())
}

/// The text that a safetensors file carries, and the names and shapes of its tensors. Reads no tensor.
pub(super) fn read_header(path: &Path) -> Result<(Notes, Shapes), FileError> {
    let (mut file, length) = super::open_file(path)?;
    let header = header(&mut file, length, path)?;
    let shapes = header.tensors().into_iter().map(|(name, info)| (name, info.shape.clone())).collect();
    Ok((header.metadata().clone().unwrap_or_default(), shapes))
}

/// A safetensors file at its first number, its notes, and what its arrays are, in the order in which they lie there.
pub(super) fn read_notes_and_entries(path: &Path) -> Result<(impl Read, Notes, Vec<(String, TensorInfo)>), FileError> {
    let (mut file, length) = super::open_file(path)?;
    let header = header(&mut file, length, path)?;
    let entry = |name: String| header.info(&name).cloned().map(|info| (name, info));
    let entries = header.offset_keys().into_iter().filter_map(entry).collect();
    Ok((file, header.metadata().clone().unwrap_or_default(), entries))
}

/// The header of a safetensors file of `length` bytes, once it agrees with that.
fn header(file: &mut impl Read, length: u64, path: &Path) -> Result<Metadata, FileError> {
    let wrong = |reason: &str| FileError::format(path, WHAT, reason);
    let mut start = Vec::new();
    file.take(8).read_to_end(&mut start).map_err(|source| FileError::read(path, source))?;
    let Ok(prefix) = <[u8; 8]>::try_from(start.as_slice()) else { return Err(wrong(short(length))) };
    let header_length = u64::from_le_bytes(prefix);
    if header_length > MAX_HEADER || header_length > length.saturating_sub(8) {
        file.take(foreign::START).read_to_end(&mut start).map_err(|source| FileError::read(path, source))?;
        let damaged =
            "its header claims to be longer than the file or than 16 MiB; it is damaged or another kind of file";
        let known = foreign::named(&start, "choose a .safetensors file");
        return Err(wrong(known.as_deref().unwrap_or(damaged)));
    }
    start.clear();
    file.take(header_length).read_to_end(&mut start).map_err(|source| FileError::read(path, source))?;
    // The reason may quote whole fields.
    let invalid = |error: serde_json::Error| format!("its header is invalid ({})", text::name(&error.to_string()));
    let header: Metadata = serde_json::from_slice(&start).map_err(|error| wrong(&invalid(error)))?;
    let claimed = u64::try_from(header.data_len()).ok().and_then(|data| data.checked_add(8 + header_length));
    if claimed != Some(length) {
        return Err(wrong("its header claims more or fewer bytes than there are; download or write it again"));
    }
    if header.tensors().values().any(|info| elements(&info.shape).is_none()) || header.data_len() / 8 > MAX_VALUES {
        return Err(wrong(LARGE));
    }
    if header.tensors().keys().any(|name| name.len() > MAX_NAME) {
        return Err(wrong("a tensor has a name of more than 1024 bytes; it is damaged or of another program"));
    }
    Ok(header)
}

fn short(length: u64) -> &'static str {
    if length == 0 { "it is empty; download or write it again" } else { "it is truncated; download or write it again" }
}

/// The number of values, where neither it nor a dimension of an empty tensor is more than any network has.
pub(super) fn elements(shape: &[usize]) -> Option<usize> {
    // Of an empty tensor, as if it were not.
    let all = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size.max(1)));
    all.filter(|&all| all <= MAX_VALUES).map(|all| if shape.contains(&0) { 0 } else { all })
}

/// Metadata and tensors of `length` bytes of a safetensors file. Besides the values themselves, no more than a part of
/// one tensor is in memory at a time.
pub(super) fn parse(file: impl Read, length: u64, path: &Path) -> Result<(Notes, Weights), FileError> {
    parse_some(file, length, &|_| true, path)
}

fn parse_some(
    mut file: impl Read,
    length: u64,
    wanted: &dyn Fn(&str) -> bool,
    path: &Path,
) -> Result<(Notes, Weights), FileError> {
    let wrong = |reason: String| FileError::format(path, WHAT, reason);
    let header = header(&mut file, length, path)?;
    let (mut weights, mut total) = (Weights::new(), 0usize);
    for name in header.offset_keys() {
        let Some(&TensorInfo { dtype, ref shape, data_offsets: (start, end) }) = header.info(&name) else { continue };
        if !wanted(&name) {
            let skipped = io::copy(&mut (&mut file).take((end - start) as u64), &mut io::sink());
            skipped.map_err(|error| FileError::read(path, error))?;
            continue;
        }
        let number = Number::of(dtype).ok_or_else(|| {
            wrong(format!("{name:?} has the unsupported type {dtype:?}; use floating-point numbers or integers"))
        })?;
        let count = elements(shape).filter(|count| total.saturating_add(*count) <= MAX_VALUES);
        let count = count.ok_or_else(|| wrong(LARGE.into()))?;
        total += count;
        let values = number.read(&mut file, count).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => wrong(short(length).into()),
            _ => FileError::read(path, error),
        })?;
        weights.insert(name, Array { shape: shape.clone(), values });
    }
    Ok((header.metadata().clone().unwrap_or_default(), weights))
}

/// Writes tensors as `f32` safetensors, all or nothing.
///
/// # Errors
/// If the file cannot be written.
pub fn write_tensors(path: &Path, tensors: &Weights) -> Result<(), FileError> {
    let encoded = tensors.iter().map(|(name, array)| (name.as_str(), Encoded::single(array))).collect();
    write_encoded(path, encoded, None)
}

/// Writes batches of samples as `f32` safetensors, all or nothing. Pictures are in [0, 1], which the metadata says as
/// `range`; other samples are `unbounded`.
///
/// # Errors
/// If the file cannot be written.
pub fn write_samples(path: &Path, samples: &[(&str, &Pixels<f32>)], pictures: bool) -> Result<(), FileError> {
    let array = |of: &Pixels<f32>| Array { shape: of.shape.to_vec(), values: of.values.to_vec() };
    let encoded = samples.iter().map(|(name, pixels)| (*name, Encoded::single(&array(pixels)))).collect();
    let range = if pictures { "[0, 1]" } else { "unbounded" };
    write_encoded(path, encoded, Some(HashMap::from([("range".into(), range.into())])))
}

/// Named arrays with some notes, as [`write_state`] wrote them.
///
/// # Errors
/// If the file cannot be read.
pub fn read_state(path: &Path) -> Result<(BTreeMap<String, String>, Weights), FileError> {
    let (notes, arrays) = read(path, &ReadProgress::default())?;
    Ok((notes.into_iter().collect(), arrays))
}

/// Writes named arrays in single precision with some notes, all or nothing, without a copy of them.
///
/// # Errors
/// If the file cannot be written.
pub fn write_state(
    path: &Path,
    arrays: &[(String, &[usize], &[f32])],
    notes: &BTreeMap<String, String>,
) -> Result<(), FileError> {
    /// Bytes of a header that is padded to eight.
    fn padded(mut header: String) -> String {
        let more = header.len().next_multiple_of(8) - header.len();
        header.extend(std::iter::repeat_n(' ', more));
        header
    }
    let (mut entries, mut offset) = (serde_json::Map::new(), 0);
    entries.insert("__metadata__".into(), serde_json::json!(notes));
    for (name, shape, values) in arrays {
        let end = offset + 4 * values.len();
        entries
            .insert(name.clone(), serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [offset, end]}));
        offset = end;
    }
    let header = padded(serde_json::Value::Object(entries).to_string());
    write_atomically(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        for (_, _, values) in arrays {
            for part in values.chunks(CHUNK) {
                let bytes: Vec<u8> = part.iter().flat_map(|value| value.to_le_bytes()).collect();
                out.write_all(&bytes)?;
            }
        }
        Ok(())
    })
}

/// A tensor on its way to a file.
pub(super) struct Encoded {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Encoded {
    /// In single precision.
    pub fn single(array: &Array) -> Self {
        let bytes = array.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Encoded { dtype: Dtype::F32, shape: array.shape.clone(), bytes }
    }

    /// Numbers in double precision.
    pub fn double(values: &[f64]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Encoded { dtype: Dtype::F64, shape: vec![values.len()], bytes }
    }

    /// In half precision.
    pub fn half(array: &Array) -> Self {
        let bytes = array.values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
        Encoded { dtype: Dtype::F16, shape: array.shape.clone(), bytes }
    }
}

/// Writes a safetensors file, all or nothing.
pub(super) fn write_encoded(
    path: &Path,
    tensors: Vec<(&str, Encoded)>,
    metadata: Option<HashMap<String, String>>,
) -> Result<(), FileError> {
    let wrong = |error| FileError::format(path, WHAT, format!("the tensors cannot be written ({error})"));
    let views = tensors
        .iter()
        .map(|(name, tensor)| Ok((*name, TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes)?)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(wrong)?;
    let bytes = safetensors::serialize(views, metadata).map_err(wrong)?;
    write_atomically(path, |out| out.write_all(&bytes))
}
