//! The layers of RefineNets that take nearly all of the time, written out for the CPU. (U-Nets have [`super::host`].)
//!
//! Burn's own CPU operations make one pass over memory each, many on one thread; here a normalisation with its
//! nonlinearity is one pass, and a 3×3 convolution is one matrix product on patches that stay in the cache.
//! Tensors on the CPU open to the host without a copy. Where gradients are asked for, or on other devices, the
//! layers use tensor operations instead. The results do not depend on the number of threads.

use super::Nonlinearity;
use crate::Image;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

/// Patch values that one task lays out at once: 2 MiB, about a core's cache.
const PATCH_VALUES: usize = 1 << 19;

/// Tensors of this device lie in the host's memory and keep no gradients.
pub(super) fn is_plain(device: &Device) -> bool {
    !device.is_autodiff() && *device == Device::flex()
}

/// InstanceNorm++ (Song & Ermon 2019, appendix A), then a nonlinearity. Each channel is normalised by itself; as that
/// forgets its mean, α times the place of this mean among those of all channels is added before γ scales and β shifts.
/// `rows`: γ, α and β of all channels, one row for all samples or one for each.
pub(super) fn normalize_plus(x: Image, rows: &[&[f32]], epsilon: f64, kind: Option<Nonlinearity>) -> Image {
    let (device, [n, c, h, w]) = (x.device(), x.dims());
    let (mut values, area, epsilon) = (host(x.into_data()), h * w, epsilon as f32);
    let means: Vec<f32> = values.par_chunks(area).map(|channel| sum(channel, |x| x) / area as f32).collect();
    let places: Vec<f32> = means.chunks(c).flat_map(|means| standardized(means, epsilon)).collect();
    values.par_chunks_mut(area).zip(&places).enumerate().for_each(|(index, (channel, place))| {
        let (row, k) = (rows[index / c % rows.len()], index % c);
        let (gamma, alpha, beta) = (row[k], row[c + k], row[2 * c + k]);
        Channel { weight: gamma, bias: gamma * alpha * place + beta, epsilon }.normalize(channel, kind);
    });
    Tensor::from_data(TensorData::new(values, [n, c, h, w]), &device)
}

/// Values less their mean, over their standard deviation.
fn standardized(values: &[f32], epsilon: f32) -> Vec<f32> {
    let count = values.len() as f32;
    let mean = sum(values, |x| x) / count;
    let variance = sum(values, |x| (x - mean) * (x - mean)) / (count - 1.0);
    values.iter().map(|x| (x - mean) / (variance + epsilon).sqrt()).collect()
}

/// A nonlinearity by itself.
pub(super) fn activated(x: Image, kind: Nonlinearity) -> Image {
    let (device, shape) = (x.device(), x.dims());
    let mut values = host(x.into_data());
    values.par_chunks_mut(1 << 14).for_each(|part| activate_wide(part, kind));
    Tensor::from_data(TensorData::new(values, shape), &device)
}

/// The values of contiguous `f32` data, moved out where they are not shared.
fn host(data: TensorData) -> Vec<f32> {
    data.try_into_vec().unwrap_or_default()
}

/// Scale and shift of a channel after its normalisation, and ε.
struct Channel {
    weight: f32,
    bias: f32,
    epsilon: f32,
}

impl Channel {
    /// Normalises and applies a nonlinearity, in wide registers where the processor has them.
    fn normalize(&self, values: &mut [f32], kind: Option<Nonlinearity>) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just been asked for AVX2.
            return unsafe { self.with_avx2(values, kind) };
        }
        self.plain(values, kind);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn with_avx2(&self, values: &mut [f32], kind: Option<Nonlinearity>) {
        self.plain(values, kind);
    }

    /// The loops themselves, compiled for either.
    #[inline(always)]
    fn plain(&self, values: &mut [f32], kind: Option<Nonlinearity>) {
        let count = values.len() as f32;
        let mean = sum(values, |x| x) / count;
        let variance = sum(values, |x| (x - mean) * (x - mean)) / count;
        let scale = (variance + self.epsilon).sqrt().recip() * self.weight;
        let shift = self.bias - mean * scale;
        for x in values.iter_mut() {
            *x = *x * scale + shift;
        }
        if let Some(kind) = kind {
            activate(values, kind);
        }
    }
}

/// Σ term(x), in sixteen interleaved parts so that the compiler may use wide registers.
#[inline(always)]
fn sum(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut parts = [0.0; 16];
    let (chunks, rest) = values.as_chunks::<16>();
    for chunk in chunks {
        for (part, &x) in parts.iter_mut().zip(chunk) {
            *part += term(x);
        }
    }
    let mut total = 0.0;
    for part in parts {
        total += part;
    }
    for &x in rest {
        total += term(x);
    }
    total
}

/// In wide registers where the processor has them.
fn activate_wide(values: &mut [f32], kind: Nonlinearity) {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn with_avx2(values: &mut [f32], kind: Nonlinearity) {
        activate(values, kind);
    }
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has just been asked for AVX2.
        return unsafe { with_avx2(values, kind) };
    }
    activate(values, kind);
}

#[inline(always)]
fn activate(values: &mut [f32], kind: Nonlinearity) {
    match kind {
        Nonlinearity::Swish => {
            for x in values {
                *x /= 1.0 + exp(-*x);
            }
        }
        Nonlinearity::Elu => values.iter_mut().for_each(|x| *x = if *x > 0.0 { *x } else { exp(*x) - 1.0 }),
        Nonlinearity::Relu => values.iter_mut().for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x }),
        Nonlinearity::LeakyRelu => values.iter_mut().for_each(|x| *x *= if *x < 0.0 { 0.2 } else { 1.0 }),
    }
}

/// eˣ to about two units in the last place for −87 ≤ x ≤ 87, at those ends beyond; without branches or calls, so
/// that a loop over it vectorises. x = k·ln 2 + r with |r| ≤ ½ ln 2, and eʳ by its Taylor polynomial.
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Adding and taking away 1.5·2²³ rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first short enough that its product with k is exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = x - k * LN_2[0] - k * LN_2[1];
    let series = 1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0))));
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    (1.0 + r * (1.0 + r * (0.5 + r * series))) * power
}

/// Means of 2×2 pixels: N×C×H×W to N×C×H/2×W/2.
pub(super) fn halve(x: Image) -> Image {
    let (device, [n, c, h, w]) = (x.device(), x.dims());
    let values = host(x.into_data());
    let mut means = vec![0.0; values.len() / 4];
    means.par_chunks_mut(w / 2).zip(values.par_chunks(2 * w)).for_each(|(means, rows)| {
        let (upper, lower) = rows.split_at(w);
        let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
        means.iter_mut().zip(pairs).for_each(|(mean, ([a, b], [c, d]))| *mean = 0.25 * (a + b + c + d));
    });
    Tensor::from_data(TensorData::new(means, [n, c, h / 2, w / 2]), &device)
}

/// Weight (O×C×3×3) and bias of a convolution as one 1×1 convolution over patches: O×(9C+1)×1×1.
pub(super) fn patch_weight(weight: &Tensor<4>, bias: &Tensor<1>) -> Tensor<4> {
    let [o, c, kh, kw] = weight.dims();
    let weight = weight.clone().reshape([o, c * kh * kw, 1, 1]);
    Tensor::cat(vec![weight, bias.clone().reshape([o, 1, 1, 1])], 1)
}

/// 3×3 convolution with the kernel's places and the zeros all around `dilation` pixels wide; `weight` as
/// [`patch_weight`] makes it.
pub(super) fn convolve(x: Image, weight: &Tensor<4>, dilation: usize) -> Image {
    let (device, [n, c, h, w]) = (x.device(), x.dims());
    let values = host(x.into_data());
    let rows = (PATCH_VALUES / ((9 * c + 1) * w)).clamp(1, h);
    let blocks = h.div_ceil(rows);
    let parts: Vec<Image> = (0..n * blocks)
        .into_par_iter()
        .map(|index| {
            let (sample, first) = (index / blocks, index % blocks * rows);
            let block = Block { height: h, width: w, first, last: (first + rows).min(h) };
            let patches = block.patches(&values[sample * c * h * w..][..c * h * w], dilation);
            let shape = [1, 9 * c + 1, block.last - block.first, w];
            let patches = Tensor::from_data(TensorData::new(patches, shape), &device);
            conv2d(patches, weight.clone(), None, ConvOptions::new([1; 2], [0; 2], [1; 2], 1))
        })
        .collect();
    let samples = parts.chunks(blocks).map(|parts| Tensor::cat(parts.to_vec(), 2)).collect();
    Tensor::cat(samples, 0)
}

/// Some rows of an image.
struct Block {
    height: usize,
    width: usize,
    first: usize,
    last: usize,
}

impl Block {
    /// For each channel and place in the kernel, the image shifted by that place; then ones, for the bias.
    fn patches(&self, image: &[f32], dilation: usize) -> Vec<f32> {
        let (area, width) = (self.height * self.width, self.width);
        let size = (self.last - self.first) * width;
        let mut patches = Vec::with_capacity((9 * image.len() / area + 1) * size);
        for channel in image.chunks(area) {
            for place in 0..9 {
                let (down, right) = (place / 3 * dilation, place % 3);
                for row in self.first..self.last {
                    // The rows above and the columns to the left are margin.
                    match (row + down).checked_sub(dilation).filter(|&row| row < self.height) {
                        Some(row) => shift(&mut patches, &channel[row * width..][..width], right, dilation),
                        None => patches.resize(patches.len() + width, 0.0),
                    }
                }
            }
        }
        patches.resize(patches.len() + size, 1.0);
        patches
    }
}

/// Appends a row as seen from a kernel's left (0), middle (1) or right (2) column, `dilation` from the middle.
fn shift(patches: &mut Vec<f32>, row: &[f32], right: usize, dilation: usize) {
    let margin = dilation.min(row.len());
    match right {
        0 => {
            patches.resize(patches.len() + margin, 0.0);
            patches.extend_from_slice(&row[..row.len() - margin]);
        }
        1 => patches.extend_from_slice(row),
        _ => {
            patches.extend_from_slice(&row[margin..]);
            patches.resize(patches.len() + margin, 0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn exponential_is_that_of_the_standard_library() {
        for step in -870_000..=870_000 {
            let x = step as f32 * 1e-4;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 3e-7, "e^{x} is {exact}, not {}", exp(x));
        }
        assert!(exp(f32::INFINITY).is_finite() && exp(f32::NEG_INFINITY) > 0.0);
    }
}
