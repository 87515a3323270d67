//! Samples of posteriors against their closed form.

use super::dense::{self, Gaussian};
use super::{
    doubles, gaussians, isotropic, known, measure, normals, observation, operators, restoration, run, sample_moments,
};
use crate::choices::solver;
use crate::solver::recursion::deterministic_law;
use score_explorer::score::Mixture;
use score_explorer::sde::FamilyKind;
use score_explorer::task::{Count, Observation, Restoration, Steps};

const SHAPE: [usize; 3] = [3, 4, 4];

/// How far finite steps move a mean, and a standard deviation, of data of this scale: the solver's law for variances
/// from 0, where all is known, to the whole.
fn allowance(restoration: &Restoration, variance: f64, mean: f64) -> (f64, f64) {
    let sde = restoration.run.family.sde();
    let steps = restoration.run.grid.steps(sde, restoration.run.steps.get(), 1.0, sde.epsilon());
    let laws = (0..=20).map(|i| variance * f64::from(i) / 20.0).map(|variance| {
        let law = deterministic_law(sde, restoration.run.solver.about().slug, &steps, mean, variance);
        ((law.mean - mean).abs(), (law.variance.sqrt() - variance.sqrt()).abs())
    });
    laws.fold((0.0, 0.0), |most, law| (f64::max(most.0, law.0), f64::max(most.1, law.1)))
}

/// Fails where a mean or a covariance is further off than chance and the solver's own error allow. Of d figures a false
/// alarm has at most the probability 1e-6, by the union bound and P(|Z| > z) ≤ exp(−z²/2).
#[track_caller]
fn assert_law(samples: &[f64], expected: &Gaussian, (mean_allowed, std_allowed): (f64, f64), what: &str) {
    let size = expected.mean.len();
    let n = (samples.len() / size) as f64;
    let found = sample_moments(samples, size);
    let limit = (2.0 * ((size * (size + 3) / 2) as f64 / 1e-6).ln()).sqrt();
    let std: Vec<f64> = (0..size).map(|i| expected.covariance[i][i].max(0.0).sqrt()).collect();
    for i in 0..size {
        let error = (found.mean[i] - expected.mean[i]).abs();
        // Single precision.
        let allowed = limit * std[i] / n.sqrt() + mean_allowed + 1e-5;
        assert!(error < allowed, "{what}: mean {i} is {error:.2e} off, {allowed:.2e} allowed");
        for j in 0..=i {
            let error = (found.covariance[i][j] - expected.covariance[i][j]).abs();
            let product = std[i] * std[j];
            let chance = limit * (product.powi(2) + expected.covariance[i][j].powi(2)).sqrt() / n.sqrt();
            let bias = std_allowed * (std[i] + std[j] + std_allowed);
            assert!(error < chance + bias + 1e-6, "{what}: covariance {i}, {j}: {error:.2e}");
        }
    }
    if expected.trace() < 1e-6 {
        return;
    }
    // All coordinates together leave little to chance.
    let ratio = found.trace() / expected.trace();
    let effective =
        expected.trace().powi(2) / expected.covariance.iter().flatten().map(|entry| entry * entry).sum::<f64>();
    let bias: f64 = std.iter().map(|std| 2.0 * std * std_allowed + std_allowed.powi(2)).sum();
    let allowed = 5.0 * (2.0 / (n * effective)).sqrt() + bias / expected.trace();
    println!("{what}: total variance {ratio:.4} of what it should be, {allowed:.4} allowed");
    assert!((ratio - 1.0).abs() < allowed, "{what}: {ratio} of the variance");
}

fn posterior_of(restoration: &Restoration, picture: &[f64], model: &Mixture) -> Vec<(f64, Gaussian)> {
    let measurement = measure(restoration, &observation(picture, SHAPE), model);
    let mut known = known(&measurement, SHAPE);
    // What is known without noise keeps the covariance regular in double precision.
    known.variance.iter_mut().for_each(|variance| *variance = variance.max(1e-12));
    dense::given(&gaussians(model), &known)
}

/// Guided samples of an isotropic Gaussian under every operator.
fn check(method: &str, noise: f64) {
    let (std, model) = (0.5, isotropic(SHAPE, 0.5));
    let picture: Vec<f64> = normals(48, 9).into_iter().map(|z| 0.2 + 0.3 * z).collect();
    for (i, operator) in operators(SHAPE).into_iter().enumerate() {
        let kind = FamilyKind::ALL[i % 3];
        let mut restoration = restoration(&operator, noise, method, kind, "heun");
        if operator.starts_with("blur") {
            // A blur has some noise anyway: more than what Heun's last step, an Euler step, makes smaller than it is.
            restoration.noise = noise.max(0.05);
            restoration.run.count = Count::new(256).unwrap();
        }
        let posterior = posterior_of(&restoration, &picture, &model);
        let samples = doubles(run(&restoration, &observation(&picture, SHAPE), &model));
        let largest = posterior[0].1.mean.iter().fold(0.0, |most: f64, mean| most.max(mean.abs()));
        let allowance = allowance(&restoration, std * std, largest);
        assert!(allowance.1 < 0.01, "the solver is no excuse: {allowance:?}");
        assert_law(&samples, &posterior[0].1, allowance, &format!("{kind} {method} {operator} {noise}"));
    }
}

#[test]
fn pi_gdm_samples_the_posterior_of_isotropic_gaussians() {
    check("pigdm", 0.1);
}

#[test]
fn null_space_samples_the_posterior_of_isotropic_gaussians() {
    check("null-space", 0.0);
}

#[test]
fn exact_samples_the_posterior_of_mixtures() {
    let model = Mixture::named("blocks").unwrap();
    // A grey stripe of the first pattern, and little light: two patterns remain possible.
    let picture: Vec<f64> = model.components()[0].mean.iter().map(|mean| 0.15 * mean).collect();
    for (operator, noise, kind) in [
        ("super-resolution:4", 0.2, FamilyKind::Ve),
        ("compressed-sensing:0.25", 0.9, FamilyKind::Vp),
        ("blur:motion:5:30", 1.2, FamilyKind::SubVp),
    ] {
        let restoration = restoration(operator, noise, "exact", kind, "heun");
        let posterior = posterior_of(&restoration, &picture, &model);
        let samples = doubles(run(&restoration, &observation(&picture, SHAPE), &model));
        let weights: Vec<f64> = posterior.iter().map(|(weight, _)| *weight).collect();
        // Which pattern a sample shows is beyond doubt.
        let (mut counts, mut spread) = ([0.0; 3], 0.0);
        for sample in samples.chunks(48) {
            let distance =
                |k: usize| -> f64 { sample.iter().zip(&posterior[k].1.mean).map(|(a, b)| (a - b).powi(2)).sum() };
            let nearest = (0..3).min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap();
            counts[nearest] += 1.0 / 1024.0;
            spread += distance(nearest) / posterior[nearest].1.trace() / 1024.0;
        }
        println!("{operator}: weights {weights:.3?}, samples {counts:.3?}, spread {spread:.4}");
        assert!(weights.iter().filter(|&&weight| weight > 0.1).count() > 1, "{operator}: there is something to tell");
        // The prior has the mean 0 and not that of the noised posterior: it is so many standard deviations off the line
        // on which patterns part, where the normal density is below 0.4.
        let mean = dense::whole(&posterior).mean;
        let level = kind.published().sde().level(1.0);
        let off = 0.4 * level.alpha / level.sigma * mean.iter().map(|m| m * m).sum::<f64>().sqrt();
        for (count, weight) in counts.iter().zip(&weights) {
            let error = (weight * (1.0 - weight) / 1024.0).sqrt();
            assert!((count - weight).abs() < 5.0 * error + off, "{operator}: {counts:?} for {weights:?}");
        }
        // 48 coordinates of 2048 samples.
        assert!((spread - 1.0).abs() < 0.03, "{operator}: {spread} of the variance");
    }
}

#[test]
fn partial_trust_mixes_the_picture_with_the_mean_as_it_says() {
    // Data N(μ, v): the posterior mean is m·y + (1 − m)·μ, its variance (1 − m)·v.
    let (model, trusts) = (isotropic([1, 1, 6], 0.5), [0.0, 0.2, 0.5, 0.8, 0.95, 1.0]);
    for method in ["null-space", "pigdm", "exact", "projection"] {
        let mut restoration = restoration("inpainting", 0.0, method, FamilyKind::Vp, "heun");
        if method == "projection" {
            // It trusts until a step's level is below the noise, so that steps have to be short; from there on noise
            // has to make up for what is not known.
            restoration.run.steps = Steps::new(400).unwrap();
            restoration.run.solver = solver("pc:ancestral");
        }
        let observation = Observation {
            picture: super::pixels(&[0.9; 6], [1, 1, 6]),
            confidence: Some(super::pixels(&trusts, [1, 1, 6])),
            shows: Default::default(),
        };
        let found = sample_moments(&doubles(run(&restoration, &observation, &model)), 6);
        for (i, m) in trusts.into_iter().enumerate() {
            let (mean, variance) = (m * 0.9 + (1.0 - m) * 0.2, (1.0 - m) * 0.25);
            let (mean_error, error) = ((found.mean[i] - mean).abs(), (found.covariance[i][i] - variance).abs());
            // Five standard errors; levels 3 % apart move a mean of 0.7 by a hundredth.
            let chance = 5.0 * (variance / 1024.0).sqrt();
            assert!(mean_error < chance + 0.012, "{method} {m}: mean {} for {mean}", found.mean[i]);
            assert!(error < 5.0 * variance * (2.0f64 / 1024.0).sqrt() + 0.006, "{method} {m}: variance off by {error}");
        }
    }
}
