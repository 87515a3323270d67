//! What a transformer does with tokens besides maps and attention.

use super::{Rows, lanes};
use crate::network::LayerKind;
use crate::network::gpu::kernel::{Kernel, Reading};
use crate::network::gpu::parameters::Uploader;
use crate::network::gpu::recorder::{Bindings, Bound, Dispatch, Recorder, View};
use burn_wgpu::wgpu;

/// What is told of tokens' places.
#[derive(Debug)]
pub(in crate::network::gpu) struct Positions(wgpu::Buffer);

impl Positions {
    /// Tokens × channels; channels are in fours.
    pub fn new(uploader: Uploader, values: &[f32]) -> Self {
        Positions(uploader.features(values))
    }

    /// Tokens with what is told of their places.
    pub fn record(&self, recorder: &mut Recorder, x: &View) -> View {
        let to = recorder.features(x.channels, x.height, x.width);
        let quads = x.quads();
        recorder.dispatch(Dispatch {
            kernel: Kernel::Copy { reading: Reading::default(), residual: true },
            kind: None,
            // The same for all images.
            params: vec![x.pixels(), quads, x.first, x.stride, to.first, to.stride, 0, quads, 0, 1.0_f32.to_bits()],
            bindings: Bindings {
                source: recorder.bound(x),
                output: recorder.bound(&to),
                residual: Bound::Buffer(self.0.clone()),
                ..Bindings::default()
            },
            workgroups: lanes(quads * x.pixels(), recorder.images),
            operations: 0,
        });
        to
    }
}

/// Tokens normalised by themselves, then shifted and scaled by rows: shifts, and after them scales.
pub(in crate::network::gpu) fn told_norm(recorder: &mut Recorder, x: &View, told: Rows, epsilon: f64) -> View {
    let to = recorder.features(x.channels, x.height, x.width);
    let mut params = vec![x.pixels(), x.channels, x.quads(), x.first, x.stride, to.first, to.stride];
    params.extend([told.first / 4, told.stride / 4, (epsilon as f32).to_bits()]);
    recorder.dispatch(Dispatch {
        kernel: Kernel::TokenNorm,
        kind: Some(LayerKind::Normalisation),
        params,
        bindings: Bindings {
            source: recorder.bound(x),
            output: recorder.bound(&to),
            rows: told.bound(2 * x.channels, recorder.images),
            ..Bindings::default()
        },
        workgroups: [x.pixels(), recorder.images, 1],
        operations: 0,
    });
    to
}
