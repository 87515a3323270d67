//! The length of an average chosen after the training (Karras et al. 2024, section 3.2).

use super::{Real, gamma_of};
use rayon::prelude::*;

/// A power-function average at one moment of a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// Images seen, above 0.
    pub images: f64,
    /// Its width as a share of these.
    pub sigma_rel: f64,
}

/// Why no average can be made of stored ones.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum ProfileError {
    #[error("there is no stored average at or before {images} images; choose a later moment")]
    None { images: f64 },
    #[error("the stored averages do not determine another; keep averages of different widths or moments")]
    Singular,
}

impl Profile {
    /// ∫ p·q of two profiles over the time in training (appendix C, algorithm 3).
    fn product(self, other: Profile) -> f64 {
        let (a, b) = (gamma_of(self.sigma_rel), gamma_of(other.sigma_rel));
        let ratio = self.images / other.images;
        let power = ratio.powf(if self.images < other.images { b } else { -a });
        (a + 1.0) * (b + 1.0) * power / ((a + b + 1.0) * self.images.max(other.images))
    }
}

/// The factors of stored averages whose sum is the nearest to the average `wanted`, in the mean square over the training,
/// brought to the sum 1. Averages later than that moment have the factor 0.
///
/// # Errors
/// If none is early enough, or two are the same.
pub fn coefficients(stored: &[Profile], wanted: Profile) -> Result<Vec<f64>, ProfileError> {
    // The equations would give it but for rounding.
    if let Some(place) = stored.iter().position(|own| *own == wanted) {
        return Ok((0..stored.len()).map(|other| f64::from(u8::from(other == place))).collect());
    }
    let early: Vec<usize> = (0..stored.len()).filter(|&i| stored[i].images <= wanted.images).collect();
    if early.is_empty() {
        return Err(ProfileError::None { images: wanted.images });
    }
    let mut rows: Vec<Vec<f64>> = early
        .iter()
        .map(|&i| early.iter().map(|&j| stored[i].product(stored[j])).chain([stored[i].product(wanted)]).collect())
        .collect();
    let solved = solve(&mut rows).ok_or(ProfileError::Singular)?;
    let sum: f64 = solved.iter().sum();
    let mut all = vec![0.0; stored.len()];
    early.iter().zip(solved).for_each(|(&place, factor)| all[place] = factor / sum);
    Ok(all)
}

/// Solves n linear equations, each the coefficients and then the right side, by elimination with pivots.
fn solve(rows: &mut [Vec<f64>]) -> Option<Vec<f64>> {
    let n = rows.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|&a, &b| rows[a][k].abs().total_cmp(&rows[b][k].abs()))?;
        rows.swap(k, pivot);
        let (above, below) = rows.split_at_mut(k + 1);
        let row = &above[k];
        if row[k].is_nan() || row[k].abs() <= f64::MIN_POSITIVE {
            return None;
        }
        for other in below {
            let factor = other[k] / row[k];
            (k..=n).for_each(|j| other[j] -= factor * row[j]);
        }
    }
    let mut solution = vec![0.0; n];
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|j| rows[k][j] * solution[j]).sum();
        solution[k] = (rows[k][n] - known) / rows[k][k];
    }
    solution.iter().all(|x| x.is_finite()).then_some(solution)
}

/// The sum of arrays of one parameter, each times its factor, in double precision. All are as long as the first.
pub fn combine<F: Real>(arrays: &[&[F]], factors: &[f64]) -> Vec<F> {
    let mut sum = vec![0.0; arrays.first().map_or(0, |array| array.len())];
    arrays.iter().zip(factors).for_each(|(array, &factor)| add(&mut sum, array, factor));
    sum.into_iter().map(F::of).collect()
}

/// Adds an array, times a factor.
pub(in crate::train) fn add<F: Real>(sum: &mut [f64], array: &[F], factor: f64) {
    let values = array.par_iter().with_min_len(1 << 12);
    sum.par_iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value.wide());
}
