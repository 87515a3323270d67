use super::Failure;
use crate::checkpoint::{FileError, OpenOptions, OpenedNetwork, ReadProgress, find, open};
use crate::task::ModelRef;
use std::env;
use std::path::{Path, PathBuf};

/// The folder of imported models, whether or not it exists yet. `None` where the environment has no such place.
pub fn library() -> Option<PathBuf> {
    Some(data_folder()?.join("models"))
}

/// The folder in which the window keeps painted photos, whether or not it exists yet.
pub fn painting() -> Option<PathBuf> {
    Some(data_folder()?.join("painting"))
}

/// Opens a network: by its name in the library, or a checkpoint with this configuration.
///
/// # Errors
/// If the model is not a network, or cannot be opened.
pub(super) fn network(model: &ModelRef, config: Option<&Path>) -> Result<OpenedNetwork, Failure> {
    let opened = match model {
        ModelRef::Named(name) => match find(name, library().as_deref(), &ReadProgress::default()) {
            // A checkpoint in this folder whose name has no extension.
            Err(FileError::Unknown { .. }) if Path::new(name).exists() => file(Path::new(name), config),
            found => found,
        },
        ModelRef::File(path) => file(path, config),
        ModelRef::Exact(_) | ModelRef::Mixture(_) => {
            let why = "has an exact score and is not a network; choose a name from `models` or a checkpoint";
            return Err(Failure::Usage(format!("{model} {why}")));
        }
    };
    Ok(opened?)
}

/// Opens a checkpoint, and says on stderr what a person should know of how it was read.
fn file(path: &Path, config: Option<&Path>) -> Result<OpenedNetwork, FileError> {
    let opened = open(path, &OpenOptions { config, ..OpenOptions::default() })?;
    opened.notes.iter().for_each(|note| eprintln!("warning: {note}"));
    Ok(opened.network)
}

/// `score-explorer` in the system's folder for a user's data.
fn data_folder() -> Option<PathBuf> {
    // The XDG specification requires that relative paths be ignored.
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = if cfg!(target_os = "windows") {
        folder("APPDATA")
    } else if cfg!(target_os = "macos") {
        folder("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        folder("XDG_DATA_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/share")))
    };
    data.map(|data| data.join("score-explorer"))
}
