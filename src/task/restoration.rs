//! A restoration, as a value: an inverse problem, and how it is solved with an unconditional model.

use super::{Origin, Run, RunError, Steps};
use crate::registry::{Choice, ChoiceError};
use crate::score::{Inpainting, Operator, OperatorError, ScoreError};
use crate::solver::{Method, NullSpace};
use serde::{Deserialize, Serialize};

/// RePaint's resampling (Lugmayr et al. 2022, algorithm 1): the steps are cut into legs, and each leg is gone down
/// `times` times, with forward noise leading up again in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Jumps", into = "Jumps")]
pub struct Resampling {
    jump: usize,
    times: usize,
}

#[derive(Serialize, Deserialize)]
struct Jumps {
    jump: usize,
    times: usize,
}

impl Resampling {
    /// Most passes over a leg.
    pub const MAX_TIMES: usize = 100;

    /// Legs of `jump` steps (1 or more), each gone down `times` times (1 to [`Resampling::MAX_TIMES`]).
    ///
    /// # Errors
    /// If a number is out of its range.
    pub fn new(jump: usize, times: usize) -> Result<Self, RestorationError> {
        if jump >= 1 && (1..=Self::MAX_TIMES).contains(&times) {
            Ok(Resampling { jump, times })
        } else {
            Err(RestorationError::Resampling { jump, times })
        }
    }

    /// Steps of a leg.
    pub fn jump(self) -> usize {
        self.jump
    }

    /// How often each leg is gone down.
    pub fn times(self) -> usize {
        self.times
    }
}

impl Default for Resampling {
    /// 10 and 10, as published.
    fn default() -> Self {
        Resampling { jump: 10, times: 10 }
    }
}

impl TryFrom<Jumps> for Resampling {
    type Error = RestorationError;
    fn try_from(jumps: Jumps) -> Result<Self, RestorationError> {
        Resampling::new(jumps.jump, jumps.times)
    }
}

impl From<Resampling> for Jumps {
    fn from(resampling: Resampling) -> Jumps {
        Jumps { jump: resampling.jump, times: resampling.times }
    }
}

/// Everything that decides a restoration's pixels, besides the picture: what is measured, and how samples of
/// the posterior are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restoration {
    /// Model, family, solver, grid, seed and count; its origin is the prior.
    pub run: Run,
    /// What is measured.
    #[serde(with = "crate::registry::text")]
    pub operator: Choice<dyn Operator>,
    /// σ_y, standard deviation of the measurement's noise, in units of pictures in [0, 1].
    pub noise: f64,
    /// How the measurement is imposed.
    #[serde(with = "crate::registry::text")]
    pub method: Choice<dyn Method>,
    /// RePaint's resampling.
    #[serde(default)]
    pub resampling: Option<Resampling>,
    /// SDEdit's start (Meng et al. 2022): the given picture is noised to this time, and comes back from there.
    /// 1 starts from the prior.
    pub strength: f64,
    /// The restoration that this one goes on from, in place of a start of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Box<Fork>>,
}

/// Where a restoration branches from another one. Done again from its beginning, the parent is held to the observation of
/// its branch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fork {
    pub parent: Restoration,
    /// Steps of the parent that were done, 1 or more, all passes counted.
    pub step: usize,
}

/// A restoration that cannot be done.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RestorationError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Operator(#[from] OperatorError),
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    #[error(transparent)]
    Score(#[from] ScoreError),
    #[error("measurement noise {0} is out of range; choose 0 to {max}", max = Restoration::MAX_NOISE)]
    Noise(f64),
    #[error("strength {0} is out of range; choose a number above 0, up to 1")]
    Strength(f64),
    #[error("jumps of {jump} steps with {times} repeats are out of range; choose 1 step or more and 1 to {max} repeats", max = Resampling::MAX_TIMES)]
    Resampling { jump: usize, times: usize },
    #[error("{0} steps with resampling are too many; choose fewer steps or fewer repeats")]
    Steps(usize),
    #[error("a restoration branches from another restoration, not from a run; start a new restoration")]
    Branch,
    #[error("cannot branch at step {step}: the parent restoration has {steps} steps")]
    Fork { step: usize, steps: usize },
    #[error("a branch keeps its parent's model, family and number of samples; change those in a new restoration")]
    Unlike,
    #[error(
        "the image has shape {found:?} (images, channels, height, width) but the model expects {expected:?}; resize it"
    )]
    Picture { expected: [usize; 3], found: [usize; 4] },
    #[error("{0} images do not match the number of samples; give one image, or one per sample")]
    Pictures(usize),
    #[error("an exact posterior is for one image, not {0}; give one, or choose another method")]
    Exact(usize),
    #[error(
        "the image or its confidence map has values that are not finite, or confidence outside 0 to 1; choose others"
    )]
    Values,
}

impl Restoration {
    /// Largest noise level.
    pub const MAX_NOISE: f64 = 10.0;
    /// More steps than any restoration needs, resampled ones counted.
    const MAX_STEPS: usize = 1_000_000;

    /// Whether the parts fit together.
    ///
    /// # Errors
    /// If a number is out of its range, or the run cannot be.
    pub fn check(&self) -> Result<(), RestorationError> {
        self.run.check()?;
        self.operator.check()?;
        self.method.check()?;
        if self.run.origin != Origin::Prior {
            return Err(RestorationError::Branch);
        }
        if !(0.0..=Self::MAX_NOISE).contains(&self.noise) {
            return Err(RestorationError::Noise(self.noise));
        }
        if !(self.strength > 0.0 && self.strength <= 1.0) {
            return Err(RestorationError::Strength(self.strength));
        }
        let steps = self.steps();
        if steps > Self::MAX_STEPS {
            return Err(RestorationError::Steps(steps));
        }
        self.fork.as_deref().map_or(Ok(()), |fork| fork.check(&self.run))
    }

    /// Steps of all passes together.
    fn steps(&self) -> usize {
        self.run.steps.get().saturating_mul(self.resampling.map_or(1, Resampling::times))
    }

    /// Inpainting with the settings that suit a method with a small network (see [`crate::solver::Recipe`]).
    /// Fill in the rest.
    pub fn default_for(method: Choice<dyn Method>) -> Restoration {
        let recipe = method.entry().recipe();
        let usual = Run::default();
        let steps = Steps::new(recipe.steps).unwrap_or(usual.steps);
        let run = Run { solver: recipe.solver, grid: recipe.grid, steps, ..usual };
        let resampling = recipe.resampling.and_then(|(jump, times)| Resampling::new(jump, times).ok());
        Restoration {
            run,
            operator: Choice::new(&Inpainting),
            noise: 0.0,
            method,
            resampling,
            strength: 1.0,
            fork: None,
        }
    }
}

impl Fork {
    /// Whether `run` can go on from here.
    fn check(&self, run: &Run) -> Result<(), RestorationError> {
        let Fork { parent, step } = self;
        parent.check()?;
        if !(1..parent.steps()).contains(step) {
            return Err(RestorationError::Fork { step: *step, steps: parent.steps() });
        }
        if (&parent.run.model, parent.run.family, parent.run.count) != (&run.model, run.family, run.count) {
            return Err(RestorationError::Unlike);
        }
        Ok(())
    }
}

impl Default for Restoration {
    /// Inpainting with the fast method.
    fn default() -> Self {
        Restoration::default_for(Choice::new(&NullSpace))
    }
}
