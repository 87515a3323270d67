//! Makes `.pth` files byte by byte, honest and hostile ones.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A zip archive of stored entries, as torch.save writes it.
pub fn archive(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A `.pth` of this pickle and these storages.
pub fn pth(folder: &Path, pickle: &[u8], storages: &[&[u8]]) -> PathBuf {
    let names: Vec<String> = (0..storages.len()).map(|key| format!("archive/data/{key}")).collect();
    let mut entries = vec![("archive/data.pkl", pickle)];
    entries.extend(names.iter().map(String::as_str).zip(storages.iter().copied()));
    let path = folder.join("forged.pth");
    std::fs::write(&path, archive(&entries, CompressionMethod::Stored)).unwrap();
    path
}

pub fn text(text: &str) -> Vec<u8> {
    [b"X".as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

/// LONG1 of eight bytes.
pub fn int(number: i64) -> Vec<u8> {
    [b"\x8a\x08".as_slice(), &number.to_le_bytes()].concat()
}

pub fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(".to_vec(), items.concat(), b"t".to_vec()].concat()
}

pub fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [b"](".to_vec(), items.concat(), b"e".to_vec()].concat()
}

pub fn dict(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let pairs: Vec<Vec<u8>> = pairs.iter().map(|(key, value)| [text(key), value.clone()].concat()).collect();
    [b"}(".to_vec(), pairs.concat(), b"u".to_vec()].concat()
}

pub fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

/// A tensor that views storage `key` of `elements` numbers.
pub fn tensor(kind: &str, key: usize, elements: i64, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let numbers = |sizes: &[i64]| tuple(&sizes.iter().map(|&size| int(size)).collect::<Vec<_>>());
    let id = [text("storage"), global("torch", kind), text(&key.to_string()), text("cpu"), int(elements)];
    let hooks = [global("collections", "OrderedDict"), b")R".to_vec()].concat();
    let storage = [tuple(&id), b"Q".to_vec()].concat();
    let arguments = tuple(&[storage, int(offset), numbers(shape), numbers(strides), b"\x89".to_vec(), hooks]);
    [global("torch._utils", "_rebuild_tensor_v2"), arguments, b"R".to_vec()].concat()
}

/// A whole checkpoint's pickle around these live weights and EMA tensors.
pub fn checkpoint(model: &[(&str, Vec<u8>)], ema: &[Vec<u8>]) -> Vec<u8> {
    let average = dict(&[("decay", [b"G".as_slice(), &0.999f64.to_be_bytes()].concat()), ("shadow_params", list(ema))]);
    let root = dict(&[("model", dict(model)), ("ema", average), ("step", int(7))]);
    [b"\x80\x02".to_vec(), root, b".".to_vec()].concat()
}
