//! Layers: their parameters on the device, and the dispatches that they take.

mod attention;
mod convolution;
mod resampling;

pub(super) use attention::Attention;
pub(super) use convolution::Convolution;
pub(super) use resampling::Resampling;

use super::device::Gpu;
use super::kernel::{Kernel, Reading};
use super::recorder::{Bindings, Bound, Dispatch, Recorder, Slot, View};
use crate::network::layers::Loader;
use crate::network::{LayerKind, Nonlinearity, WeightsError};
use burn_wgpu::wgpu::{self, BufferUsages};
use half::f16;

/// Threads of a workgroup where each does its own.
const LANES: u32 = 64;

/// Puts parameters on a device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Uploader<'a> {
    pub gpu: &'a Gpu,
    /// In half precision, where a layer reads features.
    pub half: bool,
    /// Convolutions may take more memory to be faster.
    pub points: bool,
}

impl Uploader<'_> {
    fn singles(&self, values: &[f32]) -> wgpu::Buffer {
        self.gpu.upload(bytemuck::cast_slice(values), BufferUsages::STORAGE)
    }

    /// In the precision of features.
    fn features(&self, values: &[f32]) -> wgpu::Buffer {
        if !self.half {
            return self.singles(values);
        }
        let bits: Vec<u16> = values.iter().map(|&value| f16::from_f32(value).to_bits()).collect();
        self.gpu.upload(bytemuck::cast_slice(&bits), BufferUsages::STORAGE)
    }
}

/// In the order of a published weight.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// Outputs, inputs, taps.
    OutIn,
    /// Inputs, outputs.
    InOut,
}

/// Filters tap by tap, for each input a row of outputs, and a last row of biases; inputs and outputs padded to fours.
/// `parts`, side by side, are weights of as many inputs and the biases after them, times a factor.
fn filters(taps: usize, input: usize, order: Order, parts: &[(&[f32], &[f32], f32)]) -> Vec<f32> {
    let outputs: usize = parts.iter().map(|(_, bias, _)| bias.len()).sum();
    let row = outputs.next_multiple_of(4);
    let rows = taps * input.next_multiple_of(4);
    let mut packed = vec![0.0; (rows + 1) * row];
    let mut first = 0;
    for &(weight, bias, factor) in parts {
        let own = bias.len();
        for (index, &value) in weight.iter().enumerate() {
            let (tap, from, to) = match order {
                Order::OutIn => (index % taps, index / taps % input, index / (taps * input)),
                Order::InOut => (0, index / own, index % own),
            };
            packed[(tap * input.next_multiple_of(4) + from) * row + first + to] = factor * value;
        }
        for (to, &value) in bias.iter().enumerate() {
            packed[rows * row + first + to] = factor * value;
        }
        first += own;
    }
    packed
}

/// What a layer reads besides its parameters.
#[derive(Clone, Copy)]
pub(super) struct Read<'a> {
    pub x: &'a View,
    /// Scale and shift of each channel of each image.
    pub affine: Option<&'a Slot>,
    pub activation: Option<Nonlinearity>,
}

impl<'a> Read<'a> {
    pub fn plain(x: &'a View) -> Self {
        Read { x, affine: None, activation: None }
    }

    fn reading(&self) -> Reading {
        Reading { normalised: self.affine.is_some(), activation: self.activation }
    }

    fn affine(&self) -> Bound {
        self.affine.map_or(Bound::Nothing, Slot::bound)
    }
}

/// A part of what the noise level says to all layers.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub slot: &'a Slot,
    /// The first value.
    pub first: u32,
    /// Values from image to image; 0 where one row is for all.
    pub stride: u32,
}

impl Rows<'_> {
    /// So many values for each of the images.
    fn bound(&self, values: u32, images: u32) -> Bound {
        let rows = if self.stride == 0 { 1 } else { images };
        self.slot.bound_in_part(u64::from(values) * u64::from(rows) * 4)
    }
}

/// What a layer adds to its outcome, and where it goes.
#[derive(Default)]
pub(super) struct Write<'a> {
    pub rows: Option<Rows<'a>>,
    pub residual: Option<&'a View>,
    /// Of the whole sum; 1 where it is not given.
    pub scale: Option<f32>,
    /// Else to a place of its own.
    pub to: Option<View>,
}

impl Write<'_> {
    fn residual(&self, recorder: &Recorder) -> (Bound, [u32; 2]) {
        self.residual.map_or((Bound::Nothing, [0; 2]), |view| (recorder.bound(view), [view.first, view.stride]))
    }

    /// Of so many channels.
    fn rows(&self, channels: u32, recorder: &Recorder) -> Bound {
        self.rows.map_or(Bound::Nothing, |rows| rows.bound(channels, recorder.images))
    }

    /// The first four of a row, and fours from row to row.
    fn row(&self) -> [u32; 2] {
        self.rows.map_or([0; 2], |rows| [rows.first / 4, rows.stride / 4])
    }

    fn scale(&self) -> u32 {
        self.scale.unwrap_or(1.0).to_bits()
    }
}

/// Multiplications and additions of so many products, by all factors of their number.
fn products<const N: usize>(factors: [u32; N]) -> u64 {
    2 * factors.into_iter().map(u64::from).product::<u64>()
}

/// A bias by itself.
pub(super) fn bias(uploader: Uploader, values: &[f32]) -> wgpu::Buffer {
    let mut padded = values.to_vec();
    padded.resize(values.len().next_multiple_of(4), 0.0);
    uploader.features(&padded)
}

/// Group normalisation.
#[derive(Debug)]
pub(super) struct Norm {
    members: u32,
    epsilon: f32,
    /// Scales, then shifts.
    parameters: wgpu::Buffer,
}

impl Norm {
    pub fn load(loader: &mut Loader, uploader: Uploader) -> Result<Self, WeightsError> {
        let pair = loader.pair()?;
        let (channels, config) = (pair.weight.len(), loader.config);
        let mut values = Vec::new();
        for part in [pair.weight, pair.bias] {
            values.extend_from_slice(part);
            values.resize(values.len().next_multiple_of(4), 0.0);
        }
        let members = channels / config.groups(channels).max(1);
        let epsilon = config.variant.norm_epsilon as f32;
        Ok(Norm { members: members as u32, epsilon, parameters: uploader.singles(&values) })
    }

    /// The scale and shift that it makes of each channel, then scaled and shifted by the noise level, if `rows` are
    /// given.
    pub fn record(&self, recorder: &mut Recorder, x: &View, rows: Option<Rows>) -> Slot {
        let affine = recorder.slot(u64::from(recorder.images) * u64::from(x.quads()) * 32);
        let of_rows = rows.map_or([0; 2], |rows| [rows.first, rows.stride]);
        let mut params = vec![x.pixels(), x.quads(), x.first, x.stride, self.members];
        params.extend(of_rows.into_iter().chain([self.epsilon.to_bits()]));
        recorder.dispatch(Dispatch {
            kernel: Kernel::Norm { whole_quads: self.members.is_multiple_of(4), rows: rows.is_some() },
            kind: Some(LayerKind::Normalisation),
            params,
            bindings: Bindings {
                source: recorder.bound(x),
                weights: Bound::Buffer(self.parameters.clone()),
                output: affine.bound(),
                // Scale and shift.
                rows: rows.map_or(Bound::Nothing, |rows| rows.bound(2 * x.channels, recorder.images)),
                ..Bindings::default()
            },
            workgroups: [x.channels / self.members.max(1), recorder.images, 1],
            operations: 0,
        });
        affine
    }
}

/// An affine map of rows.
#[derive(Debug)]
pub(super) struct Linear {
    input: u32,
    output: u32,
    parameters: wgpu::Buffer,
}

impl Linear {
    /// Of weights, out × in, and biases, side by side.
    pub fn of(uploader: Uploader, input: usize, parts: &[(&[f32], &[f32], f32)]) -> Self {
        let output: usize = parts.iter().map(|(_, bias, _)| bias.len()).sum();
        let parameters = uploader.singles(&filters(1, input, Order::OutIn, parts));
        Linear { input: input as u32, output: output as u32, parameters }
    }

    /// Values of a row in, padded.
    pub fn width(&self) -> u32 {
        self.input.next_multiple_of(4)
    }

    /// Values of a row out, padded.
    pub fn output(&self) -> u32 {
        self.output.next_multiple_of(4)
    }

    /// Of so many rows; `extra` is added before the activation.
    pub fn record(
        &self,
        recorder: &mut Recorder,
        rows: u32,
        from: &Slot,
        extra: Option<&Slot>,
        activation: Option<Nonlinearity>,
    ) -> Slot {
        let to = recorder.slot(u64::from(rows) * u64::from(self.output()) * 4);
        let quads = self.output.div_ceil(4);
        recorder.dispatch(Dispatch {
            kernel: Kernel::Linear { activation },
            kind: None,
            params: vec![self.input.div_ceil(4), quads, u32::from(extra.is_some())],
            bindings: Bindings {
                source: from.bound(),
                weights: Bound::Buffer(self.parameters.clone()),
                output: to.bound(),
                rows: extra.map_or(Bound::Nothing, Slot::bound),
                ..Bindings::default()
            },
            workgroups: [quads.div_ceil(8), rows, 1],
            operations: products([rows, self.input, self.output]),
        });
        to
    }
}

/// Images, plane by plane, as features.
pub(super) fn enter(recorder: &mut Recorder, from: &Slot, [channels, height, width]: [u32; 3]) -> View {
    let to = recorder.features(channels, height, width);
    recorder.dispatch(Dispatch {
        kernel: Kernel::Enter,
        kind: None,
        params: vec![to.pixels(), channels, to.quads()],
        bindings: Bindings { source: from.bound(), output: recorder.bound(&to), ..Bindings::default() },
        workgroups: [(to.quads() * to.pixels()).div_ceil(LANES), recorder.images, 1],
        operations: 0,
    });
    to
}

/// Features as images, plane by plane.
pub(super) fn leave(recorder: &mut Recorder, x: &View) -> Slot {
    let values = x.channels * x.pixels();
    let to = recorder.slot(u64::from(recorder.images) * u64::from(values) * 4);
    recorder.dispatch(Dispatch {
        kernel: Kernel::Leave,
        kind: None,
        params: vec![x.pixels(), x.channels, x.first, x.stride],
        bindings: Bindings { source: recorder.bound(x), output: to.bound(), ..Bindings::default() },
        workgroups: [values.div_ceil(LANES), recorder.images, 1],
        operations: 0,
    });
    to
}

/// The mean over all pixels.
pub(super) fn pool(recorder: &mut Recorder, read: Read) -> View {
    let x = read.x;
    let to = recorder.features(x.channels, 1, 1);
    recorder.dispatch(Dispatch {
        kernel: Kernel::Pool { reading: read.reading() },
        kind: None,
        params: vec![x.pixels(), x.quads(), x.first, x.stride],
        bindings: Bindings {
            source: recorder.bound(x),
            output: recorder.bound(&to),
            affine: read.affine(),
            ..Bindings::default()
        },
        workgroups: [x.quads(), recorder.images, 1],
        operations: 0,
    });
    to
}

/// The same features at another place.
pub(super) fn copy(recorder: &mut Recorder, x: &View, to: &View) {
    recorder.dispatch(Dispatch {
        kernel: Kernel::Copy,
        kind: None,
        params: vec![x.pixels(), x.quads(), x.first, x.stride, to.first, to.stride],
        bindings: Bindings { source: recorder.bound(x), output: recorder.bound(to), ..Bindings::default() },
        workgroups: [(x.quads() * x.pixels()).div_ceil(LANES), recorder.images, 1],
        operations: 0,
    });
}
