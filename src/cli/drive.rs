//! Drives the engine from the command line: one run, waited for.

use super::progress::Progress;
use super::{Failure, devices, library};
use crate::engine::{
    self, Command, DeviceChoice, Devices, Engine, Event, Job, JobId, JobReport, JobResult, JobUpdate, ModelReport,
    RunId, RunReport, Snapshot,
};
use crate::task::{ModelRef, Run};
use burn::tensor::Device;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often progress is looked at.
const TICK: Duration = Duration::from_millis(100);

/// The engine as a command uses it.
pub(super) struct Session {
    engine: Engine,
    devices: Devices,
    choice: DeviceChoice,
    runs: u64,
    pub(super) progress: Progress,
}

/// A run that came to its end.
pub(super) struct Outcome {
    pub(super) report: Arc<RunReport>,
    /// The last state, and the moments kept on the way to it.
    pub(super) last: Arc<Snapshot>,
    /// Time from the start to the first state that was shown.
    pub(super) first_shown: Duration,
}

/// A job that came to its end.
pub(super) struct Done {
    pub(super) report: Arc<JobReport>,
    pub(super) result: JobResult,
    pub(super) seconds: f64,
}

impl Session {
    /// Starts an engine that computes on the device of this choice.
    ///
    /// # Errors
    /// If there is no such device.
    pub(super) fn open(choice: DeviceChoice) -> Result<Self, Failure> {
        let devices = devices::open(choice)?;
        let engine = Engine::start(devices.clone(), library(), |_| {})?;
        Ok(Session { engine, devices, choice, runs: 0, progress: Progress::new() })
    }

    /// The device that runs compute on.
    pub(super) fn device(&self) -> &Device {
        &self.devices.choose(self.choice).0
    }

    /// Sets how many bytes of moments on the way are kept.
    pub(super) fn record(&self, limit: usize) {
        self.engine.send(Command::RecordLimit(limit));
    }

    /// Opens a model and tells what it left out.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(super) fn inspect(&mut self, model: &ModelRef) -> Result<Arc<ModelReport>, Failure> {
        self.engine.send(Command::Inspect(model.clone()));
        loop {
            match self.next()? {
                Some(Event::Model(report)) => {
                    for warning in &report.warnings {
                        self.progress.say(&format!("warning: {warning}"));
                    }
                    return Ok(report);
                }
                Some(Event::ModelFailed { failure, .. }) => return Err(Failure::Input(sentence(&failure))),
                _ => {}
            }
        }
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// If the run fails or is stopped.
    pub(super) fn sample(&mut self, run: Run) -> Result<Outcome, Failure> {
        self.runs += 1;
        let id = RunId(self.runs);
        let began = Instant::now();
        self.engine.send(Command::Start { id, run, device: self.choice });
        let (mut report, mut last, mut first_shown) = (None, None, None);
        loop {
            let event = self.next()?;
            if let Some(snapshot) = self.engine.snapshot().filter(|snapshot| snapshot.id == id) {
                first_shown.get_or_insert_with(|| began.elapsed());
                self.progress.sampling(&snapshot.progress);
                last = Some(snapshot);
            }
            match event {
                Some(Event::Started(started)) if started.id == id => {
                    for notice in &started.notices {
                        self.progress.say(&format!("note: {notice}"));
                    }
                    report = Some(started);
                }
                Some(Event::Failed { id: failed, failure }) if failed == id => {
                    return Err(Failure::Running(sentence(&failure)));
                }
                Some(Event::Stopped(stopped)) if stopped == id => return Err(broken_off()),
                Some(Event::Finished(finished)) if finished == id => break,
                _ => {}
            }
        }
        let (Some(report), Some(last)) = (report, last) else { return Err(broken_off()) };
        Ok(Outcome { report, last, first_shown: first_shown.unwrap_or_default() })
    }

    /// Does a job to its end.
    ///
    /// # Errors
    /// If it fails or is stopped.
    pub(super) fn job(&mut self, job: Job) -> Result<Done, Failure> {
        self.runs += 1;
        let (id, began) = (JobId(self.runs), Instant::now());
        self.engine.send(Command::Flow { id, job, device: self.choice });
        let mut report = None;
        loop {
            let Some(Event::Job { id: of, update }) = self.next()? else { continue };
            if of != id {
                continue;
            }
            match update {
                JobUpdate::Started(started) => {
                    started.notices.iter().for_each(|notice| self.progress.say(&format!("note: {notice}")));
                    report = Some(started);
                }
                JobUpdate::Progress(progress) => self.progress.travelling(&progress),
                JobUpdate::Done(result) => {
                    let report = report.ok_or_else(broken_off)?;
                    return Ok(Done { report, result, seconds: began.elapsed().as_secs_f64() });
                }
                JobUpdate::Failed(failure) => return Err(Failure::Running(sentence(&failure))),
                JobUpdate::Stopped => return Err(broken_off()),
            }
        }
    }

    /// The next event, if one comes within a tick. Loading and notices are told on the way.
    fn next(&mut self) -> Result<Option<Event>, Failure> {
        let asked = Instant::now();
        let event = self.engine.wait(TICK);
        match &event {
            Some(Event::Loading { what, fraction }) => self.progress.loading(what, *fraction),
            Some(Event::Notice(notice)) => self.progress.say(&format!("note: {notice}")),
            // Only a channel whose other end is gone answers early with nothing.
            None if asked.elapsed() < TICK / 2 => return Err(broken_off()),
            _ => {}
        }
        Ok(event)
    }
}

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

pub(super) fn broken_off() -> Failure {
    Failure::Running("the sampler ended before the work was done; run the command again".into())
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
