//! The window's side of the engine: what it has said, and what is known of models and speeds.

use super::notices::Notice;
use crate::engine::{
    Command, DeviceChoice, DeviceReport, Devices, Engine, Event, Job, JobId, JobUpdate, ModelReport, Snapshot, Wake,
};
use crate::task::{ModelRef, Run};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pictures need not come faster than screens show them.
const FRAME: Duration = Duration::from_millis(16);
/// The same where the CPU draws: each frame takes from the sampler what it costs.
const SOFTWARE_FRAME: Duration = Duration::from_millis(300);

/// A model that is being opened.
#[derive(Clone, Debug)]
pub struct Loading {
    pub what: String,
    /// How far, 0 to 1, where that is known.
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

/// What all workspaces know of the engine. It is asked and told by messages; nothing here waits.
pub struct Session {
    engine: Engine,
    pub devices: Devices,
    /// What is being opened, and how far (0 to 1).
    pub loading: Option<Loading>,
    models: HashMap<ModelRef, Arc<ModelReport>>,
    /// Image evaluations a second of a model, on a graphics device or not.
    rates: HashMap<(ModelRef, bool), f64>,
    /// What was said before already.
    told: HashSet<String>,
    /// What was said of runs since the last poll.
    runs: Vec<Event>,
    snapshot: Option<Arc<Snapshot>>,
    /// What was said of jobs since the last poll.
    jobs: Vec<(JobId, JobUpdate)>,
    next_job: u64,
}

impl Session {
    /// Starts the engine, which wakes the window whenever there is something new.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(ctx: &egui::Context, devices: Devices, library: Option<PathBuf>) -> std::io::Result<Self> {
        let window = ctx.clone();
        let drawn_by_cpu = devices.gpu.as_ref().is_some_and(|(_, gpu)| gpu.software);
        let engine = Engine::start(devices.clone(), library, move |how| match how {
            Wake::Soon if drawn_by_cpu => window.request_repaint_after(SOFTWARE_FRAME),
            Wake::Now | Wake::Soon => window.request_repaint_after(FRAME),
        })?;
        Ok(Session {
            engine,
            devices,
            loading: None,
            models: HashMap::new(),
            rates: HashMap::new(),
            told: HashSet::new(),
            runs: Vec::new(),
            snapshot: None,
            jobs: Vec::new(),
            next_job: 1,
        })
    }

    /// What is known of an opened model.
    pub fn model(&self, model: &ModelRef) -> Option<&Arc<ModelReport>> {
        self.models.get(model)
    }

    /// The device that a choice means here.
    pub fn device(&self, choice: DeviceChoice) -> &DeviceReport {
        &self.devices.choose(choice).1
    }

    /// Keeps how many images a second a model is evaluated for.
    pub fn learn_rate(&mut self, model: &ModelRef, gpu: bool, rate: f64) {
        if rate.is_finite() && rate > 0.0 {
            self.rates.insert((model.clone(), gpu), rate);
        }
    }

    /// Seconds that `evaluations` of `run` will take, where its model's speed is known.
    pub fn forecast(&self, run: &Run, device: DeviceChoice) -> Option<f64> {
        let rate = self.rates.get(&(run.model.clone(), self.device(device).gpu))?;
        Some((run.evaluations()? * run.count.get()) as f64 / rate)
    }

    /// Sends a command that needs no book-keeping.
    pub fn send(&self, command: Command) {
        self.engine.send(command);
    }

    /// Asks for a job. Its news are had by [`Session::take_news`].
    pub fn job(&mut self, job: Job, device: DeviceChoice) -> JobId {
        let id = JobId(self.next_job);
        self.next_job += 1;
        self.engine.send(Command::Flow { id, job, device });
        id
    }

    /// Ends a job, waiting or under way.
    pub fn stop_job(&self, id: JobId) {
        self.engine.send(Command::StopJob(id));
    }

    /// News of one job since the last poll, oldest first.
    pub fn take_news(&mut self, of: JobId) -> Vec<JobUpdate> {
        self.jobs.extract_if(.., |(id, _)| *id == of).map(|(_, update)| update).collect()
    }

    /// News of runs since the last poll, oldest first, and the newest snapshot of one.
    pub fn take_runs(&mut self) -> (Vec<Event>, Option<Arc<Snapshot>>) {
        (std::mem::take(&mut self.runs), self.snapshot.take())
    }

    /// Asks what a model is, unless that is known.
    pub fn inspect(&self, model: &ModelRef) {
        if !self.models.contains_key(model) {
            self.engine.send(Command::Inspect(model.clone()));
        }
    }

    /// Takes in all that the engine has said. Returns what a person should know.
    pub fn poll(&mut self) -> Vec<Notice> {
        // A snapshot may belong to a run whose beginning is among the events.
        self.snapshot = self.engine.snapshot();
        // What nobody took since the last poll is of jobs that nobody waits for any more.
        self.runs.clear();
        self.jobs.clear();
        let events: Vec<Event> = self.engine.events().collect();
        events.into_iter().flat_map(|event| self.hear(event)).collect()
    }

    fn hear(&mut self, event: Event) -> Vec<Notice> {
        match event {
            Event::Loading { what, fraction } => {
                let before = self.loading.take_if(|loading| loading.what == what);
                let began = before.map_or_else(Instant::now, |loading| loading.began);
                self.loading = Some(Loading { what, fraction, began });
                Vec::new()
            }
            Event::Model(report) => {
                self.loading = None;
                self.learn(report)
            }
            Event::ModelFailed { failure, .. } => {
                self.loading = None;
                vec![Notice::problem(failure)]
            }
            Event::Notice(text) => vec![Notice::remark(text)],
            Event::Job { id, update } => {
                if matches!(update, JobUpdate::Started(_) | JobUpdate::Failed(_) | JobUpdate::Stopped) {
                    self.loading = None;
                }
                self.jobs.push((id, update));
                Vec::new()
            }
            Event::Started(ref report) => {
                self.loading = None;
                let notices = self.learn(report.model.clone());
                self.runs.push(event);
                notices
            }
            Event::Paused(_) | Event::Resumed(_) => {
                self.runs.push(event);
                Vec::new()
            }
            Event::Finished(_) | Event::Stopped(_) | Event::Failed { .. } => {
                self.loading = None;
                self.runs.push(event);
                Vec::new()
            }
        }
    }

    /// Keeps what is known of a model; says once which files were left out.
    fn learn(&mut self, report: Arc<ModelReport>) -> Vec<Notice> {
        let text = match report.warnings.as_slice() {
            [] => None,
            [only] => Some(only.clone()),
            [first, rest @ ..] => Some(format!("{first} {} more files were ignored.", rest.len())),
        };
        self.models.insert(report.model.clone(), report);
        self.tell_once(text)
    }

    /// Notices of the texts that have not been said before.
    pub fn tell_once(&mut self, texts: impl IntoIterator<Item = String>) -> Vec<Notice> {
        texts.into_iter().filter(|text| self.told.insert(text.clone())).map(Notice::remark).collect()
    }
}
