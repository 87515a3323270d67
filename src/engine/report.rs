//! What is known of models and tasks.

use super::DeviceReport;
use crate::checkpoint::Assumption;
use crate::score::Description;
use crate::sde::{Family, Level, Range};
use crate::task::{ModelRef, Run};
use std::sync::Arc;

/// What is known of an opened model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelReport {
    pub model: ModelRef,
    /// The name people read.
    pub name: String,
    /// One or more lines about it: data, licence, training.
    pub card: String,
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// Number of parameters (network), of images or of components (exact).
    pub size: usize,
    /// Whether the score is exact.
    pub exact: bool,
    /// Range of its data; `None` for vectors that are no pictures.
    pub range: Option<Range>,
    /// The family it was trained in, with its parameters.
    pub family: Option<Family>,
    /// σ/α that it was trained on, in units of its range.
    pub ratios: Option<(f64, f64)>,
    /// What the network is; `None` of exact scores.
    pub description: Option<Description>,
    /// Names of the classes that samples can be of; none where it knows none.
    pub classes: Vec<String>,
    /// What was assumed of it because its file does not say it.
    pub assumed: Vec<Assumption>,
    /// Files that were left out (a corrupt image in a folder), or what was assumed; one sentence each.
    pub warnings: Vec<String>,
}

/// What is known of sampling or restoring when it begins.
#[derive(Clone, Debug)]
pub struct RunReport {
    pub run: Run,
    pub model: Arc<ModelReport>,
    pub device: DeviceReport,
    /// Range of x(0) in this run: the values that show as black and white.
    pub range: Range,
    /// Times of the whole grid that this run walks: of its first state, then after each step.
    pub times: Vec<f64>,
    /// Levels (α, σ) at those times.
    pub levels: Vec<Level>,
    /// Number of score evaluations that the whole run takes, per sample; `None` where the solver chooses its own steps.
    pub evaluations: Option<usize>,
    /// Standard deviation of the data about zero where known, for the theoretical marginal.
    pub data_rms: Option<f64>,
}

/// What is known of encoding, decoding or measuring a likelihood when it begins.
#[derive(Clone, Debug)]
pub struct FlowReport {
    pub model: Arc<ModelReport>,
    pub device: DeviceReport,
    /// Range of the data on the way; `None` of data that are no pictures.
    pub range: Option<Range>,
    /// Times of the data and of the latent, inside those at which the model is valid.
    pub end: f64,
    pub until: f64,
}
