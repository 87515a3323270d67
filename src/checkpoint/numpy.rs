//! Sets of pictures in NumPy's arrays: a `.npy` of images, or a `.npz` of images and labels.

use super::classes::{MAX_CLASSES, numbered};
use super::levels::{Levels, MAX_SET};
use super::npz::header;
use super::picture_set::Classes;
use super::sources::{Part, Source};
use super::{FileError, open_file};
use std::io::{BufReader, Read};
use std::path::Path;

const WHAT: &str = "a NumPy array of images";
/// Names of images and their labels in a `.npz`, those for training and those for tests: as Keras, MedMNIST, guided
/// diffusion and `numpy.savez` call them.
const NAMES: [[[&str; 2]; 2]; 4] = [
    [["x_train.npy", "y_train.npy"], ["x_test.npy", "y_test.npy"]],
    [["train_images.npy", "train_labels.npy"], ["test_images.npy", "test_labels.npy"]],
    [["images.npy", "labels.npy"], ["test_images.npy", "test_labels.npy"]],
    [["arr_0.npy", "arr_1.npy"], ["test.npy", "test_labels.npy"]],
];

/// Whether a file that begins so is an array.
pub(super) fn begins(start: &[u8]) -> bool {
    start.starts_with(b"\x93NUMPY")
}

/// Whether a name is that of a part of such a set.
pub(super) fn is_part(last: &str) -> bool {
    NAMES.iter().flatten().flatten().any(|name| *name == last)
}

/// The pictures of a part of a `.npz`, or of a folder of such arrays, if it is one.
pub(super) fn of_source(source: &mut Source, wanted: Part) -> Option<Result<Levels, String>> {
    let present = source.names_beside();
    let has = |name: &str| present.iter().any(|present| present == name);
    let [training, test] = NAMES.iter().find(|[[training, _], _]| has(training))?;
    let [images, labels] = if wanted == Part::Test { test } else { training };
    if !has(images) {
        return Some(Err(wanted.missing()));
    }
    // A header, and eight bytes for each label.
    let most = MAX_SET as u64 + (1 << 16);
    let mut read = |name: &str| source.beside(|last| last == name, most).map(|(_, bytes)| bytes);
    let mut gather = || {
        let mut set = levels(images, read(images).ok_or_else(|| wanted.missing())??.as_slice())?;
        if let Some(bytes) = read(labels) {
            let [channels, height, width] = set.shape;
            let count = set.values.len() / (channels * height * width).max(1);
            set.classes = Some(classes(&bytes?, count).map_err(|reason| format!("{labels}: {reason}"))?);
        }
        Ok(set)
    };
    Some(gather().map_err(|reason: String| format!("its {images} cannot be read: {reason}")))
}

/// The pictures of one array.
pub(super) fn of_file(path: &Path) -> Result<Levels, FileError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let refused = |reason| FileError::format(path, WHAT, reason);
    levels(&name, BufReader::new(open_file(path)?.0)).map_err(refused)
}

/// Images N×H×W, N×H×W×C or N×C×H×W of bytes.
fn levels(name: &str, mut file: impl Read) -> Result<Levels, String> {
    let (kind, sizes) = header(&mut file).ok_or("its header is invalid, or the array is in Fortran order")?;
    if kind != "|u1" {
        return Err(format!("its numbers are of type {kind}; images are bytes (uint8)"));
    }
    let (count, shape, is_last) = match *sizes.as_slice() {
        [count, height, width] => (count, [1, height, width], true),
        [count, height, width, channels @ (1 | 3)] => (count, [channels, height, width], true),
        [count, channels @ (1 | 3), height, width] => (count, [channels, height, width], false),
        _ => return Err(format!("its shape is {sizes:?}; images are N×H×W, N×H×W×1 or N×H×W×3")),
    };
    let bytes = bytes(file, &[&[count], shape.as_slice()].concat())?;
    let [channels, height, width] = shape;
    let values = match is_last && channels > 1 {
        false => bytes,
        true => {
            let picture = |pixels: &[u8]| {
                (0..channels)
                    .flat_map(|channel| pixels.iter().copied().skip(channel).step_by(channels).collect::<Vec<u8>>())
                    .collect::<Vec<u8>>()
            };
            bytes.chunks_exact(channels * height * width).flat_map(picture).collect()
        }
    };
    Ok(Levels { shape, values, name: name.into(), classes: None, warnings: Vec::new() })
}

/// As many bytes as an array of this shape has, and no more. What it claims is not reserved.
fn bytes(file: impl Read, shape: &[usize]) -> Result<Vec<u8>, String> {
    let count = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    let count = count.filter(|&count| count > 0 && count <= MAX_SET).ok_or_else(|| {
        format!("it claims {shape:?} bytes, which is nothing or more than the limit of {MAX_SET}; choose a smaller set")
    })?;
    let mut values = Vec::new();
    file.take(count as u64 + 1).read_to_end(&mut values).map_err(|error| error.to_string())?;
    match values.len() == count {
        true => Ok(values),
        false => Err(format!("it claims {count} bytes, and does not have as many; write it again")),
    }
}

/// Labels N or N×1 of whole numbers.
fn classes(mut file: &[u8], count: usize) -> Result<Classes, String> {
    let (kind, sizes) = header(&mut file).ok_or("its header is invalid")?;
    let width = match kind.as_str() {
        "|u1" | "|i1" => 1,
        "<u2" | "<i2" => 2,
        "<u4" | "<i4" => 4,
        "<u8" | "<i8" => 8,
        _ => return Err(format!("labels of type {kind}; they are whole numbers")),
    };
    if sizes != [count] && sizes != [count, 1] {
        return Err(format!("labels of shape {sizes:?} for {count} images"));
    }
    let values = bytes(file, &[count, width])?;
    let label = |bytes: &[u8]| {
        let value = bytes.iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
        u32::try_from(value).ok().filter(|&label| label < MAX_CLASSES).ok_or(value)
    };
    let labels: Result<Vec<u32>, u64> = values.chunks_exact(width).map(label).collect();
    labels.map(numbered).map_err(|label| format!("a label of {label}, which is not below {MAX_CLASSES}"))
}
