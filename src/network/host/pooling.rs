//! The largest of the pixels around each, and the mean of all.

use super::Context;
use super::maps::{Features, Maps};
use super::norm::moments;
use super::simd::{Kernel, Lanes, Simd};
use crate::network::profile::LayerKind;
use rayon::prelude::*;
use std::ops::Range;

/// The largest of `side`×`side` pixels, an odd number, around each; beyond the border there are none.
pub(super) fn largest(context: &Context, features: &Features, side: usize) -> Features {
    Features(features.0.iter().flat_map(|part| Features::from(maps(context, &part.maps, side)).0).collect())
}

fn maps(context: &Context, maps: &Maps, side: usize) -> Maps {
    let mut out = Maps::new(context.pool, maps.images, maps.channels, maps.height, maps.width);
    out.lanes.par_chunks_mut(maps.area()).zip(maps.lanes.par_chunks(maps.area())).for_each(|(to, from)| {
        let mut stopwatch = context.stopwatch();
        let mut line = context.pool.take(maps.width);
        context.isa.run(Largest { from, to, line: &mut line, reach: side / 2 });
        stopwatch.lap(LayerKind::Resampling);
    });
    out
}

/// From the gradient of the `largest` of some features to that of the features, plus the residual: all of it goes to the
/// first that is the largest, row by row.
pub(super) fn largest_back(
    context: &Context,
    features: &Features,
    largest: &Features,
    side: usize,
    gradient: &Maps,
    residual: &Maps,
) -> Maps {
    let (blocks, area, width) = (gradient.blocks(), gradient.area(), gradient.width);
    let mut out = Maps::new(context.pool, gradient.images, gradient.channels, gradient.height, width);
    out.lanes.par_chunks_mut(area).enumerate().for_each(|(index, to)| {
        let mut stopwatch = context.stopwatch();
        let (image, block) = (index / blocks, index % blocks);
        let (Some(from), Some(largest)) = (features.map(image, block), largest.map(image, block)) else { return };
        to.copy_from_slice(residual.map(image, block));
        let [mut of_rows, mut rows] = [0, 1].map(|_| context.pool.take(area));
        rows.fill(Lanes::default());
        let (gradient, of_rows, rows) = (gradient.map(image, block), &mut of_rows[..], &mut rows[..]);
        context.isa.run(LargestBack { from, largest, gradient, of_rows, rows, to, width, reach: side / 2 });
        stopwatch.lap(LayerKind::Resampling);
    });
    out
}

/// Of one map: to the first row whose largest it is, then to the first in that row.
struct LargestBack<'a> {
    from: &'a [Lanes],
    largest: &'a [Lanes],
    gradient: &'a [Lanes],
    /// Memory for the largest of each row around each pixel.
    of_rows: &'a mut [Lanes],
    /// Zeros, for their gradient.
    rows: &'a mut [Lanes],
    /// What is added to.
    to: &'a mut [Lanes],
    width: usize,
    /// In each direction.
    reach: usize,
}

impl Kernel for LargestBack<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (width, height) = (self.width, self.from.len() / self.width);
        let lines = self.of_rows.chunks_mut(width).zip(self.from.chunks(width));
        for (to, from) in lines {
            for (x, to) in to.iter_mut().enumerate() {
                let near = from[around(x, self.reach, width)].iter();
                let most = near.fold(simd.load(&from[x]), |most, lanes| simd.max(most, simd.load(lanes)));
                simd.store(to, most);
            }
        }
        for place in 0..self.from.len() {
            let (x, y) = (place % width, place / width);
            let places = around(y, self.reach, height).map(|row| row * width + x);
            first::<S>(simd, &self.largest[place], &self.gradient[place], self.of_rows, places, self.rows);
        }
        for place in 0..self.from.len() {
            let (x, row) = (place % width, place / width * width);
            let places = around(x, self.reach, width).map(|x| row + x);
            first::<S>(simd, &self.of_rows[place], &self.rows[place], self.from, places, self.to);
        }
    }
}

/// Adds a gradient at the first of the places that hold the largest.
#[inline(always)]
fn first<S: Simd>(
    simd: S,
    largest: &Lanes,
    gradient: &Lanes,
    values: &[Lanes],
    places: impl Iterator<Item = usize>,
    to: &mut [Lanes],
) {
    let (largest, mut left) = (simd.load(largest), simd.load(gradient));
    for place in places {
        let below = simd.positive(simd.sub(largest, simd.load(&values[place])));
        let beyond = simd.mul(left, below);
        let sum = simd.add(simd.load(&to[place]), simd.sub(left, beyond));
        simd.store(&mut to[place], sum);
        left = beyond;
    }
}

/// The mean of each map, as a map of one pixel.
pub(super) fn mean(context: &Context, maps: Maps) -> Maps {
    let mut out = Maps::new(context.pool, maps.images, maps.channels, 1, 1);
    for part in Features::from(maps).0 {
        // Two for each map: its mean, and what is around it.
        out.lanes.iter_mut().zip(moments(context, &part).chunks(2)).for_each(|(mean, moments)| *mean = moments[0]);
    }
    out
}

/// From the gradient of the mean to that of maps of this height and width.
pub(super) fn of_mean(context: &Context, gradient: &Maps, [height, width]: [usize; 2]) -> Maps {
    let mut out = Maps::new(context.pool, gradient.images, gradient.channels, height, width);
    let share = 1.0 / (height * width) as f32;
    for (to, of_mean) in out.lanes.chunks_mut((height * width).max(1)).zip(gradient.lanes.iter()) {
        to.fill(Lanes(of_mean.0.map(|slope| share * slope)));
    }
    out
}

/// Of one map: first in columns, then in rows.
struct Largest<'a> {
    from: &'a [Lanes],
    to: &'a mut [Lanes],
    /// Memory for one row.
    line: &'a mut [Lanes],
    /// In each direction.
    reach: usize,
}

impl Kernel for Largest<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (width, height) = (self.line.len(), self.from.len() / self.line.len());
        for (y, to) in self.to.chunks_mut(width).enumerate() {
            let rows = around(y, self.reach, height);
            for (x, line) in self.line.iter_mut().enumerate() {
                let mut most = simd.load(&self.from[y * width + x]);
                for row in rows.clone() {
                    most = simd.max(most, simd.load(&self.from[row * width + x]));
                }
                simd.store(line, most);
            }
            for (x, to) in to.iter_mut().enumerate() {
                let mut most = simd.load(&self.line[x]);
                for lanes in &self.line[around(x, self.reach, width)] {
                    most = simd.max(most, simd.load(lanes));
                }
                simd.store(to, most);
            }
        }
    }
}

/// Square windows of one image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub side: usize,
    pub stride: usize,
    /// Beyond the border, where there is nothing to take.
    pub padding: usize,
    /// The mean of what is within the border; else the largest.
    pub mean: bool,
}

/// The mean or the largest in each window of one image.
pub(super) fn window(context: &Context, maps: &Maps, window: Window) -> Maps {
    let Window { side, stride, padding, .. } = window;
    let [height, width] = [maps.height, maps.width].map(|size| (size + 2 * padding - side) / stride + 1);
    let mut out = Maps::new(context.pool, 1, maps.channels, height, width);
    for (block, to) in out.lanes.chunks_mut(height * width).enumerate() {
        context.isa.run(Windows { from: maps.map(0, block), size: [maps.height, maps.width], to, width, window });
    }
    out
}

/// Of one map.
struct Windows<'a> {
    from: &'a [Lanes],
    /// Its height and width.
    size: [usize; 2],
    to: &'a mut [Lanes],
    width: usize,
    window: Window,
}

impl Kernel for Windows<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Window { side, stride, padding, mean } = self.window;
        let [height, width] = self.size;
        let within = |place: usize, size: usize| {
            (place * stride).saturating_sub(padding)..(place * stride + side - padding).min(size)
        };
        for (place, to) in self.to.iter_mut().enumerate() {
            let (rows, columns) = (within(place / self.width, height), within(place % self.width, width));
            let share = 1.0 / (rows.len() * columns.len()) as f32;
            let mut all = simd.splat(if mean { 0.0 } else { f32::NEG_INFINITY });
            for row in rows {
                for lanes in &self.from[row * width..][columns.clone()] {
                    let lanes = simd.load(lanes);
                    all = if mean { simd.add(all, lanes) } else { simd.max(lanes, all) };
                }
            }
            simd.store(to, if mean { simd.mul(all, simd.splat(share)) } else { all });
        }
    }
}

/// The places around one, of `size`.
#[inline(always)]
fn around(place: usize, reach: usize, size: usize) -> Range<usize> {
    place.saturating_sub(reach)..(place + reach + 1).min(size)
}

#[cfg(test)]
mod tests {
    use super::super::maps::Pool;
    use super::super::simd::Isa;
    use super::*;

    #[test]
    fn pixels_become_the_largest_around_them() {
        let pool = Pool::default();
        for (height, width) in [(7, 6), (1, 3), (1, 1)] {
            let value = |y: usize, x: usize| -(((y * 5 + x * 11) % 13) as f32) - 1.0;
            let plane: Vec<f32> = (0..height * width).map(|place| value(place / width, place % width)).collect();
            for isa in Isa::all() {
                let context = Context { isa, pool: &pool, clock: None, alone: true };
                let features = Features::from(Maps::from_planes(&pool, &plane, [1, 1, height, width]));
                let mut found = vec![0.0; plane.len()];
                largest(&context, &features, 5).whole(&pool).maps.to_planes(&mut found);
                for (place, found) in found.into_iter().enumerate() {
                    let near = |a: usize, b: usize| a.abs_diff(b) <= 2;
                    let others = (0..plane.len())
                        .filter(|other| near(other / width, place / width) && near(other % width, place % width));
                    let exact = others.map(|other| plane[other]).fold(f32::NEG_INFINITY, f32::max);
                    assert_eq!(found, exact, "{isa:?}, {height}×{width}, {place}");
                }
            }
        }
    }

    /// Small whole numbers, so that many are equal and all sums are exact.
    #[test]
    fn gradients_go_to_the_first_of_the_largest() {
        let pool = Pool::default();
        for (height, width) in [(7, 6), (1, 3), (1, 1)] {
            let plane: Vec<f32> = (0..height * width).map(|place| ((place * 5 + place / 7) % 4) as f32).collect();
            let slopes: Vec<f32> = (0..height * width).map(|place| ((place * 7) % 11) as f32 - 5.0).collect();
            let mut expected = slopes.clone();
            for (place, slope) in slopes.iter().enumerate() {
                let near = |a: usize, b: usize| a.abs_diff(b) <= 2;
                let others =
                    (0..plane.len()).filter(|o| near(o / width, place / width) && near(o % width, place % width));
                let first = others.reduce(|first, other| if plane[other] > plane[first] { other } else { first });
                expected[first.unwrap()] += slope;
            }
            for isa in Isa::all() {
                let context = Context { isa, pool: &pool, clock: None, alone: true };
                let maps = |values: &[f32]| Maps::from_planes(&pool, values, [1, 1, height, width]);
                let (features, gradient) = (Features::from(maps(&plane)), maps(&slopes));
                let pooled = largest(&context, &features, 5);
                let mut found = vec![0.0; plane.len()];
                largest_back(&context, &features, &pooled, 5, &gradient, &gradient).to_planes(&mut found);
                assert_eq!(found, expected, "{isa:?}, {height}×{width}");
            }
        }
    }
}
