//! Predictors: one step of the reverse-time SDE, or of the probability-flow ODE.

use super::Update;
use crate::Image;
use crate::sde::{Sde, Step};
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
}

/// One reverse Euler–Maruyama step.
pub fn euler_maruyama(sde: &dyn Sde, x: &Image, step: &Step, score: &Image, noise: &Image) -> Update {
    let _ = (sde, x, step, score, noise);
    todo!("helper: solver")
}

/// One reverse-diffusion step.
pub fn reverse_diffusion(sde: &dyn Sde, x: &Image, step: &Step, score: &Image, noise: &Image) -> Update {
    let _ = (sde, x, step, score, noise);
    todo!("helper: solver")
}

/// One ancestral step.
pub fn ancestral(sde: &dyn Sde, x: &Image, step: &Step, score: &Image, noise: &Image) -> Update {
    let _ = (sde, x, step, score, noise);
    todo!("helper: solver")
}

/// One probability-flow step.
pub fn probability_flow(sde: &dyn Sde, x: &Image, step: &Step, score: &Image) -> Update {
    let _ = (sde, x, step, score);
    todo!("helper: solver")
}
