//! The gradient of self-attention. Scores are computed again, a band of queries and then a band of keys at a time, so
//! that they never leave the cache (Dao et al. 2022, "FlashAttention", appendix B).

use super::{Attention, Divide, Heads, Softmax, into, product, rows_from};
use crate::network::host::Context;
use crate::network::host::gradients::Gradients;
use crate::network::host::maps::{Features, Maps};
use crate::network::host::norm::{Film, exp};
use crate::network::host::pointwise::{BAND, bands_of};
use crate::network::host::read::{Read, Residual};
use crate::network::host::simd::{Kernel, Lanes, Simd};
use crate::network::profile::LayerKind;
use rayon::prelude::*;

/// One image on the way back. Maps hold head after head, each from a new sixteen of channels on.
struct Image<'a> {
    area: usize,
    queries: &'a [Lanes],
    keys: &'a [Lanes],
    values: &'a [Lanes],
    /// Of the mixed values.
    gradient: &'a [Lanes],
    turned: Turned<'a>,
}

/// In sixteens of pixels, with a row for each channel.
struct Turned<'a> {
    queries: &'a [Lanes],
    keys: &'a [Lanes],
    values: &'a [Lanes],
    gradient: &'a [Lanes],
}

/// Of each query: its largest score, 1/Σ e^(score − largest), and what all gradients of its weights lose.
type Stats = [f32; 3];

impl Attention {
    /// From the gradient of the output to that of x; records those of the parameters where they are wanted.
    pub fn back<'n>(
        &'n self,
        context: &Context,
        x: &Features,
        gradient: &Features,
        wanted: Option<&mut Gradients<'n>>,
    ) -> Option<Maps> {
        let (qkv, out) = (self.qkv.transposed()?, self.out.transposed()?);
        let affine = self.norm.affine(context, x, Film::Nothing);
        let normal = Features::from(Read { affine: Some(&affine), ..Read::plain(x) }.all(context));
        let projected = self.qkv.run(context, &normal, None);
        let of_mixed = out.run(context, gradient, None);
        let [slopes, mixed] = self.heads.back(context, &projected, &of_mixed);
        let slopes = Features::from(slopes);
        let back = qkv.run(context, &slopes, None);
        let [whole] = &gradient.0[..] else { return None };
        let residual = Some(Residual { maps: &whole.maps, scale: self.scale });
        let (back, found) = self.norm.back(context, x, Film::Nothing, None, back, residual);
        if let Some(into) = wanted {
            self.qkv.record(context, &normal, &slopes, into);
            self.out.record(context, &mixed.into(), gradient, into);
            self.norm.record(context, &found, into);
        }
        Some(back)
    }
}

impl Heads {
    /// From the gradient of [`Heads::mix`] to that of queries, keys and values; and what was mixed.
    pub fn back(self, context: &Context, qkv: &Maps, gradient: &Maps) -> [Maps; 2] {
        let new = |channels: usize| Maps::new(context.pool, qkv.images, channels, qkv.height, qkv.width);
        let (mut slopes, mut mixed) = (new(qkv.channels), new(gradient.channels));
        let (area, part) = (qkv.area(), self.blocks() * qkv.area());
        let per_image = slopes.lanes.par_chunks_mut(3 * part).zip(mixed.lanes.par_chunks_mut(part)).enumerate();
        per_image.for_each(|(image, (slopes, mixed))| {
            let qkv = &qkv.lanes[image * 3 * part..][..3 * part];
            let gradient = &gradient.lanes[image * part..][..part];
            self.image_back(context, qkv, gradient, area, slopes, mixed);
        });
        [slopes, mixed]
    }

    /// From queries, keys and values, and the gradient of the mixed values, to the gradients of the three, and to the
    /// mixed values.
    fn image_back(
        self,
        context: &Context,
        projected: &[Lanes],
        gradient: &[Lanes],
        area: usize,
        slopes: &mut [Lanes],
        mixed: &mut [Lanes],
    ) {
        let part = gradient.len();
        let (queries, rest) = projected.split_at(part);
        let (keys, values) = rest.split_at(part);
        let [a, b, c, d] = [queries, keys, values, gradient].map(|maps| self.transposed(context, maps, area));
        let turned = Turned { queries: &a, keys: &b, values: &c, gradient: &d };
        let image = Image { area, queries, keys, values, gradient, turned };
        let (of_queries, rest) = slopes.split_at_mut(part);
        let (of_keys, of_values) = rest.split_at_mut(part);
        let bands: Vec<_> = bands_of(of_queries, area).into_iter().zip(bands_of(mixed, area)).enumerate().collect();
        let of_band = |(band, (mut to, mut mixed)): (usize, (Vec<_>, Vec<_>))| {
            self.queries_back(context, &image, band, &mut to, &mut mixed)
        };
        let stats: Vec<Vec<Stats>> = bands.into_par_iter().map(of_band).collect();
        // Of all queries of each head, as the columns of the transposed scores; those beyond the last weigh nothing.
        let columns = area.div_ceil(Lanes::WIDTH);
        let mut of_columns = vec![[Lanes::default(); 3]; self.count * columns];
        for (band, stats) in stats.iter().enumerate() {
            let rows = BAND.min(area - band * BAND);
            for (index, stats) in stats.iter().enumerate() {
                let (head, query) = (index / rows, band * BAND + index % rows);
                let of_column = &mut of_columns[head * columns + query / Lanes::WIDTH];
                of_column.iter_mut().zip(stats).for_each(|(lanes, &x)| lanes.0[query % Lanes::WIDTH] = x);
            }
        }
        let bands = bands_of(of_keys, area).into_par_iter().zip(bands_of(of_values, area)).enumerate();
        bands.for_each(|(band, (mut keys, mut values))| {
            self.keys_back(context, &image, band, &of_columns, &mut keys, &mut values);
        });
    }

    /// The gradient of a band of queries, its mixed values, and what the walk over the keys must know of them, head
    /// after head.
    fn queries_back(
        self,
        context: &Context,
        image: &Image,
        band: usize,
        to: &mut [&mut [Lanes]],
        mixed: &mut [&mut [Lanes]],
    ) -> Vec<Stats> {
        let mut stopwatch = context.stopwatch();
        let (area, blocks, first) = (image.area, self.each(), band * BAND);
        let (channels, columns, rows) = (blocks * Lanes::WIDTH, area.div_ceil(Lanes::WIDTH), BAND.min(area - first));
        let mut scores = context.pool.take(columns * rows);
        let mut slopes = context.pool.take(columns * rows);
        let (mut sums, mut largest) = (context.pool.take(rows), context.pool.take(rows));
        let mut stats = Vec::with_capacity(self.count * rows);
        for (head, (to, mixed)) in to.chunks_mut(blocks).zip(mixed.chunks_mut(blocks)).enumerate() {
            let of_maps = head * blocks * area..(head + 1) * blocks * area;
            let of_turned = head * columns * channels..(head + 1) * columns * channels;
            let queries = rows_from(first, &image.queries[of_maps.clone()], area);
            let gradient = rows_from(first, &image.gradient[of_maps.clone()], area);
            product(context, &queries, rows, channels, &image.turned.keys[of_turned.clone()], &mut scores);
            let (scores_of, sums_of, largest_of) = (&mut scores[..], &mut sums[..], &mut largest[..]);
            context.isa.run(Softmax { scores: scores_of, rows, columns: area, sums: sums_of, largest: largest_of });
            let weights: Vec<&[Lanes]> = scores.chunks(rows).collect();
            into(context, &weights, rows, area, &image.values[of_maps.clone()], mixed);
            mixed.iter_mut().for_each(|maps| context.isa.run(Divide { maps, by: &sums }));
            product(context, &gradient, rows, channels, &image.turned.values[of_turned], &mut slopes);
            let of_rows = (0..rows).map(|row| {
                let lost = gradient.iter().zip(&*mixed).map(|(a, b)| dot(&a[row], &b[row])).sum();
                [largest[row].0[0], sums[row].0[0].recip(), lost]
            });
            let of_rows: Vec<Stats> = of_rows.collect();
            context.isa.run(RowSlopes { scores: &scores, slopes: &mut slopes, stats: &of_rows });
            let weights: Vec<&[Lanes]> = slopes.chunks(rows).collect();
            into(context, &weights, rows, area, &image.keys[of_maps], to);
            stats.extend(of_rows);
        }
        stopwatch.lap(LayerKind::Attention);
        stats
    }

    /// The gradients of a band of keys and values.
    fn keys_back(
        self,
        context: &Context,
        image: &Image,
        band: usize,
        stats: &[[Lanes; 3]],
        of_keys: &mut [&mut [Lanes]],
        of_values: &mut [&mut [Lanes]],
    ) {
        let mut stopwatch = context.stopwatch();
        let (area, blocks, first) = (image.area, self.each(), band * BAND);
        let (channels, columns, rows) = (blocks * Lanes::WIDTH, area.div_ceil(Lanes::WIDTH), BAND.min(area - first));
        let mut scores = context.pool.take(columns * rows);
        let mut slopes = context.pool.take(columns * rows);
        let bands = of_keys.chunks_mut(blocks).zip(of_values.chunks_mut(blocks)).enumerate();
        for (head, (of_keys, of_values)) in bands {
            let maps = head * blocks * area..(head + 1) * blocks * area;
            let turned = head * columns * channels..(head + 1) * columns * channels;
            let keys = rows_from(first, &image.keys[maps.clone()], area);
            let values = rows_from(first, &image.values[maps.clone()], area);
            product(context, &keys, rows, channels, &image.turned.queries[turned.clone()], &mut scores);
            product(context, &values, rows, channels, &image.turned.gradient[turned], &mut slopes);
            let stats = &stats[head * columns..][..columns];
            context.isa.run(ColumnSlopes { scores: &mut scores, slopes: &mut slopes, rows, stats });
            let weights: Vec<&[Lanes]> = scores.chunks(rows).collect();
            into(context, &weights, rows, area, &image.gradient[maps.clone()], of_values);
            let weights: Vec<&[Lanes]> = slopes.chunks(rows).collect();
            into(context, &weights, rows, area, &image.queries[maps], of_keys);
        }
        stopwatch.lap(LayerKind::Attention);
    }
}

fn dot(a: &Lanes, b: &Lanes) -> f32 {
    a.0.iter().zip(b.0).map(|(a, b)| a * b).sum()
}

/// From the gradients of the weights to those of the scores, w·(g − lost), of a band of queries.
struct RowSlopes<'a> {
    /// e^(score − largest).
    scores: &'a [Lanes],
    slopes: &'a mut [Lanes],
    stats: &'a [Stats],
}

impl Kernel for RowSlopes<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let rows = self.stats.len();
        for (slopes, scores) in self.slopes.chunks_mut(rows).zip(self.scores.chunks(rows)) {
            for ((slope, score), [_, share, lost]) in slopes.iter_mut().zip(scores).zip(self.stats) {
                let weight = simd.mul(simd.load(score), simd.splat(*share));
                simd.store(slope, simd.mul(weight, simd.sub(simd.load(slope), simd.splat(*lost))));
            }
        }
    }
}

/// The same of a band of keys, where queries are columns; scores become weights.
struct ColumnSlopes<'a> {
    scores: &'a mut [Lanes],
    slopes: &'a mut [Lanes],
    rows: usize,
    stats: &'a [[Lanes; 3]],
}

impl Kernel for ColumnSlopes<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let columns = self.slopes.chunks_mut(self.rows).zip(self.scores.chunks_mut(self.rows));
        for ((slopes, scores), [largest, share, lost]) in columns.zip(self.stats) {
            let (largest, share, lost) = (simd.load(largest), simd.load(share), simd.load(lost));
            for (slope, score) in slopes.iter_mut().zip(scores) {
                let weight = simd.mul(exp(simd, simd.sub(simd.load(score), largest)), share);
                simd.store(score, weight);
                simd.store(slope, simd.mul(weight, simd.sub(simd.load(slope), lost)));
            }
        }
    }
}
