//! Jobs: journeys between data and latents, likelihoods, and restorations, as messages.

use super::{DeviceReport, Failure, ModelReport};
use crate::Pixels;
use crate::sde::Range;
use crate::task::{Decoded, Encoded, Estimate, Evidence, Flow, Likelihood, ModelRef, Restoration, Restored};
use std::sync::Arc;

/// Names one job of this engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// Work beside runs. Pictures are N×C×H×W in [0, 1] and of the model's shape
/// (of models whose data are no pictures: the data themselves).
#[derive(Clone, Debug)]
pub enum Job {
    /// Pictures to latents.
    Encode { flow: Flow, images: Pixels<f32> },
    /// Latents to pictures. With a `lane` it is *interactive*: it is done between two evaluations of whatever is
    /// under way (a run, paused or not, or another job), and ends what waits or works in the same lane, as a
    /// slider's newest place replaces the ones before.
    Decode { flow: Flow, latents: Pixels<f32>, lane: Option<u32> },
    /// log p of pictures.
    Likelihood { flow: Flow, images: Pixels<f32>, estimate: Estimate },
    /// Samples of what else a measured picture could be. The evidence can be exchanged on the way
    /// (see [`super::Command::Exchange`]).
    Restore { restoration: Box<Restoration>, evidence: Evidence },
}

impl Job {
    /// The score model.
    pub fn model(&self) -> &ModelRef {
        match self {
            Job::Encode { flow, .. } | Job::Decode { flow, .. } | Job::Likelihood { flow, .. } => &flow.model,
            Job::Restore { restoration, .. } => &restoration.run.model,
        }
    }

    /// The lane of an interactive job.
    pub fn lane(&self) -> Option<u32> {
        match self {
            Job::Decode { lane, .. } => *lane,
            Job::Encode { .. } | Job::Likelihood { .. } | Job::Restore { .. } => None,
        }
    }

    /// The range that it works in.
    pub(super) fn range(&self) -> Range {
        let family = match self {
            Job::Encode { flow, .. } | Job::Decode { flow, .. } | Job::Likelihood { flow, .. } => flow.family,
            Job::Restore { restoration, .. } => restoration.run.family,
        };
        family.facts().range
    }

    /// Number of samples.
    pub(super) fn samples(&self) -> usize {
        match self {
            Job::Encode { images, .. } | Job::Likelihood { images, .. } => images.shape[0],
            Job::Decode { latents, .. } => latents.shape[0],
            Job::Restore { restoration, .. } => restoration.run.count.get(),
        }
    }

    /// Whether it needs gradients of its model.
    pub(super) fn is_differentiated(&self) -> bool {
        match self {
            Job::Likelihood { flow, estimate, .. } => {
                !estimate.exact || matches!(flow.model, ModelRef::Named(_) | ModelRef::File(_))
            }
            Job::Restore { restoration, .. } => restoration.method.entry().is_differentiated(),
            Job::Encode { .. } | Job::Decode { .. } => false,
        }
    }

    /// Whether its parts fit together; if not, one sentence of why.
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Job::Encode { flow, .. } | Job::Decode { flow, .. } => flow.check().map_err(|error| error.to_string()),
            Job::Likelihood { flow, estimate, .. } => {
                flow.check().and_then(|()| estimate.check(flow)).map_err(|error| error.to_string())
            }
            Job::Restore { restoration, .. } => restoration.check().map_err(|error| error.to_string()),
        }
    }
}

/// What the engine says of a job. Every job ends in exactly one of `Done`, `Stopped` and `Failed`.
#[derive(Clone, Debug)]
pub enum JobUpdate {
    /// The job has begun.
    Started(Arc<JobReport>),
    /// How far it is; at most some twenty a second.
    Progress(JobProgress),
    Done(JobResult),
    /// By a command, or by a newer job in its lane.
    Stopped,
    Failed(Failure),
}

/// What is known of a job when it begins.
#[derive(Clone, Debug)]
pub struct JobReport {
    pub model: Arc<ModelReport>,
    pub device: DeviceReport,
    /// Times of the data and of the latent (of a restoration: where it starts), inside those at which the model is valid.
    pub end: f64,
    pub until: f64,
    /// What a person should know, such as a journey cut to the trained range.
    pub notices: Vec<String>,
}

/// How far a job has come.
#[derive(Clone, Debug)]
pub struct JobProgress {
    /// Share of time covered by the slowest sample, 0 to 1.
    pub share: f32,
    /// Network evaluations so far.
    pub nfe: usize,
    /// The states on their way, N×C×H×W, mapped as clean data are to [0, 1]; none of likelihoods.
    pub pictures: Option<Arc<Pixels<f32>>>,
    /// Estimates of x(0) on the way, where the job has them, likewise.
    pub estimates: Option<Arc<Pixels<f32>>>,
    /// Estimated from the share.
    pub seconds_left: f32,
}

/// What a job gives.
#[derive(Clone, Debug)]
pub enum JobResult {
    Encoded(Encoded),
    Decoded(Decoded),
    /// One for each picture.
    Likelihoods(Vec<Likelihood>),
    Restored(Restored),
}
