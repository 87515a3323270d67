//! Drives the engine from the command line: one task, waited for.

use super::progress::{Progress, human};
use super::{Failure, devices, library, stopping, training};
use crate::engine::{
    self, Compare, CompareLive, CompareReport, Compared, DeviceChoice, End, Engine, Inspect, Live, ModelReport,
    Options, Recorded, RunReport, Sample, Snapshot, Task, TaskHandle, Train, Update,
};
use crate::network::Architecture;
use crate::task::{ModelRef, Run};
use crate::text::counted;
use burn::tensor::Device;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often progress is looked at.
const TICK: Duration = Duration::from_millis(100);

/// The engine as a command uses it.
pub(super) struct Session {
    engine: Engine,
    choice: DeviceChoice,
    pub(super) progress: Progress,
}

/// A task that came to its end.
pub(super) struct Done<T: Task> {
    pub(super) report: T::Report,
    pub(super) notices: Vec<String>,
    pub(super) output: T::Output,
    pub(super) seconds: f64,
}

/// A run that came to its end.
pub(super) struct Outcome {
    pub(super) report: RunReport,
    pub(super) notices: Vec<String>,
    /// The last state, and the moments kept on the way to it.
    pub(super) last: Arc<Snapshot>,
    /// Time from the start to the first state that was shown, if states are.
    pub(super) first_shown: Duration,
}

impl Session {
    /// An engine that computes on the device of this choice.
    ///
    /// # Errors
    /// If there is no such device.
    pub(super) fn open(choice: DeviceChoice) -> Result<Self, Failure> {
        let engine = Engine::new(devices::open(choice)?, library(), |_| {});
        Ok(Session { engine, choice, progress: Progress::new() })
    }

    /// The device that tasks compute on.
    pub(super) fn device(&self) -> &Device {
        &self.engine.devices().choose(self.choice).0
    }

    /// The device that a network learns on.
    pub(super) fn device_to_learn_on(&self, architecture: &Architecture) -> &Device {
        &self.engine.devices().choose_to_learn(self.choice, architecture).0
    }

    /// Opens a model and prints its warnings.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(super) fn inspect(&mut self, model: &ModelRef) -> Result<Arc<ModelReport>, Failure> {
        let handle = self.engine.start(Inspect(model.clone()), Options::on(self.choice));
        let end = self.listen(&handle, &mut |_, _| {}, &mut |_, _| {});
        let report = finished(end, Failure::Input)?;
        for warning in &report.warnings {
            self.progress.say(&format!("warning: {warning}"));
        }
        Ok(report)
    }

    /// Runs to the end, and records steps within so many bytes, or shows and records as a window does.
    ///
    /// # Errors
    /// If the run fails or is stopped.
    pub(super) fn sample(&mut self, run: Run, recording: Recording) -> Result<Outcome, Failure> {
        self.sample_from(run, None, recording)
    }

    /// The same from a state that is at hand, or else from the run's own.
    ///
    /// # Errors
    /// If the run fails or is stopped.
    pub(super) fn sample_from(
        &mut self,
        run: Run,
        from: Option<Arc<Recorded>>,
        recording: Recording,
    ) -> Result<Outcome, Failure> {
        let began = Instant::now();
        let (record, shown) = match recording {
            Recording::Nothing => (0, false),
            Recording::Moments => (RECORD_LIMIT, false),
            Recording::Shown => (RECORD_LIMIT, true),
        };
        let handle = self.engine.start(Sample { run, from }, Options { record, shown, ..Options::on(self.choice) });
        let mut first_shown = None;
        let mut look = |progress: &mut Progress, handle: &TaskHandle<Sample>| {
            if handle.snapshot().is_some() {
                first_shown.get_or_insert_with(|| began.elapsed());
            }
            let now = handle.progress();
            if now.steps > 0 {
                progress.sampling(&now);
            }
        };
        let Done { report, notices, output: last, .. } = self.done(&handle, &mut look)?;
        Ok(Outcome { report, notices, last, first_shown: first_shown.unwrap_or_default() })
    }

    /// Does a task to its end.
    ///
    /// # Errors
    /// If it fails or is stopped.
    pub(super) fn perform<T: Task>(&mut self, task: T) -> Result<Done<T>, Failure> {
        let handle = self.engine.start(task, Options::on(self.choice));
        self.done(&handle, &mut |progress, handle| progress.travelling(&handle.progress()))
    }

    /// What a task gives that tells nothing on its way.
    ///
    /// # Errors
    /// If it fails or is stopped.
    pub(super) fn answer<T: Task>(&mut self, task: T) -> Result<T::Output, Failure> {
        let handle = self.engine.start(task, Options::on(self.choice));
        finished(self.listen(&handle, &mut |_, _| {}, &mut |_, _| {}), Failure::Running)
    }

    /// Trains to the end, or until the program is asked to end: then it is saved, and that is no failure. Returns where
    /// the model is.
    ///
    /// # Errors
    /// If it fails.
    pub(super) fn train(&mut self, task: Train) -> Result<PathBuf, Failure> {
        let model = crate::train::Folder::new(&task.folder).model();
        let handle = self.engine.start(task, Options::on(self.choice));
        let (mut live, mut asked) = (None::<Live>, false);
        let live = &std::cell::RefCell::new(&mut live);
        let mut look = |progress: &mut Progress, handle: &TaskHandle<Train>| {
            if stopping::is_asked() && !asked {
                asked = true;
                handle.stop();
            }
            if let Some(live) = live.borrow().as_ref() {
                progress.training(&live.shown(), &handle.progress());
            }
        };
        let mut hear = |progress: &mut Progress, update| match update {
            Update::Report(report) => {
                progress.say(&training::begun(&report));
                **live.borrow_mut() = Some(report.live);
            }
            Update::Notice(notice) => progress.say(&format!("note: {notice}")),
            _ => {}
        };
        match self.listen(&handle, &mut look, &mut hear) {
            End::Stopped => {
                self.progress.say("stopped and saved; the same command goes on");
                Ok(model)
            }
            end => finished(end, Failure::Running),
        }
    }

    /// Compares to the end, or until the program is asked to end: then it is saved, and that is no failure.
    ///
    /// # Errors
    /// If it fails.
    pub(super) fn compare(&mut self, task: Compare) -> Result<Option<Compared>, Failure> {
        let handle = self.engine.start(task, Options::on(self.choice));
        let (live, mut asked) = (std::cell::RefCell::new(None::<CompareLive>), false);
        let mut look = |progress: &mut Progress, handle: &TaskHandle<Compare>| {
            if stopping::is_asked() && !asked {
                asked = true;
                handle.stop();
            }
            if let Some(live) = live.borrow().as_ref() {
                progress.comparing(&live.standing(), &handle.progress());
            }
        };
        let mut hear = |progress: &mut Progress, update: Update<Compare>| match update {
            Update::Report(report) => {
                if report.estimate.evaluations > 0.0 {
                    progress.say(&comparing(&report));
                }
                *live.borrow_mut() = Some(report.live);
            }
            Update::Notice(notice) => progress.say(&format!("note: {notice}")),
            _ => {}
        };
        match self.listen(&handle, &mut look, &mut hear) {
            End::Stopped => {
                self.progress.say("stopped and saved; the same command goes on");
                Ok(None)
            }
            end => finished(end, Failure::Running),
        }
    }

    fn done<T: Task>(&mut self, handle: &TaskHandle<T>, look: Look<'_, T>) -> Result<Done<T>, Failure> {
        let began = Instant::now();
        let (mut report, mut notices) = (None, Vec::new());
        let mut begun = |progress: &mut Progress, update| match update {
            Update::Report(begun) => report = Some(begun),
            Update::Notice(notice) => {
                progress.say(&format!("note: {notice}"));
                notices.push(notice);
            }
            _ => {}
        };
        let output = finished(self.listen(handle, look, &mut begun), Failure::Running)?;
        let report = report.ok_or_else(broken_off)?;
        Ok(Done { report, notices, output, seconds: began.elapsed().as_secs_f64() })
    }

    /// Hears of a task until it ends, and looks at it meanwhile. Prints what is being opened.
    fn listen<T: Task>(
        &mut self,
        handle: &TaskHandle<T>,
        look: Look<'_, T>,
        hear: &mut dyn FnMut(&mut Progress, Update<T>),
    ) -> End<T::Output> {
        let mut begun = false;
        loop {
            match handle.wait(TICK) {
                Some(Update::Ended(end)) => return end,
                Some(update) => {
                    begun = true;
                    hear(&mut self.progress, update);
                }
                None => {}
            }
            match handle.loading() {
                Some(loading) => self.progress.loading(&loading.what, loading.fraction),
                None if begun => look(&mut self.progress, handle),
                None => {}
            }
        }
    }
}

/// Looks at a task under way.
type Look<'a, T> = &'a mut dyn FnMut(&mut Progress, &TaskHandle<T>);

/// What is kept of a run besides its last state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recording {
    Nothing,
    /// The steps.
    Moments,
    /// These, and they are shown as they come.
    Shown,
}

/// Memory for recorded moments.
const RECORD_LIMIT: usize = 512 << 20;

impl Outcome {
    /// Time spent computing.
    pub(super) fn seconds(&self) -> f64 {
        self.last.progress.elapsed.as_secs_f64()
    }

    /// Image evaluations a second over the whole run.
    pub(super) fn evaluations_per_second(&self) -> f64 {
        let evaluations = self.last.progress.nfe * self.report.run.count.get();
        evaluations as f64 / self.seconds().max(1e-9)
    }
}

/// What is said of a comparison as it begins.
fn comparing(report: &CompareReport) -> String {
    let estimate = report.estimate;
    format!(
        "{}, {} of {} samples are there, {:.0} evaluations left at {:.0} a second: about {}",
        counted(report.comparison.cells.len(), "preset"),
        estimate.there,
        estimate.wanted,
        estimate.evaluations,
        estimate.per_second,
        human(estimate.left())
    )
}

/// What a task gave, or why it gave nothing, as a failure of this kind.
fn finished<Output>(end: End<Output>, kind: fn(String) -> Failure) -> Result<Output, Failure> {
    match end {
        End::Finished(output) => Ok(output),
        End::Failed(failure) => Err(kind(sentence(&failure))),
        End::Stopped => Err(broken_off()),
    }
}

fn broken_off() -> Failure {
    Failure::Running("the task ended before it was done; run the command again".into())
}

/// The engine's two sentences as one, in the manner of all errors here.
fn sentence(failure: &engine::Failure) -> String {
    [&failure.what, &failure.remedy]
        .map(|part| uncapitalised(part.trim_end_matches('.')))
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

/// The text as part of a sentence; abbreviations keep their capitals.
fn uncapitalised(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), text.chars().nth(1)) {
        (Some(first), second) if !second.is_some_and(char::is_uppercase) => {
            format!("{}{}", first.to_lowercase(), letters.as_str())
        }
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_the_engine_read_as_one_sentence() {
        let said = |what: &str, remedy: &str| sentence(&engine::Failure { what: what.into(), remedy: remedy.into() });
        assert_eq!(said("The device was lost.", "Run again on the CPU."), "the device was lost; run again on the CPU");
        assert_eq!(said("SNR 9 is too large.", ""), "SNR 9 is too large");
    }
}
