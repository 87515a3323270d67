//! A task's own view of the engine: its mailbox, its turns, its models, and how it tells of itself.

use super::handle::{Board, Mail, TaskId};
use super::loader::{self, Loaded};
use super::progress::{Meter, Place};
use super::recording::{Recording, State};
use super::turnstile::Seat;
use super::{DeviceChoice, DeviceReport, Ending, Failure, Options, Recorded, Shared, Snapshot, Task, Update, Wake};
use crate::checkpoint::{Opened, ReadProgress};
use crate::network::{Architecture, DeviceError, DeviceWatch};
use crate::score::{NetworkClassifier, ScoreError};
use crate::task::ModelRef;
use burn::tensor::Device;
use crossbeam_channel::{Receiver, Sender, TryRecvError, select_biased};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a task has of the engine while it runs.
pub struct Context<T: Task> {
    engine: Arc<Shared>,
    options: Options,
    mail: Receiver<Mail<T::Message>>,
    updates: Sender<Update<T>>,
    board: Arc<Board>,
    seat: Seat,
    /// Mail to be answered at the first gate: it came while a model was being opened.
    early: RefCell<VecDeque<Mail<T::Message>>>,
    messages: RefCell<VecDeque<T::Message>>,
    held: Cell<bool>,
    /// Steps done, and at which to hold.
    done: Cell<usize>,
    hold_at: Cell<Option<usize>>,
    /// The graphics device has failed the task, and the CPU goes on.
    retreated: Cell<bool>,
    pub(super) meter: Meter,
    recording: Recording,
}

impl<T: Task> Context<T> {
    pub(super) fn new(
        engine: &Arc<Shared>,
        id: TaskId,
        options: Options,
        mail: Receiver<Mail<T::Message>>,
        updates: Sender<Update<T>>,
        board: Arc<Board>,
    ) -> Self {
        let early = options.held.then_some(Mail::Pause).into_iter().collect();
        Context {
            engine: engine.clone(),
            options,
            mail,
            updates,
            board: board.clone(),
            seat: Seat::new(&engine.turnstile, id.0, options.priority),
            early: RefCell::new(early),
            messages: RefCell::default(),
            held: Cell::new(false),
            done: Cell::new(0),
            hold_at: Cell::new(None),
            retreated: Cell::new(false),
            meter: Meter::new(),
            recording: Recording::new(engine.clone(), board, options.record, options.shown),
        }
    }

    /// Does the task and says how it ended, whatever happens inside.
    pub(super) fn work(self, task: T) {
        let began_on_gpu = self.device().1.gpu;
        let work = || {
            let result = task.run(&self);
            // A device that fails here says so in the result.
            let _ = self.recording.flush(&self.meter);
            result
        };
        let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            // What the panic left of the models is not to be trusted.
            self.engine.loader.clear();
            Err(Failure::from_panic(panic.as_ref()).into())
        });
        let result = result.map_err(|ending| match (ending, self.device_error()) {
            // Whatever it led to.
            (Ending::Failed(_), Some(error)) if began_on_gpu && !self.retreated.get() => Failure::from(&error).into(),
            (ending, _) => ending,
        });
        self.seat.leave();
        self.say(Update::Ended(result.into()));
    }

    /// Does `work`, which is given the moment of the task to go on from: none at first. Where the graphics device fails it,
    /// the CPU goes on from the last moment that is kept, and the owner is told.
    ///
    /// # Errors
    /// What `work` answers.
    pub(super) fn persist<R>(&self, work: impl Fn(Option<&Recorded>) -> Result<R, Ending>) -> Result<R, Ending> {
        match self.attempt(|| work(None)) {
            Ok(ended) => ended,
            Err(error) => work(self.retreat(&error).as_deref()),
        }
    }

    /// Does `work`, a step that changes nothing before it is done. Where the graphics device fails it, the CPU does it
    /// again, and what follows, and the owner is told.
    ///
    /// # Errors
    /// What `work` answers.
    pub(super) fn persist_in<R>(&self, mut work: impl FnMut() -> Result<R, Ending>) -> Result<R, Ending> {
        match self.attempt(&mut work) {
            Ok(ended) => ended,
            Err(error) => {
                let what = self.leave_gpu(&error);
                self.say(Update::Notice(format!("{what} after step {}; the CPU goes on from there.", self.done.get())));
                work()
            }
        }
    }

    /// What comes of `work`.
    ///
    /// # Errors
    /// If the graphics device that it began on failed it.
    fn attempt<R>(&self, work: impl FnOnce() -> Result<R, Ending>) -> Result<Result<R, Ending>, DeviceError> {
        let began_on_gpu = self.device().1.gpu;
        let attempt = catch_unwind(AssertUnwindSafe(work));
        let failed = began_on_gpu && matches!(attempt, Err(_) | Ok(Err(Ending::Failed(_))));
        match if failed { self.device_error() } else { None } {
            None => Ok(attempt.unwrap_or_else(|panic| resume_unwind(panic))),
            Some(error) => Err(error),
        }
    }

    /// The task computes on the CPU from now on. Returns why, without a full stop.
    fn leave_gpu(&self, error: &DeviceError) -> String {
        self.seat.leave();
        self.retreated.set(true);
        // What the failure left of the models is not to be trusted.
        self.engine.loader.clear();
        Failure::from(error).what.trim_end_matches('.').to_owned()
    }

    /// Takes in that so many samples were evaluated, which took so long.
    pub(super) fn evaluated(&self, samples: usize, time: Duration) {
        self.meter.evaluated(samples, time);
        let watch = self.engine.devices.watch.as_ref().filter(|_| self.device().1.gpu);
        watch.into_iter().for_each(DeviceWatch::mark);
    }

    /// What has gone wrong with the graphics device in this task's turns.
    fn device_error(&self) -> Option<DeviceError> {
        self.engine.devices.watch.as_ref()?.take()
    }

    /// Gives the graphics device up, and says so. Returns the last moment that is kept, if one is.
    fn retreat(&self, error: &DeviceError) -> Option<Arc<Recorded>> {
        let what = self.leave_gpu(error);
        let kept = self.recording.retreat();
        let [lost, from] = [self.done.get(), kept.as_ref().map_or(0, |kept| kept.step)];
        self.done.set(from);
        self.meter.back_to(kept.as_ref().map_or(0, |kept| kept.nfe));
        // All that is left is in the host's memory.
        let _ = self.recording.flush(&self.meter);
        self.say(Update::Notice(match (lost, from) {
            (0, _) => format!("{what}; the CPU is used instead."),
            (_, 0) => format!("{what} after step {lost}; the CPU begins again."),
            _ => format!("{what} after step {lost}; the CPU goes on from step {from}."),
        }));
        kept
    }

    /// The folder of imported models, where there is one.
    pub(super) fn library(&self) -> Option<&Path> {
        self.engine.loader.library()
    }

    /// Where the task computes.
    pub(super) fn device(&self) -> &(Device, DeviceReport) {
        self.engine.devices.choose(self.choice())
    }

    fn choice(&self) -> DeviceChoice {
        if self.retreated.get() { DeviceChoice::Cpu } else { self.options.device }
    }

    /// Where a network learns.
    pub(super) fn device_to_learn_on(&self, architecture: &Architecture) -> &(Device, DeviceReport) {
        self.engine.devices.choose_to_learn(self.choice(), architecture)
    }

    pub(super) fn say(&self, update: Update<T>) {
        // Without a listener nobody misses it.
        let _ = self.updates.send(update);
        self.engine.wake(Wake::Now);
    }

    /// Starts the clock of a task of so many samples, and tells the owner what has begun.
    pub(super) fn begin(&self, samples: usize, report: T::Report, notices: impl IntoIterator<Item = String>) {
        self.meter.begin(samples);
        self.say(Update::Report(report));
        notices.into_iter().for_each(|notice| self.say(Update::Notice(notice)));
    }

    /// The next message from the owner, if there is one.
    pub(super) fn message(&self) -> Option<T::Message> {
        self.messages.borrow_mut().pop_front()
    }

    /// Opens a model, with gradients or without, or takes it where it is open already.
    ///
    /// # Errors
    /// [`Ending::Stopped`] if the owner ended it.
    pub(super) fn open(&self, model: &ModelRef, gradients: bool) -> Result<Arc<Loaded>, Ending> {
        let (device, report) = self.device();
        let device = if gradients { device.clone().autodiff() } else { device.clone() };
        let what = model.to_string();
        let tell = |fraction| self.hears(&what, fraction);
        let opened = self.engine.loader.open(model, &device, report.gpu, &tell);
        self.loaded();
        opened.map_err(Ending::from)
    }

    /// A network's description and weights, from its file.
    ///
    /// # Errors
    /// If the model is not a network or cannot be opened; [`Ending::Stopped`] if the owner ended it.
    pub(super) fn read(&self, model: &ModelRef) -> Result<Opened, Ending> {
        let what = model.to_string();
        let tell = |share| self.hears(&what, Some(share));
        let opened = self.engine.loader.read(model, &ReadProgress::new(&tell));
        self.loaded();
        opened.map_err(Ending::from)
    }

    /// Tells the owner how much of something is read; whether to go on.
    pub(super) fn hears(&self, what: &str, fraction: Option<f32>) -> bool {
        self.board.load(what, fraction);
        self.engine.wake(Wake::Now);
        self.goes_on()
    }

    /// All that was to be read is read.
    pub(super) fn loaded(&self) {
        self.board.loaded();
    }

    /// The owner should look, soon.
    pub(super) fn wake(&self) {
        self.engine.wake(Wake::Soon);
    }

    /// Tells the owner that the task is at this place, of which there is no state to show.
    pub(super) fn at(&self, place: Place) {
        self.done.set(place.step);
        self.board.set(self.meter.progress(place));
        self.wake();
    }

    /// Opens a classifier for gradients.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(super) fn classifier(&self, classifier: &ModelRef) -> Result<Arc<NetworkClassifier>, Ending> {
        let device = self.device().0.clone().autodiff();
        match loader::classifier(classifier, &device) {
            Ok(classifier) => Ok(Arc::new(classifier)),
            Err(error) => Err(Failure::from(error).into()),
        }
    }

    /// Whether nothing has come that ends the task.
    fn goes_on(&self) -> bool {
        loop {
            match self.mail.try_recv() {
                Ok(Mail::Stop) | Err(TryRecvError::Disconnected) => return false,
                Ok(mail) => self.early.borrow_mut().push_back(mail),
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    /// Answers all mail, holds while it is told to, and waits for the task's turn.
    ///
    /// # Errors
    /// [`ScoreError::Stopped`] when the task is to end.
    pub(super) fn gate(&self) -> Result<(), ScoreError> {
        if self.hold_at.get().is_some_and(|step| self.done.get() >= step) {
            self.hold_at.set(None);
            self.pause()?;
        }
        loop {
            let early = self.early.borrow_mut().pop_front();
            match early.map_or_else(|| self.mail.try_recv(), Ok) {
                Ok(mail) => self.answer(mail)?,
                Err(TryRecvError::Disconnected) => return Err(ScoreError::Stopped),
                Err(TryRecvError::Empty) if self.held.get() => self.hold()?,
                Err(TryRecvError::Empty) => {
                    if self.seat.ask() || self.wait()? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Waits for mail while others have their turns.
    fn hold(&self) -> Result<(), ScoreError> {
        self.seat.leave();
        let since = Instant::now();
        let mail = self.mail.recv();
        self.meter.paused(since);
        self.answer(mail.map_err(|_| ScoreError::Stopped)?)
    }

    /// Waits for the turn; whether it came, and not mail.
    fn wait(&self) -> Result<bool, ScoreError> {
        let since = Instant::now();
        let mail = select_biased! {
            recv(self.mail) -> mail => Some(mail),
            recv(self.seat.turn) -> _ => None,
        };
        self.meter.waited(since);
        match mail {
            Some(mail) => self.answer(mail.map_err(|_| ScoreError::Stopped)?).map(|()| false),
            None => Ok(true),
        }
    }

    fn answer(&self, mail: Mail<T::Message>) -> Result<(), ScoreError> {
        match mail {
            Mail::Pause => return self.pause(),
            Mail::Resume => {
                self.hold_at.set(None);
                self.resume();
            }
            Mail::Step(steps) => {
                self.hold_at.set(Some(self.done.get() + steps.max(1)));
                self.resume();
            }
            Mail::Stop => return Err(ScoreError::Stopped),
            Mail::Message(message) => self.messages.borrow_mut().push_back(message),
        }
        Ok(())
    }

    fn pause(&self) -> Result<(), ScoreError> {
        if !self.held.replace(true) {
            self.recording.flush(&self.meter)?;
            self.say(Update::Paused);
        }
        Ok(())
    }

    fn resume(&self) {
        if self.held.replace(false) {
            self.say(Update::Resumed);
        }
    }

    /// Takes in the state that the task has reached, at this place of its way: records and shows it.
    ///
    /// # Errors
    /// If it is not finite, or the device fails.
    pub(super) fn reach(&self, place: Place, state: State) -> Result<(), ScoreError> {
        self.done.set(place.step);
        self.recording.take(state, place, &self.meter)
    }

    /// Whether the owner was last told long enough ago for the next state to be worth making.
    pub(super) fn is_due(&self) -> bool {
        self.recording.is_due()
    }

    /// The last state, with all that was recorded.
    ///
    /// # Errors
    /// If none was reached, or the device fails.
    pub(super) fn last(&self) -> Result<Arc<Snapshot>, ScoreError> {
        self.recording.last(&self.meter)?.ok_or(ScoreError::Stopped)
    }
}
