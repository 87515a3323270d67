//! Multistep methods of Adams and Bashforth on dy/dρ = ε̂, with y = x/α and ρ = σ/α: LMS, iPNDM and DEIS differ in the
//! weights of the slopes alone.

use super::estimate::{Estimate, transfer};
use super::{Observer, Process};
use crate::Image;
use crate::network::Sum;
use crate::registry::{Parameter, Settings};
use crate::score::ScoreError;
use crate::sde::Level;

/// The number of slopes.
pub const ORDER: Parameter = order(4, 4);

/// [`ORDER`] with another usual value, at most `most`.
pub(super) const fn order(usual: u64, most: u64) -> Parameter {
    Parameter::whole("order", usual, 1, most)
        .named("Order", "Order", "Order: how many past evaluations a step uses")
        .optional()
}

/// Whether the first slope is y/√(ρ² + 1), for which nothing is evaluated: where a run begins, almost all of a state is
/// noise.
pub const ANALYTIC_FIRST: Parameter = Parameter::flag("analytic_first", false)
    .named(
        "Analytic first step",
        "Free first",
        "First slope x/√(σ² + α²), as if x were noise alone: one evaluation less (Dockhorn et al. 2022)",
    )
    .rare();

/// Evaluations of so many steps.
pub(super) fn evaluations(settings: &Settings, steps: usize) -> usize {
    steps.saturating_sub(settings.flag(&ANALYTIC_FIRST).into())
}

/// The parts of `x` as if it were noise alone, of the variance of a state of standard normal data.
fn of_noise_alone(x: &Image, level: Level) -> Estimate {
    let noise = Sum::of(1.0 / level.alpha.hypot(level.sigma), x).tensor();
    Estimate { level, clean: transfer(x, &noise, level, Level::CLEAN).tensor(), noise }
}

/// Follows a process: y ← y + Σ w·ε̂, with `weights` of the newest slopes, newest first, from the σ/α of these slopes and
/// of the step's end. `order` says how many slopes a step has, from how many there are and how many steps are done.
pub(super) fn adams(
    settings: &Settings,
    process: &Process<'_>,
    mut x: Image,
    observer: &mut dyn Observer,
    order: impl Fn(usize, usize) -> usize,
    weights: impl Fn(&[f64], f64) -> Vec<f64>,
) -> Result<Image, ScoreError> {
    let mut past: Vec<(f64, Image)> = Vec::new();
    for (done, step) in process.steps.iter().enumerate() {
        let (level, target) = process.ends(step);
        // What goes on from a later moment, such as a branch, is not noise alone.
        let estimate = match step.index == 0 && settings.flag(&ANALYTIC_FIRST) {
            true => of_noise_alone(&x, level),
            false => process.estimate(&x, level)?,
        };
        past.insert(0, (level.ratio(), estimate.noise.clone()));
        past.truncate(order(past.len(), done));
        let ratios: Vec<f64> = past.iter().map(|(ratio, _)| *ratio).collect();
        let weights = weights(&ratios, target.ratio());
        let slopes = weights.iter().zip(&past).map(|(weight, (_, slope))| (target.alpha * weight, slope));
        // Where α = 0 all is noise, and of x̂(0) nothing is known.
        let next = match level.alpha > 0.0 {
            true => Sum::of(target.alpha / level.alpha, &x).plus_all(slopes).tensor(),
            false => estimate.noise.clone() * target.sigma,
        };
        x = process.arrive(step, next)?;
        if estimate.show(observer, step, &x).is_break() {
            break;
        }
    }
    Ok(x)
}

/// The order that is set.
pub(super) fn order_of(settings: &Settings, parameter: &Parameter) -> usize {
    (settings.whole(parameter) as usize).clamp(1, 4)
}
