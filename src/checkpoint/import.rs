use super::FileError;
use crate::score::Moments;
use std::path::{Path, PathBuf};

/// What is said of a checkpoint when it is imported.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The name people read; the file's name where empty.
    pub name: String,
    /// Data, licence, training: a few lines.
    pub card: String,
    /// Moments of its data in its own range.
    pub moments: Option<Moments>,
}

/// Reads a published checkpoint and writes it as our own, in half precision, to `output`
/// (a file). Returns the path written.
///
/// # Errors
/// If the checkpoint cannot be opened or the new file not be written.
pub fn import(source: &Path, config: Option<&Path>, about: &About, output: &Path) -> Result<PathBuf, FileError> {
    let _ = (source, config, about, output);
    todo!("helper: checkpoint")
}
