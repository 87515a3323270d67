//! score_sde's JAX checkpoints: a tree of arrays in MessagePack, as `flax.serialization` writes it.

use crate::checkpoint::FileError;
use crate::checkpoint::progress::{ReadProgress, ReportedFile};
use crate::checkpoint::tensors::{MAX_VALUES, Number, elements};
use crate::network::{Array, Weights};
use std::io::{self, BufReader, Read};
use std::path::Path;

const WHAT: &str = "a valid score_sde JAX checkpoint";
/// Where the EMA of the parameters is, and where in which part the raw ones are.
const AVERAGE: &str = "params_ema";
const OPTIMIZER: &str = "optimizer";
const RAW: &str = "target";
/// The state of an optimizer in the tree is six deep.
const MAX_DEPTH: usize = 32;
const MAX_NAME: u64 = 256;
/// Flax's own kinds of MessagePack extensions for arrays, and for numbers as arrays of no dimension.
const ARRAY: u8 = 1;
const SCALAR: u8 = 3;
/// How flax marks an array of more than a GiB, which it cuts into pieces.
const IN_PIECES: &str = "__msgpack_chunked_array__";

/// Whether a file that begins so is a tree with names.
pub(in crate::checkpoint) fn begins(start: &[u8]) -> bool {
    // Letters also tell it from safetensors, where a small number's upper bytes lie here.
    matches!(start, [0x81..=0x8f, 0xa2..=0xbf, a, b, ..] if a.is_ascii_lowercase() && b.is_ascii_lowercase())
}

/// EMA or `raw` parameters by their names in the tree, joined by dots, and the training steps done.
pub(in crate::checkpoint) fn read(
    path: &Path,
    raw: bool,
    progress: &ReadProgress,
) -> Result<(Weights, Option<u64>), FileError> {
    let (file, left) = progress.open(path)?;
    let mut reader = Reader { file: BufReader::new(file), left, values_left: MAX_VALUES };
    reader.state(raw).map_err(|reason| FileError::format(path, WHAT, reason))
}

/// The next value in the file, without what is inside.
enum Item {
    Map(u64),
    List(u64),
    Text(u64),
    Bytes(u64),
    Extension {
        kind: u8,
        size: u64,
    },
    Whole(u64),
    /// Any other number, or none.
    Other,
}

struct Reader<'a> {
    file: BufReader<ReportedFile<'a>>,
    /// Bytes not yet read: nothing can claim more.
    left: u64,
    values_left: usize,
}

impl Reader<'_> {
    fn state(&mut self, raw: bool) -> Result<(Weights, Option<u64>), String> {
        let Item::Map(entries) = self.item()? else {
            return Err("it is not a tree; choose a checkpoint of score_sde".into());
        };
        let (mut weights, mut step) = (None, None);
        for _ in 0..entries {
            match self.name()?.as_str() {
                AVERAGE if !raw => weights = Some(self.whole_tree()?),
                OPTIMIZER if raw => weights = self.target()?,
                "step" => step = self.step()?,
                _ => self.skip(0)?,
            }
        }
        let place = if raw { format!("{OPTIMIZER}.{RAW}") } else { AVERAGE.into() };
        let weights = weights.ok_or_else(|| format!("it lacks {place}; choose a checkpoint of score_sde"))?;
        Ok((weights, step))
    }

    /// The raw parameters, which are part of the optimizer.
    fn target(&mut self) -> Result<Option<Weights>, String> {
        let Item::Map(entries) = self.item()? else { return Err("it is damaged: its optimizer is not a tree".into()) };
        let mut weights = None;
        for _ in 0..entries {
            match self.name()?.as_str() {
                RAW => weights = Some(self.whole_tree()?),
                _ => self.skip(0)?,
            }
        }
        Ok(weights)
    }

    fn whole_tree(&mut self) -> Result<Weights, String> {
        let mut found = Weights::new();
        self.tree("", &mut found, 0)?;
        Ok(found)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.claim(N as u64)?;
        self.file.read_exact(&mut bytes).map_err(damaged)?;
        Ok(bytes)
    }

    /// Takes bytes off what is left.
    fn claim(&mut self, bytes: u64) -> Result<(), String> {
        self.left = self.left.checked_sub(bytes).ok_or("it is truncated or damaged; download it again")?;
        Ok(())
    }

    /// A big-endian number of N bytes.
    fn number<const N: usize>(&mut self) -> Result<u64, String> {
        Ok(self.take::<N>()?.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// By MessagePack's specification.
    fn item(&mut self) -> Result<Item, String> {
        let [first] = self.take()?;
        Ok(match first {
            0x00..=0x7f => Item::Whole(first.into()),
            0x80..=0x8f => Item::Map(u64::from(first & 0x0f)),
            0x90..=0x9f => Item::List(u64::from(first & 0x0f)),
            0xa0..=0xbf => Item::Text(u64::from(first & 0x1f)),
            0xc4 => Item::Bytes(self.number::<1>()?),
            0xc5 => Item::Bytes(self.number::<2>()?),
            0xc6 => Item::Bytes(self.number::<4>()?),
            0xc7 => self.extension::<1>()?,
            0xc8 => self.extension::<2>()?,
            0xc9 => self.extension::<4>()?,
            0xcc => Item::Whole(self.number::<1>()?),
            0xcd => Item::Whole(self.number::<2>()?),
            0xce => Item::Whole(self.number::<4>()?),
            0xcf => Item::Whole(self.number::<8>()?),
            0xd0 => self.take::<1>().map(|_| Item::Other)?,
            0xd1 => self.take::<2>().map(|_| Item::Other)?,
            0xca | 0xd2 => self.take::<4>().map(|_| Item::Other)?,
            0xcb | 0xd3 => self.take::<8>().map(|_| Item::Other)?,
            0xd4..=0xd8 => Item::Extension { size: 1 << (first - 0xd4), kind: self.take::<1>()?[0] },
            0xd9 => Item::Text(self.number::<1>()?),
            0xda => Item::Text(self.number::<2>()?),
            0xdb => Item::Text(self.number::<4>()?),
            0xdc => Item::List(self.number::<2>()?),
            0xdd => Item::List(self.number::<4>()?),
            0xde => Item::Map(self.number::<2>()?),
            0xdf => Item::Map(self.number::<4>()?),
            _ => Item::Other,
        })
    }

    fn extension<const N: usize>(&mut self) -> Result<Item, String> {
        let size = self.number::<N>()?;
        Ok(Item::Extension { size, kind: self.take::<1>()?[0] })
    }

    fn name(&mut self) -> Result<String, String> {
        match self.item()? {
            Item::Text(size) if size <= MAX_NAME => {
                self.claim(size)?;
                let mut bytes = Vec::new();
                (&mut self.file).take(size).read_to_end(&mut bytes).map_err(damaged)?;
                String::from_utf8(bytes).map_err(|_| "it is damaged: a name is not UTF-8".into())
            }
            _ => Err("it is damaged: a value has no name".into()),
        }
    }

    fn pass(&mut self, size: u64) -> Result<(), String> {
        self.claim(size)?;
        self.file.seek_relative(i64::try_from(size).unwrap_or(i64::MAX)).map_err(damaged)
    }

    /// Passes over a value.
    fn skip(&mut self, depth: usize) -> Result<(), String> {
        let inside = match self.item()? {
            Item::Map(entries) => entries.saturating_mul(2),
            Item::List(entries) => entries,
            Item::Text(size) | Item::Bytes(size) | Item::Extension { size, .. } => return self.pass(size),
            Item::Whole(_) | Item::Other => return Ok(()),
        };
        deeper(depth)?;
        (0..inside).try_for_each(|_| self.skip(depth + 1))
    }

    /// The arrays of a tree under their names behind `prefix`.
    fn tree(&mut self, prefix: &str, found: &mut Weights, depth: usize) -> Result<(), String> {
        match self.item()? {
            Item::Map(entries) => {
                deeper(depth)?;
                for _ in 0..entries {
                    let name = self.name()?;
                    if name == IN_PIECES {
                        return Err(format!("{prefix:?} has more than a GiB, more than any supported network"));
                    }
                    let name = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
                    self.tree(&name, found, depth + 1)?;
                }
                Ok(())
            }
            Item::Extension { kind: ARRAY, size } => {
                let array = self.array(size).map_err(|reason| format!("{prefix:?} {reason}"))?;
                match found.insert(prefix.to_owned(), array) {
                    Some(_) => Err(format!("it is damaged: it names {prefix:?} twice")),
                    None => Ok(()),
                }
            }
            _ => Err(format!("{prefix:?} is not an array; the file is damaged or of another program")),
        }
    }

    /// An array of flax in `size` bytes: shape, type, numbers.
    fn array(&mut self, size: u64) -> Result<Array, String> {
        let end = self.left.checked_sub(size).ok_or("claims more bytes than it has; the file is damaged")?;
        let damaged_array = || String::from("is not an array in flax's format; the file is damaged");
        let Item::List(3) = self.item()? else { return Err(damaged_array()) };
        let Item::List(dimensions @ 0..=16) = self.item()? else { return Err(damaged_array()) };
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let Item::Whole(size) = self.item()? else { return Err(damaged_array()) };
            shape.push(usize::try_from(size).map_err(|_| damaged_array())?);
        }
        let name = self.name()?;
        let number = number(&name).ok_or_else(|| format!("has the unsupported type {name:?}"))?;
        let Item::Bytes(bytes) = self.item()? else { return Err(damaged_array()) };
        let count = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        let expected = count.and_then(|count| count.checked_mul(number.size()));
        let (Some(count), true) = (count, expected.is_some_and(|expected| expected as u64 == bytes)) else {
            return Err(format!("has the shape {shape:?} but {bytes} bytes; the file is damaged"));
        };
        self.claim(bytes)?;
        if self.left != end {
            return Err(damaged_array());
        }
        let left = elements(&shape).and_then(|_| self.values_left.checked_sub(count));
        self.values_left = left.ok_or("is larger than any supported network")?;
        Ok(Array { shape, values: number.read(&mut self.file, count).map_err(damaged)? })
    }

    /// A plain number, or one in an array.
    fn step(&mut self) -> Result<Option<u64>, String> {
        match self.item()? {
            Item::Whole(step) => Ok(Some(step)),
            Item::Extension { kind: ARRAY | SCALAR, size } => {
                let array = self.array(size).map_err(|reason| format!("\"step\" {reason}"))?;
                Ok(array.values.first().filter(|step| **step >= 0.0).map(|&step| step as u64))
            }
            Item::Extension { size, .. } | Item::Text(size) | Item::Bytes(size) => self.pass(size).map(|()| None),
            Item::Other => Ok(None),
            Item::Map(_) | Item::List(_) => Err("it is damaged: its step is not a number".into()),
        }
    }
}

fn number(name: &str) -> Option<Number> {
    Some(match name {
        "float64" => Number::F64,
        "float32" => Number::F32,
        "float16" => Number::F16,
        "bfloat16" => Number::BF16,
        "int64" => Number::I64,
        "int32" => Number::I32,
        _ => return None,
    })
}

fn deeper(depth: usize) -> Result<(), String> {
    if depth < MAX_DEPTH { Ok(()) } else { Err("it is nested deeper than any checkpoint; it is damaged".into()) }
}

fn damaged(error: io::Error) -> String {
    format!("it is damaged or cannot be read ({error})")
}
