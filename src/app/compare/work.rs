//! A comparison as the window knows it: under way, or as it lies in its folder.

use crate::app::status::TaskLine;
use crate::app::{Notice, RunState, Session};
use crate::compare::{Comparison, Results, Shard};
use crate::engine::{Compare, CompareReport, End, Options, Standing, TaskHandle, Update};
use std::path::PathBuf;
use std::time::Duration;

/// No more of a comparison is lost, whatever happens.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// A comparison as its folder holds it, with what came of it when it was last whole.
pub struct Held {
    pub comparison: Comparison,
    pub results: Option<Results>,
}

/// One comparison.
pub struct Work {
    pub folder: PathBuf,
    pub comparison: Comparison,
    /// The published weights of Inception-v3, where they are not among the models.
    inception: Option<PathBuf>,
    task: Option<TaskHandle<Compare>>,
    /// Whether the task only looks at what is there.
    looks: bool,
    report: Option<CompareReport>,
    /// The newest of every preset.
    pub standing: Standing,
    pub results: Option<Results>,
    pub state: RunState,
}

impl Work {
    /// Looks at the comparison in a folder.
    pub fn look(folder: PathBuf, held: Held, inception: Option<PathBuf>, session: &Session, options: Options) -> Work {
        let Held { comparison, results } = held;
        Work { results, ..Work::begun(folder, comparison, inception, true, session, options) }
    }

    /// Begins a comparison in a folder, or goes on with it.
    pub fn measure(
        folder: PathBuf,
        comparison: Comparison,
        inception: Option<PathBuf>,
        session: &Session,
        options: Options,
    ) -> Work {
        Work::begun(folder, comparison, inception, false, session, options)
    }

    fn begun(
        folder: PathBuf,
        comparison: Comparison,
        inception: Option<PathBuf>,
        looks: bool,
        session: &Session,
        options: Options,
    ) -> Work {
        let mut work = Work {
            folder,
            comparison,
            inception,
            task: None,
            looks,
            report: None,
            standing: Standing::default(),
            results: None,
            state: RunState::Stopped,
        };
        work.begin(looks, session, options);
        work
    }

    fn begin(&mut self, looks: bool, session: &Session, options: Options) {
        self.looks = looks;
        if !looks {
            self.results = None;
        }
        self.state = RunState::Running;
        let task = Compare {
            comparison: self.comparison.clone(),
            folder: self.folder.clone(),
            shard: Shard::WHOLE,
            save_every: SAVE_EVERY,
            inception: self.inception.clone(),
            rehearse: looks,
        };
        self.task = Some(session.begin(task, options));
    }

    /// Goes on with it.
    pub fn go_on(&mut self, session: &Session, options: Options) {
        self.begin(false, session, options);
    }

    /// The name of its folder.
    pub fn name(&self) -> String {
        crate::app::files::file_name(&self.folder)
    }

    /// Whether it is being computed.
    pub fn is_active(&self) -> bool {
        self.task.is_some() && !self.looks
    }

    /// Seconds left, where it is under way.
    pub fn left(&self) -> Option<f64> {
        let progress = self.task.as_ref()?.progress();
        Some(progress.left.as_secs_f64()).filter(|left| *left > 0.0)
    }

    /// Whether samples are missing.
    pub fn is_incomplete(&self) -> bool {
        self.standing.cells.iter().any(|cell| cell.failure.is_none() && cell.count < cell.of)
    }

    pub fn pause_or_resume(&self) {
        let Some(task) = &self.task else { return };
        if self.state == RunState::Paused { task.resume() } else { task.pause() }
    }

    pub fn stop(&self) {
        if let Some(task) = &self.task {
            task.stop();
        }
    }

    /// Ends it, and waits until what is there is saved.
    pub fn close(&self) {
        if let Some(task) = &self.task {
            task.stop();
            let _ = task.end();
        }
    }

    /// Takes in what the task has said; what a person should know.
    pub fn poll(&mut self, session: &mut Session, options: Options) -> Vec<Notice> {
        let mut notices = Vec::new();
        let Some(task) = &self.task else { return notices };
        let mut ended = false;
        for update in session.hear(task) {
            match update {
                Update::Report(report) => {
                    for model in &report.models {
                        notices.extend(session.learn(model.clone()));
                    }
                    self.report = Some(report);
                }
                Update::Notice(text) => notices.push(Notice::remark(text)),
                Update::Paused => self.state = RunState::Paused,
                Update::Resumed => self.state = RunState::Running,
                Update::Ended(end) => {
                    ended = true;
                    self.state = match end {
                        End::Finished(_) if self.looks => RunState::Stopped,
                        End::Finished(found) => {
                            self.results = found.and_then(|found| found.results);
                            RunState::Finished
                        }
                        End::Stopped => RunState::Stopped,
                        End::Failed(failure) => {
                            notices.push(Notice::problem(failure.clone()));
                            RunState::Failed(failure)
                        }
                    };
                }
            }
        }
        if let Some(report) = &self.report {
            self.standing = report.live.standing();
        }
        if ended {
            self.task = None;
            // All is there: what it comes to is a matter of a moment.
            let there = !self.standing.cells.is_empty() && !self.is_incomplete();
            if self.looks && there && matches!(self.state, RunState::Stopped) {
                match self.results {
                    Some(_) => self.state = RunState::Finished,
                    None => self.begin(false, session, options),
                }
            }
        }
        notices
    }

    /// What it works on.
    pub fn line(&self) -> Option<TaskLine> {
        let task = self.task.as_ref().filter(|_| !self.looks)?;
        Some(TaskLine::new(format!("comparing {}", self.name()), task.progress(), 0.0))
    }
}
