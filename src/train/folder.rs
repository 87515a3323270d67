//! A training on the disk: a folder with all that is needed to go on to the same bits.
//!
//! | file | what |
//! | --- | --- |
//! | `training.json` | the [`Training`], which decides everything |
//! | `state.safetensors` | weights, moments and averages after some step |
//! | `model.safetensors` | the averaged weights, as a model that every workspace opens |
//! | `metrics.jsonl` | loss and gradient of each step |
//! | `snapshots/` | power-function averages, of which an average of any length is made afterwards |

use super::{Levels, Point, State, StepReport, Trainer, Training, TrainingError};
use crate::checkpoint::{
    FileError, OpenedNetwork, claim, read_json, read_state, write_atomically, write_json, write_native, write_state,
};
use crate::network::Weights;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// Metadata of a state: what it belongs to.
const STEPS: &str = "steps";
const DATA: &str = "data";
const SECONDS: &str = "seconds";
/// The folder of stored averages.
const SNAPSHOTS: &str = "snapshots";

/// A training's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
}

/// What a state says of itself beside its arrays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notes {
    /// Checksum of the data that the training began with.
    pub data: String,
    /// Seconds of computing so far.
    pub seconds: f64,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Training(#[from] TrainingError),
    #[error("{0:?} already holds another training; choose another folder, or leave the settings as they are there")]
    Other(PathBuf),
    #[error("the network in {0:?} is being trained by another program; stop that first, or choose another folder")]
    Busy(PathBuf),
    #[error("the data have changed since the training in {0:?} began; give it the same data, or begin another")]
    Data(PathBuf),
}

/// One line of the metrics.
#[derive(Serialize, Deserialize)]
struct Line {
    step: u64,
    images: u64,
    loss: f64,
    gradient: f64,
    pace: f64,
    /// For each noise level the sum of the losses and their number.
    levels: Vec<(f32, u32)>,
}

impl Folder {
    /// The folder at a path, which need not exist.
    pub fn new(path: &Path) -> Folder {
        Folder { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the averaged weights.
    pub fn model(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }

    /// The file of an average that was made afterwards.
    pub fn average(&self, sigma_rel: f64, images: u64) -> PathBuf {
        self.path.join(format!("average-{sigma_rel:.3}-{images}.safetensors"))
    }

    fn state(&self) -> PathBuf {
        self.path.join("state.safetensors")
    }

    fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    fn value(&self) -> PathBuf {
        self.path.join("training.json")
    }

    /// Whether a training has begun there.
    pub fn holds_training(&self) -> bool {
        self.value().is_file()
    }

    /// The training that was begun there.
    ///
    /// # Errors
    /// If its file cannot be read or holds no valid training.
    pub fn begun(&self) -> Result<Training, FolderError> {
        read_training(&self.value())
    }

    /// The metrics of all steps, as far as they can be read.
    pub fn points(&self) -> Vec<Point> {
        self.read_metrics(u64::MAX).0
    }

    /// The metrics of the first `steps` steps, and their lines.
    fn read_metrics(&self, steps: u64) -> (Vec<Point>, String) {
        let (mut points, mut kept) = (Vec::new(), String::new());
        let Ok(file) = File::open(self.metrics()) else { return (points, kept) };
        for line in BufReader::new(file).lines().map_while(Result::ok) {
            // The last line may be half written.
            let Ok(read) = serde_json::from_str::<Line>(&line) else { break };
            if read.step > steps {
                break;
            }
            kept.push_str(&line);
            kept.push('\n');
            let Line { images, loss, gradient, levels, .. } = read;
            points.push(Point { steps: 1, images, loss, gradient, levels });
        }
        (points, kept)
    }

    /// The training that was begun there, if one was.
    ///
    /// # Errors
    /// If its file cannot be read or holds no valid training.
    pub fn training(&self) -> Result<Option<Training>, FolderError> {
        match self.holds_training() {
            true => self.begun().map(Some),
            false => Ok(None),
        }
    }

    /// The training that was begun there, if it is this one.
    ///
    /// # Errors
    /// If the folder holds another training.
    pub fn same(&self, training: &Training) -> Result<Option<Training>, FolderError> {
        let Some(held) = self.training()? else { return Ok(None) };
        // How long it lasts may change; moments and classes are the data's, and need not be known before these are read.
        let mut same = Training { images: training.images, ..held.clone() };
        same.network.moments = training.network.moments;
        if training.network.config.classes() == 0 {
            same.network.forget_classes();
        }
        if same == *training { Ok(Some(held)) } else { Err(FolderError::Other(self.path.clone())) }
    }

    /// Begins a training there, or goes on with the same.
    ///
    /// # Errors
    /// If the folder cannot be written, or holds another training.
    pub fn begin(&self, training: &Training) -> Result<(), FolderError> {
        if self.same(training)?.is_some_and(|held| held.images == training.images) {
            return Ok(());
        }
        let wrong = |source| FileError::Write { path: self.path.clone(), source };
        fs::create_dir_all(&self.path).map_err(wrong)?;
        Ok(write_training(&self.value(), training)?)
    }

    /// Keeps other programs from training here as long as the file is held, and removes what those that were killed left
    /// half-written.
    ///
    /// # Errors
    /// If another program trains here.
    pub fn claim(&self) -> Result<File, FolderError> {
        let value = self.value();
        let file = File::open(&value).map_err(|source| FileError::Read { path: value, source })?;
        let folders = [self.path.as_path(), &self.path.join(SNAPSHOTS)];
        claim(file, &folders).ok_or_else(|| FolderError::Busy(self.path.clone()))
    }

    /// The state that was saved last, if one was.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn last(&self) -> Result<Option<(State, Notes)>, FolderError> {
        if !self.state().is_file() {
            return Ok(None);
        }
        let (notes, arrays) = read_state(&self.state())?;
        let number = |key: &str| notes.get(key).and_then(|text| text.parse::<f64>().ok());
        let steps = notes.get(STEPS).and_then(|text| text.parse().ok()).unwrap_or(0);
        let data = notes.get(DATA).cloned().unwrap_or_default();
        Ok(Some((State { steps, arrays }, Notes { data, seconds: number(SECONDS).unwrap_or(0.0) })))
    }

    /// Saves where a training is: its state, and then the model.
    ///
    /// # Errors
    /// If a file cannot be written; the one before it stays.
    pub fn save(&self, trainer: &Trainer, notes: &Notes) -> Result<(), FolderError> {
        let told =
            [(STEPS, trainer.steps().to_string()), (DATA, notes.data.clone()), (SECONDS, notes.seconds.to_string())];
        let told: BTreeMap<String, String> = told.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        write_state(&self.state(), &trainer.arrays(), &told)?;
        self.write_model(&self.model(), trainer.training(), trainer.average(), trainer.steps())?;
        Ok(())
    }

    /// Writes weights as a model.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_model(
        &self,
        path: &Path,
        training: &Training,
        weights: &Weights,
        steps: u64,
    ) -> Result<(), FolderError> {
        let mut description = training.network.clone();
        if description.name.is_empty() {
            description.name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        }
        description.card = training.card(steps);
        Ok(write_native(path, &OpenedNetwork { description, weights: weights.clone() })?)
    }

    /// Stores the power-function averages of this moment.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_snapshot(&self, trainer: &Trainer) -> Result<(), FolderError> {
        let folder = self.path.join(SNAPSHOTS);
        let wrong = |source| FileError::Write { path: folder.clone(), source };
        fs::create_dir_all(&folder).map_err(wrong)?;
        let path = folder.join(format!("{:012}.safetensors", trainer.images()));
        Ok(write_state(&path, &trainer.power_arrays(), &BTreeMap::new())?)
    }

    /// The files of the power-function averages that were stored, by the images seen then.
    ///
    /// # Errors
    /// If their folder cannot be read.
    pub fn snapshots(&self) -> Result<BTreeMap<u64, PathBuf>, FolderError> {
        let folder = self.path.join(SNAPSHOTS);
        let wrong = |source| FileError::Read { path: folder.clone(), source };
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            entries => entries.map_err(wrong)?,
        };
        let named = |path: &Path| path.file_name()?.to_str()?.strip_suffix(".safetensors")?.parse().ok();
        let files = entries.filter_map(Result::ok).map(|entry| entry.path());
        Ok(files.filter_map(|path| Some((named(&path)?, path))).filter(|(images, _)| *images > 0).collect())
    }

    /// The metrics of the first `steps` steps; what lies beyond them is cut off. Further ones are added to the end.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn metrics_up_to(&self, steps: u64) -> Result<(Vec<Point>, Metrics), FolderError> {
        let path = self.metrics();
        let (points, kept) = self.read_metrics(steps);
        write_atomically(&path, |out| out.write_all(kept.as_bytes()))?;
        let wrong = |source| FileError::Write { path: path.clone(), source };
        let file = File::options().append(true).open(&path).map_err(wrong)?;
        Ok((points, Metrics { file, path: path.clone() }))
    }
}

/// The end of a file of metrics.
#[derive(Debug)]
pub struct Metrics {
    file: File,
    path: PathBuf,
}

impl Metrics {
    /// Adds a step.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add(&mut self, report: &StepReport, levels: &Levels) -> Result<(), FileError> {
        let StepReport { step, images, loss, gradient, pace, .. } = *report;
        let line = Line { step, images, loss, gradient, pace, levels: Point::of(report, levels).levels };
        let mut text = serde_json::to_string(&line).unwrap_or_default();
        text.push('\n');
        let wrong = |source| FileError::Write { path: self.path.clone(), source };
        self.file.write_all(text.as_bytes()).map_err(wrong)
    }
}

/// The field that marks the file of a training, with its version.
const VERSION_FIELD: &str = "score-explorer-training";
const WHAT: &str = "the file of a training";
const VERSION: u64 = 1;

#[derive(Serialize)]
struct TrainingFile<'a> {
    #[serde(rename = "score-explorer-training")]
    version: u64,
    #[serde(flatten)]
    training: &'a Training,
}

/// Reads the file of a training.
///
/// # Errors
/// If it cannot be read, or holds no valid training.
pub fn read_training(path: &Path) -> Result<Training, FolderError> {
    let value = read_json(path, WHAT, VERSION_FIELD, VERSION)?;
    let training: Training = serde_json::from_value(value).map_err(|error| FileError::Format {
        path: path.into(),
        expected: WHAT,
        reason: error.to_string(),
    })?;
    training.check()?;
    Ok(training)
}

/// Writes the file of a training, all or nothing.
///
/// # Errors
/// If it cannot be written.
pub fn write_training(path: &Path, training: &Training) -> Result<(), FileError> {
    write_json(path, WHAT, &TrainingFile { version: VERSION, training })
}
