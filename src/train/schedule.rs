//! The pace of the learning rate.

use crate::registry::{Category, Choice, Entry, Parameter, Scale, Settings, entry};

/// How far a training has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Updates done before this one: 0 in the first.
    pub updates: u64,
    /// Images seen before it.
    pub images: u64,
    /// Images of one update.
    pub batch: u64,
}

/// A course of the learning rate.
pub trait Schedule: Entry {
    /// What the learning rate is multiplied by.
    fn factor(&self, settings: &Settings, at: &Position) -> f64;
}

/// The schedules, in the order in which they are offered.
impl Category for dyn Schedule {
    const NAME: &'static str = "schedule";

    fn all() -> &'static [&'static Self] {
        &[&WarmUp, &InverseSqrt]
    }
}

impl Choice<dyn Schedule> {
    /// What the learning rate is multiplied by.
    pub fn factor(&self, at: &Position) -> f64 {
        self.entry().factor(self.settings(), at)
    }
}

/// `done` of `whole`, at most 1; 1 where there is nothing to do.
fn share(done: f64, whole: f64) -> f64 {
    if whole > 0.0 { (done / whole).min(1.0) } else { 1.0 }
}

/// Updates until the learning rate is whole.
pub const WARM_UP: Parameter = Parameter::whole("warm_up", 5000, 0, 1_000_000_000)
    .named("Warm-up", "Warm-up", "Updates over which the learning rate grows from 0")
    .optional();

entry! {
    /// Grows in proportion to the updates done, then stays. The first update of a warm-up has the rate 0, as published.
    WarmUp {
        slug: "warm-up",
        name: "Warm-up",
        summary: "Linear warm-up, then constant",
        source: "Song et al. 2021",
        parameters: [&WARM_UP],
    }
}

impl Schedule for WarmUp {
    fn factor(&self, settings: &Settings, at: &Position) -> f64 {
        share(at.updates as f64, settings.whole(&WARM_UP) as f64)
    }
}

/// Updates after which the learning rate falls.
pub const REFERENCE_BATCHES: Parameter = Parameter::number("reference_batches", 70e3, 0.0, 1e12)
    .usual(1e3, 1e6, Scale::Logarithmic)
    .named("Constant updates", "t_ref", "t_ref: updates until the learning rate falls by 1/√t; 0: never")
    .optional();

/// Images until the learning rate is whole.
pub const RAMP_UP_IMAGES: Parameter = Parameter::number("ramp_up_images", 10e6, 0.0, 1e12)
    .usual(1e4, 1e8, Scale::Logarithmic)
    .named("Warm-up images", "Warm-up images", "Images over which the learning rate grows from 0")
    .optional();

entry! {
    /// Grows with the images seen, then stays, then falls by the inverse square root of the updates (Karras et al. 2024,
    /// eq. 67).
    InverseSqrt {
        slug: "inverse-sqrt",
        name: "Inverse square root",
        summary: "Warm-up, constant, then falling by 1/√t",
        source: "Karras et al. 2024, eq. 67",
        parameters: [&REFERENCE_BATCHES, &RAMP_UP_IMAGES],
    }
}

impl Schedule for InverseSqrt {
    fn factor(&self, settings: &Settings, at: &Position) -> f64 {
        let images = at.images as f64;
        let constant = settings.number(&REFERENCE_BATCHES) * at.batch as f64;
        let fall = if constant > 0.0 { (images / constant).max(1.0).sqrt() } else { 1.0 };
        share(images, settings.number(&RAMP_UP_IMAGES)) / fall
    }
}
