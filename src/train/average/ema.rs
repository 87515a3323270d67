use super::{Average, Update};
use crate::registry::{Parameter, Scale, Settings, entry};

/// What is left of the average after an update.
pub const DECAY: Parameter = Parameter::number("decay", 0.9999, 0.0, 0.999_999_9)
    .usual(0.9, 0.999_999, Scale::Linear(6))
    .named("Decay", "Decay", "What is left of the average after one update")
    .optional();

/// Whether the average is shorter at first.
pub const WARM: Parameter = Parameter::flag("shorter_at_first", true)
    .named("Shorter at first", "Shorter at first", "Decay is at most (1 + n)/(10 + n) after n updates")
    .optional();

entry! {
    /// An exponential average whose decay grows with the number of updates: min(decay, (1 + n)/(10 + n)).
    Ema {
        slug: "ema",
        name: "Exponential",
        summary: "Exponential average, as the published networks have it",
        source: "Song et al. 2021",
        parameters: [&DECAY, &WARM],
    }
}

impl Average for Ema {
    fn decay(&self, settings: &Settings, update: &Update) -> f64 {
        let (decay, n) = (settings.number(&DECAY), update.number as f64);
        if settings.flag(&WARM) { decay.min((1.0 + n) / (10.0 + n)) } else { decay }
    }
}
