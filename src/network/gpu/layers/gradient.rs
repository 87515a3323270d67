//! The way back through layers: to the gradients of what they read and of their parameters.

use super::attention::{Kept, scale};
use super::convolution::Filters;
use super::{Attention, Convolution, LANES, Norm, Read, Rows, Write, lanes, pool, products};
use crate::network::gpu::kernel::{Kernel, Reading};
use crate::network::gpu::parameters::{GRADIENTS, Parameters};
use crate::network::gpu::recorder::{Bindings, Bound, Dispatch, Recorder, Slot, View};
use crate::network::{LayerKind, Nonlinearity};

/// Threads that keep a large device busy with the gradients of filters.
const ENOUGH: u32 = 1 << 15;
/// Parts of a sum that one thread adds by itself.
const FEW: u32 = 16;
/// Most bytes of the parts of a sum.
const MOST: u64 = 64 << 20;
/// Threads of a workgroup that moves values.
const MOVERS: u32 = 256;

impl Convolution {
    /// From what it read and the gradient of what it wrote to those of its filters and biases, times a factor.
    pub fn learn(&self, recorder: &mut Recorder, x: &View, gradient: &View, factor: f32) {
        let Filters::Taps(Parameters { back: Some(back), .. }) = &self.filters else { return };
        let (images, input, output) = (recorder.images, x.quads(), gradient.quads());
        let count = (4 * self.side * self.side * input + 1) * output;
        // A thread has all taps of four channels in, or the one of sixteen.
        let fours = if self.side == 1 { 4 } else { 1 };
        let groups = (input.div_ceil(fours) * output).div_ceil(LANES);
        let most = (MOST / (16 * u64::from(count))).clamp(1, u64::from(images * x.height)) as u32;
        let wanted = (ENOUGH / LANES).div_ceil(groups).min(most);
        let (deep, bands) = if wanted <= images { (images.div_ceil(wanted), 1) } else { (1, wanted / images) };
        let rows = x.height.div_ceil(bands);
        let bands = x.height.div_ceil(rows);
        let count_of_parts = images.div_ceil(deep) * bands;
        let sums = recorder.slot(u64::from(count_of_parts) * u64::from(count) * 16);
        let mut params = vec![images, x.height, x.width, input, output, x.first, x.stride];
        params.extend([gradient.first, gradient.stride, deep, rows, bands]);
        recorder.dispatch(Dispatch {
            kernel: Kernel::FiltersGradient { side: self.side },
            kind: Some(self.kind()),
            params,
            bindings: Bindings {
                source: recorder.bound(x),
                output: sums.bound(),
                residual: recorder.bound(gradient),
                ..Bindings::default()
            },
            workgroups: [groups, count_of_parts, 1],
            operations: products([self.side * self.side, x.channels, gradient.channels, images, x.pixels()]),
        });
        sum(recorder, Some(self.kind()), &sums, [count, count_of_parts], back.gradient, factor);
    }

    /// From the gradient of what it wrote to that of what it read, of so many channels.
    pub fn back(&self, recorder: &mut Recorder, gradient: &View, channels: u32, write: Write) -> Option<View> {
        let Filters::Taps(Parameters { back: Some(back), .. }) = &self.filters else { return None };
        let filters = Filters::Taps(Parameters { bound: back.turned.clone(), back: None });
        let turned = Convolution { output: channels, filters, ..self.clone() };
        Some(turned.record(recorder, Read::plain(gradient), write))
    }
}

impl Parameters {
    /// The gradient of biases: the sum of that of what was written, times a factor.
    pub fn learn(&self, recorder: &mut Recorder, gradient: &View, factor: f32) {
        let Some(back) = &self.back else { return };
        let of_images = recorder.features(gradient.channels, 1, 1);
        pool(recorder, Read::plain(gradient), &of_images, 1.0);
        let sizes = [of_images.quads(), recorder.images];
        sum(recorder, None, &of_images.slot, sizes, back.gradient, factor);
    }
}

/// The sum of so many parts of so many fours, times a factor, to gradients of parameters.
fn sum(
    recorder: &mut Recorder,
    kind: Option<LayerKind>,
    parts: &Slot,
    [count, number]: [u32; 2],
    to: u32,
    factor: f32,
) {
    let lanes = if number < FEW { 1 } else { 8 };
    recorder.dispatch(Dispatch {
        kernel: Kernel::Sum { lanes },
        kind,
        params: vec![count, number, to / 4, factor.to_bits()],
        bindings: Bindings { source: parts.bound(), output: of_gradients(count), ..Bindings::default() },
        workgroups: [count.div_ceil(LANES / lanes), 1, 1],
        operations: 0,
    });
}

/// So many fours of the gradients of parameters.
fn of_gradients(fours: u32) -> Bound {
    Bound::Slot { place: GRADIENTS, bytes: 16 * u64::from(fours) }
}

/// What a normalisation was given on the way forwards, and the gradient of what came of it after a nonlinearity.
pub(in crate::network::gpu) struct Normalised<'a> {
    pub x: &'a View,
    pub affine: &'a Slot,
    pub activation: Option<Nonlinearity>,
    pub gradient: &'a View,
    /// What the noise level scaled and shifted by, and where the gradient of that goes.
    pub rows: Option<[Rows<'a>; 2]>,
    /// What is added to the gradient of x, and times what.
    pub residual: Option<(&'a View, f32)>,
}

impl Norm {
    /// From the gradient of what came of it to that of x, and those of its parameters.
    pub fn back(&self, recorder: &mut Recorder, of: Normalised) -> View {
        let Normalised { x, affine, activation, gradient, rows, residual } = of;
        let (kind, images, quads) = (Some(LayerKind::Normalisation), recorder.images, x.quads());
        let per_channel = u64::from(images) * u64::from(quads) * 32;
        let sums = recorder.slot(per_channel);
        recorder.dispatch(Dispatch {
            kernel: Kernel::NormSums { activation },
            kind,
            params: vec![images, x.pixels(), quads, x.first, x.stride, gradient.first, gradient.stride],
            bindings: Bindings {
                source: recorder.bound(x),
                output: sums.bound(),
                affine: affine.bound(),
                residual: recorder.bound(gradient),
                ..Bindings::default()
            },
            workgroups: [quads, images, 1],
            operations: 0,
        });
        let means = recorder.slot(per_channel);
        let factor = 1.0 / (self.members * x.pixels()) as f32;
        recorder.dispatch(Dispatch {
            kernel: Kernel::NormMeans,
            kind,
            params: vec![images, quads, x.channels, self.members, factor.to_bits()],
            bindings: Bindings {
                source: sums.bound(),
                output: means.bound(),
                affine: affine.bound(),
                ..Bindings::default()
            },
            workgroups: [quads.div_ceil(LANES), images, 1],
            operations: 0,
        });
        self.learn(recorder, &sums, quads, rows);
        let reading = Reading { normalised: true, activation };
        deactivate(recorder, x, gradient, reading, Some((affine, &means)), residual)
    }

    /// The gradients of its parameters, and of what the noise level scaled and shifted by.
    fn learn(&self, recorder: &mut Recorder, sums: &Slot, quads: u32, rows: Option<[Rows; 2]>) {
        let (kind, images) = (Some(LayerKind::Normalisation), recorder.images);
        let Some(back) = &self.parameters.back else { return };
        let fours = |rows: &Rows| [rows.first / 4, rows.stride / 4];
        let mut params = vec![images, quads, back.gradient / 4];
        params.extend(rows.as_ref().map_or([0; 2], |[told, _]| fours(told)));
        recorder.dispatch(Dispatch {
            kernel: Kernel::NormParameters { rows: rows.is_some() },
            kind,
            params,
            bindings: Bindings {
                source: sums.bound(),
                output: of_gradients(2 * quads),
                rows: rows.as_ref().map_or(Bound::Nothing, |[told, _]| told.bound(8 * quads, images)),
                ..Bindings::default()
            },
            workgroups: [quads, 1, 1],
            operations: 0,
        });
        let Some([_, to]) = rows else { return };
        let [first, stride] = fours(&to);
        recorder.dispatch(Dispatch {
            kernel: Kernel::NormRows,
            kind,
            params: vec![quads, first, stride],
            bindings: Bindings {
                source: sums.bound(),
                weights: self.parameters.bound.clone(),
                output: to.bound(8 * quads, images),
                ..Bindings::default()
            },
            workgroups: [quads.div_ceil(LANES), images, 1],
            operations: 0,
        });
    }
}

/// Back through a nonlinearity, and a normalisation before it, of which its outcome and its means are given, plus a
/// residual times a factor.
pub(in crate::network::gpu) fn deactivate(
    recorder: &mut Recorder,
    x: &View,
    gradient: &View,
    reading: Reading,
    norm: Option<(&Slot, &Slot)>,
    residual: Option<(&View, f32)>,
) -> View {
    let to = recorder.features(x.channels, x.height, x.width);
    let (bound, of_residual) =
        Write { residual: residual.map(|(view, _)| view), ..Write::default() }.residual(recorder);
    let mut params = vec![recorder.images, x.pixels(), x.quads(), x.first, x.stride];
    params.extend([gradient.first, gradient.stride, to.first, to.stride]);
    params.extend(of_residual.into_iter().chain([residual.map_or(0.0, |(_, scale)| scale).to_bits()]));
    recorder.dispatch(Dispatch {
        kernel: Kernel::NormBack { reading, residual: residual.is_some() },
        kind: Some(LayerKind::Normalisation),
        params,
        bindings: Bindings {
            source: recorder.bound(x),
            weights: norm.map_or(Bound::Nothing, |(_, means)| means.bound()),
            output: recorder.bound(&to),
            affine: norm.map_or(Bound::Nothing, |(affine, _)| affine.bound()),
            rows: recorder.bound(gradient),
            residual: bound,
        },
        workgroups: lanes(x.quads() * x.pixels(), recorder.images),
        operations: 0,
    });
    to
}

impl Attention {
    /// From the gradient of what came of x, scaled, to that of x, and those of the parameters.
    pub fn back(&self, recorder: &mut Recorder, x: &View, kept: &Kept, scale: f32, gradient: &View) -> Option<View> {
        let Kept { affine, qkv, mixed } = kept;
        self.out.learn(recorder, mixed, gradient, scale);
        let write = Write { scale: Some(scale), ..Write::default() };
        let of_mixed = self.out.back(recorder, gradient, x.channels, write)?;
        let slopes = self.mixed_back(recorder, qkv, mixed, &of_mixed);
        drop(of_mixed);
        let read = Read { x, affine: Some(affine), activation: None };
        let normal = super::activated(recorder, read);
        self.qkv.learn(recorder, &normal, &slopes, 1.0);
        drop(normal);
        let above = self.qkv.back(recorder, &slopes, x.channels, Write::default())?;
        drop(slopes);
        let residual = Some((gradient, scale));
        let of = Normalised { x, affine, activation: None, gradient: &above, rows: None, residual };
        Some(self.norm.back(recorder, of))
    }

    /// From the gradient of mixed values to that of queries, keys and values.
    fn mixed_back(&self, recorder: &mut Recorder, qkv: &View, mixed: &View, gradient: &View) -> View {
        let kind = Some(LayerKind::Attention);
        let (pixels, quads, head) = (qkv.pixels(), gradient.quads(), self.width / 4);
        let (heads, images) = (gradient.channels / self.width.max(1), recorder.images);
        let stats = recorder.slot(u64::from(images * heads) * u64::from(pixels) * 16);
        recorder.dispatch(Dispatch {
            kernel: Kernel::AttentionSums { head },
            kind,
            params: vec![pixels, quads, mixed.first, mixed.stride, gradient.first, gradient.stride],
            bindings: Bindings {
                source: recorder.bound(&View { channels: mixed.channels + 4 * heads, ..mixed.clone() }),
                output: stats.bound(),
                residual: recorder.bound(gradient),
                ..Bindings::default()
            },
            workgroups: [pixels.div_ceil(LANES), heads, images],
            operations: 0,
        });
        let to = recorder.features(qkv.channels, qkv.height, qkv.width);
        let width = gradient.channels;
        // From weights and their gradient to that of queries, and to those of keys and values.
        let kernels = [
            (Kernel::AttentionQueries { head }, to.part(0, width), 3),
            (Kernel::AttentionKeys { head }, to.part(width, 2 * width), 4),
        ];
        for (kernel, of, sums) in kernels {
            let mut params = vec![pixels, quads, qkv.first, qkv.stride, gradient.first, gradient.stride];
            params.extend([to.first, to.stride, scale(self.width)]);
            recorder.dispatch(Dispatch {
                kernel,
                kind,
                params,
                bindings: Bindings {
                    source: recorder.bound(qkv),
                    output: recorder.bound(&of),
                    rows: stats.bound(),
                    residual: recorder.bound(gradient),
                    ..Bindings::default()
                },
                workgroups: [pixels.div_ceil(16), heads, images],
                operations: sums * products([images, pixels, pixels, width]),
            });
        }
        to
    }
}

/// From the gradient of a mean over the pixels of x to that of each.
pub(in crate::network::gpu) fn spread(recorder: &mut Recorder, gradient: &View, x: &View) -> View {
    let to = recorder.features(gradient.channels, x.height, x.width);
    let factor = 1.0 / to.pixels() as f32;
    recorder.dispatch(Dispatch {
        kernel: Kernel::Spread,
        kind: None,
        params: vec![to.pixels(), to.quads(), gradient.first, gradient.stride, factor.to_bits()],
        bindings: Bindings { source: recorder.bound(gradient), output: recorder.bound(&to), ..Bindings::default() },
        workgroups: lanes(to.quads() * to.pixels(), recorder.images),
        operations: 0,
    });
    to
}

/// Values of a slot at these places of another, 0 where a place is none.
pub(in crate::network::gpu) fn gather(recorder: &mut Recorder, from: usize, places: Bound, to: usize, count: u32) {
    let groups = count.div_ceil(MOVERS);
    let across = groups.min(1 << 12);
    recorder.dispatch(Dispatch {
        kernel: Kernel::Gather,
        kind: None,
        params: vec![count, across * MOVERS],
        bindings: Bindings {
            source: Bound::Slot { place: from, bytes: 4 * u64::from(count) },
            weights: places,
            output: Bound::Slot { place: to, bytes: 4 * u64::from(count) },
            ..Bindings::default()
        },
        workgroups: [across, groups.div_ceil(across), 1],
        operations: 0,
    });
}
