use super::found::{Found, KEYS, Named};
use super::legacy::{LEGACY, LegacyParts};
use super::pickle::{Pickle, PickleError, Storage, Tensor, Value};
use super::progress::{ReadProgress, ReportedFile};
use super::sets;
use super::tensors::{self, MAX_VALUES};
use super::zip_parts::ZipParts;
use super::{FileError, foreign};
use crate::network::{Array, Weights};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

const WHAT: &str = "a valid PyTorch checkpoint";
/// How weights are saved so that they open.
const SAVE_AGAIN: &str = "save the weights again in Python by torch.save(model.state_dict(), \"weights.pth\")";
/// Keys for the training steps done.
const STEPS: [&str; 4] = ["step", "global_step", "iteration", "iterations"];
/// What a PyTorch checkpoint holds of one network.
#[derive(Debug, Default)]
pub struct Checkpoint {
    /// The raw weights by name, without what training wraps around a model; buffers included. Their EMA, where the file
    /// has nothing else.
    pub model: Weights,
    /// Whether `model` are raw weights.
    pub raw: bool,
    /// Names of `model` in the file's order.
    pub order: Vec<String>,
    /// EMA weights in parameter order.
    pub ema: Vec<Array>,
    /// EMA weights by name, where they are kept so.
    pub average: Option<Weights>,
    /// Training steps done.
    pub step: Option<u64>,
    /// The EMA's decay.
    pub ema_decay: Option<f64>,
    /// What a person should know of the choice of the weights, a sentence each.
    pub notes: Vec<String>,
}

/// Reads a `.pth` without running any of its code. The optimizer's tensors and all that is not a network's are passed
/// over.
///
/// # Errors
/// If the file is not such a checkpoint, is damaged, or only code could make its weights.
pub fn read_torch(path: &Path) -> Result<Checkpoint, FileError> {
    read(path, &ReadProgress::default())
}

/// The same, reported.
pub(super) fn read(path: &Path, progress: &ReadProgress) -> Result<Checkpoint, FileError> {
    open(path, progress)?.checkpoint().map_err(|reason| FileError::format(path, WHAT, reason))
}

/// Opens a file that torch.save wrote.
fn open<'a>(path: &Path, progress: &'a ReadProgress) -> Result<Archive<'a>, FileError> {
    let (mut file, length) = progress.open(path)?;
    let wrong = |reason: String| FileError::format(path, WHAT, reason);
    let parts = match kind(&mut file, length).map_err(|source| FileError::read(path, source))?.map_err(wrong)? {
        Kind::Zip => ZipParts::open(file, length).map(Parts::Zip),
        Kind::Legacy => LegacyParts::open(file, length).map(Parts::Legacy),
    };
    Ok(Archive::new(parts.map_err(wrong)?, length, progress))
}

/// The two formats of torch.save.
enum Kind {
    /// Since version 1.6.
    Zip,
    /// Before.
    Legacy,
}

/// Which of them a file is in, or in which way in none.
fn kind(file: &mut ReportedFile, length: u64) -> std::io::Result<Result<Kind, String>> {
    let mut start = Vec::new();
    (&mut *file).take(foreign::START).read_to_end(&mut start)?;
    if start.is_empty() {
        return Ok(Err("it is empty; download it again".into()));
    }
    if start.starts_with(LEGACY) {
        return Ok(Ok(Kind::Legacy));
    }
    if start.starts_with(b"\x80") {
        return Ok(Err("it is a pickled Python program (like EDM's .pkl), which is never executed; save its weights \
                       as safetensors with the lines of Python in the README, under \"Import a checkpoint\""
            .into()));
    }
    if !start.starts_with(b"PK\x03\x04") {
        return Ok(Err(foreign::sentence(&start, "another kind of file", "choose a .pth file saved by torch.save")));
    }
    // The directory's end lies in the last bytes, so that no large file is searched through.
    let tail = length.min(22 + 0xffff);
    file.seek(SeekFrom::Start(length - tail))?;
    let mut end = Vec::new();
    (&mut *file).take(tail).read_to_end(&mut end)?;
    file.rewind()?;
    if !end.windows(4).any(|bytes| bytes == b"PK\x05\x06") {
        return Ok(Err("it is truncated: the table of contents at its end is missing; download it again".into()));
    }
    Ok(Ok(Kind::Zip))
}

/// What a checkpoint's file holds, and how much of it may still be read.
struct Archive<'a> {
    parts: Parts<'a>,
    progress: &'a ReadProgress<'a>,
    /// Bytes of storages that may still be read: no honest file has a storage read many times.
    bytes_left: u64,
    values_left: usize,
    /// What more values than that would be.
    beyond: &'static str,
    /// The storage read last, by its key, as neighbouring tensors may share one.
    last: Option<(String, Vec<f32>)>,
}

/// Where the pickled part and the storages are.
enum Parts<'a> {
    Zip(ZipParts<'a>),
    Legacy(LegacyParts<'a>),
}

impl<'a> Archive<'a> {
    fn new(parts: Parts<'a>, length: u64, progress: &'a ReadProgress<'a>) -> Self {
        let (values_left, beyond) = match usize::try_from(length) {
            Ok(length) if length < MAX_VALUES => (length, "makes the tensors larger than the file"),
            _ => (MAX_VALUES, "makes the tensors larger than any supported network"),
        };
        Archive { parts, progress, bytes_left: length.saturating_mul(4), values_left, beyond, last: None }
    }

    /// The pickled part.
    fn pickle(&mut self) -> Result<Vec<u8>, String> {
        match &mut self.parts {
            Parts::Zip(parts) => parts.pickle(),
            Parts::Legacy(parts) => parts.pickle(),
        }
    }

    /// The tensors of these pairs by their names from `start` on, and the names in order.
    fn tensors<'p>(
        &mut self,
        pickle: &Pickle,
        pairs: impl IntoIterator<Item = &'p (Value, Value)>,
        start: usize,
    ) -> Result<(Weights, Vec<String>), String> {
        let (mut weights, mut order, mut foreign) = (Weights::new(), Vec::new(), None);
        for &(name, value) in pairs {
            let Some(name) = pickle.text(name).and_then(|name| name.get(start..)) else { continue };
            let Some(tensor) = pickle.tensor(value) else {
                foreign = foreign.or_else(|| Some((name, pickle.class(value)?))).filter(|_| weights.is_empty());
                match pickle.class(value).filter(|_| is_parameter(name)) {
                    Some(class) => return Err(made_by_code(name, &class)),
                    None => continue,
                }
            };
            let array = self.array(pickle, tensor).map_err(|reason| format!("{name:?} {reason}"))?;
            if weights.insert(name.into(), array).is_some() {
                return Err(format!("it is damaged: it names {name:?} twice"));
            }
            order.push(name.into());
        }
        match foreign.filter(|_| weights.is_empty()) {
            Some((name, class)) => Err(made_by_code(name, &class)),
            None => Ok((weights, order)),
        }
    }

    fn checkpoint(&mut self) -> Result<Checkpoint, String> {
        let bytes = self.pickle()?;
        let pickle = Pickle::read(&bytes).map_err(sentence)?;
        if let Some(states) = pickle.items(pickle.root).filter(|states| begins_with_weights(&pickle, states)) {
            return self.states(&pickle, states);
        }
        let found = Found::of(&pickle);
        let [raw, average] = found.chosen();
        let shadow = found.shadow.filter(|_| average.is_none()).unwrap_or_default();
        if raw.is_none() && average.is_none() && shadow.is_empty() {
            return Err(without_weights(&pickle));
        }
        let chosen = [raw, average].into_iter().flatten();
        let values = chosen.flat_map(|named| named.pairs().map(|(_, value)| value));
        self.expect(&pickle, values.chain(shadow));
        let mut read = |named: Option<&Named>| {
            named.map(|named| self.tensors(&pickle, named.pairs(), named.set.prefix.len())).transpose()
        };
        let (model, averages) = (read(raw)?, read(average)?);
        let mut ema = Vec::new();
        for (index, &value) in shadow.iter().enumerate() {
            let tensor = pickle.tensor(value).ok_or("it is damaged: its EMA holds something other than tensors")?;
            ema.push(self.array(&pickle, tensor).map_err(|reason| format!("EMA tensor {index} {reason}"))?);
        }
        let mut notes = found.notes(raw.or(average), average);
        let (has_raw, has_average) = (model.is_some(), averages.is_some() || !ema.is_empty());
        if has_raw && !has_average && raw.is_some_and(|raw| !raw.keys.is_empty()) {
            notes.push("The file has no EMA, so its raw weights are used.".into());
        }
        let step = STEPS.iter().find_map(|step| pickle.get(pickle.root, step));
        let decay = pickle.get(pickle.root, "ema").and_then(|average| pickle.get(average, "decay"));
        let (model, average) = if has_raw { (model, averages.map(|(weights, _)| weights)) } else { (averages, None) };
        let (model, order) = model.unwrap_or_default();
        Ok(Checkpoint {
            model,
            raw: has_raw,
            order,
            ema,
            average,
            step: step.and_then(|step| self.number(&pickle, step)).filter(|&step| step >= 0.0).map(|step| step as u64),
            ema_decay: decay.and_then(|decay| self.number(&pickle, decay)),
            notes,
        })
    }

    /// What NCSN and NCSNv2 save: a list of weights, the optimizer's state, the epoch, the step, and the EMA weights
    /// by their names. The first of them ends after the optimizer.
    fn states(&mut self, pickle: &Pickle, states: &[Value]) -> Result<Checkpoint, String> {
        let pairs = |index: usize| states.get(index).and_then(|&state| pickle.pairs(state));
        let wanted = [0, 4].into_iter().flat_map(|index| pairs(index).unwrap_or_default());
        self.expect(pickle, wanted.map(|(_, value)| value));
        let mut read = |index: usize| {
            let pairs = pairs(index)?;
            let names: Vec<&str> = pairs.iter().filter_map(|&(name, _)| pickle.text(name)).collect();
            Some(self.tensors(pickle, pairs, sets::wrapped(&names).len()))
        };
        let (weights, order) = read(0).transpose()?.unwrap_or_default();
        let average = read(4).transpose()?;
        let step = states.get(3).and_then(|&step| self.number(pickle, step));
        Ok(Checkpoint {
            model: weights,
            raw: true,
            order,
            average: Some(average.map_or_else(Weights::new, |(average, _)| average)),
            step: step.filter(|&step| step >= 0.0).map(|step| step as u64),
            ..Checkpoint::default()
        })
    }

    /// From here on the storages of these tensors are read. (The optimizer's are passed over.)
    fn expect<'v>(&self, pickle: &Pickle, tensors: impl Iterator<Item = &'v Value>) {
        let bytes = |&value: &Value| {
            let storage = pickle.storage(pickle.tensor(value)?)?;
            storage.elements.checked_mul(storage.number.size())
        };
        self.progress.expect(tensors.filter_map(bytes).fold(0, |sum, bytes| sum.saturating_add(bytes as u64)));
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

    /// All numbers of a storage.
    fn numbers(&mut self, storage: &Storage) -> Result<Vec<f32>, String> {
        let claimed = storage.elements.checked_mul(storage.number.size()).ok_or("claims more than memory can hold")?;
        let most = self.bytes_left.min(MAX_VALUES as u64 * 4);
        let values = match &mut self.parts {
            Parts::Zip(parts) => parts.numbers(storage, claimed as u64, most)?,
            Parts::Legacy(parts) => parts.numbers(storage, claimed as u64, most)?,
        };
        self.bytes_left -= claimed as u64;
        Ok(values)
    }

    /// The values of a tensor. The reason of a failure continues from the tensor's name.
    fn array(&mut self, pickle: &Pickle, tensor: &Tensor) -> Result<Array, String> {
        let storage = pickle.storage(tensor).ok_or("has no storage")?;
        let elements = extent(tensor, storage.elements)?;
        self.values_left = self.values_left.checked_sub(elements).ok_or(self.beyond)?;
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

/// Whether a name in a state dictionary is that of a parameter rather than of what a class keeps beside them.
fn is_parameter(name: &str) -> bool {
    [".weight", ".bias", ".W", ".b"].iter().any(|end| name.ends_with(end))
}

fn made_by_code(name: &str, class: &str) -> String {
    format!("{name:?} refers to {class}, which is code and is not run; {SAVE_AGAIN}")
}

/// Why a pickle has no weights by name, and what to do.
fn without_weights(pickle: &Pickle) -> String {
    let named = KEYS.iter().chain(&["ema"]).filter_map(|key| pickle.get(pickle.root, key));
    let class = std::iter::once(pickle.root).chain(named).find_map(|value| pickle.class(value));
    match class {
        Some(class) => format!("it refers to {class}, which is code and is not run; {SAVE_AGAIN}"),
        None => format!("it has no weights by name (a state dictionary); {SAVE_AGAIN}"),
    }
}

fn begins_with_weights(pickle: &Pickle, states: &[Value]) -> bool {
    states.first().is_some_and(|&state| pickle.pairs(state).is_some())
}

/// The number of elements of a tensor, once all of them lie inside a storage of `available`.
fn extent(tensor: &Tensor, available: usize) -> Result<usize, String> {
    let elements = tensor.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    let sized = elements != Some(0) || tensors::elements(&tensor.shape).is_some();
    let elements = elements.filter(|&elements| elements <= available && sized);
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

pub(super) fn sentence(error: PickleError) -> String {
    format!("it {error}")
}
