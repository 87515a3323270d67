use super::open::{ASSUMED, CHOSEN, IGNORED, TRAINED};
use super::{FileError, OpenedNetwork, checksum, read_bounded, write_native};
use crate::sde::Moments;
use crate::text;
use std::path::{Path, PathBuf};

/// How the line of a card begins that names the file of a network.
const FROM: &str = "Imported from ";

/// Texts about a checkpoint that is imported.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Display name; the file's name where empty.
    pub name: String,
    /// Data, licence, training: a few lines.
    pub card: String,
    /// Moments of its data in its own range.
    pub moments: Option<Moments>,
}

/// Bytes of a card: a few lines.
const MAX_CARD: u64 = 64 << 10;

/// Reads the text of a card.
///
/// # Errors
/// If the file cannot be read, is too long, or is not text.
pub fn read_card(path: &Path) -> Result<String, FileError> {
    let what = "a card";
    let text = String::from_utf8(read_bounded(path, MAX_CARD, what)?);
    text.map_err(|_| FileError::format(path, what, "it is not UTF-8 text; give a text file"))
}

/// Writes a network that was opened from the file `source` as our own, in half precision, to `output` (a file). Returns the path
/// written. Where `about` is empty, the texts of `source` stay; how long it was trained and what was assumed stay in any
/// case.
///
/// # Errors
/// If the file cannot be written.
pub fn adopt(mut network: OpenedNetwork, source: &Path, about: &About, output: &Path) -> Result<PathBuf, FileError> {
    let description = &mut network.description;
    if !about.name.is_empty() {
        description.name.clone_from(&about.name);
    } else if description.name.is_empty() {
        description.name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    }
    if !about.card.is_empty() {
        let kept = description
            .card
            .lines()
            .filter(|line| [TRAINED, ASSUMED, CHOSEN, IGNORED, FROM].iter().any(|kept| line.starts_with(kept)));
        description.card = std::iter::once(about.card.trim_end()).chain(kept).collect::<Vec<_>>().join("\n");
    }
    description.moments = about.moments.or(description.moments);
    if !description.card.lines().any(|line| line.starts_with(FROM)) {
        description.card = format!("{}\n{}", description.card, origin(source)?).trim_start().into();
    }
    write_native(output, &network)?;
    Ok(output.into())
}

/// The line of a card that names the file of a network.
fn origin(source: &Path) -> Result<String, FileError> {
    let (digest, bytes) = checksum(source)?;
    let file = text::name(&source.file_name().unwrap_or_default().to_string_lossy());
    Ok(format!("{FROM}{file}, {bytes} bytes, SHA-256 {digest}."))
}
