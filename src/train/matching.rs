//! Score matching without noise, for data of few dimensions: ½·‖s‖² + div s has the same minimiser as the distance from
//! ∇ log p (Hyvärinen 2005).
//!
//! Burn differentiates once, and a training needs that for the weights. The derivative by x is therefore a central
//! difference: twice as exact as it is long, and the gradient by the weights passes through it (Pang et al. 2020).

use burn::tensor::Tensor;

/// The loss of each row of `x` (N×D) with the exact divergence, by D derivatives along the axes: for few dimensions.
/// `score` maps N×D to N×D and may keep gradients; `step` is the half-width of the differences, in units of x.
pub fn implicit(score: impl Fn(Tensor<2>) -> Tensor<2>, x: &Tensor<2>, step: f64) -> Tensor<1> {
    let [n, dimensions] = x.dims();
    let axis = |d: usize| {
        let lane = Tensor::<2>::ones([n, 1], &x.device());
        Tensor::zeros([n, dimensions], &x.device()).slice_assign([0..n, d..d + 1], lane)
    };
    let divergence = (0..dimensions).map(|d| quadratic(&score, x, &axis(d), step)).reduce(|sum, term| sum + term);
    let half_square = rows(score(x.clone()).square()) * 0.5;
    match divergence {
        Some(divergence) => half_square + divergence,
        None => half_square,
    }
}

/// The loss of each row of `x` (N×D) with the divergence along one random direction each, `directions` (N×D) of mean 0 and
/// unit covariance, such as signs: its mean over directions is that of [`implicit`] (Song et al. 2019, eq. 8).
pub fn sliced(score: impl Fn(Tensor<2>) -> Tensor<2>, x: &Tensor<2>, directions: &Tensor<2>, step: f64) -> Tensor<1> {
    rows(score(x.clone()).square()) * 0.5 + quadratic(&score, x, directions, step)
}

/// vᵀ·(∂s/∂x)·v of each row.
fn quadratic(score: impl Fn(Tensor<2>) -> Tensor<2>, x: &Tensor<2>, v: &Tensor<2>, step: f64) -> Tensor<1> {
    let shift = v.clone() * step;
    let change = score(x.clone() + shift.clone()) - score(x.clone() - shift);
    rows(change * v.clone()) * (0.5 / step)
}

/// The sum of each row.
fn rows(x: Tensor<2>) -> Tensor<1> {
    x.sum_dim(1).squeeze_dim(1)
}
