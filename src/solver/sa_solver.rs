use super::adams::order;
use super::estimate::{Estimate, Exponential, PREDICTION, Prediction};
use super::multistep::{lower, order_of};
use super::polynomial::weights;
use super::{Grid, LogSnr, Observer, Process, Purpose, Solver};
use crate::Image;
use crate::registry::{Choice, Equation, Parameter, Scale, Settings, entry};
use crate::score::ScoreError;
use crate::sde::Family;

const ORDER: Parameter = order(2, 4);
const LOWER: Parameter = lower(100_000);

/// The order of the corrector.
pub const CORRECTOR_ORDER: Parameter = Parameter::whole("corrector_order", 2, 0, 4)
    .named("Corrector order", "Corrector", "Order of the corrector, 0 to 4; 0: none")
    .optional();

/// The noise.
pub const TAU: Parameter = Parameter::number("tau", 1.0, 0.0, 10.0)
    .usual(0.0, 1.5, Scale::Linear(2))
    .named("Tau", "τ", "τ: noise, 0 is the ODE, 1 the reverse SDE")
    .optional();

/// The least σ/α with noise.
pub const TAU_MIN: Parameter = Parameter::number("tau_min", 0.05, 0.0, 1e9)
    .usual(0.0, 1.0, Scale::Linear(2))
    .named("Tau from", "τ from", "Smallest σ/α at which steps have noise")
    .rare();

/// The largest σ/α with noise.
pub const TAU_MAX: Parameter = Parameter::number("tau_max", 10.0, 0.0, 1e9)
    .usual(1.0, 1e3, Scale::Logarithmic)
    .named("Tau to", "τ to", "Largest σ/α at which steps have noise")
    .rare();

entry! {
    /// Adams–Bashforth and Adams–Moulton for SDEs: an exponential integrator on polynomials in λ, with noise τ where σ/α
    /// lies between two bounds, and one evaluation a step (Xue et al. 2023, eqs 14 and 17).
    SaSolver {
        slug: "sa-solver",
        name: "SA-Solver",
        summary: "Stochastic Adams predictor and corrector with one evaluation per step",
        source: "Xue et al. 2023",
        parameters: [&ORDER, &CORRECTOR_ORDER, &TAU, &TAU_MIN, &TAU_MAX, &PREDICTION, &LOWER],
    }
}

/// The weights of parts at `nodes` (λ from the step's start, in its own unit) in an exponential step.
///
/// For x̂(0) with two nodes the published code takes the kernel as constant in the term of the slope, which changes
/// nothing in the order.
fn integrals(prediction: Prediction, exact: &Exponential, nodes: &[f64]) -> Vec<f64> {
    let (h, stretch) = (exact.h, exact.length / exact.h);
    if let (Prediction::Data, &[first, second]) = (prediction, nodes) {
        let total = exact.weight;
        // ∫ (λ − λ_start) dλ = h²/2 from the start.
        let slope = exact.scale * stretch * 0.5 * h * h / (first - second);
        let start = total * (0.0 - second) / (first - second);
        return vec![start + slope, total - start - slope];
    }
    let kernel = |s: f64| exact.scale * stretch * (-(exact.length - stretch * s)).exp();
    weights(nodes, 0.0, h, kernel)
}

impl Solver for SaSolver {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        let (prediction, steps) = (Prediction::of(settings), process.steps);
        let (predicts, corrects) = (settings.whole(&ORDER) as usize, settings.whole(&CORRECTOR_ORDER) as usize);
        let noisy = settings.number(&TAU_MIN)..=settings.number(&TAU_MAX);
        let mut past: Vec<Estimate> = Vec::new();
        for (done, step) in steps.iter().enumerate() {
            let (level, target) = process.ends(step);
            if past.is_empty() {
                past.push(process.estimate(&x, level)?);
            }
            let tau = if noisy.contains(&level.ratio()) { settings.number(&TAU) } else { 0.0 };
            let exact = Exponential::new(prediction, level, target, tau * tau);
            let z = || process.noise.normal(step.index, Purpose::Predictor);
            let state = |estimates: &[&Estimate]| {
                let nodes: Vec<f64> = estimates.iter().map(|at| at.level.lambda() - level.lambda()).collect();
                let weights = match estimates {
                    [_] => vec![exact.weight],
                    _ => integrals(prediction, &exact, &nodes),
                };
                let parts = estimates.iter().map(|at| at.part(prediction));
                exact.step(&x, weights.into_iter().zip(parts), &z)
            };
            let end = target.sigma == 0.0;
            let order = order_of(settings, &LOWER, predicts, past.len() - 1, steps.len(), done);
            let known: Vec<&Estimate> = past.iter().take(if end { 1 } else { order }).collect();
            let mut next = state(&known);
            let mut last = past[0].clone();
            if done + 1 < steps.len() {
                last = process.estimate(&next, target)?;
                let order = order_of(settings, &LOWER, corrects.max(1), past.len(), steps.len() + 1, done);
                if corrects > 0 && exact.h.is_finite() {
                    let known: Vec<&Estimate> = std::iter::once(&last).chain(&past).take(order).collect();
                    next = state(&known);
                }
            }
            x = process.arrive(step, next)?;
            if last.show(observer, step, &x).is_break() {
                break;
            }
            past.insert(0, last);
            past.truncate(predicts.max(corrects).max(1));
            // Where all is noise λ is infinite.
            past.retain(|at| at.level.alpha > 0.0);
        }
        Ok(x)
    }

    fn is_stochastic(&self, settings: &Settings) -> bool {
        settings.number(&TAU) > 0.0
    }

    fn order(&self, settings: &Settings) -> Option<f64> {
        let order = settings.number(&ORDER).max(settings.number(&CORRECTOR_ORDER));
        (!self.is_stochastic(settings)).then_some(order)
    }

    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&LogSnr)
    }

    fn equations(&self, _settings: &Settings, _family: &Family) -> Vec<Equation> {
        let lines = [
            "λ = log(α/σ),  h = λ₋ − λ,  H = (1 + τ²) h",
            "w_i = α₋ (1 + τ²) ∫_λ^(λ₋) exp(−(1 + τ²)(λ₋ − λ′)) ℓ_i(λ′) dλ′",
            "x ← (σ₋/σ) exp(−τ² h) x + Σ w_i x̂₀_i + σ₋ √(1 − exp(−2τ² h)) z",
            "predicted from past x̂₀_i, corrected with that of the new state",
        ];
        vec![Equation::new("SA-Solver step", lines)]
    }
}
