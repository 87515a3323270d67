use super::state::PART;
use super::{CLIP, Optimizer, Pace, Rule};
use crate::network::Parameter as Weight;
use crate::registry::{Parameter, Scale, Settings, entry};
use crate::train::Real;
use rayon::prelude::*;

/// The step size.
pub const LEARNING_RATE: Parameter = Parameter::number("learning_rate", 2e-4, 0.0, 10.0)
    .usual(1e-6, 1e-1, Scale::Logarithmic)
    .named("Learning rate", "Learning rate", "Step size of Adam after the warm-up")
    .optional();

/// Decay of the first moment.
pub const BETA_1: Parameter = Parameter::number("beta1", 0.9, 0.0, 0.9999)
    .usual(0.0, 0.9999, Scale::Linear(4))
    .named("β₁", "β₁", "Decay of the average of gradients per update")
    .rare();

/// Decay of the second moment.
pub const BETA_2: Parameter = Parameter::number("beta2", 0.999, 0.0, 0.999_999)
    .usual(0.0, 0.999_999, Scale::Linear(6))
    .named("β₂", "β₂", "Decay of the average of squared gradients per update")
    .rare();

/// What is added to the root of the second moment.
pub const EPSILON: Parameter = Parameter::number("epsilon", 1e-8, 1e-16, 1.0)
    .usual(1e-12, 1e-3, Scale::Exponent)
    .named("ε", "ε", "Added to the root of the average squared gradient")
    .rare();

entry! {
    /// Adam (Kingma and Ba 2015) with the values of the published score networks; ε is outside of the root.
    Adam {
        slug: "adam",
        name: "Adam",
        summary: "Adaptive moments, as the published networks were trained",
        source: "Kingma and Ba 2015",
        parameters: [&LEARNING_RATE, &BETA_1, &BETA_2, &EPSILON, &CLIP],
    }
}

impl Optimizer for Adam {
    fn rule(&self, settings: &Settings, _parameter: &Weight) -> Rule {
        Rule::Adam(AdamRule::of(settings))
    }
}

/// Adaptive moments.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamRule {
    pub learning_rate: f64,
    pub beta_1: f64,
    pub beta_2: f64,
    pub epsilon: f64,
    /// By which weights shrink, times the learning rate, apart from the gradient.
    pub weight_decay: f64,
}

impl AdamRule {
    /// The rule with the values of a choice, without decay.
    pub(super) fn of(settings: &Settings) -> AdamRule {
        AdamRule {
            learning_rate: settings.number(&LEARNING_RATE),
            beta_1: settings.number(&BETA_1),
            beta_2: settings.number(&BETA_2),
            epsilon: settings.number(&EPSILON),
            weight_decay: 0.0,
        }
    }

    /// Update number `updates`, from 1.
    pub(crate) fn apply<F: Real>(
        &self,
        pace: Pace,
        updates: u64,
        weights: &mut [F],
        gradient: &[F],
        first: &mut [F],
        second: &mut [F],
    ) {
        let rate = self.learning_rate * pace.rate;
        // The averages begin at 0: what is missing of their weights is made up for.
        let whole = |beta: f64| 1.0 - beta.powf(updates as f64);
        let (keep, step) = (F::of(1.0 - rate * self.weight_decay), F::of(rate / whole(self.beta_1)));
        let (root, epsilon) = (F::of(1.0 / whole(self.beta_2).sqrt()), F::of(self.epsilon));
        let (beta_1, rest_1) = (F::of(self.beta_1), F::of(1.0 - self.beta_1));
        let (beta_2, rest_2) = (F::of(self.beta_2), F::of(1.0 - self.beta_2));
        let share = F::of(pace.gradient);
        let parts = weights.par_chunks_mut(PART).zip(gradient.par_chunks(PART));
        let parts = parts.zip(first.par_chunks_mut(PART).zip(second.par_chunks_mut(PART)));
        parts.for_each(|((weights, gradient), (first, second))| {
            let values = weights.iter_mut().zip(gradient).zip(first.iter_mut().zip(second));
            for ((w, &g), (m, v)) in values {
                let g = share * g;
                *m = beta_1 * *m + rest_1 * g;
                *v = beta_2 * *v + rest_2 * g * g;
                *w = keep * *w - step * *m / (root * v.sqrt() + epsilon);
            }
        });
    }
}
