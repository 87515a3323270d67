use super::{Given, Measurement, ScoreAndTrace, ScoreError, ScoreModel, Threshold, weight};
use crate::Image;
use crate::network::Sum;
use crate::sde::{Level, Moments, Range};

/// A model seen from a run that works in another data range.
///
/// With data x′(0) = a·x(0) + b, the state x = α·x(0) + σ·z becomes
/// x′ = a·x + b·α = α·x′(0) + a·σ·z, and ∇ₓ log p = a·∇ₓ′ log p′.
pub struct InRange<M> {
    model: M,
    run: Range,
    scale: f64,
    shift: f64,
}

impl<M: ScoreModel> InRange<M> {
    /// Shows `model` to a run whose data fill `run`.
    pub fn new(model: M, run: Range) -> Self {
        let (low, high) = run.bounds();
        let (model_low, model_high) = model.range().unwrap_or(run).bounds();
        let scale = (model_high - model_low) / (high - low);
        InRange { model, run, scale, shift: model_low - scale * low }
    }

    /// State and levels as the model sees them.
    fn in_model(&self, x: &Image, at: &[Level]) -> (Image, Vec<Level>) {
        let x = Sum::of(self.scale, x).shifted(weight(at, |level| self.shift * level.alpha)).tensor();
        let levels = at.iter().map(|l| Level::new(l.alpha, self.scale * l.sigma)).collect();
        (x, levels)
    }
}

impl<M: ScoreModel> ScoreModel for InRange<M> {
    fn shape(&self) -> [usize; 3] {
        self.model.shape()
    }

    fn range(&self) -> Option<Range> {
        self.model.range().map(|_| self.run)
    }

    fn ratios(&self) -> Option<(f64, f64)> {
        self.model.ratios().map(|(low, high)| (low / self.scale, high / self.scale))
    }

    fn moments(&self) -> Option<Moments> {
        self.model.moments().map(|m| Moments {
            mean: (m.mean - self.shift) / self.scale,
            mean_square: (m.mean_square - 2.0 * self.shift * m.mean + self.shift * self.shift) / self.scale.powi(2),
        })
    }

    fn threshold(&self) -> Threshold {
        self.model.threshold()
    }

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        if self.scale == 1.0 && self.shift == 0.0 {
            return self.model.score(x, at);
        }
        let (x, levels) = self.in_model(x, at);
        Ok(self.model.score(&x, &levels)? * self.scale)
    }

    fn denoised(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        if self.scale == 1.0 && self.shift == 0.0 {
            return self.model.denoised(x, at);
        }
        let (x, levels) = self.in_model(x, at);
        let clean = self.model.denoised(&x, &levels)?;
        Ok(Sum::of(1.0, &clean).shifted(-self.shift).times(1.0 / self.scale).tensor())
    }

    fn score_and_trace(&self, x: &Image, at: &[Level]) -> Option<ScoreAndTrace> {
        let (x, levels) = self.in_model(x, at);
        let known = self.model.score_and_trace(&x, &levels)?;
        Some(known.map(|(score, trace)| (score * self.scale, trace * self.scale.powi(2))))
    }

    fn given(&self, measurement: &Measurement) -> Option<Given<'_>> {
        let measurement = measurement.of_scaled(self.scale, self.shift, self.shape());
        let posterior = self.model.given(&measurement)?;
        Some(posterior.map(|model| -> Box<dyn ScoreModel + '_> { Box::new(InRange::new(model, self.run)) }))
    }
}
