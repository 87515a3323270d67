use super::{Method, Posterior, Recipe, Walk};
use crate::Image;
use crate::registry::{Choice, Parameter, Scale, Settings, entry};
use crate::score::{Clipped, Condition, ScoreError, ScoreModel, through_denoiser};
use crate::sde::Level;
use crate::solver::{Ddim, LogSnr, Unconstrained};

/// How strongly the measurement guides: 1 as derived.
pub const GUIDANCE_WEIGHT: Parameter = Parameter::number("weight", 1.0, 0.0, 100.0)
    .usual(0.0, 10.0, Scale::Linear(2))
    .named("Guidance weight", "Weight", "Guidance weight; the derivation gives 1")
    .optional();

entry! {
    /// ΠGDM: the score is guided by the measurement through the denoiser.
    PiGdm {
        slug: "pigdm",
        name: "ΠGDM",
        summary: "Guides the score by ∇ log p(y | x(t)), treating x(0) as Gaussian around x̂₀. \
                  Needs gradients through the model, which takes two to three times as long",
        source: "Song et al. 2023",
        parameters: [&GUIDANCE_WEIGHT],
    }
}

impl Method for PiGdm {
    fn is_differentiated(&self) -> bool {
        true
    }

    /// Noise that the solver adds, the guidance amplifies.
    fn recipe(&self) -> Recipe {
        Recipe { solver: Choice::new(&Ddim), grid: Choice::new(&LogSnr), steps: 20, resampling: None }
    }

    /// A network's Jacobian errs by more than it says at the noise end: without a bound, guided estimates overflow.
    fn solve(&self, settings: &Settings, posterior: &Posterior<'_>, walk: Walk<'_>) -> Result<Image, ScoreError> {
        let guided = PiGdmGuidance::new(posterior.model, posterior.condition, settings.number(&GUIDANCE_WEIGHT));
        walk(&Clipped::new(guided, posterior.clip), &Unconstrained)
    }
}

/// Pseudo-inverse guidance, ΠGDM (Song, Vahdat, Mardani and Kautz 2023):
/// the score plus (∂x̂(0)/∂x)ᵀ·Aᵀ(r²·AAᵀ + σ_y²)⁻¹(y − A·x̂(0)), which is ∇ₓ log p(y | x) where x(0) given x is a Gaussian
/// of variance r² ([`crate::score::Measurement::uncertainty`]). Exact for isotropic Gaussian data.
pub struct PiGdmGuidance<'a, M> {
    model: M,
    condition: &'a Condition,
    weight: f64,
}

impl<'a, M: ScoreModel> PiGdmGuidance<'a, M> {
    /// Guides `model`, which must be differentiable, with the given weight: 1 as derived.
    pub fn new(model: M, condition: &'a Condition, weight: f64) -> Self {
        PiGdmGuidance { model, condition, weight }
    }
}

impl<M: ScoreModel> ScoreModel for PiGdmGuidance<'_, M> {
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
