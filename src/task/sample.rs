//! Sampling: from the prior, or from a branch point, to data.

use super::{Origin, Run};
use crate::Image;
use crate::score::{ScoreError, ScoreModel};
use crate::sde::{Level, Range, Sde, Step};
use crate::solver::{Destination, Noise, NoiseSource, Observer, Process, Purpose, StepState};
use std::ops::ControlFlow;

/// The part of the time grid that a run walks with a given model.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The steps, noise end first.
    pub steps: Vec<Step>,
    /// The range of x(0) in this run.
    pub range: Range,
    /// One sentence for each thing that differs from what was asked.
    pub notices: Vec<String>,
}

impl Plan {
    /// Lays the run's grid over the times at which `model` (already in the run's range) is valid.
    pub fn new(run: &Run, model: &dyn ScoreModel) -> Plan {
        Plan::starting(run, model, 1.0)
    }

    /// The same from the time `latest` (0 to 1) on: the whole number of steps covers what is left.
    pub(super) fn starting(run: &Run, model: &dyn ScoreModel, latest: f64) -> Plan {
        let sde = run.family.sde();
        let (start, end, notices) = valid_times(sde, run.grid.entry().last_time(sde), model.ratios());
        let start = start.min(latest);
        let mut steps = run.grid.steps(sde, run.steps.get(), start, end);
        if let Origin::Branch { parent, step } = &run.origin {
            steps = cut(steps, Plan::new(parent, model).time_after(*step), *step);
        }
        Plan { steps, range: run.family.facts().range, notices }
    }

    /// What is left after `done` steps, which led to the time `t`.
    pub fn after(&self, t: f64, done: usize) -> Plan {
        Plan { steps: cut(self.steps.clone(), t, done), ..self.clone() }
    }

    /// Time of x after `step` steps of this plan.
    pub fn time_after(&self, step: usize) -> f64 {
        match step.checked_sub(1) {
            None => self.steps.first().map_or(1.0, |first| first.t),
            Some(done) => self.steps.get(done).map_or(0.0, |last| last.next),
        }
    }

    /// Where the last step arrives: what the run says of clean data, but a list of levels may end before.
    pub fn destination(&self, run: &Run) -> Destination {
        let ends = self.steps.last().is_none_or(|last| last.next == 0.0);
        if ends { run.destination() } else { Destination::Noise }
    }

    /// Times of the first state and after each step.
    pub fn times(&self) -> Vec<f64> {
        (0..=self.steps.len()).map(|step| self.time_after(step)).collect()
    }

    /// α and σ at each of [`Plan::times`].
    pub fn levels(&self, sde: &dyn Sde) -> Vec<Level> {
        let first = self.steps.first().map(|step| sde.level(step.t));
        first.into_iter().chain(self.steps.iter().map(|step| sde.target(step))).collect()
    }
}

/// The first and last time at which the score is asked for, inside the model's trained σ/α.
fn valid_times(sde: &dyn Sde, last: f64, ratios: Option<(f64, f64)>) -> (f64, f64, Vec<String>) {
    let (mut start, mut end, mut notices) = (1.0, last, Vec::new());
    let Some((lowest, highest)) = ratios else { return (start, end, notices) };
    // A part in a million is rounding, not a different range.
    if sde.level(start).ratio() > highest * (1.0 + 1e-6) {
        start = sde.time_of_ratio(highest);
        notices.push(format!(
            "The model covers σ/α up to {highest:.3}, so this run starts at t = {start:.4} instead of 1."
        ));
    }
    if sde.level(end).ratio() < lowest * (1.0 - 1e-6) {
        end = sde.time_of_ratio(lowest).min(start);
        notices.push(format!(
            "The model covers σ/α down to {lowest:.2e}, so the score is last evaluated at t = {end:.2e}."
        ));
    }
    (start, end, notices)
}

/// The steps below the time `from`, the first of them made to begin there. `done` steps came
/// before: their noise is in x already, so that no later step may draw from the same address.
pub(super) fn cut(steps: Vec<Step>, from: f64, done: usize) -> Vec<Step> {
    let mut rest: Vec<Step> = steps.into_iter().filter(|step| step.next < from).collect();
    let shift = rest.first().map_or(0, |first| done.saturating_sub(first.index));
    rest.iter_mut().for_each(|step| step.index += shift);
    if let Some(first) = rest.first_mut().filter(|first| first.t != from) {
        // The published tables know their own times only.
        *first = Step { t: from, table: None, ..*first };
    }
    rest
}

/// Runs `plan` from `start` (or from the prior) and returns the last state.
///
/// # Errors
/// Whatever the score model answers.
pub fn sample(
    run: &Run,
    plan: &Plan,
    model: &dyn ScoreModel,
    start: Option<Image>,
    noise: &Noise,
    observer: &mut dyn Observer,
) -> Result<Image, ScoreError> {
    let sde = run.family.sde();
    let x = start.unwrap_or_else(|| prior(sde, plan, noise));
    run.solver.solve(&Process::free(model, sde, &plan.steps, run.denoise, noise), x, observer)
}

/// x(T): the prior, or where a plan starts inside the trained range noise of that level.
pub fn prior(sde: &dyn Sde, plan: &Plan, noise: &Noise) -> Image {
    let start = plan.time_after(0);
    let std = if start >= 1.0 { sde.prior_std() } else { sde.sigma(start) };
    noise.normal(0, Purpose::Prior) * std
}

/// The model that a run samples, in its own range: clipped and led as the run says.
pub type ModelOf<'a> = &'a dyn Fn(&Run) -> Box<dyn ScoreModel + 'a>;

/// The state that a branch starts from, by running its parents again; `None` for the prior. `noise` is that of the run.
///
/// # Errors
/// Whatever the score model answers.
pub fn first_state(run: &Run, model_of: ModelOf, noise: &Noise) -> Result<Option<Image>, ScoreError> {
    let Origin::Branch { parent, step } = &run.origin else { return Ok(None) };
    let noise = Noise { seed: parent.seed, ..noise.clone() };
    let model = &*model_of(parent);
    let plan = Plan::new(parent, model);
    let start = first_state(parent, model_of, &noise)?;
    sample(parent, &plan, model, start, &noise, &mut Until(*step)).map(Some)
}

/// Lets a solver go on for a number of steps.
pub(super) struct Until(pub(super) usize);

impl Observer for Until {
    fn observe(&mut self, _state: &StepState<'_>) -> ControlFlow<()> {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
