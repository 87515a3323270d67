//! Layers: their parameters on the device, and the dispatches that they take.

use super::device::Gpu;
use super::kernel::{Activation, Filter, Kernel, Reading, Stride};
use super::recorder::{Bindings, Bound, Dispatch, Recorder, Slot, View};
use super::tiling::{Tiling, Work};
use crate::network::layers::Loader;
use crate::network::{LayerKind, WeightsError};
use burn_wgpu::wgpu::{self, BufferUsages};
use half::f16;
use rayon::prelude::*;

/// Threads of a workgroup where each does its own.
const LANES: u32 = 64;
/// Products of matrices that a convolution of 3×3 becomes.
const POINTS: u32 = 36;
/// Least channels in and out where these pay.
const WIDE: usize = 64;
/// Most filters of a convolution at these points: 32 MB.
const LARGEST: usize = 1 << 18;

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
    pub activation: Activation,
}

impl<'a> Read<'a> {
    pub fn plain(x: &'a View) -> Self {
        Read { x, affine: None, activation: Activation::None }
    }

    fn reading(&self) -> Reading {
        Reading { normalised: self.affine.is_some(), activation: self.activation }
    }

    fn affine(&self) -> Bound {
        self.affine.map_or(Bound::Nothing, |slot| Bound::Slot(**slot))
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
    fn residual(&self) -> (Bound, [u32; 2]) {
        self.residual.map_or((Bound::Nothing, [0; 2]), |view| (view.bound(), [view.first, view.stride]))
    }

    fn rows(&self) -> Bound {
        self.rows.map_or(Bound::Nothing, |rows| Bound::Slot(**rows.slot))
    }

    /// The first four of a row, and fours from row to row.
    fn row(&self) -> [u32; 2] {
        self.rows.map_or([0; 2], |rows| [rows.first / 4, rows.stride / 4])
    }

    fn scale(&self) -> u32 {
        self.scale.unwrap_or(1.0).to_bits()
    }
}

/// A convolution of 3×3 or 1×1.
#[derive(Debug)]
pub(super) struct Convolution {
    side: u32,
    output: u32,
    filters: Filters,
}

/// The parameters of a convolution.
#[derive(Debug)]
enum Filters {
    /// Tap by tap, and the biases.
    Taps(wgpu::Buffer),
    /// Those of 3×3 at 36 points, which takes a quarter of the products and four times the memory (Winograd).
    Points { filters: wgpu::Buffer, biases: wgpu::Buffer },
}

impl Convolution {
    /// A published weight and its bias.
    pub fn load(
        loader: &mut Loader,
        uploader: Uploader,
        side: usize,
        input: usize,
        order: Order,
    ) -> Result<Self, WeightsError> {
        let pair = loader.pair()?;
        Ok(Convolution::new(uploader, side, input, order, pair.weight, pair.bias))
    }

    /// Of a weight and its bias, at points where that pays.
    pub fn new(uploader: Uploader, side: usize, input: usize, order: Order, weight: &[f32], bias: &[f32]) -> Self {
        if side != 3 || !uploader.points || input.min(bias.len()) < WIDE || input * bias.len() > LARGEST {
            return Convolution::of(uploader, side, input, order, &[(weight, bias, 1.0)]);
        }
        let taps = filters(9, input, order, &[(weight, bias, 1.0)]);
        let row = bias.len().next_multiple_of(4);
        let (taps, biases) = taps.split_at(taps.len().saturating_sub(row));
        let (filters, biases) = (uploader.singles(&at_points(taps)), uploader.singles(biases));
        Convolution { side: 3, output: bias.len() as u32, filters: Filters::Points { filters, biases } }
    }

    /// Several side by side, each times a factor.
    pub fn of(uploader: Uploader, side: usize, input: usize, order: Order, parts: &[(&[f32], &[f32], f32)]) -> Self {
        let filters = Filters::Taps(uploader.features(&filters(side * side, input, order, parts)));
        let output: usize = parts.iter().map(|(_, bias, _)| bias.len()).sum();
        Convolution { side: side as u32, output: output as u32, filters }
    }

    /// Channels out.
    pub fn channels(&self) -> u32 {
        self.output
    }

    /// That keeps the size.
    pub fn record(&self, recorder: &mut Recorder, read: Read, write: Write) -> View {
        match &self.filters {
            Filters::Taps(parameters) => self.by_taps(recorder, parameters, read, write),
            Filters::Points { filters, biases } => self.by_points(recorder, filters, biases, read, write),
        }
    }

    fn by_taps(&self, recorder: &mut Recorder, parameters: &wgpu::Buffer, read: Read, write: Write) -> View {
        let x = read.x;
        let to = write.to.clone().unwrap_or_else(|| recorder.features(self.output, x.height, x.width));
        // To maps of single pixels, an image is one row.
        let [height, width] = if self.side == 1 { [1, x.pixels()] } else { [x.height, x.width] };
        let (images, input, output) = (recorder.images, x.quads(), self.output.div_ceil(4));
        let tiling = Tiling::new(Work {
            images,
            height,
            width,
            side: self.side,
            input,
            output,
            own: false,
            memory: recorder.memory,
        });
        let (residual, of_residual) = write.residual();
        let mut params = vec![images, height, width, input, output];
        params.extend([x.first, x.stride, to.first, to.stride]);
        params.extend(of_residual.into_iter().chain(write.row()).chain(tiling.spans));
        params.extend([tiling.tiles[0], tiling.tiles[1], write.scale()]);
        let (shape, reading) = (tiling.shape, read.reading());
        let (rows, residuals) = (write.rows.is_some(), write.residual.is_some());
        recorder.dispatch(Dispatch {
            kernel: Kernel::Convolution { shape, reading, rows, residual: residuals, own: false },
            kind: Some(if self.side == 1 { LayerKind::Pointwise } else { LayerKind::Convolution }),
            params,
            bindings: Bindings {
                source: x.bound(),
                weights: Bound::Buffer(parameters.clone()),
                output: to.bound(),
                affine: read.affine(),
                rows: write.rows(),
                residual,
            },
            workgroups: [tiling.tiles.iter().product(), output.div_ceil(shape.quads), 1],
        });
        to
    }

    /// The input of each tile of 4×4 outputs at 36 points, a product of matrices at each, and the outputs of these.
    fn by_points(
        &self,
        recorder: &mut Recorder,
        filters: &wgpu::Buffer,
        biases: &wgpu::Buffer,
        read: Read,
        write: Write,
    ) -> View {
        let (x, images) = (read.x, recorder.images);
        let (input, output) = (x.quads(), self.output.div_ceil(4));
        let [down, across] = [x.height, x.width].map(|size| size.div_ceil(4));
        let (tiles, kind) = (across * down, Some(LayerKind::Convolution));
        let bytes = |quads: u32| u64::from(POINTS * images * tiles) * u64::from(quads) * 16;

        let inputs = recorder.slot(bytes(input));
        recorder.dispatch(Dispatch {
            kernel: Kernel::WinogradInput { reading: read.reading() },
            kind,
            params: vec![images, x.height, x.width, input, x.first, x.stride, across, down],
            bindings: Bindings {
                source: x.bound(),
                output: Bound::Slot(*inputs),
                affine: read.affine(),
                ..Bindings::default()
            },
            workgroups: [(input * tiles).div_ceil(LANES), images, 1],
        });

        let products = recorder.slot(bytes(output));
        let width = images * tiles;
        let memory = recorder.memory;
        let tiling = Tiling::new(Work { images: POINTS, height: 1, width, side: 1, input, output, own: true, memory });
        let mut params = vec![POINTS, 1, width, input, output, 0, input, 0, output, 0, 0, 0, 0];
        params.extend(tiling.spans.into_iter().chain([tiling.tiles[0], tiling.tiles[1], 1.0_f32.to_bits()]));
        let (shape, reading) = (tiling.shape, Read::plain(x).reading());
        recorder.dispatch(Dispatch {
            kernel: Kernel::Convolution { shape, reading, rows: false, residual: false, own: true },
            kind,
            params,
            bindings: Bindings {
                source: Bound::Slot(*inputs),
                weights: Bound::Buffer(filters.clone()),
                output: Bound::Slot(*products),
                ..Bindings::default()
            },
            workgroups: [tiling.tiles.iter().product(), output.div_ceil(shape.quads), 1],
        });
        drop(inputs);

        let to = write.to.clone().unwrap_or_else(|| recorder.features(self.output, x.height, x.width));
        let (residual, of_residual) = write.residual();
        let mut params = vec![images, x.height, x.width, output, to.first, to.stride];
        params.extend(of_residual.into_iter().chain(write.row()).chain([across, down, write.scale()]));
        recorder.dispatch(Dispatch {
            kernel: Kernel::WinogradOutput { rows: write.rows.is_some(), residual: write.residual.is_some() },
            kind,
            params,
            bindings: Bindings {
                source: Bound::Slot(*products),
                weights: Bound::Buffer(biases.clone()),
                output: to.bound(),
                rows: write.rows(),
                residual,
                ..Bindings::default()
            },
            workgroups: [(output * tiles).div_ceil(LANES), images, 1],
        });
        to
    }
}

/// The filters of each input and output, 3×3, at 36 points: G g Gᵀ (Lavin and Gray 2016, F(4×4, 3×3)).
fn at_points(taps: &[f32]) -> Vec<f32> {
    const G: [[f64; 3]; 6] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    let each = taps.len() / 9;
    let mut points = vec![0.0; 36 * each];
    points.par_chunks_mut(each.max(1)).enumerate().for_each(|(point, to)| {
        let factors = |tap: usize| G[point / 6][tap / 3] * G[point % 6][tap % 3];
        for (index, to) in to.iter_mut().enumerate() {
            let terms = taps.iter().skip(index).step_by(each).enumerate();
            *to = terms.map(|(tap, &value)| factors(tap) * f64::from(value)).sum::<f64>() as f32;
        }
    });
    points
}

/// A low-pass filter, or what stands for it, with the size that it comes to.
#[derive(Clone, Debug)]
pub(super) struct Resampling {
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

    fn size(&self, size: u32) -> u32 {
        (size * self.stride.inserted / self.stride.stride).wrapping_add(self.more)
    }

    /// With a bias, if there is one.
    pub fn record(&self, recorder: &mut Recorder, read: Read, bias: Option<&wgpu::Buffer>, write: Write) -> View {
        let x = read.x;
        let [height, width] = [x.height, x.width].map(|size| self.size(size));
        let to = write.to.clone().unwrap_or_else(|| recorder.features(x.channels, height, width));
        let (residual, of_residual) = write.residual();
        let mut params = vec![recorder.images, x.height, x.width, x.quads()];
        params.extend([x.first, x.stride, to.first, to.stride]);
        params.extend(of_residual.into_iter().chain([height, width, self.padding, write.scale()]));
        let filter = Filter { taps: self.taps.iter().map(|tap| tap.to_bits()).collect(), stride: self.stride };
        let (reading, biased) = (read.reading(), bias.is_some());
        recorder.dispatch(Dispatch {
            kernel: Kernel::Resample { filter, reading, biased, residual: write.residual.is_some() },
            kind: Some(LayerKind::Resampling),
            params,
            bindings: Bindings {
                source: x.bound(),
                weights: bias.map_or(Bound::Nothing, |bias| Bound::Buffer(bias.clone())),
                output: to.bound(),
                affine: read.affine(),
                residual,
                ..Bindings::default()
            },
            workgroups: [(x.quads() * width).div_ceil(LANES), height, recorder.images],
        });
        to
    }
}

/// Taps from the last to the first, of this sum.
fn mirrored(taps: &[f64], sum: f64) -> Vec<f32> {
    let whole: f64 = taps.iter().sum();
    taps.iter().rev().map(|tap| (tap / whole * sum) as f32).collect()
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
                source: x.bound(),
                weights: Bound::Buffer(self.parameters.clone()),
                output: Bound::Slot(*affine),
                rows: rows.map_or(Bound::Nothing, |rows| Bound::Slot(**rows.slot)),
                ..Bindings::default()
            },
            workgroups: [x.channels / self.members.max(1), recorder.images, 1],
        });
        affine
    }
}

/// Self-attention over all pixels.
#[derive(Debug)]
pub(super) struct Attention {
    norm: Norm,
    /// Query (scaled by the head's width^−½), key and value in one map.
    qkv: Convolution,
    out: Convolution,
    /// Channels of a head.
    width: u32,
}

impl Attention {
    pub fn load(loader: &mut Loader, uploader: Uploader, channels: usize) -> Result<Self, WeightsError> {
        let norm = Norm::load(loader, uploader)?;
        let width = loader.config.head_width(channels);
        let factors = [(width as f32).powf(-0.5), 1.0, 1.0];
        let mut parts = Vec::new();
        for factor in factors {
            let pair = loader.pair()?;
            parts.push((pair.weight, pair.bias, factor));
        }
        let qkv = Convolution::of(uploader, 1, channels, Order::InOut, &parts);
        let out = Convolution::load(loader, uploader, 1, channels, Order::InOut)?;
        Ok(Attention { norm, qkv, out, width: width as u32 })
    }

    /// x plus what attention makes of it, scaled.
    pub fn record(&self, recorder: &mut Recorder, x: &View, scale: f32, to: Option<View>) -> View {
        let affine = self.norm.record(recorder, x, None);
        let read = Read { x, affine: Some(&affine), activation: Activation::None };
        let qkv = self.qkv.record(recorder, read, Write::default());
        drop(affine);
        let mixed = recorder.features(x.channels, x.height, x.width);
        recorder.dispatch(Dispatch {
            kernel: Kernel::Attention { head: self.width / 4 },
            kind: Some(LayerKind::Attention),
            params: vec![x.pixels(), x.quads(), qkv.first, qkv.stride, mixed.first, mixed.stride],
            bindings: Bindings { source: qkv.bound(), output: mixed.bound(), ..Bindings::default() },
            workgroups: [x.pixels().div_ceil(16), x.channels / self.width.max(1), recorder.images],
        });
        drop(qkv);
        let write = Write { residual: Some(x), scale: Some(scale), to, ..Write::default() };
        self.out.record(recorder, Read::plain(&mixed), write)
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
        activation: Activation,
    ) -> Slot {
        let to = recorder.slot(u64::from(rows) * u64::from(self.output()) * 4);
        let quads = self.output.div_ceil(4);
        recorder.dispatch(Dispatch {
            kernel: Kernel::Linear { activation },
            kind: None,
            params: vec![self.input.div_ceil(4), quads, u32::from(extra.is_some())],
            bindings: Bindings {
                source: Bound::Slot(**from),
                weights: Bound::Buffer(self.parameters.clone()),
                output: Bound::Slot(*to),
                rows: extra.map_or(Bound::Nothing, |slot| Bound::Slot(**slot)),
                ..Bindings::default()
            },
            workgroups: [quads.div_ceil(8), rows, 1],
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
        bindings: Bindings { source: Bound::Slot(**from), output: to.bound(), ..Bindings::default() },
        workgroups: [(to.quads() * to.pixels()).div_ceil(LANES), recorder.images, 1],
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
        bindings: Bindings { source: x.bound(), output: Bound::Slot(*to), ..Bindings::default() },
        workgroups: [values.div_ceil(LANES), recorder.images, 1],
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
        bindings: Bindings { source: x.bound(), output: to.bound(), affine: read.affine(), ..Bindings::default() },
        workgroups: [x.quads(), recorder.images, 1],
    });
    to
}

/// The same features at another place.
pub(super) fn copy(recorder: &mut Recorder, x: &View, to: &View) {
    recorder.dispatch(Dispatch {
        kernel: Kernel::Copy,
        kind: None,
        params: vec![x.pixels(), x.quads(), x.first, x.stride, to.first, to.stride],
        bindings: Bindings { source: x.bound(), output: to.bound(), ..Bindings::default() },
        workgroups: [(x.quads() * x.pixels()).div_ceil(LANES), recorder.images, 1],
    });
}
