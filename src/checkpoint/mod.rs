//! Files: published checkpoints, our own format, the catalogue, images, run files.
//!
//! Files come from strangers: no pickled code runs, sizes are checked before memory is
//! reserved, and every failure is one sentence with what to do.

mod animation;
mod arrays;
mod atomic;
mod card;
mod catalogue;
mod checksum;
mod cifar;
mod classes;
mod classifier;
mod config;
mod diffusers;
mod dit;
mod edm;
mod export;
mod features;
mod foreign;
mod found;
mod grid;
mod guided;
mod gzip;
mod idx;
mod import;
mod kind;
mod latents;
mod layer;
mod legacy;
mod levels;
mod machine;
mod mask;
mod mixture;
mod native;
mod ncsn;
mod npz;
mod numpy;
mod opcode;
mod open;
mod overrides;
mod photo;
mod pickle;
mod picture_set;
mod pictures;
mod places;
mod points;
mod progress;
mod room;
mod run_file;
mod score_sde;
mod sets;
mod sources;
mod square;
mod stream;
mod tally;
mod tensors;
mod torch;
mod well_known;
mod yaml;
mod zip_parts;

pub use animation::{Animation, write_animation};
pub use arrays::{Arrays, NumberArray, Numbers, read_arrays, write_arrays};
pub use atomic::{check_writable, claim, write_atomically};
pub use card::{Fact, count, facts};
pub use catalogue::{Entry, catalogue, find, slug};
pub use checksum::checksum;
pub use classifier::{OpenedClassifier, find_classifier, read_classifier, write_classifier};
pub use config::ConfigError;
pub use diffusers::{holds_network, read_diffusers_config};
pub use export::{ExportError, Project, export};
pub use features::{
    FeatureFile, bundled_worlds, inception_weights, load_extractor, open_features, read_features, read_image_tensor,
    statistics, write_features,
};
pub use grid::{Layout, fitting_zoom, grid_image, longest_side, write_grid, write_photo, write_picture, write_strip};
pub use import::{About, adopt, read_card};
pub use kind::{Kind, kind_of};
pub use latents::{read_latents, write_latents};
pub use layer::{read_layer, write_layer};
pub use mask::{OpenedMask, read_mask, write_mask};
pub use mixture::read_mixture;
pub use native::{read_native, write_native};
pub use open::{ASSUMED, Described, OpenOptions, Opened, OpenedNetwork, open, open_network};
pub use overrides::{Assumption, Overrides};
pub use photo::{MOST_PIXELS, OpenedPhoto, WORKING_SIDE, read_photo, reduce_to, shares, too_large};
pub use picture_set::{Classes, PictureSet, moments};
pub use pictures::{
    SetOptions, pictures_of, read_picture, read_pictures, read_pictures_reported, read_set, shipped_worlds,
};
pub use points::read_points;
pub use progress::ReadProgress;
pub use run_file::{is_marked, read_json, read_run, write_json, write_run};
pub use score_sde::{Module, ModuleKind, Structure, infer, read_score_sde_config};
pub use sources::Part;
pub use square::{Square, central_square, square};
pub use stream::{OnImages, for_each_image};
pub use tensors::{read_state, read_tensors, write_samples, write_state, write_tensors};
pub use torch::{Checkpoint, read_torch};
pub use well_known::{PUBLISHED, Published, Release};

use crate::network::WeightsError;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Why a file could not be opened or written: what, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{path:?} cannot be read: {source}; check the path and its permissions")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path:?} is {what}; choose a file")]
    NoFile { path: PathBuf, what: &'static str },
    #[error("{path:?} is a link to {target:?}, which is missing; download it again")]
    Dangling { path: PathBuf, target: PathBuf },
    #[error("{path:?} cannot be written: {source}; choose another location or free some space")]
    Write { path: PathBuf, source: io::Error },
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
    #[error("{path:?}: {source}")]
    Features { path: PathBuf, source: crate::metric::MetricError },
    #[error(transparent)]
    Metric(#[from] crate::metric::MetricError),
    #[error("unknown model {name:?}; {remedy}")]
    Unknown { name: String, remedy: String },
    #[error("opening {0:?} was cancelled; open it again")]
    Cancelled(PathBuf),
    #[error("{path:?} contains no readable images{why}; choose a folder of PNG, JPEG, GIF, BMP or WebP files")]
    NoPictures { path: PathBuf, why: String },
}

impl FileError {
    fn read(path: &Path, source: io::Error) -> Self {
        FileError::Read { path: path.into(), source }
    }

    /// What is wrong, where the path is named already.
    fn cause(&self) -> String {
        match self {
            FileError::Read { source, .. } => source.to_string(),
            FileError::NoFile { what, .. } => format!("it is {what}"),
            other => other.to_string(),
        }
    }

    fn format(path: &Path, expected: &'static str, reason: impl Into<String>) -> Self {
        FileError::Format { path: path.into(), expected, reason: reason.into() }
    }
}

/// How a regular file begins, enough to tell of what kind it is, and its length.
fn start(path: &Path) -> Result<(Vec<u8>, u64), FileError> {
    let (file, length) = open_file(path)?;
    let mut start = Vec::new();
    file.take(foreign::START).read_to_end(&mut start).map_err(|source| FileError::read(path, source))?;
    Ok((start, length))
}

/// Opens a regular file and returns its length. Never waits on a pipe or a device, not even on one that takes the
/// file's place between looking and opening.
fn open_file(path: &Path) -> Result<(File, u64), FileError> {
    let wrong = |source| FileError::read(path, source);
    let about = std::fs::metadata(path).map_err(|source| match std::fs::read_link(path) {
        Ok(target) if source.kind() == io::ErrorKind::NotFound => FileError::Dangling { path: path.into(), target },
        Ok(_) if leads_back(&source) => {
            FileError::NoFile { path: path.into(), what: "a link that leads back to itself" }
        }
        _ => wrong(source),
    })?;
    regular(&about, path)?;
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.read(true).open(path).map_err(wrong)?;
    let about = file.metadata().map_err(wrong)?;
    regular(&about, path)?;
    Ok((file, about.len()))
}

/// Whether links went in a circle.
#[cfg(unix)]
fn leads_back(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ELOOP)
}

/// Elsewhere the system's own words must do.
#[cfg(not(unix))]
fn leads_back(_error: &io::Error) -> bool {
    false
}

/// Refuses what is no regular file.
fn regular(about: &Metadata, path: &Path) -> Result<(), FileError> {
    let what = match (about.is_dir(), about.is_file()) {
        (true, _) => "a folder",
        (_, false) => "a pipe or a device, not a regular file",
        _ => return Ok(()),
    };
    Err(FileError::NoFile { path: path.into(), what })
}

/// All bytes of a file of at most `most` bytes.
fn read_bounded(path: &Path, most: u64, what: &'static str) -> Result<Vec<u8>, FileError> {
    let (file, length) = open_file(path)?;
    if length > most {
        return Err(FileError::format(
            path,
            what,
            format!("its {length} bytes are more than the limit of {most}; choose another file"),
        ));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(|source| FileError::read(path, source))?;
    Ok(bytes)
}
