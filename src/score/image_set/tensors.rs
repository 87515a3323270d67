//! With tensors, for GPUs and for gradients.

use super::{BLOCK, LEVELS, value};
use crate::Image;
use crate::network::ByteMatrix;
use crate::score::column;
use crate::sde::Level;
use burn::tensor::{Device, Tensor, TensorData, activation};

/// A set of images as floats.
#[derive(Clone, Debug)]
pub(super) struct Tensors {
    /// Nearly the mean image, 1×D: taken off all images, so that the products below lose no digits to it.
    centre: Tensor<2>,
    blocks: Vec<Block>,
}

/// Some of the images about their centre.
#[derive(Clone, Debug)]
struct Block {
    /// K×D.
    images: Tensor<2>,
    /// ½‖y‖², 1×K.
    half_squares: Tensor<2>,
    /// How much less likely than the likeliest each image is to begin with, 1×K, as a logarithm.
    log_weights: Tensor<2>,
}

impl Tensors {
    pub fn new(images: &ByteMatrix, device: &Device) -> Self {
        let size = images.columns();
        let centre = images.centre().iter().map(|&level| value(level.into()) as f32).collect();
        let block = |first: usize| {
            let rows = first..images.rows().min(first + BLOCK);
            let count = rows.len();
            let about = |row: usize| images.row(row).iter().zip(images.centre());
            let values: Vec<f32> = rows
                .clone()
                .flat_map(|row| about(row).map(|(&y, &c)| ((f64::from(y) - f64::from(c)) / LEVELS) as f32))
                .collect();
            let squares: Vec<f32> =
                images.squares()[rows].iter().map(|square| (0.5 * square / LEVELS.powi(2)) as f32).collect();
            Block {
                images: Tensor::from_data(TensorData::new(values, [count, size]), device),
                half_squares: Tensor::from_data(TensorData::new(squares, [1, count]), device),
                log_weights: Tensor::zeros([1, count], device),
            }
        };
        let blocks = (0..images.rows()).step_by(BLOCK).map(block).collect();
        Tensors { centre: Tensor::from_data(TensorData::new::<f32, _>(centre, [1, size]), device), blocks }
    }

    /// Makes each image as likely as its logarithm says.
    pub fn reweigh(&mut self, log_weights: &[f64]) {
        for (block, weights) in self.blocks.iter_mut().zip(log_weights.chunks(BLOCK)) {
            let values: Vec<f32> = weights.iter().map(|&weight| weight as f32).collect();
            let count = values.len();
            block.log_weights = Tensor::from_data(TensorData::new(values, [1, count]), &block.images.device());
        }
    }

    pub fn posterior(&self, x: &Image, at: &[Level]) -> Tensor<2> {
        activation::softmax(self.logits(self.centred(x, at), at), 1)
    }

    pub fn score(&self, x: &Image, at: &[Level]) -> Image {
        let centred = self.centred(x, at);
        let weights = activation::softmax(self.logits(centred.clone(), at), 1);
        self.score_by(x, at, centred, &weights)
    }

    pub fn score_and_trace(&self, x: &Image, at: &[Level]) -> (Image, Tensor<1>) {
        let (device, [count, channels, height, width]) = (x.device(), x.dims());
        let centred = self.centred(x, at);
        let weights = activation::softmax(self.logits(centred.clone(), at), 1);
        let variance = self.variance(&weights);
        let size = (channels * height * width) as f64;
        let gain = rows(at, &device, |level| (level.alpha / level.sigma.powi(2)).powi(2));
        let own = rows(at, &device, |level| size / level.sigma.powi(2));
        (self.score_by(x, at, centred, &weights), (variance * gain - own).reshape([count]))
    }

    fn score_by(&self, x: &Image, at: &[Level], centred: Tensor<2>, weights: &Tensor<2>) -> Image {
        let device = x.device();
        let alpha = rows(at, &device, |level| level.alpha);
        let inverse_variance = rows(at, &device, |level| level.sigma.powi(-2));
        ((self.average(weights) * alpha - centred) * inverse_variance).reshape(x.dims())
    }

    /// Σ w·y for each row of weights (N×M): N×D.
    fn average(&self, weights: &Tensor<2>) -> Tensor<2> {
        let mut first = 0;
        let parts = self.blocks.iter().map(|block| {
            let count = block.images.dims()[0];
            first += count;
            weights.clone().narrow(1, first - count, count).matmul(block.images.clone())
        });
        parts.reduce(|sum, part| sum + part).unwrap_or_else(|| self.centre.zeros_like())
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

    /// x − α·centre, N×D.
    fn centred(&self, x: &Image, at: &[Level]) -> Tensor<2> {
        let [n, c, h, w] = x.dims();
        let alpha = rows(at, &x.device(), |level| level.alpha);
        x.clone().reshape([n, c * h * w]) - self.centre.clone() * alpha
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

/// A coefficient of each level as a (1 or N)×1 tensor.
fn rows(at: &[Level], device: &Device, coefficient: impl Fn(Level) -> f64) -> Tensor<2> {
    column(at, device, coefficient).reshape([at.len(), 1])
}
