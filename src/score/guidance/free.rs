use super::{GuidanceKind, Lead, Second};
use crate::Image;
use crate::registry::entry;
use crate::score::{ScoreError, ScoreModel};
use crate::sde::Level;

entry! {
    /// s + w·(s_class − s), where s is the score of a network that is told no class, or of a second, unconditional one (Ho
    /// and Salimans 2022, whose weight is w − 1).
    ClassifierFree {
        slug: "classifier-free",
        name: "Classifier-free",
        summary: "From the score without a class to that with it, of a class-conditional model",
        source: "Ho and Salimans 2022, eq. 6",
    }
}

impl GuidanceKind for ClassifierFree {
    fn needs_class(&self) -> bool {
        true
    }

    fn takes(&self) -> Second {
        Second::MaybeModel
    }

    fn evaluations(&self) -> usize {
        2
    }

    fn equation(&self) -> &'static str {
        "s + w·(s(class) − s)"
    }
}

/// From one model to another: at weight 0 the score of the first, at weight 1 that of the second, which alone is evaluated
/// there.
pub struct Contrast<M> {
    from: M,
    to: M,
}

impl<M: ScoreModel> Contrast<M> {
    /// Both are of data of one shape and range.
    pub fn new(from: M, to: M) -> Self {
        Contrast { from, to }
    }
}

impl<M: ScoreModel> Lead for Contrast<M> {
    type Model = M;

    fn model(&self) -> &M {
        &self.to
    }

    fn parts(&self, x: &Image, at: &[Level]) -> Result<[Image; 2], ScoreError> {
        let from = self.from.score(x, at)?;
        let direction = self.to.score(x, at)? - from.clone();
        Ok([from, direction])
    }

    fn whole(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.to.score(x, at)
    }
}
