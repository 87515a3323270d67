//! Everything long is a task on a thread of its own.
//!
//! The [`Engine`] opens models, and lets one task at a time compute. A task's owner holds its [`TaskHandle`]: by it the
//! task is paused, stepped, stopped and told things, always between two score evaluations, and by it alone it is heard
//! of. Display snapshots are latest-wins: a slow owner never slows a task. Updates are few and none is lost.

mod context;
mod device;
mod failure;
mod guides;
mod handle;
mod loader;
mod progress;
mod recorder;
mod recording;
mod report;
mod task;
mod tasks;
#[cfg(test)]
mod tests;
mod turnstile;
mod watched;

pub use context::Context;
pub use device::{DeviceChoice, DeviceReport, Devices};
pub use failure::Failure;
pub use handle::{Loading, TaskHandle, TaskId};
pub use progress::{Progress, Spent};
pub use recorder::{GpuPicture, Recorded, Snapshot, Stats, Timeline};
pub use report::{FlowReport, ModelReport, RunReport};
pub use task::{End, Ending, Task, Update};
pub use tasks::{
    Average, Averaged, CellStanding, Compare, CompareLive, CompareReport, Compared, Converge, Decode, Encode, Estimate,
    FindSteps, Inspect, Likelihood, Live, Network, PaneShown, PlaneClouds, PlaneCourse, PlaneErrors, PlaneFields,
    PlaneLearn, PlaneLearned, PlaneLearning, PlaneLive, PlaneProbe, PlaneReport, PlaneShown, PlaneSweep, PlaneSwept,
    Rehearse, Restore, Sample, Samples, Shown, Standing, Train, TrainReport,
};
pub use turnstile::Priority;

use crossbeam_channel::unbounded;
use cubecl_environment::stream::StreamId;
use handle::Board;
use loader::Loader;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use turnstile::Turnstile;

/// How the names of the threads of tasks begin.
const THREAD: &str = "task ";

/// The number of the next task of this process.
static TASKS: AtomicU64 = AtomicU64::new(1);

/// How soon a listener should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Something began, ended or was answered.
    Now,
    /// Only a picture or a figure has moved on: a listener whose looks are dear may wait a little.
    Soon,
}

/// How a task is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub device: DeviceChoice,
    pub priority: Priority,
    /// Memory for recorded moments, in bytes; 0 records nothing.
    pub record: usize,
    /// Whether the owner looks at snapshots.
    pub shown: bool,
    /// Begin paused: hold before the first score evaluation.
    pub held: bool,
}

impl Options {
    /// Nothing is recorded or shown, in the foreground.
    pub fn on(device: DeviceChoice) -> Options {
        Options { device, priority: Priority::Foreground, record: 0, shown: false, held: false }
    }
}

/// What all tasks share.
struct Shared {
    devices: Devices,
    loader: Loader,
    turnstile: Arc<Turnstile>,
    wake: Box<dyn Fn(Wake) + Send + Sync>,
    /// All tasks' threads ask the GPU on one stream, because each stream keeps memory of its own.
    stream: StreamId,
}

impl Shared {
    fn wake(&self, wake: Wake) {
        (self.wake)(wake);
    }
}

/// Starts tasks. Clones are the same engine; it is there until the last of them and of its tasks is gone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

impl Engine {
    /// An engine that computes on these devices. `wake` is called (from the threads of tasks) whenever there is something
    /// new to be heard or seen. Shipped models are looked for in `checkpoints` folders known to
    /// [`crate::checkpoint`], imported ones also in `library`, where it is given.
    pub fn new(devices: Devices, library: Option<PathBuf>, wake: impl Fn(Wake) + Send + Sync + 'static) -> Engine {
        let shared = Shared {
            devices,
            loader: Loader::new(library),
            turnstile: Arc::default(),
            wake: Box::new(wake),
            stream: StreamId::allocate(),
        };
        Engine { shared: Arc::new(shared) }
    }

    /// The devices that it computes on.
    pub fn devices(&self) -> &Devices {
        &self.shared.devices
    }

    /// Begins a task. Where the system has no thread for it, it fails.
    pub fn start<T: Task>(&self, task: T, options: Options) -> TaskHandle<T> {
        let id = TaskId(TASKS.fetch_add(1, Ordering::Relaxed));
        let ((mail, inbox), (outbox, updates)) = (unbounded(), unbounded());
        let board: Arc<Board> = Arc::default();
        let context = Context::new(&self.shared, id, options, inbox, outbox.clone(), board.clone());
        let stream = self.shared.stream;
        let thread = std::thread::Builder::new().name(format!("{THREAD}{}", id.0));
        if let Err(error) = thread.spawn(move || stream.executes(|| context.work(task))) {
            let sentence = format!("no thread could be started: {error}; close other programs and try again");
            // The handle that hears it is made below.
            let _ = outbox.send(Update::Ended(End::Failed(Failure::from_sentence(&sentence, ""))));
        }
        TaskHandle { id, mail, updates, board }
    }
}

/// Whether this thread is a task's: its panics become failures, in one sentence.
pub fn is_task_thread() -> bool {
    std::thread::current().name().is_some_and(|name| name.starts_with(THREAD))
}

/// What a mutex guards, also after a panic: nothing here is left half done by one.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
