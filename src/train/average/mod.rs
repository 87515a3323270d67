//! Averages of the weights over a training, which sample better than the weights themselves.

mod ema;
mod half_life;
mod post_hoc;
mod power;

pub use ema::{DECAY, Ema, WARM};
pub use half_life::{HALF_LIFE, HalfLife, RAMP_UP_RATIO, half_life_decay};
pub(super) use post_hoc::add;
pub use post_hoc::{Profile, ProfileError, coefficients, combine};
pub use power::{Power, SIGMA_REL, gamma_of};

use super::Real;
use crate::registry::{Category, Choice, Entry, Settings};
use rayon::prelude::*;

/// An update of the weights that has just been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// Its number, from 1.
    pub number: u64,
    /// Images seen, those of this update included.
    pub images: u64,
    /// Images of this update.
    pub batch: u64,
}

/// An average that follows the weights.
pub trait Average: Entry {
    /// What is left of the average: average ← decay·average + (1 − decay)·weights.
    fn decay(&self, settings: &Settings, update: &Update) -> f64;
}

/// The averages, in the order in which they are offered.
impl Category for dyn Average {
    const NAME: &'static str = "average";

    fn all() -> &'static [&'static Self] {
        &[&Ema, &HalfLife, &Power]
    }
}

impl Choice<dyn Average> {
    /// What is left of the average after an update.
    pub fn decay(&self, update: &Update) -> f64 {
        self.entry().decay(self.settings(), update)
    }
}

/// Moves an average of one parameter towards its weights.
pub fn follow<F: Real>(average: &mut [F], weights: &[F], decay: f64) {
    /// Values that one thread takes at a time.
    const PART: usize = 1 << 14;
    let rest = F::of(1.0 - decay);
    let parts = average.par_chunks_mut(PART).zip(weights.par_chunks(PART));
    parts.for_each(|(average, weights)| match decay == 0.0 {
        true => average.copy_from_slice(weights),
        false => average.iter_mut().zip(weights).for_each(|(a, &w)| *a += rest * (w - *a)),
    });
}
