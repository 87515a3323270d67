//! What solvers are made of: a state is x = α·x̂(0) + σ·ε̂, and a step goes to another (α, σ).
//!
//! Along any path the probability-flow ODE is dx = x̂(0)·dα + ε̂·dσ. What is the same for all paths depends on σ/α alone:
//! with y = x/α and ρ = σ/α it reads dy = ε̂·dρ, and with w = x/σ and κ = α/σ it reads dw = x̂(0)·dκ. Solvers differ in
//! what they hold constant, or continue by a polynomial, and over what.

use super::{Observer, Process, show};
use crate::Image;
use crate::network::Sum;
use crate::registry::{About, Parameter, Settings};
use crate::score::ScoreError;
use crate::sde::{Level, Sde, Step};
use std::ops::ControlFlow;

/// What is continued from step to step.
pub const PREDICTION: Parameter = Parameter::choice("prediction", "data", || vec![&DATA, &NOISE])
    .named("Prediction", "Prediction", "Prediction: what the solver extrapolates, x̂₀ or the noise")
    .optional();

static DATA: About =
    About {
        slug: "data", name: "Data", summary: "Extrapolate the denoised estimate x̂₀", source: "", parameters: &[]
    };
static NOISE: About =
    About { slug: "noise", name: "Noise", summary: "Extrapolate the noise estimate ε̂", source: "", parameters: &[] };

/// Which of the two parts of a state is continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// x̂(0).
    Data,
    /// ε̂.
    Noise,
}

impl Prediction {
    /// The one that is set.
    pub(super) fn of(settings: &Settings) -> Prediction {
        if settings.option(&PREDICTION) == NOISE.slug { Prediction::Noise } else { Prediction::Data }
    }
}

/// The two parts of a state x = α·x̂(0) + σ·ε̂, as a model estimates them.
#[derive(Clone, Debug)]
pub(super) struct Estimate {
    /// α and σ of the state.
    pub level: Level,
    /// x̂(0), N×C×H×W.
    pub clean: Image,
    /// ε̂ = −σ·score, N×C×H×W.
    pub noise: Image,
}

impl Estimate {
    /// The parts of `x` with this estimate of x(0).
    pub(super) fn of(x: &Image, clean: Image, level: Level) -> Self {
        let noise = Sum::of(1.0, x).plus(-level.alpha, &clean).times(1.0 / level.sigma).tensor();
        Estimate { level, clean, noise }
    }

    /// The state with the same parts at another level: a step of DDIM, and of Euler's method in σ/α.
    pub(super) fn at(&self, level: Level) -> Sum<'_> {
        Sum::of(level.alpha, &self.clean).plus(level.sigma, &self.noise)
    }

    /// One of the two parts.
    pub(super) fn part(&self, prediction: Prediction) -> &Image {
        match prediction {
            Prediction::Data => &self.clean,
            Prediction::Noise => &self.noise,
        }
    }

    /// Shows `observer` a step that arrived at `x`, of which this is the last estimate.
    pub(super) fn show(&self, observer: &mut dyn Observer, step: &Step, x: &Image) -> ControlFlow<()> {
        let score = Sum::of(-1.0 / self.level.sigma, &self.noise).tensor();
        show(observer, step, x, &self.clean, &score, None)
    }
}

impl Process<'_> {
    /// What the model says of `x` at a level: one evaluation.
    pub(super) fn estimate(&self, x: &Image, level: Level) -> Result<Estimate, ScoreError> {
        Ok(Estimate::of(x, self.model.denoised(x, &[level])?, level))
    }

    /// Where a step begins, and where it ends.
    pub(super) fn ends(&self, step: &Step) -> (Level, Level) {
        (self.sde.level(step.t), self.sde.target(step))
    }
}

/// The level between two others whose λ lies at the fraction `r` of the way.
pub(super) fn between(sde: &dyn Sde, from: Level, to: Level, r: f64) -> Level {
    sde.at_ratio((-(from.lambda() + r * (to.lambda() - from.lambda()))).exp())
}

/// `x` at a level brought to another by one estimate of its noise: x̂(0) is what is left of x, and nothing where α = 0.
pub(super) fn transfer<'a>(x: &'a Image, noise: &'a Image, from: Level, to: Level) -> Sum<'a> {
    let scale = to.alpha / from.alpha.max(1e-8);
    Sum::of(scale, x).plus(to.sigma - from.sigma * scale, noise)
}

/// An exponential integrator's step between two levels: what is linear is solved exactly, and an integral over one part
/// of the state is left (Lu et al. 2022; with noise, of the reverse SDE, as in SDE-DPM-Solver++).
///
/// x(to) = `carry`·x + `scale`·∫₀ᴴ e^{−(H−s)} P(s) ds + `noise`·z, where s = 0 at the start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exponential {
    pub carry: f64,
    /// Weight of P where it is constant.
    pub weight: f64,
    pub scale: f64,
    /// H: the step's length in λ, times 1 + η; negative for noise.
    pub length: f64,
    /// The step's length in λ.
    pub h: f64,
    pub noise: f64,
}

impl Exponential {
    /// The step of a prediction, with η times the variance of the reverse SDE's noise: 0 is the ODE, 1 the SDE.
    pub(super) fn new(prediction: Prediction, from: Level, to: Level, eta: f64) -> Self {
        let h = to.lambda() - from.lambda();
        let noisy = |h: f64| if eta > 0.0 { eta * h } else { 0.0 };
        match prediction {
            Prediction::Data => {
                let length = (1.0 + eta) * h;
                Exponential {
                    carry: to.sigma / from.sigma * (-noisy(h)).exp(),
                    weight: -to.alpha * (-length).exp_m1(),
                    scale: to.alpha,
                    length,
                    h,
                    noise: to.sigma * (-(-2.0 * noisy(h)).exp_m1()).sqrt(),
                }
            }
            Prediction::Noise => {
                let carry = to.alpha / from.alpha;
                let scale = (1.0 + eta) * to.sigma;
                let variance = (carry * from.sigma).powi(2) - to.sigma.powi(2);
                Exponential {
                    carry,
                    weight: (1.0 + eta) * (to.sigma - carry * from.sigma),
                    scale,
                    length: -h,
                    h,
                    noise: noisy(variance).max(0.0).sqrt(),
                }
            }
        }
    }

    /// φ₂(H) = 1 − (1 − e^{−H})/H: `scale`·φ₂ is the weight of P′·H where P grows linearly.
    pub(super) fn phi2(&self) -> f64 {
        1.0 + (-self.length).exp_m1() / self.length
    }

    /// φ₃(H) = φ₂/H − ½: −`scale`·φ₃ is the weight of P″·H² where P is a parabola.
    pub(super) fn phi3(&self) -> f64 {
        self.phi2() / self.length - 0.5
    }

    /// The state that it leads to, from `x` and parts with their weights.
    pub(super) fn step<'a>(
        &self,
        x: &'a Image,
        terms: impl IntoIterator<Item = (f64, &'a Image)>,
        z: &dyn Fn() -> Image,
    ) -> Image {
        let sum = self.flow(x, terms);
        if self.noise > 0.0 { sum.plus(self.noise, &z()).tensor() } else { sum.tensor() }
    }

    /// The same without noise.
    pub(super) fn flow<'a>(&self, x: &'a Image, terms: impl IntoIterator<Item = (f64, &'a Image)>) -> Sum<'a> {
        Sum::of(self.carry, x).plus_all(terms)
    }

    /// Weights of P at the start and of others: P counts by `weight`, and each other by a slope, (P(r) − P)/r for r
    /// steps from the start, with a weight of its own.
    pub(super) fn along<'a>(
        &self,
        start: &'a Image,
        slopes: impl IntoIterator<Item = (f64, f64, &'a Image)>,
    ) -> Vec<(f64, &'a Image)> {
        let others: Vec<(f64, &Image)> = slopes.into_iter().map(|(weight, r, part)| (weight / r, part)).collect();
        let own = self.weight - others.iter().map(|(weight, _)| weight).sum::<f64>();
        std::iter::once((own, start)).chain(others).collect()
    }
}
