//! What a task is, and what its owner hears of it.

use super::{Context, Failure};
use crate::score::ScoreError;
use crate::task::RestorationError;
use std::fmt::Debug;

/// Something long that the engine does: a value that says what, and how it is done.
pub trait Task: Debug + Sized + Send + 'static {
    /// What it tells its owner as it begins, and of which it may tell more on the way.
    type Report: Debug + Send;
    /// What it may be told on the way.
    type Message: Send;
    /// What it gives.
    type Output: Debug + Send;

    /// Does it, on a thread of its own.
    ///
    /// # Errors
    /// If it is stopped, or fails.
    fn run(self, context: &Context<Self>) -> Result<Self::Output, Ending>;
}

/// How a task ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    Stopped,
    Failed(Failure),
}

/// How a task ended.
#[derive(Clone, Debug)]
pub enum End<Output> {
    Finished(Output),
    /// By its owner.
    Stopped,
    Failed(Failure),
}

/// What a task's owner hears of it, in this order: the report, what comes on the way, and exactly one end.
#[derive(Debug)]
pub enum Update<T: Task> {
    /// What the task is, now that it has begun.
    Report(T::Report),
    /// Something a person should know that is not a failure.
    Notice(String),
    /// The task holds; it goes on when it is told to resume or to step.
    Paused,
    /// The task goes on.
    Resumed,
    /// The last that is heard of it.
    Ended(End<T::Output>),
}

impl From<Failure> for Ending {
    fn from(failure: Failure) -> Self {
        Ending::Failed(failure)
    }
}

impl From<ScoreError> for Ending {
    fn from(error: ScoreError) -> Self {
        match error {
            ScoreError::Stopped => Ending::Stopped,
            error => Ending::Failed(error.into()),
        }
    }
}

impl From<RestorationError> for Ending {
    fn from(error: RestorationError) -> Self {
        match error {
            RestorationError::Score(error) => error.into(),
            error => Failure::from_sentence(&error.to_string(), "choose another image or mask").into(),
        }
    }
}

impl<Output> From<Result<Output, Ending>> for End<Output> {
    fn from(result: Result<Output, Ending>) -> Self {
        match result {
            Ok(output) => End::Finished(output),
            Err(Ending::Stopped) => End::Stopped,
            Err(Ending::Failed(failure)) => End::Failed(failure),
        }
    }
}
