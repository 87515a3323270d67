//! The window's side of the engine: what is known of models and speeds. Tasks belong to those who began them.

use super::notices::Notice;
use crate::engine::{
    DeviceChoice, DeviceReport, Devices, End, Engine, Inspect, Loading, ModelReport, Options, Task, TaskHandle, Update,
    Wake,
};
use crate::task::{ModelRef, Run};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Pictures need not come faster than screens show them.
const FRAME: Duration = Duration::from_millis(16);
/// The same where the CPU draws: each frame takes from the sampler what it costs.
const SOFTWARE_FRAME: Duration = Duration::from_millis(300);

/// What all workspaces know of the engine. Nothing here waits.
pub struct Session {
    engine: Engine,
    /// What is being opened for whichever task, since the last poll.
    pub loading: Option<Loading>,
    inspecting: Option<TaskHandle<Inspect>>,
    models: HashMap<ModelRef, Arc<ModelReport>>,
    /// Image evaluations a second of a model, on a graphics device or not.
    rates: HashMap<(ModelRef, bool), f64>,
    /// What was said before already.
    told: HashSet<String>,
}

impl Session {
    /// A session with an engine of its own, which wakes the window whenever there is something new.
    pub fn new(ctx: &egui::Context, devices: Devices, library: Option<PathBuf>) -> Self {
        let window = ctx.clone();
        let drawn_by_cpu = devices.gpu.as_ref().is_some_and(|(_, gpu)| gpu.software);
        let wake = move |how| match how {
            Wake::Soon if drawn_by_cpu => window.request_repaint_after(SOFTWARE_FRAME),
            Wake::Now | Wake::Soon => window.request_repaint_after(FRAME),
        };
        Session {
            engine: Engine::new(devices, library, wake),
            loading: None,
            inspecting: None,
            models: HashMap::new(),
            rates: HashMap::new(),
            told: HashSet::new(),
        }
    }

    /// The devices that the engine computes on.
    pub fn devices(&self) -> &Devices {
        self.engine.devices()
    }

    /// What is known of an opened model.
    pub fn model(&self, model: &ModelRef) -> Option<&Arc<ModelReport>> {
        self.models.get(model)
    }

    /// The device that a choice means here.
    pub fn device(&self, choice: DeviceChoice) -> &DeviceReport {
        &self.devices().choose(choice).1
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

    /// Begins a task, which is the caller's from then on.
    pub fn begin<T: Task>(&self, task: T, options: Options) -> TaskHandle<T> {
        self.engine.start(task, options)
    }

    /// What a task has said since the last call, oldest first.
    pub fn hear<T: Task>(&mut self, task: &TaskHandle<T>) -> Vec<Update<T>> {
        if let Some(loading) = task.loading() {
            self.loading = Some(loading);
        }
        task.updates().collect()
    }

    /// How a task has ended, where all else that it says does not matter.
    pub fn ended<T: Task>(&mut self, task: &TaskHandle<T>) -> Option<End<T::Output>> {
        self.hear(task).into_iter().find_map(|update| match update {
            Update::Ended(end) => Some(end),
            _ => None,
        })
    }

    /// Asks what a model is, unless that is known. It is opened where it will be computed with.
    pub fn inspect(&mut self, model: &ModelRef, device: DeviceChoice) {
        if !self.models.contains_key(model) {
            self.inspecting = Some(self.begin(Inspect(model.clone()), Options::on(device)));
        }
    }

    /// Lets go of a model that is being opened only to be looked at; whether one is.
    pub fn stop_opening(&self) -> bool {
        self.inspecting.as_ref().map(TaskHandle::stop).is_some()
    }

    /// Takes in what is new of models. Returns what a person should know.
    pub fn poll(&mut self) -> Vec<Notice> {
        self.loading = None;
        let Some(task) = self.inspecting.take() else { return Vec::new() };
        match self.ended(&task) {
            None => {
                self.inspecting = Some(task);
                Vec::new()
            }
            Some(End::Finished(report)) => self.learn(report),
            Some(End::Failed(failure)) => vec![Notice::problem(failure)],
            Some(End::Stopped) => vec![Notice::error("opening the model was cancelled; open it again")],
        }
    }

    /// Keeps what is known of a model; says once what a person should know of how it was read.
    pub fn learn(&mut self, report: Arc<ModelReport>) -> Vec<Notice> {
        let texts = report.warnings.clone();
        self.models.insert(report.model.clone(), report);
        self.tell_once(texts)
    }

    /// Notices of the texts that have not been said before.
    pub fn tell_once(&mut self, texts: impl IntoIterator<Item = String>) -> Vec<Notice> {
        texts.into_iter().filter(|text| self.told.insert(text.clone())).map(Notice::remark).collect()
    }
}
