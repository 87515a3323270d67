use super::{Given, Measurement, ScoreError, ScoreModel, denoised, weight};
use crate::Image;
use crate::network::Sum;
use crate::sde::Level;

/// A model whose estimate of x(0) is kept inside the data's range, or as far outside as the model's [`Threshold`] says
/// (Ho et al. 2020's clipping; Saharia et al. 2022, section 2.3).
///
/// An error of the network in its estimate of the noise enters x̂(0) multiplied by σ/α, which is
/// above 100 where a run begins. Clipping bounds it by what is known of every picture. The score
/// becomes (α·clip(x̂(0)) − x)/σ², which is exact where x̂(0) was inside.
///
/// [`Threshold`]: super::Threshold
pub struct Clipped<M> {
    model: M,
    on: bool,
}

impl<M: ScoreModel> Clipped<M> {
    /// Clips the estimates of `model` if `on` and if its data have a range.
    pub fn new(model: M, on: bool) -> Self {
        Clipped { model, on }
    }
}

/// An estimate of x(0) (N×C×H×W) kept inside the range of a model's data, where these have one.
pub(crate) fn clip(model: &dyn ScoreModel, clean: Image) -> Image {
    match model.range() {
        Some(range) => model.threshold().apply(clean, range),
        None => clean,
    }
}

impl<M: ScoreModel> ScoreModel for Clipped<M> {
    crate::score::described_by_its_model!();

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let score = self.model.score(x, at)?;
        if !self.on || self.model.range().is_none() {
            return Ok(score);
        }
        let inside = clip(&self.model, denoised(x, &score, at));
        let (alpha, inverse_variance) = (weight(at, |level| level.alpha), weight(at, |level| level.sigma.powi(-2)));
        Ok(Sum::of(alpha, &inside).plus(-1.0, x).times(inverse_variance).tensor())
    }

    fn denoised(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let clean = self.model.denoised(x, at)?;
        Ok(if self.on { clip(&self.model, clean) } else { clean })
    }

    fn given(&self, measurement: &Measurement) -> Option<Given<'_>> {
        let posterior = self.model.given(measurement)?;
        Some(posterior.map(|model| -> Box<dyn ScoreModel + '_> { Box::new(Clipped::new(model, self.on)) }))
    }
}
