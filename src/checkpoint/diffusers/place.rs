//! Where a network lies in the folders that diffusers, its training scripts and the hub's cache make.

use super::{CONFIG, MAX_CONFIG, WHAT, weights};
use crate::checkpoint::read_bounded;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// The name of a folder of a training run begins so, before its number of steps.
const CHECKPOINT: &str = "checkpoint-";
/// Folders of the hub's cache, training runs and pipelines inside each other.
const MAX_DEPTH: usize = 3;

/// A network of diffusers.
#[derive(Debug, PartialEq)]
pub struct Place {
    /// Where its configuration is.
    pub folder: PathBuf,
    /// The file of its weights, if that was given.
    pub weights: Option<PathBuf>,
    /// Whether its folder is one of two, of raw weights and of their EMA.
    pub has_raw: bool,
    /// What a person should know of the choice.
    pub notes: Vec<String>,
}

/// The network at `path`: a folder, or a file in one. `raw`: its raw weights where an EMA is beside them.
pub fn find(path: &Path, raw: bool) -> Option<Place> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if path.is_dir() {
        return folder(path, raw, 0);
    }
    let holder = path.parent().filter(|_| weights::is_weights(name) || [CONFIG, "model_index.json"].contains(&name))?;
    // Only weights by themselves are one file.
    let file = weights::is_whole(name).then(|| path.to_owned());
    match file {
        Some(_) => names_a_class(holder).then(|| Place { weights: file, ..place(holder.to_owned()) }),
        None => folder(holder, raw, 0),
    }
}

/// The folder of a file of any name, if it describes a network.
pub fn beside(file: &Path) -> Option<&Path> {
    file.parent().filter(|folder| names_a_class(folder))
}

fn place(folder: PathBuf) -> Place {
    Place { folder, weights: None, has_raw: false, notes: Vec::new() }
}

/// The network in a folder.
pub fn folder(holder: &Path, raw: bool, depth: usize) -> Option<Place> {
    let (live, average) = (holder.join("unet"), holder.join("unet_ema"));
    match (names_a_class(&live), names_a_class(&average)) {
        (true, true) => {
            let note = "Its EMA weights (unet_ema) are used, not the raw ones (unet).";
            let notes = if raw { Vec::new() } else { vec![note.into()] };
            Some(Place { has_raw: true, notes, ..place(if raw { live } else { average }) })
        }
        (true, false) => Some(place(live)),
        (false, true) => Some(place(average)),
        (false, false) if names_a_class(holder) => Some(place(holder.to_owned())),
        (false, false) if depth < MAX_DEPTH => {
            let (inside, note) = snapshot(holder).map(|folder| (folder, None)).or_else(|| newest(holder))?;
            let mut place = folder(&inside, raw, depth + 1)?;
            place.notes.extend(note);
            Some(place)
        }
        (false, false) => None,
    }
}

/// Whether a folder has the configuration of a class of diffusers, or a link to one that is missing.
fn names_a_class(folder: &Path) -> bool {
    let config = folder.join(CONFIG);
    if !config.is_file() {
        return config.symlink_metadata().is_ok_and(|about| about.is_symlink());
    }
    let value: Option<Value> =
        read_bounded(&config, MAX_CONFIG, WHAT).ok().and_then(|text| serde_json::from_slice(&text).ok());
    value.is_some_and(|value| value.get("_class_name").is_some())
}

/// The snapshot in a repository's folder of the hub's cache: that of the main branch, else the newest.
fn snapshot(repository: &Path) -> Option<PathBuf> {
    let snapshots = repository.join("snapshots");
    let main = read_bounded(&repository.join("refs").join("main"), 256, WHAT).ok();
    let main = main.and_then(|name| String::from_utf8(name).ok()).map(|name| name.trim().to_owned());
    let main = main
        .filter(|name| !name.is_empty() && name.chars().all(char::is_alphanumeric))
        .map(|name| snapshots.join(name));
    main.filter(|folder| folder.is_dir()).or_else(|| {
        let folders = fs::read_dir(&snapshots).ok()?.filter_map(Result::ok).map(|entry| entry.path());
        let age = |folder: &PathBuf| folder.metadata().and_then(|about| about.modified()).ok();
        folders.filter(|folder| folder.is_dir()).max_by_key(age)
    })
}

/// Whether a folder is one that training left after a number of steps.
pub fn is_checkpoint(folder: &Path) -> bool {
    steps(folder).is_some()
}

fn steps(folder: &Path) -> Option<u64> {
    folder.file_name()?.to_str()?.strip_prefix(CHECKPOINT)?.parse().ok()
}

/// The last checkpoint of a training run, and that it is it.
fn newest(run: &Path) -> Option<(PathBuf, Option<String>)> {
    let folders = fs::read_dir(run).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    let (steps, last) =
        folders.filter_map(|folder| Some((steps(&folder)?, folder))).filter(|(_, folder)| folder.is_dir()).max()?;
    Some((last, Some(format!("Its last checkpoint ({CHECKPOINT}{steps}) is used."))))
}
