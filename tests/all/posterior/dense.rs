//! Gaussians by plain linear algebra.

use score_explorer::sde::Level;

pub type Matrix = Vec<Vec<f64>>;

/// X with A·X = B, and log |A|, by elimination with pivots.
pub fn solve(mut a: Matrix, mut b: Matrix) -> (Matrix, f64) {
    let n = a.len();
    let mut log_determinant = 0.0;
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs())).unwrap();
        a.swap(k, pivot);
        b.swap(k, pivot);
        log_determinant += a[k][k].abs().ln();
        for i in (0..n).filter(|&i| i != k) {
            let factor = a[i][k] / a[k][k];
            let (of_k, b_of_k) = (a[k].clone(), b[k].clone());
            a[i].iter_mut().zip(of_k).for_each(|(entry, other)| *entry -= factor * other);
            b[i].iter_mut().zip(b_of_k).for_each(|(entry, other)| *entry -= factor * other);
        }
    }
    for k in 0..n {
        b[k].iter_mut().for_each(|entry| *entry /= a[k][k]);
    }
    (b, log_determinant)
}

pub fn times(a: &Matrix, b: &Matrix) -> Matrix {
    let columns = b.first().map_or(0, Vec::len);
    a.iter().map(|row| (0..columns).map(|j| row.iter().zip(b).map(|(x, other)| x * other[j]).sum()).collect()).collect()
}

pub fn transposed(a: &Matrix) -> Matrix {
    (0..a.first().map_or(0, Vec::len)).map(|j| a.iter().map(|row| row[j]).collect()).collect()
}

pub fn apply(a: &Matrix, x: &[f64]) -> Vec<f64> {
    a.iter().map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum()).collect()
}

pub fn column(x: &[f64]) -> Matrix {
    x.iter().map(|&x| vec![x]).collect()
}

#[derive(Clone, Debug)]
pub struct Gaussian {
    pub mean: Vec<f64>,
    pub covariance: Matrix,
}

impl Gaussian {
    /// This Gaussian given y = A·x + n, n ~ N(0, diag variance), and log N(y; Aμ, AΣAᵀ + diag variance) up to a constant.
    pub fn given(&self, known: &super::Known) -> (Gaussian, f64) {
        let weighed = times(&known.a, &self.covariance);
        let mut gram = times(&weighed, &transposed(&known.a));
        (0..gram.len()).for_each(|i| gram[i][i] += known.variance[i]);
        let miss: Vec<f64> = apply(&known.a, &self.mean).iter().zip(&known.y).map(|(a, y)| y - a).collect();
        if miss.is_empty() {
            return (self.clone(), 0.0);
        }
        let (solved, log_determinant) = solve(gram.clone(), column(&miss));
        let solved: Vec<f64> = solved.into_iter().map(|row| row[0]).collect();
        let log = -0.5 * (miss.iter().zip(&solved).map(|(a, b)| a * b).sum::<f64>() + log_determinant);
        let moved = apply(&transposed(&weighed), &solved);
        let lost = times(&transposed(&weighed), &solve(gram, weighed).0);
        let mean = self.mean.iter().zip(moved).map(|(mean, moved)| mean + moved).collect();
        let less = |(row, lost): (&Vec<f64>, Vec<f64>)| row.iter().zip(lost).map(|(a, b)| a - b).collect();
        (Gaussian { mean, covariance: self.covariance.iter().zip(lost).map(less).collect() }, log)
    }

    /// log density of this Gaussian noised to a level at x, up to a constant, and its gradient.
    pub fn noised(&self, x: &[f64], at: Level) -> (f64, Vec<f64>) {
        let noised = |(i, row): (usize, &Vec<f64>)| {
            let entry = |(j, c): (usize, &f64)| at.alpha.powi(2) * c + if i == j { at.sigma.powi(2) } else { 0.0 };
            row.iter().enumerate().map(entry).collect()
        };
        let apart: Vec<f64> = x.iter().zip(&self.mean).map(|(x, m)| x - at.alpha * m).collect();
        let (pull, log_determinant) = solve(self.covariance.iter().enumerate().map(noised).collect(), column(&apart));
        let score: Vec<f64> = pull.into_iter().map(|row| -row[0]).collect();
        let log = 0.5 * (apart.iter().zip(&score).map(|(a, s)| a * s).sum::<f64>() - log_determinant);
        (log, score)
    }

    pub fn trace(&self) -> f64 {
        (0..self.mean.len()).map(|i| self.covariance[i][i]).sum()
    }
}

/// A mixture of Gaussians, with weights, given a measurement.
pub fn given(mixture: &[(f64, Gaussian)], known: &super::Known) -> Vec<(f64, Gaussian)> {
    let all: Vec<(f64, Gaussian)> = mixture
        .iter()
        .map(|(weight, gaussian)| {
            let (posterior, log) = gaussian.given(known);
            (weight.ln() + log, posterior)
        })
        .collect();
    normalised(all)
}

/// Weights from their logarithms.
fn normalised(mut all: Vec<(f64, Gaussian)>) -> Vec<(f64, Gaussian)> {
    let highest = all.iter().map(|(log, _)| *log).fold(f64::MIN, f64::max);
    let total: f64 = all.iter().map(|(log, _)| (log - highest).exp()).sum();
    all.iter_mut().for_each(|(log, _)| *log = (*log - highest).exp() / total);
    all
}

/// ∇ log of a mixture noised to a level.
pub fn score(mixture: &[(f64, Gaussian)], x: &[f64], at: Level) -> Vec<f64> {
    let parts: Vec<(f64, Vec<f64>)> = mixture
        .iter()
        .map(|(weight, gaussian)| {
            let (log, score) = gaussian.noised(x, at);
            (weight.ln() + log, score)
        })
        .collect();
    let highest = parts.iter().map(|(log, _)| *log).fold(f64::MIN, f64::max);
    let total: f64 = parts.iter().map(|(log, _)| (log - highest).exp()).sum();
    (0..x.len()).map(|i| parts.iter().map(|(log, s)| (log - highest).exp() / total * s[i]).sum()).collect()
}

/// Mean and covariance of a mixture as a whole.
pub fn whole(mixture: &[(f64, Gaussian)]) -> Gaussian {
    let size = mixture[0].1.mean.len();
    let mean: Vec<f64> = (0..size).map(|i| mixture.iter().map(|(w, g)| w * g.mean[i]).sum()).collect();
    let entry = |i: usize, j: usize| {
        let part = |(w, g): &(f64, Gaussian)| w * (g.covariance[i][j] + (g.mean[i] - mean[i]) * (g.mean[j] - mean[j]));
        mixture.iter().map(part).sum()
    };
    let covariance = (0..size).map(|i| (0..size).map(|j| entry(i, j)).collect()).collect();
    Gaussian { mean, covariance }
}
