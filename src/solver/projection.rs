use super::{Arrival, Constraint, Noise, Purpose, Stage};
use crate::Image;
use crate::score::{Condition, ScoreError};

/// Replaces what was measured by its own noised value after every update (Song et al. 2021, appendix I;
/// score_sde, `controllable_generation.py`), for any linear measurement: x ← x + A⁺(α·y + σ·A·z − A·x).
///
/// α and σ are those of the level that the state has just arrived at. The published code takes the step's first level
/// also after the predictor, where the state is one level further: there the known part lags behind by a level, and
/// arrives with the noise of the last level but one; here it arrives as measured.
///
/// A measurement with noise is itself a sample of the forward process at σ/α = σ_y, so it enters with the noise that is
/// missing, √(σ² − α²σ_y²), and once the state is cleaner than that the score alone moves it. For A = I and short steps
/// of a stochastic predictor this samples the posterior exactly.
pub struct Projection<'a> {
    condition: &'a Condition,
    noise: &'a Noise,
}

impl<'a> Projection<'a> {
    pub fn new(condition: &'a Condition, noise: &'a Noise) -> Self {
        Projection { condition, noise }
    }
}

impl Constraint for Projection<'_> {
    fn hold(&self, x: Image, arrival: Arrival) -> Result<Image, ScoreError> {
        let measurement = self.condition.measurement();
        let stage = u32::from(arrival.stage == Stage::Corrector);
        let fresh = |draw: u32, shape| {
            Noise { shape, ..self.noise.clone() }.normal(arrival.step.index, Purpose::Known(2 * draw + stage))
        };
        Ok(measurement.project(x, arrival.level, fresh))
    }
}
