use crate::Image;
use crate::network::Sum;
use crate::score::{Given, Measurement, ScoreError, ScoreModel, weight};
use crate::sde::Level;

/// What samples are led by.
pub trait Lead {
    /// The model whose data are sampled.
    type Model: ScoreModel;

    /// That model.
    fn model(&self) -> &Self::Model;

    /// The score at weight 0, and the direction: what is added to it at weight 1.
    ///
    /// # Errors
    /// Those of the models.
    fn parts(&self, x: &Image, at: &[Level]) -> Result<[Image; 2], ScoreError>;

    /// The score at weight 1.
    ///
    /// # Errors
    /// Those of the models.
    fn whole(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let [score, direction] = self.parts(x, at)?;
        Ok(score + direction)
    }
}

/// How strongly samples are led.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strength {
    /// What the direction is multiplied by.
    pub weight: f64,
    /// The noise levels σ/α, in units of the data that the models see, at which it is; at all others the weight is 1
    /// (Kynkäänniemi et al. 2024).
    pub interval: Option<[f64; 2]>,
    /// φ, from 0 to 1: how far each score is brought back to the standard deviation that it has at weight 1 (Lin et al.
    /// 2023, eq. 15 and 16; of a score and of the noise that it implies it is the same but for a factor).
    pub rescale: f64,
}

impl Strength {
    /// The same weight at all noise levels.
    pub fn constant(weight: f64) -> Self {
        Strength { weight, interval: None, rescale: 0.0 }
    }

    /// The weight at a noise level.
    fn at(&self, level: Level) -> f64 {
        let outside = self.interval.is_some_and(|[low, high]| !(low..=high).contains(&level.ratio()));
        if outside { 1.0 } else { self.weight }
    }
}

/// A model whose score is led.
pub struct Guided<L> {
    lead: L,
    strength: Strength,
}

impl<L: Lead> Guided<L> {
    /// Leads this strongly.
    pub fn new(lead: L, strength: Strength) -> Self {
        Guided { lead, strength }
    }
}

impl<L: Lead> ScoreModel for Guided<L> {
    fn shape(&self) -> [usize; 3] {
        self.lead.model().shape()
    }

    fn range(&self) -> Option<crate::sde::Range> {
        self.lead.model().range()
    }

    fn ratios(&self) -> Option<(f64, f64)> {
        self.lead.model().ratios()
    }

    fn moments(&self) -> Option<crate::sde::Moments> {
        self.lead.model().moments()
    }

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        if at.iter().all(|&level| self.strength.at(level) == 1.0) {
            return self.lead.whole(x, at);
        }
        let [score, direction] = self.lead.parts(x, at)?;
        let led = Sum::of(1.0, &score).plus(weight(at, |level| self.strength.at(level)), &direction).tensor();
        if self.strength.rescale == 0.0 {
            return Ok(led);
        }
        let factor = std(score + direction) / std(led.clone()) * self.strength.rescale + (1.0 - self.strength.rescale);
        Ok(led * factor)
    }

    /// What leads is not among what is measured.
    fn given(&self, _measurement: &Measurement) -> Option<Given<'_>> {
        None
    }
}

/// The standard deviation over all values of each image, N×1×1×1; never 0, by which something is divided.
fn std(x: Image) -> Image {
    let [n, ..] = x.dims();
    let (variance, _) = x.reshape([n as i32, -1]).var_mean_bias(1);
    variance.sqrt().clamp_min(f32::MIN_POSITIVE).reshape([n, 1, 1, 1])
}
