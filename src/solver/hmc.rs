//! Hamiltonian Monte Carlo on the score.

use super::{CORRECTOR_STEPS, Correction, Corrector, Diagnostics, Evaluation, Process, Purpose, SNR};
use crate::Image;
use crate::network::{Sum, sample_squares};
use crate::registry::{Equation, Parameter, Settings, entry};
use crate::score::ScoreError;
use crate::sde::{FamilyAbout, Step};
use burn::tensor::Tensor;

/// Leapfrog steps of one trajectory.
pub const LEAPFROG: Parameter = Parameter::whole("leapfrog", 3, 1, 100_000)
    .named("Leapfrog steps", "Leapfrog", "Leapfrog steps per HMC trajectory")
    .flags(&["leapfrog-steps", "leapfrog"])
    .optional();

/// Accept or reject by the log-density difference integrated along the path.
pub const METROPOLIS: Parameter = Parameter::flag("adjusted", false)
    .named("Metropolis", "Metropolis", "Accept or reject each proposal by the log-density difference along its path")
    .flags(&["metropolis", "adjusted"])
    .optional();

entry! {
    /// M trajectories of Hamilton's equations with potential −log p_t and unit mass
    /// (Neal 2011, "MCMC using Hamiltonian dynamics").
    ///
    /// The leapfrog step is h = 2rσ(t)·√a with the SNR r and a of [`crate::sde::Sde::corrector_scale`]: a trajectory
    /// of a single step is then a step of annealed Langevin dynamics, whose noise √(2ε) is h. As
    /// −∇² log p_t ≤ σ⁻²·I for data noised by σ, leapfrog's stability bound h < 2σ holds wherever r√a < 1.
    ///
    /// Adjusted, a trajectory is accepted with probability min(1, exp(−ΔH)), sample by sample. The
    /// potential difference is −∫ s·dx by the trapezoid rule on leapfrog's own points: exact where
    /// the score is linear (a Gaussian), else of second order in h, the order of leapfrog itself.
    ///
    /// The diagnostics' step size is h.
    Hmc {
        slug: "hmc",
        name: "HMC",
        summary: "Hamiltonian Monte Carlo with leapfrog steps along the score",
        source: "Neal 2011",
        parameters: [&SNR, &CORRECTOR_STEPS, &LEAPFROG, &METROPOLIS],
    }
}

impl Corrector for Hmc {
    fn correct(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        x: &Image,
        step: &Step,
    ) -> Result<Option<Correction>, ScoreError> {
        let &Process { model, sde, noise, .. } = process;
        let (trajectories, steps) = (settings.whole(&CORRECTOR_STEPS), settings.whole(&LEAPFROG));
        let adjusted = settings.flag(&METROPOLIS);
        let level = [sde.start(step)];
        let h = 2.0 * settings.number(&SNR) * sde.sigma(step.t) * sde.corrector_scale(step).sqrt();
        let count = x.dims()[0];
        let mut accepted = Tensor::zeros([count], &x.device());
        let mut here = Evaluation { x: x.clone(), score: model.score(x, &level)? };
        for k in 0..trajectories as u32 {
            let momentum = noise.normal(step.index, Purpose::Corrector(k));
            let kinetic = kinetic_energy(&momentum);
            let end = leapfrog(|x| model.score(x, &level), &here, momentum, h, steps)?;
            if adjusted {
                let energy_loss = kinetic - kinetic_energy(&end.momentum) + end.work;
                // A trajectory that overflowed compares as false: it is rejected.
                let accept = noise.uniform(step.index, Purpose::Acceptance(k)).log().lower(energy_loss);
                accepted = accepted + accept.clone().float();
                let accept = accept.reshape([count, 1, 1, 1]).expand(x.dims());
                here.x = here.x.mask_where(accept.clone(), end.at.x);
                here.score = here.score.mask_where(accept, end.at.score);
            } else {
                here = end.at;
            }
        }
        let rate = accepted / trajectories as f64;
        Ok(Some(Correction {
            next: here.x.clone(),
            seen: here,
            diagnostics: Diagnostics {
                step_size: Tensor::full([count], h, &x.device()),
                accept_rate: adjusted.then_some(rate),
            },
        }))
    }

    /// One a leapfrog step, and one to begin with, for neighbouring steps and trajectories share the score where
    /// they meet.
    fn evaluations(&self, settings: &Settings) -> usize {
        (settings.whole(&CORRECTOR_STEPS) * settings.whole(&LEAPFROG)) as usize + 1
    }

    fn equation(&self, settings: &Settings, _family: &FamilyAbout) -> Option<Equation> {
        let accepted = if settings.flag(&METROPOLIS) {
            "accept with min(1, exp(∫ s·dx − Δ ½‖p‖²))"
        } else {
            "always accepted (unadjusted)"
        };
        let steps = settings.whole(&LEAPFROG);
        let leapfrog = format!("{steps} leapfrog steps: p ← p + ½ h s,  x ← x + h p,  p ← p + ½ h s");
        Some(Equation::new("HMC step", ["p ∼ N(0, I)", &leapfrog, accepted]))
    }
}

/// Where a trajectory ends.
struct Trajectory {
    at: Evaluation,
    momentum: Image,
    /// ∫ s·dx along it, N: by how much the log-density rose.
    work: Tensor<1>,
}

/// `steps` leapfrog steps of length `h`.
fn leapfrog(
    score: impl Fn(&Image) -> Result<Image, ScoreError>,
    start: &Evaluation,
    momentum: Image,
    h: f64,
    steps: u64,
) -> Result<Trajectory, ScoreError> {
    let mut at = start.clone();
    let mut momentum = Sum::of(1.0, &momentum).plus(0.5 * h, &at.score).tensor();
    let mut work = Tensor::zeros([at.x.dims()[0]], &at.x.device());
    for step in 1..=steps {
        let x = Sum::of(1.0, &at.x).plus(h, &momentum).tensor();
        let score = score(&x)?;
        work = work + sample_sums((at.score + score.clone()) * (x.clone() - at.x)) * 0.5;
        // The half kicks of neighbouring steps are one.
        let kick = if step == steps { 0.5 * h } else { h };
        momentum = Sum::of(1.0, &momentum).plus(kick, &score).tensor();
        at = Evaluation { x, score };
    }
    Ok(Trajectory { at, momentum, work })
}

/// The sum over each sample's coordinates: N.
fn sample_sums(v: Image) -> Tensor<1> {
    let count = v.dims()[0];
    v.reshape([count as i64, -1]).sum_dim(1).reshape([count])
}

/// ½‖p‖² of each sample: N.
fn kinetic_energy(momentum: &Image) -> Tensor<1> {
    sample_squares(momentum) * 0.5
}
