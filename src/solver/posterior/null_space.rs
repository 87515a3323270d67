use super::{Method, Posterior, Recipe, Walk};
use crate::Image;
use crate::network::Sum;
use crate::registry::{Settings, entry};
use crate::score::{Condition, ScoreError, ScoreModel, denoised, weight};
use crate::sde::Level;
use crate::solver::Unconstrained;

entry! {
    /// DDNM: the estimate of x(0) is corrected by what was measured.
    NullSpace {
        slug: "null-space",
        name: "Null space (DDNM)",
        summary: "Corrects each denoised estimate x̂₀ to match the measurement. Fast: no gradients",
        source: "DDNM, Wang et al. 2022",
    }
}

impl Method for NullSpace {
    fn recipe(&self) -> Recipe {
        Recipe::resampled()
    }

    fn solve(&self, _settings: &Settings, posterior: &Posterior<'_>, walk: Walk<'_>) -> Result<Image, ScoreError> {
        walk(&NullSpaceCorrection::new(posterior.model, posterior.condition), &Unconstrained)
    }
}

/// A model whose estimate of x(0) is corrected by the measurement: x̂(0) + r²·Aᵀ(r²·AAᵀ + σ_y²)⁻¹(y − A·x̂(0))
/// (Wang, Yu and Zhang 2022, DDNM). Without noise the correction is A⁺(y − A·x̂(0)): the range of Aᵀ is as measured,
/// its null space as the model has it.
///
/// r² is the variance left in x(0) at this level (see [`crate::score::Measurement::uncertainty`]). It is exact for isotropic
/// Gaussian data, where the estimate then is the posterior's mean; with the whole variance of the data in its place,
/// what the state already knows would be counted twice.
pub struct NullSpaceCorrection<'a, M> {
    model: M,
    condition: &'a Condition,
}

impl<'a, M: ScoreModel> NullSpaceCorrection<'a, M> {
    pub fn new(model: M, condition: &'a Condition) -> Self {
        NullSpaceCorrection { model, condition }
    }
}

impl<M: ScoreModel> ScoreModel for NullSpaceCorrection<'_, M> {
    crate::score::described_by_its_model!();

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let score = self.model.score(x, at)?;
        let measurement = self.condition.measurement();
        let residual = measurement.residual(&denoised(x, &score, at));
        let correction = measurement.lift(&residual, &measurement.uncertainty(at));
        let scale = weight(at, |level| level.alpha / level.sigma.powi(2));
        Ok(Sum::of(1.0, &score).plus(scale, &correction).tensor())
    }
}
