//! Samples of a cell, by their numbers.

use super::Compare;
use crate::Pixels;
use crate::compare::{BLOCK, Comparison};
use crate::engine::guides::in_run;
use crate::engine::loader::Loaded;
use crate::engine::progress::Place;
use crate::engine::watched::Watched;
use crate::engine::{Context, Ending};
use crate::score::{ScoreError, ScoreModel};
use crate::sde::unit;
use crate::solver::{Noise, NoiseSource, Observer, Purpose, StepState};
use crate::task::{Plan, Run, sample};
use std::cell::Cell;
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

/// Samples that are drawn together, of 3×32×32 on the CPU: more are not faster there, and would be lost together.
const TOGETHER_ON_CPU: u64 = 16;
/// Samples of 3×32×32 in one evaluation.
const BATCH: usize = 64;
/// Progress is told no more often than this.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Draws samples of an open model.
pub(super) struct Draws<'a> {
    loaded: &'a Loaded,
    context: &'a Context<Compare>,
}

/// Samples that follow each other.
pub(super) struct Drawn {
    /// Images in [0, 1], or points; N×C×H×W.
    pub samples: Pixels<f32>,
    /// Score evaluations of all of them together.
    pub evaluations: u64,
}

impl<'a> Draws<'a> {
    pub fn new(loaded: &'a Loaded, context: &'a Context<Compare>) -> Self {
        Draws { loaded, context }
    }

    /// The samples from `first` on that are drawn together: whole blocks where they depend on each other, else as many as are
    /// fast, which changes nothing in them.
    pub fn chunk(&self, first: u64, end: u64, coupled: bool) -> Range<u64> {
        let (_, device) = self.context.device();
        let most = if coupled || device.gpu { BLOCK } else { TOGETHER_ON_CPU };
        let block = (first / BLOCK + 1) * BLOCK;
        first..(first + most).min(block).min(end)
    }

    /// Draws samples. `place` says where the task is after so many score evaluations.
    pub fn draw(&self, run: &Run, range: Range<u64>, place: &dyn Fn(f64) -> Place) -> Result<Drawn, ScoreError> {
        let (context, shape) = (self.context, self.loaded.model.shape());
        let watched = Watched::new(&*self.loaded.model, context, BATCH);
        let model = &*in_run(&watched, run);
        let plan = Plan::new(run, model);
        let (first, count) = (range.start as usize, (range.end - range.start) as usize);
        let noise = Noise { seed: run.seed, first, count, shape, device: context.device().0.clone() };
        let before = context.meter.evaluations();
        let since = || context.meter.evaluations() - before;
        let mut telling = Telling { context, place, since: &since, told: Cell::new(None) };
        let x = sample(run, &plan, model, None, &noise, &mut telling)?;
        let values: Vec<f32> = x.try_into_vec_as().map_err(ScoreError::from)?;
        if !values.iter().all(|value| value.is_finite()) {
            return Err(ScoreError::NotFinite {
                ratio: plan.levels(run.family.sde()).last().map_or(0.0, |last| last.ratio()),
            });
        }
        let [c, h, w] = shape;
        let state = Pixels { shape: [count, c, h, w], values: values.into() };
        let mut samples = unit(&state, model.range());
        if model.range().is_some() {
            samples.values = samples.values.iter().map(|value| value.clamp(0.0, 1.0)).collect();
        }
        Ok(Drawn { samples, evaluations: since() as u64 })
    }

    /// Score evaluations a second, from two of them.
    pub fn speed(&self, comparison: &Comparison) -> Result<f64, Ending> {
        let (context, shape) = (self.context, self.loaded.model.shape());
        let model = Watched::new(&*self.loaded.model, context, BATCH);
        let count = TOGETHER_ON_CPU as usize;
        let device = context.device().0.clone();
        let noise = Noise { seed: 0, first: 0, count, shape, device };
        let x = noise.normal(0, Purpose::Prior);
        let level = comparison.family.sde().level(0.5);
        let mut fastest = f64::INFINITY;
        for _ in 0..2 {
            let began = Instant::now();
            // What is read back is there.
            let _: Vec<f32> = model.score(&x, &[level])?.try_into_vec_as().map_err(ScoreError::from)?;
            fastest = fastest.min(began.elapsed().as_secs_f64());
        }
        Ok(count as f64 / fastest.max(1e-9))
    }
}

/// Tells how far the samples are.
struct Telling<'a> {
    context: &'a Context<Compare>,
    place: &'a dyn Fn(f64) -> Place,
    since: &'a dyn Fn() -> usize,
    told: Cell<Option<Instant>>,
}

impl Observer for Telling<'_> {
    fn observe(&mut self, _state: &StepState<'_>) -> ControlFlow<()> {
        if self.told.get().is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.context.at((self.place)((self.since)() as f64));
            self.told.set(Some(Instant::now()));
        }
        ControlFlow::Continue(())
    }
}
