//! Does jobs.

use super::desk::{Asked, Desk};
use super::watched::batches;
use super::worker::Ending;
use super::{Command, Event, Failure, Job, JobProgress, JobReport, JobResult, JobUpdate, control::inspect};
use crate::Image;
use crate::score::{Given, InRange, Measurement, Range, ScoreAndTrace, ScoreError, ScoreModel};
use crate::sde::Level;
use crate::task::{self, FlowPlan, FlowProgress, ModelRef, Plan, decode, encode, host, likelihood};
use std::cell::Cell;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Progress closer together than this is not worth telling.
const TELL_EVERY: Duration = Duration::from_millis(50);
/// With so many events unheard, pictures on the way are left out.
const UNHEARD: usize = 32;
/// Samples of 3×32×32 in one evaluation, between which commands are answered.
const BATCH: usize = 16;

impl Desk {
    /// Does a job and says how it ended, whatever happens inside. `in_run`: a run waits for it.
    pub(super) fn work(&self, asked: Asked, in_run: bool) {
        let again = Cell::new(false);
        self.under_way.borrow_mut().push(asked.id);
        let ended = catch_unwind(AssertUnwindSafe(|| self.try_to_work(&asked, in_run, &again)));
        self.under_way.borrow_mut().pop();
        let update = match ended {
            Ok(Ok(result)) => JobUpdate::Done(result),
            Ok(Err(Ending::Stopped)) if again.get() => {
                let Asked { id, job, device } = asked;
                return self.put(Command::Flow { id, job, device });
            }
            Ok(Err(Ending::Stopped)) => JobUpdate::Stopped,
            Ok(Err(Ending::Failed(failure))) => JobUpdate::Failed(failure),
            Err(panic) => {
                // What the panic left of the models is not to be trusted.
                self.loader.borrow_mut().clear();
                JobUpdate::Failed(Failure::from_panic(panic.as_ref()))
            }
        };
        self.channels.say(Event::Job { id: asked.id, update });
    }

    fn try_to_work(&self, asked: &Asked, in_run: bool, again: &Cell<bool>) -> Result<JobResult, Ending> {
        let (flow, (device, device_report)) = (asked.job.flow(), self.devices.choose(asked.device));
        check(&asked.job).map_err(|error| Failure::from_sentence(&error.to_string(), "change the settings"))?;
        self.channels.say(Event::Loading { what: flow.model.to_string(), fraction: None });
        let place = if is_differentiated(&asked.job) { device.clone().autodiff() } else { device.clone() };
        let loaded = self.loader.borrow_mut().open(&flow.model, &place, device_report.gpu).map_err(Failure::from)?;

        let model = InRange::new(&*loaded.model, Plan::range(flow.family.kind()));
        let control = JobControl {
            desk: self,
            asked,
            in_run,
            again,
            samples: asked.job.states().shape[0].max(1),
            evaluations: Cell::new(0),
            began: Instant::now(),
            told: Cell::new(None),
        };
        let model = Gated { model, control: &control };
        let FlowPlan { end, until, notices } = FlowPlan::new(flow, &model);
        let report = JobReport { model: loaded.report.clone(), device: device_report.clone(), end, until, notices };
        control.say(JobUpdate::Started(Arc::new(report)));

        let range = model.range();
        let watch = &mut |progress: FlowProgress<'_>| control.watch(progress, range);
        Ok(match &asked.job {
            Job::Encode { flow, images } => JobResult::Encoded(encode(flow, &model, images, device, watch)?),
            Job::Decode { flow, latents, .. } => JobResult::Decoded(decode(flow, &model, latents, device, watch)?),
            Job::Likelihood { flow, images, estimate } => {
                JobResult::Likelihoods(likelihood(flow, &model, images, estimate, device, watch)?)
            }
        })
    }
}

fn check(job: &Job) -> Result<(), task::FlowError> {
    job.flow().check()?;
    match job {
        Job::Likelihood { flow, estimate, .. } => estimate.check(flow),
        Job::Encode { .. } | Job::Decode { .. } => Ok(()),
    }
}

/// Whether the job needs gradients of its model.
fn is_differentiated(job: &Job) -> bool {
    let Job::Likelihood { flow, estimate, .. } = job else { return false };
    !estimate.exact || matches!(flow.model, ModelRef::Named(_) | ModelRef::File(_))
}

/// One job under way.
struct JobControl<'a> {
    desk: &'a Desk,
    asked: &'a Asked,
    in_run: bool,
    /// Set where the job ends only to make way, and is to be begun again.
    again: &'a Cell<bool>,
    samples: usize,
    /// Evaluations of single samples.
    evaluations: Cell<usize>,
    began: Instant,
    told: Cell<Option<Instant>>,
}

impl JobControl<'_> {
    fn say(&self, update: JobUpdate) {
        self.desk.channels.say(Event::Job { id: self.asked.id, update });
    }

    /// Answers all commands at hand.
    ///
    /// # Errors
    /// [`ScoreError::Stopped`] when the job is to end.
    fn gate(&self) -> Result<(), ScoreError> {
        loop {
            let interactive = self.asked.job.lane().is_some();
            let command = if interactive { self.desk.hear()? } else { self.desk.next(false)? };
            match command {
                Some(command) => self.answer(command)?,
                None => return Ok(()),
            }
        }
    }

    fn answer(&self, command: Command) -> Result<(), ScoreError> {
        match command {
            Command::Flow { id, job, device } => {
                let lane = self.asked.job.lane();
                if lane.is_none() && job.lane().is_some() {
                    self.desk.work(Asked { id, job, device }, false);
                    return Ok(());
                }
                let newer = lane.is_some() && lane == job.lane();
                self.desk.put(Command::Flow { id, job, device });
                if newer { Err(ScoreError::Stopped) } else { Ok(()) }
            }
            Command::StopJob(id) if id == self.asked.id => Err(ScoreError::Stopped),
            Command::StopJob(id) if self.desk.under_way.borrow().contains(&id) => self.make_way(Command::StopJob(id)),
            Command::StopJob(id) => {
                self.desk.end_waiting_job(id);
                Ok(())
            }
            Command::Inspect(model) => {
                inspect(self.desk, model);
                Ok(())
            }
            command @ (Command::Start { .. } | Command::Branch { .. } | Command::Stop) if self.in_run => {
                self.make_way(command)
            }
            command if self.in_run => {
                self.desk.hand_back(command);
                Ok(())
            }
            // No run is under way that these could be meant for.
            Command::Pause | Command::Resume | Command::Step(_) => Ok(()),
            command => {
                self.desk.put(command);
                Ok(())
            }
        }
    }

    /// Leaves the command to what this job interrupts, and this job to a later time.
    fn make_way(&self, command: Command) -> Result<(), ScoreError> {
        self.desk.hand_back(command);
        self.again.set(true);
        Err(ScoreError::Stopped)
    }

    /// Tells how far the job is, unless it did so a moment ago.
    fn watch(&self, progress: FlowProgress<'_>, range: Option<Range>) -> ControlFlow<()> {
        if self.told.get().is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return ControlFlow::Continue(());
        }
        let share = progress.share.clamp(0.0, 1.0);
        let shown = !matches!(self.asked.job, Job::Likelihood { .. }) && self.desk.channels.outbox.len() < UNHEARD;
        let pictures = if shown { host(&task::unit(progress.x.clone(), range)).ok().map(Arc::new) } else { None };
        let left = self.began.elapsed().as_secs_f64() * (1.0 - share) / share.max(1e-3);
        self.told.set(Some(Instant::now()));
        self.say(JobUpdate::Progress(JobProgress {
            share: share as f32,
            nfe: self.evaluations.get() / self.samples,
            pictures,
            seconds_left: left as f32,
        }));
        ControlFlow::Continue(())
    }
}

/// A score model that answers commands before every evaluation and counts them.
struct Gated<'a, M> {
    model: M,
    control: &'a JobControl<'a>,
}

impl<M: ScoreModel> Gated<'_, M> {
    fn enter(&self, count: usize) -> Result<(), ScoreError> {
        self.control.gate()?;
        self.control.evaluations.set(self.control.evaluations.get() + count);
        Ok(())
    }
}

impl<M: ScoreModel> ScoreModel for Gated<'_, M> {
    crate::score::described_by_its_model!();

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        batches(x, at, BATCH * 3 * 32 * 32, |x, at| {
            self.enter(x.dims()[0])?;
            self.model.score(x, at)
        })
    }

    fn score_and_trace(&self, x: &Image, at: &[Level]) -> Option<ScoreAndTrace> {
        if let Err(error) = self.enter(x.dims()[0]) {
            return Some(Err(error));
        }
        self.model.score_and_trace(x, at)
    }

    fn given(&self, measurement: &Measurement) -> Option<Given<'_>> {
        let posterior = self.model.given(measurement)?;
        Some(posterior.map(|model| -> Box<dyn ScoreModel + '_> { Box::new(Gated { model, control: self.control }) }))
    }
}
