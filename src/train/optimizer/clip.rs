use super::state::PART;
use crate::registry::{Choice, Parameter, Scale};
use crate::train::real::squares;
use crate::train::{Optimizer, Real};
use rayon::prelude::*;

/// The largest norm of all gradients together.
pub const CLIP: Parameter = Parameter::number("gradient_clip", 1.0, 0.0, 1e6)
    .usual(0.0, 10.0, Scale::Linear(2))
    .named("Gradient clipping", "Gradient clipping", "Largest norm of the whole gradient; 0: any")
    .optional();

/// The Euclidean norm of all gradients together. Sums of parts of a fixed size are added in order, in double precision: the same
/// bits for any number of threads.
pub fn norm<F: Real>(gradients: &[&[F]]) -> f64 {
    let parts: Vec<&[F]> = gradients.iter().flat_map(|gradient| gradient.chunks(PART)).collect();
    let squares: Vec<f64> = parts.into_par_iter().map(squares).collect();
    squares.iter().sum::<f64>().sqrt()
}

/// By what gradients of this norm are multiplied so that it is at most `largest`, as in PyTorch; 1 where that is 0. A norm
/// that is not finite is for the caller to refuse.
pub fn clip(norm: f64, largest: f64) -> f64 {
    if largest > 0.0 { (largest / (norm + 1e-6)).min(1.0) } else { 1.0 }
}

impl Choice<dyn Optimizer> {
    /// By what gradients of this norm are multiplied.
    pub fn clip(&self, norm: f64) -> f64 {
        clip(norm, self.settings().number(&CLIP))
    }
}
