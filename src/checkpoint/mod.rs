//! Files: published checkpoints, our own format, the catalogue, images, run files.
//!
//! Files come from strangers: no pickled code runs, sizes are checked before memory is
//! reserved, and every failure is one sentence with what to do.

mod animation;
mod atomic;
mod card;
mod catalogue;
mod checksum;
mod config;
mod diffusers;
mod edm;
mod foreign;
mod found;
mod grid;
mod import;
mod latents;
mod layer;
mod legacy;
mod machine;
mod mask;
mod native;
mod ncsn;
mod npz;
mod opcode;
mod open;
mod overrides;
mod photo;
mod pickle;
mod pictures;
mod places;
mod progress;
mod run_file;
mod score_sde;
mod sets;
mod sources;
mod square;
mod tensors;
mod torch;
mod well_known;
mod yaml;
mod zip_parts;

pub use animation::{Animation, write_animation};
pub use atomic::write_atomically;
pub use card::{Fact, count, facts};
pub use catalogue::{Entry, catalogue, find, slug};
pub use checksum::checksum;
pub use config::ConfigError;
pub use diffusers::{holds_network, read_diffusers_config};
pub use grid::{grid_image, write_grid, write_picture, write_strip};
pub use import::{About, adopt, read_card};
pub use latents::{holds_latents, read_latents, write_latents};
pub use layer::{read_layer, write_layer};
pub use mask::{OpenedMask, read_mask, write_mask};
pub use native::{read_native, write_native};
pub use open::{ASSUMED, Described, OpenOptions, Opened, OpenedNetwork, open, open_network};
pub use overrides::{Assumption, Overrides};
pub use photo::{MOST_PIXELS, OpenedPhoto, WORKING_SIDE, read_photo, reduce_to, shares, too_large, write_photo};
pub use pictures::{PictureSet, moments, read_picture, read_pictures, read_pictures_reported, shipped_worlds};
pub use progress::ReadProgress;
pub use run_file::{read_run, write_run};
pub use score_sde::{Module, ModuleKind, Structure, infer, read_score_sde_config};
pub use square::{Square, square};
pub use tensors::{read_tensors, write_tensors};
pub use torch::{Checkpoint, read_torch};
pub use well_known::{PUBLISHED, Published, Release};

use crate::network::WeightsError;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Why a file could not be opened or written: what, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{path:?} cannot be read: {source}; check the path and its permissions")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path:?} is a link to {target:?}, which is missing; download it again")]
    Dangling { path: PathBuf, target: PathBuf },
    #[error("{path:?} cannot be written: {source}; choose another location or free some space")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("{path:?} is not {expected}: {reason}")]
    Format { path: PathBuf, expected: &'static str, reason: String },
    #[error("{path:?}: {source}")]
    Config { path: PathBuf, source: ConfigError },
    #[error("{path:?}: {source}")]
    Weights { path: PathBuf, source: WeightsError },
    #[error(
        "{path:?} has {found} EMA tensors but this configuration trains {expected}; \
         give the configuration it was trained with"
    )]
    Ema { path: PathBuf, expected: usize, found: usize },
    #[error("{path:?}: {source}")]
    Run { path: PathBuf, source: crate::task::RunError },
    #[error("unknown model {name:?}; choose one of {known}")]
    Unknown { name: String, known: String },
    #[error("opening {0:?} was cancelled; open it again")]
    Cancelled(PathBuf),
    #[error("{0:?} contains no readable images; choose a folder of PNG, JPEG, GIF, BMP or WebP files")]
    NoPictures(PathBuf),
}

impl FileError {
    fn read(path: &Path, source: std::io::Error) -> Self {
        FileError::Read { path: path.into(), source }
    }

    fn format(path: &Path, expected: &'static str, reason: impl Into<String>) -> Self {
        FileError::Format { path: path.into(), expected, reason: reason.into() }
    }
}

/// Opens a regular file and returns its length. Never waits on a pipe.
fn open_file(path: &Path) -> Result<(File, u64), FileError> {
    let wrong = |source| FileError::read(path, source);
    let about = std::fs::metadata(path).map_err(|source| match std::fs::read_link(path) {
        Ok(target) => FileError::Dangling { path: path.into(), target },
        Err(_) => wrong(source),
    })?;
    if about.is_dir() {
        return Err(wrong(std::io::Error::new(std::io::ErrorKind::IsADirectory, "it is a folder without a network")));
    }
    if !about.is_file() {
        return Err(wrong(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a regular file")));
    }
    Ok((File::open(path).map_err(wrong)?, about.len()))
}

/// All bytes of a file of at most `most` bytes.
fn read_bounded(path: &Path, most: u64, what: &'static str) -> Result<Vec<u8>, FileError> {
    let (file, length) = open_file(path)?;
    if length > most {
        return Err(FileError::format(path, what, format!("its {length} bytes are more than the limit of {most}")));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(|source| FileError::read(path, source))?;
    Ok(bytes)
}
