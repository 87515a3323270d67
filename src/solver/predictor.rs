//! Predictors: one step of the reverse-time SDE, or of the probability-flow ODE.

use super::Update;
use crate::Image;
use crate::sde::{Increment, Sde, Step, Transition};
use serde::{Deserialize, Serialize};

/// Which numerical step carries x from t to t_next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Predictor {
    /// Euler–Maruyama on the reverse SDE.
    EulerMaruyama,
    /// The forward process' own discretisation, reversed (eq. 46).
    ReverseDiffusion,
    /// Sampling from the Gaussian posterior of the discrete chain (DDPM; SMLD, eq. 47).
    Ancestral,
    /// Reverse diffusion of the probability-flow ODE: no noise, half the score (eq. 13).
    ProbabilityFlow,
    /// No prediction: the corrector alone moves x.
    None,
}

impl Predictor {
    pub const ALL: [Predictor; 5] = [
        Predictor::EulerMaruyama,
        Predictor::ReverseDiffusion,
        Predictor::Ancestral,
        Predictor::ProbabilityFlow,
        Predictor::None,
    ];

    /// The name people read.
    pub fn name(self) -> &'static str {
        match self {
            Predictor::EulerMaruyama => "Euler–Maruyama",
            Predictor::ReverseDiffusion => "Reverse diffusion",
            Predictor::Ancestral => "Ancestral",
            Predictor::ProbabilityFlow => "Probability flow",
            Predictor::None => "None",
        }
    }

    /// One step from `step.t` to `step.next`, given the score at `x`. `noise` is asked for only where
    /// the step has some, and answers standard normal noise of the shape of `x`.
    pub fn step(self, sde: &dyn Sde, x: &Image, step: &Step, score: &Image, noise: impl FnOnce() -> Image) -> Update {
        match self {
            Predictor::EulerMaruyama => euler_maruyama(sde, x, step, score, &noise()),
            Predictor::ReverseDiffusion => reverse_diffusion(sde, x, step, score, &noise()),
            Predictor::Ancestral => ancestral(sde, x, step, score, &noise()),
            Predictor::ProbabilityFlow => probability_flow(sde, x, step, score),
            Predictor::None => Update { next: x.clone(), mean: x.clone() },
        }
    }
}

/// One reverse Euler–Maruyama step (Song et al. 2021, eq. 6 with dt < 0).
///
/// `x`, `score`, `noise`: N×C×H×W, the noise standard normal.
pub fn euler_maruyama(sde: &dyn Sde, x: &Image, step: &Step, score: &Image, noise: &Image) -> Update {
    let dt = step.dt();
    let (drift, g) = (sde.drift(step.t), sde.diffusion(step.t));
    let mean = x.clone() * (1.0 - drift * dt) + score.clone() * (g * g * dt);
    Update { next: mean.clone() + noise.clone() * (g * dt.sqrt()), mean }
}

/// One reverse-diffusion step: the forward process' own f and G, reversed (Song et al. 2021, eq. 46).
///
/// `x`, `score`, `noise`: N×C×H×W, the noise standard normal.
pub fn reverse_diffusion(sde: &dyn Sde, x: &Image, step: &Step, score: &Image, noise: &Image) -> Update {
    let Increment { f, g } = sde.increment(step);
    let mean = x.clone() * (1.0 - f) + score.clone() * (g * g);
    Update { next: mean.clone() + noise.clone() * g, mean }
}

/// One ancestral step: a sample of the Gaussian posterior of the forward chain's transition
/// (VE: Song et al. 2021, eq. 47; VP: Ho et al. 2020, algorithm 2; sub-VP: its own kernel).
///
/// `x`, `score`, `noise`: N×C×H×W, the noise standard normal.
pub fn ancestral(sde: &dyn Sde, x: &Image, step: &Step, score: &Image, noise: &Image) -> Update {
    let Transition { scale, std, posterior_std } = sde.transition(step);
    let mean = x.clone() * (1.0 / scale) + score.clone() * (std * std / scale);
    Update { next: mean.clone() + noise.clone() * posterior_std, mean }
}

/// One step of the probability-flow ODE: reverse diffusion with half the score and no noise
/// (Song et al. 2021, eq. 13).
///
/// `x`, `score`: N×C×H×W.
pub fn probability_flow(sde: &dyn Sde, x: &Image, step: &Step, score: &Image) -> Update {
    let Increment { f, g } = sde.increment(step);
    let mean = x.clone() * (1.0 - f) + score.clone() * (0.5 * g * g);
    Update { next: mean.clone(), mean }
}
