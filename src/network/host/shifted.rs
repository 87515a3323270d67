//! Convolutions of any kernel, as one product of shifted maps with the weights.
//!
//! In a map whose rows are padded, the pixels that one tap of the kernel sees lie one after the other, as far apart as
//! those that come out. So a tap and a sixteen of channels is a block of columns of a matrix that need not be made, and all
//! taps together are one product, whose sums stay in registers. With a stride of two the map is first dealt out into four.

use super::Context;
use super::gemm::{Product, blocks_of};
use super::maps::{Buffer, Maps};
use super::simd::{Kernel, Lanes, Simd};

/// Pixels that are multiplied together: a multiple of the product's rows, few enough that they stay in a core's cache.
const ROWS: usize = 192;

/// A convolution, then a rectifier.
#[derive(Debug)]
pub(in crate::network) struct Shifted {
    /// Height and width of the kernel.
    kernel: [usize; 2],
    /// 1 or 2, in both directions.
    stride: usize,
    /// Zeros above and below, left and right.
    padding: [usize; 2],
    outputs: usize,
    /// In blocks of sixteen outputs: for each tap, a row for each input.
    weights: Vec<Lanes>,
    bias: Vec<Lanes>,
}

impl Shifted {
    /// `weight` is outputs × inputs × height × width.
    pub fn new(weight: &[f32], bias: &[f32], kernel: [usize; 2], stride: usize, padding: [usize; 2]) -> Self {
        let (outputs, taps) = (bias.len(), kernel[0] * kernel[1]);
        let inputs = weight.len() / (outputs * taps).max(1);
        // Each tap begins a new sixteen of the matrix's columns.
        let places = inputs.next_multiple_of(Lanes::WIDTH);
        let weights = blocks_of(taps * places, outputs, |row, output| {
            let (tap, input) = (row / places, row % places);
            if input < inputs { weight[(output * inputs + input) * taps + tap] } else { 0.0 }
        });
        let bias = blocks_of(1, outputs, |_, output| bias[output]);
        Shifted { kernel, stride, padding, outputs, weights, bias }
    }

    /// Height and width of what comes out.
    fn size(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        let [down, across] = [0, 1].map(|i: usize| 2 * self.padding[i] + [height, width][i]);
        [(down - self.kernel[0]) / self.stride + 1, (across - self.kernel[1]) / self.stride + 1]
    }

    /// What comes out of one image.
    pub(super) fn run(&self, context: &Context, x: &Maps) -> Maps {
        let dealt = Dealt::of(context, x, self.stride, self.padding);
        let [height, width] = self.size([x.height, x.width]);
        let mut out = Maps::new(context.pool, 1, self.outputs, height, width);
        let (area, pitch) = (height * width, dealt.pitch);
        let depth = self.kernel[0] * self.kernel[1] * x.blocks() * Lanes::WIDTH;
        let all = (height - 1) * pitch + width;
        let mut sums = context.pool.take(2 * ROWS);
        let mut columns: Vec<&[Lanes]> = Vec::with_capacity(depth / Lanes::WIDTH);
        for first in (0..all).step_by(ROWS) {
            let rows = ROWS.min(all - first);
            columns.clear();
            for tap in 0..self.kernel[0] * self.kernel[1] {
                let [y, x_shift] = [tap / self.kernel[1], tap % self.kernel[1]];
                columns.extend((0..x.blocks()).map(|block| &dealt.seen(block, [y, x_shift])[first..first + rows]));
            }
            for (pair, maps) in out.lanes.chunks_mut(2 * area).enumerate() {
                let count = maps.len() / area;
                let weights: Vec<&[Lanes]> = self.weights.chunks(depth).skip(2 * pair).take(count).collect();
                let mut halves: Vec<&mut [Lanes]> = sums.chunks_mut(ROWS).take(count).collect();
                for (half, bias) in halves.iter_mut().zip(&self.bias[2 * pair..]) {
                    half.fill(*bias);
                }
                context.isa.run(Product { a: &columns, rows, depth, b: &weights, out: &mut halves, add: true });
                for (map, half) in maps.chunks_mut(area).zip(&halves) {
                    context.isa.run(Rectified { sums: &half[..rows], first, pitch, width, map });
                }
            }
        }
        out
    }
}

/// Copies what is inside the rows, at least 0.
struct Rectified<'a> {
    sums: &'a [Lanes],
    /// Of the first sum, in rows of `pitch`.
    first: usize,
    pitch: usize,
    width: usize,
    map: &'a mut [Lanes],
}

impl Kernel for Rectified<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let zero = simd.splat(0.0);
        for (offset, sum) in self.sums.iter().enumerate() {
            let (y, x) = ((self.first + offset) / self.pitch, (self.first + offset) % self.pitch);
            if x < self.width {
                simd.store(&mut self.map[y * self.width + x], simd.max(simd.load(sum), zero));
            }
        }
    }
}

/// Maps with zeros around, where the stride is two in four: even and odd rows, even and odd columns.
struct Dealt<'a> {
    maps: Source<'a>,
    stride: usize,
    /// From row to row, in each of the four.
    pitch: usize,
    /// Places of each of the four.
    area: usize,
}

enum Source<'a> {
    /// As they are: there is nothing to pad or to deal out.
    Own(&'a Maps),
    Copied(Buffer),
}

impl<'a> Dealt<'a> {
    fn of(context: &Context, x: &'a Maps, stride: usize, [above, left]: [usize; 2]) -> Self {
        if stride == 1 && above == 0 && left == 0 {
            return Dealt { maps: Source::Own(x), stride, pitch: x.width, area: x.area() };
        }
        let (down, pitch) = ((x.height + 2 * above).div_ceil(stride), (x.width + 2 * left).div_ceil(stride));
        let area = down * pitch;
        let parts = stride * stride;
        let mut copy = context.pool.take(x.blocks() * parts * area);
        copy.fill(Lanes::default());
        for (block, copy) in copy.chunks_mut(parts * area).enumerate() {
            for (y, row) in x.map(0, block).chunks_exact(x.width).enumerate() {
                let y = y + above;
                for (place, lanes) in row.iter().enumerate() {
                    let place = place + left;
                    let part = y % stride * stride + place % stride;
                    copy[part * area + y / stride * pitch + place / stride] = *lanes;
                }
            }
        }
        Dealt { maps: Source::Copied(copy), stride, pitch, area }
    }

    /// What a tap of the kernel sees of a sixteen of channels, from the first pixel on.
    fn seen(&self, block: usize, [y, x]: [usize; 2]) -> &[Lanes] {
        let parts = self.stride * self.stride;
        let map = match &self.maps {
            Source::Own(maps) => maps.map(0, block),
            Source::Copied(copy) => {
                let part = y % self.stride * self.stride + x % self.stride;
                &copy[(block * parts + part) * self.area..][..self.area]
            }
        };
        &map[y / self.stride * self.pitch + x / self.stride..]
    }
}

#[cfg(test)]
mod tests {
    use super::super::maps::Pool;
    use super::super::simd::Isa;
    use super::*;

    /// Small whole numbers, so that all sums are exact.
    #[test]
    fn convolutions_are_those_of_the_definition() {
        let pool = Pool::default();
        let cases = [
            ([1, 1], 1, [0, 0], 3, 16),
            ([3, 3], 1, [1, 1], 16, 48),
            ([3, 3], 2, [0, 0], 35, 16),
            ([3, 3], 1, [0, 0], 20, 5),
            ([1, 7], 1, [0, 3], 16, 32),
            ([7, 1], 1, [3, 0], 16, 16),
            ([5, 5], 1, [2, 2], 4, 33),
            ([1, 3], 1, [0, 1], 32, 16),
        ];
        for (kernel, stride, padding, inputs, outputs) in cases {
            let (height, width) = (9, 12);
            let taps = kernel[0] * kernel[1];
            let x = |c: usize, y: isize, x: isize| match (0..height).contains(&y) && (0..width).contains(&x) {
                true => ((c as isize * 5 + y * 3 + x * 7) % 11 - 5) as f32,
                false => 0.0,
            };
            let weight = |o: usize, c: usize, tap: usize| ((o * 3 + c * 5 + tap * 7) % 9) as f32 - 4.0;
            let planes: Vec<f32> = (0..inputs)
                .flat_map(|c| (0..height * width).map(move |place| x(c, place / width, place % width)))
                .collect();
            let weights: Vec<f32> = (0..outputs * inputs * taps)
                .map(|place| weight(place / taps / inputs, place / taps % inputs, place % taps))
                .collect();
            let bias: Vec<f32> = (0..outputs).map(|o| o as f32 - 3.0).collect();
            let convolution = Shifted::new(&weights, &bias, kernel, stride, padding);
            for isa in Isa::all() {
                let context = Context { isa, pool: &pool, clock: None, alone: true };
                let maps = Maps::from_planes(&pool, &planes, [1, inputs, height as usize, width as usize]);
                let out = convolution.run(&context, &maps);
                let mut found = vec![0.0; outputs * out.area()];
                out.to_planes(&mut found);
                for (place, found) in found.into_iter().enumerate() {
                    let (o, row, column) = (place / out.area(), place % out.area() / out.width, place % out.width);
                    let exact: f32 = (0..inputs * taps)
                        .map(|at| {
                            let (c, tap) = (at / taps, at % taps);
                            let y = (row * stride + tap / kernel[1]) as isize - padding[0] as isize;
                            let place = (column * stride + tap % kernel[1]) as isize - padding[1] as isize;
                            weight(o, c, tap) * x(c, y, place)
                        })
                        .sum();
                    assert_eq!(found, (exact + bias[o]).max(0.0), "{isa:?} {kernel:?} {stride} {o} {row} {column}");
                }
            }
        }
    }
}
