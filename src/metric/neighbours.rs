//! What nearest neighbours tell of two sets: precision and recall (Kynkäänniemi et al. 2019), density and coverage
//! (Naeem et al. 2020).

use super::features::same_dims;
use super::kernel::matrix;
use super::{Features, MetricError};
use faer::Mat;
use rayon::prelude::*;

/// The neighbour that is usual: in published precision and recall 3, in density and coverage 5.
pub const NEIGHBOUR: usize = 5;
/// Samples whose distances to all others are held at once.
const ROWS: usize = 256;

/// Shares and means, from 0 (density may be more than 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbours {
    /// The share of generated samples within the reach of a real one: closer to it than its k-th neighbour.
    pub precision: f64,
    /// The share of real samples within the reach of a generated one.
    pub recall: f64,
    /// In the reach of how many real samples a generated one is on average, over k.
    pub density: f64,
    /// The share of real samples that have a generated one within their reach.
    pub coverage: f64,
}

/// Whether the edge of a reach belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// As in the package `prdc`.
    Outside,
    /// As in the published code of precision and recall, and in torch-fidelity.
    Inside,
}

/// All four, where the reach of a sample is the distance to the k-th other one of its set.
///
/// # Errors
/// If there are not more than `k` samples of a set, or the features are of another number.
pub fn neighbours(real: &Features, fake: &Features, k: usize, edge: Edge) -> Result<Neighbours, MetricError> {
    same_dims(real.dims(), fake.dims())?;
    let most = real.len().min(fake.len()).saturating_sub(1);
    [real, fake].into_iter().try_for_each(|set| set.at_least(k.max(1) as u64 + 1))?;
    if k == 0 {
        return Err(MetricError::Range { what: "the neighbour k", value: 0, least: 1, most: most as u64 });
    }
    let (real, fake) = (Points::new(real), Points::new(fake));
    let (of_real, of_fake) = (real.reaches(k), fake.reaches(k));
    let within = |distance: f64, reach: f64| distance < reach || (edge == Edge::Inside && distance == reach);
    let blocks: Vec<Found> = real
        .blocks()
        .into_par_iter()
        .map(|first| {
            let distances = real.squares(first, &fake);
            let mut found = Found { near: vec![0; fake.len()], recalled: 0, covered: 0 };
            for row in 0..distances.nrows() {
                let (mut recalled, mut covered) = (false, false);
                for column in 0..fake.len() {
                    let distance = distances[(row, column)];
                    recalled |= within(distance, of_fake[column]);
                    if within(distance, of_real[first + row]) {
                        covered = true;
                        found.near[column] += 1;
                    }
                }
                found.recalled += usize::from(recalled);
                found.covered += usize::from(covered);
            }
            found
        })
        .collect();
    let mut near = vec![0; fake.len()];
    for found in &blocks {
        near.iter_mut().zip(&found.near).for_each(|(sum, more)| *sum += more);
    }
    let of_real = |count: fn(&Found) -> usize| blocks.iter().map(count).sum::<usize>() as f64 / real.len() as f64;
    Ok(Neighbours {
        precision: near.iter().filter(|&&times| times > 0).count() as f64 / fake.len() as f64,
        recall: of_real(|found| found.recalled),
        density: near.iter().sum::<usize>() as f64 / (k * fake.len()) as f64,
        coverage: of_real(|found| found.covered),
    })
}

/// What some real samples have around them.
struct Found {
    /// For each generated sample, in the reach of how many of these it is.
    near: Vec<usize>,
    recalled: usize,
    covered: usize,
}

/// Samples and the squares of their lengths.
struct Points {
    values: Mat<f64>,
    squares: Vec<f64>,
}

impl Points {
    fn new(features: &Features) -> Self {
        let square = |row: &[f32]| row.iter().map(|&value| f64::from(value).powi(2)).sum();
        Points { values: matrix(features), squares: features.rows().map(square).collect() }
    }

    fn len(&self) -> usize {
        self.squares.len()
    }

    /// The first sample of each block.
    fn blocks(&self) -> Vec<usize> {
        (0..self.len()).step_by(ROWS).collect()
    }

    /// Squared distances from the samples of a block to all others.
    fn squares(&self, first: usize, others: &Points) -> Mat<f64> {
        let rows = ROWS.min(self.len() - first);
        let mut products = self.values.get(first..first + rows, ..) * others.values.transpose();
        let lost = f64::EPSILON * self.values.ncols() as f64;
        for (column, &other) in others.squares.iter().enumerate() {
            for row in 0..rows {
                let both = self.squares[first + row] + other;
                let square = both - 2.0 * products[(row, column)];
                // Samples that are equal but for rounding.
                products[(row, column)] = if square > lost * both { square } else { 0.0 };
            }
        }
        products
    }

    /// The squared distance of each to its k-th other sample.
    fn reaches(&self, k: usize) -> Vec<f64> {
        let of_block = |first: usize| {
            let distances = self.squares(first, self);
            let reach = |row: usize| {
                let others = (0..self.len()).filter(|&other| other != first + row);
                let mut squares: Vec<f64> = others.map(|other| distances[(row, other)]).collect();
                *squares.select_nth_unstable_by(k - 1, f64::total_cmp).1
            };
            (0..distances.nrows()).map(reach).collect::<Vec<f64>>()
        };
        self.blocks().into_par_iter().flat_map_iter(of_block).collect()
    }
}
