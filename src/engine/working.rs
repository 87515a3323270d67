//! Does jobs.

use super::desk::{Asked, Desk};
use super::watched::batches;
use super::worker::Ending;
use super::{Command, Event, Failure, Job, JobProgress, JobReport, JobResult, JobUpdate, restoring};
use crate::Image;
use crate::score::{Clipped, Given, InRange, Measurement, ScoreAndTrace, ScoreError, ScoreModel};
use crate::sde::{Level, Range};
use crate::task::{self, Evidence, FlowPlan, FlowProgress, decode, encode, host, likelihood};
use burn::tensor::Device;
use std::cell::{Cell, RefCell};
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
        let (device, device_report) = self.devices.choose(asked.device);
        asked.job.check().map_err(|why| Failure::from_sentence(&why, "change the settings"))?;
        let name = asked.job.model();
        let place = if asked.job.is_differentiated() { device.clone().autodiff() } else { device.clone() };
        let ends = |command: &Command| match command {
            Command::StopJob(id) => *id == asked.id,
            Command::Stop => !in_run,
            _ => false,
        };
        let loaded = self.open(name, &place, device_report.gpu, ends)?;

        let model = InRange::new(&*loaded.model, asked.job.range());
        let control = JobControl {
            desk: self,
            asked,
            in_run,
            again,
            samples: asked.job.samples().max(1),
            evaluations: Cell::new(0),
            began: Instant::now(),
            told: Cell::new(None),
            exchanged: RefCell::new(None),
        };
        let begin = |end, until, notices| {
            let report = JobReport { model: loaded.report.clone(), device: device_report.clone(), end, until, notices };
            control.say(JobUpdate::Started(Arc::new(report)));
        };
        if let Job::Restore { restoration, evidence } = &asked.job {
            let model = Gated { model: Clipped::new(model, restoration.run.clip), control: &control };
            return restoring::restore(restoration, evidence, &model, &control, device, begin);
        }
        let model = Gated { model, control: &control };
        self.travel(&asked.job, &model, &control, device, begin)
    }

    /// A journey along the probability-flow ODE.
    fn travel(
        &self,
        job: &Job,
        model: &dyn ScoreModel,
        control: &JobControl<'_>,
        device: &Device,
        begin: impl FnOnce(f64, f64, Vec<String>),
    ) -> Result<JobResult, Ending> {
        let (Job::Encode { flow, .. } | Job::Decode { flow, .. } | Job::Likelihood { flow, .. }) = job else {
            return Err(Ending::Stopped);
        };
        let FlowPlan { end, until, notices } = FlowPlan::new(flow, model);
        begin(end, until, notices);
        let range = model.range();
        let shown = !matches!(job, Job::Likelihood { .. });
        let watch = &mut |progress: FlowProgress<'_>| {
            control.watch(progress.share, range, shown.then_some(progress.x), None);
            ControlFlow::Continue(())
        };
        Ok(match job {
            Job::Encode { flow, images } => JobResult::Encoded(encode(flow, model, images, device, watch)?),
            Job::Decode { flow, latents, .. } => JobResult::Decoded(decode(flow, model, latents, device, watch)?),
            Job::Likelihood { flow, images, estimate } => {
                JobResult::Likelihoods(likelihood(flow, model, images, estimate, device, watch)?)
            }
            Job::Restore { .. } => return Err(Ending::Stopped),
        })
    }
}

/// One job under way.
pub(super) struct JobControl<'a> {
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
    /// Evidence that is to take the place of a restoration's present one.
    pub(super) exchanged: RefCell<Option<Evidence>>,
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
            Command::Exchange { id, evidence } if id == self.asked.id => {
                self.exchanged.replace(Some(evidence));
                Ok(())
            }
            Command::StopJob(id) if id == self.asked.id => Err(ScoreError::Stopped),
            Command::StopJob(id) if self.desk.under_way.borrow().contains(&id) => self.make_way(Command::StopJob(id)),
            Command::StopJob(id) => {
                self.desk.end_waiting_job(id);
                Ok(())
            }
            Command::Inspect(model) => {
                self.desk.inspect(model);
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

    /// Network evaluations so far, per sample.
    pub(super) fn nfe(&self) -> usize {
        self.evaluations.get() / self.samples
    }

    /// Tells how far the job is, with states and estimates of x(0) to be shown, unless it did so a moment ago.
    pub(super) fn watch(&self, share: f64, range: Option<Range>, x: Option<&Image>, denoised: Option<&Image>) {
        if self.told.get().is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return;
        }
        let share = share.clamp(0.0, 1.0);
        let heard = self.desk.channels.outbox.len() < UNHEARD;
        let read = |image: &Image| host(&task::unit(image.clone(), range)).ok().map(Arc::new);
        let left = self.began.elapsed().as_secs_f64() * (1.0 - share) / share.max(1e-3);
        let progress = JobProgress {
            share: share as f32,
            nfe: self.nfe(),
            pictures: x.filter(|_| heard).and_then(read),
            estimates: denoised.filter(|_| heard).and_then(read),
            seconds_left: left as f32,
        };
        self.told.set(Some(Instant::now()));
        self.say(JobUpdate::Progress(progress));
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
