//! Models as diffusers publishes them: a folder with a configuration, a scheduler's and the weights.

mod config;
mod names;
mod place;
mod weights;

pub use config::read_diffusers_config;
pub(super) use place::{Place, find};

use super::open::u_net;
use super::{FileError, OpenedNetwork, ReadProgress, open_file, read_bounded, tensors, torch};
use crate::network::Weights;
use std::path::{Path, PathBuf};

const WHAT: &str = "a valid diffusers model";
const CONFIG: &str = "config.json";
const SCHEDULER: &str = "scheduler_config.json";
/// Configurations have some hundred bytes.
const MAX_CONFIG: u64 = 1 << 20;

/// The first file of the weights in a folder of diffusers.
pub(super) fn weights(path: &Path) -> Option<PathBuf> {
    let place = find(path, false)?;
    let files = place.weights.map(|file| vec![file]);
    files.or_else(|| weights::files(&place.folder, false).ok().map(|chosen| chosen.files))?.into_iter().next()
}

/// Whether a folder holds a network rather than pictures.
pub fn holds_network(folder: &Path) -> bool {
    folder.is_dir() && find(folder, false).is_some()
}

/// Opens the network at a place, its raw weights if it keeps these beside an EMA and they are wanted, with what a person
/// should know of it.
pub(super) fn open(
    place: Place,
    raw: bool,
    progress: &ReadProgress,
) -> Result<(OpenedNetwork, Vec<String>), FileError> {
    let Place { folder, weights, mut notes, .. } = place;
    let config = folder.join(CONFIG);
    let scheduler = scheduler(&folder).ok_or_else(|| {
        FileError::format(
            &folder,
            WHAT,
            "the noise of its training is missing; put the scheduler_config.json of its repository beside its config.json",
        )
    })?;
    let in_file = |path: &Path| {
        let path = path.to_owned();
        move |source| FileError::Config { path, source }
    };
    let process = config::read_scheduler(&text(&scheduler)?).map_err(in_file(&scheduler))?;
    notes.extend(process.ignored.clone());
    let description = config::read_model(&text(&config)?, process).map_err(in_file(&config))?;
    let chosen = match weights {
        Some(path) => weights::Chosen { files: vec![path], note: None },
        None => weights::files(&folder, raw)?,
    };
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
    let file = chosen.files.first().unwrap_or(&folder);
    let wrong = |source| FileError::Weights { path: file.clone(), source };
    let weights = names::renamed(tensors, u_net(&description, file)?).map_err(wrong)?;
    Ok((OpenedNetwork { description, weights }, notes))
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
