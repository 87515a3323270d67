//! Correctors: Markov chain Monte Carlo steps that leave p_t as it is (Song et al. 2021, algorithms 4 and 5).

use super::{Diagnostics, Evaluation, Hmc, Update};
use crate::Image;
use crate::score::{ScoreError, ScoreModel};
use crate::sde::{Sde, Step};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// The signal-to-noise ratio r of a Langevin step: positive and finite.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Snr(f64);

/// A number that is no signal-to-noise ratio.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("an SNR of {0} is not possible; choose a positive number such as 0.16")]
pub struct SnrError(f64);

impl Snr {
    /// # Errors
    /// Unless positive and finite.
    pub fn new(snr: f64) -> Result<Self, SnrError> {
        if snr > 0.0 && snr.is_finite() { Ok(Snr(snr)) } else { Err(SnrError(snr)) }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Default for Snr {
    /// 0.16, as published for CIFAR-10.
    fn default() -> Self {
        Snr(0.16)
    }
}

impl TryFrom<f64> for Snr {
    type Error = SnrError;
    fn try_from(snr: f64) -> Result<Self, SnrError> {
        Snr::new(snr)
    }
}

impl From<Snr> for f64 {
    fn from(snr: Snr) -> f64 {
        snr.0
    }
}

/// Over what the norms in Langevin's step size are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norms {
    /// Each sample has its own step size, whatever else is in the batch.
    ///
    /// In D dimensions this widens a Gaussian's variance by (1 + 2/D)²: once because a step size ε(x)
    /// settles in p/ε ∝ p·‖∇log p‖², and once because ε grows with the very noise that it scales.
    /// That is nothing for pictures, but the factor 4 in the plane: choose [`Norms::Batch`] there.
    #[default]
    Sample,
    /// One step size from the batch's mean norms, as the published code has it.
    Batch,
}

/// Which corrector runs before each prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corrector {
    /// Langevin dynamics with a step size set by the SNR.
    Langevin,
    /// Annealed Langevin dynamics: the step size follows σ(t).
    Ald,
    /// Hamiltonian Monte Carlo: leapfrog steps on the score.
    Hmc(Hmc),
    /// No correction.
    None,
}

impl Corrector {
    /// The name people read.
    pub fn name(self) -> &'static str {
        match self {
            Corrector::Langevin => "Langevin",
            Corrector::Ald => "Annealed Langevin",
            Corrector::Hmc(_) => "HMC",
            Corrector::None => "None",
        }
    }
}

/// What a corrector did at one level.
#[derive(Clone, Debug)]
pub struct Correction {
    /// The state after the last inner step, and the same without its noise.
    pub update: Update,
    /// The last score evaluated, and where.
    pub seen: Evaluation,
    /// Figures of each sample.
    pub diagnostics: Diagnostics,
}

/// `inner` (1 or more) Langevin steps x ← x + ε·s + √(2ε)·z with ε = 2a·(r‖z‖/‖s‖)²,
/// where a is [`Sde::corrector_scale`] (Song et al. 2021, algorithms 4 and 5).
///
/// `x`: N×C×H×W. `noise` answers the standard normal noise of each inner step, of the shape of `x`.
///
/// # Errors
/// Whatever the score model answers.
#[allow(clippy::too_many_arguments)]
pub fn langevin(
    model: &dyn ScoreModel,
    sde: &dyn Sde,
    x: &Image,
    step: &Step,
    snr: Snr,
    norms: Norms,
    inner: NonZeroU32,
    noise: impl Fn(u32) -> Image,
) -> Result<Correction, ScoreError> {
    let scale = 2.0 * sde.corrector_scale(step) * snr.get().powi(2);
    let norm = |v: &Image| match norms {
        Norms::Sample => sample_norms(v),
        Norms::Batch => sample_norms(v).mean_dim(0),
    };
    langevin_steps(model, sde, x, step, inner, noise, |score, z| (norm(z) / norm(score)).square() * scale)
}

/// `inner` (1 or more) Langevin steps whose size follows the noise of the level: ε = 2a·(r·σ(t))²
/// (annealed Langevin dynamics, Song and Ermon 2019, algorithm 1, as published with Song et al. 2021).
///
/// Arguments, shapes and errors are those of [`langevin`].
pub fn annealed_langevin(
    model: &dyn ScoreModel,
    sde: &dyn Sde,
    x: &Image,
    step: &Step,
    snr: Snr,
    inner: NonZeroU32,
    noise: impl Fn(u32) -> Image,
) -> Result<Correction, ScoreError> {
    let epsilon = 2.0 * sde.corrector_scale(step) * (snr.get() * sde.sigma(step.t)).powi(2);
    let device = x.device();
    langevin_steps(model, sde, x, step, inner, noise, |_, _| Tensor::full([1; 4], epsilon, &device))
}

/// Langevin dynamics whose step size, (1 or N)×1×1×1, follows from the score and the noise.
fn langevin_steps(
    model: &dyn ScoreModel,
    sde: &dyn Sde,
    x: &Image,
    step: &Step,
    inner: NonZeroU32,
    noise: impl Fn(u32) -> Image,
    step_size: impl Fn(&Image, &Image) -> Image,
) -> Result<Correction, ScoreError> {
    let level = [sde.level(step.t)];
    let langevin_step = |x: Image, k: u32| -> Result<Correction, ScoreError> {
        let score = model.score(&x, &level)?;
        let z = noise(k);
        let epsilon = step_size(&score, &z);
        let mean = x.clone() + score.clone() * epsilon.clone();
        let next = mean.clone() + z * (epsilon.clone() * 2.0).sqrt();
        let step_size = epsilon.expand([x.dims()[0], 1, 1, 1]).reshape([-1]);
        Ok(Correction {
            update: Update { next, mean },
            seen: Evaluation { x, score },
            diagnostics: Diagnostics { step_size, accept_rate: None },
        })
    };
    (1..inner.get()).try_fold(langevin_step(x.clone(), 0)?, |last, k| langevin_step(last.update.next, k))
}

/// The Euclidean norm of each sample: N×1×1×1.
fn sample_norms(v: &Image) -> Image {
    sample_sums(v.clone().square()).sqrt()
}

/// The sum over each sample's coordinates: N×1×1×1.
pub(super) fn sample_sums(v: Image) -> Image {
    let count = v.dims()[0];
    v.reshape([count as i64, -1]).sum_dim(1).reshape([count, 1, 1, 1])
}
