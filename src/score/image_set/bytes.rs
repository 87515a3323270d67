//! On the host, with the bytes as they are.
//!
//! All is in grey levels about a whole number c for each value: y = (level − 127.5)/127.5, so that 127.5·(x − α·y) is
//! u − α·(level − c) with u = 127.5·x − α·(c − 127.5). The log-weights follow from products with the bytes, which are
//! rounded. Where the noise is so low that this would be seen, those of the images that may have any weight are
//! computed once more, from differences.

use super::{ImageSet, LEVELS, value};
use crate::network::ByteMatrix;
use crate::sde::Level;
use rayon::prelude::*;

/// Samples whose weights are in memory together.
const TOGETHER: usize = 64;
/// Rounding of log-weights above which they are computed once more. It is a bound; what happens is about a five
/// hundredth of it.
const ROUNDING: f64 = 0.5;

/// The posteriors of some samples.
pub(super) struct Posterior<'a> {
    /// Which samples they are.
    first: usize,
    at: &'a [Level],
    /// Of each image relative to its likeliest, N×M.
    weights: Vec<f32>,
    /// Their sum of each sample.
    totals: Vec<f64>,
    /// The image with the largest of each sample.
    pub likeliest: Vec<usize>,
}

impl Posterior<'_> {
    fn level(&self, sample: usize) -> Level {
        level(self.at, self.first + sample)
    }

    /// E[y | x] of each, N×D.
    pub fn means(&self, images: &ByteMatrix) -> Vec<f64> {
        let mut means = self.about_centre(images);
        for mean in means.chunks_mut(images.columns()) {
            mean.iter_mut().zip(images.centre()).for_each(|(y, &centre)| *y = value(*y + f64::from(centre)));
        }
        means
    }

    /// The same in grey levels about their centre.
    fn about_centre(&self, images: &ByteMatrix) -> Vec<f64> {
        let mut sums = images.weighted(&self.weights);
        for (sums, total) in sums.chunks_mut(images.columns()).zip(&self.totals) {
            sums.iter_mut().for_each(|sum| *sum /= total);
        }
        sums
    }

    /// Var[y | x] of each, summed over all values. Differences come before squares: near the data one image has all the
    /// weight, and a difference of two large sums would be nothing but rounding.
    fn variances(&self, images: &ByteMatrix) -> Vec<f64> {
        let spread = images.spread(&self.weights, &self.about_centre(images));
        spread.iter().zip(&self.totals).map(|(spread, total)| spread / total / LEVELS.powi(2)).collect()
    }
}

fn level(at: &[Level], sample: usize) -> Level {
    *at.get(sample).unwrap_or(&at[0])
}

impl ImageSet {
    /// The posteriors of x (N×D), a few samples at a time.
    pub(super) fn on_bytes(&self, x: &[f32], at: &[Level], mut work: impl FnMut(&Posterior)) {
        let size = self.images.columns();
        for (part, x) in x.chunks(TOGETHER * size).enumerate() {
            let first = part * TOGETHER;
            let u: Vec<f64> =
                x.chunks(size).enumerate().flat_map(|(n, x)| self.scaled(x, level(at, first + n))).collect();
            let rounded: Vec<f32> = u.iter().map(|&u| u as f32).collect();
            let mut weights = self.images.products(&rounded);
            let rows = weights.par_chunks_mut(self.len()).zip(u.par_chunks(size)).enumerate();
            let (totals, likeliest) = rows.map(|(n, (row, u))| self.weigh(row, u, level(at, first + n))).unzip();
            work(&Posterior { first, at, weights, totals, likeliest });
        }
    }

    /// Score and, where it is wanted, trace of x (N×D).
    pub(super) fn scores(&self, x: &[f32], at: &[Level], traced: bool) -> (Vec<f32>, Vec<f32>) {
        let size = self.images.columns();
        let (mut scores, mut traces) = (Vec::with_capacity(x.len()), Vec::new());
        self.on_bytes(x, at, |of| {
            for (n, mean) in of.means(&self.images).chunks(size).enumerate() {
                let Level { alpha, sigma, .. } = of.level(n);
                let x = &x[scores.len()..][..size];
                scores.extend(x.iter().zip(mean).map(|(&x, y)| ((alpha * y - f64::from(x)) / sigma.powi(2)) as f32));
            }
            if traced {
                for (n, variance) in of.variances(&self.images).into_iter().enumerate() {
                    let Level { alpha, sigma, .. } = of.level(n);
                    let squared = sigma.powi(2);
                    traces.push(((alpha.powi(2) / squared * variance - size as f64) / squared) as f32);
                }
            }
        });
        (scores, traces)
    }

    /// The posterior of x (N×D) over images: N×M.
    pub(super) fn weights(&self, x: &[f32], at: &[Level]) -> Vec<f32> {
        let mut all = Vec::new();
        self.on_bytes(x, at, |of| {
            for (weights, total) in of.weights.chunks(self.len()).zip(&of.totals) {
                all.extend(weights.iter().map(|&weight| (f64::from(weight) / total) as f32));
            }
        });
        all
    }

    /// u of a sample.
    fn scaled(&self, x: &[f32], at: Level) -> impl Iterator<Item = f64> {
        let centred = x.iter().zip(self.images.centre());
        centred.map(move |(&x, &centre)| LEVELS * (f64::from(x) - at.alpha * value(centre.into())))
    }

    /// Turns the products of a sample's u into the weights of all images. Returns their sum, and the likeliest image.
    fn weigh(&self, row: &mut [f32], u: &[f64], at: Level) -> (f64, usize) {
        let (alpha, variance, squares) = (at.alpha, (LEVELS * at.sigma).powi(2), self.images.squares());
        let prior = |image: usize| self.log_weights.as_ref().map_or(0.0, |weights| weights[image]);
        let log = |(image, &product): (usize, &f32)| {
            alpha * (f64::from(product) - 0.5 * alpha * squares[image]) / variance + prior(image)
        };
        // What all images with less weight have together is less than half of the last digit.
        let least = -(row.len() as f64).ln() - 25.0 * std::f64::consts::LN_2;
        let (mut likeliest, mut largest) = largest(row.iter().enumerate().map(log));

        let length = u.iter().map(|u| u * u).sum::<f64>().sqrt();
        let longest = squares.iter().copied().fold(0.0, f64::max).sqrt();
        let rounding = alpha * length * longest * self.images.rounding() / variance;
        if rounding > ROUNDING {
            let candidates = row.iter().enumerate().filter(|&it| log(it) > largest + least - 2.0 * rounding);
            let candidates: Vec<usize> = candidates.map(|(image, _)| image).collect();
            let logs = candidates
                .par_iter()
                .map(|&image| -0.5 * self.images.squared_distance(image, u, alpha) / variance + prior(image));
            let logs: Vec<f64> = logs.collect();
            let (place, exact) = self::largest(logs.iter().copied());
            (likeliest, largest) = (candidates.get(place).copied().unwrap_or(likeliest), exact);
            // Of x that are not finite, nothing is.
            row.fill(if largest.is_finite() { 0.0 } else { f32::NAN });
            for (image, log) in candidates.into_iter().zip(logs) {
                row[image] = weight(log - largest, least);
            }
        } else {
            for (image, product) in row.iter_mut().enumerate() {
                *product = weight(log((image, &*product)) - largest, least);
            }
        }
        (row.iter().map(|&weight| f64::from(weight)).sum(), likeliest)
    }
}

/// The first of the largest values, and which it is.
fn largest(values: impl Iterator<Item = f64>) -> (usize, f64) {
    values.enumerate().fold((0, f64::NEG_INFINITY), |most, it| if it.1 > most.1 { it } else { most })
}

/// What belongs to a logarithm relative to the largest. Weights below `least` are none at all and save work.
fn weight(log: f64, least: f64) -> f32 {
    if log < least { 0.0 } else { (log as f32).exp() }
}
