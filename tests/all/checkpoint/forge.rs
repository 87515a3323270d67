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

/// The same in the format before PyTorch 1.6, with one storage of single precision.
pub fn legacy(folder: &Path, pickle: &[u8], storage: &[f32]) -> PathBuf {
    let whole = |value: Vec<u8>| [b"\x80\x02".to_vec(), value, b".".to_vec()].concat();
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    let (protocol, system) = (whole(int(1001)), whole(dict(&[("little_endian", int(1))])));
    let (keys, count) = (whole(list(&[text("0")])), (storage.len() as u64).to_le_bytes().to_vec());
    let numbers = storage.iter().flat_map(|number| number.to_le_bytes()).collect();
    let path = folder.join("legacy.pth");
    std::fs::write(&path, [magic, protocol, system, pickle.to_vec(), keys, count, numbers].concat()).unwrap();
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

/// An object of a class, with attributes.
pub fn object(module: &str, name: &str, state: &[u8]) -> Vec<u8> {
    [&global(module, name), b")\x81".as_slice(), state, b"b"].concat()
}

/// What training leaves beside weights: a namespace, a path, numbers of NumPy, sets, a configuration that holds itself,
/// a scheduler, bytes, numbers of any length, in the instructions of all protocols; and a command that must not run.
pub fn rest(witness: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let made = |module, name, arguments: &[Vec<u8>]| [global(module, name), tuple(arguments), b"R".to_vec()].concat();
    let path = made("pathlib", "PosixPath", &[text("/"), text("data")]);
    let attributes = dict(&[("lr", int(1)), ("out", path), ("none", b"N".to_vec())]);
    let dtype =
        [made("numpy", "dtype", &[text("f8"), b"\x89".to_vec(), b"\x88".to_vec()]), b"(K\x03tb".to_vec()].concat();
    let stacked = [text("numpy._core.multiarray"), text("scalar"), b"\x93".to_vec()].concat();
    let scalar = [stacked, tuple(&[dtype.clone(), b"C\x08\0\0\0\0\0\0\xf0\x3f".to_vec()]), b"R".to_vec()].concat();
    let array = made(
        "numpy.core.multiarray",
        "_reconstruct",
        &[global("numpy", "ndarray"), b"K\x00\x85".to_vec(), b"C\x01b".to_vec()],
    );
    let numbers = [b"B\x10\0\0\0".as_slice(), &[0; 16]].concat();
    let state = tuple(&[int(1), b"K\x02\x85".to_vec(), dtype, b"\x89".to_vec(), numbers]);
    let array = [array, state, b"b".to_vec()].concat();
    let command = made("os", "system", &[text(&format!("touch {}", witness.display()))]);
    let namespace = object("argparse", "Namespace", &attributes);
    // Remembered, put into itself as a key's value, and given items as a list is.
    let config =
        [&global("omegaconf.dictconfig", "DictConfig"), b")\x81q\xfa".as_slice(), &text("parent"), b"h\xfas", b"}b"]
            .concat();
    let listed = [&global("omegaconf.listconfig", "ListConfig"), b")\x81(".as_slice(), &int(3), b"e"].concat();
    vec![
        ("args", namespace),
        ("hyper_parameters", config),
        ("list", listed),
        ("loss", scalar),
        ("losses", array),
        ("set", [b"\x8f(".as_slice(), &int(1), &text("b"), b"\x90"].concat()),
        ("frozen", [b"(".as_slice(), &int(1), b"\x91"].concat()),
        ("keywords", [&global("a.b", "C"), b")".as_slice(), &dict(&[]), b"\x92"].concat()),
        ("huge", [b"\x8b\x0a\0\0\0".as_slice(), &[7; 10]].concat()),
        ("long", [b"\x8a\x09".as_slice(), &[0xff; 9]].concat()),
        ("old", b"I01\n".to_vec()),
        ("bytes", [b"\x8e\x02\0\0\0\0\0\0\0".as_slice(), b"\xff\x00"].concat()),
        ("more bytes", [b"\x96\x01\0\0\0\0\0\0\0".as_slice(), b"\xff"].concat()),
        ("python 2", b"U\x02\xff\xfe".to_vec()),
        ("scheduler", object("torch.optim.lr_scheduler", "LambdaLR", &dict(&[("lambdas", list(&[command]))]))),
        (
            "storage",
            [
                tuple(&[text("storage"), global("torch", "QInt8Storage"), text("99"), text("cpu"), int(4)]),
                b"Q".to_vec(),
            ]
            .concat(),
        ),
    ]
}
