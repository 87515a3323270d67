//! The binary archives of CIFAR-10 and CIFAR-100 (Krizhevsky 2009): records of labels and 3×32×32 grey levels.

use super::levels::{Levels, MAX_SET};
use super::picture_set::Classes;
use super::sources::{Part, Source};
use super::{FileError, read_bounded};
use crate::text;
use std::path::Path;

const WHAT: &str = "a CIFAR batch";
const SIDE: usize = 32;
const PICTURE: usize = 3 * SIDE * SIDE;
/// Bytes of a list of names.
const MAX_NAMES: u64 = 64 << 10;

/// How an archive is laid out.
struct Layout {
    training: &'static [&'static str],
    test: &'static str,
    /// The file with the names of its classes, one a line.
    names: &'static str,
    /// Labels before each picture, of which the last one counts.
    labels: usize,
}

const LAYOUTS: [Layout; 2] = [
    Layout {
        training: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
        test: "test_batch.bin",
        names: "batches.meta.txt",
        labels: 1,
    },
    // Coarse and fine labels.
    Layout { training: &["train.bin"], test: "test.bin", names: "fine_label_names.txt", labels: 2 },
];

impl Layout {
    fn files(&self) -> impl Iterator<Item = &'static str> {
        self.training.iter().copied().chain([self.test])
    }

    /// Appends the records of a file.
    fn take(&self, file: &str, bytes: &[u8], into: &mut Levels) -> Result<(), String> {
        let record = self.labels + PICTURE;
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            let length = bytes.len();
            return Err(format!("{file} has {length} bytes, which are not records of {record}; download it again"));
        }
        if into.values.len() + bytes.len() > MAX_SET {
            return Err(format!("{file} makes the set larger than the limit of {MAX_SET} bytes; remove it"));
        }
        let Some(classes) = &mut into.classes else { return Ok(()) };
        for record in bytes.chunks_exact(record) {
            let (labels, levels) = record.split_at(self.labels);
            let label = u32::from(labels.last().copied().unwrap_or_default());
            if label as usize >= classes.names.len() {
                let count = classes.names.len();
                return Err(format!(
                    "{file} has a label of {label} where there are {count} classes; download it again"
                ));
            }
            classes.labels.push(label);
            into.values.extend_from_slice(levels);
        }
        Ok(())
    }

    /// A set without pictures, with the classes that a list names.
    fn empty(&self, name: &str, list: Option<&[u8]>) -> Levels {
        let list = String::from_utf8_lossy(list.unwrap_or_default()).into_owned();
        let mut names: Vec<String> =
            list.lines().map(str::trim).filter(|line| !line.is_empty()).map(text::name).collect();
        if names.is_empty() {
            names = (0..if self.labels == 1 { 10 } else { 100 }).map(|number: u32| number.to_string()).collect();
        }
        let classes = Some(Classes { names, labels: Vec::new() });
        Levels { shape: [3, SIDE, SIDE], values: Vec::new(), name: name.into(), classes, warnings: Vec::new() }
    }
}

/// Whether a name is that of a part of such an archive.
pub(super) fn is_part(last: &str) -> bool {
    LAYOUTS.iter().any(|layout| last == layout.names || layout.files().any(|file| file == last))
}

/// Whether a file is one batch, by its name.
pub(super) fn is_batch(path: &Path) -> bool {
    layout_of(path).is_some()
}

fn layout_of(path: &Path) -> Option<(&'static Layout, &'static str)> {
    LAYOUTS.iter().find_map(|layout| Some((layout, layout.files().find(|file| path.ends_with(file))?)))
}

/// The pictures of a part of a folder or an archive, if it is such an archive.
pub(super) fn of_source(source: &mut Source, wanted: Part) -> Option<Result<Levels, String>> {
    let present = source.names_beside();
    let has = |file: &str| present.iter().any(|name| name == file);
    // The names of CIFAR-100's files alone would tell little.
    let layout = LAYOUTS.iter().find(|layout| layout.files().any(has) && (layout.labels == 1 || has(layout.names)))?;
    let files = if wanted == Part::Test { &[layout.test] } else { layout.training };
    let mut read = |name: &str, most: u64| source.beside(|last| last == name, most).map(|(_, bytes)| bytes);
    let mut gather = || {
        let list = read(layout.names, MAX_NAMES).transpose()?;
        let mut set = layout.empty(wanted.name(), list.as_deref());
        for file in files {
            match read(file, MAX_SET as u64) {
                Some(bytes) => {
                    layout.take(file, &bytes.map_err(|why| format!("{file} cannot be read: {why}"))?, &mut set)?
                }
                None => set.warnings.push(format!("{file} is missing; download the archive again")),
            }
        }
        if set.values.is_empty() { Err(wanted.missing()) } else { Ok(set) }
    };
    Some(gather())
}

/// The pictures of one batch.
pub(super) fn of_file(path: &Path) -> Result<Levels, FileError> {
    let refused = |reason: String| FileError::format(path, WHAT, reason);
    let (layout, file) = layout_of(path).ok_or_else(|| refused("its name is another; choose the folder".into()))?;
    let list = read_bounded(&path.with_file_name(layout.names), MAX_NAMES, WHAT).ok();
    let mut set = layout.empty(file, list.as_deref());
    layout.take(file, &read_bounded(path, MAX_SET as u64, WHAT)?, &mut set).map_err(refused)?;
    Ok(set)
}
