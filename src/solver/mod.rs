//! Solvers of the reverse-time SDE and of the probability-flow ODE.
//!
//! A step is a pure function of (x, t, t_next, score, noise); one short loop combines
//! predictors and correctors; the deterministic solvers are short loops of their own.

mod adams;
mod adaptive;
mod ancestral_dpm;
mod annealed_langevin;
mod consistency;
mod constraint;
mod corrector;
mod corrector_only;
mod ddim;
mod deis;
mod dpm_2;
mod dpm_adaptive;
mod dpm_solver;
mod edm_stochastic;
mod estimate;
mod euler;
mod grid;
mod heun;
mod hmc;
mod ipndm;
mod langevin;
mod lms;
mod menu;
mod multistep;
mod noise;
mod pndm;
mod polynomial;
mod posterior;
mod predictor;
mod predictor_corrector;
mod preset;
mod random;
mod restart;
mod runge_kutta;
mod sa_solver;
mod sde_dpm_solver;
mod singlestep;
mod spacing;
mod stochastic;
mod unipc;
mod words;

pub use adaptive::{ATOL, Adaptive, OnProgress, RTOL, STEPPING, stepping, tolerance};
pub(crate) use adaptive::{at_times, covered, drift, images, levels};
pub use ancestral_dpm::{Ancestral2S, AncestralSde};
pub use annealed_langevin::AnnealedLangevin;
pub use consistency::Consistency;
pub use constraint::{Arrival, Constraint, Stage, Unconstrained};
pub use corrector::{CORRECTOR_STEPS, Correction, Corrector, Diagnostics, Evaluation, NoCorrector, SNR};
pub use corrector_only::corrector_only;
pub use ddim::{Ddim, VARIANCE};
pub use deis::Deis;
pub use dpm_2::Dpm2;
pub use dpm_adaptive::DpmAdaptive;
pub use dpm_solver::{DIFFERENCES, DpmSolverPlusPlus, DpmSolverPlusPlus3M};
pub use edm_stochastic::EdmStochastic;
pub use euler::Euler;
pub use grid::{Edm, Grid, LogSnr, Quadratic, RHO, Uniform};
pub use heun::Heun;
pub use hmc::{Hmc, LEAPFROG, METROPOLIS};
pub use ipndm::Ipndm;
pub use langevin::{BATCH, Langevin, NORMS, SAMPLE};
pub use lms::Lms;
pub(crate) use noise::Stream;
pub use noise::{Noise, NoiseSource, Purpose};
pub use pndm::Pndm;
pub use posterior::{
    Dps, DpsGuidance, Exact, ExactPosterior, GUIDANCE_WEIGHT, Method, NullSpace, NullSpaceCorrection, PiGdm,
    PiGdmGuidance, Posterior, Projection, ProjectionConstraint, Recipe, Walk, ZETA,
};
pub use predictor::{Ancestral, EulerMaruyama, NoPredictor, Predictor, ProbabilityFlow, ReverseDiffusion, Update};
pub use predictor_corrector::{CORRECTOR, PREDICTOR, PredictorCorrector};
pub use preset::{Group, Preset};
pub(crate) use random::{cos_sin, ln};
pub use restart::{RESTARTS, Restart};
pub use runge_kutta::{Derivative, Solution, State, Stepping, Tolerance, ToleranceError, runge_kutta_45};
pub use sa_solver::SaSolver;
pub use sde_dpm_solver::{SdeDpmSolverPlusPlus, SdeDpmSolverPlusPlus3M};
pub use singlestep::SinglestepDpm;
pub use spacing::{Ays, Leading, Linspace, SIGMAS, SPARE, Sigmas, TIMES, Times, Trailing};
pub use stochastic::{CHURN, ETA};
pub use unipc::UniPc;
pub use words::Words;
pub(crate) use words::exp;

use crate::Image;
use crate::registry::{Category, Choice, Entry, Equation, Settings, number};
use crate::score::{ScoreError, ScoreModel};
use crate::sde::{Family, Sde, Step};
use std::ops::ControlFlow;

/// A way to travel from noise to data.
pub trait Solver: Entry {
    /// Carries `x` (N×C×H×W, at the first step's `t`) along the process, showing each step to `observer`. Returns the
    /// last state, also when the observer breaks off.
    ///
    /// # Errors
    /// Whatever the score model or the constraint answers.
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError>;

    /// Follows the probability-flow ODE from the first step's time to where the last one arrives, in either direction:
    /// the last states, and the evaluations of each sample. Only of solvers that are invertible.
    ///
    /// # Errors
    /// Whatever the score model answers; [`ScoreError::Stopped`] if `progress` breaks off.
    fn integrate(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        x: Image,
        progress: OnProgress<'_>,
    ) -> Result<(Image, Vec<usize>), ScoreError> {
        let (count, steps) = (x.dims()[0], process.steps.len());
        let mut counted = Counted { steps, done: 0, progress, stopped: false };
        let x = self.solve(settings, process, x, &mut counted)?;
        if counted.stopped {
            return Err(ScoreError::Stopped);
        }
        Ok((x, vec![self.evaluations(settings, steps, Destination::Noise).unwrap_or_default(); count]))
    }

    /// Score evaluations of each sample over `steps` steps, the last of which arrives there.
    /// `None` where the solver chooses its own steps.
    fn evaluations(&self, _settings: &Settings, steps: usize, _to: Destination) -> Option<usize> {
        Some(steps)
    }

    /// What it follows.
    fn dynamics(&self, settings: &Settings) -> Dynamics {
        if self.is_stochastic(settings) { Dynamics::ReverseSde } else { Dynamics::ProbabilityFlow }
    }

    /// Whether it has noise of its own, besides that of the start.
    fn is_stochastic(&self, _settings: &Settings) -> bool {
        false
    }

    /// Whether samples depend on what else is in their batch: where they share a step size.
    fn couples_samples(&self, _settings: &Settings) -> bool {
        false
    }

    /// Whether it is linear in the state and its noise where the score is: whether no length depends on the state.
    fn is_linear(&self, _settings: &Settings) -> bool {
        true
    }

    /// Whether it follows the probability-flow ODE in both directions, so that it encodes, too.
    fn is_invertible(&self) -> bool {
        false
    }

    /// The order of its global error in the length of a step, as its authors state it or, where their code differs, as the
    /// code has it; `None` where it is stochastic or chooses its own steps.
    fn order(&self, _settings: &Settings) -> Option<f64> {
        None
    }

    /// What it is called with these values.
    fn title(&self, _settings: &Settings) -> String {
        self.about().name.into()
    }

    /// The time grid that suits it.
    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&LogSnr)
    }

    /// The rule of one step.
    fn equations(&self, settings: &Settings, family: &Family) -> Vec<Equation>;

    /// Named settings that people start from.
    fn presets(&self) -> Vec<Preset> {
        Vec::new()
    }
}

/// The solvers, in the order in which they are offered.
impl Category for dyn Solver {
    const NAME: &'static str = "solver";

    fn all() -> &'static [&'static Self] {
        &[
            &DpmSolverPlusPlus,
            &Ddim,
            &Heun,
            &PredictorCorrector,
            &Adaptive,
            &DpmSolverPlusPlus3M,
            &SinglestepDpm,
            &UniPc,
            &Deis,
            &Euler,
            &Dpm2,
            &Lms,
            &Ipndm,
            &Pndm,
            &SdeDpmSolverPlusPlus,
            &SdeDpmSolverPlusPlus3M,
            &Ancestral2S,
            &AncestralSde,
            &SaSolver,
            &EdmStochastic,
            &Restart,
            &DpmAdaptive,
            &Consistency,
        ]
    }
}

impl Choice<dyn Solver> {
    /// [`Solver::solve`] with the values of this choice.
    ///
    /// # Errors
    /// Whatever the score model or the constraint answers.
    pub fn solve(&self, process: &Process<'_>, x: Image, observer: &mut dyn Observer) -> Result<Image, ScoreError> {
        self.entry().solve(self.settings(), process, x, observer)
    }

    /// [`Solver::evaluations`] with the values of this choice.
    pub fn evaluations(&self, steps: usize, to: Destination) -> Option<usize> {
        self.entry().evaluations(self.settings(), steps, to)
    }

    /// What is known of it by its entry, as short phrases: its order, its evaluations per step, whether it is stochastic,
    /// whether it encodes.
    pub fn facts(&self) -> Vec<String> {
        let (entry, settings) = (self.entry(), self.settings());
        let order = entry.order(settings).map(|order| format!("order {order}"));
        // Later steps are the rule; the first ones of a multistep method differ.
        let per_step = |count: usize| self.evaluations(count, Destination::Noise);
        let evaluations = match (per_step(40), per_step(60)) {
            (Some(few), Some(more)) => match (more - few.min(more)) as f64 / 20.0 {
                1.0 => "1 evaluation per step".to_owned(),
                each => format!("{} evaluations per step", number(each)),
            },
            _ => "chooses its own steps".into(),
        };
        let noise = if entry.is_stochastic(settings) { "stochastic" } else { "deterministic" };
        let both_ways = entry.is_invertible().then(|| "encodes and decodes".to_owned());
        order.into_iter().chain([evaluations, noise.into()]).chain(both_ways).collect()
    }
}

/// Where the last of some steps arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// At another level of noise.
    Noise,
    /// At the data, with the noise of the last update where it has some.
    Data,
    /// At the data, without that noise ([`Process::denoise`]).
    Denoised,
}

/// Score evaluations of so many steps of two each, but for one that arrives at the data, where σ = 0: that takes one.
fn two_a_step(steps: usize, to: Destination) -> usize {
    (2 * steps).saturating_sub(usize::from(to != Destination::Noise))
}

/// What a solver follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dynamics {
    /// The reverse-time SDE (Song et al. 2021, eq. 6).
    ReverseSde,
    /// The probability-flow ODE (eq. 13).
    ProbabilityFlow,
    /// Markov chains that leave p_t as it is, at one time after the other.
    MarkovChains,
}

/// The reverse process that a solver is to follow.
#[derive(Clone, Copy)]
pub struct Process<'a> {
    pub model: &'a dyn ScoreModel,
    pub sde: &'a dyn Sde,
    /// The steps, noise end first (of solvers that are invertible: in either direction).
    pub steps: &'a [Step],
    /// Leave the last update's noise out; where correctors run alone, take the denoised estimate of the last state.
    pub denoise: bool,
    pub noise: &'a dyn NoiseSource,
    /// Consulted after every update.
    pub constraint: &'a dyn Constraint,
}

impl<'a> Process<'a> {
    /// A process without a constraint.
    pub fn free(
        model: &'a dyn ScoreModel,
        sde: &'a dyn Sde,
        steps: &'a [Step],
        denoise: bool,
        noise: &'a dyn NoiseSource,
    ) -> Process<'a> {
        Process { model, sde, steps, denoise, noise, constraint: &Unconstrained }
    }

    /// `x` as the constraint will have it after a step.
    fn arrive(&self, step: &Step, x: Image) -> Result<Image, ScoreError> {
        let level = self.sde.target(step);
        self.constraint.apply(x, Arrival { step: *step, stage: Stage::Predictor, level })
    }
}

/// The state after one step of the grid, as shown to an observer.
#[derive(Debug)]
pub struct StepState<'a> {
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
    fn observe(&mut self, state: &StepState<'_>) -> ControlFlow<()>;
}

/// An observer that lets every solver finish.
pub struct Unobserved;

impl Observer for Unobserved {
    fn observe(&mut self, _state: &StepState<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Tells how many of the steps are done.
struct Counted<'a> {
    steps: usize,
    done: usize,
    progress: OnProgress<'a>,
    stopped: bool,
}

impl Observer for Counted<'_> {
    fn observe(&mut self, state: &StepState<'_>) -> ControlFlow<()> {
        self.done += 1;
        let answer = (self.progress)(self.done as f64 / self.steps as f64, state.x);
        self.stopped |= answer.is_break();
        answer
    }
}

/// Shows `observer` a step that arrived at `x`: the last score in it, the estimate of x(0) that this implies, and the figures
/// of a corrector where one ran.
fn show(
    observer: &mut dyn Observer,
    step: &Step,
    x: &Image,
    denoised: &Image,
    score: &Image,
    corrector: Option<&Diagnostics>,
) -> ControlFlow<()> {
    observer.observe(&StepState { step: *step, x, denoised, score, corrector })
}
