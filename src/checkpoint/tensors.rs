use super::{FileError, write_atomically};
use crate::network::{Array, Weights};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorView};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Values that one file may hold: 2 GiB as `f32`, several times the largest published network.
pub(super) const MAX_VALUES: usize = 1 << 29;
/// A header of 16 MiB names some hundred thousand tensors.
const MAX_HEADER: u64 = 16 << 20;
const WHAT: &str = "a safetensors file that can be used";

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

    /// All numbers in `bytes`, as the nearest `f32`.
    pub fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Number::F64 => numbers(bytes, |b| f64::from_le_bytes(b) as f32),
            Number::F32 => numbers(bytes, f32::from_le_bytes),
            Number::F16 => numbers(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Number::BF16 => numbers(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Number::I64 => numbers(bytes, |b| i64::from_le_bytes(b) as f32),
            Number::I32 => numbers(bytes, |b| i32::from_le_bytes(b) as f32),
            Number::I16 => numbers(bytes, |b| i16::from_le_bytes(b).into()),
            Number::I8 => numbers(bytes, |b| i8::from_le_bytes(b).into()),
            Number::U8 => numbers(bytes, |[b]: [u8; 1]| b.into()),
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

fn numbers<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|&chunk| number(chunk)).collect()
}

/// Reads all tensors of a safetensors file as `f32` (from floating-point numbers or integers of
/// any usual width).
///
/// # Errors
/// If the file cannot be read, is no safetensors file, or claims more than it holds.
pub fn read_tensors(path: &Path) -> Result<Weights, FileError> {
    let bytes = read_whole(path)?;
    parse(&bytes, path).map(|(_, tensors)| tensors)
}

/// The bytes of a safetensors file, once its header agrees with its length.
pub(super) fn read_whole(path: &Path) -> Result<Vec<u8>, FileError> {
    let (mut file, start, header) = open(path)?;
    let mut bytes = start;
    bytes.reserve_exact(header.data_len());
    file.read_to_end(&mut bytes).map_err(|source| FileError::read(path, source))?;
    Ok(bytes)
}

/// The text that a safetensors file carries beside its tensors. Reads no tensor.
pub(super) fn read_metadata(path: &Path) -> Result<HashMap<String, String>, FileError> {
    open(path).map(|(_, _, header)| header.metadata().clone().unwrap_or_default())
}

/// Opens a file and reads its header: the file behind the header, the bytes read, their meaning.
fn open(path: &Path) -> Result<(File, Vec<u8>, Metadata), FileError> {
    let (mut file, length) = super::open_file(path)?;
    let wrong = |reason: &str| FileError::format(path, WHAT, reason);
    let mut start = Vec::new();
    (&mut file).take(8).read_to_end(&mut start).map_err(|source| FileError::read(path, source))?;
    let Ok(prefix) = <[u8; 8]>::try_from(start.as_slice()) else { return Err(wrong(short(length))) };
    let header_length = u64::from_le_bytes(prefix);
    if header_length > MAX_HEADER || header_length > length - 8 {
        return Err(wrong(
            "its header claims to be longer than the file, or than 16 MiB; it is damaged or of another kind",
        ));
    }
    (&mut file).take(header_length).read_to_end(&mut start).map_err(|source| FileError::read(path, source))?;
    let header: Metadata = serde_json::from_slice(start.get(8..).unwrap_or_default())
        .map_err(|error| wrong(&format!("its header cannot be understood ({error})")))?;
    let claimed = u64::try_from(header.data_len()).ok().and_then(|data| data.checked_add(8 + header_length));
    if claimed != Some(length) {
        return Err(wrong("its header claims more or fewer bytes than there are; download or write it again"));
    }
    if header.tensors().values().any(|info| elements(&info.shape).is_none()) || header.data_len() / 8 > MAX_VALUES {
        return Err(wrong("it is larger than any network that can be used here"));
    }
    Ok((file, start, header))
}

fn short(length: u64) -> &'static str {
    if length == 0 { "it is empty; download or write it again" } else { "it is cut short; download or write it again" }
}

fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size)).filter(|&n| n <= MAX_VALUES)
}

/// Metadata and tensors of a safetensors file's bytes.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<(HashMap<String, String>, Weights), FileError> {
    let wrong = |reason: String| FileError::format(path, WHAT, reason);
    if bytes.len() < 8 {
        return Err(wrong(short(bytes.len() as u64).into()));
    }
    let damaged = |error| wrong(format!("it is damaged or cut short ({error}); download or write it again"));
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let (mut weights, mut total) = (Weights::new(), 0usize);
    for (name, view) in tensors.iter() {
        let dtype = view.dtype();
        let number = Number::of(dtype).ok_or_else(|| {
            wrong(format!("{name:?} holds numbers of the type {dtype:?}; floating-point numbers and integers are read"))
        })?;
        total = elements(view.shape())
            .and_then(|n| total.checked_add(n))
            .filter(|&n| n <= MAX_VALUES)
            .ok_or_else(|| wrong("it is larger than any network that can be used here".into()))?;
        weights.insert(name.into(), Array { shape: view.shape().to_vec(), values: number.decode(view.data()) });
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
