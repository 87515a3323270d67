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
}
