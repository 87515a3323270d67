//! Correctors: Markov chain Monte Carlo steps that leave p_t as it is (Song et al. 2021, algorithms 4 and 5).

use super::{AnnealedLangevin, Hmc, Langevin, Process, Purpose};
use crate::Image;
use crate::network::Sum;
use crate::registry::{Category, Entry, Equation, Parameter, Scale, Settings, entry};
use crate::score::ScoreError;
use crate::sde::{FamilyAbout, Step};
use burn::tensor::Tensor;

/// The signal-to-noise ratio r of a corrector's step: 0.16 as published for CIFAR-10.
pub const SNR: Parameter = Parameter::number("snr", 0.16, 1e-20, 1e20)
    .usual(0.001, 10.0, Scale::Logarithmic)
    .named("SNR", "SNR r", "Signal-to-noise ratio r of the corrector, which sets its step size ε")
    .optional();

/// Corrector steps M per time step.
pub const CORRECTOR_STEPS: Parameter = Parameter::whole("corrector_steps", 1, 1, 100_000)
    .named("Corrector steps", "Steps M", "Number of corrector steps M per time step")
    .optional();

/// Which corrector runs before each prediction.
pub trait Corrector: Entry {
    /// The corrector's work at the level of `step.t`, on `x` (N×C×H×W); `None` where it does nothing.
    ///
    /// # Errors
    /// Whatever the score model answers.
    fn correct(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        x: &Image,
        step: &Step,
    ) -> Result<Option<Correction>, ScoreError>;

    /// Score evaluations at one level.
    fn evaluations(&self, settings: &Settings) -> usize;

    /// The rule of one step in a family; `None` where there is none.
    fn equation(&self, settings: &Settings, family: &FamilyAbout) -> Option<Equation>;
}

/// The correctors, in the order in which they are offered.
impl Category for dyn Corrector {
    const NAME: &'static str = "corrector";

    fn all() -> &'static [&'static Self] {
        &[&NoCorrector, &Langevin, &AnnealedLangevin, &Hmc]
    }
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

/// What a corrector did at one level.
#[derive(Clone, Debug)]
pub struct Correction {
    /// The state after the last inner step.
    pub next: Image,
    /// The last score evaluated, and where.
    pub seen: Evaluation,
    /// Figures of each sample.
    pub diagnostics: Diagnostics,
}

entry! {
    /// No correction.
    NoCorrector {
        slug: "none",
        name: "None",
        summary: "No correction",
    }
}

impl Corrector for NoCorrector {
    fn correct(&self, _: &Settings, _: &Process<'_>, _: &Image, _: &Step) -> Result<Option<Correction>, ScoreError> {
        Ok(None)
    }

    fn evaluations(&self, _settings: &Settings) -> usize {
        0
    }

    fn equation(&self, _settings: &Settings, _family: &FamilyAbout) -> Option<Equation> {
        None
    }
}

/// M steps of Langevin dynamics x ← x + ε·s + √(2ε)·z, whose step size ε, of length 1 or N, follows from the score and the
/// noise.
pub(super) fn langevin_steps(
    settings: &Settings,
    process: &Process<'_>,
    x: &Image,
    step: &Step,
    step_size: impl Fn(&Image, &Image) -> Tensor<1>,
) -> Result<Option<Correction>, ScoreError> {
    let level = [process.sde.start(step)];
    let langevin_step = |x: Image, k: u64| -> Result<Correction, ScoreError> {
        let score = process.model.score(&x, &level)?;
        let z = process.noise.normal(step.index, Purpose::Corrector(k as u32));
        let epsilon = step_size(&score, &z);
        let next = Sum::of(1.0, &x).plus(&epsilon, &score).plus(&(epsilon.clone() * 2.0).sqrt(), &z).tensor();
        let step_size = epsilon.expand([x.dims()[0]]);
        let diagnostics = Diagnostics { step_size, accept_rate: None };
        Ok(Correction { next, seen: Evaluation { x, score }, diagnostics })
    };
    let inner = settings.whole(&CORRECTOR_STEPS);
    (1..inner).try_fold(langevin_step(x.clone(), 0)?, |last, k| langevin_step(last.next, k)).map(Some)
}
