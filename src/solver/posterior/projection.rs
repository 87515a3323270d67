use super::{Method, Posterior, Recipe, Walk};
use crate::Image;
use crate::registry::{Settings, entry};
use crate::score::{Condition, ScoreError};
use crate::solver::{Arrival, Constraint, Noise, NoiseSource, Purpose, Stage};

entry! {
    /// What was measured is replaced after every update.
    Projection {
        slug: "projection",
        name: "Projection",
        summary: "After every update, replaces the measured part with a noised copy of the measurement. \
                  Samples match the measurement exactly but are not always coherent",
        source: "Song et al. 2021, appendix I",
    }
}

impl Method for Projection {
    fn recipe(&self) -> Recipe {
        Recipe::resampled()
    }

    fn solve(&self, _settings: &Settings, posterior: &Posterior<'_>, walk: Walk<'_>) -> Result<Image, ScoreError> {
        walk(posterior.model, &ProjectionConstraint::new(posterior.condition, posterior.noise))
    }
}

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
pub struct ProjectionConstraint<'a> {
    condition: &'a Condition,
    noise: &'a Noise,
}

impl<'a> ProjectionConstraint<'a> {
    pub fn new(condition: &'a Condition, noise: &'a Noise) -> Self {
        ProjectionConstraint { condition, noise }
    }
}

impl Constraint for ProjectionConstraint<'_> {
    fn apply(&self, x: Image, arrival: Arrival) -> Result<Image, ScoreError> {
        let measurement = self.condition.measurement();
        let stage = u32::from(arrival.stage == Stage::Corrector);
        let fresh = |draw: u32, shape| {
            Noise { shape, ..self.noise.clone() }.normal(arrival.step.index, Purpose::Known(2 * draw + stage))
        };
        Ok(measurement.project(x, arrival.level, fresh))
    }
}
