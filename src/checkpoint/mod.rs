//! Files: published checkpoints, our own format, the catalogue, pictures, run files.
//!
//! Files come from strangers: no pickled code runs, sizes are checked before memory is
//! reserved, and every failure is one sentence that says what to do.

mod animation;
mod atomic;
mod catalogue;
mod diffusers;
mod grid;
mod import;
mod latents;
mod legacy;
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
mod yaml;
mod zip_parts;

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

use crate::network::{Architecture, Array, Description, Layout, Weights, WeightsError};
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
/// published `.pth` with its configuration (`config`, or a JSON or YAML file beside it: the same
/// name with `.json` or `.yml`, or `config.json` or `config.yml`), of which the EMA weights are
/// used, or a folder of diffusers (or the weights in one).
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
        [b'P', b'K', ..] | [0x80, ..] => open_published(path, config),
        // The header's length, then its first brace.
        [size @ .., b'{'] if size.len() == 8 => native::read_file(path),
        _ => Err(FileError::format(
            path,
            "a checkpoint",
            format!(
                "its {length} bytes begin neither as a PyTorch file nor as a safetensors file; \
                 choose a published .pth or one of our .safetensors"
            ),
        )),
    }
}

fn open_published(path: &Path, config: Option<&Path>) -> Result<OpenedNetwork, FileError> {
    let checkpoint = read_torch(path)?;
    let config = find_config(path, config)?;
    let in_config = |source| FileError::Config { path: config.clone(), source };
    let text = config_text(&config)?;
    let mut description = match Layout::of(&checkpoint.model) {
        Some(layout) => Description::from_ncsn(&text, layout),
        None => Description::from_published(&text),
    }
    .map_err(in_config)?;
    if let (Architecture::RefineNet(net), Some(sigmas)) = (&description.config, checkpoint.model.get("sigmas")) {
        net.agrees(&sigmas.values).map_err(in_config)?;
    }
    if let Some(step) = checkpoint.step {
        description.card = format!("{TRAINED}{step} steps.");
    }
    let weights = averaged(checkpoint, &description.config, path)?;
    Ok(OpenedNetwork { description, weights })
}

/// The text of a published configuration, as JSON.
fn config_text(path: &Path) -> Result<String, FileError> {
    let wrong = |reason: String| FileError::format(path, "a published configuration", reason);
    let bytes = read_bounded(path, 1 << 20, "a published configuration")?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not text; give the JSON or YAML file".into()))?;
    match path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
        true => yaml::to_json(&text).map_err(wrong),
        false => Ok(text),
    }
}

/// The configuration that was named, or that lies beside the checkpoint.
fn find_config(path: &Path, config: Option<&Path>) -> Result<PathBuf, FileError> {
    if let Some(config) = config {
        return Ok(config.into());
    }
    let extensions = ["json", "yml", "yaml"];
    let named = extensions.map(|extension| path.with_extension(extension));
    let plain = extensions.map(|extension| path.with_file_name("config").with_extension(extension));
    named.into_iter().chain(plain).find(|candidate| candidate.is_file()).ok_or_else(|| {
        FileError::format(
            path,
            "a checkpoint that can be opened alone",
            "it does not say what network it is; name its published configuration (a JSON or YAML file), \
             or put that beside it under the same name with .json, or .yml",
        )
    })
}

/// The EMA weights under the names of the parameters that they average; what was not trained
/// comes from the live weights.
fn averaged(mut checkpoint: Checkpoint, config: &Architecture, path: &Path) -> Result<Weights, FileError> {
    let wrong = |source| FileError::Weights { path: path.into(), source };
    let trained = config.trainable();
    let mut average: Weights = match checkpoint.average {
        Some(average) => average,
        None if trained.len() == checkpoint.ema.len() => trained.into_iter().zip(checkpoint.ema).collect(),
        None => {
            return Err(FileError::Ema { path: path.into(), expected: trained.len(), found: checkpoint.ema.len() });
        }
    };
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
