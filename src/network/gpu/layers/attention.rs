//! Self-attention.

use super::{Convolution, Norm, Order, Read, Uploader, Write, products};
use crate::network::gpu::kernel::Kernel;
use crate::network::gpu::recorder::{Bindings, Dispatch, Recorder, View};
use crate::network::layers::Loader;
use crate::network::{LayerKind, WeightsError};

/// Self-attention over all pixels.
#[derive(Debug)]
pub(in crate::network::gpu) struct Attention {
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
        let read = Read { x, affine: Some(&affine), activation: None };
        let qkv = self.qkv.record(recorder, read, Write::default());
        drop(affine);
        let mixed = recorder.features(x.channels, x.height, x.width);
        recorder.dispatch(Dispatch {
            kernel: Kernel::Attention { head: self.width / 4 },
            kind: Some(LayerKind::Attention),
            params: vec![x.pixels(), x.quads(), qkv.first, qkv.stride, mixed.first, mixed.stride],
            bindings: Bindings { source: recorder.bound(&qkv), output: recorder.bound(&mixed), ..Bindings::default() },
            workgroups: [x.pixels().div_ceil(16), x.channels / self.width.max(1), recorder.images],
            // Of queries and keys, and of weights and values.
            operations: 2 * products([recorder.images, x.pixels(), x.pixels(), x.channels]),
        });
        drop(qkv);
        let write = Write { residual: Some(x), scale: Some(scale), to, ..Write::default() };
        self.out.record(recorder, Read::plain(&mixed), write)
    }
}
