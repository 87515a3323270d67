//! What holds a solver's state to something besides the score.

use crate::Image;
use crate::score::ScoreError;
use crate::sde::{Level, Step};

/// Which half of a step has just moved the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The corrector: the state is still at `step.t`.
    Corrector,
    /// The predictor, or the whole step of a solver without a corrector: the state is at `step.next`.
    Predictor,
}

/// A state that an update has just arrived at.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub step: Step,
    pub stage: Stage,
    /// α and σ of the state.
    pub level: Level,
}

/// Is consulted after every update of the state and answers the state that the solver goes on from.
pub trait Constraint {
    /// `x`, N×C×H×W, as it shall be.
    ///
    /// # Errors
    /// Whatever computing it comes to.
    fn apply(&self, x: Image, arrival: Arrival) -> Result<Image, ScoreError>;
}

/// No constraint.
pub struct Unconstrained;

impl Constraint for Unconstrained {
    fn apply(&self, x: Image, _arrival: Arrival) -> Result<Image, ScoreError> {
        Ok(x)
    }
}
