use super::{Given, Measurement, ScoreAndTrace, ScoreError, ScoreModel, column};
use crate::Image;
use crate::sde::{Level, Moments, Range};
use burn::tensor::{Device, Tensor, TensorData, activation};

/// Images in one block: bounds the working memory of a matrix product.
const BLOCK: usize = 1024;
/// Half a grey level in [−1, 1].
const HALF_A_LEVEL: f64 = 0.5 / 127.5;

/// The exact score of the empirical distribution of a set of images.
///
/// With data uniform on y₁ … y_M, p(x) = (1/M) Σ N(x; α·y_m, σ²I), whose score is
/// (α·Σ w_m·y_m − x)/σ², w = softmax(−‖x − α·y_m‖²/2σ²). A perfect network trained on
/// these images alone would have this score.
#[derive(Clone, Debug)]
pub struct ImageSet {
    shape: [usize; 3],
    moments: Moments,
    /// Mean image, 1×D: taken off all images, so that the products below lose no digits to it.
    mean: Tensor<2>,
    blocks: Vec<Block>,
}

/// Some of the images about their mean.
#[derive(Clone, Debug)]
struct Block {
    /// K×D.
    images: Tensor<2>,
    /// ½‖y‖², 1×K.
    half_squares: Tensor<2>,
    /// How much less likely than the likeliest each image is to begin with, 1×K, as a logarithm.
    log_weights: Tensor<2>,
}

impl ImageSet {
    /// A set from grey levels, M×C×H×W in that order; they become values in [−1, 1].
    /// Leftover bytes that fill no image are passed over.
    pub fn new(levels: &[u8], shape: [usize; 3], device: &Device) -> Self {
        let size = shape.iter().product::<usize>().max(1);
        let images: Vec<&[u8]> = levels.chunks_exact(size).collect();
        let count = images.len().max(1) as f64;
        let value = |level: u8| f64::from(level) / 127.5 - 1.0;

        let mut mean = vec![0.0f64; size];
        let mut mean_square = 0.0;
        for image in &images {
            for (sum, &level) in mean.iter_mut().zip(*image) {
                *sum += value(level) / count;
                mean_square += value(level).powi(2) / (count * size as f64);
            }
        }
        let moments = Moments { mean: mean.iter().sum::<f64>() / size as f64, mean_square };
        let blocks = images.chunks(BLOCK).map(|block| Block::new(block, &mean, device)).collect();
        let mean: Vec<f32> = mean.iter().map(|&m| m as f32).collect();
        ImageSet { shape, moments, mean: Tensor::from_data(TensorData::new(mean, [1, size]), device), blocks }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.images.dims()[0]).sum()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The posterior over images, N×M: how likely each is to be the one that was noised to x (N×C×H×W).
    pub fn posterior(&self, x: &Image, at: &[Level]) -> Tensor<2> {
        activation::softmax(self.logits(self.centred(x, at), at), 1)
    }

    /// log N(y; A·yₘ, σ_y²) of each image up to a constant, in double precision.
    ///
    /// Grey levels are rounded: a measurement is never taken to be better than half a level, so that without noise
    /// the images that agree with it best are left, and not none at all.
    fn log_likelihoods(&self, measurement: &Measurement) -> Result<Vec<f64>, ScoreError> {
        let gram = measurement.linear().gram().unwrap_or(1.0);
        let variance = measurement.variance().clone().clamp_min(HALF_A_LEVEL.powi(2) * gram);
        let [c, h, w] = self.shape;
        let mut all = Vec::new();
        for block in &self.blocks {
            let images = (block.images.clone() + self.mean.clone()).reshape([block.images.dims()[0], c, h, w]);
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
        let mut rest = log_weights;
        let mut set = self.clone();
        for block in &mut set.blocks {
            let (of_block, others) = rest.split_at(block.images.dims()[0].min(rest.len()));
            let values: Vec<f32> = of_block.iter().map(|&weight| (weight - highest) as f32).collect();
            let count = values.len();
            block.log_weights = Tensor::from_data(TensorData::new(values, [1, count]), &block.images.device());
            rest = others;
        }
        set
    }

    fn check(&self, x: &Image) -> Result<(), ScoreError> {
        let [_, c, h, w] = x.dims();
        if [c, h, w] != self.shape || self.is_empty() {
            return Err(ScoreError::Shape { expected: self.shape, found: [c, h, w] });
        }
        Ok(())
    }

    /// Σ w·y for each row of weights (N×M): N×D.
    fn average(&self, weights: &Tensor<2>) -> Tensor<2> {
        let mut first = 0;
        let parts = self.blocks.iter().map(|block| {
            let count = block.images.dims()[0];
            first += count;
            weights.clone().narrow(1, first - count, count).matmul(block.images.clone())
        });
        parts.reduce(|sum, part| sum + part).unwrap_or_else(|| self.mean.zeros_like())
    }

    /// Σ w·‖y − ȳ‖² for each row of weights (N×M): N×1. Differences come before squares: near the data one image
    /// has all the weight, and a difference of two large sums would be nothing but rounding.
    fn variance(&self, weights: &Tensor<2>) -> Tensor<2> {
        let average = self.average(weights);
        let of_row = |row: usize| {
            let (mean, weights) = (average.clone().narrow(0, row, 1), weights.clone().narrow(0, row, 1));
            let mut first = 0;
            let parts = self.blocks.iter().map(|block| {
                let count = block.images.dims()[0];
                first += count;
                let squares = (block.images.clone() - mean.clone()).square().sum_dim(1);
                weights.clone().narrow(1, first - count, count).matmul(squares)
            });
            parts.reduce(|sum, part| sum + part).unwrap_or_else(|| weights.clone().sum_dim(1).zeros_like())
        };
        Tensor::cat((0..weights.dims()[0]).map(of_row).collect(), 0)
    }

    /// x − α·mean, N×D.
    fn centred(&self, x: &Image, at: &[Level]) -> Tensor<2> {
        let [n, ..] = x.dims();
        let alpha = rows(at, &x.device(), |level| level.alpha);
        x.clone().reshape([n, self.shape.iter().product()]) - self.mean.clone() * alpha
    }

    /// Log-weights up to a constant of each row: (α·x·y − α²·½‖y‖²)/σ².
    fn logits(&self, x: Tensor<2>, at: &[Level]) -> Tensor<2> {
        let device = x.device();
        let linear = rows(at, &device, |level| level.alpha / level.sigma.powi(2));
        let quadratic = rows(at, &device, |level| (level.alpha / level.sigma).powi(2));
        let parts = self.blocks.iter().map(|block| {
            let products = x.clone().matmul(block.images.clone().transpose());
            products * linear.clone() - block.half_squares.clone() * quadratic.clone() + block.log_weights.clone()
        });
        Tensor::cat(parts.collect(), 1)
    }
}

impl Block {
    fn new(images: &[&[u8]], mean: &[f64], device: &Device) -> Self {
        let mut values = Vec::with_capacity(images.len() * mean.len());
        let mut half_squares = Vec::with_capacity(images.len());
        for image in images {
            let mut squares = 0.0;
            for (&level, mean) in image.iter().zip(mean) {
                let y = f64::from(level) / 127.5 - 1.0 - mean;
                squares += y * y;
                values.push(y as f32);
            }
            half_squares.push((0.5 * squares) as f32);
        }
        Block {
            images: Tensor::from_data(TensorData::new(values, [images.len(), mean.len()]), device),
            half_squares: Tensor::from_data(TensorData::new(half_squares, [1, images.len()]), device),
            log_weights: Tensor::zeros([1, images.len()], device),
        }
    }
}

/// A coefficient of each level as a (1 or N)×1 tensor.
fn rows(at: &[Level], device: &Device, coefficient: impl Fn(Level) -> f64) -> Tensor<2> {
    column(at, device, coefficient).reshape([at.len(), 1])
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
        let (device, centred) = (x.device(), self.centred(x, at));
        let weights = activation::softmax(self.logits(centred.clone(), at), 1);
        let denoised = self.average(&weights);
        let alpha = rows(at, &device, |level| level.alpha);
        let inverse_variance = rows(at, &device, |level| level.sigma.powi(-2));
        Ok(((denoised * alpha - centred) * inverse_variance).reshape(x.dims()))
    }

    /// The trace is (α²/σ²·Var[y | x] − D)/σ², the posterior's variance summed over all coordinates.
    fn score_and_trace(&self, x: &Image, at: &[Level]) -> Option<ScoreAndTrace> {
        Some(self.score(x, at).map(|score| {
            let (device, count) = (x.device(), x.dims()[0]);
            let variance = self.variance(&self.posterior(x, at));
            let size = self.shape.iter().product::<usize>() as f64;
            let gain = rows(at, &device, |level| (level.alpha / level.sigma.powi(2)).powi(2));
            let own = rows(at, &device, |level| size / level.sigma.powi(2));
            (score, (variance * gain - own).reshape([count]))
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
