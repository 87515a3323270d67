//! The Fréchet distance of two Gaussians (Dowson and Landau 1982; of Inception features: Heusel et al. 2017, "FID").

use super::{MetricError, Moments};
use faer::{Mat, Side};

/// ‖μ₁ − μ₂‖² + tr Σ₁ + tr Σ₂ − 2·tr (Σ₁Σ₂)^½. The eigenvalues of Σ₁Σ₂ are the squares of the singular values of R₁ᵀR₂
/// for roots Σ = R·Rᵀ, which keep their digits where roots of small eigenvalues lose half of them.
///
/// # Errors
/// If the features are of another number, or eigenvalues do not converge.
pub fn frechet(a: &Moments, b: &Moments) -> Result<f64, MetricError> {
    let means = a.between_means(b)?;
    let (a, b) = rayon::join(|| a.root(), || b.root());
    let (a, b) = (a?, b?);
    let between = a.matrix.transpose() * &b.matrix;
    let of_root: f64 = match between.nrows().min(between.ncols()) {
        0 => 0.0,
        _ => between.singular_values().map_err(|_| MetricError::NotConverged)?.iter().sum(),
    };
    Ok((means + a.trace + b.trace - 2.0 * of_root).max(0.0))
}

/// A root R of a covariance: Σ = R·Rᵀ.
#[derive(Clone, Debug)]
pub(super) struct Root {
    /// R, D × rank.
    pub matrix: Mat<f64>,
    /// tr Σ.
    pub trace: f64,
}

impl Root {
    /// By the eigenvectors of the covariance. Eigenvalues within the rounding of the largest are none: a covariance of
    /// fewer samples than features has many.
    ///
    /// # Errors
    /// If they do not converge.
    pub fn of(covariance: &Mat<f64>) -> Result<Self, MetricError> {
        super::in_order();
        let eigen = covariance.self_adjoint_eigen(Side::Lower).map_err(|_| MetricError::NotConverged)?;
        let (values, vectors) = (eigen.S().column_vector(), eigen.U());
        let dims = covariance.nrows();
        let largest = (0..dims).map(|i| values[i]).fold(0.0, f64::max);
        let least = largest * f64::EPSILON * dims as f64;
        let kept: Vec<usize> = (0..dims).filter(|&i| values[i] > least).collect();
        let matrix = Mat::from_fn(dims, kept.len(), |i, j| vectors[(i, kept[j])] * values[kept[j]].sqrt());
        Ok(Root { matrix, trace: kept.iter().map(|&i| values[i]).sum() })
    }
}
