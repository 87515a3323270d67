//! Files: published checkpoints, our own format, the catalogue, pictures, run files.
//!
//! Files come from strangers: no pickled code runs, sizes are checked before memory is
//! reserved, and every failure is one sentence that says what to do.

mod animation;
mod atomic;
mod catalogue;
mod import;
mod native;
mod pickle;
mod pictures;
mod run_file;
mod tensors;
mod torch;

pub use animation::{Animation, write_animation};
pub use atomic::write_atomically;
pub use catalogue::{Entry, catalogue, find};
pub use import::{About, import};
pub use native::{read_native, write_native};
pub use pictures::{PictureSet, read_pictures, shipped_worlds, write_grid, write_picture};
pub use run_file::{read_run, write_run};
pub use tensors::{read_tensors, write_tensors};
pub use torch::{Checkpoint, read_torch};

use crate::network::{Description, Weights};
use std::path::{Path, PathBuf};

/// Why a file could not be opened or written: what, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{path:?} cannot be read: {source}; check the path and its permissions")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path:?} cannot be written: {source}; choose another place or make room")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("{path:?} is not {expected}: {reason}")]
    Format { path: PathBuf, expected: &'static str, reason: String },
    #[error("{path:?}: {source}")]
    Config { path: PathBuf, source: crate::network::ConfigError },
    #[error("{path:?}: {source}")]
    Weights { path: PathBuf, source: crate::network::WeightsError },
    #[error("no model is called {0:?}; `score-explorer models` lists those at hand")]
    Unknown(String),
    #[error("{0:?} holds no picture that can be read; choose a folder with PNG, JPEG, GIF, BMP or WebP files")]
    NoPictures(PathBuf),
}

/// A network's weights with what must be known of them.
#[derive(Debug)]
pub struct OpenedNetwork {
    pub description: Description,
    pub weights: Weights,
}

/// Opens any network checkpoint that is known, by its content: our own safetensors, or a
/// published `.pth` with its configuration (`config`, or a JSON file beside it: the same
/// name with `.json`, or `config.json`). Uses the EMA weights.
///
/// # Errors
/// One sentence for each way in which a file can be wrong.
pub fn open_network(path: &Path, config: Option<&Path>) -> Result<OpenedNetwork, FileError> {
    let _ = (path, config);
    todo!("helper: checkpoint")
}
