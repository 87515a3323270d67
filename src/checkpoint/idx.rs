//! IDX files, which MNIST and sets like it come in: an array of bytes after its sizes
//! (LeCun, Cortes and Burges, "The MNIST database", file formats).

use super::classes::numbered;
use super::levels::{Levels, MAX_SET};
use super::picture_set::Classes;
use super::sources::{Part, Source};
use super::{FileError, gzip, open_file};
use std::io::Read;
use std::path::Path;

pub(super) const WHAT: &str = "a valid IDX file";

/// Whether a file that begins so is one of images: three sizes of bytes.
pub(super) fn begins(start: &[u8]) -> bool {
    start.starts_with(&[0, 0, 8, 3])
}

/// Whether a name is that of a part of such a set: `train-images-idx3-ubyte`, its labels, or either with `.gz`.
pub(super) fn is_part(last: &str) -> bool {
    part(last, "idx3").is_some() || part(last, "idx1").is_some()
}

/// The part that a file with this number of sizes holds.
fn part(last: &str, sizes: &str) -> Option<Part> {
    let last = last.to_lowercase();
    let known = last.strip_suffix(".gz").unwrap_or(&last).ends_with(&format!("{sizes}-ubyte"));
    known.then(|| if last.starts_with("t10k") || last.contains("test") { Part::Test } else { Part::Training })
}

/// The name of the labels of a file of images, without `.gz`.
fn labels_name(images: &str) -> String {
    images.strip_suffix(".gz").unwrap_or(images).replace("images", "labels").replace("idx3", "idx1")
}

/// The pictures of a part of a folder or an archive, if it has IDX files.
pub(super) fn of_source(source: &mut Source, wanted: Part) -> Option<Result<Levels, String>> {
    let names = source.names_beside();
    let images = names.iter().filter(|name| part(name, "idx3").is_some());
    let found = images.clone().find(|name| part(name, "idx3") == Some(wanted));
    images.clone().next()?;
    let Some(found) = found else { return Some(Err(wanted.missing())) };
    let both = |source: &mut Source| {
        let mut read = |name: &str| -> Result<Vec<u8>, String> {
            let (_, bytes) = source.beside(|last| last == name, MAX_SET as u64).ok_or("it is missing")?;
            gzip::unpacked(bytes?, MAX_SET as u64)
        };
        let images = read(found)?;
        let label = labels_name(found);
        let label = names.iter().find(|name| name.strip_suffix(".gz").unwrap_or(name) == label);
        let labels = label.map(|label| read(label)).transpose()?;
        levels(found, images.as_slice(), labels.as_deref())
    };
    Some(both(source).map_err(|reason| format!("its {found} cannot be read: {reason}")))
}

/// The pictures of a file, with the labels beside it.
pub(super) fn of_file(path: &Path) -> Result<Levels, FileError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let label = path.with_file_name(labels_name(&name));
    let packed = path.with_file_name(format!("{}.gz", labels_name(&name)));
    let labels = [label, packed].into_iter().find(|beside| beside != path && beside.exists());
    let labels = labels.map(|labels| read(&labels)).transpose()?;
    levels(&name, gzip::reader(open_file(path)?.0, path)?, labels.as_deref())
        .map_err(|reason| FileError::format(path, WHAT, reason))
}

/// A file of labels as it is.
fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let reader = gzip::reader(open_file(path)?.0, path)?;
    reader.take(MAX_SET as u64).read_to_end(&mut bytes).map_err(|source| FileError::read(path, source))?;
    Ok(bytes)
}

fn levels(name: &str, images: impl Read, labels: Option<&[u8]>) -> Result<Levels, String> {
    let (sizes, values) = array(images)?;
    let &[count, height, width] = sizes.as_slice() else {
        return Err(format!("it has {} sizes and not three; choose the file of images", sizes.len()));
    };
    let classes = labels.map(|labels| classes(labels, count)).transpose()?;
    let unlabelled = "The labels of the images are not beside them: the set has no classes";
    let warnings = if classes.is_none() { vec![unlabelled.to_owned()] } else { Vec::new() };
    Ok(Levels { shape: [1, height, width], values, name: name.into(), classes, warnings })
}

fn classes(labels: &[u8], count: usize) -> Result<Classes, String> {
    let (sizes, labels) = array(labels).map_err(|reason| format!("its labels: {reason}"))?;
    if sizes != [count] {
        return Err(format!("its labels are {sizes:?} for {count} images; download both again"));
    }
    Ok(numbered(labels.into_iter().map(u32::from).collect()))
}

/// Sizes and values of an array. What the sizes claim is not reserved.
fn array(mut reader: impl Read) -> Result<(Vec<usize>, Vec<u8>), String> {
    let truncated = |_| "it is truncated; download it again".to_owned();
    let mut magic = [0; 4];
    reader.read_exact(&mut magic).map_err(truncated)?;
    let [0, 0, kind, sizes] = magic else { return Err("it does not begin as an IDX file; choose another".into()) };
    if kind != 8 {
        return Err(format!("its numbers are of type {kind:#04x} and not bytes (0x08); convert them"));
    }
    let mut all = Vec::new();
    for _ in 0..sizes {
        let mut size = [0; 4];
        reader.read_exact(&mut size).map_err(truncated)?;
        all.push(u32::from_be_bytes(size) as usize);
    }
    let count = all.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    let count = count.filter(|&count| count > 0 && count <= MAX_SET).ok_or_else(|| {
        format!("it claims {all:?} bytes, which is nothing or more than the limit of {MAX_SET}; choose a smaller set")
    })?;
    let mut values = Vec::new();
    reader.take(count as u64 + 1).read_to_end(&mut values).map_err(|error| format!("{error}; download it again"))?;
    match values.len() {
        length if length < count => Err(format!("it claims {count} bytes but has {length}; download it again")),
        length if length > count => {
            Err(format!("it has more bytes than the {count} that it claims; download it again"))
        }
        _ => Ok((all, values)),
    }
}
