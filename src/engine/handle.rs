//! A task as its owner holds it.

use super::{End, Progress, Snapshot, Task, Update, locked};
use crossbeam_channel::{Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Names one task of this process; later ones have larger numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

/// What an owner sends to its task. It is answered before the next score evaluation.
#[derive(Debug)]
pub(super) enum Mail<Message> {
    Pause,
    Resume,
    Step(usize),
    Stop,
    Message(Message),
}

/// A model that a task is opening, or waits for while another task is.
#[derive(Clone, Debug)]
pub struct Loading {
    pub what: String,
    /// How much of its file is read, 0 to 1, where that is known.
    pub fraction: Option<f32>,
    pub began: Instant,
}

impl Loading {
    /// Seconds left, from the speed so far.
    pub fn left(&self) -> Option<f64> {
        let share = self.fraction.map(f64::from).filter(|&share| share > 0.02)?;
        Some(self.began.elapsed().as_secs_f64() * (1.0 - share) / share)
    }
}

/// What an owner may look at whenever it likes; the task only ever puts the newest there.
#[derive(Debug, Default)]
pub(super) struct Board {
    snapshot: Mutex<Option<Arc<Snapshot>>>,
    progress: Mutex<Progress>,
    loading: Mutex<Option<Loading>>,
}

impl Board {
    pub(super) fn show(&self, snapshot: Arc<Snapshot>) {
        let unseen = locked(&self.snapshot).replace(snapshot);
        // Freed here rather than under the lock.
        drop(unseen);
    }

    pub(super) fn set(&self, progress: Progress) {
        *locked(&self.progress) = progress;
    }

    /// So much of something is read.
    pub(super) fn load(&self, what: &str, fraction: Option<f32>) {
        let mut loading = locked(&self.loading);
        let began = loading.as_ref().filter(|loading| loading.what == what).map_or_else(Instant::now, |it| it.began);
        *loading = Some(Loading { what: what.to_owned(), fraction, began });
    }

    pub(super) fn loaded(&self) {
        *locked(&self.loading) = None;
    }
}

/// The owner's end of a task. Dropping it stops the task, and nothing more is heard of it.
#[derive(Debug)]
pub struct TaskHandle<T: Task> {
    pub(super) id: TaskId,
    pub(super) mail: Sender<Mail<T::Message>>,
    pub(super) updates: Receiver<Update<T>>,
    pub(super) board: Arc<Board>,
}

impl<T: Task> TaskHandle<T> {
    /// The task's name.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Hold before the next score evaluation.
    pub fn pause(&self) {
        self.post(Mail::Pause);
    }

    /// Go on.
    pub fn resume(&self) {
        self.post(Mail::Resume);
    }

    /// Go on until this many more steps are done, then hold.
    pub fn step(&self, steps: usize) {
        self.post(Mail::Step(steps));
    }

    /// End, and keep what was recorded.
    pub fn stop(&self) {
        self.post(Mail::Stop);
    }

    /// Tells the task something that only tasks of its kind understand.
    pub fn send(&self, message: T::Message) {
        self.post(Mail::Message(message));
    }

    fn post(&self, mail: Mail<T::Message>) {
        // A task that has ended misses nothing.
        let _ = self.mail.send(mail);
    }

    /// What was said since the last call, oldest first. Never waits.
    pub fn updates(&self) -> impl Iterator<Item = Update<T>> + '_ {
        self.updates.try_iter()
    }

    /// The next update, waiting up to `timeout`.
    pub fn wait(&self, timeout: Duration) -> Option<Update<T>> {
        self.updates.recv_timeout(timeout).ok()
    }

    /// Waits for the end, and passes over all other updates.
    pub fn end(&self) -> End<T::Output> {
        let end = self.updates.iter().find_map(|update| match update {
            Update::Ended(end) => Some(end),
            _ => None,
        });
        // Only where the end was heard before is there none.
        end.unwrap_or(End::Stopped)
    }

    /// The newest snapshot since the last call. Never waits.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        locked(&self.board.snapshot).take()
    }

    /// The model that is being opened.
    pub fn loading(&self) -> Option<Loading> {
        locked(&self.board.loading).clone()
    }

    /// How far the task is.
    pub fn progress(&self) -> Progress {
        *locked(&self.board.progress)
    }
}
