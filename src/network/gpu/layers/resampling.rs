//! Halving, doubling, and the filters around them.

use super::{LANES, Read, Write};
use crate::network::LayerKind;
use crate::network::gpu::kernel::{Filter, Kernel, Stride};
use crate::network::gpu::parameters::Parameters;
use crate::network::gpu::recorder::{Bindings, Bound, Dispatch, Recorder, View};

/// A low-pass filter, or what stands for it, with the size that it comes to.
#[derive(Clone, Debug)]
pub(in crate::network::gpu) struct Resampling {
    taps: Vec<f32>,
    stride: Stride,
    /// Zeros before each row and column.
    padding: u32,
    /// What is added to the new height and width.
    more: u32,
}

/// Plain steps.
const STEP: Stride = Stride { stride: 1, inserted: 1 };
/// From every other pixel to the next.
const HALVING: Stride = Stride { stride: 2, inserted: 1 };
/// Over a zero after every pixel.
const DOUBLING: Stride = Stride { stride: 1, inserted: 2 };

impl Resampling {
    /// Halving, by means or a filter.
    pub fn down(filter: Option<&[f64]>) -> Self {
        let Some(taps) = filter else {
            return Resampling { taps: vec![0.5; 2], stride: HALVING, padding: 0, more: 0 };
        };
        let padding = (taps.len() as u32).saturating_sub(2).div_ceil(2);
        Resampling { taps: mirrored(taps, 1.0), stride: HALVING, padding, more: 0 }
    }

    /// Doubling, by repetition or a filter.
    pub fn up(filter: Option<&[f64]>) -> Self {
        let Some(taps) = filter else {
            return Resampling { taps: vec![1.0; 2], stride: DOUBLING, padding: 1, more: 0 };
        };
        let size = taps.len() as u32;
        let padding = size - 1 - (size / 2).saturating_sub(1);
        Resampling { taps: mirrored(taps, 2.0), stride: DOUBLING, padding, more: 0 }
    }

    /// The filter before a convolution that halves: one row and column more.
    pub fn before_halving(taps: &[f64]) -> Self {
        let padding = (taps.len() as u32).div_ceil(2);
        Resampling { taps: mirrored(taps, 1.0), stride: STEP, padding, more: 1 }
    }

    /// Every other pixel of a convolution, which then has halved; `first` is 0 or 1.
    pub fn every_other(first: u32) -> Self {
        Resampling { taps: vec![1.0], stride: HALVING, padding: first.wrapping_neg(), more: 0 }
    }

    /// Pixels with zeros between and around them, to be convolved and then filtered: twice as many, and one more.
    pub fn spread() -> Self {
        Resampling { taps: vec![1.0], stride: DOUBLING, padding: 1, more: 1 }
    }

    /// The filter after a convolution of spread pixels, which takes one row and column away.
    pub fn after_doubling(taps: &[f64]) -> Self {
        let padding = (taps.len() as u32 - 1) / 2;
        Resampling { taps: mirrored(taps, 2.0), stride: STEP, padding, more: u32::MAX }
    }

    /// The way back, of gradients, to maps whose size is given by where they are written.
    pub fn transposed(&self) -> Self {
        let stride = Stride { stride: self.stride.inserted, inserted: self.stride.stride };
        let padding = (self.taps.len() as u32 - 1).wrapping_sub(self.padding);
        Resampling { taps: self.taps.iter().rev().copied().collect(), stride, padding, more: 0 }
    }

    fn size(&self, size: u32) -> u32 {
        (size * self.stride.inserted / self.stride.stride).wrapping_add(self.more)
    }

    /// With a bias, if there is one.
    pub fn record(&self, recorder: &mut Recorder, read: Read, bias: Option<&Parameters>, write: Write) -> View {
        let x = read.x;
        let to = write.to.clone().unwrap_or_else(|| {
            let [height, width] = [x.height, x.width].map(|size| self.size(size));
            recorder.features(x.channels, height, width)
        });
        let (height, width) = (to.height, to.width);
        let (residual, of_residual) = write.residual(recorder);
        let mut params = vec![recorder.images, x.height, x.width, x.quads()];
        params.extend([x.first, x.stride, to.first, to.stride]);
        params.extend(of_residual.into_iter().chain([height, width, self.padding, write.scale()]));
        let filter = Filter { taps: self.taps.iter().map(|tap| tap.to_bits()).collect(), stride: self.stride };
        let (reading, biased) = (read.reading(), bias.is_some());
        // Those between steps that are longer than the filter are not read.
        let read_pixels = x.pixels().min(height * width * (self.taps.len() * self.taps.len()) as u32);
        recorder.dispatch(Dispatch {
            kernel: Kernel::Resample { filter, reading, biased, residual: write.residual.is_some() },
            kind: Some(LayerKind::Resampling),
            params,
            bindings: Bindings {
                source: recorder.bound_at(x, read_pixels),
                weights: bias.map_or(Bound::Nothing, |bias| bias.bound.clone()),
                output: recorder.bound(&to),
                affine: read.affine(),
                residual,
                ..Bindings::default()
            },
            workgroups: [(x.quads() * width).div_ceil(LANES), height, recorder.images],
            operations: 0,
        });
        to
    }
}

/// Taps from the last to the first, of this sum.
fn mirrored(taps: &[f64], sum: f64) -> Vec<f32> {
    let whole: f64 = taps.iter().sum();
    taps.iter().rev().map(|tap| (tap / whole * sum) as f32).collect()
}

/// Bilinear interpolation to this height and width, corners on corners, plus a residual if there is one.
pub(in crate::network::gpu) fn enlarge(
    recorder: &mut Recorder,
    x: &View,
    [height, width]: [u32; 2],
    residual: Option<&View>,
) -> View {
    let to = recorder.features(x.channels, height, width);
    let (bound, of_residual) = Write { residual, ..Write::default() }.residual(recorder);
    let mut params = vec![x.height, x.width, x.quads(), x.first, x.stride, to.first, to.stride];
    params.extend(of_residual.into_iter().chain([height, width]));
    recorder.dispatch(Dispatch {
        kernel: Kernel::Enlarge { residual: residual.is_some() },
        kind: Some(LayerKind::Resampling),
        params,
        bindings: Bindings {
            source: recorder.bound(x),
            output: recorder.bound(&to),
            residual: bound,
            ..Bindings::default()
        },
        workgroups: [(x.quads() * width).div_ceil(LANES), height, recorder.images],
        operations: 0,
    });
    to
}

/// The means, or the `largest`, of windows of so many pixels a side around each pixel.
pub(in crate::network::gpu) fn window(recorder: &mut Recorder, read: Read, side: usize, largest: bool) -> View {
    let x = read.x;
    let to = recorder.features(x.channels, x.height, x.width);
    recorder.dispatch(Dispatch {
        kernel: Kernel::Window { side: side as u32, largest, reading: read.reading() },
        kind: Some(LayerKind::Resampling),
        params: vec![x.height, x.width, x.quads(), x.first, x.stride, to.first, to.stride],
        bindings: Bindings {
            source: recorder.bound(x),
            output: recorder.bound(&to),
            affine: read.affine(),
            ..Bindings::default()
        },
        workgroups: [(x.quads() * x.width).div_ceil(LANES), x.height, recorder.images],
        operations: 0,
    });
    to
}
