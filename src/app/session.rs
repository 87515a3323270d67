//! The window's side of the engine: the runs kept side by side, and what is known of models and speeds.

use super::notices::{Notice, Retry};
use super::{RunState, RunView};
use crate::engine::{
    Command, DeviceChoice, DeviceReport, Devices, Engine, Event, Job, JobId, JobUpdate, ModelReport, Recorded, RunId,
    Wake,
};
use crate::task::{ModelRef, Origin, Run};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Memory for the recorded moments of all runs together, in bytes.
const RECORD_TOTAL: usize = 512 << 20;
/// The least that a new run gets of it.
const RECORD_LEAST: usize = 64 << 20;

/// A run that was asked for and has not begun: its model is being opened.
#[derive(Clone, Debug)]
pub struct Pending {
    pub id: RunId,
    pub run: Run,
    pub device: DeviceChoice,
    pub name: String,
    parent: Option<(RunId, usize)>,
}

/// A run in the strip above the picture.
#[derive(Clone, Debug)]
pub struct Entry {
    /// "Run 2", "Branch 2.1".
    pub name: String,
    pub device: DeviceChoice,
    pub view: RunView,
    branches: usize,
}

impl Entry {
    /// Its name in the engine.
    pub fn id(&self) -> RunId {
        self.view.report.id
    }

    /// Bytes that its recorded moments take.
    pub fn bytes(&self) -> usize {
        self.view.snapshot.as_ref().map_or(0, |snapshot| snapshot.progress.recorded_bytes)
    }
}

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

/// All that the window knows of the engine. It is asked and told by messages; nothing here waits.
pub struct Session {
    engine: Engine,
    pub devices: Devices,
    pub runs: Vec<Entry>,
    /// The run that is looked at.
    pub shown: Option<RunId>,
    pub pending: Option<Pending>,
    /// What is being opened, and how far (0 to 1).
    pub loading: Option<Loading>,
    models: HashMap<ModelRef, Arc<ModelReport>>,
    /// Image evaluations a second of a model, on a graphics device or not.
    rates: HashMap<(ModelRef, bool), f64>,
    /// What was said of earlier runs already.
    told: HashSet<String>,
    /// Runs whose tab was closed: the end of such a run is no news.
    closed: HashSet<RunId>,
    /// News of jobs that nobody has taken yet.
    jobs: Vec<(JobId, JobUpdate)>,
    next: u64,
    next_job: u64,
    roots: usize,
}

impl Session {
    /// Starts the engine. `wake` is called from its thread whenever there is something new.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(
        devices: Devices,
        library: Option<PathBuf>,
        wake: impl Fn(Wake) + Send + 'static,
    ) -> std::io::Result<Self> {
        let engine = Engine::start(devices.clone(), library, wake)?;
        Ok(Session {
            engine,
            devices,
            runs: Vec::new(),
            shown: None,
            pending: None,
            loading: None,
            models: HashMap::new(),
            rates: HashMap::new(),
            told: HashSet::new(),
            closed: HashSet::new(),
            jobs: Vec::new(),
            next: 1,
            next_job: 1,
            roots: 0,
        })
    }

    /// The run that is looked at.
    pub fn current(&self) -> Option<&Entry> {
        self.runs.iter().find(|entry| Some(entry.id()) == self.shown)
    }

    /// The run that is looked at, to move its cursor.
    pub fn current_mut(&mut self) -> Option<&mut Entry> {
        let shown = self.shown;
        self.runs.iter_mut().find(|entry| Some(entry.id()) == shown)
    }

    /// The run that the engine works on.
    pub fn active(&self) -> Option<&Entry> {
        self.runs.iter().find(|entry| entry.view.is_active())
    }

    /// What is known of an opened model.
    pub fn model(&self, model: &ModelRef) -> Option<&Arc<ModelReport>> {
        self.models.get(model)
    }

    /// The device that a choice means here.
    pub fn device(&self, choice: DeviceChoice) -> &DeviceReport {
        &self.devices.choose(choice).1
    }

    /// Seconds that `evaluations` of `run` will take, where its model's speed is known.
    pub fn forecast(&self, run: &Run, device: DeviceChoice) -> Option<f64> {
        let rate = self.rates.get(&(run.model.clone(), self.device(device).gpu))?;
        Some((run.evaluations()? * run.count.get()) as f64 / rate)
    }

    /// Begins a run; one in progress is stopped and kept.
    pub fn begin(&mut self, run: Run, device: DeviceChoice) {
        self.roots += 1;
        let name = format!("Run {}", self.roots);
        let id = self.announce(run.clone(), device, name, None);
        self.engine.send(Command::Start { id, run, device });
    }

    /// Continues the run `parent` from `moment` with the settings of `run`, whose model, family
    /// and number of samples become the parent's.
    pub fn branch(&mut self, parent: RunId, moment: Arc<Recorded>, mut run: Run, device: DeviceChoice) {
        let Some(entry) = self.runs.iter_mut().find(|entry| entry.id() == parent) else { return };
        entry.branches += 1;
        let number = entry.name.trim_start_matches("Run ").trim_start_matches("Branch ");
        let name = format!("Branch {number}.{}", entry.branches);
        let origin = entry.view.report.run.clone();
        (run.model, run.family, run.count) = (origin.model.clone(), origin.family, origin.count);
        run.origin = Origin::Branch { parent: Box::new(origin), step: moment.step };
        let id = self.announce(run.clone(), device, name, Some((parent, moment.step)));
        self.engine.send(Command::Branch { id, run, from: moment, device });
    }

    fn announce(&mut self, run: Run, device: DeviceChoice, name: String, parent: Option<(RunId, usize)>) -> RunId {
        let id = RunId(self.next);
        self.next += 1;
        let held: usize = self.runs.iter().map(Entry::bytes).sum();
        self.engine.send(Command::RecordLimit(RECORD_TOTAL.saturating_sub(held).max(RECORD_LEAST)));
        self.pending = Some(Pending { id, run, device, name, parent });
        id
    }

    /// Sends a command that needs no book-keeping: pause, resume, step, stop.
    pub fn send(&self, command: Command) {
        self.engine.send(command);
    }

    /// Asks for a job. Its news are among [`Session::take_jobs`].
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

    /// News of one job since the last call, oldest first.
    pub fn take_news(&mut self, of: JobId) -> Vec<JobUpdate> {
        let all = std::mem::take(&mut self.jobs);
        let (news, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(id, _)| *id == of);
        self.jobs = others;
        news.into_iter().map(|(_, update)| update).collect()
    }

    /// News of jobs since the last call, oldest first, but for what [`Session::take_news`] took.
    pub fn take_jobs(&mut self) -> Vec<(JobId, JobUpdate)> {
        std::mem::take(&mut self.jobs)
    }

    /// Asks what a model is, unless that is known.
    pub fn inspect(&self, model: &ModelRef) {
        if !self.models.contains_key(model) {
            self.engine.send(Command::Inspect(model.clone()));
        }
    }

    /// Forgets a run and frees what it recorded; if it is in progress it is stopped.
    pub fn close(&mut self, id: RunId) {
        let Some(index) = self.runs.iter().position(|entry| entry.id() == id) else { return };
        if self.runs[index].view.is_active() {
            self.engine.send(Command::Stop);
            self.closed.insert(id);
        }
        self.runs.remove(index);
        if self.shown == Some(id) {
            let neighbour = self.runs.get(index).or(self.runs.last());
            self.shown = neighbour.map(Entry::id);
        }
    }

    /// Takes in all that the engine has said. Returns what a person should know.
    pub fn poll(&mut self) -> Vec<Notice> {
        // A snapshot may belong to a run whose beginning is among the events.
        let snapshot = self.engine.snapshot();
        let events: Vec<Event> = self.engine.events().collect();
        let mut notices = Vec::new();
        for event in events {
            notices.extend(self.hear(event));
        }
        if let Some(snapshot) = snapshot
            && let Some(entry) = self.runs.iter_mut().find(|entry| entry.id() == snapshot.id)
        {
            let speed = snapshot.progress.evaluations_per_second;
            if speed.is_finite() && speed > 0.0 {
                let report = &entry.view.report;
                self.rates.insert((report.run.model.clone(), report.device.gpu), speed);
            }
            entry.view.snapshot = Some(snapshot);
        }
        notices
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
            Event::Started(report) => self.started(report),
            Event::Paused(id) => self.settle(id, RunState::Paused),
            Event::Resumed(id) => self.settle(id, RunState::Running),
            Event::Finished(id) => self.settle(id, RunState::Finished),
            Event::Stopped(id) => self.settle(id, RunState::Stopped),
            Event::Failed { id, failure } => self.failed(id, failure),
            Event::Notice(text) => vec![Notice::remark(text)],
            Event::Job { id, update } => {
                if matches!(update, JobUpdate::Started(_) | JobUpdate::Failed(_) | JobUpdate::Stopped) {
                    self.loading = None;
                }
                self.jobs.push((id, update));
                Vec::new()
            }
        }
    }

    /// Keeps what is known of a model; says once which files were left out.
    fn learn(&mut self, report: Arc<ModelReport>) -> Vec<Notice> {
        let text = match report.warnings.as_slice() {
            [] => None,
            [only] => Some(only.clone()),
            [first, rest @ ..] => Some(format!("{first} {} more files were left out.", rest.len())),
        };
        self.models.insert(report.model.clone(), report);
        self.tell(text)
    }

    /// The texts that have not been said yet.
    fn tell(&mut self, texts: impl IntoIterator<Item = String>) -> Vec<Notice> {
        texts.into_iter().filter(|text| self.told.insert(text.clone())).map(Notice::remark).collect()
    }

    fn started(&mut self, report: Arc<crate::engine::RunReport>) -> Vec<Notice> {
        self.loading = None;
        let mut notices = self.learn(report.model.clone());
        notices.extend(self.tell(report.notices.iter().cloned()));
        let pending = self.pending.take_if(|pending| pending.id == report.id);
        let (name, device, parent) = match pending {
            Some(pending) => (pending.name, pending.device, pending.parent),
            None => (format!("Run {}", report.id.0), DeviceChoice::Auto, None),
        };
        self.shown = Some(report.id);
        let view = RunView { parent, ..RunView::new(report) };
        self.runs.push(Entry { name, device, view, branches: 0 });
        notices
    }

    fn settle(&mut self, id: RunId, state: RunState) -> Vec<Notice> {
        let ended = !matches!(state, RunState::Paused | RunState::Running);
        if ended {
            self.pending.take_if(|pending| pending.id == id);
            self.loading = None;
            self.closed.remove(&id);
        }
        if let Some(entry) = self.runs.iter_mut().find(|entry| entry.id() == id) {
            entry.view.state = state;
        }
        Vec::new()
    }

    fn failed(&mut self, id: RunId, failure: crate::engine::Failure) -> Vec<Notice> {
        let pending = self.pending.take_if(|pending| pending.id == id);
        let closed = self.closed.contains(&id);
        let begun = self.runs.iter().find(|entry| entry.id() == id).map(|entry| {
            let report = &entry.view.report;
            (report.run.clone(), entry.device)
        });
        self.settle(id, RunState::Failed(failure.clone()));
        if closed {
            return Vec::new();
        }
        let notice = Notice::problem(failure);
        // A branch is tried again from its parents' beginning: the state at hand may be what failed.
        vec![match pending.map(|pending| (pending.run, pending.device)).or(begun) {
            Some((run, device)) => notice.with_retry(Retry::Run(Box::new(run), device)),
            None => notice,
        }]
    }
}
