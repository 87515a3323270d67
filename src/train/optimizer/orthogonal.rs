use crate::train::Real;
use crate::train::real::squares;
use gemm::Parallelism;

/// a, b and c of the quintic a·x + b·x³ + c·x⁵ that brings singular values near 1 fast, if not close (Jordan et al. 2024).
const QUINTIC: [f64; 3] = [3.4445, -4.7750, 2.0315];

/// A matrix of `rows` rows, row by row, with its singular values brought near 1 (about 0.7 to 1.13 after five iterations)
/// by Newton and Schulz's iteration, the singular vectors staying: U·Vᵀ, nearly.
///
/// One product is on one thread, so that the bits do not depend on their number.
pub fn orthogonalised<F: Real>(mut matrix: Vec<F>, rows: usize, iterations: usize) -> Vec<F> {
    let columns = matrix.len() / rows.max(1);
    let norm = squares(&matrix).sqrt();
    let inverse = F::of(1.0 / (norm + 1e-7));
    matrix.iter_mut().for_each(|x| *x = *x * inverse);
    // The products of rows are the smaller ones where there are fewer rows than columns.
    let wide = rows <= columns;
    let (short, long) = if wide { (rows, columns) } else { (columns, rows) };
    let flat = |stride: usize| Layout { down: stride, across: 1 };
    let turned = |stride: usize| Layout { down: 1, across: stride };
    let (of_x, of_x_transposed) =
        if wide { (flat(columns), turned(columns)) } else { (turned(columns), flat(columns)) };
    let [a, b, c] = QUINTIC.map(F::of);
    let (zero, one) = (F::default(), F::of(1.0));
    let mut gram = vec![zero; short * short];
    let (mut polynomial, mut next) = (gram.clone(), matrix.clone());
    for _ in 0..iterations {
        product(
            [short, long, short],
            (&matrix, of_x),
            (&matrix, of_x_transposed),
            (&mut gram, flat(short)),
            [zero, one],
        );
        polynomial.copy_from_slice(&gram);
        product([short; 3], (&gram, flat(short)), (&gram, flat(short)), (&mut polynomial, flat(short)), [b, c]);
        next.copy_from_slice(&matrix);
        product([short, short, long], (&polynomial, flat(short)), (&matrix, of_x), (&mut next, of_x), [a, one]);
        std::mem::swap(&mut matrix, &mut next);
    }
    matrix
}

/// From an element to the one below it and to the one at its right.
#[derive(Clone, Copy)]
struct Layout {
    down: usize,
    across: usize,
}

impl Layout {
    /// The values that a matrix of this size spans.
    fn span(self, rows: usize, columns: usize) -> usize {
        (rows - 1) * self.down + (columns - 1) * self.across + 1
    }
}

/// out = alpha·out + beta·left·right, where left is rows × depth and right depth × columns.
fn product<F: Real>(
    [rows, depth, columns]: [usize; 3],
    left: (&[F], Layout),
    right: (&[F], Layout),
    out: (&mut [F], Layout),
    [alpha, beta]: [F; 2],
) {
    if [rows, depth, columns].contains(&0) {
        return;
    }
    assert!(left.1.span(rows, depth) <= left.0.len() && right.1.span(depth, columns) <= right.0.len());
    assert!(out.1.span(rows, columns) <= out.0.len());
    let [of_left, of_right, of_out] = [left.1, right.1, out.1].map(|at| (at.across as isize, at.down as isize));
    // SAFETY: all that is read and written lies within the slices, as has just been checked; `out` is borrowed alone.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            out.0.as_mut_ptr(),
            of_out.0,
            of_out.1,
            alpha != F::default(),
            left.0.as_ptr(),
            of_left.0,
            of_left.1,
            right.0.as_ptr(),
            of_right.0,
            of_right.1,
            alpha,
            beta,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
