//! The background thread that owns the models.

use super::control::{Channels, Control};
use super::desk::{Asked, Desk};
use super::loader::Loaded;
use super::recorder::Recorder;
use super::watched::{Recording, Watched};
use super::{Command, DeviceChoice, DeviceReport, Devices, Event, Failure, Recorded, RunId, RunReport};
use crate::Image;
use crate::score::{Clipped, InRange, ScoreError, ScoreModel};
use crate::sde::Range;
use crate::solver::{Moment, Noise, Observer};
use crate::task::{Origin, Plan, Run, prior, sample};
use burn::tensor::{Device, Tensor, TensorData};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

/// Memory for recorded moments until a listener asks for another amount.
const RECORD_LIMIT: usize = 512 << 20;

pub(super) struct Worker {
    desk: Desk,
    record_limit: usize,
}

impl Worker {
    pub(super) fn new(devices: Devices, library: Option<PathBuf>, channels: Channels) -> Self {
        Worker { desk: Desk::new(devices, library, channels), record_limit: RECORD_LIMIT }
    }

    /// Answers commands until the engine is dropped.
    pub(super) fn serve(mut self) {
        while let Some(command) = self.desk.begin() {
            match command {
                Command::Start { id, run, device } => self.guard(id, || self.perform(id, &run, None, device)),
                Command::Branch { id, run, from, device } => {
                    self.guard(id, || self.perform(id, &run, Some(from), device));
                }
                Command::Flow { id, job, device } => self.desk.work(Asked { id, job, device }, false),
                Command::Inspect(model) => self.desk.inspect(model),
                Command::RecordLimit(bytes) => self.record_limit = bytes,
                // Nothing runs that these could be meant for.
                Command::Pause
                | Command::Resume
                | Command::Step(_)
                | Command::Stop
                | Command::StopJob(_)
                | Command::Exchange { .. } => {}
            }
        }
    }

    /// Does a run and says how it ended, whatever happens inside.
    fn guard(&self, id: RunId, work: impl FnOnce() -> Result<(), Ending>) {
        let event = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(())) => Event::Finished(id),
            Ok(Err(Ending::Stopped)) => Event::Stopped(id),
            Ok(Err(Ending::Failed(failure))) => Event::Failed { id, failure },
            Err(panic) => {
                // What the panic left of the models is not to be trusted.
                self.desk.loader.borrow_mut().clear();
                Event::Failed { id, failure: Failure::from_panic(panic.as_ref()) }
            }
        };
        self.desk.channels.say(event);
    }

    fn perform(&self, id: RunId, run: &Run, from: Option<Arc<Recorded>>, device: DeviceChoice) -> Result<(), Ending> {
        run.check().map_err(|error| Failure::from_sentence(&error.to_string(), "change the settings"))?;
        let (device, device_report) = self.desk.devices.choose(device);
        let loaded = self.desk.open(&run.model, device, device_report.gpu, |command| {
            matches!(command, Command::Stop | Command::Start { .. } | Command::Branch { .. })
        })?;

        let recorder = Recorder::new(self.record_limit);
        let control = Control::new(&self.desk, id, recorder);
        let range = run.family.facts().range;
        let model = Watched { model: &*loaded.model, control: &control };
        let model = Clipped::new(InRange::new(model, range), run.clip);
        let plan = Plan::new(run, &model);
        let report = report(id, run, &plan, &loaded, device_report, &model);
        let evaluations = report.evaluations;
        self.desk.channels.say(Event::Started(Arc::new(report)));

        let noise = noise(run, model.shape(), device);
        let start = match from {
            Some(recorded) => Some(tensor(&recorded, device)),
            None => first_state(run, &model, &noise)?,
        };
        let start = start.unwrap_or_else(|| prior(run.family.sde(), &plan, &noise));
        control.nfe.set(0);
        control.spent.take();
        let sde = run.family.sde();
        let mut recording =
            Recording { control: &control, sde, steps: plan.steps.len(), evaluations, done: 0, failure: None };
        recording.first(&start, plan.time_after(0))?;

        let end = sample(run, &plan, &model, Some(start), &noise, &mut recording);
        control.flush();
        match recording.failure {
            Some(failure) => Err(failure.into()),
            None => Ok(end.map(drop)?),
        }
    }
}

/// How a run ended early.
pub(super) enum Ending {
    Stopped,
    Failed(Failure),
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

fn report(
    id: RunId,
    run: &Run,
    plan: &Plan,
    loaded: &Rc<Loaded>,
    device: &DeviceReport,
    model: &dyn ScoreModel,
) -> RunReport {
    RunReport {
        id,
        run: run.clone(),
        model: loaded.report.clone(),
        device: device.clone(),
        range: model.range().unwrap_or(Range::Symmetric),
        times: plan.times(),
        levels: plan.levels(run.family.sde()),
        evaluations: run.solver.evaluations(plan.steps.len(), true),
        data_rms: model.moments().map(|moments| moments.mean_square.sqrt()),
        notices: plan.notices.clone(),
    }
}

fn noise(run: &Run, shape: [usize; 3], device: &Device) -> Noise {
    Noise { seed: run.seed, first: 0, count: run.count.get(), shape, device: device.clone() }
}

fn tensor(recorded: &Recorded, device: &Device) -> Image {
    Tensor::from_data(TensorData::new(recorded.x.values.to_vec(), recorded.x.shape), device)
}

/// Lets a solver go on for a number of steps.
struct Until(usize);

impl Observer for Until {
    fn observe(&mut self, _moment: &Moment<'_>) -> ControlFlow<()> {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The state that a branch starts from, by running its parents again; `None` for the prior.
fn first_state(run: &Run, model: &dyn ScoreModel, noise: &Noise) -> Result<Option<Image>, ScoreError> {
    let Origin::Branch { parent, step } = &run.origin else { return Ok(None) };
    let noise = Noise { seed: parent.seed, ..noise.clone() };
    let plan = Plan::new(parent, model);
    let start = first_state(parent, model, &noise)?;
    sample(parent, &plan, model, start, &noise, &mut Until(*step)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_a_run_becomes_an_event_and_the_worker_lives_on() {
        let (_commands, inbox) = crossbeam_channel::unbounded();
        let (outbox, events) = crossbeam_channel::unbounded();
        let (latest, replaced) = crossbeam_channel::bounded(1);
        let channels = Channels { inbox, outbox, latest, replaced, wake: Box::new(|_| {}) };
        let worker = Worker::new(Devices::cpu_only(), None, channels);

        worker.guard(RunId(1), || panic!("no such thing\nas a free lunch"));
        worker.guard(RunId(2), || panic!("{}", String::from("Parent device is lost")));
        worker.guard(RunId(3), || Ok(()));

        let events: Vec<Event> = events.try_iter().collect();
        let Event::Failed { id: RunId(1), failure } = &events[0] else { panic!("{events:?}") };
        assert_eq!(failure.what, "The computation failed unexpectedly: no such thing.");
        let Event::Failed { id: RunId(2), failure } = &events[1] else { panic!("{events:?}") };
        assert_eq!(failure.what, "The graphics device was lost.");
        assert!(matches!(events[2], Event::Finished(RunId(3))));
    }
}
