//! The gradient of a 1×1 convolution's weights.

use super::Pointwise;
use crate::network::host::gemm::Outer;
use crate::network::host::gradients::{Gradients, Leaf};
use crate::network::host::maps::{Features, Maps};
use crate::network::host::norm::sums_of;
use crate::network::host::simd::Lanes;
use crate::network::host::{Context, for_each};
use crate::network::profile::LayerKind;

impl Pointwise {
    /// Records the gradient of weights and bias, from the inputs and the gradient of the outputs.
    pub fn record<'n>(&'n self, context: &Context, inputs: &Features, gradient: &Features, into: &mut Gradients<'n>) {
        let Some(of_outputs) = gradient.0.first().map(|part| &part.maps) else { return };
        let rows = inputs.blocks() * Lanes::WIDTH;
        let mut found = context.pool.take(self.bias.len() * (rows + 1));
        let (weights, bias) = found.split_at_mut(self.bias.len() * rows);
        weights.fill(Lanes::default());
        let panels: Vec<_> = weights.chunks_mut(2 * rows).enumerate().collect();
        for_each(context.alone, panels, |(panel, weights)| {
            let mut stopwatch = context.stopwatch();
            self.panel(context, inputs, of_outputs, panel, rows, weights);
            stopwatch.lap(LayerKind::Pointwise);
        });
        sums_of(context, gradient, bias);
        into.record(context, self, found);
    }

    /// Of one or two sixteens of outputs.
    fn panel(
        &self,
        context: &Context,
        inputs: &Features,
        gradient: &Maps,
        panel: usize,
        rows: usize,
        weights: &mut [Lanes],
    ) {
        for image in 0..gradient.images {
            let b: Vec<&[Lanes]> =
                (2 * panel..gradient.blocks()).take(2).map(|block| gradient.map(image, block)).collect();
            for (block, a) in inputs.maps_of(image).into_iter().enumerate() {
                let first = block * Lanes::WIDTH;
                let columns = self.depth.saturating_sub(first).min(Lanes::WIDTH);
                let mut out: Vec<&mut [Lanes]> =
                    weights.chunks_mut(rows).map(|rows| &mut rows[first..first + Lanes::WIDTH]).collect();
                context.isa.run(Outer { a, columns, b: &b, out: &mut out });
            }
        }
    }
}

impl Leaf for Pointwise {
    fn slot(&self) -> usize {
        self.origin.slot
    }

    fn publish(&self, gradient: &[Lanes], parameters: &mut [Vec<f32>]) {
        let origin = &self.origin;
        let channels = origin.inputs.iter().flatten().count();
        let rows = origin.inputs.len();
        let (weights, bias) = gradient.split_at(self.bias.len() * rows);
        for (output, row) in origin.outputs.iter().enumerate() {
            let Some(row) = *row else { continue };
            let first = origin.slot + row.weight;
            let of_row = parameters.get_mut(first..).and_then(|rest| rest.get_disjoint_mut([0, 1]).ok());
            let Some([weight, biases]) = of_row else { continue };
            let (block, lane) = (output / Lanes::WIDTH, output % Lanes::WIDTH);
            for (lanes, input) in weights[block * rows..].iter().zip(&origin.inputs) {
                let Some(input) = *input else { continue };
                weight[origin.index(row, input, channels, biases.len())] += row.scale * lanes.0[lane];
            }
            biases[row.output] += row.scale * bias[block].0[lane];
        }
    }
}
