//! Small dense matrices in double precision: what the exact posterior of a Gaussian takes.

use std::ops::{Index, IndexMut};

/// A matrix by rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matrix {
    pub(super) rows: usize,
    pub(super) columns: usize,
    values: Vec<f64>,
}

impl Index<(usize, usize)> for Matrix {
    type Output = f64;
    fn index(&self, (row, column): (usize, usize)) -> &f64 {
        &self.values[row * self.columns + column]
    }
}

impl IndexMut<(usize, usize)> for Matrix {
    fn index_mut(&mut self, (row, column): (usize, usize)) -> &mut f64 {
        &mut self.values[row * self.columns + column]
    }
}

impl Matrix {
    pub(super) fn new(rows: usize, columns: usize, entry: impl Fn(usize, usize) -> f64) -> Self {
        let values = (0..rows * columns).map(|at| entry(at / columns, at % columns)).collect();
        Matrix { rows, columns, values }
    }

    pub(super) fn identity(size: usize) -> Self {
        Matrix::new(size, size, |i, j| if i == j { 1.0 } else { 0.0 })
    }

    pub(super) fn transposed(&self) -> Matrix {
        Matrix::new(self.columns, self.rows, |i, j| self[(j, i)])
    }

    pub(super) fn times(&self, other: &Matrix) -> Matrix {
        Matrix::new(self.rows, other.columns, |i, j| (0..self.columns).map(|k| self[(i, k)] * other[(k, j)]).sum())
    }

    pub(super) fn times_vector(&self, vector: &[f64]) -> Vec<f64> {
        let row = |i: usize| self.values[i * self.columns..(i + 1) * self.columns].iter();
        (0..self.rows).map(|i| row(i).zip(vector).map(|(a, b)| a * b).sum()).collect()
    }

    /// All entries, by rows.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// The lower triangular L with L·Lᵀ = self, of a symmetric positive definite matrix.
    pub(super) fn cholesky(&self) -> Matrix {
        let mut lower = Matrix::new(self.rows, self.rows, |_, _| 0.0);
        for i in 0..self.rows {
            for j in 0..=i {
                let sum: f64 = (0..j).map(|k| lower[(i, k)] * lower[(j, k)]).sum();
                let rest = self[(i, j)] - sum;
                lower[(i, j)] = if i == j { rest.max(f64::MIN_POSITIVE).sqrt() } else { rest / lower[(j, j)] };
            }
        }
        lower
    }

    /// L⁻¹·B of a lower triangular L = self, by forward substitution.
    pub(super) fn solve_lower(&self, right: &Matrix) -> Matrix {
        let mut solved = right.clone();
        for j in 0..right.columns {
            for i in 0..self.rows {
                let sum: f64 = (0..i).map(|k| self[(i, k)] * solved[(k, j)]).sum();
                solved[(i, j)] = (right[(i, j)] - sum) / self[(i, i)];
            }
        }
        solved
    }

    /// Eigenvalues of a symmetric matrix and its eigenvectors as columns, by cyclic Jacobi rotations
    /// (Golub and Van Loan, section 8.5).
    pub(super) fn eigen(&self) -> (Vec<f64>, Matrix) {
        let (n, mut a, mut vectors) = (self.rows, self.clone(), Matrix::identity(self.rows));
        let size: f64 = self.values.iter().map(|value| value * value).sum();
        for _sweep in 0..30 {
            let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|at| a[at] * a[at]).sum();
            if off <= 1e-30 * size {
                break;
            }
            for p in 0..n {
                for q in p + 1..n {
                    rotate(&mut a, &mut vectors, p, q);
                }
            }
        }
        ((0..n).map(|i| a[(i, i)]).collect(), vectors)
    }
}

/// The rotation in the plane of `p` and `q` that makes a[p, q] zero.
fn rotate(a: &mut Matrix, vectors: &mut Matrix, p: usize, q: usize) {
    if a[(p, q)] == 0.0 {
        return;
    }
    let theta = (a[(q, q)] - a[(p, p)]) / (2.0 * a[(p, q)]);
    let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let cos = 1.0 / tangent.hypot(1.0);
    let sin = tangent * cos;
    for k in 0..a.rows {
        let (kp, kq) = (a[(k, p)], a[(k, q)]);
        (a[(k, p)], a[(k, q)]) = (cos * kp - sin * kq, sin * kp + cos * kq);
        let (kp, kq) = (vectors[(k, p)], vectors[(k, q)]);
        (vectors[(k, p)], vectors[(k, q)]) = (cos * kp - sin * kq, sin * kp + cos * kq);
    }
    for k in 0..a.columns {
        let (pk, qk) = (a[(p, k)], a[(q, k)]);
        (a[(p, k)], a[(q, k)]) = (cos * pk - sin * qk, sin * pk + cos * qk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A symmetric matrix without any pattern.
    fn symmetric(size: usize) -> Matrix {
        let entry = |i: usize, j: usize| ((i.min(j) * 7 + i.max(j) * 13 + i * j) as f64 * 0.37).sin();
        Matrix::new(size, size, entry)
    }

    fn largest_difference(a: &Matrix, b: &Matrix) -> f64 {
        a.values.iter().zip(&b.values).fold(0.0, |most, (a, b)| f64::max(most, (a - b).abs()))
    }

    #[test]
    fn eigenvectors_are_orthonormal_and_rebuild_the_matrix() {
        for size in [1, 2, 3, 8, 48] {
            let matrix = symmetric(size);
            let (values, vectors) = matrix.eigen();
            let scaled = Matrix::new(size, size, |i, j| vectors[(i, j)] * values[j]);
            assert!(largest_difference(&scaled.times(&vectors.transposed()), &matrix) < 1e-12 * size as f64);
            assert!(largest_difference(&vectors.transposed().times(&vectors), &Matrix::identity(size)) < 1e-12);
        }
    }

    #[test]
    fn cholesky_factors_and_solves() {
        let root = symmetric(12);
        let matrix = Matrix::new(12, 12, |i, j| root.times(&root)[(i, j)] + if i == j { 0.1 } else { 0.0 });
        let lower = matrix.cholesky();
        assert!(largest_difference(&lower.times(&lower.transposed()), &matrix) < 1e-12);
        assert!(largest_difference(&lower.times(&lower.solve_lower(&matrix)), &matrix) < 1e-11);
    }
}
