use super::{FileError, OpenedNetwork};
use std::path::{Path, PathBuf};

/// A model at hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What `--model` takes: a catalogue name, `exact:worlds`, `mixture:NAME`.
    pub reference: String,
    /// The name people read.
    pub title: String,
    /// One line: what it is.
    pub summary: String,
    /// Where it lies, unless it is part of the program.
    pub path: Option<PathBuf>,
}

/// All models at hand: those that ship, those imported into `library`, exact ones, mixtures.
pub fn catalogue(library: Option<&Path>) -> Vec<Entry> {
    let _ = library;
    todo!("helper: checkpoint")
}

/// Opens a network by its catalogue name.
///
/// # Errors
/// If no model has the name, or its file is damaged.
pub fn find(name: &str, library: Option<&Path>) -> Result<OpenedNetwork, FileError> {
    let _ = (name, library);
    todo!("helper: checkpoint")
}
