use super::{ClassifierError, noised};
use crate::Image;
use crate::data::{Data, Preparation};
use crate::score::{Classify as _, NetworkClassifier};
use crate::sde::{Level, Range};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

/// Pictures that are told at once.
const BATCH: usize = 128;
/// Seed of the noise on them.
const SEED: u64 = 0;

/// The share of the first `most` pictures (of all that there are, where they are fewer) under noise of this σ/α that a
/// classifier, on `device`, is right about.
///
/// # Errors
/// If it cannot [read](crate::score::ClassifierDescription::reads) the data, or the device fails.
pub fn accuracy(
    classifier: &NetworkClassifier,
    data: &Data,
    ratio: f64,
    most: u64,
    device: &Device,
) -> Result<f64, ClassifierError> {
    classifier.description().reads(data)?;
    let (count, shape) = (data.len().unwrap_or(u64::MAX).min(most), data.shape());
    let size = shape.iter().product::<usize>().max(1);
    let preparation = Preparation { range: Range::Symmetric, flips: false, dequantises: false };
    let mut right = 0;
    for first in (0..count).step_by(BATCH) {
        let numbers: Vec<u64> = (first..count.min(first + BATCH as u64)).collect();
        let mut values = vec![0.0; numbers.len() * size];
        let fill = |(&n, values): (&u64, &mut [f32])| {
            let mut levels = vec![0; size];
            let label = data.picture(n, &mut levels);
            preparation.fill(&levels, SEED, n, values);
            noised(SEED, n, ratio, values);
            label
        };
        let labels: Vec<Option<u32>> = numbers.par_iter().zip(values.par_chunks_mut(size)).map(fill).collect();
        let [channels, height, width] = shape;
        let x: Image = Tensor::from_data(TensorData::new(values, [numbers.len(), channels, height, width]), device);
        let failed = |error: &dyn std::fmt::Display| ClassifierError::Device(error.to_string());
        let logits = classifier.logits(&x, &[Level::new(1.0, ratio)]).map_err(|error| failed(&error))?;
        let classes = logits.dims()[1];
        let logits: Vec<f32> = logits.try_into_vec_as().map_err(|error| failed(&error))?;
        let told = logits.chunks(classes.max(1)).map(|row| {
            let best = (0..classes).max_by(|&a, &b| row[a].total_cmp(&row[b]));
            best.map(|best| best as u32)
        });
        right += told.zip(labels).filter(|(told, label)| told == label).count();
    }
    Ok(right as f64 / count.max(1) as f64)
}
