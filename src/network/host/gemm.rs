//! The matrix products, which do nearly all of the work.

use super::simd::{Kernel, Lanes, Simd};

/// out = A·B, or out + A·B.
///
/// All matrices lie in blocks of sixteen columns with their rows one after the other: element (i, 16·j + k) is
/// `matrix[j][i].0[k]`. Each element of the result is one sum in the order of A's columns, whatever the number of
/// rows, so that a row is the same in any company.
pub(super) struct Product<'a, 'o> {
    /// rows × depth.
    pub a: &'a [&'a [Lanes]],
    pub rows: usize,
    pub depth: usize,
    /// depth × 16 or 32.
    pub b: &'a [&'a [Lanes]],
    /// rows × 16 or 32.
    pub out: &'a mut [&'o mut [Lanes]],
    /// Adds to what is there.
    pub add: bool,
}

impl Kernel for Product<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        if S::MANY_REGISTERS && self.b.len() == 2 {
            return self.all_rows::<S, 2>(simd, 0);
        }
        for block in 0..self.b.len() {
            self.all_rows::<S, 1>(simd, block);
        }
    }
}

impl Product<'_, '_> {
    /// `W` blocks of columns from `first`.
    #[inline(always)]
    fn all_rows<S: Simd, const W: usize>(&mut self, simd: S, first: usize) {
        let mut row = 0;
        while row < self.rows {
            row += match self.rows - row {
                // Sixteen are better cut in two.
                12.. if S::MANY_REGISTERS && self.rows - row != 16 => self.tile::<S, 12, W>(simd, row, first),
                8.. if S::MANY_REGISTERS => self.tile::<S, 8, W>(simd, row, first),
                6.. if !S::MANY_REGISTERS && self.rows - row != 8 => self.tile::<S, 6, W>(simd, row, first),
                4.. => self.tile::<S, 4, W>(simd, row, first),
                2.. => self.tile::<S, 2, W>(simd, row, first),
                _ => self.tile::<S, 1, W>(simd, row, first),
            };
        }
    }

    /// `R` rows from `row`, whose sums stay in registers. Returns R.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "so that the loops unroll and the sums stay in registers")]
    fn tile<S: Simd, const R: usize, const W: usize>(&mut self, simd: S, row: usize, first: usize) -> usize {
        let mut sums = [[simd.splat(0.0); W]; R];
        if self.add {
            for w in 0..W {
                let out = &self.out[first + w][row..][..R];
                for i in 0..R {
                    sums[i][w] = simd.load(&out[i]);
                }
            }
        }
        for (j, a) in self.a.iter().enumerate() {
            let a = &a[row..][..R];
            let start = j * Lanes::WIDTH;
            let depth = Lanes::WIDTH.min(self.depth - start);
            let mut b: [&[Lanes]; W] = [&[]; W];
            for w in 0..W {
                b[w] = &self.b[first + w][start..][..depth];
            }
            for k in 0..depth {
                let mut columns = [simd.splat(0.0); W];
                for w in 0..W {
                    // SAFETY: cut to `depth` above.
                    columns[w] = simd.load(unsafe { b[w].get_unchecked(k) });
                }
                for i in 0..R {
                    // SAFETY: `depth` is at most the width of a block.
                    let x = simd.splat(unsafe { *a[i].0.get_unchecked(k) });
                    for w in 0..W {
                        sums[i][w] = simd.fma(x, columns[w], sums[i][w]);
                    }
                }
            }
        }
        for w in 0..W {
            let out = &mut self.out[first + w][row..][..R];
            for i in 0..R {
                simd.store(&mut out[i], sums[i][w]);
            }
        }
        R
    }
}

/// out + Aᵀ·B: how the gradient of a matrix comes of what it multiplied and the gradient of what came out.
///
/// Each element of the result is one sum in the order of the rows.
pub(super) struct Outer<'a, 'o> {
    /// rows × 16.
    pub a: &'a [Lanes],
    /// Columns of A that matter.
    pub columns: usize,
    /// rows × 16 or 32.
    pub b: &'a [&'a [Lanes]],
    /// A row for each column of A, in blocks of sixteen columns as B's.
    pub out: &'a mut [&'o mut [Lanes]],
}

impl Kernel for Outer<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        if S::MANY_REGISTERS && self.b.len() == 2 {
            return (0..self.columns).step_by(8).for_each(|first| self.tile::<S, 8, 2>(simd, first, 0));
        }
        for block in 0..self.b.len() {
            match S::MANY_REGISTERS {
                true => (0..self.columns).step_by(8).for_each(|first| self.tile::<S, 8, 1>(simd, first, block)),
                false => (0..self.columns).step_by(4).for_each(|first| self.tile::<S, 4, 1>(simd, first, block)),
            }
        }
    }
}

impl Outer<'_, '_> {
    /// `R` columns of A by `W` blocks of B's, whose sums stay in registers.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "so that the loops unroll and the sums stay in registers")]
    fn tile<S: Simd, const R: usize, const W: usize>(&mut self, simd: S, column: usize, block: usize) {
        let mut sums = [[simd.splat(0.0); W]; R];
        let mut b: [&[Lanes]; W] = [&[]; W];
        for w in 0..W {
            b[w] = &self.b[block + w][..self.a.len()];
            let out = &self.out[block + w][column..][..R];
            for i in 0..R {
                sums[i][w] = simd.load(&out[i]);
            }
        }
        for (row, a) in self.a.iter().enumerate() {
            let a = &a.0[column..][..R];
            let mut rows = [simd.splat(0.0); W];
            for w in 0..W {
                // SAFETY: cut to the rows of A above.
                rows[w] = simd.load(unsafe { b[w].get_unchecked(row) });
            }
            for i in 0..R {
                let x = simd.splat(a[i]);
                for w in 0..W {
                    sums[i][w] = simd.fma(x, rows[w], sums[i][w]);
                }
            }
        }
        for w in 0..W {
            let out = &mut self.out[block + w][column..][..R];
            for i in 0..R {
                simd.store(&mut out[i], sums[i][w]);
            }
        }
    }
}

/// A matrix of `rows` × `columns` by its elements, in blocks of sixteen columns; zeros beyond the last.
pub(super) fn blocks_of(rows: usize, columns: usize, element: impl Fn(usize, usize) -> f32) -> Vec<Lanes> {
    let mut blocks = vec![Lanes::default(); columns.div_ceil(Lanes::WIDTH) * rows];
    for column in 0..columns {
        for row in 0..rows {
            let (block, lane) = (column / Lanes::WIDTH, column % Lanes::WIDTH);
            blocks[block * rows + row].0[lane] = element(row, column);
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::super::simd::Isa;
    use super::*;

    #[test]
    fn products_are_exact_for_small_whole_numbers() {
        let (a, b) =
            (|i: usize, j: usize| ((i * 7 + j * 3) % 11) as f32 - 5.0, |i: usize, j: usize| ((i + j * 5) % 7) as f32);
        let depth = 37;
        for isa in Isa::all() {
            for rows in 1..=26 {
                for columns in [16, 32] {
                    let (left, right) = (blocks_of(rows, depth, a), blocks_of(depth, columns, b));
                    let (left, right): (Vec<_>, Vec<_>) = (left.chunks(rows).collect(), right.chunks(depth).collect());
                    let mut out = vec![Lanes([2.0; 16]); rows * columns / 16];
                    for add in [true, false] {
                        let mut blocks: Vec<&mut [Lanes]> = out.chunks_mut(rows).collect();
                        isa.run(Product { a: &left, rows, depth, b: &right, out: &mut blocks, add });
                        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                            let exact: f32 = (0..depth).map(|k| a(row, k) * b(k, column)).sum();
                            let exact = exact + if add { 2.0 } else { 0.0 };
                            assert_eq!(out[column / 16 * rows + row].0[column % 16], exact, "{isa:?}, {rows} rows");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn transposed_products_are_exact_for_small_whole_numbers() {
        let (a, b) =
            (|i: usize, j: usize| ((i * 7 + j * 3) % 11) as f32 - 5.0, |i: usize, j: usize| ((i + j * 5) % 7) as f32);
        for isa in Isa::all() {
            for (rows, columns, width) in [(1, 16, 16), (37, 16, 32), (40, 3, 32), (12, 11, 16)] {
                let (left, right) = (blocks_of(rows, columns, a), blocks_of(rows, width, b));
                let right: Vec<_> = right.chunks(rows).collect();
                let mut out = vec![Lanes([2.0; 16]); width];
                let mut blocks: Vec<&mut [Lanes]> = out.chunks_mut(16).collect();
                isa.run(Outer { a: &left, columns, b: &right, out: &mut blocks });
                for (i, j) in (0..columns).flat_map(|i| (0..width).map(move |j| (i, j))) {
                    let exact: f32 = (0..rows).map(|k| a(k, i) * b(k, j)).sum();
                    assert_eq!(out[j / 16 * 16 + i].0[j % 16], exact + 2.0, "{isa:?}, {rows} rows");
                }
            }
        }
    }
}
