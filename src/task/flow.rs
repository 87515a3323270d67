//! Settings of a probability-flow ODE solve, as a value.

use super::{ModelRef, Steps};
use crate::registry::{Choice, ChoiceError};
use crate::sde::{Family, FamilyKind};
use crate::solver::{Adaptive, Destination, Solver};
use serde::{Deserialize, Serialize};

/// A probability-flow ODE solve between data and latents, which follows dx/dt = f(t)·x − ½g(t)²·∇ log p_t(x)
/// (Song et al. 2021, eq. 13): to encode, from `end` up to `until`; to decode, back again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// The score model.
    pub model: ModelRef,
    /// The SDE family and its parameters.
    #[serde(flatten)]
    pub family: Family,
    /// How the ODE is solved.
    #[serde(flatten)]
    pub solver: Choice<dyn Solver>,
    /// Steps of the solver's own grid; none of solvers that choose their steps themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Steps>,
    /// Time of the latent, above `end`, at most 1: the whole way. Earlier keeps more of the picture.
    pub until: f64,
    /// Time of the data, above 0. Encoded and decoded with the same end, a picture comes back.
    pub end: f64,
}

/// Settings that make no solve.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FlowError {
    #[error("the times {end} (data) to {until} (latent) are invalid; choose 0 < t_min < t_max ≤ 1")]
    Times { until: f64, end: f64 },
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    #[error("{0} cannot encode; choose a solver that integrates the probability-flow ODE in both directions")]
    OneWay(&'static str),
    #[error("{0} draws noise with these settings, so that it cannot encode; leave its noise at 0")]
    Noisy(&'static str),
    #[error("a likelihood must be integrated to the prior at t = 1, not to t = {0}; choose 1")]
    Truncated(f64),
    #[error("a likelihood is integrated with error-controlled steps, which {0} does not have; choose adaptive")]
    FixedSteps(&'static str),
    #[error("{0} probes is out of range; choose 1 to {max}", max = super::Estimate::MAX_PROBES)]
    Probes(usize),
}

impl Flow {
    /// The data's time in the published likelihood.
    pub const END: f64 = 1e-5;

    /// The whole way with published tolerances, for a model in a family.
    pub fn new(model: ModelRef, family: Family) -> Flow {
        Flow { model, family, solver: Choice::new(&Adaptive), steps: None, until: 1.0, end: Flow::END }
    }

    /// With a solver in `steps` steps of its own grid; solvers that choose their steps themselves take none.
    #[must_use]
    pub fn by(self, solver: Choice<dyn Solver>, steps: Steps) -> Flow {
        let steps = solver.evaluations(1, Destination::Noise).map(|_| steps);
        Flow { solver, steps, ..self }
    }

    /// The flow along which a likelihood is integrated: the whole way, by the published solver where this one's steps are
    /// not controlled.
    #[must_use]
    pub fn measured(self) -> Flow {
        match self.solver.is(&Adaptive) {
            true => Flow { until: 1.0, ..self },
            false => Flow { until: 1.0, solver: Choice::new(&Adaptive), steps: None, ..self },
        }
    }

    /// Whether these settings can be solved.
    ///
    /// # Errors
    /// Unless 0 < `end` < `until` ≤ 1, and the solver goes both ways.
    pub fn check(&self) -> Result<(), FlowError> {
        self.solver.check()?;
        let solver = self.solver.entry();
        let name = self.solver.about().name;
        if !solver.is_invertible() {
            return Err(FlowError::OneWay(name));
        }
        if solver.is_stochastic(self.solver.settings()) {
            return Err(FlowError::Noisy(name));
        }
        if self.end > 0.0 && self.end < self.until && self.until <= 1.0 {
            Ok(())
        } else {
            Err(FlowError::Times { until: self.until, end: self.end })
        }
    }
}

impl Default for Flow {
    /// The shipped model in its own family.
    fn default() -> Self {
        Flow::new(super::Run::default().model, FamilyKind::Vp.published())
    }
}
