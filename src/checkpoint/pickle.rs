//! A pickle machine that can only build plain values.
//!
//! Pickle is a stack language in which a file may name any function and have it called. This
//! machine knows the instructions and the names that PyTorch state dictionaries use and refuses
//! all else. Values are small handles into one arena, so that no file can make it recurse, copy
//! or hold much more than the file's own size.

use super::opcode as op;
use super::tensors::Number;
use std::collections::HashMap;

/// More than forty times what the largest published checkpoint takes.
const MAX_INSTRUCTIONS: usize = 2_000_000;
/// More dimensions than any image network has.
const MAX_DIMENSIONS: usize = 16;

/// Why a pickle cannot be read. The sentence continues from "it ...".
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum PickleError {
    #[error("refers to {0}, which is code; only tensors and plain values are read")]
    Code(String),
    #[error("uses the pickle instruction {0:#04x}, which no file of tensors and plain values needs")]
    Instruction(u8),
    #[error("is damaged: {0}")]
    Damaged(&'static str),
    #[error("has more than {MAX_INSTRUCTIONS} pickle instructions; no known checkpoint needs so many")]
    Endless,
}

use PickleError::Damaged;

/// A value: a scalar, or a handle to an [`Object`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Int(i64),
    Float(f64),
    Known(Known),
    Object(usize),
}

/// A name that a pickle may refer to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Known {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Number),
    /// A harmless constructor whose result nothing here needs.
    PassedOver,
}

impl Known {
    fn resolve(module: &str, name: &str) -> Result<Self, PickleError> {
        let known = match (module, name) {
            ("collections", "OrderedDict") => Some(Known::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Known::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Known::RebuildParameter),
            ("torch" | "torch.storage" | "torch.cuda", name) if name.ends_with("Storage") => {
                storage_number(name).map(Known::Storage)
            }
            ("torch", "Size" | "device")
            | ("numpy", "dtype")
            | ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar")
            | ("_codecs", "encode") => Some(Known::PassedOver),
            _ => None,
        };
        known.ok_or_else(|| PickleError::Code(printable(&format!("{module}.{name}"))))
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

/// A name from a stranger's file, fit for a sentence.
fn printable(name: &str) -> String {
    name.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// What a handle stands for.
#[derive(Debug)]
pub(super) enum Object<'a> {
    Text(&'a str),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Storage(Storage<'a>),
    Tensor(Tensor),
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
        let mut machine =
            Machine { rest: bytes, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), objects: Vec::new() };
        for _ in 0..MAX_INSTRUCTIONS {
            match machine.byte()? {
                op::STOP => return Ok((Pickle { root: machine.pop()?, objects: machine.objects }, machine.rest)),
                instruction => machine.execute(instruction)?,
            }
        }
        Err(PickleError::Endless)
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
            _ => None,
        }
    }

    /// The pairs of a dictionary, in order.
    pub fn pairs(&self, value: Value) -> Option<&[(Value, Value)]> {
        if let Some(Object::Dict(pairs)) = self.object(value) { Some(pairs) } else { None }
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

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    objects: Vec<Object<'a>>,
}

impl<'a> Machine<'a> {
    fn execute(&mut self, instruction: u8) -> Result<(), PickleError> {
        match instruction {
            op::PROTO => self.take(1).map(drop),
            op::FRAME => self.take(8).map(drop),
            op::MARK => self.mark(),
            op::POP => self.pop().map(drop),
            op::POP_MARK => self.pop_mark().map(drop),
            op::NONE
            | op::NEWTRUE
            | op::NEWFALSE
            | op::BININT
            | op::BININT1
            | op::BININT2
            | op::LONG1
            | op::BINFLOAT => self.scalar(instruction),
            op::BINUNICODE
            | op::SHORT_BINUNICODE
            | op::BINUNICODE8
            | op::SHORT_BINSTRING
            | op::BINSTRING
            | op::SHORT_BINBYTES
            | op::BINBYTES => self.string(instruction),
            op::EMPTY_TUPLE | op::TUPLE | op::TUPLE1..=op::TUPLE3 | op::EMPTY_LIST | op::EMPTY_DICT => {
                self.container(instruction)
            }
            op::APPEND | op::APPENDS | op::SETITEM | op::SETITEMS => self.fill(instruction),
            op::BINPUT | op::LONG_BINPUT | op::MEMOIZE | op::BINGET | op::LONG_BINGET => self.remember(instruction),
            op::GLOBAL | op::STACK_GLOBAL => self.global(instruction),
            op::REDUCE | op::NEWOBJ => self.call(),
            op::BUILD => self.pop().map(drop), // attributes, such as a version
            op::BINPERSID => self.persistent(),
            other => Err(PickleError::Instruction(other)),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], PickleError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Damaged("its list of tensors is truncated"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        self.take(N)?.try_into().map_err(|_| Damaged("its list of tensors is truncated"))
    }

    fn byte(&mut self) -> Result<u8, PickleError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn pop(&mut self) -> Result<Value, PickleError> {
        if self.stack.len() <= self.marks.last().copied().unwrap_or(0) {
            return Err(Damaged("a pickle instruction finds no value"));
        }
        self.stack.pop().ok_or(Damaged("a pickle instruction finds no value"))
    }

    fn mark(&mut self) -> Result<(), PickleError> {
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// All values above the last mark.
    fn pop_mark(&mut self) -> Result<Vec<Value>, PickleError> {
        let mark = self.marks.pop().ok_or(Damaged("a pickle instruction finds no mark"))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn push(&mut self, value: Value) -> Result<(), PickleError> {
        self.stack.push(value);
        Ok(())
    }

    fn create(&mut self, object: Object<'a>) -> Result<(), PickleError> {
        self.objects.push(object);
        self.push(Value::Object(self.objects.len() - 1))
    }

    fn scalar(&mut self, instruction: u8) -> Result<(), PickleError> {
        let value = match instruction {
            op::NONE => Value::None,
            op::NEWTRUE => Value::Int(1),
            op::NEWFALSE => Value::Int(0),
            op::BININT => Value::Int(i32::from_le_bytes(self.array()?).into()),
            op::BININT1 => Value::Int(self.byte()?.into()),
            op::BININT2 => Value::Int(u16::from_le_bytes(self.array()?).into()),
            op::BINFLOAT => Value::Float(f64::from_be_bytes(self.array()?)),
            _ => {
                // Little-endian two's complement of any length.
                let length = self.byte()?.into();
                let bytes = self.take(length)?;
                let fill = if bytes.last().is_some_and(|&top| top >= 0x80) { 0xff } else { 0 };
                let mut whole = [fill; 8];
                whole.get_mut(..bytes.len()).ok_or(Damaged("an integer is too long"))?.copy_from_slice(bytes);
                Value::Int(i64::from_le_bytes(whole))
            }
        };
        self.push(value)
    }

    fn string(&mut self, instruction: u8) -> Result<(), PickleError> {
        let length = match instruction {
            op::SHORT_BINUNICODE | op::SHORT_BINSTRING | op::SHORT_BINBYTES => self.byte()?.into(),
            op::BINUNICODE8 => u64::from_le_bytes(self.array()?),
            _ => u32::from_le_bytes(self.array()?).into(),
        };
        let bytes = self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        match instruction {
            // Bytes carry nothing that is needed here.
            op::SHORT_BINBYTES | op::BINBYTES => self.push(Value::None),
            _ => self.create(Object::Text(std::str::from_utf8(bytes).map_err(|_| Damaged("a name is not UTF-8"))?)),
        }
    }

    fn container(&mut self, instruction: u8) -> Result<(), PickleError> {
        let object = match instruction {
            op::EMPTY_LIST => Object::List(Vec::new()),
            op::EMPTY_DICT => Object::Dict(Vec::new()),
            op::EMPTY_TUPLE => Object::Tuple(Vec::new()),
            op::TUPLE => Object::Tuple(self.pop_mark()?),
            short => {
                let mut items = Vec::with_capacity(3);
                for _ in op::TUPLE1..=short {
                    items.push(self.pop()?);
                }
                items.reverse();
                Object::Tuple(items)
            }
        };
        self.create(object)
    }

    fn fill(&mut self, instruction: u8) -> Result<(), PickleError> {
        let new = match instruction {
            op::APPEND => vec![self.pop()?],
            op::SETITEM => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.pop_mark()?,
        };
        let Some(&Value::Object(handle)) = self.stack.last() else { return Err(Damaged("values have no container")) };
        match (instruction, self.objects.get_mut(handle)) {
            (op::APPEND | op::APPENDS, Some(Object::List(items))) => items.extend(new),
            (op::SETITEM | op::SETITEMS, Some(Object::Dict(pairs))) => {
                if new.len() % 2 != 0 {
                    return Err(Damaged("a key has no value"));
                }
                pairs.extend(new.chunks_exact(2).map(|pair| (pair[0], pair[1])));
            }
            _ => return Err(Damaged("values have no container")),
        }
        Ok(())
    }

    fn remember(&mut self, instruction: u8) -> Result<(), PickleError> {
        let index = match instruction {
            op::BINPUT | op::BINGET => self.byte()?.into(),
            op::LONG_BINPUT | op::LONG_BINGET => u32::from_le_bytes(self.array()?),
            _ => u32::try_from(self.memo.len()).map_err(|_| PickleError::Endless)?,
        };
        if matches!(instruction, op::BINGET | op::LONG_BINGET) {
            let value = self.memo.get(&index).copied().ok_or(Damaged("it refers to a value that is not there"))?;
            return self.push(value);
        }
        let value = self.stack.last().copied().ok_or(Damaged("a pickle instruction finds no value"))?;
        self.memo.insert(index, value);
        Ok(())
    }

    fn global(&mut self, instruction: u8) -> Result<(), PickleError> {
        let (module, name) = if instruction == op::GLOBAL {
            (self.line()?, self.line()?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            (self.text(module)?, self.text(name)?)
        };
        self.push(Value::Known(Known::resolve(module, name)?))
    }

    fn line(&mut self) -> Result<&'a str, PickleError> {
        let end = self.rest.iter().position(|&byte| byte == b'\n').ok_or(Damaged("a name has no end"))?;
        let line = self.take(end)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| Damaged("a name is not UTF-8"))
    }

    fn text(&self, value: Value) -> Result<&'a str, PickleError> {
        match value {
            Value::Object(handle) => match self.objects.get(handle) {
                Some(Object::Text(text)) => Ok(text),
                _ => Err(Damaged("a name is not text")),
            },
            _ => Err(Damaged("a name is not text")),
        }
    }

    fn tuple(&self, value: Value) -> Result<&[Value], PickleError> {
        match value {
            Value::Object(handle) => match self.objects.get(handle) {
                Some(Object::Tuple(items)) => Ok(items),
                _ => Err(Damaged("a tuple is missing")),
            },
            _ => Err(Damaged("a tuple is missing")),
        }
    }

    fn call(&mut self) -> Result<(), PickleError> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Value::Known(function) = function else { return Err(Damaged("something other than a function is called")) };
        match function {
            Known::OrderedDict => self.create(Object::Dict(Vec::new())),
            Known::PassedOver => self.push(Value::None),
            Known::RebuildParameter => {
                let tensor = self.tuple(arguments)?.first().copied();
                self.push(tensor.ok_or(Damaged("a parameter has no tensor"))?)
            }
            Known::RebuildTensor => {
                let tensor = self.rebuild(self.tuple(arguments)?)?;
                self.create(Object::Tensor(tensor))
            }
            Known::Storage(_) => Err(Damaged("a storage is called")),
        }
    }

    /// `(storage, offset, shape, strides, requires_grad, hooks, …)`
    fn rebuild(&self, arguments: &[Value]) -> Result<Tensor, PickleError> {
        let &[Value::Object(storage), Value::Int(offset), shape, strides, ..] = arguments else {
            return Err(Damaged("a tensor lacks its storage, place or shape"));
        };
        if !matches!(self.objects.get(storage), Some(Object::Storage(_))) {
            return Err(Damaged("a tensor lacks its storage"));
        }
        let sizes = |value| {
            let items = self.tuple(value)?;
            if items.len() > MAX_DIMENSIONS {
                return Err(Damaged("a tensor has more than 16 dimensions"));
            }
            items.iter().map(|&item| size(item)).collect::<Result<Vec<_>, _>>()
        };
        let tensor =
            Tensor { storage, offset: size(Value::Int(offset))?, shape: sizes(shape)?, strides: sizes(strides)? };
        if tensor.shape.len() != tensor.strides.len() {
            return Err(Damaged("a tensor has more dimensions than strides, or fewer"));
        }
        Ok(tensor)
    }

    /// `('storage', type, key, device, elements)`; before PyTorch 1.6 also `None`, or of what storage it is a part.
    fn persistent(&mut self) -> Result<(), PickleError> {
        let id = self.pop()?;
        let &[tag, Value::Known(Known::Storage(number)), key, _, elements, ref whole @ ..] = self.tuple(id)? else {
            return Err(Damaged("a storage lacks its type, name or size"));
        };
        if whole.iter().any(|&whole| whole != Value::None) {
            return Err(Damaged("a storage is part of another one"));
        }
        if self.text(tag)? != "storage" {
            return Err(Damaged("it refers to something other than a storage"));
        }
        let storage = Storage { number, key: self.text(key)?, elements: size(elements)? };
        self.create(Object::Storage(storage))
    }
}

fn size(value: Value) -> Result<usize, PickleError> {
    match value {
        Value::Int(size) => usize::try_from(size).map_err(|_| Damaged("a size is negative")),
        _ => Err(Damaged("a size is not a number")),
    }
}
