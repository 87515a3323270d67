//! Steps found for a model by dynamic programming over its trajectories (GITS: Chen et al. 2024, section 4.2).

use super::Run;
use crate::registry::Choice;
use crate::sde::Sde;
use crate::solver::{DpmSolverPlusPlus, Edm, Observer, StepState};
use rayon::prelude::*;
use std::ops::ControlFlow;

/// A search for the steps that lose the least of a model's own trajectories.
///
/// Samples walk a fine grid; from each of its levels to each later one it is known how far one step of Euler's method
/// would end from where they are. Of all ways of so many steps that one is taken whose errors add up to the least, the
/// sum so far being multiplied by [`GROWTH`] at each step. The levels serve any solver.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSearch {
    /// The model, its family and what leads it; the seed and number of the trajectories; and the solver that the steps
    /// are for.
    pub run: Run,
    /// The numbers of steps that are wanted.
    pub wanted: Vec<usize>,
}

/// Why there is nothing to search.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("steps can be found for 2 to {most} of them, not for {0}; choose such numbers, as 5,8,10", most = StepSearch::FINE / 2)]
pub struct StepSearchError(pub usize);

/// By what the errors so far are multiplied at each step, as published for a fine grid of 61 levels.
const GROWTH: f64 = 1.15;

impl StepSearch {
    /// Steps of the fine grid.
    pub const FINE: usize = 60;
    /// Trajectories, where nothing else is wanted: as published.
    pub const USUAL_COUNT: usize = 256;

    /// Whether there are as many steps as are wanted.
    ///
    /// # Errors
    /// If there are not.
    pub fn check(&self) -> Result<(), StepSearchError> {
        let fits = |wanted: &&usize| !(2..=StepSearch::FINE / 2).contains(*wanted);
        self.wanted.iter().find(fits).map_or(Ok(()), |&wanted| Err(StepSearchError(wanted)))
    }

    /// The run whose trajectories are watched.
    pub fn fine(&self) -> Run {
        let steps = super::Steps::new(StepSearch::FINE).unwrap_or(self.run.steps);
        Run {
            solver: Choice::new(&DpmSolverPlusPlus),
            grid: Choice::new(&Edm),
            steps,
            denoise: true,
            ..self.run.clone()
        }
    }
}

/// Trajectories, level by level: y = x/α, in which a step of Euler's method is a straight line in ρ = σ/α.
pub struct Trajectories<'a> {
    sde: &'a dyn Sde,
    /// ρ of each level, last that of clean data, 0.
    ratios: Vec<f64>,
    /// All samples at each level.
    states: Vec<Vec<f32>>,
    /// What the model took them for there, but at the last.
    clean: Vec<Vec<f32>>,
    /// The device failed.
    failed: bool,
}

impl<'a> Trajectories<'a> {
    /// Trajectories that begin with these samples at the time `t`.
    pub fn new(sde: &'a dyn Sde, t: f64, x: &crate::Image) -> Self {
        let mut all = Trajectories { sde, ratios: Vec::new(), states: Vec::new(), clean: Vec::new(), failed: false };
        all.push(t, x);
        all
    }

    fn push(&mut self, t: f64, x: &crate::Image) {
        let level = if t > 0.0 { self.sde.level(t) } else { crate::sde::Level::CLEAN };
        self.ratios.push(level.ratio());
        match x.clone().mul_scalar(1.0 / level.alpha).into_data().try_to_vec_as::<f32>() {
            Ok(values) => self.states.push(values),
            Err(_) => self.failed = true,
        }
    }

    /// The best levels in so many steps: ρ where each begins, and 0.
    pub fn best(&self, wanted: &[usize]) -> Vec<Vec<f64>> {
        let costs = self.costs();
        wanted.iter().map(|&steps| best(&costs, steps).iter().map(|&level| self.ratios[level]).collect()).collect()
    }

    /// The mean distance, for each level and each later one, of Euler's step from where samples are.
    fn costs(&self) -> Vec<Vec<f64>> {
        let levels = self.ratios.len();
        let distance = |from: usize, to: usize| {
            let share = (self.ratios[to] / self.ratios[from]) as f32;
            let here = self.states[from].iter().zip(&self.clean[from]);
            let square = |((y, clean), end): ((&f32, &f32), &f32)| f64::from(clean + share * (y - clean) - end).powi(2);
            let sum: f64 = here.zip(&self.states[to]).map(square).sum();
            (sum / self.states[from].len().max(1) as f64).sqrt()
        };
        let row =
            |from: usize| (0..levels).map(|to| if to > from { distance(from, to) } else { f64::INFINITY }).collect();
        (0..levels.saturating_sub(1)).into_par_iter().map(row).collect()
    }
}

impl Observer for Trajectories<'_> {
    fn observe(&mut self, state: &StepState<'_>) -> ControlFlow<()> {
        match state.denoised.to_data().try_to_vec_as::<f32>() {
            Ok(values) => self.clean.push(values),
            Err(_) => self.failed = true,
        }
        self.push(state.step.next, state.x);
        if self.failed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The levels that `steps` steps pass, from the first to the last, whose costs add up to the least.
fn best(costs: &[Vec<f64>], steps: usize) -> Vec<usize> {
    let last = costs.len();
    // The least cost from each level to the last in so many steps, and the level after it on that way.
    let mut ways: Vec<Vec<(f64, usize)>> = vec![costs.iter().map(|row| (row[last], last)).collect()];
    for _ in 1..steps {
        let before = &ways[ways.len() - 1];
        let way = |from: usize| {
            let through = (from + 1..last).map(|to| (costs[from][to] + GROWTH * before[to].0, to));
            through.fold((f64::INFINITY, last), |least, way| if way.0 < least.0 { way } else { least })
        };
        let longer = (0..last).map(way).collect();
        ways.push(longer);
    }
    let mut passed = vec![0];
    for way in ways.iter().rev() {
        let at = passed[passed.len() - 1];
        if at == last {
            break;
        }
        passed.push(way[at].1);
    }
    passed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against all ways there are.
    #[test]
    fn the_best_way_is_the_best_of_all() {
        let mut random = fastrand::Rng::with_seed(3);
        let last = 8;
        let row = |from: usize, random: &mut fastrand::Rng| {
            (0..=last)
                .map(|to| if to > from { random.f64() * (to - from).pow(2) as f64 } else { f64::INFINITY })
                .collect()
        };
        let costs: Vec<Vec<f64>> = (0..last).map(|from| row(from, &mut random)).collect();
        // The cost of a way, from its end on.
        let cost = |way: &[usize]| way.windows(2).rev().fold(0.0, |sum, two| costs[two[0]][two[1]] + GROWTH * sum);
        for steps in 2..6 {
            let found = best(&costs, steps);
            assert_eq!((found.len(), found[0], found[steps]), (steps + 1, 0, last));
            let inner = |bits: u32| (1..last).filter(move |level| bits >> level & 1 == 1);
            let ways = (0u32..1 << last).filter(|&bits| bits & 1 == 0 && inner(bits).count() == steps - 1);
            let least = ways
                .map(|bits| cost(&std::iter::once(0).chain(inner(bits)).chain([last]).collect::<Vec<_>>()))
                .fold(f64::INFINITY, f64::min);
            assert!((cost(&found) - least).abs() < 1e-12, "{steps}: {} for {least}", cost(&found));
        }
    }
}
