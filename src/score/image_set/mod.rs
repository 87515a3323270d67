//! The exact score of a set of images: on the host by products with their bytes, on other devices and for gradients by
//! tensors.

mod bytes;
mod tensors;

use super::{Given, Measurement, ScoreAndTrace, ScoreError, ScoreModel};
use crate::Image;
use crate::network::{ByteMatrix, is_plain};
use crate::sde::{Level, Moments, Range};
use burn::tensor::{Device, Tensor, TensorData};
use std::sync::Arc;
use tensors::Tensors;

/// Images in one block: bounds the working memory of tensors made from them.
const BLOCK: usize = 1024;
/// Grey levels in a unit of [−1, 1].
const LEVELS: f64 = 127.5;
/// Half a grey level in [−1, 1].
const HALF_A_LEVEL: f64 = 0.5 / LEVELS;

/// The exact score of the empirical distribution of a set of images.
///
/// With data uniform on y₁ … y_M, p(x) = (1/M) Σ N(x; α·y_m, σ²I), whose score is
/// (α·Σ w_m·y_m − x)/σ², w = softmax(−‖x − α·y_m‖²/2σ²). A perfect network trained on
/// these images alone would have this score.
#[derive(Clone, Debug)]
pub struct ImageSet {
    shape: [usize; 3],
    moments: Moments,
    images: ByteMatrix,
    /// How much less likely than the likeliest each image is to begin with, as a logarithm; `None` where all are alike.
    log_weights: Option<Arc<Vec<f64>>>,
    /// The same on a device that is not the plain host.
    tensors: Option<Tensors>,
}

/// An estimate of x(0) beside the exact one of an image set. Distances are root mean squares over all values in [−1, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// From the estimate to the exact denoised image.
    pub to_exact: f64,
    /// The image of the set that x most likely is a noised copy of.
    pub nearest: usize,
    /// From the estimate to that image.
    pub to_nearest: f64,
}

impl ImageSet {
    /// A set from grey levels, M×C×H×W in that order, which are kept as they are; they stand for values in [−1, 1].
    /// Leftover bytes that fill no image are passed over.
    pub fn new(levels: impl Into<Arc<Vec<u8>>>, shape: [usize; 3], device: &Device) -> Self {
        let images = ByteMatrix::new(levels.into(), shape.iter().product());
        let mut counts = [0u64; 256];
        (0..images.rows()).flat_map(|row| images.row(row)).for_each(|&level| counts[usize::from(level)] += 1);
        let total = (images.rows() * images.columns()).max(1) as f64;
        let mean_of = |power: i32| {
            let terms = counts.iter().enumerate().map(|(level, &n)| n as f64 * value(level as f64).powi(power));
            terms.sum::<f64>() / total
        };
        let moments = Moments { mean: mean_of(1), mean_square: mean_of(2) };
        let tensors = (!is_plain(device)).then(|| Tensors::new(&images, device));
        ImageSet { shape, moments, images, log_weights: None, tensors }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.images.rows()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The posterior over images, N×M: how likely each is to be the one that was noised to x (N×C×H×W).
    ///
    /// # Errors
    /// If the shape is wrong or the device fails.
    pub fn posterior(&self, x: &Image, at: &[Level]) -> Result<Tensor<2>, ScoreError> {
        self.check(x)?;
        match &self.tensors {
            Some(tensors) => Ok(tensors.posterior(x, at)),
            None => {
                let weights = self.weights(&values(x)?, at);
                Ok(Tensor::from_data(TensorData::new(weights, [x.dims()[0], self.len()]), &x.device()))
            }
        }
    }

    /// E[x(0) | x] of data that are exactly this set, and how an `estimate` of it compares, such as a network's that was
    /// trained on them: of one that copies, `to_exact` is small at all noise levels, also for x that are noised from other
    /// images. x, the estimate and the result are N×C×H×W; the set's range is [−1, 1].
    ///
    /// # Errors
    /// If a shape is wrong or the device fails.
    pub fn compare(&self, x: &Image, at: &[Level], estimate: &Image) -> Result<(Image, Vec<Comparison>), ScoreError> {
        self.check(x)?;
        self.check(estimate)?;
        let (size, estimates) = (self.images.columns(), values(estimate)?);
        let mut denoised = Vec::with_capacity(estimates.len());
        let mut compared = Vec::with_capacity(x.dims()[0]);
        self.on_bytes(&values(x)?, at, |of| {
            let means = of.means(&self.images);
            for (mean, &nearest) in means.chunks(size).zip(&of.likeliest) {
                let estimate = &estimates[denoised.len()..][..size];
                let to_exact = distance(estimate, mean.iter().copied());
                let image = self.images.row(nearest).iter().map(|&level| value(level.into()));
                compared.push(Comparison { to_exact, nearest, to_nearest: distance(estimate, image) });
                denoised.extend(mean.iter().map(|&y| y as f32));
            }
        });
        Ok((Tensor::from_data(TensorData::new(denoised, x.dims()), &x.device()), compared))
    }

    /// log N(y; A·yₘ, σ_y²) of each image up to a constant, in double precision.
    ///
    /// Grey levels are rounded: a measurement is never taken to be better than half a level, so that without noise
    /// the images that agree with it best are left, and not none at all.
    fn log_likelihoods(&self, measurement: &Measurement) -> Result<Vec<f64>, ScoreError> {
        let gram = measurement.linear().gram().unwrap_or(1.0);
        let variance = measurement.variance().clone().clamp_min(HALF_A_LEVEL.powi(2) * gram);
        let ([c, h, w], device) = (self.shape, measurement.y().device());
        let mut all = Vec::with_capacity(self.len());
        for first in (0..self.len()).step_by(BLOCK) {
            let rows = first..self.len().min(first + BLOCK);
            let levels = rows.clone().flat_map(|row| self.images.row(row));
            let values: Vec<f32> = levels.map(|&level| value(level.into()) as f32).collect();
            let images = Tensor::from_data(TensorData::new(values, [rows.len(), c, h, w]), &device);
            let terms = measurement.residual(&images).square() / variance.clone();
            let width = terms.dims()[1..].iter().product::<usize>().max(1);
            let values = terms.try_into_vec_as::<f32>()?;
            all.extend(values.chunks(width).map(|row| -0.5 * row.iter().map(|&term| f64::from(term)).sum::<f64>()));
        }
        Ok(all)
    }

    /// The same images, each as likely as its logarithm in `log_weights` says.
    fn reweighted(&self, log_weights: &[f64]) -> ImageSet {
        let highest = log_weights.iter().copied().fold(f64::MIN, f64::max);
        let log_weights: Vec<f64> = log_weights.iter().map(|weight| weight - highest).collect();
        let mut set = self.clone();
        if let Some(tensors) = &mut set.tensors {
            tensors.reweigh(&log_weights);
        }
        set.log_weights = Some(log_weights.into());
        set
    }

    fn check(&self, x: &Image) -> Result<(), ScoreError> {
        let [_, c, h, w] = x.dims();
        if [c, h, w] != self.shape || self.is_empty() {
            return Err(ScoreError::Shape { expected: self.shape, found: [c, h, w] });
        }
        Ok(())
    }
}

/// What a grey level stands for in [−1, 1].
fn value(level: f64) -> f64 {
    level / LEVELS - 1.0
}

/// The root mean square of what lies between.
fn distance(x: &[f32], y: impl Iterator<Item = f64>) -> f64 {
    let squares = x.iter().zip(y).map(|(&x, y)| (f64::from(x) - y).powi(2));
    (squares.sum::<f64>() / x.len() as f64).sqrt()
}

fn values(x: &Image) -> Result<Vec<f32>, ScoreError> {
    Ok(x.try_to_vec_as()?)
}

impl ScoreModel for ImageSet {
    fn shape(&self) -> [usize; 3] {
        self.shape
    }

    fn range(&self) -> Option<Range> {
        Some(Range::Symmetric)
    }

    fn ratios(&self) -> Option<(f64, f64)> {
        None
    }

    fn moments(&self) -> Option<Moments> {
        Some(self.moments)
    }

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.check(x)?;
        match &self.tensors {
            Some(tensors) => Ok(tensors.score(x, at)),
            None => {
                let (score, _) = self.scores(&values(x)?, at, false);
                Ok(Tensor::from_data(TensorData::new(score, x.dims()), &x.device()))
            }
        }
    }

    /// The trace is (α²/σ²·Var[y | x] − D)/σ², the posterior's variance summed over all coordinates.
    fn score_and_trace(&self, x: &Image, at: &[Level]) -> Option<ScoreAndTrace> {
        Some(self.check(x).and_then(|()| match &self.tensors {
            Some(tensors) => Ok(tensors.score_and_trace(x, at)),
            None => {
                let (device, count) = (x.device(), x.dims()[0]);
                let (score, trace) = self.scores(&values(x)?, at, true);
                let score = Tensor::from_data(TensorData::new(score, x.dims()), &device);
                Ok((score, Tensor::from_data(TensorData::new(trace, [count]), &device)))
            }
        }))
    }

    /// The posterior over images is categorical again: each weighs as it agrees with the measurement.
    fn given(&self, measurement: &Measurement) -> Option<Given<'_>> {
        if measurement.y().dims()[0] != 1 {
            return None;
        }
        let weighed = self.log_likelihoods(measurement).map(|weights| self.reweighted(&weights));
        Some(weighed.map(|set| -> Box<dyn ScoreModel + '_> { Box::new(set) }))
    }
}
