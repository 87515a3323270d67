//! Models as diffusers publishes them: a folder with a configuration, a scheduler's and the weights.

mod betas;
mod config;
mod names;
mod place;
mod weights;
mod write;

pub use config::read_diffusers_config;
pub(super) use place::{Place, beside, find};
pub(super) use write::write;

use super::open::{one_set, u_net};
use super::{FileError, OpenedNetwork, ReadProgress, open_file, read_bounded, tensors, torch};
use crate::network::Weights;
use crate::score::Description;
use std::path::{Path, PathBuf};

const WHAT: &str = "a valid diffusers model";
const CONFIG: &str = "config.json";
const SCHEDULER: &str = "scheduler_config.json";
/// Configurations have some hundred bytes.
const MAX_CONFIG: u64 = 1 << 20;

/// Whether a folder holds a network rather than pictures.
pub fn holds_network(folder: &Path) -> bool {
    folder.is_dir() && find(folder, false).is_some()
}

/// A network that was opened.
pub(super) struct Found {
    pub network: OpenedNetwork,
    /// Of its weights, or the first of several.
    pub file: PathBuf,
    /// What a person should know of which weights these are.
    pub notes: Vec<String>,
    /// What of its scheduler was ignored.
    pub ignored: Option<String>,
}

/// Opens the network at a place, its raw weights if they are wanted. `path` is what was asked for.
///
/// # Errors
/// Those of its files, and where its raw weights are wanted and it has no choice of them.
pub(super) fn open(path: &Path, place: Place, raw: bool, progress: &ReadProgress) -> Result<Found, FileError> {
    let Place { folder, weights, has_raw, mut notes } = place;
    let (description, ignored) = describe(&folder)?;
    let chosen = match weights {
        Some(file) => weights::Chosen { files: vec![file], note: None, has_raw: false },
        None => weights::files(&folder, raw)?,
    };
    if !(has_raw || chosen.has_raw) {
        one_set(path, raw)?;
    }
    notes.extend(chosen.note);
    let lengths = chosen.files.iter().filter_map(|file| file.metadata().ok()).map(|about| about.len());
    progress.expect(lengths.sum());
    let mut tensors = Weights::new();
    for file in &chosen.files {
        tensors.extend(match file.extension().is_some_and(|extension| extension == "bin") {
            true => torch::read(file, progress)?.model,
            false => tensors::read(file, progress)?.1,
        });
    }
    // What is missing in one of several parts is missing in the folder.
    let whole = if let [file] = &chosen.files[..] { file } else { &folder };
    let network = network(description, tensors, whole)?;
    let file = chosen.files.into_iter().next().unwrap_or(folder);
    Ok(Found { network, file, notes, ignored })
}

/// Describes the network in a folder, and says what of it was ignored.
pub(super) fn describe(folder: &Path) -> Result<(Description, Option<String>), FileError> {
    let config = folder.join(CONFIG);
    let scheduler = scheduler(folder).ok_or_else(|| {
        FileError::format(
            folder,
            WHAT,
            "the noise of its training is missing; put the scheduler_config.json of its repository beside its config.json",
        )
    })?;
    let in_file = |path: &Path| {
        let path = path.to_owned();
        move |source| FileError::Config { path, source }
    };
    let process = config::read_scheduler(&text(&scheduler)?).map_err(in_file(&scheduler))?;
    let ignored = process.ignored.clone();
    let description = config::read_model(&text(&config)?, process).map_err(in_file(&config))?;
    Ok((description, ignored))
}

/// The network of tensors by their names in diffusers, which are from `file`.
pub(super) fn network(description: Description, tensors: Weights, file: &Path) -> Result<OpenedNetwork, FileError> {
    let wrong = |source| FileError::Weights { path: file.into(), source };
    let weights = names::renamed(tensors, u_net(&description, file)?).map_err(wrong)?;
    Ok(OpenedNetwork { description, weights })
}

/// Beside the network, or where a pipeline or a training run keeps it.
fn scheduler(folder: &Path) -> Option<PathBuf> {
    let in_training = folder.parent().filter(|parent| place::is_checkpoint(parent)).and_then(Path::parent);
    let holders = [Some(folder), folder.parent(), in_training];
    let places = |holder: &Path| [holder.join("scheduler").join(SCHEDULER), holder.join(SCHEDULER)];
    // A link that leads nowhere is there, too.
    holders.into_iter().flatten().flat_map(places).find(|path| path.symlink_metadata().is_ok())
}

fn text(path: &Path) -> Result<String, FileError> {
    open_file(path)?;
    String::from_utf8(read_bounded(path, MAX_CONFIG, WHAT)?)
        .map_err(|_| FileError::format(path, WHAT, "it is not text; download it again"))
}
