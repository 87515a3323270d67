//! Self-attention over all pixels, a band of queries at a time, so that its scores never leave the cache.

mod gradient;

use super::Context;
use super::for_each;
use super::gemm::Product;
use super::maps::{Buffer, Features, Maps, places};
use super::norm::{Affine, Film, Norm, Pixelwise, exp};
use super::pointwise::{BAND, Pointwise, Row, bands_of};
use super::simd::{Kernel, Lanes, Simd, total};
use crate::network::profile::LayerKind;
use rayon::prelude::*;

#[derive(Debug)]
pub(super) struct Attention {
    pub norm: Norm,
    /// Queries (scaled by the head's width^−½), keys and values of head after head, each from a new sixteen on.
    pub qkv: Pointwise,
    /// Of the heads' values, laid out in the same way.
    pub out: Pointwise,
    pub heads: Heads,
    /// Of the sum.
    pub scale: f32,
}

/// How channels are shared out. Each head begins a new sixteen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    pub count: usize,
    /// Channels of a head.
    pub width: usize,
}

/// Queries, transposed keys and values of one image.
struct Projected<'a> {
    area: usize,
    queries: &'a [Lanes],
    /// For each head and each sixteen of keys, a row for each channel.
    keys: Buffer,
    values: &'a [Lanes],
}

impl Attention {
    /// x·scale + out(attention(norm(x))), the last with weights that are scaled already.
    pub fn run(&self, context: &Context, x: &Features) -> Maps {
        let affine = self.norm.affine(context, x, Film::Nothing);
        let whole = x.whole(context.pool);
        let residual = &whole.maps;
        let mut out = Maps::new(context.pool, residual.images, residual.channels, residual.height, residual.width);
        let size = residual.blocks() * residual.area();
        out.lanes.par_chunks_mut(size).enumerate().for_each(|(image, out)| {
            self.image(context, residual, &affine, image, out);
        });
        out
    }

    fn image(&self, context: &Context, x: &Maps, affine: &Affine, image: usize, out: &mut [Lanes]) {
        let (area, heads) = (x.area(), self.heads);
        let mut qkv = context.pool.take(3 * heads.blocks() * area);
        bands_of(&mut qkv, area).into_par_iter().enumerate().for_each(|(band, mut qkv)| {
            self.project(context, x, affine, image, band, &mut qkv);
        });
        let projected = heads.projected(context, &qkv, area);
        bands_of(out, area).into_par_iter().enumerate().for_each(|(band, mut out)| {
            let rows = out[0].len();
            let mut mixed = context.pool.take(heads.blocks() * rows);
            heads.mixed(context, &projected, band, &mut mixed.chunks_mut(rows).collect::<Vec<_>>());
            let a: Vec<&[Lanes]> = mixed.chunks(rows).collect();
            let added: Vec<&[Lanes]> = (0..x.blocks()).map(|block| &x.map(image, block)[band * BAND..]).collect();
            self.out.rows(context, &a, &added, self.scale, &mut out);
        });
    }

    /// Queries, keys and values of some pixels.
    fn project(
        &self,
        context: &Context,
        x: &Maps,
        affine: &Affine,
        image: usize,
        band: usize,
        qkv: &mut [&mut [Lanes]],
    ) {
        let mut stopwatch = context.stopwatch();
        let rows = qkv[0].len();
        let mut normal = context.pool.take(x.blocks() * rows);
        for (block, to) in normal.chunks_mut(rows).enumerate() {
            let from = &x.map(image, block)[band * BAND..][..rows];
            let affine = Some(affine.of(image, block));
            context.isa.run(Pixelwise { from, width: rows, to, pitch: rows, affine, activation: None });
        }
        stopwatch.lap(LayerKind::Normalisation);
        let a: Vec<&[Lanes]> = normal.chunks(rows).collect();
        self.qkv.rows(context, &a, &[], 0.0, qkv);
    }
}

impl Heads {
    /// Sixteens of channels of a head.
    fn each(self) -> usize {
        self.width.div_ceil(Lanes::WIDTH)
    }

    /// Sixteens of channels of all heads.
    fn blocks(self) -> usize {
        self.count * self.each()
    }

    /// The channel in each place.
    pub fn places(self) -> Vec<Option<usize>> {
        places(&vec![self.width; self.count])
    }

    /// What makes queries, keys and values, of which the queries are scaled by the head's width^−½: the place of the
    /// weight and the output of a part and a channel.
    pub fn rows(self, of: impl Fn(usize, usize) -> [usize; 2]) -> Vec<Option<Row>> {
        let part = |part: usize| {
            let (scale, of) = (if part == 0 { (self.width as f32).powf(-0.5) } else { 1.0 }, &of);
            let row = move |channel| {
                let [weight, output] = of(part, channel);
                Row { weight, output, scale }
            };
            self.places().into_iter().map(move |channel| channel.map(row))
        };
        (0..3).flat_map(part).collect()
    }

    /// The values of each image, mixed: maps of queries, keys and values to maps of all heads.
    pub fn mix(self, context: &Context, qkv: &Maps) -> Maps {
        let (area, size) = (qkv.area(), self.blocks() * qkv.area());
        let mut out = Maps::new(context.pool, qkv.images, self.blocks() * Lanes::WIDTH, qkv.height, qkv.width);
        out.lanes.par_chunks_mut(size).zip(qkv.lanes.par_chunks(3 * size)).for_each(|(out, qkv)| {
            let projected = self.projected(context, qkv, area);
            let bands = bands_of(out, area).into_par_iter().enumerate();
            bands.for_each(|(band, mut mixed)| self.mixed(context, &projected, band, &mut mixed));
        });
        out
    }

    /// Those of an image.
    fn projected<'a>(self, context: &Context, qkv: &'a [Lanes], area: usize) -> Projected<'a> {
        let mut stopwatch = context.stopwatch();
        let (queries, rest) = qkv.split_at(self.blocks() * area);
        let (keys, values) = rest.split_at(self.blocks() * area);
        let keys = self.transposed(context, keys, area);
        stopwatch.lap(LayerKind::Attention);
        Projected { area, queries, keys, values }
    }

    /// Maps in sixteens of pixels, with a row for each channel.
    fn transposed(self, context: &Context, maps: &[Lanes], area: usize) -> Buffer {
        let blocks = self.each();
        let (channels, columns) = (blocks * Lanes::WIDTH, area.div_ceil(Lanes::WIDTH));
        let mut turned = context.pool.take(self.count * columns * channels);
        turned.fill(Lanes::default());
        for (head, turned) in turned.chunks_mut(columns * channels).enumerate() {
            for (block, map) in maps[head * blocks * area..][..blocks * area].chunks(area).enumerate() {
                for (pixel, lanes) in map.iter().enumerate() {
                    let (column, lane) = (pixel / Lanes::WIDTH, pixel % Lanes::WIDTH);
                    let rows = &mut turned[column * channels + block * Lanes::WIDTH..][..Lanes::WIDTH];
                    rows.iter_mut().zip(lanes.0).for_each(|(row, value)| row.0[lane] = value);
                }
            }
        }
        turned
    }

    /// The values, mixed by each query of a band: for each sixteen of all heads' channels, a row for each query.
    fn mixed(self, context: &Context, of: &Projected, band: usize, mixed: &mut [&mut [Lanes]]) {
        let (area, blocks) = (of.area, self.each());
        let (first, columns, channels) = (band * BAND, area.div_ceil(Lanes::WIDTH), blocks * Lanes::WIDTH);
        let rows = BAND.min(area - first);
        for_each(context.alone, mixed.chunks_mut(blocks).enumerate().collect(), |(head, mixed): (usize, &mut [_])| {
            let mut stopwatch = context.stopwatch();
            let mut scores = context.pool.take(columns * rows);
            let (mut sums, mut largest) = (context.pool.take(rows), context.pool.take(rows));
            let queries = rows_from(first, &of.queries[head * blocks * area..][..blocks * area], area);
            let keys = &of.keys[head * columns * channels..][..columns * channels];
            product(context, &queries, rows, channels, keys, &mut scores);
            let (sums_of, largest) = (&mut sums[..], &mut largest[..]);
            context.isa.run(Softmax { scores: &mut scores, rows, columns: area, sums: sums_of, largest });
            let weights: Vec<&[Lanes]> = scores.chunks(rows).collect();
            let values = &of.values[head * blocks * area..][..blocks * area];
            into(context, &weights, rows, area, values, mixed);
            mixed.iter_mut().for_each(|maps| context.isa.run(Divide { maps, by: &sums }));
            stopwatch.lap(LayerKind::Attention);
        });
    }
}

/// The product of `rows` × `depth` with all columns of `b`.
fn product(context: &Context, a: &[&[Lanes]], rows: usize, depth: usize, b: &[Lanes], out: &mut [Lanes]) {
    let mut out: Vec<&mut [Lanes]> = out.chunks_mut(rows).collect();
    into(context, a, rows, depth, b, &mut out);
}

/// The same into rows that lie apart.
fn into(context: &Context, a: &[&[Lanes]], rows: usize, depth: usize, b: &[Lanes], out: &mut [&mut [Lanes]]) {
    let b: Vec<&[Lanes]> = b.chunks(depth).collect();
    for (b, out) in b.chunks(2).zip(out.chunks_mut(2)) {
        context.isa.run(Product { a, rows, depth, b, out, add: false });
    }
}

/// The rows from `first` on of each map.
fn rows_from(first: usize, maps: &[Lanes], area: usize) -> Vec<&[Lanes]> {
    maps.chunks(area).map(|map| &map[first..]).collect()
}

/// Each row of scores to e^(score − largest), and their sum and the largest in all lanes.
struct Softmax<'a> {
    scores: &'a mut [Lanes],
    rows: usize,
    /// Scores in a row.
    columns: usize,
    sums: &'a mut [Lanes],
    largest: &'a mut [Lanes],
}

impl Kernel for Softmax<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let rows = self.rows;
        let beyond = self.columns % Lanes::WIDTH;
        for row in 0..rows {
            if beyond > 0 {
                let last = self.columns / Lanes::WIDTH * rows + row;
                self.scores[last].0[beyond..].fill(f32::NEG_INFINITY);
            }
            let mut most = simd.splat(f32::NEG_INFINITY);
            for lanes in self.scores[row..].iter().step_by(rows) {
                most = simd.max(most, simd.load(lanes));
            }
            let mut largest = Lanes::default();
            simd.store(&mut largest, most);
            let mut most = f32::NEG_INFINITY;
            for x in largest.0 {
                most = if most > x { most } else { x };
            }
            self.largest[row] = Lanes([most; 16]);
            let most = simd.splat(most);
            let mut sums = simd.splat(0.0);
            for lanes in self.scores[row..].iter_mut().step_by(rows) {
                let weight = exp(simd, simd.sub(simd.load(lanes), most));
                simd.store(lanes, weight);
                sums = simd.add(sums, weight);
            }
            self.sums[row] = Lanes([total(simd, sums); 16]);
        }
    }
}

/// Divides each row of all maps.
struct Divide<'a> {
    maps: &'a mut [Lanes],
    by: &'a [Lanes],
}

impl Kernel for Divide<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for map in self.maps.chunks_mut(self.by.len()) {
            for (x, by) in map.iter_mut().zip(self.by) {
                simd.store(x, simd.mul(simd.load(x), simd.reciprocal(simd.load(by))));
            }
        }
    }
}
