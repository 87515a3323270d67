//! How far a figure would be from itself with other samples (the bootstrap, Efron 1979).

use super::kernel::{matrix, mean_and_std};
use super::subsets::resample;
use super::{Features, MetricError, Moments};
use faer::{Mat, Side};
use rayon::prelude::*;

/// Resampled sets that are usual.
pub const REPLICAS: usize = 50;

/// The standard error of a Fréchet distance: its deviation over sets that are drawn from `features` with replacement. The
/// reference is held fixed. Resampled sets are poorer than new ones would be, so that their distances are larger; their
/// deviation is what is of use.
///
/// # Errors
/// If there are fewer than two samples, the features are of another number, or eigenvalues do not converge.
pub fn frechet_error(reference: &Moments, features: &Features, replicas: usize, seed: u64) -> Result<f64, MetricError> {
    features.at_least(2)?;
    super::features::same_dims(reference.dims(), features.dims())?;
    let values = matrix(features);
    // Before many threads ask for it at once.
    reference.root()?;
    let replica = |number: usize| {
        let rows = resample(features.len(), seed, REPLICA | number as u64);
        of_rows(reference, &values, &rows)
    };
    let distances = (0..replicas).into_par_iter().map(replica).collect::<Result<Vec<f64>, _>>()?;
    let (_, std) = mean_and_std(&distances).ok_or(MetricError::Nothing(2))?;
    Ok(std * (replicas as f64 / (replicas as f64 - 1.0).max(1.0)).sqrt())
}

/// So that resampled sets share no numbers with subsets and directions.
const REPLICA: u64 = 1 << 41;

/// The distance of some rows. With a root R of the reference's covariance, the eigenvalues of Σ₁Σ₂ are those of RᵀΣ₁R.
fn of_rows(reference: &Moments, values: &Mat<f64>, rows: &[usize]) -> Result<f64, MetricError> {
    let (count, dims, root) = (rows.len() as f64, values.ncols(), reference.root()?);
    let mean: Vec<f64> = (0..dims).map(|j| rows.iter().map(|&i| values[(i, j)]).sum::<f64>() / count).collect();
    let around = Mat::from_fn(rows.len(), dims, |i, j| (values[(rows[i], j)] - mean[j]) / (count - 1.0).sqrt());
    let trace: f64 = around.col_iter().map(|column| column.squared_norm_l2()).sum();
    let projected = &around * &root.matrix;
    let of_root: f64 = match projected.ncols() {
        0 => 0.0,
        _ => {
            let product = projected.transpose() * &projected;
            let values = product.self_adjoint_eigenvalues(Side::Lower).map_err(|_| MetricError::NotConverged)?;
            values.iter().map(|value| value.max(0.0).sqrt()).sum()
        }
    };
    let means: f64 = mean.iter().zip(reference.mean()).map(|(a, b)| (a - b).powi(2)).sum();
    Ok(means + trace + root.trace - 2.0 * of_root)
}
