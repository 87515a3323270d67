//! The gradient of a convolution's weights, with as few multiplications as the convolution itself.
//!
//! The convolution is Aᵀ[(G·w·Gᵀ) ⊙ (Bᵀ·x·B)]A on each tile, so with g the gradient of its result, that of w is
//! Gᵀ[Σ (A·g·Aᵀ) ⊙ (Bᵀ·x·B)]G, summed over all tiles.

use super::{Convolution, Size, Source, TASK};
use crate::network::host::gemm::Outer;
use crate::network::host::gradients::{Gradients, Leaf};
use crate::network::host::maps::Features;
use crate::network::host::norm::sums_of;
use crate::network::host::read::Read;
use crate::network::host::simd::Lanes;
use crate::network::host::winograd::{ForwardOf, Four, KernelsOf, SpreadOf, Tile, Two};
use crate::network::host::{Context, for_each};
use crate::network::profile::LayerKind;

/// Fewest and most tiles that are summed at a time.
const TILES: [usize; 2] = [32, 128];

impl Convolution {
    /// Records the gradient of weights and bias. `gradient`: of the convolution's own result, read to the size of what
    /// it `read`; `sums`: of what the bias, if there is one, was added to.
    pub fn record<'n>(
        &'n self,
        context: &Context,
        read: &Read,
        gradient: &Read,
        sums: &Features,
        into: &mut Gradients<'n>,
    ) {
        let inputs = read.features.blocks() * Lanes::WIDTH;
        let outputs = self.outputs.div_ceil(Lanes::WIDTH);
        let mut found = context.pool.take(outputs * (9 * inputs + 1));
        let (kernels, bias) = found.split_at_mut(outputs * 9 * inputs);
        match self.size {
            Size::Two => self.kernels_of::<Two, 4, 2>(Two, context, [read, gradient], kernels),
            Size::Four => self.kernels_of::<Four, 6, 4>(Four, context, [read, gradient], kernels),
        }
        if self.origin.biased {
            sums_of(context, sums, bias);
        }
        into.record(context, self, found);
    }

    /// For each sixteen of outputs and each place of the inputs nine sixteens.
    fn kernels_of<T: Tile<SIDE, OUT>, const SIDE: usize, const OUT: usize>(
        &self,
        tile: T,
        context: &Context,
        reads: [&Read; 2],
        kernels: &mut [Lanes],
    ) {
        let ([images, height, width], area) = (reads[0].size(), SIDE * SIDE);
        let (across, down) = (width.div_ceil(OUT), height.div_ceil(OUT));
        let [inputs, outputs] = reads.map(|read| read.features.blocks());
        let row = inputs * Lanes::WIDTH;
        let (tiles, per_image) = ((TASK / (area * (inputs + outputs))).clamp(TILES[0], TILES[1]), down * across);
        let (group, band) = match tiles < per_image {
            true => (1, (tiles / across).max(1)),
            false => ((tiles / per_image).min(images), down),
        };
        let stride = (group * band * across) | 1;
        let mut points = context.pool.take((inputs + outputs) * area * stride);
        let mut sums = context.pool.take(area * outputs * row);
        sums.fill(Lanes::default());
        let sources = reads.map(|read| Source { context, read, across, out: OUT });
        for (first_image, first_row) in
            (0..images).step_by(group).flat_map(|image| (0..down).step_by(band).map(move |row| (image, row)))
        {
            let range = [first_image, group.min(images - first_image), first_row, band.min(down - first_row)];
            let maps = points.chunks_mut(area * stride).enumerate().collect();
            for_each(context.alone, maps, |(block, points)| match block.checked_sub(inputs) {
                None => sources[0].each(range, block, points, stride, |forward| {
                    context.isa.run(ForwardOf::<T, SIDE, OUT>(forward, tile));
                }),
                Some(block) => sources[1].each(range, block, points, stride, |forward| {
                    context.isa.run(SpreadOf::<T, SIDE, OUT>(forward, tile));
                }),
            });
            let rows = range[1] * range[3] * across;
            let of_points = sums.chunks_mut(outputs * row).enumerate().collect();
            for_each(context.alone, of_points, |(point, sums)| {
                let mut stopwatch = context.stopwatch();
                let at = |block: usize| &points[(block * area + point) * stride..][..rows];
                self.products(context, at, inputs, sums);
                stopwatch.lap(LayerKind::Convolution);
            });
        }
        let mut stopwatch = context.stopwatch();
        let matrix = &T::kernel().map(|row| row.map(|value| value as f32));
        for (block, out) in kernels.chunks_mut(9 * row).enumerate() {
            context.isa.run(KernelsOf { matrix, points: &sums[block * row..], stride: outputs * row, out });
        }
        stopwatch.lap(LayerKind::Convolution);
    }

    /// Adds the products of inputs and outputs at one point.
    fn products<'a>(&self, context: &Context, at: impl Fn(usize) -> &'a [Lanes], inputs: usize, sums: &mut [Lanes]) {
        let row = inputs * Lanes::WIDTH;
        for (panel, sums) in sums.chunks_mut(2 * row).enumerate() {
            let b = [0, 1].map(|half| inputs + 2 * panel + half);
            let b: Vec<&[Lanes]> = b.into_iter().take(sums.len() / row).map(&at).collect();
            for input in 0..inputs {
                let first = input * Lanes::WIDTH;
                let columns = self.kernels.depth.saturating_sub(first).min(Lanes::WIDTH);
                let mut out: Vec<&mut [Lanes]> =
                    sums.chunks_mut(row).map(|sums| &mut sums[first..first + Lanes::WIDTH]).collect();
                context.isa.run(Outer { a: at(input), columns, b: &b, out: &mut out });
            }
        }
    }
}

impl Leaf for Convolution {
    fn slot(&self) -> usize {
        self.origin.slot
    }

    fn publish(&self, gradient: &[Lanes], parameters: &mut [Vec<f32>]) {
        let (places, scale) = (&self.origin.places, self.origin.scale);
        let channels = places.iter().flatten().count();
        let (kernels, bias) = gradient.split_at(self.bias.len() * 9 * places.len());
        let split = parameters.split_at_mut_checked(self.origin.slot + 1);
        let Some(([.., weight], biases)) = split else { return };
        if let (true, Some(biases)) = (self.origin.biased, biases.first_mut()) {
            biases.iter_mut().zip(bias.iter().flat_map(|lanes| lanes.0)).for_each(|(to, x)| *to += scale * x);
        }
        for output in 0..self.outputs {
            let (block, lane) = (output / Lanes::WIDTH, output % Lanes::WIDTH);
            let kernels = kernels[block * 9 * places.len()..].chunks(9);
            for (kernel, channel) in kernels.zip(places) {
                let Some(channel) = *channel else { continue };
                let to = &mut weight[(output * channels + channel) * 9..][..9];
                to.iter_mut().zip(kernel).for_each(|(to, lanes)| *to += scale * lanes.0[lane]);
            }
        }
    }
}
