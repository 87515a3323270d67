//! Files: published checkpoints, our own format, the catalogue, pictures, run files.
//!
//! Files come from strangers: no pickled code runs, sizes are checked before memory is
//! reserved, and every failure is one sentence that says what to do.

mod animation;
mod atomic;
mod catalogue;
mod diffusers;
mod flax;
mod grid;
mod import;
mod latents;
mod mask;
mod native;
mod npz;
mod opcode;
mod photo;
mod pickle;
mod pictures;
mod run_file;
mod sources;
mod square;
mod tensors;
mod torch;

pub use animation::{Animation, write_animation};
pub use atomic::write_atomically;
pub use catalogue::{Entry, catalogue, find};
pub use diffusers::holds_network;
pub use grid::{grid_image, write_grid, write_picture, write_strip};
pub use import::{About, import};
pub use latents::{holds_latents, read_latents, write_latents};
pub use mask::{OpenedMask, read_mask, write_mask};
pub use native::{read_native, write_native};
pub use photo::{MOST_PIXELS, OpenedPhoto, WORKING_SIDE, read_photo, reduce_to, shares, too_large, write_photo};
pub use pictures::{PictureSet, moments, read_picture, read_pictures, shipped_worlds};
pub use run_file::{read_run, write_run};
pub use square::{Square, square};
pub use tensors::{read_tensors, write_tensors};
pub use torch::{Checkpoint, read_torch};

use crate::network::{Array, Config, Description, Weights, WeightsError};
use std::fs::File;
use std::io::Read;
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
    Weights { path: PathBuf, source: WeightsError },
    #[error(
        "{path:?} holds {found} EMA tensors but this configuration trains {expected}; \
         give the configuration it was trained with"
    )]
    Ema { path: PathBuf, expected: usize, found: usize },
    #[error("{path:?}: {source}")]
    Run { path: PathBuf, source: crate::task::RunError },
    #[error("no model is called {name:?}; known are {known}")]
    Unknown { name: String, known: String },
    #[error("{0:?} holds no picture that can be read; choose a folder with PNG, JPEG, GIF, BMP or WebP files")]
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

/// How the line of a card begins that says how long the network was trained.
const TRAINED: &str = "Trained for ";

/// A network's weights with what must be known of them.
#[derive(Debug)]
pub struct OpenedNetwork {
    pub description: Description,
    pub weights: Weights,
}

/// Opens any network checkpoint that is known, by its content: our own safetensors, a
/// published `.pth`, or a checkpoint of the JAX code, with its configuration (`config`, or a JSON file beside it: the same
/// name with `.json`, or `config.json`), of which the EMA weights are used, or a folder of
/// diffusers (or the weights in one).
///
/// # Errors
/// One sentence for each way in which a file can be wrong.
pub fn open_network(path: &Path, config: Option<&Path>) -> Result<OpenedNetwork, FileError> {
    if let Some(folder) = diffusers::folder(path).filter(|_| config.is_none()) {
        return diffusers::open(&folder, path.is_file().then_some(path));
    }
    let (mut file, length) = open_file(path)?;
    let mut start = Vec::new();
    (&mut file).take(9).read_to_end(&mut start).map_err(|source| FileError::read(path, source))?;
    drop(file);
    match start.as_slice() {
        [] => Err(FileError::format(path, "a checkpoint", "it is empty; download or write it again")),
        start if flax::begins(start) => open_flax(path, config),
        [b'P', b'K', ..] | [0x80, ..] => open_published(path, config),
        // The header's length, then its first brace.
        [size @ .., b'{'] if size.len() == 8 => native::read_file(path),
        _ => Err(FileError::format(
            path,
            "a checkpoint",
            format!(
                "its {length} bytes begin neither as a PyTorch file nor as a safetensors file, nor as a JAX checkpoint; \
                 choose a published checkpoint or one of our .safetensors"
            ),
        )),
    }
}

fn open_published(path: &Path, config: Option<&Path>) -> Result<OpenedNetwork, FileError> {
    let checkpoint = read_torch(path)?;
    let description = published_description(path, config, checkpoint.step)?;
    let weights = averaged(checkpoint, &description.config, path)?;
    Ok(OpenedNetwork { description, weights })
}

fn open_flax(path: &Path, config: Option<&Path>) -> Result<OpenedNetwork, FileError> {
    let (tree, step) = flax::read(path)?;
    let description = published_description(path, config, step)?;
    let wrong = |source| FileError::Weights { path: path.into(), source };
    let weights = flax::renamed(tree, &description.config).map_err(wrong)?;
    Ok(OpenedNetwork { description, weights })
}

/// What the configuration of a published checkpoint says, and how long it was trained.
fn published_description(path: &Path, config: Option<&Path>, step: Option<u64>) -> Result<Description, FileError> {
    let config = find_config(path, config)?;
    let in_config = |source| FileError::Config { path: config.clone(), source };
    let text = String::from_utf8(read_bounded(&config, 1 << 20, "a published configuration")?)
        .map_err(|_| FileError::format(&config, "a published configuration", "it is not text; give the JSON file"))?;
    let mut description = Description::from_published(&text).map_err(in_config)?;
    if let Some(step) = step {
        description.card = format!("{TRAINED}{step} steps.");
    }
    Ok(description)
}

/// The configuration that was named, or that lies beside the checkpoint.
fn find_config(path: &Path, config: Option<&Path>) -> Result<PathBuf, FileError> {
    if let Some(config) = config {
        return Ok(config.into());
    }
    let beside = [path.with_extension("json"), path.with_file_name("config.json")];
    beside.into_iter().find(|candidate| candidate.is_file()).ok_or_else(|| {
        FileError::format(
            path,
            "a checkpoint that can be opened alone",
            "it does not say what network it is; name its published configuration (a JSON file), \
             or put that beside it under the same name with .json",
        )
    })
}

/// The EMA weights under the names of the parameters that they average; what was not trained
/// comes from the live weights.
fn averaged(mut checkpoint: Checkpoint, config: &Config, path: &Path) -> Result<Weights, FileError> {
    let wrong = |source| FileError::Weights { path: path.into(), source };
    let trained = config.trainable();
    if trained.len() != checkpoint.ema.len() {
        return Err(FileError::Ema { path: path.into(), expected: trained.len(), found: checkpoint.ema.len() });
    }
    let mut average: Weights = trained.into_iter().zip(checkpoint.ema).collect();
    let mut weights = Weights::new();
    for (name, expected) in config.parameters() {
        let array: Option<Array> = average.remove(&name).or_else(|| checkpoint.model.remove(&name));
        let array = array.ok_or_else(|| wrong(WeightsError::Missing { name: name.clone() }))?;
        if array.shape != expected {
            return Err(wrong(WeightsError::Shape { name, expected, found: array.shape }));
        }
        weights.insert(name, array);
    }
    Ok(weights)
}

/// Opens a plain file and tells its length. Never waits on a pipe.
fn open_file(path: &Path) -> Result<(File, u64), FileError> {
    let wrong = |source| FileError::read(path, source);
    let about = std::fs::metadata(path).map_err(wrong)?;
    if about.is_dir() {
        return Err(wrong(std::io::Error::new(
            std::io::ErrorKind::IsADirectory,
            "it is a folder in which no network lies",
        )));
    }
    if !about.is_file() {
        return Err(wrong(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no plain file")));
    }
    Ok((File::open(path).map_err(wrong)?, about.len()))
}

/// All bytes of a file of at most `most` bytes.
fn read_bounded(path: &Path, most: u64, what: &'static str) -> Result<Vec<u8>, FileError> {
    let (file, length) = open_file(path)?;
    if length > most {
        return Err(FileError::format(path, what, format!("it has {length} bytes where at most {most} can be")));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(|source| FileError::read(path, source))?;
    Ok(bytes)
}
