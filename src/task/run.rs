use super::Guidance;
use crate::registry::{Choice, ChoiceError};
use crate::sde::{Family, FamilyKind};
use crate::solver::{Destination, Grid, Preset, Solver};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fmt;
use std::path::{self, Path, PathBuf};
use std::str::FromStr;

/// A value that no run can have.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RunError {
    #[error("{0} steps is out of range; choose 1 to {max}", max = Steps::MAX)]
    Steps(usize),
    #[error("{0} samples is out of range; choose 1 to {max}", max = Count::MAX)]
    Count(usize),
    #[error(
        "unknown model {0:?}; use a name from `models`, a checkpoint's path, exact:FOLDER, mixture:NAME or mixture:FILE.json"
    )]
    Model(String),
    #[error("a guidance weight of {0} is out of range; choose 0 to {max}", max = Guidance::MAX_WEIGHT)]
    Guidance(f64),
    #[error("a guidance interval from {low} to {high} is not possible; choose two noise levels, the smaller one first")]
    Interval { low: f64, high: f64 },
    #[error("a guidance rescaling of {0} is out of range; choose 0 to 1")]
    Rescale(f64),
    #[error("guidance of the kind {0} leads to a class; choose one (--class)")]
    NoClass(&'static str),
    #[error("guidance of the kind {0} needs a second model; choose one (--guide-model)")]
    NoGuide(&'static str),
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    #[error("a branch keeps its parent's model, family and number of samples; change those in a new run")]
    Unlike,
    #[error("cannot branch at step {step}: the parent run has {steps} steps")]
    Branch { step: usize, steps: usize },
}

/// Number of steps of a time grid, 1 to [`Steps::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "usize", into = "usize")]
pub struct Steps(usize);

impl Steps {
    /// More than any published sampler takes.
    pub const MAX: usize = 100_000;

    /// # Errors
    /// Outside 1 to [`Steps::MAX`].
    pub fn new(steps: usize) -> Result<Self, RunError> {
        if (1..=Self::MAX).contains(&steps) { Ok(Steps(steps)) } else { Err(RunError::Steps(steps)) }
    }

    /// The number.
    pub fn get(self) -> usize {
        self.0
    }
}

impl TryFrom<usize> for Steps {
    type Error = RunError;
    fn try_from(steps: usize) -> Result<Self, RunError> {
        Steps::new(steps)
    }
}

impl From<Steps> for usize {
    fn from(steps: Steps) -> usize {
        steps.0
    }
}

/// Number of samples of a run, 1 to [`Count::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "usize", into = "usize")]
pub struct Count(usize);

impl Count {
    /// Enough for any statistic; the window offers up to 64.
    pub const MAX: usize = 1_000_000;

    /// # Errors
    /// Outside 1 to [`Count::MAX`].
    pub fn new(count: usize) -> Result<Self, RunError> {
        if (1..=Self::MAX).contains(&count) { Ok(Count(count)) } else { Err(RunError::Count(count)) }
    }

    /// The number.
    pub fn get(self) -> usize {
        self.0
    }
}

impl TryFrom<usize> for Count {
    type Error = RunError;
    fn try_from(count: usize) -> Result<Self, RunError> {
        Count::new(count)
    }
}

impl From<Count> for usize {
    fn from(count: Count) -> usize {
        count.0
    }
}

/// Which score model a run uses, as people write it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ModelRef {
    /// A name in the catalogue, such as `worlds-vp-small`.
    Named(String),
    /// A checkpoint file.
    File(PathBuf),
    /// `exact:FOLDER`: the exact score of the images in a folder; `exact:worlds` are those that ship.
    Exact(PathBuf),
    /// `mixture:NAME`: a mixture of Gaussians, such as `mixture:two-moons`; `mixture:FILE.json`: one that a file describes.
    Mixture(String),
}

impl ModelRef {
    /// The networks that ship, and the sizes of their Little Worlds.
    pub const BUNDLED: [(&str, usize); 2] = [(Self::FIRST, 32), ("worlds-64-vp-small", 64)];
    /// The name of the network that a first start shows.
    pub const FIRST: &str = "worlds-vp-small";
    /// The set of images that ships, as `exact:` names it.
    pub const WORLDS: &str = "worlds";

    /// What `--model` says, also where it names a path that is not UTF-8.
    ///
    /// # Errors
    /// If it is empty.
    pub fn from_os(text: &OsStr) -> Result<Self, RunError> {
        match text.to_str() {
            Some(text) => text.parse(),
            None => Ok(match strip_prefix(text, "exact:") {
                Some(folder) => ModelRef::Exact(folder.into()),
                None => ModelRef::File(text.into()),
            }),
        }
    }

    /// Of a network that ships: the size of its Little Worlds.
    pub fn bundled(&self) -> Option<usize> {
        let ModelRef::Named(name) = self else { return None };
        Self::BUNDLED.iter().find(|(known, _)| known == name).map(|&(_, size)| size)
    }

    /// Whether it names a place on the disk, not a model that ships or was imported.
    pub fn is_path(&self) -> bool {
        match self {
            ModelRef::Named(_) => false,
            ModelRef::Mixture(name) => ModelRef::mixture_file(name).is_some(),
            ModelRef::File(_) => true,
            ModelRef::Exact(folder) => folder != Path::new(Self::WORLDS),
        }
    }

    /// What it is called beside others: a file by its name without the ending, that of a training by its folder.
    pub fn short(&self) -> String {
        let name = |part: Option<&OsStr>| part.map(|part| part.to_string_lossy().into_owned());
        match self {
            ModelRef::Named(name) | ModelRef::Mixture(name) => name.clone(),
            ModelRef::Exact(folder) => name(folder.file_name()).unwrap_or_else(|| self.to_string()),
            ModelRef::File(path) => {
                let stem = path.file_stem().filter(|stem| *stem != "model");
                let folder = || path.parent().and_then(Path::file_name);
                name(stem.or_else(folder).or(path.file_name())).unwrap_or_else(|| self.to_string())
            }
        }
    }

    /// The file that describes a mixture, where its name is that of one.
    pub fn mixture_file(name: &str) -> Option<&Path> {
        name.to_lowercase().ends_with(".json").then(|| Path::new(name))
    }

    /// The same model, named so that it is found from any folder.
    pub fn absolute(&self) -> ModelRef {
        let absolute = |path: &Path| path::absolute(path).unwrap_or_else(|_| path.to_owned());
        match self {
            ModelRef::File(path) => ModelRef::File(absolute(path)),
            ModelRef::Exact(folder) if self.is_path() => ModelRef::Exact(absolute(folder)),
            ModelRef::Mixture(file) if self.is_path() => {
                ModelRef::Mixture(absolute(Path::new(file)).to_string_lossy().into_owned())
            }
            _ => self.clone(),
        }
    }
}

/// What comes after a prefix.
#[cfg(unix)]
fn strip_prefix<'a>(text: &'a OsStr, prefix: &str) -> Option<&'a OsStr> {
    use std::os::unix::ffi::OsStrExt;
    text.as_bytes().strip_prefix(prefix.as_bytes()).map(OsStr::from_bytes)
}

/// What comes after a prefix; a name that is not Unicode has none that is known.
#[cfg(not(unix))]
fn strip_prefix<'a>(_text: &'a OsStr, _prefix: &str) -> Option<&'a OsStr> {
    None
}

impl FromStr for ModelRef {
    type Err = RunError;

    fn from_str(text: &str) -> Result<Self, RunError> {
        let text = text.trim();
        if let Some(folder) = text.strip_prefix("exact:").filter(|rest| !rest.is_empty()) {
            Ok(ModelRef::Exact(folder.into()))
        } else if let Some(name) = text.strip_prefix("mixture:").filter(|rest| !rest.is_empty()) {
            Ok(ModelRef::Mixture(name.into()))
        } else if text.is_empty() || text == "exact:" || text == "mixture:" {
            Err(RunError::Model(text.into()))
        } else if text.contains(['/', '\\', '.']) {
            Ok(ModelRef::File(text.into()))
        } else {
            Ok(ModelRef::Named(text.into()))
        }
    }
}

impl TryFrom<String> for ModelRef {
    type Error = RunError;
    fn try_from(text: String) -> Result<Self, RunError> {
        text.parse()
    }
}

impl From<ModelRef> for String {
    fn from(model: ModelRef) -> String {
        model.to_string()
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModelRef::Named(name) => out.write_str(name),
            // A path always reads back as a path.
            ModelRef::File(path) if path.to_string_lossy().contains(['/', '\\', '.']) => {
                write!(out, "{}", path.display())
            }
            ModelRef::File(path) => write!(out, "./{}", path.display()),
            ModelRef::Exact(folder) => write!(out, "exact:{}", folder.display()),
            ModelRef::Mixture(name) => write!(out, "mixture:{name}"),
        }
    }
}

/// Where a run's first state comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The prior: noise at the run's seed.
    #[default]
    Prior,
    /// The state of another run after `step` of its steps (1 or more).
    Branch { parent: Box<Run>, step: usize },
}

/// Everything that decides a run's pixels. Serialised, it is a run file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The score model.
    pub model: ModelRef,
    /// The SDE family and its parameters.
    #[serde(flatten)]
    pub family: Family,
    /// The solver and its parameters.
    #[serde(flatten)]
    pub solver: Choice<dyn Solver>,
    /// The time grid.
    #[serde(flatten)]
    pub grid: Choice<dyn Grid>,
    /// Number of steps of the whole grid.
    pub steps: Steps,
    /// Leave the last update's noise out, as published (`noise_removal`); of correctors alone, denoise the last state.
    pub denoise: bool,
    /// Keep every estimate of x(0) inside the data's range.
    #[serde(default)]
    pub clip: bool,
    /// What leads its samples, if anything does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance: Option<Guidance>,
    /// Seed of all noise.
    pub seed: u64,
    /// Number of samples.
    pub count: Count,
    /// Where x starts.
    #[serde(default)]
    pub origin: Origin,
}

impl Default for Run {
    /// What a first start shows: the shipped model, its own family, the fast preset.
    fn default() -> Self {
        let preset = Preset::fast(20);
        Run {
            model: ModelRef::Named(ModelRef::FIRST.into()),
            family: FamilyKind::Vp.published(),
            solver: preset.solver,
            grid: preset.grid,
            steps: Steps(preset.steps),
            denoise: true,
            clip: preset.clip,
            guidance: None,
            seed: 0,
            count: Count(16),
            origin: Origin::Prior,
        }
    }
}

impl Run {
    /// The same run of another model, its parents too.
    pub fn with_model(mut self, model: &ModelRef) -> Run {
        self.model = model.clone();
        if let Origin::Branch { parent, .. } = &mut self.origin {
            **parent = std::mem::take(&mut **parent).with_model(model);
        }
        self
    }

    /// Whether the parts fit together.
    ///
    /// # Errors
    /// If the solver's or the grid's values do not, or a branch point lies outside its parent.
    pub fn check(&self) -> Result<(), RunError> {
        self.solver.check()?;
        self.grid.check()?;
        self.grid.entry().fits(self.grid.settings(), self.family.sde()).map_err(ChoiceError::Unfit)?;
        self.guidance.iter().try_for_each(Guidance::check)?;
        if let Origin::Branch { parent, step } = &self.origin {
            parent.check()?;
            if !(1..parent.steps.get()).contains(step) {
                return Err(RunError::Branch { step: *step, steps: parent.steps.get() });
            }
            if (&parent.model, parent.family, parent.count) != (&self.model, self.family, self.count) {
                return Err(RunError::Unlike);
            }
        }
        Ok(())
    }

    /// Score evaluations of each sample; `None` where the solver chooses its own steps.
    pub fn evaluations(&self) -> Option<usize> {
        let steps = self.grid.entry().count(self.grid.settings()).unwrap_or(self.steps.get());
        self.evaluations_in(steps, self.destination())
    }

    /// Where its last step arrives.
    pub fn destination(&self) -> Destination {
        if self.denoise { Destination::Denoised } else { Destination::Data }
    }
}
