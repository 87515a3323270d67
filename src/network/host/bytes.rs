//! A matrix of bytes, which takes a quarter of the memory of one of floats, and products with it.
//!
//! Blocks of it become floats on their way into a core's cache. Each result is the same to the bit for any number of
//! threads and in any company: sums go in the order of the columns or rows, cut at fixed places.

use super::gemm::Product;
use super::simd::{Isa, Kernel, Lanes, Simd};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Rows of one task, whose floats for a part of the columns stay in the cache.
const ROWS: usize = 48;
/// Columns whose products are summed by themselves: shorter sums are rounded less.
const DEPTH: usize = 512;
/// Rows that a weighted sum adds up by itself.
const SEGMENT: usize = 2048;
/// Rows that are added to a sum at a time.
const ADDED: usize = 192;
/// Columns that are added to at a time: two registers, as the product likes them.
const STRIP: usize = 2 * Lanes::WIDTH;

/// M rows of bytes, taken relative to a whole number for each column, so that products lose no digits to their mean.
#[derive(Clone, Debug)]
pub(crate) struct ByteMatrix {
    bytes: Arc<Vec<u8>>,
    rows: usize,
    /// The mean of each column, rounded.
    centre: Arc<[u8]>,
    squares: Arc<[f64]>,
    isa: Isa,
}

impl ByteMatrix {
    /// From rows one after the other; what fills no row is passed over.
    pub fn new(bytes: Arc<Vec<u8>>, columns: usize) -> Self {
        let columns = columns.max(1);
        let rows = bytes.len() / columns;
        let mut sums = vec![0u64; columns];
        for row in bytes.chunks_exact(columns) {
            sums.iter_mut().zip(row).for_each(|(sum, &byte)| *sum += u64::from(byte));
        }
        let count = rows.max(1) as u64;
        let centre: Arc<[u8]> = sums.iter().map(|sum| ((sum + count / 2) / count) as u8).collect();
        let square = |row: &[u8]| -> u64 {
            let squares = row.iter().zip(&*centre).map(|(&byte, &centre)| u64::from(byte.abs_diff(centre)).pow(2));
            squares.sum()
        };
        let squares = bytes.par_chunks_exact(columns).map(|row| square(row) as f64).collect::<Vec<_>>().into();
        ByteMatrix { bytes, rows, centre, squares, isa: Isa::best() }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn columns(&self) -> usize {
        self.centre.len()
    }

    /// What is taken off each column.
    pub fn centre(&self) -> &[u8] {
        &self.centre
    }

    /// The squared length of each row.
    pub fn squares(&self) -> &[f64] {
        &self.squares
    }

    /// The most by which a product may be wrong, over the lengths of its two factors: of its numbers, each is rounded once,
    /// and so is each sum.
    pub fn rounding(&self) -> f64 {
        let sums = DEPTH.min(self.columns()) + self.columns().div_ceil(DEPTH);
        (sums + 1) as f64 * f64::from(f32::EPSILON) / 2.0
    }

    /// The product of each row of x (N×columns) with each row: N×M.
    pub fn products(&self, x: &[f32]) -> Vec<f32> {
        let count = x.len() / self.columns();
        let mut out = vec![0.0; count * self.rows];
        if self.rows == 0 || count == 0 {
            return out;
        }
        let x = Sides::new(x, self.columns());
        let mut tasks: Vec<Vec<&mut [f32]>> = (0..self.rows.div_ceil(ROWS)).map(|_| Vec::new()).collect();
        for out in out.chunks_mut(self.rows) {
            out.chunks_mut(ROWS).zip(&mut tasks).for_each(|(part, task)| task.push(part));
        }
        tasks.into_par_iter().enumerate().for_each_init(
            || Room::new(x.blocks),
            |room, (task, mut out)| self.products_of(&x, task * ROWS, room, &mut out),
        );
        out
    }

    /// Those of some rows.
    fn products_of(&self, x: &Sides, first: usize, room: &mut Room, out: &mut [&mut [f32]]) {
        let rows = ROWS.min(self.rows - first);
        let sums = &mut room.sums[..x.blocks * rows];
        sums.fill(Lanes::default());
        for (part, columns) in parts(self.columns(), DEPTH).enumerate() {
            let floats = &mut room.floats[..columns.len().div_ceil(Lanes::WIDTH) * rows];
            let bytes = (first..first + rows).map(|row| &self.row(row)[columns.clone()]);
            let (start, depth) = (columns.start, columns.len());
            self.isa.run(Floats { bytes, centre: &self.centre[start..start + depth], rows, to: floats });
            let a: Vec<&[Lanes]> = floats.chunks(rows).collect();
            let b: Vec<&[Lanes]> = x.part(part, depth).chunks(depth).collect();
            let products = &mut room.products[..x.blocks * rows];
            let mut to: Vec<&mut [Lanes]> = products.chunks_mut(rows).collect();
            for (b, out) in b.chunks(2).zip(to.chunks_mut(2)) {
                self.isa.run(Product { a: &a, rows, depth, b, out, add: false });
            }
            self.isa.run(Add { to: sums, what: products });
        }
        for (sums, out) in sums.chunks(rows).zip(out.chunks_mut(Lanes::WIDTH)) {
            for (lane, out) in out.iter_mut().enumerate() {
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum.0[lane]);
            }
        }
    }

    /// The sum of all rows, times each row of weights (N×M): N×columns. Rows without weight cost nothing.
    pub fn weighted(&self, weights: &[f32]) -> Vec<f64> {
        let (count, columns) = (weights.len() / self.rows.max(1), self.columns());
        let mut out = vec![0.0; count * columns];
        let segments: Vec<_> = parts(self.rows, SEGMENT).collect();
        let sums: Vec<Vec<Lanes>> =
            segments.into_par_iter().filter_map(|rows| self.weighted_of(weights, count, rows)).collect();
        out.par_chunks_mut(columns).enumerate().for_each(|(row, out)| {
            for sums in &sums {
                for (sums, out) in sums.chunks(count).zip(out.chunks_mut(Lanes::WIDTH)) {
                    out.iter_mut().zip(sums[row].0).for_each(|(out, sum)| *out += f64::from(sum));
                }
            }
        });
        out
    }

    /// That of some rows, in sixteens of columns; nothing where none has weight.
    fn weighted_of(&self, weights: &[f32], count: usize, rows: Range<usize>) -> Option<Vec<Lanes>> {
        let live = self.live(weights, count, rows);
        if live.is_empty() {
            return None;
        }
        let strips = self.columns().div_ceil(STRIP);
        let mut sums = vec![Lanes::default(); strips * 2 * count];
        let mut floats = vec![Lanes::default(); 2 * ADDED];
        let mut table = vec![Lanes::default(); ADDED.div_ceil(Lanes::WIDTH) * count];
        for live in live.chunks(ADDED) {
            let table = &mut table[..live.len().div_ceil(Lanes::WIDTH) * count];
            for (block, live) in table.chunks_mut(count).zip(live.chunks(Lanes::WIDTH)) {
                for (sample, lanes) in block.iter_mut().enumerate() {
                    let weights = &weights[sample * self.rows..][..self.rows];
                    lanes.0.iter_mut().zip(live).for_each(|(lane, &row)| *lane = weights[row]);
                }
            }
            let a: Vec<&[Lanes]> = table.chunks(count).collect();
            for (columns, sums) in parts(self.columns(), STRIP).zip(sums.chunks_mut(2 * count)) {
                let floats = &mut floats[..2 * live.len()];
                let bytes = live.iter().map(|&row| &self.row(row)[columns.clone()]);
                self.isa.run(Floats { bytes, centre: &self.centre[columns.clone()], rows: live.len(), to: floats });
                let (left, right) = floats.split_at(live.len());
                let (first, second) = sums.split_at_mut(count);
                let out = &mut [first, second];
                self.isa.run(Product { a: &a, rows: count, depth: live.len(), b: &[left, right], out, add: true });
            }
        }
        Some(sums)
    }

    /// For each row of weights (N×M), Σ w·‖row − point‖² to its own point (N×columns).
    pub fn spread(&self, weights: &[f32], points: &[f64]) -> Vec<f64> {
        let (columns, count) = (self.columns(), points.len() / self.columns());
        let of = |rows: Range<usize>| {
            let mut sums = vec![0.0; count];
            for row in self.live(weights, count, rows) {
                for (sample, (sum, point)) in sums.iter_mut().zip(points.chunks(columns)).enumerate() {
                    let weight = weights[sample * self.rows + row];
                    if weight != 0.0 {
                        *sum += f64::from(weight) * self.squared_distance(row, point, 1.0);
                    }
                }
            }
            sums
        };
        let segments: Vec<_> = parts(self.rows, SEGMENT).collect();
        let sums: Vec<Vec<f64>> = segments.into_par_iter().map(of).collect();
        (0..count).map(|sample| sums.iter().map(|sums| sums[sample]).sum()).collect()
    }

    /// Those of some rows that have a weight in any row of weights.
    fn live(&self, weights: &[f32], count: usize, rows: Range<usize>) -> Vec<usize> {
        let mut live = vec![false; rows.len()];
        for sample in 0..count {
            let weights = &weights[sample * self.rows..][rows.clone()];
            live.iter_mut().zip(weights).for_each(|(live, &weight)| *live |= weight != 0.0);
        }
        rows.zip(live).filter_map(|(row, live)| live.then_some(row)).collect()
    }

    /// The bytes of a row.
    pub fn row(&self, row: usize) -> &[u8] {
        &self.bytes[row * self.columns()..][..self.columns()]
    }

    /// ‖x − scale·row‖², of differences, so that it is as precise where they are small.
    pub fn squared_distance(&self, row: usize, x: &[f64], scale: f64) -> f64 {
        let mut out = 0.0;
        let bytes = self.row(row);
        self.isa.run(Distance { bytes, centre: &self.centre, x, scale, out: &mut out });
        out
    }
}

/// The parts of so many, of at most a length.
fn parts(all: usize, length: usize) -> impl Iterator<Item = Range<usize>> {
    (0..all).step_by(length).map(move |start| start..all.min(start + length))
}

/// Rows to multiply with, in parts of columns, in sixteens of rows: a row for each column.
struct Sides {
    blocks: usize,
    lanes: Vec<Lanes>,
}

impl Sides {
    fn new(x: &[f32], columns: usize) -> Self {
        let blocks = (x.len() / columns).div_ceil(Lanes::WIDTH);
        let mut lanes = vec![Lanes::default(); blocks * columns];
        for (row, x) in x.chunks(columns).enumerate() {
            let (block, lane) = (row / Lanes::WIDTH, row % Lanes::WIDTH);
            for columns in parts(columns, DEPTH) {
                let to = &mut lanes[columns.start * blocks + block * columns.len()..];
                to.iter_mut().zip(&x[columns]).for_each(|(to, &x)| to.0[lane] = x);
            }
        }
        Sides { blocks, lanes }
    }

    fn part(&self, part: usize, depth: usize) -> &[Lanes] {
        &self.lanes[part * DEPTH * self.blocks..][..depth * self.blocks]
    }
}

/// What a task writes to on its way.
struct Room {
    floats: Vec<Lanes>,
    products: Vec<Lanes>,
    sums: Vec<Lanes>,
}

impl Room {
    fn new(blocks: usize) -> Self {
        let lanes = |count: usize| vec![Lanes::default(); count];
        Room {
            floats: lanes(DEPTH.div_ceil(Lanes::WIDTH) * ROWS),
            products: lanes(blocks * ROWS),
            sums: lanes(blocks * ROWS),
        }
    }
}

/// Bytes of rows less their centre as floats, in sixteens of columns.
struct Floats<'a, B> {
    bytes: B,
    centre: &'a [u8],
    rows: usize,
    to: &'a mut [Lanes],
}

impl<'b, B: Iterator<Item = &'b [u8]>> Kernel for Floats<'_, B> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Floats { bytes, centre, rows, to } = self;
        let (whole, rest) = centre.as_chunks::<{ Lanes::WIDTH }>();
        for (row, bytes) in bytes.enumerate() {
            let (bytes, last) = bytes.as_chunks::<{ Lanes::WIDTH }>();
            for (block, (bytes, centre)) in bytes.iter().zip(whole).enumerate() {
                to[block * rows + row] = Lanes(floats(bytes, centre));
            }
            for block in whole.len()..to.len() / rows {
                let mut lanes = Lanes::default();
                if block == whole.len() {
                    for ((lane, &byte), &centre) in lanes.0.iter_mut().zip(last).zip(rest) {
                        *lane = f32::from(byte) - f32::from(centre);
                    }
                }
                to[block * rows + row] = lanes;
            }
        }
    }
}

#[inline(always)]
fn floats(bytes: &[u8; Lanes::WIDTH], centre: &[u8; Lanes::WIDTH]) -> [f32; Lanes::WIDTH] {
    let mut lanes = [0.0; Lanes::WIDTH];
    for i in 0..Lanes::WIDTH {
        lanes[i] = f32::from(bytes[i]) - f32::from(centre[i]);
    }
    lanes
}

struct Add<'a> {
    to: &'a mut [Lanes],
    what: &'a [Lanes],
}

impl Kernel for Add<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (to, what) in self.to.iter_mut().zip(self.what) {
            simd.store(to, simd.add(simd.load(to), simd.load(what)));
        }
    }
}

struct Distance<'a> {
    bytes: &'a [u8],
    centre: &'a [u8],
    x: &'a [f64],
    scale: f64,
    out: &'a mut f64,
}

impl Kernel for Distance<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let mut sums = [0.0; Lanes::WIDTH];
        let rows =
            self.x.chunks(Lanes::WIDTH).zip(self.bytes.chunks(Lanes::WIDTH)).zip(self.centre.chunks(Lanes::WIDTH));
        for ((x, bytes), centre) in rows {
            for (((sum, x), &byte), &centre) in sums.iter_mut().zip(x).zip(bytes).zip(centre) {
                let apart = x - self.scale * (f64::from(byte) - f64::from(centre));
                *sum += apart * apart;
            }
        }
        *self.out = sums.iter().sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More rows than a segment, and lengths that no block divides.
    const ROWS: usize = 2100;
    const COLUMNS: usize = 1043;

    fn matrix() -> ByteMatrix {
        let mut random = fastrand::Rng::with_seed(5);
        ByteMatrix::new(Arc::new((0..ROWS * COLUMNS + 7).map(|_| random.u8(..)).collect()), COLUMNS)
    }

    fn values(count: usize, seed: u64) -> Vec<f32> {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..count).map(|_| random.f32() - 0.5).collect()
    }

    fn exact(matrix: &ByteMatrix, row: usize, column: usize) -> f64 {
        f64::from(matrix.row(row)[column]) - f64::from(matrix.centre()[column])
    }

    /// Weights of which few rows have any, or all.
    fn weights(samples: usize, few: bool) -> Vec<f32> {
        let mut weights = values(samples * ROWS, 2);
        weights.iter_mut().enumerate().for_each(|(i, w)| *w = if few && i % 97 != 5 { 0.0 } else { w.abs() });
        weights
    }

    #[test]
    fn products_sums_and_distances_are_those_of_doubles() {
        for isa in Isa::all() {
            let matrix = ByteMatrix { isa, ..matrix() };
            let x = values(17 * COLUMNS, 1);
            let found = matrix.products(&x);
            for (sample, row) in [0, 3, 16].into_iter().flat_map(|sample| [0, 47, 48, 2099].map(|row| (sample, row))) {
                let x = &x[sample * COLUMNS..][..COLUMNS];
                let sum: f64 = (0..COLUMNS).map(|c| f64::from(x[c]) * exact(&matrix, row, c)).sum();
                let length = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt() * matrix.squares()[row].sqrt();
                let error = (f64::from(found[sample * ROWS + row]) - sum).abs();
                assert!(error <= matrix.rounding() * length, "{isa:?}, {sample}, {row}: {error}");
                // Measured: no more than 1e-8 of the lengths.
                assert!(error < 5e-8 * length, "{isa:?}, {sample}, {row}: {}", error / length);
            }
            for weights in [weights(17, true), weights(17, false)] {
                let found = matrix.weighted(&weights);
                let points: Vec<f64> = values(17 * COLUMNS, 3).into_iter().map(|x| f64::from(x) * 100.0).collect();
                let spread = matrix.spread(&weights, &points);
                for sample in [0, 16] {
                    let weights = &weights[sample * ROWS..][..ROWS];
                    for column in [0, 15, 16, 1042] {
                        let terms = |row: usize| f64::from(weights[row]) * exact(&matrix, row, column);
                        let (sum, all) = (0..ROWS).map(terms).fold((0.0, 0.0), |(a, b), x| (a + x, b + x.abs()));
                        let error = (found[sample * COLUMNS + column] - sum).abs();
                        assert!(error < 1e-6 * all, "{isa:?}, {sample}, {column}: {}", error / all);
                    }
                    let point = &points[sample * COLUMNS..][..COLUMNS];
                    let distance = |row: usize| -> f64 {
                        (0..COLUMNS).map(|column| (point[column] - exact(&matrix, row, column)).powi(2)).sum()
                    };
                    let sum: f64 = (0..ROWS).map(|row| f64::from(weights[row]) * distance(row)).sum();
                    assert!((spread[sample] / sum - 1.0).abs() < 1e-12, "{isa:?}, {sample}: {} {sum}", spread[sample]);
                }
            }
        }
    }

    #[test]
    fn results_are_the_same_in_any_company_and_on_any_number_of_threads() {
        let (matrix, x, weights) = (matrix(), values(70 * COLUMNS, 1), weights(70, true));
        let all = |x: &[f32], weights: &[f32]| {
            let points: Vec<f64> = x.iter().map(|&x| x.into()).collect();
            (matrix.products(x), matrix.weighted(weights), matrix.spread(weights, &points))
        };
        let threads = |count| rayon::ThreadPoolBuilder::new().num_threads(count).build().expect("threads");
        let [one, three] = [1, 3].map(|count| threads(count).install(|| all(&x, &weights)));
        assert!(one == three);
        for (first, count) in [(0, 1), (33, 17), (69, 1)] {
            let part = |columns: usize| first * columns..(first + count) * columns;
            let alone = all(&x[part(COLUMNS)], &weights[part(ROWS)]);
            assert!(alone.0 == one.0[part(ROWS)] && alone.1 == one.1[part(COLUMNS)] && alone.2 == one.2[part(1)]);
        }
    }

    #[test]
    fn a_matrix_of_nothing_has_no_products() {
        let matrix = ByteMatrix::new(Arc::new(vec![1, 2]), 3);
        assert_eq!((matrix.rows(), matrix.products(&[1.0, 2.0, 3.0]).len(), matrix.weighted(&[]).len()), (0, 0, 0));
    }
}
