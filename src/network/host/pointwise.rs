//! 1×1 convolution: a matrix product of pixels and weights.

mod gradient;

use super::gemm::{Product, blocks_of};
use super::kernels::Purpose;
use super::maps::{Features, Maps, places};
use super::read::Residual;
use super::simd::{Kernel, Lanes, Simd};
use super::{Context, for_each};
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
    origin: Origin,
}

/// Where the weights came from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The place of the first parameter among the network's.
    pub slot: usize,
    pub order: Order,
    /// The channel in each place of the inputs.
    pub inputs: Vec<Option<usize>>,
    /// What makes each output.
    pub outputs: Vec<Option<Row>>,
}

/// How a weight is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Out × in, as convolutions have it.
    OutIn,
    /// In × out, as published per-pixel maps have it.
    InOut,
}

/// An output of a weight and of the bias after it, scaled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// The place of the weight from the first parameter on.
    pub weight: usize,
    pub output: usize,
    pub scale: f32,
}

impl Origin {
    /// One weight and its bias, with all its outputs, on inputs in parts of these channels.
    pub fn whole(slot: usize, order: Order, parts: &[usize], outputs: usize, scale: f32) -> Self {
        let outputs = (0..outputs).map(|output| Some(Row { weight: 0, output, scale })).collect();
        Origin { slot, order, inputs: places(parts), outputs }
    }

    /// The place of an input's weight for a row, of so many outputs.
    fn index(&self, row: Row, input: usize, channels: usize, outputs: usize) -> usize {
        match self.order {
            Order::OutIn => row.output * channels + input,
            Order::InOut => input * outputs + row.output,
        }
    }
}

impl Pointwise {
    /// `parameters`: weights, each with the bias after it.
    pub fn new(parameters: &[&[f32]], origin: Origin, purpose: Purpose) -> Self {
        let (outputs, channels) = (origin.outputs.len(), origin.inputs.iter().flatten().count());
        let depth = origin.inputs.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let at = |output: usize, place: usize| match (origin.outputs[output], origin.inputs[place]) {
            (Some(row), Some(input)) => {
                let index = origin.index(row, input, channels, parameters[row.weight + 1].len());
                row.scale * parameters[row.weight][index]
            }
            _ => 0.0,
        };
        let bias = |output: usize| {
            origin.outputs[output].map_or(0.0, |row| row.scale * parameters[row.weight + 1][row.output])
        };
        let weights = blocks_of(depth, outputs, |place, output| at(output, place));
        let transposed = purpose.gradients.then(|| {
            let (depth, outputs) = (outputs, origin.inputs.len());
            let weights = blocks_of(depth, outputs, at);
            let (bias, origin) =
                (blocks_of(1, outputs, |_, _| 0.0), Origin { inputs: Vec::new(), outputs: Vec::new(), ..origin });
            Box::new(Pointwise { outputs, depth, weights, bias, transposed: None, origin })
        });
        let bias = blocks_of(1, outputs, |_, output| bias(output));
        Pointwise { outputs, depth, weights, bias, transposed, origin }
    }

    /// The number of input channels.
    pub fn inputs(&self) -> usize {
        self.origin.inputs.iter().flatten().count()
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
                let first = band * BAND;
                let added: Vec<&[Lanes]> =
                    (0..blocks).filter_map(|b| residual.map(|r| &r.maps.map(image, b)[first..])).collect();
                let a: Vec<&[Lanes]> = maps.iter().map(|map| &map[first..]).collect();
                self.rows(context, &a, residual.map_or(&[], |_| &added), residual.map_or(0.0, |r| r.scale), &mut out);
            });
        });
        out
    }

    /// Writes rows of pixels: products with `a`, plus `added` (where there is any) times `scale`.
    pub fn rows(&self, context: &Context, a: &[&[Lanes]], added: &[&[Lanes]], scale: f32, out: &mut [&mut [Lanes]]) {
        let panels: Vec<_> = out.chunks_mut(2).enumerate().collect();
        for_each(context.alone, panels, |(panel, out)| self.products(context, a, added, scale, panel, out));
    }

    /// The same of one or two sixteens of outputs.
    fn products(
        &self,
        context: &Context,
        a: &[&[Lanes]],
        added: &[&[Lanes]],
        scale: f32,
        panel: usize,
        out: &mut [&mut [Lanes]],
    ) {
        let mut stopwatch = context.stopwatch();
        for (block, out) in (2 * panel..).zip(out.iter_mut()) {
            let added = added.get(block).copied();
            context.isa.run(Start { bias: &self.bias[block], added, scale, out });
        }
        let weights = self.weights[2 * panel * self.depth..].chunks(self.depth);
        let b: Vec<&[Lanes]> = weights.take(out.len()).collect();
        let rows = out[0].len();
        context.isa.run(Product { a, rows, depth: self.depth, b: &b, out, add: true });
        stopwatch.lap(LayerKind::Pointwise);
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
