use super::FileError;
use super::pickle::{Pickle, PickleError, Storage, Tensor, Value};
use super::tensors::MAX_VALUES;
use crate::network::{Array, Weights};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use zip::{CompressionMethod, ZipArchive};

const WHAT: &str = "a score_sde PyTorch checkpoint that can be read";
const STATE: &str = "a PyTorch state dictionary that can be read";
/// The list of tensors of the largest published checkpoint takes half a MiB.
const MAX_PICKLE: u64 = 16 << 20;
/// The first bytes of files that PyTorch wrote before version 1.6.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

/// What a published score_sde PyTorch checkpoint holds.
#[derive(Debug)]
pub struct Checkpoint {
    /// The live weights by name, without the `module.` prefix; buffers included.
    pub model: Weights,
    /// Names of `model` in the file's order.
    pub order: Vec<String>,
    /// EMA weights in parameter order.
    pub ema: Vec<Array>,
    /// Training steps done.
    pub step: Option<u64>,
    /// The EMA's decay.
    pub ema_decay: Option<f64>,
}

/// Reads a `.pth` without running any of its code. The optimizer's tensors are passed over.
///
/// # Errors
/// If the file is no such checkpoint, is damaged, or asks for anything but tensors and plain values.
pub fn read_torch(path: &Path) -> Result<Checkpoint, FileError> {
    open(path, WHAT)?.checkpoint().map_err(|reason| FileError::format(path, WHAT, reason))
}

/// Reads a `.bin` that is one state dictionary, without running any of its code.
///
/// # Errors
/// As for [`read_torch`].
pub(super) fn read_state(path: &Path) -> Result<Weights, FileError> {
    let wrong = |reason: String| FileError::format(path, STATE, reason);
    let mut archive = open(path, STATE)?;
    archive.state().map_err(wrong)
}

/// Opens a file that torch.save wrote.
fn open(path: &Path, what: &'static str) -> Result<Archive, FileError> {
    let (mut file, length) = super::open_file(path)?;
    let wrong = |reason: String| FileError::format(path, what, reason);
    check_kind(&mut file, length).map_err(|source| FileError::read(path, source))?.map_err(wrong)?;
    Archive::open(file, length).map_err(wrong)
}

/// Whether the file begins and ends as a zip archive does, or in which way not.
fn check_kind(file: &mut File, length: u64) -> std::io::Result<Result<(), String>> {
    let mut start = Vec::new();
    (&mut *file).take(16).read_to_end(&mut start)?;
    if start.is_empty() {
        return Ok(Err("it is empty; download it again".into()));
    }
    if start.starts_with(LEGACY) {
        return Ok(Err("it was saved by PyTorch before version 1.6 or with its old format; \
                       load it once in PyTorch and save it again with torch.save"
            .into()));
    }
    if start.starts_with(b"\x80") {
        return Ok(Err("it is a pickled Python program (as EDM's .pkl), which is not run here; save its weights as \
                       safetensors with the few lines of Python in the README, under \"Bring a checkpoint\""
            .into()));
    }
    if !start.starts_with(b"PK\x03\x04") {
        return Ok(Err("it does not begin as such a file does; choose a .pth file that torch.save wrote".into()));
    }
    // The directory's end lies in the last bytes, so that no large file is searched through.
    let tail = length.min(22 + 0xffff);
    file.seek(SeekFrom::Start(length - tail))?;
    let mut end = Vec::new();
    (&mut *file).take(tail).read_to_end(&mut end)?;
    file.rewind()?;
    if !end.windows(4).any(|bytes| bytes == b"PK\x05\x06") {
        return Ok(Err(
            "it is cut short: its table of contents, which comes last, is missing; download it again".into()
        ));
    }
    Ok(Ok(()))
}

/// A checkpoint's zip archive, and how much of it may still be read.
struct Archive {
    zip: ZipArchive<BufReader<File>>,
    /// The folder in the archive, with its slash.
    root: String,
    length: u64,
    /// Bytes of storages that may still be read: no honest file has a storage read many times.
    bytes_left: u64,
    values_left: usize,
    /// The storage read last, by its key, as neighbouring tensors may share one.
    last: Option<(String, Vec<f32>)>,
}

impl Archive {
    fn open(file: File, length: u64) -> Result<Self, String> {
        let zip = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
        let root = zip.file_names().filter_map(Result::ok).find_map(|name| {
            name.strip_suffix("data.pkl").filter(|root| root.is_empty() || root.ends_with('/')).map(String::from)
        });
        let root = root.ok_or("it is a zip archive but holds no data.pkl; choose a .pth file that torch.save wrote")?;
        let values_left = MAX_VALUES.min(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(Archive { zip, root, length, bytes_left: length.saturating_mul(4), values_left, last: None })
    }

    /// The pickled part.
    fn pickle(&mut self) -> Result<Vec<u8>, String> {
        if self.zip.index_for_name(&format!("{}byteorder", self.root)).is_some()
            && self.entry("byteorder", 16)? != b"little"
        {
            return Err("it was written on a big-endian machine; save it again on another".into());
        }
        self.entry("data.pkl", MAX_PICKLE)
    }

    /// The tensors of a state dictionary by their names without `module.`, and the names in order.
    fn tensors(&mut self, pickle: &Pickle, pairs: &[(Value, Value)]) -> Result<(Weights, Vec<String>), String> {
        let (mut weights, mut order) = (Weights::new(), Vec::new());
        for &(name, value) in pairs {
            let (Some(name), Some(tensor)) = (pickle.text(name), pickle.tensor(value)) else { continue };
            let name = name.strip_prefix("module.").unwrap_or(name);
            let array = self.array(pickle, tensor).map_err(|reason| format!("{name:?} {reason}"))?;
            if weights.insert(name.into(), array).is_some() {
                return Err(format!("it is damaged: it names {name:?} twice"));
            }
            order.push(name.into());
        }
        Ok((weights, order))
    }

    /// A file that is one state dictionary.
    fn state(&mut self) -> Result<Weights, String> {
        let bytes = self.pickle()?;
        let pickle = Pickle::read(&bytes).map_err(sentence)?;
        let pairs = pickle.pairs(pickle.root).ok_or("it holds no state dictionary; choose the weights of a network")?;
        self.tensors(&pickle, pairs).map(|(weights, _)| weights)
    }

    fn checkpoint(&mut self) -> Result<Checkpoint, String> {
        let bytes = self.pickle()?;
        let pickle = Pickle::read(&bytes).map_err(sentence)?;
        let model = pickle.get(pickle.root, "model").and_then(|model| pickle.pairs(model)).ok_or(
            "it holds no state dictionary called model; only checkpoints as score_sde's PyTorch code saves them are read",
        )?;
        let (weights, order) = self.tensors(&pickle, model)?;
        let average = pickle.get(pickle.root, "ema");
        let mut ema = Vec::new();
        let shadow = average.and_then(|average| pickle.get(average, "shadow_params"));
        for (index, &value) in shadow.and_then(|list| pickle.items(list)).unwrap_or_default().iter().enumerate() {
            let tensor = pickle.tensor(value).ok_or("it is damaged: its EMA holds something that is no tensor")?;
            ema.push(self.array(&pickle, tensor).map_err(|reason| format!("EMA tensor {index} {reason}"))?);
        }
        let step = pickle.get(pickle.root, "step").and_then(|step| self.number(&pickle, step));
        let decay = average.and_then(|average| pickle.get(average, "decay"));
        Ok(Checkpoint {
            model: weights,
            order,
            ema,
            step: step.filter(|&step| step >= 0.0).map(|step| step as u64),
            ema_decay: decay.and_then(|decay| self.number(&pickle, decay)),
        })
    }

    /// A plain number, or the only value of a tensor.
    fn number(&mut self, pickle: &Pickle, value: Value) -> Option<f64> {
        match value {
            Value::Int(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            value => {
                let array = self.array(pickle, pickle.tensor(value)?).ok()?;
                if let [number] = array.values[..] { Some(number.into()) } else { None }
            }
        }
    }

    /// An entry of at most `most` bytes, and its size.
    fn open_entry(&mut self, name: &str, most: u64) -> Result<(impl Read, u64), String> {
        let name = format!("{}{name}", self.root);
        let index =
            self.zip.index_for_name(&name).ok_or_else(|| format!("it is damaged: its part {name:?} is missing"))?;
        let file = self.zip.by_index(index).map_err(damaged)?;
        let size = file.size();
        if file.compression() != CompressionMethod::Stored || size > self.length || size != file.compressed_size() {
            return Err(format!(
                "its part {name:?} is compressed or claims more than the file holds; torch.save writes neither"
            ));
        }
        if size > most {
            return Err(format!("its part {name:?} claims {size} bytes where at most {most} can be"));
        }
        Ok((file, size))
    }

    /// All bytes of an entry of at most `most`.
    fn entry(&mut self, name: &str, most: u64) -> Result<Vec<u8>, String> {
        let (file, size) = self.open_entry(name, most)?;
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        file.take(size + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("its part {name:?} is damaged ({error})"))?;
        if bytes.len() as u64 == size { Ok(bytes) } else { Err(format!("its part {name:?} is cut short")) }
    }

    /// All numbers of a storage.
    fn numbers(&mut self, storage: &Storage) -> Result<Vec<f32>, String> {
        let claimed = storage.elements.checked_mul(storage.number.size()).ok_or("claims more than memory can hold")?;
        let (name, most) = (format!("data/{}", storage.key), self.bytes_left.min(MAX_VALUES as u64 * 4));
        let (mut file, size) = self.open_entry(&name, most)?;
        if size != claimed as u64 {
            return Err(format!("claims {claimed} bytes but {size} are there; the file is damaged"));
        }
        let damaged = |error| format!("is damaged ({error})");
        let values = storage.number.read(&mut file, storage.elements).map_err(damaged)?;
        // The checksum is compared where the entry ends.
        file.read(&mut [0]).map_err(damaged)?;
        drop(file);
        self.bytes_left -= size;
        Ok(values)
    }

    /// The values of a tensor. The reason of a failure goes on from the tensor's name.
    fn array(&mut self, pickle: &Pickle, tensor: &Tensor) -> Result<Array, String> {
        let storage = pickle.storage(tensor).ok_or("has no storage")?;
        let elements = extent(tensor, storage.elements)?;
        self.values_left = self.values_left.checked_sub(elements).ok_or("makes the tensors larger than the file")?;
        let values = match &self.last {
            Some((key, values)) if key == storage.key && values.len() == storage.elements => values,
            _ => {
                self.last = None;
                let values = self.numbers(&storage)?;
                &self.last.insert((storage.key.into(), values)).1
            }
        };
        let values = gather(values, tensor, elements).ok_or("reaches beyond its storage; the file is damaged")?;
        Ok(Array { shape: tensor.shape.clone(), values })
    }
}

/// The number of elements of a tensor, once all of them lie inside a storage of `available`.
fn extent(tensor: &Tensor, available: usize) -> Result<usize, String> {
    let elements = tensor.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    let elements = elements.filter(|&elements| elements <= available);
    let elements = elements.ok_or("claims to be larger than its storage; the file is damaged")?;
    let last = tensor.shape.iter().zip(&tensor.strides).try_fold(tensor.offset, |place, (&size, &stride)| {
        size.saturating_sub(1).checked_mul(stride).and_then(|reach| place.checked_add(reach))
    });
    if elements > 0 && last.is_none_or(|last| last >= available) {
        return Err("reaches beyond its storage; the file is damaged".into());
    }
    Ok(elements)
}

/// Copies a strided view into row-major order.
fn gather(storage: &[f32], tensor: &Tensor, elements: usize) -> Option<Vec<f32>> {
    if elements == 0 {
        return Some(Vec::new());
    }
    if is_contiguous(tensor) {
        return storage.get(tensor.offset..tensor.offset.checked_add(elements)?).map(<[f32]>::to_vec);
    }
    let mut values = Vec::with_capacity(elements);
    let mut index = vec![0; tensor.shape.len()];
    for _ in 0..elements {
        let reach: usize = index.iter().zip(&tensor.strides).map(|(i, stride)| i * stride).sum();
        values.push(*storage.get(tensor.offset + reach)?);
        for (i, &size) in index.iter_mut().zip(&tensor.shape).rev() {
            *i += 1;
            if *i < size {
                break;
            }
            *i = 0;
        }
    }
    Some(values)
}

fn is_contiguous(tensor: &Tensor) -> bool {
    let mut expected = 1;
    tensor.shape.iter().zip(&tensor.strides).rev().all(|(&size, &stride)| {
        let fits = size == 1 || stride == expected;
        expected *= size;
        fits
    })
}

fn damaged(error: zip::result::ZipError) -> String {
    format!("it is damaged ({error}); download it again")
}

fn sentence(error: PickleError) -> String {
    format!("it {error}")
}
