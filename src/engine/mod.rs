//! One background thread turns runs into streams of snapshots.
//!
//! The [`Engine`] is spoken to by messages only. Commands are answered between two
//! network evaluations. Display snapshots are latest-wins: a slow listener never slows
//! the sampler. Events are few and none is lost.

mod control;
mod desk;
mod device;
mod failure;
mod job;
mod loader;
mod opening;
mod recorder;
mod restoring;
mod watched;
mod worker;
mod working;

pub use device::{DeviceChoice, DeviceReport, Devices};
pub use failure::Failure;
pub use job::{Job, JobId, JobProgress, JobReport, JobResult, JobUpdate};
pub use recorder::{GpuPicture, Recorded, Stats, Timeline};

use crate::sde::Level;
use crate::task::{Evidence, ModelRef, Run};
use crossbeam_channel::{Receiver, Sender};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Names one run of this engine; later runs have larger numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

/// What a listener may ask.
#[derive(Clone, Debug)]
pub enum Command {
    /// Begin `run` under `id`; a run in progress is stopped first.
    Start { id: RunId, run: Run, device: DeviceChoice },
    /// Continue from a recorded state with the settings of `run`, whose origin says where.
    /// The state is at hand, so the parent is not run again.
    Branch { id: RunId, run: Run, from: Arc<Recorded>, device: DeviceChoice },
    /// Hold before the next network evaluation.
    Pause,
    /// Go on.
    Resume,
    /// When paused, go on until this many more steps are done, then hold.
    Step(usize),
    /// End the run in progress and keep what it recorded.
    Stop,
    /// Open a model and answer with [`Event::Model`], without running it.
    Inspect(ModelRef),
    /// Memory for recorded moments of one run, in bytes.
    RecordLimit(usize),
    /// Do a job. Jobs and runs are done one after the other in the order asked: a job waits for the run or job in
    /// progress, a run for the job. Only interactive jobs do not wait (see [`Job::Decode`]).
    Flow { id: JobId, job: Job, device: DeviceChoice },
    /// From now on the restoration `id` is held to other evidence: it goes on from its present noise level.
    Exchange { id: JobId, evidence: Evidence },
    /// End a job, waiting or under way.
    StopJob(JobId),
}

/// What the engine says. Every run that was started ends in exactly one of
/// `Finished`, `Stopped` and `Failed`.
#[derive(Clone, Debug)]
pub enum Event {
    /// A model is being opened. `fraction` runs from 0 to 1 where it is known.
    Loading { what: String, fraction: Option<f32> },
    /// A model was opened.
    Model(Arc<ModelReport>),
    /// A model could not be opened (answer to `Inspect`).
    ModelFailed { model: ModelRef, failure: Failure },
    /// A run has begun.
    Started(Arc<RunReport>),
    /// The run holds; it goes on with `Resume` or `Step`.
    Paused(RunId),
    /// The run goes on.
    Resumed(RunId),
    /// The run came to its end.
    Finished(RunId),
    /// The run was stopped by a command.
    Stopped(RunId),
    /// The run failed; what it recorded is kept.
    Failed { id: RunId, failure: Failure },
    /// News of a job.
    Job { id: JobId, update: JobUpdate },
    /// Something a person should know that is not a failure.
    Notice(String),
}

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
    pub range: Option<crate::sde::Range>,
    /// The family it was trained in, with its parameters.
    pub family: Option<crate::sde::Family>,
    /// σ/α that it was trained on, in units of its range.
    pub ratios: Option<(f64, f64)>,
    /// What the network is; `None` of exact scores.
    pub description: Option<crate::score::Description>,
    /// What was assumed of it because its file does not say it.
    pub assumed: Vec<crate::checkpoint::Assumption>,
    /// Files that were left out (a corrupt image in a folder), or what was assumed; one sentence each.
    pub warnings: Vec<String>,
}

/// What is known of a run when it begins.
#[derive(Clone, Debug)]
pub struct RunReport {
    pub id: RunId,
    pub run: Run,
    pub model: Arc<ModelReport>,
    pub device: DeviceReport,
    /// Range of x(0) in this run: the values that show as black and white.
    pub range: crate::sde::Range,
    /// Times of the whole grid that this run walks: of its first state, then after each step.
    pub times: Vec<f64>,
    /// Levels (α, σ) at those times.
    pub levels: Vec<Level>,
    /// Number of evaluations that the whole run takes; `None` where the solver chooses its own steps.
    pub evaluations: Option<usize>,
    /// Standard deviation of the data about zero where known, for the theoretical marginal.
    pub data_rms: Option<f64>,
    /// What a person should know, such as a start inside the trained range.
    pub notices: Vec<String>,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Steps done, of `steps`.
    pub step: usize,
    pub steps: usize,
    /// Network evaluations so far, per sample.
    pub nfe: usize,
    /// Time computing, without pauses.
    pub elapsed: Duration,
    /// Image evaluations a second, lately.
    pub evaluations_per_second: f64,
    /// Estimated time left; zero when done.
    pub left: Duration,
    /// Bytes that the recorder holds.
    pub recorded_bytes: usize,
    pub spent: Spent,
}

/// Where the time of a run went; the rest is the solver's own arithmetic and its noise. A GPU computes later than it is
/// asked to, so that it shows in whatever waits for its results.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// In the score model.
    pub model: Duration,
    /// Recording moments and telling of them.
    pub recording: Duration,
}

/// The newest state of a run; older ones that were not looked at in time are skipped.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub id: RunId,
    pub progress: Progress,
    /// The newest moment, recorded or not.
    pub newest: Arc<Recorded>,
    /// All moments kept so far, in order of time, the newest last.
    pub timeline: Arc<Timeline>,
}

/// How soon a listener should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Something began, ended or was answered.
    Now,
    /// Only a picture or a figure has moved on: a listener whose looks are dear may wait a little.
    Soon,
}

/// A handle on the worker thread. Dropping it stops the run and ends the thread.
pub struct Engine {
    commands: Sender<Command>,
    events: Receiver<Event>,
    snapshots: Receiver<Arc<Snapshot>>,
}

impl Engine {
    /// Starts the worker. `wake` is called (from its thread) after every event and snapshot.
    /// Shipped models are looked for in `checkpoints` folders known to [`crate::checkpoint`],
    /// imported ones also in `library`, where it is given.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(
        devices: Devices,
        library: Option<PathBuf>,
        wake: impl Fn(Wake) + Send + 'static,
    ) -> std::io::Result<Engine> {
        let (commands, inbox) = crossbeam_channel::unbounded();
        let (outbox, events) = crossbeam_channel::unbounded();
        let (latest, snapshots) = crossbeam_channel::bounded(1);
        let replaced = snapshots.clone();
        std::thread::Builder::new().name("sampler".into()).spawn(move || {
            let channels = control::Channels { inbox, outbox, latest, replaced, wake: Box::new(wake) };
            worker::Worker::new(devices, library, channels).serve();
        })?;
        Ok(Engine { commands, events, snapshots })
    }

    /// Sends a command; it is answered between two network evaluations.
    pub fn send(&self, command: Command) {
        // The worker outlives every handle unless the process is ending.
        let _ = self.commands.send(command);
    }

    /// Events since the last call, oldest first. Never waits.
    pub fn events(&self) -> impl Iterator<Item = Event> + '_ {
        self.events.try_iter()
    }

    /// The next event, waiting up to `timeout`.
    pub fn wait(&self, timeout: Duration) -> Option<Event> {
        self.events.recv_timeout(timeout).ok()
    }

    /// The newest snapshot since the last call. Never waits.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshots.try_recv().ok()
    }
}
