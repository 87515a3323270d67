use super::{Classify, Given, Measurement, ScoreError, ScoreModel, parts};
use crate::Image;
use crate::sde::Level;
use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;

/// A model led to a class by a classifier of noised data: s(x) + w·∇ₓ log p(class | x), the score of p(x)·p(class | x)ʷ
/// (Song et al. 2021, section 5; the weight is Dhariwal and Nichol 2021's scale). At w = 1 it is the score of the class.
pub struct Guided<M, C> {
    model: M,
    classifier: C,
    class: usize,
    weight: f64,
}

impl<M: ScoreModel, C: Classify> Guided<M, C> {
    /// `class` is the place of the class among the classifier's logits. The classifier must be differentiable, and see
    /// data in the model's own range.
    pub fn new(model: M, classifier: C, class: usize, weight: f64) -> Self {
        Guided { model, classifier, class, weight }
    }

    /// ∇ₓ log p(class | x).
    fn ascent(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let mut ascents = Vec::new();
        for part in parts(x, at) {
            let x = part.of(x).autodiff().require_grad();
            let logits = self.classifier.logits(&x, part.at)?;
            if !logits.is_tracked() || self.class >= logits.dims()[1] {
                return Err(ScoreError::NoTrace);
            }
            let gradients = log_softmax(logits, 1).narrow(1, self.class, 1).sum().backward();
            ascents.push(x.grad(&gradients).ok_or(ScoreError::NoTrace)?);
        }
        Ok(Tensor::cat(ascents, 0))
    }
}

impl<M: ScoreModel, C: Classify> ScoreModel for Guided<M, C> {
    crate::score::described_by_its_model!();

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let score = self.model.score(x, at)?;
        Ok(score + self.ascent(x, at)? * self.weight)
    }

    /// The class is not among what is measured.
    fn given(&self, _measurement: &Measurement) -> Option<Given<'_>> {
        None
    }
}
