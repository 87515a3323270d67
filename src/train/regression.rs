use super::Real;
use super::real::squares;
use std::ops::Range;

/// A weighted least-squares regression on what a network answers: every objective is one.
///
/// With F the network's output for N images of D values, residual rₙ = gainₙ·Fₙ + offsetₙ and the loss of an image is
/// weightₙ·‖rₙ‖², or weightₙ times the pseudo-Huber loss of rₙ. The loss of a batch is the mean of these.
#[derive(Clone, Debug, PartialEq)]
pub struct Regression<F> {
    /// What goes into the network, N×D.
    pub inputs: Vec<F>,
    /// What the network is told of each image's noise level, N.
    pub labels: Vec<f64>,
    /// What it is told of each image's class, N; empty where it is told none.
    pub classes: Vec<Option<usize>>,
    /// Of the output, N.
    pub gains: Vec<f64>,
    /// N×D.
    pub offsets: Vec<F>,
    /// N.
    pub weights: Vec<f64>,
    /// c of the pseudo-Huber loss √(‖rₙ‖² + c²) − c, where it takes the place of ‖rₙ‖².
    pub huber: Option<f64>,
}

/// What makes the input and the offset of one image of its clean data and its noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mix {
    /// input = `input`[0]·data + `input`[1]·noise.
    pub(super) input: [f64; 2],
    /// offset = `offset`[0]·data + `offset`[1]·noise.
    pub(super) offset: [f64; 2],
    pub(super) label: f64,
    pub(super) gain: f64,
    pub(super) weight: f64,
}

impl<F: Real> Regression<F> {
    /// The regression of clean data and noise, N×D each, with the coefficients of each image.
    pub(super) fn new(clean: &[F], noise: &[F], mixes: impl ExactSizeIterator<Item = Mix>) -> Self {
        let mut all = Regression {
            inputs: Vec::with_capacity(clean.len()),
            labels: Vec::new(),
            classes: Vec::new(),
            gains: Vec::new(),
            offsets: Vec::with_capacity(clean.len()),
            weights: Vec::new(),
            huber: None,
        };
        let size = (clean.len() / mixes.len().max(1)).max(1);
        for ((clean, noise), mix) in clean.chunks(size).zip(noise.chunks(size)).zip(mixes) {
            let of = |[data, noisy]: [f64; 2]| {
                let (data, noisy) = (F::of(data), F::of(noisy));
                clean.iter().zip(noise).map(move |(&x, &z)| data * x + noisy * z)
            };
            all.inputs.extend(of(mix.input));
            all.offsets.extend(of(mix.offset));
            all.labels.push(mix.label);
            all.gains.push(mix.gain);
            all.weights.push(mix.weight);
        }
        all
    }

    /// The images, N.
    pub fn images(&self) -> usize {
        self.labels.len()
    }

    /// The values of an image, D.
    pub fn size(&self) -> usize {
        self.inputs.len() / self.images().max(1)
    }

    /// The loss of each image, where the network answered `output` (N×D).
    pub fn losses(&self, output: &[F]) -> Vec<f64> {
        self.evaluate(0, output, |_, _, _| {})
    }

    /// The loss of each image, and the gradient of their sum divided by `images` by the output (N×D). `images` is the size of the
    /// whole batch, of which these may be a part.
    pub fn gradient(&self, output: &[F], images: usize) -> (Vec<f64>, Vec<F>) {
        self.slopes(0, output, images)
    }

    /// The losses of some of the images, for which the network answered `output`, and the gradient of the batch's loss by
    /// it.
    pub fn gradient_of(&self, images: Range<usize>, output: &[F]) -> (Vec<f64>, Vec<F>) {
        self.slopes(images.start, output, self.images())
    }

    fn slopes(&self, first: usize, output: &[F], images: usize) -> (Vec<f64>, Vec<F>) {
        let mut gradient = Vec::with_capacity(output.len());
        let losses = self.evaluate(first, output, |residual, weight, gain| {
            let slope = F::of(2.0 * weight * gain / images as f64);
            gradient.extend(residual.iter().map(|&r| slope * r));
        });
        (losses, gradient)
    }

    /// The losses of the images from the first that `output` is of; shows each image's residual, gain and the derivative of
    /// its loss by the square of the residual.
    fn evaluate(&self, first: usize, output: &[F], mut show: impl FnMut(&[F], f64, f64)) -> Vec<f64> {
        let size = self.size().max(1);
        let images = self.offsets.chunks(size).zip(self.gains.iter().zip(&self.weights)).skip(first);
        let images = output.chunks(size).zip(images).map(|(output, (offset, of))| ((output, offset), of));
        let (mut residual, mut losses) = (Vec::with_capacity(size), Vec::with_capacity(self.images()));
        for ((output, offset), (&gain, &weight)) in images {
            let factor = F::of(gain);
            residual.clear();
            residual.extend(output.iter().zip(offset).map(|(&f, &o)| factor * f + o));
            let (loss, slope) = match (self.huber, squares(&residual)) {
                (Some(c), square) => ((square + c * c).sqrt() - c, 0.5 / (square + c * c).sqrt()),
                (None, square) => (square, 1.0),
            };
            show(&residual, weight * slope, gain);
            losses.push(weight * loss);
        }
        losses
    }
}
