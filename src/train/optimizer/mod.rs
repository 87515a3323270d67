//! How weights move. An optimiser gives each parameter a rule; a rule is one pass over weights, gradient and moments,
//! in parallel over parameters and their parts, whose bits do not depend on the number of threads.

mod adam;
mod adamw;
mod clip;
mod muon;
mod orthogonal;
mod state;

pub use adam::{Adam, AdamRule, BETA_1, BETA_2, EPSILON, LEARNING_RATE};
pub use adamw::{AdamW, WEIGHT_DECAY};
pub use clip::{CLIP, clip, norm};
pub use muon::{MOMENTUM, MUON_RATE, Muon, MuonRule, NESTEROV};
pub use orthogonal::orthogonalised;
pub use state::{OptimizerError, OptimizerState};

use super::Real;
use crate::network::Parameter;
use crate::registry::{Category, Entry, Settings};

/// A way to move weights against their gradient.
pub trait Optimizer: Entry {
    /// The rule by which this parameter of a network moves.
    fn rule(&self, settings: &Settings, parameter: &Parameter) -> Rule;
}

/// The optimisers, in the order in which they are offered.
impl Category for dyn Optimizer {
    const NAME: &'static str = "optimizer";

    fn all() -> &'static [&'static Self] {
        &[&Adam, &AdamW, &Muon]
    }
}

/// How one parameter moves.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// By its first and second moments.
    Adam(AdamRule),
    /// By its momentum, made orthogonal.
    Muon(MuonRule),
}

impl Rule {
    /// What is kept of the gradients, each as large as the parameter; the names are PyTorch's.
    pub fn moments(&self) -> &'static [&'static str] {
        match self {
            Rule::Adam(_) => &["exp_avg", "exp_avg_sq"],
            Rule::Muon(_) => &["momentum_buffer"],
        }
    }

    /// Moves `weights`.
    fn apply<F: Real>(&self, pace: Pace, updates: u64, weights: &mut [F], gradient: &[F], moments: &mut [Vec<F>]) {
        match (self, moments) {
            (Rule::Adam(rule), [first, second]) => rule.apply(pace, updates, weights, gradient, first, second),
            (Rule::Muon(rule), [momentum]) => rule.apply(pace, weights, gradient, momentum),
            _ => {}
        }
    }
}

/// What one update multiplies by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// The learning rates, by their schedule.
    pub rate: f64,
    /// The gradients, where they are clipped.
    pub gradient: f64,
}
