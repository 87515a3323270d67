use super::adams::order;
use super::estimate::{Estimate, Exponential, PREDICTION, Prediction, between};
use super::multistep::{FORM, is_heun, lower};
use super::stochastic::{Detour, eta};
use super::{Destination, Grid, LogSnr, Observer, Process, Purpose, Solver};
use crate::Image;
use crate::network::Sum;
use crate::registry::{About, Choice, Equation, Parameter, Settings, entry};
use crate::score::ScoreError;
use crate::sde::{Family, Level, Step};

const ORDER: Parameter = order(3, 3);
const LOWER: Parameter = lower(100_000);

/// Evaluations of a whole run.
pub const BUDGET: Parameter = Parameter::whole("budget", 0, 0, 1_000_000)
    .named(
        "Evaluations",
        "Budget",
        "Evaluations of the whole run; the last steps have fewer (DPM-Solver-fast). 0: no limit",
    )
    .rare();

/// How much noise a run has.
const ETA: Parameter = eta(0.0).named(
    "Eta",
    "η",
    "η: noise after each step, ancestral; with nodes at times, of the reverse SDE before each evaluation. 0: none",
);

/// Where the inner evaluations of a step lie.
pub const NODES: Parameter = Parameter::choice("nodes", "between", || vec![&BETWEEN, &STEPS])
    .named("Nodes", "Nodes", "Inner evaluations: between the grid's times, or at them, so that a step covers several")
    .rare();

static BETWEEN: About = About {
    slug: "between",
    name: "Between times",
    summary: "At fixed fractions of each step in λ, as published",
    source: "",
    parameters: &[],
};
static STEPS: About = About {
    slug: "grid",
    name: "At times",
    summary: "At the times of the grid, as diffusers has it",
    source: "",
    parameters: &[],
};

entry! {
    /// DPM-Solver++ in its singlestep form: each step starts anew, with as many evaluations as its order (Lu et al. 2022,
    /// algorithm 1, for x̂(0); Lu et al. 2022a, algorithms 1 and 2, DPM-Solver-2 and -3, for the noise). With η it is
    /// ancestral between times (k-diffusion's DPM fast), and a solver of the reverse SDE at times (diffusers).
    SinglestepDpm {
        slug: "dpm++s",
        name: "DPM++ S",
        summary: "Deterministic, order 1 to 3 with as many evaluations per step: DPM-Solver++ singlestep",
        source: "Lu et al. 2022, algorithm 1",
        parameters: [&ORDER, &PREDICTION, &FORM, &NODES, &BUDGET, &LOWER, &ETA],
    }
}

/// One step from the estimate at its start and those at its inner nodes.
struct Inner<'a> {
    prediction: Prediction,
    heun: bool,
    /// Share of the reverse SDE's variance.
    eta: f64,
    x: &'a Image,
    first: Estimate,
}

impl Inner<'_> {
    /// To `to`, from estimates at inner nodes: none, one or two.
    fn step(&self, nodes: &[&Estimate], to: Level, heun: bool, z: &dyn Fn() -> Image) -> Image {
        let exact = Exponential::new(self.prediction, self.first.level, to, self.eta);
        // Where a node lies, in units of the step.
        let place = |node: &Estimate| (node.level.lambda() - self.first.level.lambda()) / exact.h;
        let line = exact.scale * exact.phi2();
        let weights = match *nodes {
            [] => vec![],
            [_] => vec![if heun { line } else { 0.5 * exact.weight }],
            [_, _, ..] if !self.heun => vec![0.0, line],
            [near, far, ..] => {
                let (r1, r2, parabola) = (place(near), place(far), -exact.scale * exact.phi3());
                // The slope at the start, and twice what it changes by in a step, from the slopes to both.
                vec![(line * r2 - 2.0 * parabola) / (r2 - r1), (2.0 * parabola - line * r1) / (r2 - r1)]
            }
        };
        let slopes = weights.into_iter().zip(nodes).filter(|(weight, _)| *weight != 0.0);
        let slopes = slopes.map(|(weight, node)| (weight, place(node), node.part(self.prediction)));
        exact.step(self.x, exact.along(self.first.part(self.prediction), slopes), z)
    }
}

/// The order of each step of the solver, and the steps of the grid that it covers.
fn groups<'a>(settings: &Settings, steps: &'a [Step]) -> Vec<(usize, &'a [Step])> {
    let order = (settings.whole(&ORDER) as usize).clamp(1, 3);
    if settings.option(&NODES) == BETWEEN.slug {
        let mut orders = vec![order; steps.len()];
        // Where evaluations are counted, the last steps have fewer.
        let budget = settings.whole(&BUDGET) as usize;
        let mut excess = if budget > 0 { (order * steps.len()).saturating_sub(budget) } else { 0 };
        for last in orders.iter_mut().rev() {
            let less = excess.min(order - 1);
            *last -= less;
            excess -= less;
        }
        return orders.into_iter().zip(steps.chunks(1)).collect();
    }
    let mut sizes = vec![order; steps.len() / order];
    sizes.extend(Some(steps.len() % order).filter(|&rest| rest > 0));
    // The last step is of first order where it arrives at clean data, or where all the others would be full.
    let clean = steps.last().is_some_and(|last| last.next == 0.0);
    let full = steps.len().is_multiple_of(order) && (steps.len() as u64) < settings.whole(&LOWER);
    if let Some(last) = sizes.pop_if(|last| *last > 1 && (clean || full)) {
        sizes.extend([last - 1, 1]);
    }
    let mut rest = steps;
    let cut = |size: usize| {
        let (group, after) = rest.split_at(size);
        rest = after;
        (size, group)
    };
    sizes.into_iter().map(cut).collect()
}

impl Solver for SinglestepDpm {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        let (prediction, heun, eta) = (Prediction::of(settings), is_heun(settings), settings.number(&ETA));
        let [ancestral, sde] = if settings.option(&NODES) == BETWEEN.slug { [eta, 0.0] } else { [0.0, eta] };
        let least = process.steps.last().map_or(0.0, |last| process.sde.target(last).ratio());
        for (order, steps) in groups(settings, process.steps) {
            let ([first, ..], [.., last]) = (steps, steps) else { continue };
            let (level, end) = (process.sde.level(first.t), process.sde.target(last));
            let detour = Detour::above(process.sde, level, end, ancestral, least);
            let target = detour.down;
            let inner = Inner { prediction, heun, eta: sde, x: &x, first: process.estimate(&x, level)? };
            // The noise of a state that arrives where this step of the group does.
            let z = |place: usize| {
                let index = steps.get(place).unwrap_or(last).index;
                move || process.noise.normal(index, Purpose::Predictor)
            };
            let finish = |nodes: &[&Estimate]| inner.step(nodes, target, heun, &z(steps.len() - 1));
            let node = |place: usize, share: f64| match steps {
                [_] => between(process.sde, level, target, share),
                _ => process.sde.level(steps[place].t),
            };
            let at = |nodes: &[&Estimate], to: Level, heun| {
                process.estimate(&inner.step(nodes, to, heun, &z(nodes.len())), to)
            };
            let (next, estimate) = match order {
                2 if target.sigma > 0.0 => {
                    let middle = at(&[], node(1, 0.5), heun)?;
                    (finish(&[&middle]), middle)
                }
                3 if target.sigma > 0.0 => {
                    let near = at(&[], node(1, 1.0 / 3.0), heun)?;
                    // Between times the second evaluation is the exact integral of a straight line in both forms.
                    let far = at(&[&near], node(2, 2.0 / 3.0), heun || steps.len() == 1)?;
                    (finish(&[&near, &far]), far)
                }
                _ => (finish(&[]), inner.first.clone()),
            };
            let next = if detour.up > 0.0 { detour.arrive(Sum::of(1.0, &next), &z(steps.len() - 1)) } else { next };
            x = process.arrive(last, next)?;
            if estimate.show(observer, last, &x).is_break() {
                break;
            }
        }
        Ok(x)
    }

    fn evaluations(&self, settings: &Settings, steps: usize, to: Destination) -> Option<usize> {
        let next = |index| if index + 1 == steps && to != Destination::Noise { 0.0 } else { 0.5 };
        let steps: Vec<Step> = (0..steps).map(|index| Step { index, t: 0.5, next: next(index), table: None }).collect();
        let evaluations = |(order, steps): (usize, &[Step])| match steps {
            [.., last] if last.next > 0.0 => order,
            _ => 1,
        };
        Some(groups(settings, &steps).into_iter().map(evaluations).sum())
    }

    fn is_stochastic(&self, settings: &Settings) -> bool {
        settings.number(&ETA) > 0.0
    }

    fn order(&self, settings: &Settings) -> Option<f64> {
        (!self.is_stochastic(settings)).then(|| settings.number(&ORDER))
    }

    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&LogSnr)
    }

    fn equations(&self, settings: &Settings, _family: &Family) -> Vec<Equation> {
        let noise = match (self.is_stochastic(settings), settings.option(&NODES) == BETWEEN.slug) {
            (false, _) => &[][..],
            (true, true) => &[
                "to λ↓ in place of λ₋:  κ = σ/α,  κ↑ = min(κ₋, η κ₋ √(κ² − κ₋²) / κ),  κ↓² = κ₋² − κ↑²",
                "x ← (α₋/α↓) x + α₋ κ↑ z",
            ],
            (true, false) => {
                &["x, x̂₀′, x̂₀″ of the reverse SDE: with exp(−(1 + η) h), and noise σ₋ √(1 − exp(−2η h)) z"]
            }
        };
        let lines: &[&str] = match settings.whole(&ORDER) {
            1 => &["h = λ₋ − λ", "x ← (σ₋/σ) x + α₋ (1 − exp(−h)) x̂₀"],
            2 => &["h = λ₋ − λ,  x̂₀′ at λ + h/2", "x ← (σ₋/σ) x + α₋ (1 − exp(−h)) x̂₀′"],
            _ => &[
                "h = λ₋ − λ,  x̂₀′ at λ + h/3,  x̂₀″ at λ + 2h/3",
                "φ₁ = 1 − exp(−h),  φ₂ = 1 − φ₁/h",
                "x ← (σ₋/σ) x + α₋ (φ₁ x̂₀ + φ₂ (3/2) (x̂₀″ − x̂₀))",
            ],
        };
        vec![Equation::new("DPM-Solver++ singlestep", lines.iter().chain(noise).copied())]
    }
}
