//! The kernel distance (Bińkowski et al. 2018, "Demystifying MMD GANs"; of Inception features: KID).

use super::features::same_dims;
use super::subsets::subset;
use super::{Features, MetricError};
use faer::{Mat, MatRef};
use rayon::prelude::*;

/// Subsets that are usual, and their size.
pub const SUBSETS: usize = 100;
pub const SUBSET_SIZE: usize = 1000;

/// A kernel distance over random subsets of both sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelDistance {
    /// The mean over the subsets.
    pub value: f64,
    /// The standard deviation over the subsets (of N), which is published as its error.
    pub std: f64,
    pub subsets: usize,
    pub size: usize,
}

/// The unbiased estimate of the squared maximum mean discrepancy with the kernel (u·v/D + 1)³. May be negative.
///
/// # Errors
/// If there are fewer than two samples of one set, or the features are of another number.
pub fn kernel_distance(a: &Features, b: &Features) -> Result<f64, MetricError> {
    check(a, b)?;
    let (a, b) = (matrix(a), matrix(b));
    let (of_a, of_b) = (within(a.as_ref()), within(b.as_ref()));
    let gram = a.as_ref() * b.transpose();
    let cross = total(gram.as_ref(), a.ncols()) / (a.nrows() * b.nrows()) as f64;
    Ok(of_a + of_b - 2.0 * cross)
}

/// The same over `subsets` random subsets, of `size` samples of each set or as many as the smaller has.
///
/// # Errors
/// Those of [`kernel_distance`].
pub fn kernel_distance_over(
    a: &Features,
    b: &Features,
    subsets: usize,
    size: usize,
    seed: u64,
) -> Result<KernelDistance, MetricError> {
    check(a, b)?;
    let size = size.clamp(2, a.len().min(b.len()));
    // Where a subset is all there is, all subsets are the same.
    let subsets = if size == a.len().max(b.len()) { 1 } else { subsets.max(1) };
    let drawn = |set: &Features, number: usize| subset(set.len(), size, seed, number as u64);
    let pairs = (0..subsets).map(|number| [drawn(a, 2 * number), drawn(b, 2 * number + 1)]);
    kernel_distance_of(a, b, pairs)
}

/// The same over given subsets: rows of `a` and of `b`.
///
/// # Errors
/// Those of [`kernel_distance`], and if there is no subset.
pub fn kernel_distance_of(
    a: &Features,
    b: &Features,
    subsets: impl IntoIterator<Item = [Vec<usize>; 2]>,
) -> Result<KernelDistance, MetricError> {
    let subsets: Vec<[Vec<usize>; 2]> = subsets.into_iter().collect();
    let size = subsets.first().map_or(0, |[of_a, _]| of_a.len());
    let of_each: Result<Vec<f64>, MetricError> =
        subsets.into_par_iter().map(|[of_a, of_b]| kernel_distance(&a.select(&of_a), &b.select(&of_b))).collect();
    let of_each = of_each?;
    let (value, std) = mean_and_std(&of_each).ok_or(MetricError::Nothing(2))?;
    Ok(KernelDistance { value, std, subsets: of_each.len(), size })
}

/// Mean and standard deviation (of N); `None` of nothing.
pub(super) fn mean_and_std(values: &[f64]) -> Option<(f64, f64)> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (!values.is_empty()).then(|| (mean, variance.sqrt()))
}

fn check(a: &Features, b: &Features) -> Result<(), MetricError> {
    same_dims(a.dims(), b.dims())?;
    [a, b].into_iter().try_for_each(|set| set.at_least(2))
}

/// N×D in double precision.
pub(super) fn matrix(features: &Features) -> Mat<f64> {
    super::in_order();
    let (values, dims) = (features.values(), features.dims());
    Mat::from_fn(features.len(), dims, |i, j| f64::from(values[i * dims + j]))
}

/// The mean of the kernel over pairs of different samples.
fn within(a: MatRef<'_, f64>) -> f64 {
    let gram = a * a.transpose();
    let (count, dims) = (a.nrows(), a.ncols());
    let diagonal: f64 = (0..count).map(|i| kernel(gram[(i, i)], dims)).sum();
    (total(gram.as_ref(), dims) - diagonal) / (count as f64 * (count as f64 - 1.0))
}

fn total(gram: MatRef<'_, f64>, dims: usize) -> f64 {
    gram.col_iter().map(|column| column.iter().map(|&product| kernel(product, dims)).sum::<f64>()).sum()
}

fn kernel(product: f64, dims: usize) -> f64 {
    (product / dims as f64 + 1.0).powi(3)
}
