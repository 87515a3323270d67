//! Journeys between data and latents, and likelihoods, against closed forms and published figures.

mod command_line;
mod files;
mod flows;
mod interpolation;
mod likelihoods;
mod tasks;

use crate::choices::solver;
use burn::tensor::Device;
use score_explorer::score::{Component, Mixture};
use score_explorer::sde::FamilyKind;
use score_explorer::solver::{Noise, NoiseSource, Purpose, Stepping};
use score_explorer::task::{Flow, ModelRef, Steps, host};
use score_explorer::{Image, Pixels};
use std::ops::ControlFlow;

/// Never breaks off.
fn go_on(_share: f64, _x: &Image) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn flow(kind: FamilyKind, tolerance: f64, stepping: Stepping) -> Flow {
    let shared = if stepping == Stepping::Batch { "batch" } else { "sample" };
    let solver = solver(&format!("adaptive:{tolerance}:{tolerance}:{shared}"));
    Flow { solver, ..Flow::new(ModelRef::Mixture("gaussian".into()), kind.published()) }
}

/// The same way in `steps` steps of a solver's own grid.
fn by(flow: Flow, name: &str, steps: usize) -> Flow {
    flow.by(solver(name), Steps::new(steps).unwrap())
}

/// Data around 0 with this standard deviation in each of two coordinates.
fn gaussian(std: f64) -> Mixture {
    Mixture::new([2, 1, 1], vec![Component::round(1.0, vec![0.0, 0.0], std)]).unwrap()
}

/// Exact samples of a mixture.
fn drawn(mixture: &Mixture, shape: [usize; 3], count: usize, seed: u64) -> Pixels<f32> {
    let noise = Noise { seed, first: 0, count, shape, device: Device::flex() };
    let uniform = noise.uniform(0, Purpose::Acceptance(0));
    host(&mixture.sample(&noise.normal(0, Purpose::Prior), &uniform).unwrap()).unwrap()
}

fn largest(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |most, (&a, &b)| f64::max(most, (f64::from(a) - f64::from(b)).abs()))
}
