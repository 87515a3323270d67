//! NumPy's .npz: a zip of .npy files, each a short text header and plain numbers
//! (NumPy Enhancement Proposal 1, "A Simple File Format for NumPy Arrays").

use super::{FileError, open_file, write_atomically};
use crate::network::Array;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

const WHAT: &str = "a valid NumPy archive (.npz)";
const MAGIC: &[u8] = b"\x93NUMPY";
/// Bytes of one array.
const MAX_BYTES: u64 = 1 << 30;

/// Writes arrays of `f32` and texts (as bytes), all or nothing.
pub(super) fn write_npz(path: &Path, arrays: &[(&str, &Array)], texts: &[(&str, &str)]) -> Result<(), FileError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let mut add = |name: &str, bytes: Vec<u8>| {
        zip.start_file(format!("{name}.npy"), options)?;
        zip.write_all(&bytes)?;
        Ok::<(), zip::result::ZipError>(())
    };
    let wrong = |error: zip::result::ZipError| FileError::format(path, WHAT, format!("it cannot be written ({error})"));
    for (name, array) in arrays {
        let numbers = array.values.iter().flat_map(|value| value.to_le_bytes());
        add(name, npy("<f4", &array.shape, numbers)).map_err(wrong)?;
    }
    for (name, text) in texts {
        add(name, npy("|u1", &[text.len()], text.bytes())).map_err(wrong)?;
    }
    let bytes = zip.finish().map_err(wrong)?.into_inner();
    write_atomically(path, |out| out.write_all(&bytes))
}

/// Header and numbers of one array. The header ends on a multiple of 64, as NumPy has it.
fn npy(dtype: &str, shape: &[usize], numbers: impl Iterator<Item = u8>) -> Vec<u8> {
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let mut header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({}), }}", sizes.trim_end());
    while !(MAGIC.len() + 4 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(numbers);
    bytes
}

/// An open archive.
pub(super) struct Npz<'a> {
    path: &'a Path,
    zip: ZipArchive<std::io::BufReader<std::fs::File>>,
}

impl<'a> Npz<'a> {
    pub fn open(path: &'a Path) -> Result<Self, FileError> {
        let (file, _) = open_file(path)?;
        let zip = ZipArchive::new(std::io::BufReader::new(file))
            .map_err(|error| FileError::format(path, WHAT, format!("it is not a zip archive ({error})")))?;
        Ok(Npz { path, zip })
    }

    fn wrong(&self, reason: impl Into<String>) -> FileError {
        FileError::format(self.path, WHAT, reason)
    }

    /// An array of `f32` or `f64` numbers.
    pub fn array(&mut self, name: &str) -> Result<Array, FileError> {
        let (dtype, shape, bytes) = self.numbers(name)?;
        let values = match dtype.as_str() {
            "<f4" => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            "<f8" => bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
            other => {
                return Err(self.wrong(format!("{name:?} has the unsupported type {other}; convert it to <f4 or <f8")));
            }
        };
        Ok(Array { shape, values })
    }

    /// A text, kept as bytes.
    pub fn text(&mut self, name: &str) -> Result<String, FileError> {
        let (dtype, _, bytes) = self.numbers(name)?;
        let text = String::from_utf8(bytes).ok().filter(|_| dtype == "|u1");
        text.ok_or_else(|| self.wrong(format!("{name:?} is not text")))
    }

    fn numbers(&mut self, name: &str) -> Result<(String, Vec<usize>, Vec<u8>), FileError> {
        let missing = format!("it lacks the array {name:?}; choose latents saved by Score Explorer");
        let index = self.zip.index_for_name(&format!("{name}.npy")).ok_or_else(|| self.wrong(missing))?;
        let path = self.path;
        let wrong = |reason: String| FileError::format(path, WHAT, reason);
        let damaged = |error: &dyn std::fmt::Display| wrong(format!("{name:?} is damaged ({error}); write it again"));
        let mut entry = self.zip.by_index(index).map_err(|error| damaged(&error))?;
        let length = entry.size();
        if length > MAX_BYTES {
            return Err(wrong(format!("{name:?} has {length} bytes, more than the limit of {MAX_BYTES}")));
        }
        let (dtype, shape) = header(&mut entry).ok_or_else(|| damaged(&"its header is invalid"))?;
        let width = match dtype.as_str() {
            "|u1" => 1,
            "<f8" => 8,
            _ => 4,
        };
        let count = shape.iter().try_fold(width, |bytes: usize, &size| bytes.checked_mul(size));
        let Some(count) = count.filter(|&bytes| bytes as u64 <= length) else {
            return Err(damaged(&"its header claims more numbers than there are"));
        };
        let mut bytes = Vec::new();
        // One byte more would show that there are more numbers than claimed.
        entry.by_ref().take(count as u64 + 1).read_to_end(&mut bytes).map_err(|error| damaged(&error))?;
        if bytes.len() != count {
            return Err(damaged(&"its header claims more or fewer numbers than there are"));
        }
        Ok((dtype, shape, bytes))
    }
}

/// Type and shape of an array in C order.
fn header(file: &mut impl Read) -> Option<(String, Vec<usize>)> {
    let mut start = [0; 8];
    file.read_exact(&mut start).ok()?;
    let length = match start.strip_prefix(MAGIC)? {
        [1, _] => {
            let mut length = [0; 2];
            file.read_exact(&mut length).ok()?;
            usize::from(u16::from_le_bytes(length))
        }
        _ => return None,
    };
    let mut text = vec![0; length];
    file.read_exact(&mut text).ok()?;
    let text = String::from_utf8(text).ok()?;
    let after = |key: &str| text.split_once(key).map(|(_, rest)| rest.trim_start());
    let dtype = after("'descr':")?.strip_prefix('\'')?.split_once('\'')?.0.to_owned();
    if !after("'fortran_order':")?.starts_with("False") {
        return None;
    }
    let sizes = after("'shape':")?.strip_prefix('(')?.split_once(')')?.0;
    let sizes = sizes.split(',').map(str::trim).filter(|size| !size.is_empty());
    Some((dtype, sizes.map(|size| size.parse().ok()).collect::<Option<_>>()?))
}
