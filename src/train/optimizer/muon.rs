use super::adam::AdamRule;
use super::state::PART;
use super::{CLIP, LEARNING_RATE, Optimizer, Pace, Rule, WEIGHT_DECAY, orthogonalised};
use crate::network::Parameter as Weight;
use crate::registry::{Parameter, Scale, Settings, entry};
use crate::train::Real;
use rayon::prelude::*;

/// The step size of matrices and filters.
pub const MUON_RATE: Parameter = Parameter::number("muon_rate", 0.02, 0.0, 10.0)
    .usual(1e-4, 1.0, Scale::Logarithmic)
    .named("Learning rate of matrices", "Matrices", "Step size of matrices and filters after the warm-up")
    .optional();

/// Decay of the average of gradients.
pub const MOMENTUM: Parameter = Parameter::number("momentum", 0.95, 0.0, 0.9999)
    .usual(0.0, 0.9999, Scale::Linear(4))
    .named("Momentum", "Momentum", "Decay of the average of gradients per update")
    .rare();

/// Whether the present gradient counts once more.
pub const NESTEROV: Parameter =
    Parameter::flag("nesterov", true).named("Nesterov", "Nesterov", "The present gradient counts once more").rare();

/// Newton–Schulz iterations, as published.
const ITERATIONS: usize = 5;

entry! {
    /// Momentum made orthogonal, for matrices and filters between features; Adam, with the values published beside it, for the
    /// rest: vectors, embeddings, the first and the last layer (Jordan et al. 2024).
    Muon {
        slug: "muon",
        name: "Muon",
        summary: "Orthogonalised momentum for matrices and filters, Adam for the rest",
        source: "Jordan et al. 2024",
        parameters: [&MUON_RATE, &MOMENTUM, &NESTEROV, &WEIGHT_DECAY, &LEARNING_RATE, &CLIP],
    }
}

impl Optimizer for Muon {
    fn rule(&self, settings: &Settings, parameter: &Weight) -> Rule {
        let weight_decay = settings.number(&WEIGHT_DECAY);
        if !parameter.inner || parameter.shape.len() < 2 {
            let learning_rate = settings.number(&LEARNING_RATE);
            return Rule::Adam(AdamRule { learning_rate, beta_1: 0.9, beta_2: 0.95, epsilon: 1e-10, weight_decay });
        }
        Rule::Muon(MuonRule {
            learning_rate: settings.number(&MUON_RATE),
            momentum: settings.number(&MOMENTUM),
            nesterov: settings.flag(&NESTEROV),
            iterations: ITERATIONS,
            weight_decay,
            shape: parameter.shape.clone(),
        })
    }
}

/// Orthogonalised momentum.
#[derive(Clone, Debug, PartialEq)]
pub struct MuonRule {
    pub learning_rate: f64,
    pub momentum: f64,
    pub nesterov: bool,
    /// Newton–Schulz iterations.
    pub iterations: usize,
    /// By which weights shrink, times the learning rate, apart from the gradient.
    pub weight_decay: f64,
    /// Two dimensions or more; the first are the rows, all others are columns.
    pub shape: Vec<usize>,
}

impl MuonRule {
    pub(super) fn apply<F: Real>(&self, pace: Pace, weights: &mut [F], gradient: &[F], momentum: &mut [F]) {
        let rate = self.learning_rate * pace.rate;
        let (keep, rest) = (F::of(self.momentum), F::of((1.0 - self.momentum) * pace.gradient));
        let mut update = vec![F::default(); weights.len()];
        let parts = update.par_chunks_mut(PART).zip(gradient.par_chunks(PART)).zip(momentum.par_chunks_mut(PART));
        parts.for_each(|((update, gradient), momentum)| {
            for ((u, &g), m) in update.iter_mut().zip(gradient).zip(momentum) {
                *m = keep * *m + rest * g;
                *u = if self.nesterov { keep * *m + rest * g } else { *m };
            }
        });
        let rows = self.shape.first().copied().unwrap_or(1).max(1);
        let update = orthogonalised(update, rows, self.iterations);
        // Of filters this is the shape of the kernel, as published.
        let scale = match self.shape.as_slice() {
            [.., rows, columns] => (*rows as f64 / *columns as f64).max(1.0).sqrt(),
            _ => 1.0,
        };
        let (keep, step) = (F::of(1.0 - rate * self.weight_decay), F::of(rate * scale));
        let parts = weights.par_chunks_mut(PART).zip(update.par_chunks(PART));
        parts.for_each(|(weights, update)| {
            weights.iter_mut().zip(update).for_each(|(w, &u)| *w = keep * *w - step * u);
        });
    }
}
