use super::{GuidanceKind, Lead, Second};
use crate::Image;
use crate::registry::entry;
use crate::score::{Classify, ScoreError, ScoreModel, parts};
use crate::sde::Level;
use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;

entry! {
    /// s + w·∇ log p(class | x), the score of p(x)·p(class | x)ʷ (Song et al. 2021, section 5; the weight is Dhariwal and
    /// Nichol 2021's scale).
    ClassifierGuidance {
        slug: "classifier",
        name: "Classifier",
        summary: "Along the gradient of a classifier of noised images",
        source: "Song et al. 2021, section 5; Dhariwal and Nichol 2021",
    }
}

impl GuidanceKind for ClassifierGuidance {
    fn needs_class(&self) -> bool {
        true
    }

    fn takes(&self) -> Second {
        Second::Classifier
    }

    fn evaluations(&self) -> usize {
        1
    }

    fn equation(&self) -> &'static str {
        "s + w·∇ log p(class | x)"
    }
}

/// A model led to a class by a classifier of noised data: at weight 1 it is the score of the class.
pub struct ByClassifier<M, C> {
    model: M,
    classifier: C,
    class: usize,
}

impl<M: ScoreModel, C: Classify> ByClassifier<M, C> {
    /// `class` is the place of the class among the classifier's logits. The classifier must be differentiable, and see
    /// data in the model's own range.
    pub fn new(model: M, classifier: C, class: usize) -> Self {
        ByClassifier { model, classifier, class }
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

impl<M: ScoreModel, C: Classify> Lead for ByClassifier<M, C> {
    type Model = M;

    fn model(&self) -> &M {
        &self.model
    }

    fn parts(&self, x: &Image, at: &[Level]) -> Result<[Image; 2], ScoreError> {
        Ok([self.model.score(x, at)?, self.ascent(x, at)?])
    }
}
