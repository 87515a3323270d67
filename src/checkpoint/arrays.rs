//! Named arrays of several kinds of numbers with some notes, as safetensors: what is computed in parts and put together.

use super::tensors::{elements, read_notes_and_entries};
use super::{FileError, write_atomically};
use safetensors::tensor::Dtype;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::Path;

/// Numbers of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    Double(Vec<f64>),
    Single(Vec<f32>),
}

/// An array of any number of dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberArray {
    pub shape: Vec<usize>,
    pub numbers: Numbers,
}

impl NumberArray {
    /// A list of numbers in double precision.
    pub fn doubles(values: Vec<f64>) -> Self {
        NumberArray { shape: vec![values.len()], numbers: Numbers::Double(values) }
    }

    /// Numbers in single precision.
    pub fn singles(shape: &[usize], values: Vec<f32>) -> Self {
        NumberArray { shape: shape.into(), numbers: Numbers::Single(values) }
    }

    fn kind(&self) -> (&'static str, usize) {
        match &self.numbers {
            Numbers::Double(values) => ("F64", 8 * values.len()),
            Numbers::Single(values) => ("F32", 4 * values.len()),
        }
    }
}

/// Notes and arrays, by name.
pub type Arrays = (BTreeMap<String, String>, BTreeMap<String, NumberArray>);

/// Numbers that are written or read at once.
const CHUNK: usize = 1 << 16;

/// Writes arrays with notes, all or nothing.
///
/// # Errors
/// If the file cannot be written.
pub fn write_arrays(
    path: &Path,
    notes: &BTreeMap<String, String>,
    arrays: &BTreeMap<String, NumberArray>,
) -> Result<(), FileError> {
    let (mut entries, mut offset) = (Map::new(), 0);
    entries.insert("__metadata__".into(), json!(notes));
    for (name, array) in arrays {
        let (dtype, bytes) = array.kind();
        let offsets = [offset, offset + bytes];
        entries.insert(name.clone(), json!({"dtype": dtype, "shape": array.shape, "data_offsets": offsets}));
        offset += bytes;
    }
    let mut header = Value::Object(entries).to_string();
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    write_atomically(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        for array in arrays.values() {
            match &array.numbers {
                Numbers::Double(values) => write_all(out, values, |value| value.to_le_bytes())?,
                Numbers::Single(values) => write_all(out, values, |value| value.to_le_bytes())?,
            }
        }
        Ok(())
    })
}

fn write_all<T: Copy, const SIZE: usize>(
    out: &mut dyn Write,
    values: &[T],
    encode: impl Fn(T) -> [u8; SIZE],
) -> io::Result<()> {
    for part in values.chunks(CHUNK) {
        let bytes: Vec<u8> = part.iter().flat_map(|&value| encode(value)).collect();
        out.write_all(&bytes)?;
    }
    Ok(())
}

/// Reads what [`write_arrays`] wrote. No memory is reserved that the file's own length does not cover.
///
/// # Errors
/// If the file cannot be read, or holds other kinds of numbers.
pub fn read_arrays(path: &Path, what: &'static str) -> Result<Arrays, FileError> {
    let failed = |source| FileError::read(path, source);
    let (mut file, notes, entries) = read_notes_and_entries(path)?;
    let mut arrays = BTreeMap::new();
    for (name, info) in entries {
        let wrong = |reason: &str| FileError::format(path, what, format!("its array {name:?} {reason}"));
        let count = elements(&info.shape).ok_or_else(|| wrong("is too large; write it again"))?;
        let numbers = match info.dtype {
            Dtype::F64 => Numbers::Double(read_all(&mut file, count, f64::from_le_bytes).map_err(failed)?),
            Dtype::F32 => Numbers::Single(read_all(&mut file, count, f32::from_le_bytes).map_err(failed)?),
            _ => return Err(wrong("holds other numbers than F32 and F64; write it again")),
        };
        arrays.insert(name, NumberArray { shape: info.shape, numbers });
    }
    Ok((notes.into_iter().collect(), arrays))
}

fn read_all<T, const SIZE: usize>(
    file: &mut impl Read,
    count: usize,
    decode: impl Fn([u8; SIZE]) -> T,
) -> io::Result<Vec<T>> {
    let mut values = Vec::with_capacity(count);
    let mut bytes = vec![0; SIZE * CHUNK.min(count)];
    while values.len() < count {
        let part = SIZE * CHUNK.min(count - values.len());
        let part = bytes.get_mut(..part).unwrap_or_default();
        file.read_exact(part)?;
        values.extend(part.as_chunks::<SIZE>().0.iter().map(|&number| decode(number)));
    }
    Ok(values)
}
