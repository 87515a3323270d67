//! Sliced Wasserstein distances against closed forms.

use super::gaussian;
use score_explorer::plane::{DIRECTIONS, Point, noise, sliced_wasserstein};
use std::f64::consts::SQRT_2;

fn distance(a: &[Point], b: &[Point]) -> f64 {
    sliced_wasserstein(a, b, DIRECTIONS)
}

fn sample(at: [f64; 2], std: f64, seed: u64, count: usize) -> Vec<Point> {
    gaussian(at, std).sample(&noise(seed, count))
}

/// A shift by d moves every projection by d·cos, whose mean square over equal angles is ½.
#[test]
fn a_shifted_cloud_is_at_its_shift_over_the_root_of_two() {
    let cloud = sample([0.0, 0.0], 0.5, 1, 501);
    let shifted: Vec<Point> = cloud.iter().map(|[x, y]| [x + 0.3, y - 0.4]).collect();
    assert!((distance(&cloud, &shifted) - 0.5 / SQRT_2).abs() < 1e-6);
    assert_eq!(distance(&cloud, &cloud), 0.0);
    let mut other_order = cloud.clone();
    other_order.reverse();
    assert_eq!(distance(&cloud, &other_order), 0.0);
}

/// The same shares, in another number of points.
#[test]
fn unequal_counts_are_compared_by_shares() {
    let (a, b) = (sample([0.1, 0.0], 0.4, 1, 12), sample([0.0, 0.2], 0.7, 2, 18));
    // Each three times and twice: 36 of equal shares.
    let repeated =
        |cloud: &[Point], times: usize| cloud.iter().flat_map(|&point| vec![point; times]).collect::<Vec<_>>();
    let known = distance(&repeated(&a, 3), &repeated(&b, 2));
    assert!((distance(&a, &b) - known).abs() < 1e-12 && (distance(&b, &a) - known).abs() < 1e-12);
    assert_eq!(distance(&a, &repeated(&a, 5)), 0.0);
}

/// Along every direction both are Gaussians, W₂ of which is the difference of their standard deviations. What a sample of N
/// adds to the square is about 2·s²·(ln ln N)/N, here below 1e-3.
#[test]
fn gaussians_of_one_mean_are_apart_by_their_standard_deviations() {
    let (a, b) = (sample([0.0; 2], 0.5, 1, 20_000), sample([0.0; 2], 0.8, 2, 15_000));
    let found = distance(&a, &b);
    assert!((found - 0.3).abs() < 0.01, "{found}");
    // Two samples of the same are not at 0, but near it.
    let floor = distance(&a, &sample([0.0; 2], 0.5, 3, 20_000));
    assert!(floor > 0.0 && floor < 0.02, "{floor}");
}

#[test]
fn nothing_is_at_no_distance() {
    assert_eq!(distance(&[], &[[0.0, 0.0]]), 0.0);
    assert_eq!(sliced_wasserstein(&[[0.0, 0.0]], &[[1.0, 0.0]], 0), 0.0);
}
