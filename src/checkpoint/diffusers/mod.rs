//! Models as diffusers publishes them: a folder with a configuration, a scheduler's and the weights.

mod config;
mod names;

pub use config::read_diffusers_config;

use super::open::u_net;
use super::{FileError, OpenedNetwork, ReadProgress, open_file, read_bounded, tensors, torch};
use serde_json::Value;
use std::path::{Path, PathBuf};

const WHAT: &str = "a valid diffusers model";
const CONFIG: &str = "config.json";
const SCHEDULER: &str = "scheduler_config.json";
/// The weights, best first.
const WEIGHTS: [&str; 3] =
    ["diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin", "diffusion_pytorch_model.fp16.safetensors"];
/// Configurations have some hundred bytes.
const MAX_CONFIG: u64 = 1 << 20;

/// The folder in which a diffusers network lies, if one does in `path`: itself, its subfolder `unet`, or the folder
/// that holds these weights.
pub(super) fn folder(path: &Path) -> Option<PathBuf> {
    let holder = match path.file_name().and_then(|name| name.to_str()) {
        Some(name) if WEIGHTS.contains(&name) => path.parent()?.to_owned(),
        _ => path.to_owned(),
    };
    [holder.join("unet"), holder].into_iter().find(|folder| names_a_class(&folder.join(CONFIG)))
}

/// The file of the weights in a folder of diffusers.
pub(super) fn weights(path: &Path) -> Option<PathBuf> {
    let folder = folder(path)?;
    WEIGHTS.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// Whether a folder holds a network rather than pictures.
pub fn holds_network(folder: &Path) -> bool {
    folder.is_dir() && self::folder(folder).is_some()
}

fn names_a_class(config: &Path) -> bool {
    let text = config.is_file().then(|| read_bounded(config, MAX_CONFIG, WHAT).ok()).flatten();
    let value: Option<Value> = text.and_then(|text| serde_json::from_slice(&text).ok());
    value.is_some_and(|value| value.get("_class_name").is_some())
}

/// Opens the network in `folder`, from `weights` or from whichever file of them is there.
pub(super) fn open(folder: &Path, weights: Option<&Path>, progress: &ReadProgress) -> Result<OpenedNetwork, FileError> {
    let config = folder.join(CONFIG);
    let scheduler = scheduler(folder).ok_or_else(|| {
        FileError::format(
            folder,
            WHAT,
            "the noise of its training is missing; put the scheduler_config.json of its repository beside its config.json",
        )
    })?;
    let description = read_diffusers_config(&text(&config)?, &text(&scheduler)?)
        .map_err(|source| FileError::Config { path: config, source })?;
    let weights = match weights {
        Some(path) => path.to_owned(),
        None => WEIGHTS.iter().map(|name| folder.join(name)).find(|path| path.is_file()).ok_or_else(|| {
            FileError::format(folder, WHAT, format!("its weights are missing; put {} there", WEIGHTS[0]))
        })?,
    };
    let tensors = match weights.extension().is_some_and(|extension| extension == "bin") {
        true => torch::read_state(&weights, progress)?,
        false => tensors::read(&weights, progress)?.1,
    };
    let wrong = |source| FileError::Weights { path: weights.clone(), source };
    let weights = names::renamed(tensors, u_net(&description, &weights)?).map_err(wrong)?;
    Ok(OpenedNetwork { description, weights })
}

/// Beside the network, or where a pipeline keeps it.
fn scheduler(folder: &Path) -> Option<PathBuf> {
    let places = [folder.join(SCHEDULER), folder.join("scheduler").join(SCHEDULER)];
    let above = folder.parent().map(|above| [above.join("scheduler").join(SCHEDULER), above.join(SCHEDULER)]);
    places.into_iter().chain(above.into_iter().flatten()).find(|path| path.is_file())
}

fn text(path: &Path) -> Result<String, FileError> {
    open_file(path)?;
    String::from_utf8(read_bounded(path, MAX_CONFIG, WHAT)?)
        .map_err(|_| FileError::format(path, WHAT, "it is not text; download it again"))
}
