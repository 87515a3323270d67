//! Weights of 3×3 convolutions, at the points of their transform or on the way there.

use super::maps::places;
use super::simd::{Isa, Kernel, Lanes, Simd};
use super::winograd::Tile;
use rayon::prelude::*;

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
    weights: Weights,
}

#[derive(Debug)]
enum Weights {
    /// As they were given: for each sixteen of outputs and each input nine sixteens. They are transformed on the way:
    /// it takes less time than to read transformed weights, four times as many, from memory.
    Plain(Vec<Lanes>),
    /// For each sixteen of outputs and each point, a row for each input.
    AtPoints(Vec<Lanes>),
}

impl Kernels {
    /// `weight` (O×C×3×3) times `scale`, on inputs in parts of these channels.
    pub fn new<T: Tile<SIDE, OUT>, const SIDE: usize, const OUT: usize>(
        weight: &[f32],
        outputs: usize,
        parts: &[usize],
        scale: f32,
        heavy: bool,
    ) -> Self {
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
        if heavy {
            return Kernels { depth, weights: Weights::Plain(plain) };
        }
        let mut all = vec![Lanes::default(); plain.len() / 9 * SIDE * SIDE];
        let blocks = all.par_chunks_mut(SIDE * SIDE * depth).zip(plain.par_chunks(9 * depth));
        blocks.for_each(|(points, plain)| {
            let rows = points.chunks_mut(SIDE * depth).enumerate();
            rows.for_each(|(y, out)| transform::<T, SIDE, OUT>(Isa::best(), plain, y, out));
        });
        Kernels { depth, weights: Weights::AtPoints(all) }
    }

    /// Whether they are transformed on the way.
    pub fn are_plain(&self) -> bool {
        matches!(self.weights, Weights::Plain(_))
    }

    /// At one row of points, for a sixteen of outputs: a row for each input of each point. They may come to lie in
    /// `passing`, which then must have room for them.
    pub fn row<'a, T: Tile<SIDE, OUT>, const SIDE: usize, const OUT: usize>(
        &'a self,
        isa: Isa,
        block: usize,
        y: usize,
        passing: &'a mut [Lanes],
    ) -> &'a [Lanes] {
        match &self.weights {
            Weights::AtPoints(all) => &all[(block * SIDE + y) * SIDE * self.depth..][..SIDE * self.depth],
            Weights::Plain(plain) => {
                let plain = &plain[block * self.depth * 9..][..self.depth * 9];
                transform::<T, SIDE, OUT>(isa, plain, y, passing);
                passing
            }
        }
    }
}

/// Transforms kernels to one row of points.
fn transform<T: Tile<SIDE, OUT>, const SIDE: usize, const OUT: usize>(
    isa: Isa,
    kernels: &[Lanes],
    y: usize,
    out: &mut [Lanes],
) {
    let matrix = T::kernel().map(|row| row.map(|value| value as f32));
    isa.run(Transform { kernels, matrix: &matrix, y, out });
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
