//! Samples of the posterior p(x | y) of a linear measurement, with an unconditional model.

mod dps;
mod exact;
mod null_space;
mod pi_gdm;
mod projection;

pub use dps::{Dps, DpsGuidance, ZETA};
pub use exact::{Exact, ExactPosterior};
pub use null_space::{NullSpace, NullSpaceCorrection};
pub use pi_gdm::{GUIDANCE_WEIGHT, PiGdm, PiGdmGuidance};
pub use projection::{Projection, ProjectionConstraint};

use super::{Ancestral, Constraint, Edm, Grid, Noise, PREDICTOR, Predictor, PredictorCorrector, Solver};
use crate::Image;
use crate::registry::{Category, Choice, Entry, Settings};
use crate::score::{Condition, ScoreError, ScoreModel};

/// How a measurement is imposed on samples of an unconditional model.
pub trait Method: Entry {
    /// Whether the model must be differentiable: its parameters on an autodiff device.
    fn is_differentiated(&self) -> bool {
        false
    }

    /// Whether only models with an exact posterior have it.
    fn is_exact(&self) -> bool {
        false
    }

    /// The settings that suit it with a small network.
    fn recipe(&self) -> Recipe;

    /// Draws samples: makes the model and the constraint that a solver is to follow, and follows them by `walk`.
    ///
    /// # Errors
    /// Whatever the score model answers, or if it is not one that the method needs.
    fn solve(&self, settings: &Settings, posterior: &Posterior<'_>, walk: Walk<'_>) -> Result<Image, ScoreError>;
}

/// The methods, in the order in which they are offered.
impl Category for dyn Method {
    const NAME: &'static str = "method";

    fn all() -> &'static [&'static Self] {
        &[&Projection, &NullSpace, &PiGdm, &Dps, &Exact]
    }
}

/// What a method works with.
#[derive(Clone, Copy)]
pub struct Posterior<'a> {
    pub model: &'a dyn ScoreModel,
    /// What was measured.
    pub condition: &'a Condition,
    pub noise: &'a Noise,
    /// Keep every estimate of x(0) inside the data's range.
    pub clip: bool,
}

/// Follows a model and a constraint from noise to data.
pub type Walk<'a> = Box<dyn FnOnce(&dyn ScoreModel, &dyn Constraint) -> Result<Image, ScoreError> + 'a>;

/// Settings that suit a method, chosen by the PSNR of what was hidden of pictures that the network had not seen.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub solver: Choice<dyn Solver>,
    pub grid: Choice<dyn Grid>,
    pub steps: usize,
    /// RePaint's resampling: the steps of a jump, and how often it is repeated.
    pub resampling: Option<(usize, usize)>,
}

impl Recipe {
    /// The predictor alone.
    fn predictor(predictor: &dyn Predictor) -> Choice<dyn Solver> {
        let solver: Choice<dyn Solver> = Choice::new(&PredictorCorrector);
        solver.with(&PREDICTOR, predictor.about().slug)
    }

    /// Ancestral steps in short jumps, each repeated: these bring what is filled in to agree with what is known, by
    /// more than 1 dB over as many short steps (of 24 worlds, 20.4 against 19.3 dB where a square was hidden, 26.0
    /// against 24.6 dB where they were enlarged four times).
    fn resampled() -> Recipe {
        let solver = Recipe::predictor(&Ancestral);
        Recipe { solver, grid: Choice::new(&Edm), steps: 10, resampling: Some((2, 3)) }
    }
}
