//! Halving and doubling the resolution, plain or low-pass filtered (Song et al. 2021, appendix H; the filter is
//! StyleGAN2's upfirdn: insert zeros, pad, convolve with the kernel, keep every other value).

use super::layers::{Conv, Loader, contiguous};
use super::plan::Direction;
use super::profile::{LayerKind, timed};
use super::{Config, WeightsError};
use crate::Image;
use burn::tensor::module::{avg_pool2d, conv_transpose2d, conv2d, interpolate};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, ConvTransposeOptions, InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor, TensorData};

/// Resampling by two: filtered, or by nearest neighbours and means.
#[derive(Clone, Debug)]
pub(super) struct Resampler(Option<Filter>);

/// A square low-pass kernel k⊗k of sum 1.
#[derive(Clone, Debug)]
struct Filter {
    size: usize,
    /// 1×1×K×K, mirrored: a correlation with it is a convolution with the kernel.
    mirrored: Tensor<4>,
    /// 1×1×K×K times 4, which makes up for the inserted zeros.
    gained: Tensor<4>,
    /// Both.
    mirrored_gained: Tensor<4>,
}

impl Filter {
    fn new(taps: &[f64], device: &Device) -> Self {
        let (size, sum) = (taps.len(), taps.iter().sum::<f64>());
        let square = |taps: &[f64], gain: f64| {
            let scale = gain / (sum * sum);
            let values: Vec<f32> = taps.iter().flat_map(|a| taps.iter().map(move |b| (a * b * scale) as f32)).collect();
            Tensor::from_data(TensorData::new(values, [1, 1, size, size]), device)
        };
        let reversed: Vec<f64> = taps.iter().rev().copied().collect();
        let (mirrored, mirrored_gained) = (square(&reversed, 1.0), square(&reversed, 4.0));
        Filter { size, mirrored, gained: square(taps, 4.0), mirrored_gained }
    }

    /// Each channel by itself, with zeros before and after.
    fn filter(x: Image, mirrored: &Tensor<4>, stride: usize, padding: (usize, usize)) -> Image {
        let [n, c, h, w] = x.dims();
        let options = ConvOptions::new_with_padding([stride; 2], [padding; 2], [1; 2], 1);
        let y = conv2d(x.reshape([n * c, 1, h, w]), mirrored.clone(), None, options);
        let [_, _, h, w] = y.dims();
        y.reshape([n, c, h, w])
    }

    fn down(&self, x: Image) -> Image {
        let padding = self.size - 2;
        Self::filter(x, &self.mirrored, 2, (padding.div_ceil(2), padding / 2))
    }

    /// Inserting zeros and convolving is one transposed convolution, cropped.
    fn up(&self, x: Image) -> Image {
        let [n, c, h, w] = x.dims();
        let crop = self.size / 2 - 1;
        let options = ConvTransposeOptions::new([2; 2], [crop; 2], [0; 2], [1; 2], 1);
        let y = conv_transpose2d(x.reshape([n * c, 1, h, w]), self.gained.clone(), None, options);
        // A kernel of odd length leaves one row and column too many at the end.
        y.slice([0..n * c, 0..1, 0..2 * h, 0..2 * w]).reshape([n, c, 2 * h, 2 * w])
    }
}

impl Resampler {
    pub fn new(config: &Config, device: &Device) -> Self {
        Resampler(config.fir.then(|| Filter::new(&config.fir_kernel, device)))
    }

    /// By nearest neighbours and means.
    pub fn plain() -> Self {
        Resampler(None)
    }

    /// N×C×H×W to half or double the height and width.
    pub fn resample(&self, x: Image, direction: Direction) -> Image {
        timed(LayerKind::Resampling, || self.resized(x, direction))
    }

    fn resized(&self, x: Image, direction: Direction) -> Image {
        let [_, _, h, w] = x.dims();
        match (&self.0, direction) {
            (Some(filter), Direction::Down) => filter.down(x),
            (Some(filter), Direction::Up) => filter.up(x),
            (None, Direction::Down) => avg_pool2d(x, AvgPoolOptions::new([2, 2])),
            (None, Direction::Up) => {
                let options = InterpolateOptions::new(InterpolateMode::Nearest).with_output_size([2 * h, 2 * w]);
                interpolate(x, options)
            }
        }
    }
}

/// Resampling with a learned 3×3 convolution.
#[derive(Debug)]
pub(super) struct ConvResampler {
    direction: Direction,
    resampler: Resampler,
    conv: Conv,
    /// Zeros before and after each row and column, for plain halving.
    margin: (usize, usize),
    /// The transposed convolution's weight, for filtered doubling only.
    transposed: Option<Tensor<4>>,
}

impl ConvResampler {
    pub fn load(loader: &mut Loader, resampler: &Resampler, direction: Direction) -> Result<Self, WeightsError> {
        let margin = if loader.config.variant.margin_all_round { (1, 1) } else { (0, 1) };
        Ok(ConvResampler { margin, ..ConvResampler::new(Conv::load(loader)?, resampler, direction) })
    }

    fn new(conv: Conv, resampler: &Resampler, direction: Direction) -> Self {
        // A correlation over inserted zeros scatters with the mirrored weight.
        let transposed = (direction == Direction::Up && resampler.0.is_some())
            .then(|| contiguous(conv.weight.clone().flip([2, 3]).swap_dims(0, 1)));
        ConvResampler { direction, resampler: resampler.clone(), conv, margin: (0, 1), transposed }
    }

    pub fn forward(&self, x: Image) -> Image {
        match (&self.resampler.0, &self.transposed) {
            (Some(filter), Some(weight)) => {
                let options = ConvTransposeOptions::new([2; 2], [0; 2], [0; 2], [1; 2], 1);
                let y = conv_transpose2d(x, weight.clone(), None, options);
                let y = Filter::filter(y, &filter.mirrored_gained, 1, ((filter.size - 1) / 2, (filter.size - 2) / 2));
                let channels = self.conv.bias.dims()[0];
                y + self.conv.bias.clone().reshape([1, channels, 1, 1])
            }
            (Some(filter), None) => {
                let padding = (filter.size.div_ceil(2), filter.size / 2);
                self.conv.strided(Filter::filter(x, &filter.mirrored, 1, padding), 2, (0, 0))
            }
            (None, _) => match self.direction {
                Direction::Down => self.conv.strided(x, 2, self.margin),
                Direction::Up => self.conv.forward(self.resampler.resample(x, Direction::Up)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// upfirdn and convolution by their definitions, in one dimension: zeros inserted after each value, correlation
    /// with `weight`, then convolution with `taps` (times two, for the zeros), with these many zeros around.
    fn doubled(x: &[f64], weight: &[f64], taps: &[f64]) -> Vec<f64> {
        let convolve = |x: &[f64], kernel: Vec<f64>, before: usize, length: usize| -> Vec<f64> {
            let at = |place: usize| place.checked_sub(before).and_then(|i| x.get(i)).copied().unwrap_or(0.0);
            (0..length).map(|i| kernel.iter().enumerate().map(|(j, k)| k * at(i + j)).sum()).collect()
        };
        let spread: Vec<f64> = x.iter().flat_map(|&value| [value, 0.0]).collect();
        let sum: f64 = taps.iter().sum();
        let low_pass = taps.iter().rev().map(|tap| 2.0 * tap / sum).collect();
        // All 2N + 1 places that the correlation reaches, then the published padding of the filter.
        let correlated = convolve(&spread, weight.to_vec(), 2, 2 * x.len() + 1);
        convolve(&correlated, low_pass, (taps.len() - 1) / 2, 2 * x.len())
    }

    #[test]
    fn filtered_doubling_with_a_convolution_is_that_of_its_definition() {
        let device = Device::flex();
        let (x, weight) = ([0.3, -1.0, 2.0, 0.7], [0.5, -0.2, 0.9]);
        for taps in [vec![1.0, 3.0, 3.0, 1.0], vec![1.0, 2.0, 4.0, 1.0]] {
            let product = |rows: &[f64], columns: &[f64]| -> Vec<f32> {
                rows.iter().flat_map(|a| columns.iter().map(move |b| (a * b) as f32)).collect()
            };
            let conv = Conv::new(
                Tensor::from_data(TensorData::new(product(&weight, &weight), [1, 1, 3, 3]), &device),
                Tensor::from_data(TensorData::new(vec![0.25_f32], [1]), &device),
            );
            let resampler = Resampler(Some(Filter::new(&taps, &device)));
            let up = ConvResampler::new(conv, &resampler, Direction::Up);
            let y = up.forward(Tensor::from_data(TensorData::new(product(&x, &x), [1, 1, 4, 4]), &device));
            assert_eq!(y.dims(), [1, 1, 8, 8]);
            let found: Vec<f32> = y.into_data().try_into_vec().unwrap();
            let line = doubled(&x, &weight, &taps);
            for (found, expected) in found.iter().zip(product(&line, &line)) {
                assert!((found - expected - 0.25).abs() < 1e-5, "{found} should be {}", expected + 0.25);
            }
        }
    }
}
