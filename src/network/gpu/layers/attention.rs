//! Self-attention.

use super::{Convolution, Norm, Read, Write, products};
use crate::network::gpu::kernel::Kernel;
use crate::network::gpu::parameters::{Order, Uploader};
use crate::network::gpu::recorder::{Bindings, Dispatch, Recorder, Slot, View};
use crate::network::layers::Loader;
use crate::network::{LayerKind, WeightsError};

/// Self-attention over all pixels.
#[derive(Debug)]
pub(in crate::network::gpu) struct Attention {
    pub(super) norm: Norm,
    /// Query, key and value in one map.
    pub(super) qkv: Convolution,
    pub(super) out: Convolution,
    /// Channels of a head.
    pub(super) width: u32,
}

/// What came of x on the way.
#[derive(Debug)]
pub(in crate::network::gpu) struct Kept {
    pub affine: Slot,
    pub qkv: View,
    /// Of a network that learns, with what turns the scores of each head into weights after the channels of each pixel.
    pub mixed: View,
}

impl Attention {
    pub fn load(loader: &mut Loader, uploader: Uploader, channels: usize) -> Result<Self, WeightsError> {
        let norm = Norm::load(loader, uploader)?;
        let width = loader.config.head_width(channels);
        let parts = [loader.pair()?, loader.pair()?, loader.pair()?];
        let qkv = Convolution::of(uploader, 1, channels, Order::InOut, &parts, true);
        let out = Convolution::load(loader, uploader, 1, channels, Order::InOut)?;
        Ok(Attention { norm, qkv, out, width: width as u32 })
    }

    /// x plus what attention makes of it, scaled.
    pub fn record(&self, recorder: &mut Recorder, x: &View, scale: f32, to: Option<View>) -> (View, Kept) {
        let affine = self.norm.record(recorder, x, None);
        let read = Read { x, affine: Some(&affine), activation: None };
        let qkv = self.qkv.record(recorder, read, Write::default());
        let mixed = mixed(recorder, &qkv, self.width, self.norm.parameters.back.is_some());
        let write = Write { residual: Some(x), scale: Some(scale), to, ..Write::default() };
        let out = self.out.record(recorder, Read::plain(&mixed), write);
        (out, Kept { affine, qkv, mixed })
    }
}

/// What scores are multiplied by, in bits, in heads of this width.
pub(super) fn scale(width: u32) -> u32 {
    (width as f32).powf(-0.5).to_bits()
}

/// Values mixed by attention, of queries, keys and values side by side, in heads of so many channels; `learns`: and after
/// them what turns the scores of each head into weights.
pub(in crate::network::gpu) fn mixed(recorder: &mut Recorder, qkv: &View, width: u32, learns: bool) -> View {
    let (channels, pixels) = (qkv.channels / 3, qkv.pixels());
    let heads = channels / width.max(1);
    let after = if learns { 4 * heads } else { 0 };
    let whole = recorder.features(channels + after, qkv.height, qkv.width);
    let mixed = whole.part(0, channels);
    recorder.dispatch(Dispatch {
        kernel: Kernel::Attention { head: width / 4, learns },
        kind: Some(LayerKind::Attention),
        params: vec![pixels, mixed.quads(), qkv.first, qkv.stride, mixed.first, mixed.stride, scale(width)],
        bindings: Bindings { source: recorder.bound(qkv), output: recorder.bound(&whole), ..Bindings::default() },
        workgroups: [pixels.div_ceil(16), heads, recorder.images],
        // Of queries and keys, and of weights and values.
        operations: 2 * products([recorder.images, pixels, pixels, channels]),
    });
    mixed
}
