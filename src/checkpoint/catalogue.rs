use super::{FileError, OpenOptions, OpenedNetwork, ReadProgress, native, open, read_native};
use crate::score::{Description, Mixture};
use crate::task::ModelRef;
use std::path::{Path, PathBuf};

/// The networks that are part of the program, as [`ModelRef::BUNDLED`] names them.
const BUNDLED_BYTES: [&[u8]; ModelRef::BUNDLED.len()] = [
    include_bytes!("../../checkpoints/worlds-vp-small.safetensors"),
    include_bytes!("../../checkpoints/worlds-64-vp-small.safetensors"),
];

/// An available model.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What `--model` takes: a catalogue name, `exact:worlds`, `mixture:NAME`.
    pub reference: String,
    /// Display name.
    pub title: String,
    /// One line: what it is.
    pub summary: String,
    /// Where it is stored, unless it is part of the program.
    pub path: Option<PathBuf>,
    /// What it is, of networks.
    pub description: Option<Description>,
}

/// All available models: the bundled ones, those imported into `library`, exact ones, mixtures.
pub fn catalogue(library: Option<&Path>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = bundled().map(|(name, size, bytes)| bundled_entry(name, size, bytes)).collect();
    entries.extend(library.into_iter().flat_map(imported));
    entries.push(Entry {
        reference: format!("exact:{}", ModelRef::WORLDS),
        title: "Little Worlds (exact)".into(),
        summary: "the exact score of 512 landscapes: no training, no error".into(),
        path: None,
        description: None,
    });
    entries.extend(Mixture::names().iter().map(|(name, summary)| Entry {
        reference: format!("mixture:{name}"),
        title: format!("Mixture: {name}"),
        summary: (*summary).into(),
        path: None,
        description: None,
    }));
    entries
}

/// Name, size of the images and file of each network that is part of the program.
fn bundled() -> impl Iterator<Item = (&'static str, usize, &'static [u8])> {
    ModelRef::BUNDLED.into_iter().zip(BUNDLED_BYTES).map(|((name, size), bytes)| (name, size, bytes))
}

fn bundled_entry(name: &str, size: usize, bytes: &[u8]) -> Entry {
    let description = native::describe(bytes, Path::new(name)).ok();
    Entry {
        reference: name.into(),
        title: description.as_ref().map_or(name, |description| &description.name).into(),
        summary: format!("a small DDPM++ network for {size}×{size} landscapes"),
        path: None,
        description,
    }
}

/// The checkpoints of our own format in a folder, by name. Other files are passed over.
fn imported(library: &Path) -> Vec<Entry> {
    let files = std::fs::read_dir(library).into_iter().flatten().filter_map(Result::ok).map(|file| file.path());
    let mut entries: Vec<Entry> = files.filter_map(entry).collect();
    entries.sort_by(|a, b| a.reference.cmp(&b.reference));
    entries
}

fn entry(path: PathBuf) -> Option<Entry> {
    if path.extension()? != "safetensors" {
        return None;
    }
    let description = native::read_description(&path).ok()?;
    let stem = path.file_stem()?.to_str()?;
    // A name that would be read as a path, or that already means another model, is given as a path.
    let is_bundled = ModelRef::Named(stem.into()).bundled().is_some();
    let named = !is_bundled && !stem.contains(['/', '\\', '.', ':']);
    let lines = description.card.lines().map(|line| line.trim_matches(['#', ' ']).to_owned());
    let summary = lines.into_iter().find(|line| !line.is_empty());
    Some(Entry {
        reference: if named { stem.into() } else { path.display().to_string() },
        title: if description.name.is_empty() { stem.into() } else { description.name.clone() },
        summary: summary.unwrap_or_else(|| "an imported checkpoint".into()),
        path: Some(path),
        description: Some(description),
    })
}

/// Opens a network by its catalogue name, and reports how far its file has been read.
///
/// # Errors
/// If no model has the name, its file is damaged, or the listener cancels it.
pub fn find(name: &str, library: Option<&Path>, progress: &ReadProgress) -> Result<OpenedNetwork, FileError> {
    if let Some((_, _, bytes)) = bundled().find(|(known, ..)| *known == name) {
        return read_native(bytes, Path::new(name));
    }
    let entries = catalogue(library);
    let path = entries.iter().find(|entry| entry.reference == name).and_then(|entry| entry.path.as_deref());
    match path {
        Some(path) => {
            let options = OpenOptions { progress: Some(progress), ..OpenOptions::default() };
            open(path, &options).map(|opened| opened.network)
        }
        None => {
            let known: Vec<&str> = entries.iter().map(|entry| entry.reference.as_str()).collect();
            let remedy = match Path::new(name).exists() {
                true => format!("to open the file of this name, write ./{name}"),
                false => format!("choose one of {}", known.join(", ")),
            };
            Err(FileError::Unknown { name: name.into(), remedy })
        }
    }
}

/// A name as part of a path and of a command line: lower-case letters and digits, hyphens between.
pub fn slug(name: &str) -> String {
    let lower = name.to_lowercase();
    lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_plain_file_name() {
        assert_eq!(slug("CIFAR-10 VP (deep)"), "cifar-10-vp-deep");
        assert_eq!(slug("../.."), "");
    }
}
