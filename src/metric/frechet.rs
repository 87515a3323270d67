//! The Fréchet distance of two Gaussians (Dowson and Landau 1982; of Inception features: Heusel et al. 2017, "FID").

use super::{MetricError, Moments};
use faer::{Mat, Side};

/// ‖μ₁ − μ₂‖² + tr Σ₁ + tr Σ₂ − 2·tr (Σ₁Σ₂)^½.
///
/// # Errors
/// If the features are of another number, or eigenvalues do not converge.
pub fn frechet(a: &Moments, b: &Moments) -> Result<f64, MetricError> {
    super::features::same_dims(a.dims(), b.dims())?;
    let (a, b) = rayon::join(|| Root::new(a), || Root::new(b));
    a?.distance(&b?)
}

/// Moments with a root R of their covariance, D × rank: Σ = R·Rᵀ. Where one set is compared with many, it is found once.
#[derive(Clone, Debug)]
pub struct Root<'a> {
    moments: &'a Moments,
    root: Mat<f64>,
    trace: f64,
}

impl<'a> Root<'a> {
    /// By the eigenvectors of the covariance. Eigenvalues within the rounding of the largest are none: a covariance of
    /// fewer samples than features has many.
    ///
    /// # Errors
    /// If they do not converge.
    pub fn new(moments: &'a Moments) -> Result<Self, MetricError> {
        super::in_order();
        let covariance = moments.covariance();
        let eigen = covariance.self_adjoint_eigen(Side::Lower).map_err(|_| MetricError::NotConverged)?;
        let (values, vectors) = (eigen.S().column_vector(), eigen.U());
        let dims = moments.dims();
        let largest = (0..dims).map(|i| values[i]).fold(0.0, f64::max);
        let least = largest * f64::EPSILON * dims as f64;
        let kept: Vec<usize> = (0..dims).filter(|&i| values[i] > least).collect();
        let root = Mat::from_fn(dims, kept.len(), |i, j| vectors[(i, kept[j])] * values[kept[j]].sqrt());
        Ok(Root { moments, root, trace: kept.iter().map(|&i| values[i]).sum() })
    }

    /// D.
    pub(super) fn dims(&self) -> usize {
        self.moments.dims()
    }

    pub(super) fn mean(&self) -> &[f64] {
        self.moments.mean()
    }

    /// R, D × rank.
    pub(super) fn matrix(&self) -> &Mat<f64> {
        &self.root
    }

    /// tr Σ.
    pub(super) fn trace(&self) -> f64 {
        self.trace
    }

    /// [`frechet`]. The eigenvalues of Σ₁Σ₂ are the squares of the singular values of R₁ᵀR₂, which keep their digits where
    /// roots of small eigenvalues lose half of them.
    ///
    /// # Errors
    /// Those of [`frechet`].
    pub fn distance(&self, other: &Root<'_>) -> Result<f64, MetricError> {
        let means = self.moments.between_means(other.moments)?;
        let between = self.root.transpose() * &other.root;
        let of_root: f64 = match between.nrows().min(between.ncols()) {
            0 => 0.0,
            _ => between.singular_values().map_err(|_| MetricError::NotConverged)?.iter().sum(),
        };
        Ok((means + self.trace + other.trace - 2.0 * of_root).max(0.0))
    }
}
