//! Sums with a gate for each channel.

use super::modulation::{Half, Modulation, Part};
use crate::network::host::Context;
use crate::network::host::maps::{Features, Maps};
use crate::network::host::simd::{Kernel, Lanes, Simd};
use crate::network::profile::LayerKind;
use rayon::prelude::*;

/// x + gate·y.
pub(super) fn gated(context: &Context, x: &Features, y: &Features, told: Half) -> Maps {
    let (x, y) = (x.whole(context.pool), y.whole(context.pool));
    let (x, y) = (&x.maps, &y.maps);
    let mut out = Maps::new(context.pool, x.images, x.channels, x.height, x.width);
    let (blocks, area) = (x.blocks(), x.area());
    out.lanes.par_chunks_mut(blocks * area).enumerate().for_each(|(image, out)| {
        let mut stopwatch = context.stopwatch();
        for (block, (out, gate)) in out.chunks_mut(area).zip(&told.of(Part::Gate, image)).enumerate() {
            context.isa.run(Gate { x: x.map(image, block), y: y.map(image, block), gate, out });
        }
        stopwatch.lap(LayerKind::Normalisation);
    });
    out
}

/// From the gradient of [`gated`] to that of y; and that of the gate.
pub(super) fn back(context: &Context, y: &Features, told: Half, gradient: &Maps, of_told: &mut Modulation) -> Maps {
    let whole = y.whole(context.pool);
    let y = &whole.maps;
    let mut out = Maps::new(context.pool, y.images, y.channels, y.height, y.width);
    let (blocks, area) = (y.blocks(), y.area());
    let of_image = |(image, out): (usize, &mut [Lanes])| {
        let mut stopwatch = context.stopwatch();
        let mut sums = vec![Lanes::default(); blocks];
        for (block, (out, gate)) in out.chunks_mut(area).zip(&told.of(Part::Gate, image)).enumerate() {
            let (gradient, y) = (gradient.map(image, block), y.map(image, block));
            context.isa.run(Back { gradient, y, gate, out, sum: &mut sums[block] });
        }
        stopwatch.lap(LayerKind::Normalisation);
        sums
    };
    let sums: Vec<Vec<Lanes>> = out.lanes.par_chunks_mut(blocks * area).enumerate().map(of_image).collect();
    for (image, sums) in sums.into_iter().enumerate() {
        for (block, sum) in sums.into_iter().enumerate() {
            of_told.put(told.index(), Part::Gate, [image, block], sum);
        }
    }
    out
}

struct Gate<'a> {
    x: &'a [Lanes],
    y: &'a [Lanes],
    gate: &'a Lanes,
    out: &'a mut [Lanes],
}

impl Kernel for Gate<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let gate = simd.load(self.gate);
        for ((out, x), y) in self.out.iter_mut().zip(self.x).zip(self.y) {
            simd.store(out, simd.fma(simd.load(y), gate, simd.load(x)));
        }
    }
}

struct Back<'a> {
    gradient: &'a [Lanes],
    y: &'a [Lanes],
    gate: &'a Lanes,
    out: &'a mut [Lanes],
    /// Of the gate.
    sum: &'a mut Lanes,
}

impl Kernel for Back<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (gate, mut sum) = (simd.load(self.gate), simd.splat(0.0));
        // Sums of sums, so that large maps lose nothing.
        for ((out, gradient), y) in self.out.chunks_mut(64).zip(self.gradient.chunks(64)).zip(self.y.chunks(64)) {
            let mut some = simd.splat(0.0);
            for ((out, gradient), y) in out.iter_mut().zip(gradient).zip(y) {
                let slope = simd.load(gradient);
                some = simd.fma(slope, simd.load(y), some);
                simd.store(out, simd.mul(slope, gate));
            }
            sum = simd.add(sum, some);
        }
        simd.store(self.sum, sum);
    }
}
