//! The Inception score (Salimans et al. 2016).

use super::kernel::mean_and_std;
use super::{Features, MetricError};

/// Splits that are usual.
pub const SPLITS: usize = 10;

/// exp of the mean divergence of each image's classes from those of all, in splits.
#[derive(Clone, Debug, PartialEq)]
pub struct InceptionScore {
    /// The mean over the splits.
    pub value: f64,
    /// The standard deviation over the splits (of N), which is published as its error.
    pub std: f64,
    pub of_each: Vec<f64>,
}

/// exp E[KL(p(y|x) ‖ p(y))] of logits, N×classes, in their order: split i ends at ⌊i·N/splits⌋.
///
/// # Errors
/// If there are no splits, or more than images.
pub fn inception_score(logits: &Features, splits: usize) -> Result<InceptionScore, MetricError> {
    let count = logits.len();
    logits.at_least(1)?;
    if !(1..=count).contains(&splits) {
        return Err(MetricError::Range { what: "splits", value: splits as u64, least: 1, most: count as u64 });
    }
    let all: Vec<Vec<f64>> = logits.rows().map(log_softmax).collect();
    let end = |split: usize| (split as u128 * count as u128 / splits as u128) as usize;
    let of_each: Vec<f64> = (0..splits).map(|split| of_split(&all[end(split)..end(split + 1)])).collect();
    let (value, std) = mean_and_std(&of_each).ok_or(MetricError::Nothing(1))?;
    Ok(InceptionScore { value, std, of_each })
}

/// log p(y|x) of one image.
fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let around: Vec<f64> = logits.iter().map(|&logit| f64::from(logit) - f64::from(largest)).collect();
    let log_sum = around.iter().map(|x| x.exp()).sum::<f64>().ln();
    around.into_iter().map(|x| x - log_sum).collect()
}

fn of_split(all: &[Vec<f64>]) -> f64 {
    let count = all.len() as f64;
    let mut together = vec![0.0; all.first().map_or(0, Vec::len)];
    for image in all {
        together.iter_mut().zip(image).for_each(|(sum, log_p)| *sum += log_p.exp());
    }
    let log_together: Vec<f64> = together.iter().map(|sum| (sum / count).ln()).collect();
    let divergence = |image: &Vec<f64>| -> f64 {
        let terms = image.iter().zip(&log_together).map(|(log_p, log_q)| {
            let p = log_p.exp();
            // Where no image has a class at all, both are 0.
            if p > 0.0 { p * (log_p - log_q) } else { 0.0 }
        });
        terms.sum()
    };
    (all.iter().map(divergence).sum::<f64>() / count).exp()
}
