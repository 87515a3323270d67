use crate::Image;
use crate::score::{Condition, ScoreError, ScoreModel, through_denoiser};
use crate::sde::Level;

/// Pseudo-inverse guidance, ΠGDM (Song, Vahdat, Mardani and Kautz 2023):
/// the score plus (∂x̂(0)/∂x)ᵀ·Aᵀ(r²·AAᵀ + σ_y²)⁻¹(y − A·x̂(0)), which is ∇ₓ log p(y | x) where x(0) given x is a Gaussian
/// of variance r² ([`crate::score::Measurement::uncertainty`]). Exact for isotropic Gaussian data.
pub struct PiGdm<'a, M> {
    model: M,
    condition: &'a Condition,
    weight: f64,
}

impl<'a, M: ScoreModel> PiGdm<'a, M> {
    /// Guides `model`, which must be differentiable, with the given weight: 1 as derived.
    pub fn new(model: M, condition: &'a Condition, weight: f64) -> Self {
        PiGdm { model, condition, weight }
    }
}

impl<M: ScoreModel> ScoreModel for PiGdm<'_, M> {
    crate::score::described_by_its_model!();

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let measurement = self.condition.measurement();
        let (score, gradient) = through_denoiser(&self.model, x, at, |denoised, part| {
            let measurement = measurement.of_samples(part.first, part.count);
            let residual = measurement.residual(denoised);
            let uncertainty = measurement.uncertainty(part.at);
            measurement.lift(&residual, &uncertainty) / uncertainty
        })?;
        Ok(score + gradient * self.weight)
    }
}
