//! InstanceNorm++ (Song & Ermon 2019, appendix A).

use super::Rows;
use crate::network::LayerKind;
use crate::network::gpu::evaluator::padded;
use crate::network::gpu::kernel::Kernel;
use crate::network::gpu::parameters::Uploader;
use crate::network::gpu::recorder::{Bindings, Bound, Dispatch, Recorder, Slot, View};
use crate::network::refinenet::norm::{EPSILON, Table};
use burn_wgpu::wgpu;

/// InstanceNorm++.
#[derive(Debug)]
pub(in crate::network::gpu) struct NormPlus {
    /// A row γ, α, β for each level, each padded to fours.
    table: wgpu::Buffer,
}

impl NormPlus {
    pub fn new(uploader: Uploader, table: &Table) -> Self {
        let channels = table.values.len() / (3 * table.rows).max(1);
        NormPlus { table: uploader.singles(&padded(&table.values, channels, channels.next_multiple_of(4))) }
    }

    /// The scale and shift that it makes of each channel of each image, whose levels are rows of one value.
    pub fn record(&self, recorder: &mut Recorder, x: &View, levels: Rows) -> Slot {
        let (images, quads, kind) = (recorder.images, x.quads(), Some(LayerKind::Normalisation));
        let bytes = u64::from(images * quads) * 32;
        let moments = recorder.slot(bytes);
        recorder.dispatch(Dispatch {
            kernel: Kernel::Moments,
            kind,
            params: vec![x.pixels(), quads, x.first, x.stride],
            bindings: Bindings { source: recorder.bound(x), output: moments.bound(), ..Bindings::default() },
            workgroups: [quads, images, 1],
            operations: 0,
        });
        let affine = recorder.slot(bytes);
        recorder.dispatch(Dispatch {
            kernel: Kernel::Styles,
            kind,
            params: vec![x.channels, quads, levels.stride / 4, (EPSILON as f32).to_bits()],
            bindings: Bindings {
                source: moments.bound(),
                weights: Bound::Buffer(self.table.clone()),
                output: affine.bound(),
                rows: levels.bound(4, images),
                ..Bindings::default()
            },
            workgroups: [images, 1, 1],
            operations: 0,
        });
        affine
    }
}
