//! How far a task is, and how long it has taken.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How far a task is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Steps done, of `steps`; both 0 where a task has no steps.
    pub step: usize,
    pub steps: usize,
    /// How much of the task is done, 0 to 1.
    pub share: f64,
    /// Score evaluations so far, per sample.
    pub nfe: usize,
    /// Time computing, without pauses and without the turns of other tasks.
    pub elapsed: Duration,
    /// Image evaluations a second.
    pub evaluations_per_second: f64,
    /// Estimated time left; zero when done, or while nothing is known of it.
    pub left: Duration,
    /// Bytes that the recorder holds.
    pub recorded_bytes: usize,
    pub spent: Spent,
}

/// Where the time of a task went; the rest is the solver's own arithmetic and its noise. A GPU computes later than it is
/// asked to, so that it shows in whatever waits for its results.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// In the score model.
    pub model: Duration,
    /// Recording moments and telling of them.
    pub recording: Duration,
}

/// How far a task is, as it knows itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub(super) step: usize,
    pub(super) steps: usize,
    pub(super) share: f64,
}

/// A task's clock, and its counter of evaluations.
#[derive(Debug)]
pub(super) struct Meter {
    began: Cell<Instant>,
    /// Held, and waiting for a turn.
    paused: Cell<Duration>,
    waited: Cell<Duration>,
    /// Evaluations of single samples.
    evaluations: Cell<usize>,
    /// Those that led to the first state, which are not its own.
    before: Cell<usize>,
    samples: Cell<usize>,
    spent: Cell<Spent>,
}

impl Meter {
    pub(super) fn new() -> Meter {
        Meter {
            began: Cell::new(Instant::now()),
            paused: Cell::default(),
            waited: Cell::default(),
            evaluations: Cell::new(0),
            before: Cell::new(0),
            samples: Cell::new(1),
            spent: Cell::default(),
        }
    }

    /// The clock starts, of a task of so many samples.
    pub(super) fn begin(&self, samples: usize) {
        self.began.set(Instant::now());
        self.samples.set(samples.max(1));
    }

    /// From here on evaluations are the task's own.
    pub(super) fn count_from_here(&self) {
        self.before.set(self.evaluations.get());
        self.spent.take();
    }

    /// The task is back where it had taken so many evaluations per sample.
    pub(super) fn back_to(&self, nfe: usize) {
        self.evaluations.set(self.before.get() + nfe * self.samples.get());
    }

    /// `samples` were evaluated, which took so long.
    pub(super) fn evaluated(&self, samples: usize, time: Duration) {
        self.evaluations.set(self.evaluations.get() + samples);
        self.spend(|spent| &mut spent.model, time);
    }

    /// Evaluations of single samples so far.
    pub(super) fn evaluations(&self) -> usize {
        self.evaluations.get()
    }

    /// Time that was spent on this part of the work.
    pub(super) fn spend(&self, part: impl FnOnce(&mut Spent) -> &mut Duration, time: Duration) {
        let mut spent = self.spent.get();
        *part(&mut spent) += time;
        self.spent.set(spent);
    }

    /// The time since then was a pause.
    pub(super) fn paused(&self, since: Instant) {
        self.paused.set(self.paused.get() + since.elapsed());
    }

    /// The time since then was a wait for a turn.
    pub(super) fn waited(&self, since: Instant) {
        self.waited.set(self.waited.get() + since.elapsed());
    }

    /// Score evaluations so far, per sample.
    pub(super) fn nfe(&self) -> usize {
        (self.evaluations.get() - self.before.get()) / self.samples.get()
    }

    /// All that is known of a task that is at this place.
    pub(super) fn progress(&self, Place { step, steps, share }: Place) -> Progress {
        // The others will go on taking their turns: what is left will last as what is done did.
        let lasted = self.began.get().elapsed().saturating_sub(self.paused.get());
        let elapsed = lasted.saturating_sub(self.waited.get());
        let share = share.clamp(0.0, 1.0);
        let left = lasted.as_secs_f64() * (1.0 - share) / share;
        Progress {
            step,
            steps,
            share,
            nfe: self.nfe(),
            elapsed,
            evaluations_per_second: self.evaluations.get() as f64 / elapsed.as_secs_f64().max(1e-9),
            left: Duration::try_from_secs_f64(left).ok().filter(|_| share > 0.0).unwrap_or_default(),
            recorded_bytes: 0,
            spent: self.spent.get(),
        }
    }
}
