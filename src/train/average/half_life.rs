use super::{Average, Update};
use crate::registry::{Parameter, Scale, Settings, entry};

/// Images after which half of the average is left.
pub const HALF_LIFE: Parameter = Parameter::number("half_life", 500e3, 0.0, 1e12)
    .usual(1e3, 1e7, Scale::Logarithmic)
    .named("Half-life", "Half-life", "Images after which half of the average is left")
    .optional();

/// The longest half-life as a share of the images seen.
pub const RAMP_UP_RATIO: Parameter = Parameter::number("ramp_up_ratio", 0.05, 0.0, 100.0)
    .usual(0.0, 1.0, Scale::Linear(2))
    .named("Ramp-up", "Ramp-up", "Half-life is at most this share of the images seen; 0: no limit")
    .optional();

entry! {
    /// An exponential average by its half-life in images, at most a share of the images that were seen before the update
    /// (EDM, `training_loop.py`).
    HalfLife {
        slug: "half-life",
        name: "Half-life",
        summary: "Exponential average by its half-life in images",
        source: "Karras et al. 2022",
        parameters: [&HALF_LIFE, &RAMP_UP_RATIO],
    }
}

impl Average for HalfLife {
    fn decay(&self, settings: &Settings, update: &Update) -> f64 {
        let before = update.images.saturating_sub(update.batch);
        half_life_decay(settings.number(&HALF_LIFE), settings.number(&RAMP_UP_RATIO), before, update.batch)
    }
}

/// What is left of an average of this half-life in images after `batch` more, where the half-life is at most
/// `ramp_up_ratio` (0: any) of the images `seen`.
pub fn half_life_decay(half_life: f64, ramp_up_ratio: f64, seen: u64, batch: u64) -> f64 {
    let longest = if ramp_up_ratio > 0.0 { ramp_up_ratio * seen as f64 } else { f64::INFINITY };
    0.5f64.powf(batch as f64 / half_life.min(longest).max(1e-8))
}
