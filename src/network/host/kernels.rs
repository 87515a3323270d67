//! Weights of 3×3 convolutions, at the points of their transform or on the way there.

use super::maps::places;
use super::simd::{Isa, Kernel, Lanes, Simd};
use super::winograd::Tile;
use rayon::prelude::*;
use std::sync::OnceLock;

/// What weights are held for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Purpose {
    /// Caches do not hold the network's weights from one evaluation to the next.
    pub heavy: bool,
    /// Gradients will be asked for.
    pub gradients: bool,
}

/// Weights of one convolution.
#[derive(Debug)]
pub(super) struct Kernels {
    /// Places of input channels.
    pub depth: usize,
    /// As they were given: for each sixteen of outputs and each input nine sixteens. Kept by large networks only.
    plain: Vec<Lanes>,
    /// For each sixteen of outputs and each point, a row for each input.
    at_points: OnceLock<Vec<Lanes>>,
}

impl Kernels {
    /// `weight` (O×C×3×3) times `scale`, on inputs in parts of these channels.
    pub fn new(weight: &[f32], outputs: usize, parts: &[usize], scale: f32) -> Self {
        let (inputs, places) = (parts.iter().sum::<usize>(), places(parts));
        let depth = places.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let mut plain = vec![Lanes::default(); outputs.div_ceil(Lanes::WIDTH) * depth * 9];
        plain.par_chunks_mut(depth * 9).enumerate().for_each(|(block, plain)| {
            for lane in 0..Lanes::WIDTH.min(outputs - block * Lanes::WIDTH) {
                let kernels = &weight[(block * Lanes::WIDTH + lane) * inputs * 9..][..inputs * 9];
                for (to, channel) in plain.chunks_mut(9).zip(&places) {
                    let Some(channel) = *channel else { continue };
                    to.iter_mut().zip(&kernels[channel * 9..]).for_each(|(to, value)| to.0[lane] = scale * value);
                }
            }
        });
        Kernels { depth, plain, at_points: OnceLock::new() }
    }

    /// Transforms them once and for all.
    pub fn transformed<T: Tile<SIDE, OUT>, const SIDE: usize, const OUT: usize>(mut self) -> Self {
        self.all::<T, SIDE, OUT>();
        self.plain = Vec::new();
        self
    }

    /// Whether they can be transformed on the way.
    pub fn are_plain(&self) -> bool {
        !self.plain.is_empty()
    }

    /// At all points, transformed when they are first asked for.
    pub fn all<T: Tile<SIDE, OUT>, const SIDE: usize, const OUT: usize>(&self) -> &[Lanes] {
        self.at_points.get_or_init(|| {
            let (isa, area, row) = (Isa::best(), SIDE * SIDE * self.depth, SIDE * self.depth);
            let mut all = vec![Lanes::default(); self.plain.len() / (9 * self.depth).max(1) * area];
            all.par_chunks_mut(area.max(1)).enumerate().for_each(|(block, points)| {
                for (y, out) in points.chunks_mut(row).enumerate() {
                    self.row::<T, SIDE, OUT>(isa, block, y, out);
                }
            });
            all
        })
    }

    /// At one row of points, for a sixteen of outputs: a row for each input of each point.
    pub fn row<T: Tile<SIDE, OUT>, const SIDE: usize, const OUT: usize>(
        &self,
        isa: Isa,
        block: usize,
        y: usize,
        out: &mut [Lanes],
    ) {
        let matrix = T::kernel().map(|row| row.map(|value| value as f32));
        let kernels = &self.plain[block * self.depth * 9..][..self.depth * 9];
        isa.run(Transform { kernels, matrix: &matrix, y, out });
    }
}

/// One row of G·g·Gᵀ of 3×3 kernels g.
struct Transform<'a, const SIDE: usize> {
    kernels: &'a [Lanes],
    matrix: &'a [[f32; 3]; SIDE],
    y: usize,
    out: &'a mut [Lanes],
}

impl<const SIDE: usize> Kernel for Transform<'_, SIDE> {
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "so that the loops unroll")]
    fn run<S: Simd>(self, simd: S) {
        let depth = self.out.len() / SIDE;
        let zero = simd.splat(0.0);
        let mut matrix = [[zero; 3]; SIDE];
        for x in 0..SIDE {
            for i in 0..3 {
                matrix[x][i] = simd.splat(self.matrix[x][i]);
            }
        }
        let down = matrix[self.y];
        for (place, kernel) in self.kernels.as_chunks::<9>().0.iter().enumerate() {
            let mut line = [zero; 3];
            for x in 0..3 {
                let sum = simd.mul(down[0], simd.load(&kernel[x]));
                let sum = simd.fma(down[1], simd.load(&kernel[x + 3]), sum);
                line[x] = simd.fma(down[2], simd.load(&kernel[x + 6]), sum);
            }
            for x in 0..SIDE {
                let sum = simd.mul(matrix[x][0], line[0]);
                let sum = simd.fma(matrix[x][1], line[1], sum);
                simd.store(&mut self.out[x * depth + place], simd.fma(matrix[x][2], line[2], sum));
            }
        }
    }
}
