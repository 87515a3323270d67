//! Resampling: each row and column is a weighted sum of neighbouring ones.

use super::Context;
use super::maps::{Features, Maps};
use super::read::Residual;
use super::simd::{Kernel, Lanes, Simd};
use super::winograd::Keep;
use crate::network::profile::LayerKind;
use rayon::prelude::*;
use std::ops::Range;

/// How an axis is resampled. Filters have the published lengths of zeros around (StyleGAN2's upfirdn).
#[derive(Clone, Debug)]
pub(super) enum Resampling {
    /// Means of two.
    Halve,
    /// Each value twice.
    Double,
    /// Low-pass filtered, then every other value.
    FilteredHalve(Vec<f64>),
    /// Zeros between the values, then low-pass filtered.
    FilteredDouble(Vec<f64>),
    /// Low-pass filtered to one value more, for a convolution that halves.
    Filtered(Vec<f64>),
    /// Zeros before, between and after the values: 2·N + 1.
    Spread,
    /// Low-pass filtered to one value less, after a convolution of spread values; gains what zeros have lost.
    Unspread(Vec<f64>),
    /// Means of this many, an odd number, around each value; zeros beyond the border count.
    Means(usize),
}

/// The weights of one place: those of the sources from the first on.
#[derive(Clone, Debug)]
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// Resampling of maps of one size.
#[derive(Clone, Debug)]
pub(super) struct Resize {
    rows: Vec<Taps>,
    columns: Vec<Taps>,
}

impl Resize {
    pub fn new(kind: &Resampling, height: usize, width: usize) -> Self {
        Resize { rows: kind.axis(height), columns: kind.axis(width) }
    }

    /// Bilinear interpolation from one height and width to another, corners on corners.
    pub fn bilinear(from: [usize; 2], to: [usize; 2]) -> Self {
        Resize { rows: linear(from[0], to[0]), columns: linear(from[1], to[1]) }
    }

    pub fn height(&self) -> usize {
        self.rows.len()
    }

    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Every other place from the first or the second on holds a value, as [`Keep`] says; the others zero.
    pub fn spread(keep: Keep, height: usize, width: usize) -> Self {
        let axis = |size: usize| {
            let taps = |place: usize| match place.checked_sub(keep.first()) {
                Some(beyond) if beyond.is_multiple_of(keep.step()) => {
                    Taps { first: beyond / keep.step(), weights: vec![1.0] }
                }
                _ => Taps { first: 0, weights: Vec::new() },
            };
            (0..size).map(taps).collect()
        };
        Resize { rows: axis(height), columns: axis(width) }
    }

    /// From gradients of the result to gradients of the source, which is of this size.
    pub fn transposed(&self, height: usize, width: usize) -> Self {
        Resize { rows: transposed(&self.rows, height), columns: transposed(&self.columns, width) }
    }

    /// The rows of the source that these rows are made of.
    pub fn rows_for(&self, rows: Range<usize>) -> Range<usize> {
        let taps = self.rows.get(rows).unwrap_or_default();
        let start = taps.iter().map(|taps| taps.first).min().unwrap_or(0);
        let end = taps.iter().map(|taps| taps.first + taps.weights.len()).max().unwrap_or(0);
        start..end.max(start)
    }

    /// Resamples all maps.
    pub fn run(&self, context: &Context, features: &Features) -> Features {
        let resized = features.0.iter().map(|part| Features::from(self.maps(context, &part.maps)));
        Features(resized.flat_map(|features| features.0).collect())
    }

    pub fn maps(&self, context: &Context, maps: &Maps) -> Maps {
        let (height, width) = (self.height(), self.width());
        let mut out = Maps::new(context.pool, maps.images, maps.channels, height, width);
        let sources = maps.lanes.par_chunks(maps.area());
        out.lanes.par_chunks_mut(height * width).zip(sources).for_each(|(to, from)| {
            let mut stopwatch = context.stopwatch();
            let mut line = context.pool.take(maps.width);
            let line = &mut line;
            context.isa.run(Resizing { resize: self, from, first: 0, rows: 0..height, line, to, pitch: width });
            stopwatch.lap(LayerKind::Resampling);
        });
        out
    }
}

impl Resampling {
    /// The weights of every place of an axis of `size` values.
    fn axis(&self, size: usize) -> Vec<Taps> {
        match self {
            Resampling::Halve => axis(size, size / 2, |place| (2 * place as isize, vec![0.5; 2])),
            Resampling::Double => axis(size, 2 * size, |place| (place as isize / 2, vec![1.0])),
            Resampling::Spread => {
                axis(size, 2 * size + 1, |place| (place as isize / 2, vec![f64::from(u8::from(place % 2 == 1))]))
            }
            Resampling::FilteredHalve(taps) => {
                let (taps, before) = (correlated(taps, 1.0), (taps.len() - 2).div_ceil(2));
                axis(size, size / 2, |place| (2 * place as isize - before as isize, taps.clone()))
            }
            Resampling::Filtered(taps) => {
                let (taps, before) = (correlated(taps, 1.0), taps.len().div_ceil(2));
                axis(size, size + 1, |place| (place as isize - before as isize, taps.clone()))
            }
            Resampling::Unspread(taps) => {
                let (taps, before) = (correlated(taps, 2.0), (taps.len() - 1) / 2);
                axis(size, size - 1, |place| (place as isize - before as isize, taps.clone()))
            }
            Resampling::Means(count) => {
                let (taps, before) = (vec![1.0 / *count as f64; *count], count / 2);
                axis(size, size, |place| (place as isize - before as isize, taps.clone()))
            }
            Resampling::FilteredDouble(taps) => {
                let (taps, before) = (correlated(taps, 2.0), taps.len() - (taps.len() / 2));
                axis(size, 2 * size, |place| {
                    // The values lie on the even places; the filter begins at one of either kind.
                    let start = place as isize - before as isize;
                    let skip = start.rem_euclid(2);
                    ((start + skip) / 2, taps.iter().skip(skip as usize).step_by(2).copied().collect())
                })
            }
        }
    }
}

/// A correlation with the result is a convolution with the taps, brought to this sum.
fn correlated(taps: &[f64], sum: f64) -> Vec<f64> {
    let scale = sum / taps.iter().sum::<f64>();
    taps.iter().rev().map(|tap| tap * scale).collect()
}

/// The weights of `count` places, without those beyond the `size` values.
fn axis(size: usize, count: usize, taps: impl Fn(usize) -> (isize, Vec<f64>)) -> Vec<Taps> {
    let cut = |place| {
        let (first, weights) = taps(place);
        let outside = (-first).clamp(0, weights.len() as isize) as usize;
        let first = (first + outside as isize) as usize;
        let inside = size.saturating_sub(first);
        let weights = weights.into_iter().skip(outside).take(inside).map(|weight| weight as f32).collect();
        Taps { first: first.min(size), weights }
    };
    (0..count).map(cut).collect()
}

/// The weights of `count` places evenly between the first of `size` values and the last.
fn linear(size: usize, count: usize) -> Vec<Taps> {
    let step = (size - 1) as f64 / (count.max(2) - 1) as f64;
    axis(size, count, |place| {
        let at = step * place as f64;
        let below = (at as usize).min(size - 1);
        let part = (at - below as f64).max(0.0);
        (below as isize, vec![1.0 - part, part])
    })
}

/// The weight that each of `size` sources has in the places.
fn transposed(places: &[Taps], size: usize) -> Vec<Taps> {
    let mut sources = vec![Taps { first: 0, weights: Vec::new() }; size];
    for (place, taps) in places.iter().enumerate() {
        for (source, &weight) in sources.iter_mut().skip(taps.first).zip(&taps.weights) {
            if source.weights.is_empty() {
                source.first = place;
            }
            source.weights.resize(place - source.first, 0.0);
            source.weights.push(weight);
        }
    }
    sources
}

/// Maps, plus a bias for each channel, plus the residual.
pub(super) fn sum(context: &Context, maps: &Maps, bias: &[Lanes], residual: Option<Residual>) -> Maps {
    let mut out = Maps::new(context.pool, maps.images, maps.channels, maps.height, maps.width);
    let (area, blocks) = (maps.area(), maps.blocks());
    out.lanes.par_chunks_mut(area).enumerate().for_each(|(index, out)| {
        let (image, block) = (index / blocks, index % blocks);
        let scale = residual.map_or(0.0, |residual| residual.scale);
        out.copy_from_slice(maps.map(image, block));
        let added = residual.map(|residual| residual.maps.map(image, block));
        context.isa.run(Sum { bias: &bias[block], added, scale, out });
    });
    out
}

/// Adds the residual to all maps.
pub(super) fn add(context: &Context, to: &mut Maps, Residual { maps, scale }: Residual) {
    let area = to.area();
    to.lanes.par_chunks_mut(area).zip(maps.lanes.par_chunks(area)).for_each(|(out, added)| {
        context.isa.run(Sum { bias: &Lanes::default(), added: Some(added), scale, out });
    });
}

/// Adds to a map.
pub(super) struct Sum<'a> {
    pub bias: &'a Lanes,
    pub added: Option<&'a [Lanes]>,
    pub scale: f32,
    pub out: &'a mut [Lanes],
}

impl Kernel for Sum<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (bias, scale) = (simd.load(self.bias), simd.splat(self.scale));
        for (index, out) in self.out.iter_mut().enumerate() {
            let mut value = simd.add(simd.load(out), bias);
            if let Some(added) = self.added {
                value = simd.fma(simd.load(&added[index]), scale, value);
            }
            simd.store(out, value);
        }
    }
}

/// Some rows of one map.
pub(super) struct Resizing<'a> {
    pub resize: &'a Resize,
    /// The source's rows from `first` on.
    pub from: &'a [Lanes],
    pub first: usize,
    /// The rows to make.
    pub rows: Range<usize>,
    /// Memory for one row of the source.
    pub line: &'a mut [Lanes],
    pub to: &'a mut [Lanes],
    pub pitch: usize,
}

impl Kernel for Resizing<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.line.len();
        for (row, to) in self.rows.zip(self.to.chunks_mut(self.pitch)) {
            let taps = &self.resize.rows[row];
            for x in 0..width {
                let mut sum = simd.splat(0.0);
                for (index, &weight) in taps.weights.iter().enumerate() {
                    let from = &self.from[(taps.first + index - self.first) * width + x];
                    sum = simd.fma(simd.load(from), simd.splat(weight), sum);
                }
                simd.store(&mut self.line[x], sum);
            }
            for (taps, to) in self.resize.columns.iter().zip(to) {
                let mut sum = simd.splat(0.0);
                for (from, &weight) in self.line[taps.first..].iter().zip(&taps.weights) {
                    sum = simd.fma(simd.load(from), simd.splat(weight), sum);
                }
                simd.store(to, sum);
            }
        }
    }
}
