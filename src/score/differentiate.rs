//! Reverse-mode differentiation of a score, in batches that bound its memory.

use super::{ScoreError, ScoreModel};
use crate::Image;
use crate::sde::Level;
use burn::tensor::Tensor;

/// Values that are differentiated together: bounds the memory of what the backward pass needs.
pub(crate) const BATCH_VALUES: usize = 16 * 3 * 32 * 32;

/// Some samples of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) first: usize,
    pub(crate) count: usize,
    /// The levels of these samples, or the one of all.
    pub(crate) at: &'a [Level],
}

impl Part<'_> {
    /// These samples of a batch of images.
    pub(crate) fn of(&self, images: &Image) -> Image {
        images.clone().narrow(0, self.first, self.count)
    }
}

/// Cuts a batch into parts that can be differentiated together.
pub(crate) fn parts<'a>(x: &Image, at: &'a [Level]) -> impl Iterator<Item = Part<'a>> {
    let [n, c, h, w] = x.dims();
    let batch = (BATCH_VALUES / (c * h * w).max(1)).max(1);
    (0..n).step_by(batch).map(move |first| {
        let count = batch.min(n - first);
        Part { first, count, at: if at.len() == 1 { at } else { at.get(first..first + count).unwrap_or(at) } }
    })
}

/// The score s at `x` and vᵀ·∂s/∂x of each sample, where v follows from the score.
///
/// # Errors
/// Whatever the model answers; [`ScoreError::NoTrace`] where it cannot be differentiated.
pub(crate) fn vector_jacobian(
    model: &dyn ScoreModel,
    x: &Image,
    at: &[Level],
    v: impl FnOnce(&Image) -> Image,
) -> Result<(Image, Image, Image), ScoreError> {
    let x = x.clone().autodiff().require_grad();
    let score = model.score(&x, at)?;
    if !score.is_tracked() {
        return Err(ScoreError::NoTrace);
    }
    let value = score.clone().inner();
    let v = v(&value);
    let gradients = (score * v.clone().autodiff()).sum().backward();
    let product = x.grad(&gradients).ok_or(ScoreError::NoTrace)?;
    Ok((value, v, product))
}

/// The score at `x` and (∂x̂(0)/∂x)ᵀ·v of each sample, where v follows from the estimate x̂(0) = (x + σ²·s)/α of a part
/// of the batch: (v + σ²·vᵀ∂s/∂x)/α.
///
/// # Errors
/// As for [`vector_jacobian`].
pub(crate) fn through_denoiser(
    model: &dyn ScoreModel,
    x: &Image,
    at: &[Level],
    v: impl Fn(&Image, Part<'_>) -> Image,
) -> Result<(Image, Image), ScoreError> {
    let (mut scores, mut products) = (Vec::new(), Vec::new());
    for part in parts(x, at) {
        let x = part.of(x);
        let of_score = |score: &Image| v(&super::denoised(&x, score, part.at), part);
        let (score, v, product) = vector_jacobian(model, &x, part.at, of_score)?;
        let device = x.device();
        let variance = super::column(part.at, &device, |level| level.sigma.powi(2));
        let inverse_alpha = super::column(part.at, &device, |level| 1.0 / level.alpha);
        scores.push(score);
        products.push((v + product * variance) * inverse_alpha);
    }
    Ok((Tensor::cat(scores, 0), Tensor::cat(products, 0)))
}
