//! A pickle machine that can only build plain values.
//!
//! Pickle is a stack language in which a file may name any function and have it called. This
//! machine knows the few names that tensors are made with; an object of any other class is not made:
//! its class and what was put in are noted, and whoever needs it is told so. Values are small handles
//! into one arena, so that no file can make it recurse, copy or hold much more than the file's own size.

use super::opcode as op;
use super::pickle::PickleError::{self, Damaged};
use super::pickle::{Instance, Known, Object, Storage, Tensor, Value};
use super::tensors::MAX_NAME;
use std::collections::HashMap;

/// More than forty times what the largest published checkpoint takes.
pub(super) const MAX_INSTRUCTIONS: usize = 2_000_000;
/// Objects, remembered values and values in hand, of each: ten times what the largest published checkpoint has.
pub(super) const MAX_HELD: usize = 400_000;
/// Bytes of all keys of dictionaries, each as often as it is used: ten times what the largest published checkpoint has.
const MAX_KEYS: usize = 4 << 20;
/// More dimensions than any image network has.
const MAX_DIMENSIONS: usize = 16;

/// Runs the pickle that `bytes` begin with: its value, all objects, and what follows it.
pub(super) fn run(bytes: &[u8]) -> Result<(Value, Vec<Object<'_>>, &[u8]), PickleError> {
    let mut machine = Machine {
        rest: bytes,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        objects: Vec::new(),
        copied: 0,
        keys: 0,
    };
    for _ in 0..MAX_INSTRUCTIONS {
        match machine.byte()? {
            op::STOP => return Ok((machine.pop()?, machine.objects, machine.rest)),
            instruction => machine.execute(instruction)?,
        }
    }
    Err(PickleError::Endless)
}

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    objects: Vec<Object<'a>>,
    /// Pairs of dictionaries that were copied from lists.
    copied: usize,
    /// Bytes of their keys.
    keys: usize,
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
            | op::INT
            | op::LONG1
            | op::LONG4
            | op::BINFLOAT => self.scalar(instruction),
            op::BINUNICODE
            | op::SHORT_BINUNICODE
            | op::BINUNICODE8
            | op::SHORT_BINSTRING
            | op::BINSTRING
            | op::SHORT_BINBYTES
            | op::BINBYTES
            | op::BINBYTES8
            | op::BYTEARRAY8 => self.string(instruction),
            op::EMPTY_TUPLE
            | op::TUPLE
            | op::TUPLE1..=op::TUPLE3
            | op::EMPTY_LIST
            | op::EMPTY_DICT
            | op::EMPTY_SET
            | op::FROZENSET => self.container(instruction),
            op::APPEND | op::APPENDS | op::ADDITEMS | op::SETITEM | op::SETITEMS => self.fill(instruction),
            op::BINPUT | op::LONG_BINPUT | op::MEMOIZE | op::BINGET | op::LONG_BINGET => self.remember(instruction),
            op::GLOBAL | op::STACK_GLOBAL => self.global(instruction),
            op::REDUCE | op::NEWOBJ => self.call(),
            op::NEWOBJ_EX => self.pop().and_then(|_| self.call()),
            op::BUILD => self.build(),
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
        room(self.marks.len())?;
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// All values above the last mark.
    fn pop_mark(&mut self) -> Result<Vec<Value>, PickleError> {
        let mark = self.marks.pop().ok_or(Damaged("a pickle instruction finds no mark"))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn push(&mut self, value: Value) -> Result<(), PickleError> {
        room(self.stack.len())?;
        self.stack.push(value);
        Ok(())
    }

    fn create(&mut self, object: Object<'a>) -> Result<(), PickleError> {
        room(self.objects.len())?;
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
            // A truth value or a number as text, which Python 2 writes where a number is large.
            op::INT => self.line()?.trim().parse().map_or(Value::None, Value::Int),
            _ => {
                let length = match instruction {
                    op::LONG1 => self.byte()?.into(),
                    _ => u32::from_le_bytes(self.array()?) as usize,
                };
                whole(self.take(length)?).map_or(Value::None, Value::Int)
            }
        };
        self.push(value)
    }

    fn string(&mut self, instruction: u8) -> Result<(), PickleError> {
        let length = match instruction {
            op::SHORT_BINUNICODE | op::SHORT_BINSTRING | op::SHORT_BINBYTES => self.byte()?.into(),
            op::BINUNICODE8 | op::BINBYTES8 | op::BYTEARRAY8 => u64::from_le_bytes(self.array()?),
            _ => u32::from_le_bytes(self.array()?).into(),
        };
        let bytes = self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        match instruction {
            op::SHORT_BINBYTES | op::BINBYTES | op::BINBYTES8 | op::BYTEARRAY8 => self.push(Value::None),
            // Bytes carry nothing that is needed here; the strings of Python 2 may be bytes.
            _ => match std::str::from_utf8(bytes) {
                Ok(text) => self.create(Object::Text(text)),
                Err(_) => self.push(Value::None),
            },
        }
    }

    fn container(&mut self, instruction: u8) -> Result<(), PickleError> {
        let object = match instruction {
            op::EMPTY_LIST | op::EMPTY_SET => Object::List(Vec::new()),
            op::EMPTY_DICT => Object::Dict(Vec::new()),
            op::EMPTY_TUPLE => Object::Tuple(Vec::new()),
            op::TUPLE | op::FROZENSET => Object::Tuple(self.pop_mark()?),
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
        let container = Damaged("values have no container");
        if matches!(instruction, op::SETITEM | op::SETITEMS) {
            let (pairs, []) = new.as_chunks::<2>() else { return Err(Damaged("a key has no value")) };
            let new = self.keyed(pairs.iter().map(|&[key, value]| (key, value)).collect())?;
            match self.objects.get_mut(handle).ok_or(container)? {
                Object::Dict(pairs) => pairs.extend(new),
                Object::Instance(instance) => instance.pairs.extend(new),
                _ => return Err(Damaged("values have no container")),
            }
        } else {
            match self.objects.get_mut(handle).ok_or(container)? {
                Object::List(items) => items.extend(new),
                Object::Instance(instance) => instance.items.extend(new),
                _ => return Err(Damaged("values have no container")),
            }
        }
        Ok(())
    }

    /// The pairs of a dictionary whose keys are no longer than a tensor's name.
    fn keyed(&mut self, mut pairs: Vec<(Value, Value)>) -> Result<Vec<(Value, Value)>, PickleError> {
        let bytes = |key: Value| self.text(key).map_or(0, str::len);
        pairs.retain(|&(key, _)| bytes(key) <= MAX_NAME);
        self.keys += pairs.iter().map(|&(key, _)| bytes(key)).sum::<usize>();
        if self.keys <= MAX_KEYS { Ok(pairs) } else { Err(PickleError::Wordy) }
    }

    fn remember(&mut self, instruction: u8) -> Result<(), PickleError> {
        let index = match instruction {
            op::BINPUT | op::BINGET => self.byte()?.into(),
            op::LONG_BINPUT | op::LONG_BINGET => u32::from_le_bytes(self.array()?),
            _ => u32::try_from(self.memo.len()).map_err(|_| PickleError::Crowded)?,
        };
        if matches!(instruction, op::BINGET | op::LONG_BINGET) {
            let value = self.memo.get(&index).copied().ok_or(Damaged("it refers to a value that is not there"))?;
            return self.push(value);
        }
        let value = self.stack.last().copied().ok_or(Damaged("a pickle instruction finds no value"))?;
        room(self.memo.len())?;
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
        match Known::resolve(module, name) {
            Some(known) => self.push(Value::Known(known)),
            None => self.create(Object::Class(module, name)),
        }
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
        self.apply(function, arguments)
    }

    fn apply(&mut self, function: Value, arguments: Value) -> Result<(), PickleError> {
        match function {
            Value::Known(Known::OrderedDict) => {
                let pairs = self.listed(arguments);
                // These are copies, unlike all other values.
                self.copied += pairs.len();
                room(self.copied)?;
                let pairs = self.keyed(pairs)?;
                self.create(Object::Dict(pairs))
            }
            Value::Known(Known::RebuildParameter) => {
                let tensor = self.tuple(arguments)?.first().copied();
                self.push(tensor.ok_or(Damaged("a parameter has no tensor"))?)
            }
            Value::Known(Known::RebuildTensor) => {
                let arguments = self.tuple(arguments)?;
                if let Some(class) = arguments.first().and_then(|&storage| self.class(storage)) {
                    // Numbers of a kind that is not known here.
                    return self.instance(class);
                }
                let tensor = self.rebuild(arguments)?;
                self.create(Object::Tensor(Box::new(tensor)))
            }
            Value::Known(Known::RebuildFromType) => {
                let &[function, class, arguments, ..] = self.tuple(arguments)? else {
                    return Err(Damaged("a tensor lacks its storage, place or shape"));
                };
                match (function, self.class(class)) {
                    (Value::Known(Known::RebuildTensor | Known::RebuildParameter), _) => {
                        self.apply(function, arguments)
                    }
                    (_, Some(class)) => self.instance(class),
                    _ => Err(Damaged("something other than a function is called")),
                }
            }
            Value::Known(Known::Storage(_)) => Err(Damaged("a storage is called")),
            function => {
                let class = self.class(function).ok_or(Damaged("something other than a function is called"))?;
                self.instance(class)
            }
        }
    }

    /// The pairs that a dictionary is made of at once, as Python 2 has it.
    fn listed(&self, arguments: Value) -> Vec<(Value, Value)> {
        let items = |value| match value {
            Value::Object(handle) => match self.objects.get(handle) {
                Some(Object::List(items) | Object::Tuple(items)) => items.as_slice(),
                _ => &[],
            },
            _ => &[],
        };
        let pairs = items(arguments).first().map_or(&[][..], |&pairs| items(pairs));
        pairs
            .iter()
            .filter_map(|&pair| if let &[key, value] = items(pair) { Some((key, value)) } else { None })
            .collect()
    }

    /// The handle of the class that a value is, or is an object of.
    fn class(&self, value: Value) -> Option<usize> {
        let Value::Object(handle) = value else { return None };
        match self.objects.get(handle)? {
            Object::Class(..) => Some(handle),
            Object::Instance(instance) => Some(instance.class),
            _ => None,
        }
    }

    fn instance(&mut self, class: usize) -> Result<(), PickleError> {
        let instance = Instance { class, items: Vec::new(), pairs: Vec::new(), state: Value::None };
        self.create(Object::Instance(Box::new(instance)))
    }

    /// Gives attributes to the value below; those of what is known here, such as a version, are not needed.
    fn build(&mut self) -> Result<(), PickleError> {
        let state = self.pop()?;
        let &Value::Object(handle) = self.stack.last().ok_or(Damaged("a pickle instruction finds no value"))? else {
            return Ok(());
        };
        if let Some(Object::Instance(instance)) = self.objects.get_mut(handle) {
            instance.state = state;
        }
        Ok(())
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
        let &[tag, kind, ref rest @ ..] = self.tuple(id)? else {
            return Err(Damaged("a storage lacks its type, name or size"));
        };
        match (self.text(tag)?, self.class(kind)) {
            ("storage", Some(class)) => return self.instance(class),
            // So did PyTorch before 1.6 refer to classes.
            ("module", Some(_)) => return self.push(kind),
            _ => {}
        }
        let (Value::Known(Known::Storage(number)), &[key, _, elements, ref whole @ ..]) = (kind, rest) else {
            return Err(Damaged("a storage lacks its type, name or size"));
        };
        if whole.iter().any(|&whole| whole != Value::None) {
            return Err(Damaged("a storage is part of another one"));
        }
        if self.text(tag)? != "storage" {
            return Err(Damaged("it refers to something other than a storage"));
        }
        let key = self.text(key)?;
        if key.len() > MAX_NAME {
            return Err(Damaged("a storage has a name of more than 1024 bytes"));
        }
        let storage = Storage { number, key, elements: size(elements)? };
        self.create(Object::Storage(storage))
    }
}

/// Refuses more than [`MAX_HELD`].
fn room(held: usize) -> Result<(), PickleError> {
    if held < MAX_HELD { Ok(()) } else { Err(PickleError::Crowded) }
}

/// A whole number in little-endian two's complement, unless it is longer than any size.
fn whole(bytes: &[u8]) -> Option<i64> {
    let fill = if bytes.last().is_some_and(|&top| top >= 0x80) { 0xff } else { 0 };
    let mut whole = [fill; 8];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(whole))
}

fn size(value: Value) -> Result<usize, PickleError> {
    match value {
        Value::Int(size) => usize::try_from(size).map_err(|_| Damaged("a size is negative")),
        _ => Err(Damaged("a size is not a number")),
    }
}
