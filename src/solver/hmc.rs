//! Hamiltonian Monte Carlo on the score.

use super::{Diagnostics, Noise, Snr, Update};
use crate::Image;
use crate::score::{ScoreError, ScoreModel};
use crate::sde::{Sde, Step};
use serde::{Deserialize, Serialize};

/// How a Hamiltonian corrector moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Hmc {
    /// Leapfrog steps of one trajectory, at least 1.
    pub leapfrog: u32,
    /// Accept or reject by the log-density difference integrated along the path.
    pub adjusted: bool,
}

impl Default for Hmc {
    fn default() -> Self {
        Hmc { leapfrog: 3, adjusted: false }
    }
}

/// `inner` Hamiltonian trajectories.
#[allow(clippy::too_many_arguments)]
pub fn hamiltonian(
    model: &dyn ScoreModel,
    sde: &dyn Sde,
    x: &Image,
    step: &Step,
    hmc: Hmc,
    snr: Snr,
    inner: u32,
    noise: &Noise,
) -> Result<(Update, Diagnostics), ScoreError> {
    let _ = (model, sde, x, step, hmc, snr, inner, noise);
    todo!("helper: solver")
}
