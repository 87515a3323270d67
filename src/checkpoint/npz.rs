//! NumPy's .npz: a zip of .npy files, each a short text header and plain numbers
//! (NumPy Enhancement Proposal 1, "A Simple File Format for NumPy Arrays").

use super::tensors::{Number, elements};
use super::{FileError, foreign, open_file, write_atomically, zip_parts};
use crate::network::Array;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

const WHAT: &str = "a valid NumPy archive (.npz)";
const MAGIC: &[u8] = b"\x93NUMPY";
/// Bytes of an array beyond those of the file: numbers of any use do not shrink to a small part of their size.
const MAX_GROWTH: u64 = 32 << 20;

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
    length: u64,
}

impl<'a> Npz<'a> {
    pub fn open(path: &'a Path) -> Result<Self, FileError> {
        let (mut file, length) = open_file(path)?;
        let mut start = Vec::new();
        (&mut file).take(foreign::START).read_to_end(&mut start).map_err(|source| FileError::read(path, source))?;
        let zip = zip_parts::archive(std::io::BufReader::new(file)).map_err(|error| {
            let zip =
                start.starts_with(b"PK").then(|| format!("the zip archive is damaged ({error}); download it again"));
            let other = || foreign::sentence(&start, "not a zip archive", "choose latents saved by Score Explorer");
            FileError::format(path, WHAT, zip.unwrap_or_else(other))
        })?;
        Ok(Npz { path, zip, length })
    }

    fn wrong(&self, reason: impl Into<String>) -> FileError {
        FileError::format(self.path, WHAT, reason)
    }

    /// Whether there is an array of this name.
    pub fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(&format!("{name}.npy")).is_some()
    }

    /// An array of `f32` or `f64` numbers in double precision, and its shape.
    pub fn doubles(&mut self, name: &str) -> Result<(Vec<usize>, Vec<f64>), FileError> {
        let most = self.length.saturating_add(MAX_GROWTH);
        self.read(name, most, real, |number, file, count| number.read_doubles(file, count))
    }

    /// An array of `f32` or `f64` numbers.
    pub fn array(&mut self, name: &str) -> Result<Array, FileError> {
        let most = self.length.saturating_add(MAX_GROWTH);
        self.numbers(name, most, real)
    }

    /// A text of at most `most` bytes, kept as bytes.
    pub fn text(&mut self, name: &str, most: u64) -> Result<String, FileError> {
        let bytes = self.numbers(name, most, |dtype| (dtype == "|u1").then_some(Number::U8))?;
        let text = String::from_utf8(bytes.values.iter().map(|&byte| byte as u8).collect());
        text.map_err(|_| self.wrong(format!("{name:?} is not text")))
    }

    /// The numbers of an array of at most `most` bytes, in one of the types that `known` knows.
    fn numbers(&mut self, name: &str, most: u64, known: fn(&str) -> Option<Number>) -> Result<Array, FileError> {
        let (shape, values) = self.read(name, most, known, |number, file, count| number.read(file, count))?;
        Ok(Array { shape, values })
    }

    /// Shape and numbers of such an array, read by `read`.
    fn read<T>(
        &mut self,
        name: &str,
        most: u64,
        known: fn(&str) -> Option<Number>,
        read: impl FnOnce(Number, &mut dyn Read, usize) -> std::io::Result<T>,
    ) -> Result<(Vec<usize>, T), FileError> {
        let missing = format!("it lacks the array {name:?}; choose latents saved by Score Explorer");
        let index = self.zip.index_for_name(&format!("{name}.npy")).ok_or_else(|| self.wrong(missing))?;
        let path = self.path;
        let wrong = |reason: String| FileError::format(path, WHAT, reason);
        let damaged = |error: &dyn std::fmt::Display| wrong(format!("{name:?} is damaged ({error}); write it again"));
        let mut entry = self.zip.by_index(index).map_err(|error| damaged(&error))?;
        let length = entry.size();
        // A header takes up to 64 KiB.
        if length > most.saturating_add(1 << 16) {
            let reason =
                format!("{name:?} claims {length} bytes, more than the limit of {most} for this file; write it again");
            return Err(wrong(reason));
        }
        let (dtype, shape) = header(&mut entry).ok_or_else(|| damaged(&"its header is invalid"))?;
        let number = known(&dtype)
            .ok_or_else(|| wrong(format!("{name:?} has the unsupported type {dtype}; convert it to <f4 or <f8")))?;
        let count = elements(&shape).filter(|&count| count.saturating_mul(number.size()) as u64 <= length);
        let count = count.ok_or_else(|| damaged(&"its header claims more numbers than there are"))?;
        let values = read(number, &mut entry, count).map_err(|error| damaged(&error))?;
        match entry.read(&mut [0]).map_err(|error| damaged(&error))? {
            0 => Ok((shape, values)),
            _ => Err(damaged(&"its header claims fewer numbers than there are")),
        }
    }
}

/// Real numbers of NumPy.
fn real(dtype: &str) -> Option<Number> {
    match dtype {
        "<f4" => Some(Number::F32),
        "<f8" => Some(Number::F64),
        _ => None,
    }
}

/// Type and shape of an array in C order.
pub(super) fn header(file: &mut impl Read) -> Option<(String, Vec<usize>)> {
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
