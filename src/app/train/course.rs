//! A training as the window knows it: under way, or as it lies in its folder.

use super::averages::Averages;
use crate::app::status::TaskLine;
use crate::app::{Notice, RunState, Session};
use crate::engine::{End, Shown, TaskHandle, Train, TrainReport, Update};
use crate::train::{Folder, FolderError, History, Training};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A training that is not under way.
#[derive(Clone, Debug)]
pub struct Former {
    pub training: Training,
    pub history: Arc<History>,
    /// Moments of which averages are stored, in images.
    pub moments: Vec<u64>,
}

impl Former {
    /// Reads what its folder says.
    ///
    /// # Errors
    /// If there is no training, or its file cannot be read.
    pub fn read(path: &Path) -> Result<Former, FolderError> {
        let folder = Folder::new(path);
        let training = folder.begun()?;
        let mut history = History::new(training.levels());
        folder.points().into_iter().for_each(|point| history.add(point));
        let moments = folder.snapshots()?.into_keys().collect();
        Ok(Former { training, history: Arc::new(history), moments })
    }
}

/// One training.
pub struct Course {
    pub folder: PathBuf,
    former: Option<Former>,
    /// Averages of its weights, where it is not under way and has begun.
    pub averages: Option<Averages>,
    task: Option<TaskHandle<Train>>,
    report: Option<TrainReport>,
    pub state: RunState,
    /// The newest of what it shows.
    pub shown: Option<Shown>,
}

/// What a poll has found.
#[derive(Default)]
pub struct News {
    pub notices: Vec<Notice>,
    pub ended: bool,
}

impl Course {
    /// The training in a folder, of which nothing is known yet.
    pub fn of(folder: PathBuf) -> Course {
        Course { folder, former: None, averages: None, task: None, report: None, state: RunState::Stopped, shown: None }
    }

    /// One that has just begun, or goes on.
    pub fn begun(folder: PathBuf, task: TaskHandle<Train>, before: Option<Course>) -> Course {
        let former = before.and_then(|course| course.former);
        Course { folder, former, averages: None, task: Some(task), report: None, state: RunState::Running, shown: None }
    }

    /// Takes in how it lies in its folder.
    pub fn stands(&mut self, former: Former) {
        if !self.is_active() && former.history.points.last().is_some() {
            self.averages = Some(Averages::new(former.moments.clone()));
        }
        self.former = Some(former);
    }

    /// Whether its settings are known.
    pub fn is_known(&self) -> bool {
        self.training().is_some()
    }

    /// Its settings.
    pub fn training(&self) -> Option<&Training> {
        self.report.as_ref().map(|report| &report.training).or(self.former.as_ref().map(|former| &former.training))
    }

    /// What is known of it since it began.
    pub fn report(&self) -> Option<&TrainReport> {
        self.report.as_ref()
    }

    /// Its course so far.
    pub fn history(&self) -> Option<&Arc<History>> {
        self.shown.as_ref().map(|shown| &shown.history).or(self.former.as_ref().map(|former| &former.history))
    }

    /// Images seen.
    pub fn images(&self) -> u64 {
        self.history().and_then(|history| history.points.last()).map_or(0, |point| point.images)
    }

    /// The name of its folder.
    pub fn name(&self) -> String {
        crate::app::files::file_name(&self.folder)
    }

    /// Whether it has not ended.
    pub fn is_active(&self) -> bool {
        self.task.is_some()
    }

    /// Seconds left, where it is under way.
    pub fn left(&self) -> Option<f64> {
        let progress = self.task.as_ref()?.progress();
        Some(progress.left.as_secs_f64()).filter(|left| *left > 0.0)
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

    /// Ends it, and waits until it is saved.
    pub fn close(&self) {
        if let Some(task) = &self.task {
            task.stop();
            let _ = task.end();
        }
    }

    /// Takes in what the task has said.
    pub fn poll(&mut self, session: &mut Session) -> News {
        let mut news = News::default();
        let Some(task) = &self.task else { return news };
        for update in session.hear(task) {
            match update {
                Update::Report(report) => self.report = Some(report),
                Update::Notice(text) => news.notices.push(Notice::remark(text)),
                Update::Paused => self.state = RunState::Paused,
                Update::Resumed => self.state = RunState::Running,
                Update::Ended(end) => {
                    news.ended = true;
                    self.state = match end {
                        End::Finished(_) => RunState::Finished,
                        End::Stopped => RunState::Stopped,
                        End::Failed(failure) => {
                            news.notices.push(Notice::problem(failure.clone()));
                            RunState::Failed(failure)
                        }
                    };
                }
            }
        }
        if let Some(report) = &self.report {
            self.shown = Some(report.live.shown());
        }
        if news.ended {
            self.task = None;
        }
        news
    }

    /// What it works on.
    pub fn line(&self) -> Option<TaskLine> {
        let task = self.task.as_ref()?;
        Some(TaskLine::new(format!("training {}", self.name()), task.progress(), 0.0))
    }
}
