//! Solvers of the reverse-time SDE and of the probability-flow ODE.
//!
//! A step is a pure function of (x, t, t_next, score, noise); one short loop combines
//! predictors and correctors; the deterministic solvers are short loops of their own.

mod constraint;
mod corrector;
mod ddim;
mod dpm_solver;
mod dps;
mod grid;
mod heun;
mod hmc;
mod noise;
mod predictor;
mod predictor_corrector;
mod projection;
mod random;
mod runge_kutta;

pub use constraint::{Arrival, Constraint, Free, Stage};
pub use corrector::{Correction, Corrector, Norms, Snr, SnrError, annealed_langevin, langevin};
pub use ddim::ddim;
pub use dpm_solver::dpm_solver_plus_plus;
pub use dps::Dps;
pub use grid::{Grid, Rho, RhoError};
pub use heun::heun;
pub use hmc::{Hmc, hamiltonian};
pub use noise::{Noise, Purpose};
pub use predictor::{Predictor, ancestral, euler_maruyama, probability_flow, reverse_diffusion};
pub use predictor_corrector::{PredictorCorrector, predictor_corrector};
pub use projection::Projection;
pub use runge_kutta::{Derivative, Solution, State, Stepping, Tolerance, ToleranceError, runge_kutta_45};

use crate::Image;
use crate::score::{ScoreError, ScoreModel};
use crate::sde::{Sde, Step};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// What one update returns.
#[derive(Clone, Debug)]
pub struct Update {
    /// The new state.
    pub next: Image,
    /// The new state without its last noise.
    pub mean: Image,
}

/// A score and where it was evaluated.
#[derive(Clone, Debug)]
pub struct Evaluation {
    pub x: Image,
    /// ∇ log p at `x`.
    pub score: Image,
}

/// What a corrector did besides moving: figures of each sample, of shape N.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    /// The step size of the last inner step: Langevin's ε, HMC's h.
    pub step_size: Tensor<1>,
    /// The share of proposals accepted, for adjusted HMC.
    pub accept_rate: Option<Tensor<1>>,
}

/// The state after one step of the grid, as shown to an observer.
#[derive(Debug)]
pub struct Moment<'a> {
    /// The step just done.
    pub step: Step,
    /// x at `step.next`.
    pub x: &'a Image,
    /// Last estimate of x(0), from the score below.
    pub denoised: &'a Image,
    /// Last score, evaluated during this step.
    pub score: &'a Image,
    /// Figures of the corrector, where one ran.
    pub corrector: Option<&'a Diagnostics>,
}

/// Watches a solver and says whether it goes on.
pub trait Observer {
    /// Called after every step of the grid.
    fn observe(&mut self, moment: &Moment<'_>) -> ControlFlow<()>;
}

/// An observer that lets every solver finish.
pub struct Unobserved;

impl Observer for Unobserved {
    fn observe(&mut self, _moment: &Moment<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Shows `observer` a step of a solver that has no corrector.
fn show(observer: &mut dyn Observer, step: &Step, x: &Image, denoised: &Image, score: &Image) -> ControlFlow<()> {
    observer.observe(&Moment { step: *step, x, denoised, score, corrector: None })
}

/// The reverse process that a solver is to follow.
#[derive(Clone, Copy)]
pub struct Passage<'a> {
    pub model: &'a dyn ScoreModel,
    pub sde: &'a dyn Sde,
    /// The steps, noise end first.
    pub steps: &'a [Step],
    /// Leave the last update's noise out.
    pub denoise: bool,
    pub noise: &'a Noise,
    /// Consulted after every update.
    pub constraint: &'a dyn Constraint,
}

impl<'a> Passage<'a> {
    /// A passage without a constraint.
    pub fn free(
        model: &'a dyn ScoreModel,
        sde: &'a dyn Sde,
        steps: &'a [Step],
        denoise: bool,
        noise: &'a Noise,
    ) -> Passage<'a> {
        Passage { model, sde, steps, denoise, noise, constraint: &Free }
    }
}

/// A way to travel from noise to data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "solver", rename_all = "kebab-case")]
pub enum Solver {
    /// Predictor and corrector in turn (Song et al. 2021, algorithm 1).
    Pc(PredictorCorrector),
    /// First-order, deterministic (Song, Meng and Ermon 2021, η = 0).
    Ddim,
    /// Second-order, two evaluations a step (Karras et al. 2022, algorithm 1).
    Heun,
    /// Second-order multistep DPM-Solver++ (Lu et al. 2022, algorithm 2).
    #[serde(rename = "dpm++")]
    DpmPlusPlus,
}

impl Solver {
    /// Carries `x` along a passage, showing each step to `observer`. Returns the last state, also when
    /// the observer breaks off.
    ///
    /// # Errors
    /// Whatever the score model or the constraint answers.
    pub fn solve(&self, passage: &Passage<'_>, x: Image, observer: &mut dyn Observer) -> Result<Image, ScoreError> {
        let &Passage { model, sde, steps, constraint, .. } = passage;
        match self {
            Solver::Pc(pc) => predictor_corrector(passage, pc, x, observer),
            Solver::Ddim => ddim(model, sde, steps, x, constraint, observer),
            Solver::Heun => heun(model, sde, steps, x, constraint, observer),
            Solver::DpmPlusPlus => dpm_solver_plus_plus(model, sde, steps, x, constraint, observer),
        }
    }

    /// Network evaluations in a run over `steps` steps.
    pub fn evaluations(&self, steps: usize) -> usize {
        match self {
            Solver::Pc(pc) => steps * pc.evaluations_per_step(),
            Solver::Ddim | Solver::DpmPlusPlus => steps,
            Solver::Heun => (2 * steps).saturating_sub(1),
        }
    }
}
