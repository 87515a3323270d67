//! What goes wrong with a graphics device. wgpu tells it to listeners as it happens, and nobody who asks later.

use super::device::locked;
use burn_wgpu::wgpu::{self, PollError, PollType, SubmissionIndex};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// How long a GPU may finish nothing before it is held to be stuck: ten times what the most patient drivers give a
/// submission before they reset the GPU themselves (Windows 2 s, Linux up to 12 s).
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a device that has failed a task is given to say that it is lost.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why a graphics device does not compute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    #[error("the graphics device was lost")]
    Lost,
    #[error("the graphics device did not answer for {} s", .0.as_secs())]
    Stuck(Duration),
    #[error("the graphics device ran out of memory")]
    OutOfMemory,
    #[error("the graphics driver refused a command ({0})")]
    Refused(String),
}

impl From<&wgpu::Error> for DeviceError {
    fn from(error: &wgpu::Error) -> Self {
        match error {
            wgpu::Error::OutOfMemory { .. } => DeviceError::OutOfMemory,
            error => {
                // The last line is the cause of those above it.
                let text = error.to_string();
                let cause = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
                DeviceError::Refused(cause.trim().trim_end_matches('.').to_owned())
            }
        }
    }
}

/// Listens to a graphics device, in the place of wgpu's own listeners and Burn's, which panic.
#[derive(Debug)]
pub struct DeviceWatch {
    device: wgpu::Device,
    queue: wgpu::Queue,
    /// How long it may finish nothing; for ever where it is the CPU in truth, which is slow and never stuck.
    patience: Option<Duration>,
    /// Marks that it has come past.
    finished: AtomicU64,
    /// Why nothing can be computed on it any more.
    gone: OnceLock<DeviceError>,
    computing: Mutex<Option<DeviceError>>,
    drawing: Mutex<Option<DeviceError>>,
    /// The thread whose errors are those of drawing.
    draws: OnceLock<ThreadId>,
}

impl DeviceWatch {
    pub(super) fn new(device: &wgpu::Device, queue: &wgpu::Queue, kind: wgpu::DeviceType) -> Arc<Self> {
        Arc::new(DeviceWatch {
            device: device.clone(),
            queue: queue.clone(),
            patience: (kind != wgpu::DeviceType::Cpu).then_some(PATIENCE),
            finished: AtomicU64::new(0),
            gone: OnceLock::new(),
            computing: Mutex::default(),
            drawing: Mutex::default(),
            draws: OnceLock::new(),
        })
    }

    /// Takes the place of whoever listens now.
    pub(super) fn listen(self: &Arc<Self>) {
        // The device would keep itself alive.
        let [losses, errors] = [0, 1].map(|_| Arc::downgrade(self));
        self.device.set_device_lost_callback(move |_, _| {
            losses.upgrade().into_iter().for_each(|watch| watch.report(DeviceError::Lost));
        });
        self.device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            errors.upgrade().into_iter().for_each(|watch| watch.report((&error).into()));
        }));
    }

    /// Errors on this thread are those of drawing from now on.
    pub fn this_thread_draws(&self) {
        let _ = self.draws.set(thread::current().id());
    }

    /// Keeps what went wrong; of several things the first.
    pub(crate) fn report(&self, error: DeviceError) {
        if matches!(error, DeviceError::Lost | DeviceError::Stuck(_)) {
            let _ = self.gone.set(error);
            return;
        }
        let draws = self.draws.get() == Some(&thread::current().id());
        locked(if draws { &self.drawing } else { &self.computing }).get_or_insert(error);
    }

    /// Whether nothing can be computed on it or drawn with it any more.
    pub fn is_gone(&self) -> bool {
        self.gone.get().is_some()
    }

    /// # Errors
    /// What has gone wrong in computing since the last [`DeviceWatch::take`].
    pub(super) fn check(&self) -> Result<(), DeviceError> {
        let error = self.gone.get().cloned().or_else(|| locked(&self.computing).clone());
        error.map_or(Ok(()), Err)
    }

    /// What has gone wrong in computing since the last call; that it is gone, each time.
    pub fn take(&self) -> Option<DeviceError> {
        // One that is destroyed says so where it is polled, once it has finished what it was given.
        if !self.is_gone() {
            let idle = PollType::Wait { submission_index: None, timeout: Some(LAST_WORDS) };
            let _ = catch_unwind(AssertUnwindSafe(|| self.device.poll(idle)));
        }
        let error = locked(&self.computing).take();
        self.gone.get().cloned().or(error)
    }

    /// What has gone wrong in drawing since the last call.
    pub fn take_of_drawing(&self) -> Option<DeviceError> {
        locked(&self.drawing).take()
    }

    /// Marks the end of what was submitted so far. A device that comes past a mark in time is not stuck, however much it
    /// was given: an evaluation has one at least.
    pub fn mark(self: &Arc<Self>) {
        let watch = self.clone();
        self.queue.on_submitted_work_done(move || {
            watch.finished.fetch_add(1, Ordering::Relaxed);
        });
    }

    /// Waits until the device has finished a submission.
    ///
    /// # Errors
    /// If it is lost, or finishes nothing for long.
    pub(super) fn wait_for(&self, submission: &SubmissionIndex) -> Result<(), DeviceError> {
        let poll = |timeout| {
            let wait = PollType::Wait { submission_index: Some(submission.clone()), timeout };
            // wgpu panics where a lost device is waited for.
            catch_unwind(AssertUnwindSafe(|| self.device.poll(wait))).map_err(|_| DeviceError::Lost)
        };
        let waited = wait(self.patience, poll, || self.finished.load(Ordering::Relaxed));
        waited.inspect_err(|error| self.report(error.clone()))
    }
}

/// Polls until what is waited for has come, as long as something is `finished` meanwhile.
fn wait<P>(
    patience: Option<Duration>,
    poll: impl Fn(Option<Duration>) -> Result<Result<P, PollError>, DeviceError>,
    finished: impl Fn() -> u64,
) -> Result<(), DeviceError> {
    loop {
        let before = finished();
        match (poll(patience)?, patience) {
            (Ok(_), _) => return Ok(()),
            (Err(PollError::Timeout), Some(patience)) if finished() == before => {
                return Err(DeviceError::Stuck(patience));
            }
            (Err(PollError::Timeout), _) => {}
            (Err(PollError::WrongSubmissionIndex(..)), _) => {
                return Err(DeviceError::Refused("it did not take a submission".into()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_device_is_stuck_when_it_finishes_nothing_for_as_long_as_patience_lasts() {
        let patience = Duration::from_secs(7);
        // It finishes so many submissions before it gets stuck, and this one is the fourth.
        let waited = |most: u64| {
            let finished = Cell::new(0);
            let poll = |timeout| {
                assert_eq!(timeout, Some(patience));
                finished.set((finished.get() + 1).min(most));
                Ok(if finished.get() == 4 { Ok(()) } else { Err(PollError::Timeout) })
            };
            wait(Some(patience), poll, || finished.get())
        };
        assert_eq!(waited(9), Ok(()));
        assert_eq!(waited(3), Err(DeviceError::Stuck(patience)));
        assert_eq!(waited(0), Err(DeviceError::Stuck(patience)));
    }

    #[test]
    fn what_the_cpu_computes_in_truth_is_waited_for_as_long_as_it_takes() {
        let polls = Cell::new(0);
        let poll = |timeout: Option<Duration>| {
            polls.set(polls.get() + 1);
            Ok(if timeout.is_none() && polls.get() == 100 { Ok(()) } else { Err(PollError::Timeout) })
        };
        assert_eq!(wait(None, poll, || 0), Ok(()));
    }
}
