//! Hamiltonian Monte Carlo on the score.

use super::corrector::sample_sums;
use super::{Correction, Diagnostics, Evaluation, Noise, Purpose, Snr, Update};
use crate::Image;
use crate::score::{ScoreError, ScoreModel};
use crate::sde::{Sde, Step};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// How a Hamiltonian corrector moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Hmc {
    /// Leapfrog steps of one trajectory.
    pub leapfrog: NonZeroU32,
    /// Accept or reject by the log-density difference integrated along the path.
    pub adjusted: bool,
}

impl Default for Hmc {
    fn default() -> Self {
        Hmc { leapfrog: NonZeroU32::MIN.saturating_add(2), adjusted: false }
    }
}

impl Hmc {
    /// Score evaluations of `inner` trajectories: one a leapfrog step, and one to begin with,
    /// for neighbouring steps and trajectories share the score where they meet.
    pub fn evaluations(self, inner: NonZeroU32) -> usize {
        inner.get() as usize * self.leapfrog.get() as usize + 1
    }
}

/// `inner` trajectories of Hamilton's equations with potential −log p_t and unit mass
/// (Neal 2011, "MCMC using Hamiltonian dynamics").
///
/// The leapfrog step is h = 2rσ(t)·√a with the SNR r and a of [`Sde::corrector_scale`]: a trajectory
/// of a single step is then a step of annealed Langevin dynamics, whose noise √(2ε) is h. As
/// −∇² log p_t ≤ σ⁻²·I for data noised by σ, leapfrog's stability bound h < 2σ holds wherever r√a < 1.
///
/// Adjusted, a trajectory is accepted with probability min(1, exp(−ΔH)), sample by sample. The
/// potential difference is −∫ s·dx by the trapezoid rule on leapfrog's own points: exact where
/// the score is linear (a Gaussian), else of second order in h, the order of leapfrog itself.
///
/// `x`: N×C×H×W. The diagnostics' step size is h.
///
/// # Errors
/// Whatever the score model answers.
#[allow(clippy::too_many_arguments)]
pub fn hamiltonian(
    model: &dyn ScoreModel,
    sde: &dyn Sde,
    x: &Image,
    step: &Step,
    hmc: Hmc,
    snr: Snr,
    inner: NonZeroU32,
    noise: &Noise,
) -> Result<Correction, ScoreError> {
    let level = [sde.level(step.t)];
    let h = 2.0 * snr.get() * sde.sigma(step.t) * sde.corrector_scale(step).sqrt();
    let count = x.dims()[0];
    let mut accepted = Tensor::zeros([count, 1, 1, 1], &x.device());
    let mut here = Evaluation { x: x.clone(), score: model.score(x, &level)? };
    for k in 0..inner.get() {
        let momentum = noise.normal(step.index, Purpose::Corrector(k));
        let kinetic = kinetic_energy(&momentum);
        let end = leapfrog(|x| model.score(x, &level), &here, momentum, h, hmc.leapfrog)?;
        if hmc.adjusted {
            let energy_loss = kinetic - kinetic_energy(&end.momentum) + end.work;
            let uniform = noise.uniform(step.index, Purpose::Acceptance(k)).reshape([count, 1, 1, 1]);
            // A trajectory that overflowed compares as false: it is rejected.
            let accept = uniform.log().lower(energy_loss);
            accepted = accepted + accept.clone().float();
            let accept = accept.expand(x.dims());
            here.x = here.x.mask_where(accept.clone(), end.at.x);
            here.score = here.score.mask_where(accept, end.at.score);
        } else {
            here = end.at;
        }
    }
    let rate = (accepted / f64::from(inner.get())).reshape([count]);
    Ok(Correction {
        update: Update { next: here.x.clone(), mean: here.x.clone() },
        seen: here,
        diagnostics: Diagnostics {
            step_size: Tensor::full([count], h, &x.device()),
            accept_rate: hmc.adjusted.then_some(rate),
        },
    })
}

/// Where a trajectory ends.
struct Trajectory {
    at: Evaluation,
    momentum: Image,
    /// ∫ s·dx along it, N×1×1×1: by how much the log-density rose.
    work: Image,
}

/// `steps` leapfrog steps of length `h`.
fn leapfrog(
    score: impl Fn(&Image) -> Result<Image, ScoreError>,
    start: &Evaluation,
    momentum: Image,
    h: f64,
    steps: NonZeroU32,
) -> Result<Trajectory, ScoreError> {
    let mut at = start.clone();
    let mut momentum = momentum + at.score.clone() * (0.5 * h);
    let mut work = Tensor::zeros([at.x.dims()[0], 1, 1, 1], &at.x.device());
    for step in 1..=steps.get() {
        let x = at.x.clone() + momentum.clone() * h;
        let score = score(&x)?;
        work = work + sample_sums((at.score + score.clone()) * (x.clone() - at.x)) * 0.5;
        // The half kicks of neighbouring steps are one.
        let kick = if step == steps.get() { 0.5 * h } else { h };
        momentum = momentum + score.clone() * kick;
        at = Evaluation { x, score };
    }
    Ok(Trajectory { at, momentum, work })
}

/// ½‖p‖² of each sample: N×1×1×1.
fn kinetic_energy(momentum: &Image) -> Image {
    sample_sums(momentum.clone().square()) * 0.5
}
