//! The worker's ear and mouth during a run: commands are answered before every network evaluation.

use super::desk::{Asked, Desk};
use super::recorder::Recorder;
use super::{Command, Event, JobUpdate, Progress, Recorded, RunId, Snapshot, Spent, Wake};
use crate::score::ScoreError;
use crossbeam_channel::{Receiver, Sender};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Display snapshots closer together than this are not worth sending.
const FRAME: Duration = Duration::from_millis(8);

/// The channels to listeners.
pub(super) struct Channels {
    pub(super) inbox: Receiver<Command>,
    pub(super) outbox: Sender<Event>,
    pub(super) latest: Sender<Arc<Snapshot>>,
    /// The listener's end of `latest`: an unseen snapshot is taken back when a newer one comes.
    pub(super) replaced: Receiver<Arc<Snapshot>>,
    pub(super) wake: Box<dyn Fn(Wake) + Send>,
}

impl Channels {
    pub(super) fn say(&self, event: Event) {
        let wake = match event {
            Event::Job { update: JobUpdate::Progress(_), .. } => Wake::Soon,
            _ => Wake::Now,
        };
        // Without a listener nobody misses it.
        let _ = self.outbox.send(event);
        (self.wake)(wake);
    }

    fn show(&self, snapshot: Arc<Snapshot>) {
        let _ = self.replaced.try_recv();
        let _ = self.latest.try_send(snapshot);
        (self.wake)(Wake::Soon);
    }
}

/// One run under way.
pub(super) struct Control<'a> {
    desk: &'a Desk,
    pub(super) id: RunId,
    pub(super) recorder: RefCell<Recorder>,
    /// Network evaluations so far; image evaluations count every sample.
    pub(super) nfe: Cell<usize>,
    pub(super) image_evaluations: Cell<usize>,
    pub(super) spent: Cell<Spent>,
    held: Cell<bool>,
    /// Steps done at which to hold.
    hold_at: Cell<Option<usize>>,
    done: Cell<usize>,
    started: Instant,
    paused_for: Cell<Duration>,
    shown_at: Cell<Option<Instant>>,
    unshown: RefCell<Option<Snapshot>>,
}

impl<'a> Control<'a> {
    pub(super) fn new(desk: &'a Desk, id: RunId, recorder: Recorder) -> Self {
        Control {
            desk,
            id,
            recorder: RefCell::new(recorder),
            nfe: Cell::new(0),
            image_evaluations: Cell::new(0),
            spent: Cell::default(),
            held: Cell::new(false),
            hold_at: Cell::new(None),
            done: Cell::new(0),
            started: Instant::now(),
            paused_for: Cell::new(Duration::ZERO),
            shown_at: Cell::new(None),
            unshown: RefCell::new(None),
        }
    }

    /// Answers all commands at hand, and waits while the run is held.
    ///
    /// # Errors
    /// [`ScoreError::Stopped`] when the run is to end.
    pub(super) fn gate(&self) -> Result<(), ScoreError> {
        if self.hold_at.get().is_some_and(|step| self.done.get() >= step) {
            self.hold_at.set(None);
            self.hold();
        }
        loop {
            let since = Instant::now();
            let command = self.desk.next(self.held.get())?;
            if self.held.get() {
                self.rest(since);
            }
            match command {
                Some(command) => self.answer(command)?,
                None => return Ok(()),
            }
        }
    }

    /// The time since then was not spent on this run.
    fn rest(&self, since: Instant) {
        self.paused_for.set(self.paused_for.get() + since.elapsed());
    }

    fn answer(&self, command: Command) -> Result<(), ScoreError> {
        match command {
            Command::Pause => self.hold(),
            Command::Resume => {
                self.hold_at.set(None);
                self.release();
            }
            Command::Step(steps) => {
                self.hold_at.set(Some(self.done.get() + steps.max(1)));
                self.release();
            }
            Command::Stop => return Err(ScoreError::Stopped),
            command @ (Command::Start { .. } | Command::Branch { .. }) => {
                self.desk.put(command);
                return Err(ScoreError::Stopped);
            }
            Command::Inspect(model) => self.desk.inspect(model),
            Command::RecordLimit(bytes) => {
                self.recorder.borrow_mut().set_limit(bytes);
                self.desk.put(Command::RecordLimit(bytes));
            }
            Command::Flow { id, job, device } if job.lane().is_some() => {
                let since = Instant::now();
                self.desk.work(Asked { id, job, device }, true);
                self.rest(since);
            }
            command @ (Command::Flow { .. } | Command::StopJob(_) | Command::Exchange { .. }) => self.desk.put(command),
        }
        Ok(())
    }

    fn hold(&self) {
        if !self.held.replace(true) {
            self.flush();
            self.desk.channels.say(Event::Paused(self.id));
        }
    }

    fn release(&self) {
        if self.held.replace(false) {
            self.desk.channels.say(Event::Resumed(self.id));
        }
    }

    /// The time since then was spent on this part of the work.
    pub(super) fn spend(&self, part: impl FnOnce(&mut Spent) -> &mut Duration, since: Instant) {
        let mut spent = self.spent.get();
        *part(&mut spent) += since.elapsed();
        self.spent.set(spent);
    }

    /// Time computing, without pauses.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.paused_for.get())
    }

    /// Records a moment and shows it, unless another was shown a moment ago.
    pub(super) fn publish(&self, newest: Recorded, steps: usize, evaluations: Option<usize>) {
        self.done.set(newest.step);
        let kept = Arc::new(Recorded { on_gpu: None, ..newest.clone() });
        self.recorder.borrow_mut().push(kept.clone());
        let newest = if newest.on_gpu.is_some() { Arc::new(newest) } else { kept };

        let progress = self.progress(newest.step, steps, evaluations);
        // The timeline is filled in when the snapshot is sent.
        let snapshot = Snapshot { id: self.id, progress, newest, timeline: Arc::default() };
        self.unshown.replace(Some(snapshot));
        if self.shown_at.get().is_none_or(|shown| shown.elapsed() >= FRAME) {
            self.flush();
        }
    }

    /// Shows the newest moment if it has not been shown yet.
    pub(super) fn flush(&self) {
        if let Some(mut snapshot) = self.unshown.take() {
            snapshot.timeline = self.recorder.borrow().timeline();
            self.shown_at.set(Some(Instant::now()));
            self.desk.channels.show(Arc::new(snapshot));
        }
    }

    fn progress(&self, step: usize, steps: usize, evaluations: Option<usize>) -> Progress {
        let elapsed = self.elapsed();
        let seconds = elapsed.as_secs_f64().max(1e-9);
        let nfe = self.nfe.get();
        // Where the evaluations to come are not known, the steps are.
        let (done, whole) = evaluations.map_or((step, steps), |evaluations| (nfe, evaluations));
        let left = seconds / done.max(1) as f64 * whole.saturating_sub(done) as f64;
        let running = step < steps && nfe > 0;
        Progress {
            step,
            steps,
            nfe,
            elapsed,
            evaluations_per_second: self.image_evaluations.get() as f64 / seconds,
            left: Duration::try_from_secs_f64(left).ok().filter(|_| running).unwrap_or_default(),
            recorded_bytes: self.recorder.borrow().bytes(),
            spent: self.spent.get(),
        }
    }
}
