//! 1×1 convolution: a matrix product of pixels and weights.

use super::Context;
use super::gemm::{Product, blocks_of};
use super::kernels::Purpose;
use super::maps::{Features, Maps, places};
use super::read::Residual;
use super::simd::{Kernel, Lanes, Simd};
use crate::network::profile::LayerKind;
use rayon::prelude::*;

/// Pixels that one task works on.
pub(super) const BAND: usize = 96;

#[derive(Debug)]
pub(super) struct Pointwise {
    outputs: usize,
    /// Places of input channels.
    depth: usize,
    /// For each sixteen of outputs a row for each input.
    weights: Vec<Lanes>,
    bias: Vec<Lanes>,
    /// From gradients of the outputs to gradients of the inputs, in the places of their parts.
    transposed: Option<Box<Pointwise>>,
}

impl Pointwise {
    /// By the weight of an output and an input, and the bias of an output; on inputs in parts of these channels.
    pub fn new(
        outputs: usize,
        parts: &[usize],
        weight: impl Fn(usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
        purpose: Purpose,
    ) -> Self {
        let places = places(parts);
        let depth = places.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let at = |output: usize, place: usize| places[place].map_or(0.0, |channel| weight(output, channel));
        let weights = blocks_of(depth, outputs, |place, output| at(output, place));
        let transposed = purpose.gradients.then(|| {
            let (depth, outputs) = (outputs, places.len());
            let weights = blocks_of(depth, outputs, at);
            Box::new(Pointwise { outputs, depth, weights, bias: blocks_of(1, outputs, |_, _| 0.0), transposed: None })
        });
        Pointwise { outputs, depth, weights, bias: blocks_of(1, outputs, |_, output| bias(output)), transposed }
    }

    /// From gradients of the outputs to gradients of the inputs, where it was asked for.
    pub fn transposed(&self) -> Option<&Pointwise> {
        self.transposed.as_deref()
    }

    /// The convolution of the features, plus the residual.
    pub fn run(&self, context: &Context, features: &Features, residual: Option<Residual>) -> Maps {
        let [images, height, width] = features.size();
        let mut out = Maps::new(context.pool, images, self.outputs, height, width);
        let (area, blocks) = (out.area(), out.blocks());
        out.lanes.par_chunks_mut(blocks * area).enumerate().for_each(|(image, out)| {
            let maps = features.maps_of(image);
            bands_of(out, area).into_par_iter().enumerate().for_each(|(band, mut out)| {
                let mut stopwatch = context.stopwatch();
                let first = band * BAND;
                let added: Vec<&[Lanes]> =
                    (0..blocks).filter_map(|b| residual.map(|r| &r.maps.map(image, b)[first..])).collect();
                let a: Vec<&[Lanes]> = maps.iter().map(|map| &map[first..]).collect();
                self.rows(context, &a, residual.map_or(&[], |_| &added), residual.map_or(0.0, |r| r.scale), &mut out);
                stopwatch.lap(LayerKind::Pointwise);
            });
        });
        out
    }

    /// Writes rows of pixels: products with `a`, plus `added` (where there is any) times `scale`.
    pub fn rows(&self, context: &Context, a: &[&[Lanes]], added: &[&[Lanes]], scale: f32, out: &mut [&mut [Lanes]]) {
        for (block, out) in out.iter_mut().enumerate() {
            let added = added.get(block).copied();
            context.isa.run(Start { bias: &self.bias[block], added, scale, out });
        }
        for (panel, out) in out.chunks_mut(2).enumerate() {
            let weights = self.weights[2 * panel * self.depth..].chunks(self.depth);
            let b: Vec<&[Lanes]> = weights.take(out.len()).collect();
            let rows = out[0].len();
            context.isa.run(Product { a, rows, depth: self.depth, b: &b, out, add: true });
        }
    }
}

/// Each band of pixels of all maps of an image.
pub(super) fn bands_of(maps: &mut [Lanes], area: usize) -> Vec<Vec<&mut [Lanes]>> {
    let mut bands: Vec<Vec<&mut [Lanes]>> = (0..area.div_ceil(BAND)).map(|_| Vec::new()).collect();
    for map in maps.chunks_mut(area) {
        bands.iter_mut().zip(map.chunks_mut(BAND)).for_each(|(band, rows)| band.push(rows));
    }
    bands
}

/// What products are added to: the bias, plus what is added times the scale.
pub(super) struct Start<'a> {
    pub bias: &'a Lanes,
    pub added: Option<&'a [Lanes]>,
    pub scale: f32,
    pub out: &'a mut [Lanes],
}

impl Kernel for Start<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (bias, scale) = (simd.load(self.bias), simd.splat(self.scale));
        match self.added {
            Some(added) => {
                for (out, added) in self.out.iter_mut().zip(added) {
                    simd.store(out, simd.fma(simd.load(added), scale, bias));
                }
            }
            None => self.out.fill(*self.bias),
        }
    }
}
