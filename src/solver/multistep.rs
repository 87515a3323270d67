//! DPM-Solver's multistep update, of which several solvers are cases.

use super::estimate::{Exponential, Prediction};
use super::{Observer, Process, Purpose};
use crate::Image;
use crate::registry::{About, Parameter, Settings};
use crate::score::ScoreError;

/// The form of the second-order term.
pub const FORM: Parameter = Parameter::choice("form", "midpoint", || vec![&MIDPOINT, &HEUN])
    .named(
        "Form",
        "Form",
        "Form of the second-order term: the midpoint rule's, or the exact integral of a straight line",
    )
    .rare();

static MIDPOINT: About = About {
    slug: "midpoint",
    name: "Midpoint",
    summary: "The extrapolation to the middle of the step, as published for 2M",
    source: "",
    parameters: &[],
};
static HEUN: About = About {
    slug: "heun",
    name: "Heun",
    summary: "The exact integral of a straight line (taylor in the original code)",
    source: "",
    parameters: &[],
};

/// Whether the exact integral of a straight line is taken.
pub(super) fn is_heun(settings: &Settings) -> bool {
    settings.option(&FORM) == HEUN.slug
}

/// Below how many steps a run ends with lower orders.
pub(super) const fn lower(usual: u64) -> Parameter {
    Parameter::whole("lower_below", usual, 0, 100_000)
        .named("Lower order below", "Lower below", "Runs of fewer steps than this end with steps of lower order")
        .rare()
}

/// Whether the last step is of first order, however many there are.
pub const EULER_LAST: Parameter = Parameter::flag("euler_at_final", false)
    .named(
        "Euler at the end",
        "Euler last",
        "Last step of first order, however many there are (diffusers' euler_at_final)",
    )
    .rare();

/// The order of a step: at most `order`, one more than there are past values, and at the end of short runs the number
/// of steps that are left.
pub(super) fn order_of(
    settings: &Settings,
    lower: &Parameter,
    order: usize,
    past: usize,
    steps: usize,
    done: usize,
) -> usize {
    let short = (steps as u64) < settings.whole(lower);
    order.min(past + 1).min(if short { steps - done } else { order })
}

/// How the second difference enters a step of third order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Third {
    /// As published: half of it, so that the method is of second order.
    Published,
    /// The integral of the parabola.
    Exact,
    /// As in diffusers, whose sign differs in the SDE: of first order.
    Diffusers,
}

/// A multistep method.
pub(super) struct Multistep {
    pub order: usize,
    pub prediction: Prediction,
    /// Share of the reverse SDE's variance.
    pub eta: f64,
    pub heun: bool,
    pub third: Third,
    pub lower: &'static Parameter,
}

impl Multistep {
    /// Follows a process.
    pub(super) fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        // Parts of past states, newest first, and the lengths of the steps after them in λ.
        let mut past: Vec<(f64, Image)> = Vec::new();
        for (done, step) in process.steps.iter().enumerate() {
            let (level, target) = process.ends(step);
            let estimate = process.estimate(&x, level)?;
            let part = estimate.part(self.prediction);
            let exact = Exponential::new(self.prediction, level, target, self.eta);
            let first_order = settings.flag(&EULER_LAST) && done + 1 == process.steps.len();
            let order = match target.sigma > 0.0 && exact.h.is_finite() && !first_order {
                true => order_of(settings, self.lower, self.order, past.len(), process.steps.len(), done),
                false => 1,
            };
            let z = || process.noise.normal(step.index, Purpose::Predictor);
            let terms = self.terms(&exact, part, &past[..order - 1]);
            x = process.arrive(step, exact.step(&x, terms, &z))?;
            if estimate.show(observer, step, &x).is_break() {
                break;
            }
            past.insert(0, (exact.h, part.clone()));
            past.truncate(self.order - 1);
        }
        Ok(x)
    }

    /// What is added to the state: P and past ones, with the weights that their differences have in units of the step.
    fn terms<'a>(&self, exact: &Exponential, part: &'a Image, past: &'a [(f64, Image)]) -> Vec<(f64, &'a Image)> {
        let [(h0, before), earlier @ ..] = past else { return vec![(exact.weight, part)] };
        let r0 = h0 / exact.h;
        let [(h1, second), ..] = earlier else {
            let weight = if self.heun { exact.scale * exact.phi2() } else { 0.5 * exact.weight };
            return exact.along(part, [(weight, -r0, before)]);
        };
        let r1 = h1 / exact.h;
        let share = if r1.is_finite() { r0 / (r0 + r1) } else { 0.0 };
        let weight = match self.third {
            Third::Published => -exact.phi3(),
            Third::Exact => -2.0 * exact.phi3(),
            Third::Diffusers => -exact.phi3() - 1.0,
        };
        // Of the last slope, and of its change since the one before.
        let [slope, change] = [exact.scale * exact.phi2(), exact.scale * weight / (r0 + r1)];
        let change = change + slope * share;
        vec![
            (exact.weight + (slope + change) / r0, part),
            (-(slope + change) / r0 - change / r1, before),
            (change / r1, second),
        ]
    }
}
