//! 3×3 convolution with its kernel's places some pixels apart, and as many zeros all around.
//!
//! Pixels that are `dilation` apart in both directions know nothing of the others: they are an image of their own, a
//! phase, which an ordinary convolution takes.

use super::convolution::{Convolution, Size};
use super::gradients::Gradients;
use super::kernels::Purpose;
use super::maps::{Features, Maps};
use super::read::{Read, Residual};
use super::resize::Sum;
use super::simd::Lanes;
use super::winograd::Keep;
use super::{Context, for_each};
use crate::network::layers::Pair;
use crate::network::profile::LayerKind;
use rayon::prelude::*;

#[derive(Debug)]
pub(super) struct Dilated {
    convolution: Convolution,
    dilation: usize,
}

impl Dilated {
    /// `of`: weight (O×`inputs`×3×3) and bias, if any, for square maps of this side.
    pub fn new(of: Pair, inputs: usize, dilation: usize, side: usize, purpose: Purpose) -> Self {
        // All phases together have as many tiles as the map.
        let convolution = Convolution::new(of, &[inputs], Size::for_maps(side, side), 1.0, purpose);
        Dilated { convolution, dilation }
    }

    /// The convolution of what is read, plus the residual.
    pub fn run(&self, context: &Context, read: &Read, residual: Option<Residual>) -> Maps {
        if self.dilation == 1 {
            return self.convolution.run(context, read, residual, Keep::All);
        }
        let phases = self.apart(context, read).into();
        let phases = self.convolution.run(context, &Read::plain(&phases), None, Keep::All);
        self.together(context, &phases, read.size(), residual)
    }

    /// From the gradient of the convolution to that of what was read, where it was loaded for gradients.
    pub fn back(&self, context: &Context, gradient: &Features) -> Option<Maps> {
        let (transposed, read) = (self.convolution.transposed()?, Read::plain(gradient));
        if self.dilation == 1 {
            return Some(transposed.run(context, &read, None, Keep::All));
        }
        let phases = self.apart(context, &read).into();
        let phases = transposed.run(context, &Read::plain(&phases), None, Keep::All);
        Some(self.together(context, &phases, read.size(), None))
    }

    /// Records the gradient of weight and bias from what was `read` and the gradient of the convolution.
    pub fn record<'n>(&'n self, context: &Context, read: &Read, gradient: &Features, into: &mut Gradients<'n>) {
        if self.dilation == 1 {
            return self.convolution.record(context, read, &Read::plain(gradient), gradient, into);
        }
        let [x, slopes] = [read, &Read::plain(gradient)].map(|read| Features::from(self.apart(context, read)));
        self.convolution.record(context, &Read::plain(&x), &Read::plain(&slopes), gradient, into);
    }

    /// The phases of what is read, image by image. All are as large as the largest: zeros make up for what lies
    /// beyond the border.
    fn apart(&self, context: &Context, read: &Read) -> Maps {
        let ([images, height, width], blocks) = (read.size(), read.features.blocks());
        let (dilation, count) = (self.dilation, self.dilation * self.dilation);
        let (down, across) = (height.div_ceil(dilation), width.div_ceil(dilation));
        // Whole sixteens, so that parts keep their places.
        let mut out = Maps::new(context.pool, images * count, blocks * Lanes::WIDTH, down, across);
        let mut tasks: Vec<Vec<&mut [Lanes]>> = (0..images * blocks).map(|_| Vec::with_capacity(count)).collect();
        for (index, phase) in out.lanes.chunks_mut(down * across).enumerate() {
            tasks[index / (count * blocks) * blocks + index % blocks].push(phase);
        }
        for_each(true, tasks.into_iter().enumerate().collect(), |(index, phases)| {
            let (image, block) = (index / blocks, index % blocks);
            let Some(map) = read.features.map(image, block) else { return };
            let mut whole = context.pool.take(height * width);
            read.whole(context, [image, block], map, &mut whole);
            let mut stopwatch = context.stopwatch();
            for (phase, to) in phases.into_iter().enumerate() {
                to.fill(Lanes::default());
                let rows = whole.chunks(width).skip(phase / dilation).step_by(dilation);
                for (to, from) in to.chunks_mut(across).zip(rows) {
                    let from = from.iter().skip(phase % dilation).step_by(dilation);
                    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                }
            }
            stopwatch.lap(LayerKind::Convolution);
        });
        out
    }

    /// Puts phases back in their places, and adds the residual.
    fn together(
        &self,
        context: &Context,
        phases: &Maps,
        [images, height, width]: [usize; 3],
        residual: Option<Residual>,
    ) -> Maps {
        let (dilation, blocks) = (self.dilation, phases.blocks());
        let mut out = Maps::new(context.pool, images, phases.channels, height, width);
        out.lanes.par_chunks_mut(height * width).enumerate().for_each(|(index, out)| {
            let mut stopwatch = context.stopwatch();
            let (image, block) = (index / blocks, index % blocks);
            for phase in 0..dilation * dilation {
                let from = phases.map(image * dilation * dilation + phase, block);
                let rows = out.chunks_mut(width).skip(phase / dilation).step_by(dilation);
                for (to, from) in rows.zip(from.chunks(phases.width)) {
                    let to = to.iter_mut().skip(phase % dilation).step_by(dilation);
                    to.zip(from).for_each(|(to, from)| *to = *from);
                }
            }
            if let Some(Residual { maps, scale }) = residual {
                let added = Some(maps.map(image, block));
                context.isa.run(Sum { bias: &Lanes::default(), added, scale, out });
            }
            stopwatch.lap(LayerKind::Convolution);
        });
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Nonlinearity;
    use crate::network::host::maps::Pool;
    use crate::network::host::simd::Isa;

    /// Small whole numbers, of which all sums here are exact.
    fn whole(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|index| ((index * 7 + index / 5 * 3 + seed) % 9) as f32 - 4.0).collect()
    }

    /// Maps that are smaller than the dilation have phases without a pixel; the largest is for tiles of four.
    #[test]
    fn dilated_convolution_is_that_of_its_definition() {
        let pool = Pool::default();
        let context = Context { isa: Isa::best(), pool: &pool, clock: None, alone: true };
        let (images, inputs, outputs) = (2, 18, 5);
        let (weight, bias) = (whole(outputs * inputs * 9, 1), whole(outputs, 2));
        for (height, width, dilation) in [(7, 9, 2), (8, 8, 4), (17, 16, 4), (3, 10, 4), (1, 1, 2)] {
            let values = whole(images * inputs * height * width, 3);
            let features = Features::from(Maps::from_planes(&pool, &values, [images, inputs, height, width]));
            let of = Pair { slot: 0, weight: &weight, bias: &bias };
            let convolution = Dilated::new(of, inputs, dilation, height, Purpose::default());
            let read = Read { activation: Some(Nonlinearity::Relu), ..Read::plain(&features) };
            let plain = convolution.run(&context, &read, None);
            let found = convolution.run(&context, &read, Some(Residual { maps: &plain, scale: 2.0 }));
            let mut found_values = vec![0.0; images * outputs * height * width];
            found.to_planes(&mut found_values);
            for (index, found) in found_values.into_iter().enumerate() {
                let (x, y) = (index % width, index / width % height);
                let (output, image) = (index / (width * height) % outputs, index / (width * height * outputs));
                let mut sum = bias[output];
                for place in 0..9 * inputs {
                    let (channel, down, right) = (place / 9, place % 9 / 3, place % 3);
                    let row = (y + down * dilation).checked_sub(dilation).filter(|&row| row < height);
                    let column = (x + right * dilation).checked_sub(dilation).filter(|&column| column < width);
                    if let (Some(row), Some(column)) = (row, column) {
                        let value = values[((image * inputs + channel) * height + row) * width + column];
                        sum += value.max(0.0) * weight[output * 9 * inputs + place];
                    }
                }
                // Sums of some hundred products of such numbers; transforms halve and double them.
                assert!((found - 3.0 * sum).abs() < 1e-2, "{height}×{width} by {dilation}: {found} {}", 3.0 * sum);
            }
        }
    }
}
