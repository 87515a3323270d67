//! 3×3 convolution with few multiplications (Winograd 1980; Lavin & Gray 2016, "Fast algorithms for convolutional
//! neural networks").
//!
//! m×m outputs are polynomials' products at m + 2 points in each direction: transform a tile of the input and the
//! weights to those points (Bᵀ, G), multiply there, transform back (Aᵀ). F(4×4) multiplies a quarter as often as the
//! definition, F(2×2) not quite half as often.

use super::simd::{Kernel, Lanes, Simd};

/// F(OUT×OUT, 3×3), on tiles of SIDE = OUT + 2.
pub(super) trait Tile<const SIDE: usize, const OUT: usize>: Copy + Send + Sync {
    /// The finite points. The last point is infinity.
    const POINTS: &'static [f64];
    /// Bᵀx.
    fn forward<S: Simd>(simd: S, x: [S::V; SIDE]) -> [S::V; SIDE];
    /// Aᵀx.
    fn back<S: Simd>(simd: S, x: [S::V; SIDE]) -> [S::V; OUT];
    /// Ax: from gradients of what came back to those at the points.
    fn spread<S: Simd>(simd: S, x: [S::V; OUT]) -> [S::V; SIDE];

    /// G: for each finite point p, (1, p, p²) over the product of its distances to the others.
    fn kernel() -> [[f64; 3]; SIDE] {
        let mut rows = [[0.0, 0.0, 1.0]; SIDE];
        for (row, p) in rows.iter_mut().zip(Self::POINTS) {
            let distances: f64 = Self::POINTS.iter().filter(|q| *q != p).map(|q| p - q).product();
            *row = [1.0 / distances, p / distances, p * p / distances];
        }
        rows
    }
}

/// F(2×2, 3×3) at 0, ±1 and ∞.
#[derive(Clone, Copy)]
pub(super) struct Two;

impl Tile<4, 2> for Two {
    const POINTS: &'static [f64] = &[0.0, 1.0, -1.0];

    #[inline(always)]
    fn forward<S: Simd>(simd: S, [x0, x1, x2, x3]: [S::V; 4]) -> [S::V; 4] {
        [simd.sub(x2, x0), simd.add(x2, x1), simd.sub(x2, x1), simd.sub(x3, x1)]
    }

    #[inline(always)]
    fn back<S: Simd>(simd: S, [x0, x1, x2, x3]: [S::V; 4]) -> [S::V; 2] {
        [simd.add(x0, simd.add(x1, x2)), simd.add(simd.sub(x1, x2), x3)]
    }

    #[inline(always)]
    fn spread<S: Simd>(simd: S, [x0, x1]: [S::V; 2]) -> [S::V; 4] {
        [x0, simd.add(x0, x1), simd.sub(x0, x1), x1]
    }
}

/// F(4×4, 3×3) at 0, ±5/8, ±3/2 and ∞: these err half as much as the customary ±1 and ±2, and all constants are
/// exact.
#[derive(Clone, Copy)]
pub(super) struct Four;

const A: f32 = 0.625;
const B: f32 = 1.5;

impl Tile<6, 4> for Four {
    const POINTS: &'static [f64] = &[0.0, A as f64, -A as f64, B as f64, -B as f64];

    #[inline(always)]
    fn forward<S: Simd>(simd: S, [x0, x1, x2, x3, x4, x5]: [S::V; 6]) -> [S::V; 6] {
        let (aa, bb) = (simd.splat(-A * A), simd.splat(-B * B));
        let (product, sum) = (simd.splat(A * A * B * B), simd.splat(-A * A - B * B));
        let (even_a, odd_a) = (simd.fma(bb, x2, x4), simd.fma(bb, x1, x3));
        let (even_b, odd_b) = (simd.fma(aa, x2, x4), simd.fma(aa, x1, x3));
        [
            simd.fma(product, x0, simd.fma(sum, x2, x4)),
            simd.fma(simd.splat(A), odd_a, even_a),
            simd.fma(simd.splat(-A), odd_a, even_a),
            simd.fma(simd.splat(B), odd_b, even_b),
            simd.fma(simd.splat(-B), odd_b, even_b),
            simd.fma(product, x1, simd.fma(sum, x3, x5)),
        ]
    }

    #[inline(always)]
    fn back<S: Simd>(simd: S, [x0, x1, x2, x3, x4, x5]: [S::V; 6]) -> [S::V; 4] {
        let (even_a, odd_a) = (simd.add(x1, x2), simd.sub(x1, x2));
        let (even_b, odd_b) = (simd.add(x3, x4), simd.sub(x3, x4));
        [
            simd.add(x0, simd.add(even_a, even_b)),
            simd.fma(simd.splat(A), odd_a, simd.mul(simd.splat(B), odd_b)),
            simd.fma(simd.splat(A * A), even_a, simd.mul(simd.splat(B * B), even_b)),
            simd.fma(simd.splat(A * A * A), odd_a, simd.fma(simd.splat(B * B * B), odd_b, x5)),
        ]
    }

    #[inline(always)]
    fn spread<S: Simd>(simd: S, [x0, x1, x2, x3]: [S::V; 4]) -> [S::V; 6] {
        let even_a = simd.fma(simd.splat(A * A), x2, x0);
        let odd_a = simd.fma(simd.splat(A * A * A), x3, simd.mul(simd.splat(A), x1));
        let even_b = simd.fma(simd.splat(B * B), x2, x0);
        let odd_b = simd.fma(simd.splat(B * B * B), x3, simd.mul(simd.splat(B), x1));
        [x0, simd.add(even_a, odd_a), simd.sub(even_a, odd_a), simd.add(even_b, odd_b), simd.sub(even_b, odd_b), x3]
    }
}

/// Tiles of one map to their points.
pub(super) struct Forward<'a> {
    /// Rows of `pitch`, with a margin of one before the first row and column.
    pub padded: &'a [Lanes],
    pub pitch: usize,
    pub down: usize,
    pub across: usize,
    /// For each point the tiles one after the other, `stride` from point to point.
    pub points: &'a mut [Lanes],
    pub stride: usize,
}

/// [`Forward`] of a certain size.
pub(super) struct ForwardOf<'a, T, const SIDE: usize, const OUT: usize>(pub Forward<'a>, pub T);

impl<T: Tile<SIDE, OUT>, const SIDE: usize, const OUT: usize> Kernel for ForwardOf<'_, T, SIDE, OUT> {
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "rows and columns change places")]
    fn run<S: Simd>(self, simd: S) {
        let Forward { padded, pitch, down, across, points, stride } = self.0;
        let zero = simd.splat(0.0);
        for tile in 0..down * across {
            let (top, left) = (tile / across * OUT, tile % across * OUT);
            let from = &padded[top * pitch + left..][..(SIDE - 1) * pitch + SIDE];
            let mut rows = [[zero; SIDE]; SIDE];
            for y in 0..SIDE {
                let mut row = [zero; SIDE];
                for x in 0..SIDE {
                    row[x] = simd.load(&from[y * pitch + x]);
                }
                rows[y] = T::forward(simd, row);
            }
            let to = &mut points[tile..][..(SIDE * SIDE - 1) * stride + 1];
            for x in 0..SIDE {
                let mut column = [zero; SIDE];
                for y in 0..SIDE {
                    column[y] = rows[y][x];
                }
                let column = T::forward(simd, column);
                for y in 0..SIDE {
                    simd.store(&mut to[(y * SIDE + x) * stride], column[y]);
                }
            }
        }
    }
}

/// [`Forward`] for gradients of the result: A·g·Aᵀ of each tile's own places, without the margin.
pub(super) struct SpreadOf<'a, T, const SIDE: usize, const OUT: usize>(pub Forward<'a>, pub T);

impl<T: Tile<SIDE, OUT>, const SIDE: usize, const OUT: usize> Kernel for SpreadOf<'_, T, SIDE, OUT> {
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "rows and columns change places")]
    fn run<S: Simd>(self, simd: S) {
        let Forward { padded, pitch, down, across, points, stride } = self.0;
        let zero = simd.splat(0.0);
        for tile in 0..down * across {
            let (top, left) = (tile / across * OUT + 1, tile % across * OUT + 1);
            let from = &padded[top * pitch + left..][..(OUT - 1) * pitch + OUT];
            let mut rows = [[zero; SIDE]; OUT];
            for y in 0..OUT {
                let mut row = [zero; OUT];
                for x in 0..OUT {
                    row[x] = simd.load(&from[y * pitch + x]);
                }
                rows[y] = T::spread(simd, row);
            }
            let to = &mut points[tile..][..(SIDE * SIDE - 1) * stride + 1];
            for x in 0..SIDE {
                let mut column = [zero; OUT];
                for y in 0..OUT {
                    column[y] = rows[y][x];
                }
                let column = T::spread(simd, column);
                for y in 0..SIDE {
                    simd.store(&mut to[(y * SIDE + x) * stride], column[y]);
                }
            }
        }
    }
}

/// Gᵀ·m·G: from gradients at the points to those of 3×3 kernels.
pub(super) struct KernelsOf<'a, const SIDE: usize> {
    /// G.
    pub matrix: &'a [[f32; 3]; SIDE],
    /// For each point a row of sixteens, `stride` from point to point.
    pub points: &'a [Lanes],
    pub stride: usize,
    /// Nine for each sixteen of a row.
    pub out: &'a mut [Lanes],
}

impl<const SIDE: usize> Kernel for KernelsOf<'_, SIDE> {
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "so that the loops unroll")]
    fn run<S: Simd>(self, simd: S) {
        let zero = simd.splat(0.0);
        for (place, out) in self.out.as_chunks_mut::<9>().0.iter_mut().enumerate() {
            let mut sums = [zero; 9];
            for y in 0..SIDE {
                let mut line = [zero; 3];
                for x in 0..SIDE {
                    let m = simd.load(&self.points[(y * SIDE + x) * self.stride + place]);
                    for v in 0..3 {
                        line[v] = simd.fma(m, simd.splat(self.matrix[x][v]), line[v]);
                    }
                }
                for u in 0..3 {
                    for v in 0..3 {
                        sums[3 * u + v] = simd.fma(line[v], simd.splat(self.matrix[y][u]), sums[3 * u + v]);
                    }
                }
            }
            for (to, sum) in out.iter_mut().zip(sums) {
                simd.store(to, sum);
            }
        }
    }
}

/// Points of the tiles of one map back to rows of an image, with what is added to them.
pub(super) struct Back<'a> {
    pub points: &'a [Lanes],
    pub stride: usize,
    pub down: usize,
    pub across: usize,
    pub bias: &'a Lanes,
    /// Added after multiplication with the scale; laid out as `out`.
    pub residual: Option<(&'a [Lanes], f32)>,
    pub out: &'a mut [Lanes],
    /// Of `out`.
    pub width: usize,
    /// Keeps every place, or every other from the first or the second on.
    pub keep: Keep,
}

/// Which rows and columns of a convolution are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    All,
    Even,
    Odd,
}

impl Keep {
    /// From one kept place to the next.
    pub fn step(self) -> usize {
        if self == Keep::All { 1 } else { 2 }
    }

    /// The first kept place.
    pub fn first(self) -> usize {
        usize::from(self == Keep::Odd)
    }

    /// How many of `size` places are kept.
    pub fn count(self, size: usize) -> usize {
        (size - self.first().min(size)).div_ceil(self.step())
    }
}

/// [`Back`] of a certain size.
pub(super) struct BackOf<'a, T, const SIDE: usize, const OUT: usize>(pub Back<'a>, pub T);

impl<T: Tile<SIDE, OUT>, const SIDE: usize, const OUT: usize> Kernel for BackOf<'_, T, SIDE, OUT> {
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "rows and columns change places")]
    fn run<S: Simd>(self, simd: S) {
        let Back { points, stride, down, across, bias, residual, out, width, keep } = self.0;
        let (zero, bias) = (simd.splat(0.0), simd.load(bias));
        let (step, first) = (keep.step(), keep.first());
        for tile in 0..down * across {
            let (top, left) = (tile / across * OUT, tile % across * OUT);
            let from = &points[tile..][..(SIDE * SIDE - 1) * stride + 1];
            let mut rows = [[zero; OUT]; SIDE];
            for y in 0..SIDE {
                let mut row = [zero; SIDE];
                for x in 0..SIDE {
                    row[x] = simd.load(&from[(y * SIDE + x) * stride]);
                }
                rows[y] = T::back(simd, row);
            }
            for x in (first..OUT).step_by(step) {
                let mut column = [zero; SIDE];
                for y in 0..SIDE {
                    column[y] = rows[y][x];
                }
                let column = T::back(simd, column);
                let place = (left + x) / step;
                for y in (first..OUT).step_by(step) {
                    let index = (top + y) / step * width + place;
                    if place < width && index < out.len() {
                        let mut value = simd.add(column[y], bias);
                        if let Some((residual, scale)) = residual {
                            value = simd.fma(simd.load(&residual[index]), simd.splat(scale), value);
                        }
                        simd.store(&mut out[index], value);
                    }
                }
            }
        }
    }
}
