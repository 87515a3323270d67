//! Correctors: Markov chain Monte Carlo steps that leave p_t as it is (Song et al. 2021, algorithms 4 and 5).

use super::{Diagnostics, Hmc, Noise, Update};
use crate::Image;
use crate::score::{ScoreError, ScoreModel};
use crate::sde::{Sde, Step};
use serde::{Deserialize, Serialize};

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

/// `inner` Langevin steps with the step size of the SNR.
#[allow(clippy::too_many_arguments)]
pub fn langevin(
    model: &dyn ScoreModel,
    sde: &dyn Sde,
    x: &Image,
    step: &Step,
    snr: Snr,
    norms: Norms,
    inner: u32,
    noise: &Noise,
) -> Result<(Update, Diagnostics), ScoreError> {
    let _ = (model, sde, x, step, snr, norms, inner, noise);
    todo!(
        "helper: solver; the exact signature is the solver author's to choose, so that recorded noise can be given in tests"
    )
}

/// `inner` annealed Langevin steps.
pub fn annealed_langevin(
    model: &dyn ScoreModel,
    sde: &dyn Sde,
    x: &Image,
    step: &Step,
    snr: Snr,
    inner: u32,
    noise: &Noise,
) -> Result<(Update, Diagnostics), ScoreError> {
    let _ = (model, sde, x, step, snr, inner, noise);
    todo!("helper: solver")
}
