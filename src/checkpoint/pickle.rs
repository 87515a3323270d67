//! What a pickle is read to: plain values, and the classes of what only code could make.

use super::machine::{self, MAX_HELD, MAX_INSTRUCTIONS};
use super::tensors::Number;
use crate::text;

/// Why a pickle cannot be read. The sentence continues from "it ...".
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum PickleError {
    #[error("uses the pickle instruction {0:#04x}, which no file of tensors and plain values needs")]
    Instruction(u8),
    #[error("is damaged: {0}")]
    Damaged(&'static str),
    #[error("has more than {MAX_INSTRUCTIONS} pickle instructions; no known checkpoint needs so many")]
    Endless,
    #[error("has more than {MAX_HELD} pickled objects; no known checkpoint needs so many")]
    Crowded,
    #[error("has more than 4 MiB of names; no known checkpoint needs so many")]
    Wordy,
}

/// A value: a scalar, or a handle to an [`Object`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Int(i64),
    Float(f64),
    Known(Known),
    Object(usize),
}

/// A name that tensors are made with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Known {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    /// Calls the function that is its first argument, for a class of tensors that is its second.
    RebuildFromType,
    Storage(Number),
}

impl Known {
    pub fn resolve(module: &str, name: &str) -> Option<Self> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Known::OrderedDict),
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Some(Known::RebuildTensor),
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Some(Known::RebuildParameter),
            ("torch._tensor", "_rebuild_from_type_v2") => Some(Known::RebuildFromType),
            ("torch" | "torch.storage" | "torch.cuda", name) if name.ends_with("Storage") => {
                storage_number(name).map(Known::Storage)
            }
            _ => None,
        }
    }
}

fn storage_number(name: &str) -> Option<Number> {
    Some(match name {
        "DoubleStorage" => Number::F64,
        "FloatStorage" => Number::F32,
        "HalfStorage" => Number::F16,
        "BFloat16Storage" => Number::BF16,
        "LongStorage" => Number::I64,
        "IntStorage" => Number::I32,
        "ShortStorage" => Number::I16,
        "CharStorage" => Number::I8,
        "ByteStorage" | "BoolStorage" | "UntypedStorage" => Number::U8,
        _ => return None,
    })
}

/// What a handle stands for.
#[derive(Debug)]
pub(super) enum Object<'a> {
    Text(&'a str),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Storage(Storage<'a>),
    Tensor(Box<Tensor>),
    /// A class or function that is not known here, by its module and name.
    Class(&'a str, &'a str),
    Instance(Box<Instance>),
}

/// An object of a class that is not known here, which was not made.
#[derive(Debug)]
pub(super) struct Instance {
    /// Handle of its [`Object::Class`].
    pub class: usize,
    /// What was put in, as into a list or a dictionary.
    pub items: Vec<Value>,
    pub pairs: Vec<(Value, Value)>,
    /// Its attributes.
    pub state: Value,
}

/// Where numbers are stored: an entry of the archive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage<'a> {
    pub number: Number,
    pub key: &'a str,
    /// Claimed number of elements.
    pub elements: usize,
}

/// A strided view of a storage.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    /// Handle of its [`Storage`].
    pub storage: usize,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// A pickle that has been read.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    pub root: Value,
    objects: Vec<Object<'a>>,
}

impl<'a> Pickle<'a> {
    /// Reads a whole pickle.
    pub fn read(bytes: &'a [u8]) -> Result<Self, PickleError> {
        Pickle::read_first(bytes).map(|(pickle, _)| pickle)
    }

    /// Reads the pickle that `bytes` begin with, and returns what follows it.
    pub fn read_first(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), PickleError> {
        machine::run(bytes).map(|(root, objects, rest)| (Pickle { root, objects }, rest))
    }

    fn object(&self, value: Value) -> Option<&Object<'a>> {
        match value {
            Value::Object(handle) => self.objects.get(handle),
            _ => None,
        }
    }

    /// The text that `value` is.
    pub fn text(&self, value: Value) -> Option<&'a str> {
        if let Some(Object::Text(text)) = self.object(value) { Some(text) } else { None }
    }

    /// The elements of a list or tuple.
    pub fn items(&self, value: Value) -> Option<&[Value]> {
        match self.object(value)? {
            Object::List(items) | Object::Tuple(items) => Some(items),
            Object::Instance(instance) if !instance.items.is_empty() => Some(&instance.items),
            _ => None,
        }
    }

    /// The pairs of a dictionary, of any class, in order. Those with keys longer than any tensor's name are left out.
    pub fn pairs(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.object(value)? {
            Object::Dict(pairs) => Some(pairs),
            Object::Instance(instance) if !instance.pairs.is_empty() => Some(&instance.pairs),
            _ => None,
        }
    }

    /// The attributes of an object of a class that is not known here.
    pub fn state(&self, value: Value) -> Option<Value> {
        if let Some(Object::Instance(instance)) = self.object(value) { Some(instance.state) } else { None }
    }

    /// The class, as `module.name`, of a value that only code could make.
    pub fn class(&self, value: Value) -> Option<String> {
        let class = match self.object(value)? {
            Object::Instance(instance) => self.objects.get(instance.class)?,
            object => object,
        };
        // Cut before they are put together, as they may be as long as the file.
        if let Object::Class(module, name) = class {
            Some(text::name(&format!("{module:.80}.{name:.80}")))
        } else {
            None
        }
    }

    /// The value under `key` in a dictionary.
    pub fn get(&self, dict: Value, key: &str) -> Option<Value> {
        // As in Python, the last one written counts.
        self.pairs(dict)?.iter().rev().find(|(name, _)| self.text(*name) == Some(key)).map(|(_, value)| *value)
    }

    /// The tensor that `value` is.
    pub fn tensor(&self, value: Value) -> Option<&Tensor> {
        if let Some(Object::Tensor(tensor)) = self.object(value) { Some(tensor) } else { None }
    }

    /// All storages that are referred to, some of them more than once.
    pub fn storages(&self) -> impl Iterator<Item = Storage<'a>> {
        self.objects
            .iter()
            .filter_map(|object| if let Object::Storage(storage) = object { Some(*storage) } else { None })
    }

    /// The storage that a tensor views.
    pub fn storage(&self, tensor: &Tensor) -> Option<Storage<'a>> {
        if let Some(Object::Storage(storage)) = self.objects.get(tensor.storage) { Some(*storage) } else { None }
    }
}
