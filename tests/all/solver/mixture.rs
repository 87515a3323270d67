//! Mixtures of Gaussians: score, density, samples.

use super::{noise, values};
use burn::tensor::Tensor;
use score_explorer::score::{Component, Mixture, MixtureError, ScoreError, ScoreModel};
use score_explorer::sde::Level;
use score_explorer::solver::{NoiseSource, Purpose};

const LEVELS: [Level; 4] = [Level::new(1.0, 0.0), Level::new(0.9, 0.3), Level::new(0.05, 1.0), Level::new(1.0, 50.0)];

/// Log-density and its gradient in f64, straight from the definition.
fn by_definition(mixture: &Mixture, x: &[f64], at: Level) -> (f64, Vec<f64>) {
    let joint = |c: &Component| {
        let log = |i: usize| {
            let variance = (at.alpha * c.std[i]).powi(2) + at.sigma.powi(2);
            -0.5 * ((x[i] - at.alpha * c.mean[i]).powi(2) / variance + (std::f64::consts::TAU * variance).ln())
        };
        c.weight.ln() + (0..x.len()).map(log).sum::<f64>()
    };
    let joints: Vec<f64> = mixture.components().iter().map(joint).collect();
    let highest = joints.iter().copied().fold(f64::MIN, f64::max);
    let total: f64 = joints.iter().map(|j| (j - highest).exp()).sum();
    let gradient = |i: usize| {
        let part = |(c, j): (&Component, &f64)| {
            let variance = (at.alpha * c.std[i]).powi(2) + at.sigma.powi(2);
            (j - highest).exp() / total * (at.alpha * c.mean[i] - x[i]) / variance
        };
        mixture.components().iter().zip(&joints).map(part).sum()
    };
    (highest + total.ln(), (0..x.len()).map(gradient).collect())
}

/// Exact clean samples of a mixture.
pub fn exact(mixture: &Mixture, count: usize, seed: u64) -> Vec<f32> {
    let noise = noise(count, mixture.shape(), seed);
    let uniform = noise.uniform(0, Purpose::Acceptance(0));
    values(mixture.sample(&noise.normal(0, Purpose::Prior), &uniform).unwrap())
}

#[test]
fn score_and_density_follow_the_definition() {
    for (name, _) in Mixture::names() {
        let mixture = Mixture::named(name).unwrap();
        for at in LEVELS {
            let x = noise(32, mixture.shape(), 2).normal(0, Purpose::Prior) * at.marginal_std(0.5);
            let score = values(mixture.score(&x, &[at]).unwrap());
            let density = values(mixture.log_density(&x, &[at]).unwrap());
            let dimensions = mixture.dimensions();
            for (i, x) in values(x).chunks(dimensions).enumerate() {
                let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
                let (log, gradient) = by_definition(&mixture, &x, at);
                // Single precision: a log-density is a sum of terms as large as its own squares.
                let size = log.abs().max(dimensions as f64);
                assert!((f64::from(density[i]) - log).abs() < 1e-5 * size, "{name} {at:?}: {} {log}", density[i]);
                // Responsibilities carry the error of the log-densities between which they weigh.
                let largest = gradient.iter().fold(0.0f64, |a, g| a.max(g.abs()));
                for (found, expected) in score[i * dimensions..].iter().zip(&gradient) {
                    assert!((f64::from(*found) - expected).abs() < 2e-4 * largest, "{name} {at:?}: {found} {expected}");
                }
            }
        }
    }
}

#[test]
fn each_sample_may_have_its_own_level() {
    let mixture = Mixture::named("ring").unwrap();
    let x = noise(4, mixture.shape(), 8).normal(0, Purpose::Prior);
    let together = values(mixture.score(&x, &LEVELS).unwrap());
    let alone = (0..4).map(|i| mixture.score(&x.clone().narrow(0, i, 1), &[LEVELS[i]]).unwrap()).collect();
    assert_eq!(together, values(Tensor::cat(alone, 0)));
}

#[test]
fn scores_stay_finite_far_from_every_mode() {
    let mixture = Mixture::named("grid").unwrap();
    let x = noise(16, mixture.shape(), 8).normal(0, Purpose::Prior) * 1e4;
    for at in LEVELS {
        assert!(values(mixture.score(&x, &[at]).unwrap()).iter().all(|s| s.is_finite()), "{at:?}");
        assert!(values(mixture.log_density(&x, &[at]).unwrap()).iter().all(|s| s.is_finite()), "{at:?}");
    }
}

#[test]
fn responsibilities_sum_to_one_and_name_the_nearest_mode() {
    let mixture = Mixture::named("blocks").unwrap();
    let modes: Vec<f32> = mixture.components().iter().flat_map(|c| c.mean.iter().map(|&m| m as f32)).collect();
    let x = super::image(modes, [3, 3, 4, 4]);
    let found = values(mixture.responsibilities(&x, &[Level::CLEAN]).unwrap());
    for (i, row) in found.chunks(3).enumerate() {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(row[i] > 0.999);
    }
}

#[test]
fn exact_samples_have_the_mixture_s_own_moments_and_weights() {
    for (name, _) in Mixture::names() {
        let mixture = Mixture::named(name).unwrap();
        let worst = super::distribution::worst_z(&mixture, &exact(&mixture, 4096, 21), Default::default());
        super::distribution::assert_within(&mixture, worst, name);
    }
}

#[test]
fn moments_are_those_of_all_coordinates() {
    let mixture = Mixture::named("blocks").unwrap();
    let moments = mixture.moments().unwrap();
    let (mean, covariance) = (mixture.mean(), mixture.covariance());
    let square: f64 = (0..48).map(|i| covariance[i * 49] + mean[i] * mean[i]).sum::<f64>() / 48.0;
    assert!((moments.mean - mean.iter().sum::<f64>() / 48.0).abs() < 1e-12);
    assert!((moments.mean_square - square).abs() < 1e-12);
}

#[test]
fn teaching_examples_lie_in_about_the_unit_square() {
    for (name, _) in Mixture::names() {
        let mixture = Mixture::named(name).unwrap();
        assert_eq!(mixture.shape() == [3, 4, 4], *name == "blocks");
        let outside = exact(&mixture, 4096, 1).iter().filter(|x| x.abs() > 1.2).count();
        assert!(outside as f64 <= 0.01 * (4096 * mixture.dimensions()) as f64, "{name}: {outside}");
    }
}

#[test]
fn impossible_mixtures_are_refused_in_one_sentence() {
    let error = Mixture::named("rings").unwrap_err().to_string();
    assert_eq!(error, "unknown mixture \"rings\"; choose one of gaussian, ring, grid, two-moons, blocks");
    let new = |components| Mixture::new([2, 1, 1], components).unwrap_err();
    let one = |weight, mean: [f64; 2], std| vec![Component::round(weight, mean.to_vec(), std)];
    assert_eq!(new(vec![]), MixtureError::Empty);
    assert_eq!(Mixture::new([0, 1, 1], one(1.0, [0.0; 2], 1.0)).unwrap_err(), MixtureError::Empty);
    assert_eq!(new(one(0.0, [0.0; 2], 1.0)), MixtureError::Weight { component: 0, weight: 0.0 });
    assert_eq!(new(one(1.0, [0.0, f64::NAN], 1.0)), MixtureError::Mean { component: 0 });
    assert_eq!(new(one(1.0, [0.0; 2], 0.0)), MixtureError::Std { component: 0, std: 0.0 });
    let short = vec![Component::round(1.0, vec![0.0; 3], 1.0)];
    assert_eq!(new(short), MixtureError::Dimension { component: 0, expected: 2, found: 3 });
    // Three times this is 2⁶⁴ + 2.
    let beyond = Mixture::new([3, usize::MAX / 3 + 1, 1], one(1.0, [0.0; 2], 1.0)).unwrap_err();
    assert_eq!(beyond, MixtureError::Dimension { component: 0, expected: usize::MAX, found: 2 });
}

#[test]
fn a_wrong_shape_is_refused() {
    let x = noise(2, [3, 2, 2], 0).normal(0, Purpose::Prior);
    let error = Mixture::named("blocks").unwrap().score(&x, &[Level::CLEAN]).unwrap_err();
    assert_eq!(error, ScoreError::Shape { expected: [3, 4, 4], found: [3, 2, 2] });
}
