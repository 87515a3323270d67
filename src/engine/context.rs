//! A task's own view of the engine: its mailbox, its turns, its models, and how it tells of itself.

use super::handle::{Board, Mail, TaskId};
use super::loader::{self, Loaded};
use super::progress::{Meter, Place};
use super::recording::{Recording, State};
use super::turnstile::Seat;
use super::{DeviceReport, Ending, Failure, Options, Shared, Snapshot, Task, Update, Wake};
use crate::checkpoint::{Opened, ReadProgress};
use crate::network::Architecture;
use crate::score::{NetworkClassifier, ScoreError};
use crate::task::ModelRef;
use burn::tensor::Device;
use crossbeam_channel::{Receiver, Sender, TryRecvError, select_biased};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

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
            meter: Meter::new(),
            recording: Recording::new(engine.clone(), board, options.record, options.shown),
        }
    }

    /// Does the task and says how it ended, whatever happens inside.
    pub(super) fn work(self, task: T) {
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
        self.seat.leave();
        self.say(Update::Ended(result.into()));
    }

    /// The folder of imported models, where there is one.
    pub(super) fn library(&self) -> Option<&Path> {
        self.engine.loader.library()
    }

    /// Where the task computes.
    pub(super) fn device(&self) -> &(Device, DeviceReport) {
        self.engine.devices.choose(self.options.device)
    }

    /// Where a network learns.
    pub(super) fn device_to_learn_on(&self, architecture: &Architecture) -> &(Device, DeviceReport) {
        self.engine.devices.choose_to_learn(self.options.device, architecture)
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
