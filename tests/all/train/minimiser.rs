//! On Gaussian data the minimiser of every objective is the known score.

use super::Told;
use score_explorer::train::{Draw, usual};

const COUNT: usize = 200_000;
const MEAN: f64 = 0.3;
const STD: f64 = 0.5;

/// Standard normal numbers.
fn normals(count: usize, seed: u64) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(seed);
    let pair = |_| {
        let (radius, angle) = ((-2.0 * (1.0 - random.f64()).ln()).sqrt(), std::f64::consts::TAU * random.f64());
        radius * angle.cos()
    };
    (0..count).map(pair).collect()
}

/// Of data N(m, s²), x(t) is N(α·m, α²s² + σ²), so that the score is (α·m − x)/(α²s² + σ²). The best linear network
/// F = a·input + b at one noise level is found by least squares; the score that it implies has the slope and the
/// intercept of this, within what a sample allows.
#[test]
fn the_minimiser_on_gaussian_data_is_the_known_score() {
    let clean: Vec<f64> = normals(COUNT, 1).into_iter().map(|z| MEAN + STD * z).collect();
    let noise = normals(COUNT, 2);
    for told in Told::ALL {
        let conditioning = told.conditioning();
        let mut power = false;
        for t in [0.05, 0.3, 0.6, 0.95] {
            let place = conditioning.trained(t);
            // All images are at one time, one value each.
            let draws = vec![Draw::at(t); COUNT];
            let regression = usual(conditioning.description()).regression(&conditioning, &clean, &noise, &draws);
            // The target of F is −offset/gain.
            let targets: Vec<f64> =
                regression.offsets.iter().zip(&regression.gains).map(|(offset, gain)| -offset / gain).collect();
            let average = |values: &[f64]| values.iter().sum::<f64>() / COUNT as f64;
            let (mean_x, mean_y) = (average(&regression.inputs), average(&targets));
            let (mut xx, mut xy) = (0.0, 0.0);
            for (x, y) in regression.inputs.iter().zip(&targets) {
                xx += (x - mean_x).powi(2);
                xy += (x - mean_x) * (y - mean_y);
            }
            let slope = xy / xx;
            let intercept = mean_y - slope * mean_x;
            let residual = |(x, y): (&f64, &f64)| (y - slope * x - intercept).powi(2);
            let spread = regression.inputs.iter().zip(&targets).map(residual).sum::<f64>() / COUNT as f64;
            // The standard errors of a regression; five of them are exceeded once in two million times.
            let slope_error = 5.0 * (spread / xx).sqrt();
            let intercept_error = 5.0 * (spread * (1.0 / COUNT as f64 + mean_x.powi(2) / xx)).sqrt();

            // Score = gain·(slope·scale·x + intercept) + skip·x.
            let variance = (place.alpha * STD).powi(2) + place.sigma.powi(2);
            let found = [place.gain * slope * place.scale + place.skip, place.gain * intercept];
            let known = [-1.0 / variance, place.alpha * MEAN / variance];
            let allowed = [(place.gain * place.scale * slope_error).abs(), (place.gain * intercept_error).abs()];
            for ((found, known), allowed) in found.iter().zip(known).zip(allowed) {
                assert!((found - known).abs() < allowed, "{told:?} at {t}: {found}, not {known} ± {allowed}");
            }
            // Where data and noise are of one size the sample is large enough to tell other data apart.
            let wider = -1.0 / ((place.alpha * 1.05 * STD).powi(2) + place.sigma.powi(2));
            power |= (known[0] - wider).abs() > 2.0 * allowed[0] && known[1].abs() > 2.0 * allowed[1];
        }
        assert!(power, "{told:?}");
    }
}
