//! Distances as they would be of infinitely many samples (Chong and Forsyth 2020, "Effectively unbiased FID and Inception
//! Score").

use super::frechet::frechet;
use super::subsets::subset;
use super::{Features, InceptionScore, MetricError, Moments, inception_score};
use rayon::prelude::*;

/// Numbers of samples that a line is laid through.
pub const POINTS: usize = 15;
/// The smallest of them is this part of all, as published: 5,000 of 50,000.
const PART: usize = 10;

/// A straight line in 1/N, read where N is infinite.
#[derive(Clone, Debug, PartialEq)]
pub struct Extrapolated {
    pub value: f64,
    /// Of the line.
    pub slope: f64,
    /// Numbers of samples, and the distance or score of so many.
    pub points: Vec<(usize, f64)>,
}

impl Extrapolated {
    /// By least squares.
    ///
    /// # Errors
    /// If there are not two numbers of samples.
    pub fn new(points: Vec<(usize, f64)>) -> Result<Self, MetricError> {
        let count = points.len() as f64;
        let (x, y) = (points.iter().map(|(n, _)| 1.0 / *n as f64), points.iter().map(|(_, value)| *value));
        let (mean_x, mean_y) = (x.clone().sum::<f64>() / count, y.clone().sum::<f64>() / count);
        let spread: f64 = x.clone().map(|x| (x - mean_x).powi(2)).sum();
        if points.len() < 2 || spread <= 0.0 {
            return Err(MetricError::TooFew { found: points.first().map_or(0, |(n, _)| *n as u64), least: 30 });
        }
        let slope = x.zip(y).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / spread;
        Ok(Extrapolated { value: mean_y - slope * mean_x, slope, points })
    }
}

/// From the tenth part of `count` samples to all, in equal steps.
pub fn sizes(count: usize) -> Vec<usize> {
    let least = (count / PART).max(2).min(count);
    (0..POINTS).map(|point| least + point * (count - least) / (POINTS - 1)).collect()
}

/// FD∞ of some features from a reference: over these rows of them each.
///
/// # Errors
/// Those of [`super::frechet`].
pub fn frechet_infinity_of(
    reference: &Moments,
    features: &Features,
    subsets: impl IntoIterator<Item = Vec<usize>>,
) -> Result<Extrapolated, MetricError> {
    // Before many threads ask for it at once.
    reference.root()?;
    let point = |rows: Vec<usize>| {
        let moments = Moments::of_features(&features.select(&rows))?;
        Ok((rows.len(), frechet(&moments, reference)?))
    };
    let subsets: Vec<Vec<usize>> = subsets.into_iter().collect();
    Extrapolated::new(subsets.into_par_iter().map(point).collect::<Result<_, MetricError>>()?)
}

/// FD∞ of some features from a reference, over random subsets of the usual sizes.
///
/// # Errors
/// Those of [`super::frechet`].
pub fn frechet_infinity(reference: &Moments, features: &Features, seed: u64) -> Result<Extrapolated, MetricError> {
    frechet_infinity_of(reference, features, drawn(features.len(), seed))
}

/// IS∞ of logits, over these rows of them each, in one split.
///
/// # Errors
/// Those of [`inception_score`].
pub fn inception_score_infinity_of(
    logits: &Features,
    subsets: impl IntoIterator<Item = Vec<usize>>,
) -> Result<Extrapolated, MetricError> {
    let point = |rows: Vec<usize>| {
        let InceptionScore { value, .. } = inception_score(&logits.select(&rows), 1)?;
        Ok((rows.len(), value))
    };
    Extrapolated::new(subsets.into_iter().map(point).collect::<Result<_, MetricError>>()?)
}

/// IS∞ of logits, over random subsets of the usual sizes.
///
/// # Errors
/// Those of [`inception_score`].
pub fn inception_score_infinity(logits: &Features, seed: u64) -> Result<Extrapolated, MetricError> {
    inception_score_infinity_of(logits, drawn(logits.len(), seed))
}

fn drawn(count: usize, seed: u64) -> impl Iterator<Item = Vec<usize>> {
    sizes(count).into_iter().enumerate().map(move |(number, size)| subset(count, size, seed, number as u64))
}
