//! Addressed noise: its law, and that it depends on its address alone.

use super::{noise, values};
use score_explorer::solver::{Noise, NoiseSource, Purpose};

const COUNT: usize = 4096;
const SHAPE: [usize; 3] = [3, 4, 4];
/// A normal exceeds this with probability 6e-7.
const Z: f64 = 5.0;

fn draw(seed: u64, step: usize, purpose: Purpose) -> Vec<f64> {
    values(noise(COUNT, SHAPE, seed).normal(step, purpose)).into_iter().map(f64::from).collect()
}

/// √n times the correlation of two draws with known moments: standard normal where they are independent.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / (a.len() as f64).sqrt()
}

/// Φ by the complementary error function's continued series (Abramowitz and Stegun 7.1.26, error below 1.5e-7).
fn normal_distribution(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * (x.abs() / 2f64.sqrt()));
    let polynomial = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let upper = 0.5 * polynomial.iter().fold(0.0, |sum, c| (sum + c) * t) * (-x * x / 2.0).exp();
    if x > 0.0 { 1.0 - upper } else { upper }
}

/// √n times the largest distance of an empirical distribution function from `distribution` (Kolmogorov, Smirnov).
fn kolmogorov_smirnov(mut sample: Vec<f64>, distribution: impl Fn(f64) -> f64) -> f64 {
    sample.sort_by(f64::total_cmp);
    let n = sample.len() as f64;
    let distance = |(i, x): (usize, &f64)| {
        let expected = distribution(*x);
        (expected - i as f64 / n).abs().max((expected - (i + 1) as f64 / n).abs())
    };
    sample.iter().enumerate().map(distance).fold(0.0, f64::max) * n.sqrt()
}

#[test]
fn noise_has_mean_zero_and_variance_one() {
    let z = draw(7, 3, Purpose::Predictor);
    let n = z.len() as f64;
    let mean = z.iter().sum::<f64>() / n;
    let variance = z.iter().map(|z| z * z).sum::<f64>() / n;
    assert!(mean.abs() < Z / n.sqrt(), "mean {mean}");
    assert!((variance - 1.0).abs() < Z * (2.0 / n).sqrt(), "variance {variance}");
}

#[test]
fn noise_is_normal_and_uniform() {
    // Beyond 2.23 lies 1e-4 of Kolmogorov's law: 2·exp(−2·2.23²).
    let normal = kolmogorov_smirnov(draw(1, 0, Purpose::Prior), normal_distribution);
    assert!(normal < 2.23, "normal: {normal}");
    let uniform = values(noise(100_000, SHAPE, 1).uniform(0, Purpose::Acceptance(0)));
    assert!(uniform.iter().all(|&u| u > 0.0 && u < 1.0));
    let uniform = kolmogorov_smirnov(uniform.into_iter().map(f64::from).collect(), |u| u);
    assert!(uniform < 2.23, "uniform: {uniform}");
}

#[test]
fn draws_at_different_addresses_are_independent() {
    let at = [
        draw(1, 0, Purpose::Prior),
        draw(1, 0, Purpose::Predictor),
        draw(1, 0, Purpose::Corrector(0)),
        draw(1, 0, Purpose::Corrector(1)),
        draw(1, 0, Purpose::Acceptance(0)),
        draw(1, 0, Purpose::Training),
        draw(1, 0, Purpose::Time),
        draw(1, 0, Purpose::Stratum),
        draw(1, 0, Purpose::Weights),
        draw(1, 1, Purpose::Predictor),
        draw(2, 0, Purpose::Predictor),
        draw(1 << 32, 0, Purpose::Predictor),
    ];
    for (i, a) in at.iter().enumerate() {
        for b in &at[..i] {
            assert!(correlation(a, b).abs() < Z);
            let squares = |v: &[f64]| v.iter().map(|z| (z * z - 1.0) / 2f64.sqrt()).collect::<Vec<_>>();
            assert!(correlation(&squares(a), &squares(b)).abs() < Z);
        }
    }
}

#[test]
fn samples_and_pixels_are_independent() {
    let z = draw(9, 4, Purpose::Corrector(2));
    for lag in [1, 2, 3, 4, 16, 48, 96] {
        let found = correlation(&z[lag..], &z[..z.len() - lag]);
        assert!(found.abs() < Z, "lag {lag}: {found}");
    }
}

#[test]
fn noise_does_not_depend_on_the_batch() {
    let whole = noise(7, [3, 5, 3], 11);
    let expected = values(whole.normal(2, Purpose::Predictor));
    let uniform = values(whole.uniform(2, Purpose::Acceptance(1)));
    let mut found = (Vec::new(), Vec::new());
    for (first, count) in [(0, 1), (1, 4), (5, 2)] {
        let part = Noise { first, count, ..whole.clone() };
        found.0.extend(values(part.normal(2, Purpose::Predictor)));
        found.1.extend(values(part.uniform(2, Purpose::Acceptance(1))));
    }
    assert_eq!(found, (expected, uniform));
}

#[test]
fn equal_addresses_give_equal_bits() {
    assert_eq!(draw(3, 5, Purpose::Prior), draw(3, 5, Purpose::Prior));
}
