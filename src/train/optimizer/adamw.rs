use super::adam::{AdamRule, BETA_1, BETA_2, EPSILON, LEARNING_RATE};
use super::{CLIP, Optimizer, Rule};
use crate::network::Parameter as Weight;
use crate::registry::{Parameter, Scale, Settings, entry};

/// By which weights shrink, times the learning rate.
pub const WEIGHT_DECAY: Parameter = Parameter::number("weight_decay", 0.01, 0.0, 10.0)
    .usual(0.0, 1.0, Scale::Linear(3))
    .named("Weight decay", "Weight decay", "Weights shrink by this times the learning rate, apart from the gradient")
    .optional();

entry! {
    /// Adam with weights that shrink by themselves (Loshchilov and Hutter 2019).
    AdamW {
        slug: "adamw",
        name: "AdamW",
        summary: "Adam with decoupled weight decay",
        source: "Loshchilov and Hutter 2019",
        parameters: [&LEARNING_RATE, &BETA_1, &BETA_2, &EPSILON, &WEIGHT_DECAY, &CLIP],
    }
}

impl Optimizer for AdamW {
    fn rule(&self, settings: &Settings, _parameter: &Weight) -> Rule {
        Rule::Adam(AdamRule { weight_decay: settings.number(&WEIGHT_DECAY), ..AdamRule::of(settings) })
    }
}
