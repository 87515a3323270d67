use super::features::same_dims;
use super::frechet::Root;
use super::{Features, MetricError, Sums, Tally};
use faer::Mat;
use std::sync::OnceLock;

/// A variance of which so small a share of the mean square is left has been lost in rounding: the feature is constant.
const LOST: f64 = 64.0 * f64::EPSILON;

/// Mean and covariance of features.
#[derive(Clone, Debug)]
pub struct Moments {
    /// Number of samples; `None` where a published file does not say.
    count: Option<u64>,
    mean: Vec<f64>,
    covariance: Mat<f64>,
    /// A root of the covariance, once it was asked for: one set is compared with many.
    root: OnceLock<Root>,
}

impl PartialEq for Moments {
    fn eq(&self, other: &Self) -> bool {
        // The root follows from these.
        (self.count, &self.mean, &self.covariance) == (other.count, &other.mean, &other.covariance)
    }
}

impl Moments {
    /// From a mean and a covariance that were computed elsewhere, D×D row by row.
    ///
    /// # Errors
    /// If the sizes do not fit, a number is not finite, or the matrix is not the covariance of anything.
    pub fn new(count: Option<u64>, mean: Vec<f64>, covariance: &[f64]) -> Result<Self, MetricError> {
        let dims = mean.len();
        if dims == 0 || dims.checked_mul(dims) != Some(covariance.len()) {
            return Err(MetricError::Moments("the covariance is not a square of the mean's size"));
        }
        if !mean.iter().chain(covariance).all(|value| value.is_finite()) {
            return Err(MetricError::Moments("a number is not finite"));
        }
        let covariance = Mat::from_fn(dims, dims, |i, j| covariance[i * dims + j]);
        let scale = (0..dims).map(|i| covariance[(i, i)]).fold(0.0, f64::max);
        // Published files are often in single precision.
        let tolerance = 1e-4 * scale;
        if (0..dims).any(|i| covariance[(i, i)] < -tolerance) {
            return Err(MetricError::Moments("a variance is negative"));
        }
        let asymmetric = |i: usize, j: usize| (covariance[(i, j)] - covariance[(j, i)]).abs() > tolerance;
        if (0..dims).any(|i| (0..i).any(|j| asymmetric(i, j))) {
            return Err(MetricError::Moments("the covariance is not symmetric"));
        }
        let covariance = Mat::from_fn(dims, dims, |i, j| 0.5 * (covariance[(i, j)] + covariance[(j, i)]));
        Ok(Moments { count, mean, covariance, root: OnceLock::new() })
    }

    /// Those of features, with the covariance of n − 1.
    ///
    /// # Errors
    /// If there are fewer than two samples.
    pub fn of_features(features: &Features) -> Result<Self, MetricError> {
        let mut tally = Tally::new(features.dims());
        tally.add(0, features)?;
        tally.moments()
    }

    /// Those of sums over all samples.
    pub(super) fn of(sums: &Sums) -> Result<Self, MetricError> {
        let (dims, found) = (sums.dims(), sums.count());
        match found {
            0 => return Err(MetricError::Nothing(2)),
            1 => return Err(MetricError::TooFew { found, least: 2 }),
            _ => {}
        }
        let (count, sum) = (found as f64, sums.sum());
        let mut covariance = Mat::zeros(dims, dims);
        let mut products = sums.products().iter();
        let mut constant = vec![false; dims];
        for i in 0..dims {
            for (j, product) in (i..dims).zip(&mut products) {
                let rest = product - sum[i] * (sum[j] / count);
                if i == j {
                    constant[i] = rest <= LOST * product;
                }
                covariance[(i, j)] = rest / (count - 1.0);
                covariance[(j, i)] = rest / (count - 1.0);
            }
        }
        for (i, j) in (0..dims).flat_map(|i| (0..dims).map(move |j| (i, j))) {
            if constant[i] || constant[j] {
                covariance[(i, j)] = 0.0;
            }
        }
        let mean = sum.iter().map(|sum| sum / count).collect();
        Ok(Moments { count: Some(found), mean, covariance, root: OnceLock::new() })
    }

    /// D.
    pub fn dims(&self) -> usize {
        self.mean.len()
    }

    /// Number of samples; `None` where a published file does not say.
    pub fn count(&self) -> Option<u64> {
        self.count
    }

    /// Of length D.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// D×D, divided by n − 1.
    pub fn covariance(&self) -> &Mat<f64> {
        &self.covariance
    }

    /// A root of the covariance, found the first time.
    pub(super) fn root(&self) -> Result<&Root, MetricError> {
        if let Some(root) = self.root.get() {
            return Ok(root);
        }
        let root = Root::of(&self.covariance)?;
        Ok(self.root.get_or_init(|| root))
    }

    /// ‖μ₁ − μ₂‖².
    pub(super) fn between_means(&self, other: &Moments) -> Result<f64, MetricError> {
        same_dims(self.dims(), other.dims())?;
        Ok(self.mean.iter().zip(&other.mean).map(|(a, b)| (a - b).powi(2)).sum())
    }
}
