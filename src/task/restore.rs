//! Restoring: samples of the posterior of a measured picture.

use super::sample::{Until, cut};
use super::{Fork, Observation, Plan, Resampling, Restoration, RestorationError, prior};
use crate::Image;
use crate::score::{Condition, ScoreError, ScoreModel};
use crate::sde::{Sde, Step, Transition};
use crate::solver::{Constraint, Destination, Noise, NoiseSource, Observer, Posterior, Process, Purpose, StepState};
use std::ops::ControlFlow;

impl Restoration {
    /// The steps that this restoration takes with `model` (already in the run's range): those of the grid from the
    /// start time on, each leg of them as often as resampling says. Their indices run on through all passes,
    /// so that no noise is drawn twice. A branch takes what is left of its parent's steps where it would have taken the
    /// same ones, else those of its own that lie below the time of the state that it goes on from.
    pub fn plan(&self, model: &dyn ScoreModel) -> Plan {
        let mut plan = Plan::starting(&self.run, model, self.strength);
        let passes = |steps: Vec<Step>| match self.resampling {
            Some(resampling) => resampled(&steps, resampling),
            None => steps,
        };
        let Some(fork) = &self.fork else { return Plan { steps: passes(plan.steps), ..plan } };
        let before = fork.parent.plan(model);
        if passes(plan.steps.clone()).ends_with(&before.steps) {
            return Plan { steps: before.steps.get(fork.step..).unwrap_or_default().to_vec(), ..plan };
        }
        let used = fork.arrived(&before).map_or(0, |last| last.index + 1);
        plan.steps = passes(cut(plan.steps, before.time_after(fork.step), used));
        plan.steps.iter_mut().enumerate().for_each(|(place, step)| step.index = used + place);
        plan
    }

    /// Score evaluations of a plan; `None` where the solver chooses its own steps.
    pub fn evaluations(&self, plan: &Plan) -> Option<usize> {
        let to = |leg: &[Step]| match leg.last() {
            Some(last) if last.next > 0.0 => Destination::Noise,
            _ => self.run.destination(),
        };
        legs(&plan.steps).map(|leg| self.run.solver.evaluations(leg.len(), to(leg))).sum()
    }

    /// x where the plan starts: the prior, the given picture under noise, or what the parent comes to when it is held
    /// to the same observation.
    ///
    /// # Errors
    /// If the picture does not fit the model, or whatever the score model answers.
    pub fn first_state(
        &self,
        plan: &Plan,
        model: &dyn ScoreModel,
        observation: &Observation,
        noise: &Noise,
    ) -> Result<Image, RestorationError> {
        if let Some(fork) = &self.fork {
            return fork.state(model, observation, noise);
        }
        let sde = self.run.family.sde();
        if self.strength >= 1.0 {
            return Ok(prior(sde, plan, noise));
        }
        let (level, guide) = (sde.level(plan.time_after(0)), observation.guide(self, model, &noise.device)?);
        Ok(noise.normal(0, Purpose::Prior) * level.sigma + guide * level.alpha)
    }
}

impl Fork {
    /// The last of the parent's steps that were done.
    fn arrived(&self, plan: &Plan) -> Option<Step> {
        plan.steps.get(self.step.checked_sub(1)?).copied()
    }

    /// The state that a branch goes on from, by doing the parent's steps again.
    fn state(
        &self,
        model: &dyn ScoreModel,
        observation: &Observation,
        noise: &Noise,
    ) -> Result<Image, RestorationError> {
        let Fork { parent, step } = self;
        let noise = Noise { seed: parent.run.seed, ..noise.clone() };
        let plan = parent.plan(model);
        let condition = Condition::new(observation.measure(parent, model, &noise.device)?);
        let start = parent.first_state(&plan, model, observation, &noise)?;
        Ok(restore(parent, &plan, model, &condition, start, &noise, &mut Until(*step))?)
    }
}

/// Runs `plan` from `start` and returns the last states, N×C×H×W in the model's range. The `condition` may be
/// exchanged on the way.
///
/// # Errors
/// Whatever the score model answers, or if it is not one that the method needs.
pub fn restore(
    restoration: &Restoration,
    plan: &Plan,
    model: &dyn ScoreModel,
    condition: &Condition,
    start: Image,
    noise: &Noise,
    observer: &mut dyn Observer,
) -> Result<Image, ScoreError> {
    let posterior = Posterior { model, condition, noise, clip: restoration.run.clip };
    let walk = |model: &dyn ScoreModel, constraint: &dyn Constraint| {
        walk(restoration, plan, model, constraint, start, noise, observer)
    };
    restoration.method.entry().solve(restoration.method.settings(), &posterior, Box::new(walk))
}

/// The legs of a plan, down by the solver, up by forward noise.
fn walk(
    restoration: &Restoration,
    plan: &Plan,
    model: &dyn ScoreModel,
    constraint: &dyn Constraint,
    mut x: Image,
    noise: &Noise,
    observer: &mut dyn Observer,
) -> Result<Image, ScoreError> {
    let (sde, solver, denoise) = (restoration.run.family.sde(), &restoration.run.solver, restoration.run.denoise);
    let mut observer = Breaking { observer, broken: false };
    // A branch may start where its parent was about to go up.
    let mut last = restoration.fork.as_ref().and_then(|fork| fork.arrived(&fork.parent.plan(model)));
    for steps in legs(&plan.steps) {
        if let (Some(last), Some(first)) = (last, steps.first())
            && first.t > last.next
        {
            x = ascend(sde, &last, first, x, noise);
        }
        let process = Process { model, sde, steps, denoise, noise, constraint };
        x = solver.solve(&process, x, &mut observer)?;
        if observer.broken {
            break;
        }
        last = steps.last().copied();
    }
    Ok(x)
}

/// Forward noise from where `last` arrived up to the start of `first`.
fn ascend(sde: &dyn Sde, last: &Step, first: &Step, x: Image, noise: &Noise) -> Image {
    let Transition { scale, std, .. } = Transition::exact(sde.target(last), sde.level(first.t));
    x * scale + noise.normal(first.index, Purpose::Ascent) * std
}

/// Remembers that the observer broke off.
struct Breaking<'a> {
    observer: &'a mut dyn Observer,
    broken: bool,
}

impl Observer for Breaking<'_> {
    fn observe(&mut self, state: &StepState<'_>) -> ControlFlow<()> {
        let answer = self.observer.observe(state);
        self.broken |= answer.is_break();
        answer
    }
}

/// Each leg of `steps` as often as is asked for, numbered anew.
fn resampled(steps: &[Step], resampling: Resampling) -> Vec<Step> {
    let legs = steps.chunks(resampling.jump());
    let all = legs.flat_map(|leg| (0..resampling.times()).flat_map(|_| leg.iter().copied()));
    all.enumerate().map(|(index, step)| Step { index, ..step }).collect()
}

/// Runs of steps each of which begins where the one before ended.
fn legs(steps: &[Step]) -> impl Iterator<Item = &[Step]> {
    steps.chunk_by(|before, after| after.t <= before.next)
}
