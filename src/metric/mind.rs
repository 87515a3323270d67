//! The Monge inception distance (Berthet et al. 2026, "MIND"): a sliced Wasserstein distance of features.

use super::features::same_dims;
use super::kernel::matrix;
use super::subsets::subset;
use super::{Features, MetricError};
use crate::solver::{Purpose, Words};
use faer::Mat;
use rayon::prelude::*;

/// Directions that are usual.
pub const DIRECTIONS: usize = 1024;
/// What brings it to the order of a Fréchet distance, as published, beside the number of features.
const SCALE: f64 = 3.0;

/// 3·D times the mean, over random directions, of the squared Wasserstein distance of the projections. Of the larger set as
/// many random samples are taken as the smaller has.
///
/// # Errors
/// If a set is empty, or the features are of another number.
pub fn mind(a: &Features, b: &Features, directions: usize, seed: u64) -> Result<f64, MetricError> {
    let dims = a.dims();
    let mut unit = Vec::with_capacity(directions * dims);
    for number in 0..directions {
        let mut words = Words::new(seed, Purpose::Subset, DIRECTION | number as u64);
        let direction: Vec<f64> = (0..dims).map(|_| words.normal()).collect();
        let length = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
        unit.extend(direction.into_iter().map(|x| x / length));
    }
    let (larger, least) = (a.len().max(b.len()), a.len().min(b.len()));
    mind_of(a, b, &unit, &subset(larger, least, seed, DIRECTION))
}

/// So that directions share no numbers with subsets.
const DIRECTION: u64 = 1 << 40;

/// The same over given unit vectors, one after the other, and these samples of the larger set.
///
/// # Errors
/// Those of [`mind`].
pub fn mind_of(a: &Features, b: &Features, directions: &[f64], of_larger: &[usize]) -> Result<f64, MetricError> {
    same_dims(a.dims(), b.dims())?;
    [a, b].into_iter().try_for_each(|set| set.at_least(1))?;
    let dims = a.dims();
    let (count, larger) = (a.len().min(b.len()), a.len().max(b.len()));
    let chosen =
        |set: &Features| if set.len() == larger && larger > count { set.select(of_larger) } else { set.clone() };
    let directions = Mat::from_fn(dims, directions.len() / dims, |i, j| directions[j * dims + i]);
    let projected = [a, b].map(|set| matrix(&chosen(set)) * &directions);
    let of_direction = |number: usize| {
        let [a, b] = [0, 1].map(|set: usize| {
            let mut values: Vec<f64> = projected[set].col(number).iter().copied().collect();
            values.sort_unstable_by(f64::total_cmp);
            values
        });
        a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
    };
    let of_each: Vec<f64> = (0..directions.ncols()).into_par_iter().map(of_direction).collect();
    Ok(SCALE * dims as f64 * of_each.iter().sum::<f64>() / (count * directions.ncols().max(1)) as f64)
}
