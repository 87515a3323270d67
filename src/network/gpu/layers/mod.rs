//! Layers: their parameters on the device, and the dispatches that they take.

mod attention;
mod convolution;
mod gradient;
mod resampling;
mod styles;
mod tokens;

pub(super) use attention::{Attention, Kept as KeptAttention, mixed};
pub(super) use convolution::Convolution;
pub(super) use gradient::{Normalised, deactivate, gather, spread};
pub(super) use resampling::{Resampling, enlarge, window};
pub(super) use styles::NormPlus;
pub(super) use tokens::{Positions, told_norm};

use super::kernel::{Kernel, ROW_OF_THREADS, Reading, Writing};
use super::parameters::{Order, Parameters, Uploader};
use super::recorder::{Bindings, Bound, Dispatch, Recorder, Slot, View};
use crate::network::layers::{Loader, Pair};
use crate::network::{LayerKind, Nonlinearity, WeightsError};
use burn_wgpu::wgpu;

/// Threads of a workgroup where each does its own.
const LANES: u32 = 64;

/// Workgroups of so many threads for each image, as `thread_of` in `shaders/network/common.wgsl` numbers them.
fn lanes(threads: u32, images: u32) -> [u32; 3] {
    let groups = threads.div_ceil(LANES);
    let across = groups.clamp(1, ROW_OF_THREADS / LANES);
    [across, images, groups.div_ceil(across)]
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

/// A part of what the noise level says to layers.
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
    /// The rows are factors of the outcome, before a residual is added.
    pub gates: bool,
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

    fn writing(&self) -> Writing {
        let (rows, gates) = (self.rows.is_some() && !self.gates, self.rows.is_some() && self.gates);
        Writing { rows, gates, residual: self.residual.is_some() }
    }
}

/// Multiplications and additions of so many products, by all factors of their number.
fn products<const N: usize>(factors: [u32; N]) -> u64 {
    2 * factors.into_iter().map(u64::from).product::<u64>()
}

/// Group normalisation.
#[derive(Debug)]
pub(super) struct Norm {
    pub(super) members: u32,
    epsilon: f32,
    /// Scales, then shifts.
    pub(super) parameters: Parameters,
}

impl Norm {
    pub fn load(loader: &mut Loader, uploader: Uploader) -> Result<Self, WeightsError> {
        let pair = loader.pair()?;
        let (channels, config) = (pair.weight.len(), loader.config);
        let members = channels / config.groups(channels).max(1);
        let epsilon = config.variant.norm_epsilon as f32;
        Ok(Norm { members: members as u32, epsilon, parameters: uploader.scales(&pair) })
    }

    /// The scale and shift that it makes of each channel, then scaled and shifted by the noise level, if `rows` are
    /// given; and after those of all images, where they are to be differentiated, the mean and 1/deviation of each
    /// channel's group.
    pub fn record(&self, recorder: &mut Recorder, x: &View, rows: Option<Rows>) -> Slot {
        let learns = self.parameters.back.is_some();
        let each = if learns { 64 } else { 32 };
        let affine = recorder.slot(u64::from(recorder.images) * u64::from(x.quads()) * each);
        let of_rows = rows.map_or([0; 2], |rows| [rows.first, rows.stride]);
        let mut params = vec![x.pixels(), x.quads(), x.first, x.stride, self.members];
        params.extend(of_rows.into_iter().chain([self.epsilon.to_bits(), recorder.images]));
        let (whole_quads, rowed) = (self.members.is_multiple_of(4), rows.is_some());
        recorder.dispatch(Dispatch {
            kernel: Kernel::Norm { whole_quads, rows: rowed, learns },
            kind: Some(LayerKind::Normalisation),
            params,
            bindings: Bindings {
                source: recorder.bound(x),
                weights: self.parameters.bound.clone(),
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
    pub fn of(uploader: Uploader, input: usize, parts: &[Pair]) -> Self {
        let output: usize = parts.iter().map(|pair| pair.bias.len()).sum();
        let parameters = uploader.singles(&uploader.packed(1, input, Order::OutIn, parts, true, 4));
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
        workgroups: lanes(to.quads() * to.pixels(), recorder.images),
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
        workgroups: lanes(values, recorder.images),
        operations: 0,
    });
    to
}

/// The mean over all pixels.
pub(super) fn mean(recorder: &mut Recorder, read: Read) -> View {
    let to = recorder.features(read.x.channels, 1, 1);
    pool(recorder, read, &to, 1.0 / read.x.pixels() as f32);
    to
}

/// The sum over all pixels, times a factor.
pub(super) fn pool(recorder: &mut Recorder, read: Read, to: &View, factor: f32) {
    let x = read.x;
    recorder.dispatch(Dispatch {
        kernel: Kernel::Pool { reading: read.reading() },
        kind: None,
        params: vec![x.pixels(), x.quads(), x.first, x.stride, to.first, to.stride, factor.to_bits()],
        bindings: Bindings {
            source: recorder.bound(x),
            output: recorder.bound(to),
            affine: read.affine(),
            ..Bindings::default()
        },
        workgroups: [x.quads(), recorder.images, 1],
        operations: 0,
    });
}

/// The same features at another place.
pub(super) fn copy(recorder: &mut Recorder, x: &View, to: &View) {
    combine(recorder, Read::plain(x), None, 1.0, to);
}

/// Features as they are read.
pub(super) fn activated(recorder: &mut Recorder, read: Read) -> View {
    let to = recorder.features(read.x.channels, read.x.height, read.x.width);
    combine(recorder, read, None, 1.0, &to);
    to
}

/// Features as they are read, of which some are dropped: masks of images are rows from the first on.
pub(super) fn masked(recorder: &mut Recorder, read: Read, masks: &Slot, first: u32) -> View {
    let x = read.x;
    let to = recorder.features(x.channels, x.height, x.width);
    recorder.dispatch(Dispatch {
        kernel: Kernel::Mask { reading: read.reading() },
        kind: None,
        params: vec![x.pixels(), x.quads(), x.first, x.stride, first],
        bindings: Bindings {
            source: recorder.bound(x),
            output: recorder.bound(&to),
            affine: read.affine(),
            // Sixteen bytes for each image.
            rows: masks.bound_in_part(u64::from(recorder.images) * 16),
            ..Bindings::default()
        },
        workgroups: lanes(x.quads() * x.pixels(), recorder.images),
        operations: 0,
    });
    to
}

/// Features as they are read, plus others, times a factor, at another place.
pub(super) fn combine(recorder: &mut Recorder, read: Read, residual: Option<&View>, scale: f32, to: &View) {
    let x = read.x;
    let (bound, of_residual) = Write { residual, ..Write::default() }.residual(recorder);
    let mut params = vec![x.pixels(), x.quads(), x.first, x.stride, to.first, to.stride];
    params.extend(of_residual.into_iter().chain([x.pixels(), scale.to_bits()]));
    recorder.dispatch(Dispatch {
        kernel: Kernel::Copy { reading: read.reading(), residual: residual.is_some() },
        kind: None,
        params,
        bindings: Bindings {
            source: recorder.bound(x),
            output: recorder.bound(to),
            affine: read.affine(),
            residual: bound,
            ..Bindings::default()
        },
        workgroups: lanes(x.quads() * x.pixels(), recorder.images),
        operations: 0,
    });
}
