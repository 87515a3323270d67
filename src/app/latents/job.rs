//! A task under way, whatever it gives.

use super::Latents;
use crate::Pixels;
use crate::app::{Notice, Session};
use crate::engine::{End, FlowReport, Progress, Task, TaskHandle, Update};
use crate::sde::unit;

/// What is done with what a task gave.
pub type Taken = Box<dyn FnOnce(&mut Latents)>;
/// The same, before it gave it.
type Take<Output> = Box<dyn FnOnce(&mut Latents, Output)>;

/// A task under way.
pub trait Job {
    /// Takes in what is new. Returns what a person should know, and how the task ended, if it did.
    fn poll(&mut self, session: &mut Session) -> (Vec<Notice>, Option<End<Taken>>);

    /// How far it is.
    fn progress(&self) -> Progress;

    /// The newest states on its way, mapped as clean data are to [0, 1].
    fn states(&self) -> Option<&Pixels<f32>>;
}

/// A task, and what is done with what it gives.
struct Flowing<T: Task> {
    task: TaskHandle<T>,
    take: Option<Take<T::Output>>,
    report: Option<FlowReport>,
    states: Option<Pixels<f32>>,
}

/// What `task` gives is to be taken in by `take`.
pub fn job<T: Task<Report = FlowReport>>(
    task: TaskHandle<T>,
    take: impl FnOnce(&mut Latents, T::Output) + 'static,
) -> Box<dyn Job> {
    Box::new(Flowing { task, take: Some(Box::new(take)), report: None, states: None })
}

impl<T: Task<Report = FlowReport>> Job for Flowing<T> {
    fn poll(&mut self, session: &mut Session) -> (Vec<Notice>, Option<End<Taken>>) {
        let (mut notices, mut ended) = (Vec::new(), None);
        for update in session.hear(&self.task) {
            match update {
                Update::Report(report) => self.report = Some(report),
                Update::Notice(text) => notices.extend(session.tell_once([text])),
                Update::Paused | Update::Resumed => {}
                Update::Ended(End::Finished(output)) => {
                    ended = self.take.take().map(|take| {
                        let taken: Taken = Box::new(move |latents| take(latents, output));
                        End::Finished(taken)
                    });
                }
                Update::Ended(End::Stopped) => ended = Some(End::Stopped),
                Update::Ended(End::Failed(failure)) => ended = Some(End::Failed(failure)),
            }
        }
        if let (Some(snapshot), Some(report)) = (self.task.snapshot(), &self.report) {
            self.states = Some(unit(&snapshot.newest.x, report.range));
        }
        (notices, ended)
    }

    fn progress(&self) -> Progress {
        self.task.progress()
    }

    fn states(&self) -> Option<&Pixels<f32>> {
        self.states.as_ref()
    }
}
