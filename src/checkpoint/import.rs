use super::{FileError, checksum, diffusers, open_network, write_native};
use crate::score::Moments;
use std::path::{Path, PathBuf};

/// How the line of a card begins that says what file a network came from.
const FROM: &str = "Imported from ";

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
/// (a file). Returns the path written. Where `about` says nothing, what `source` says of
/// itself stays; how long it was trained stays in any case.
///
/// # Errors
/// If the checkpoint cannot be opened or the new file not be written.
pub fn import(source: &Path, config: Option<&Path>, about: &About, output: &Path) -> Result<PathBuf, FileError> {
    let mut network = open_network(source, config)?;
    let description = &mut network.description;
    if !about.name.is_empty() {
        description.name.clone_from(&about.name);
    } else if description.name.is_empty() {
        description.name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    }
    if !about.card.is_empty() {
        let trained = description.card.lines().rfind(|line| line.starts_with(super::TRAINED)).unwrap_or_default();
        description.card = format!("{}\n{trained}", about.card.trim_end()).trim_end().into();
    }
    description.moments = about.moments.or(description.moments);
    let weights = diffusers::weights(source).unwrap_or_else(|| source.into());
    let (sha, bytes) = checksum(&weights)?;
    let file = weights.file_name().unwrap_or_default().to_string_lossy();
    description.card = format!("{}\n{FROM}{file}, {bytes} bytes, SHA-256 {sha}.", description.card).trim_start().into();
    write_native(output, &network)?;
    Ok(output.into())
}
