//! Scores of posteriors at single states, against plain linear algebra: no chance is in them.

use super::dense::{self, apply, transposed};
use super::{doubles, gaussians, image, isotropic, known, measure, normals, observation, operators, restoration};
use score_explorer::Image;
use score_explorer::score::{
    Clipped, Component, Condition, InRange, Measurement, Mixture, ScoreError, ScoreModel, denoised,
};
use score_explorer::sde::{FamilyKind, Level, Range, Step};
use score_explorer::solver::{
    Arrival, Constraint, DpsGuidance, ExactPosterior, Noise, NullSpaceCorrection, PiGdmGuidance, Process, Stage,
    Unobserved,
};

const SHAPE: [usize; 3] = [3, 4, 4];
const LEVELS: [(f64, f64); 4] = [(1.0, 0.05), (0.95, 0.3), (0.5, 0.9), (0.01, 1.0)];

/// Two unequal modes with a standard deviation of its own in each coordinate.
fn two() -> Mixture {
    let mode = |weight: f64, seed: u64| {
        let mean = normals(48, seed).into_iter().map(|z| 0.3 * z).collect();
        let std = normals(48, seed + 100).into_iter().map(|z| 0.2 + 0.1 * z.tanh()).collect();
        Component { weight, mean, std }
    };
    Mixture::new(SHAPE, vec![mode(0.6, 31), mode(0.4, 32)]).unwrap()
}

/// A measurement of a picture that the model could have drawn.
fn measured(operator: &str, noise: f64, model: &dyn ScoreModel) -> Measurement {
    let picture: Vec<f64> = normals(48, 9).into_iter().map(|z| 0.3 * z).collect();
    let restoration = restoration(operator, noise, "null-space", FamilyKind::Vp, "heun");
    measure(&restoration, &observation(&picture, SHAPE), model)
}

/// Largest difference of two scores in units of the largest of the expected one.
fn difference(found: &[f64], expected: &[f64]) -> f64 {
    let size = expected.iter().fold(0.0, |most: f64, s| most.max(s.abs()));
    found.iter().zip(expected).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs())) / size
}

/// The largest error of `score` over levels, in states that the noised posterior has.
fn worst(posterior: &[(f64, dense::Gaussian)], score: impl Fn(&Image, &[Level]) -> Image) -> f64 {
    let centre = dense::whole(posterior).mean;
    let errors = LEVELS.iter().map(|&(alpha, sigma)| {
        let at = Level::new(alpha, sigma);
        let spread = (alpha * 0.2f64).hypot(sigma);
        let x: Vec<f64> = normals(48, 77).iter().zip(&centre).map(|(z, m)| alpha * m + spread * z).collect();
        let x: Vec<f64> = x.into_iter().map(|x| f64::from(x as f32)).collect();
        let found = doubles(score(&image(&x, SHAPE), &[at]));
        difference(&found, &dense::score(posterior, &x, at))
    });
    errors.fold(0.0, f64::max)
}

#[test]
fn guided_scores_of_isotropic_gaussians_are_those_of_the_posterior() {
    let model = isotropic(SHAPE, 0.5);
    for operator in operators(SHAPE) {
        for noise in [0.1, 0.5] {
            let condition = Condition::new(measured(&operator, noise, &model));
            let posterior = dense::given(&gaussians(&model), &known(&condition.measurement(), SHAPE));
            let (pigdm, null_space) =
                (PiGdmGuidance::new(&model, &condition, 1.0), NullSpaceCorrection::new(&model, &condition));
            let errors = [
                worst(&posterior, |x, at| pigdm.score(x, at).unwrap()),
                worst(&posterior, |x, at| null_space.score(x, at).unwrap()),
            ];
            // Single precision, and conjugate gradients to 1e-5.
            assert!(errors.iter().all(|&error| error < 2e-4), "{operator} {noise}: {errors:?}");
            // The test has power: a weight wrong by a fiftieth shows.
            let heavy = PiGdmGuidance::new(&model, &condition, 1.02);
            assert!(worst(&posterior, |x, at| heavy.score(x, at).unwrap()) > 1e-3, "{operator} {noise}");
        }
    }
}

#[test]
fn exact_scores_of_mixtures_are_those_of_the_posterior() {
    for (name, model) in [("two", two()), ("blocks", Mixture::named("blocks").unwrap())] {
        for operator in operators(SHAPE) {
            for noise in [0.0, 0.1, 1.0] {
                let measurement = measured(&operator, noise, &model);
                let mut known = known(&measurement, SHAPE);
                if noise == 0.0 {
                    // The covariance needs a least noise here as well.
                    let least = 1e-10 * measurement.data_variance();
                    known.variance.iter_mut().for_each(|variance| *variance = variance.max(least));
                }
                let condition = Condition::new(measurement);
                let posterior = dense::given(&gaussians(&model), &known);
                let exact = ExactPosterior::new(&model, &condition).unwrap();
                let error = worst(&posterior, |x, at| exact.score(x, at).unwrap());
                // A blur that inverts values of 1e-5 magnifies the rounding of A, y and eigenvectors to a visible share.
                let limit = if noise == 0.0 { 1e-2 } else { 1e-3 };
                assert!(error < limit, "{name}, {operator}, {noise}: {error:.1e}");
            }
        }
    }
}

#[test]
fn exact_posteriors_are_right_by_counting_too() {
    // Samples of the model weighed by how well they explain y (no linear algebra at all): in two dimensions.
    let model = Mixture::named("two-moons").unwrap();
    let restoration = restoration("denoising", 0.3, "exact", FamilyKind::Ve, "heun");
    let measurement = measure(&restoration, &observation(&[0.2, 0.3], [2, 1, 1]), &model);
    let y = doubles(measurement.y().clone());
    let condition = Condition::new(measurement);
    let exact = ExactPosterior::new(&model, &condition).unwrap();
    let samples = crate::solver::mixture::exact(&model, 200_000, 3);
    for (alpha, sigma, x) in [(0.9, 0.4, [0.3, 0.1]), (0.5, 0.8, [-0.5, 0.6])] {
        let at = Level::new(alpha, sigma);
        let (mut total, mut mean) = (0.0, [0.0; 2]);
        for sample in samples.chunks(2) {
            let square = |i: usize| {
                let s = f64::from(sample[i]);
                ((y[i] - s) / 0.3).powi(2) + ((x[i] - alpha * s) / sigma).powi(2)
            };
            let weight = (-0.5 * (square(0) + square(1))).exp();
            total += weight;
            (0..2).for_each(|i| mean[i] += weight * f64::from(sample[i]));
        }
        let state = image(&x, [2, 1, 1]);
        let found = doubles(denoised(&state, &exact.score(&state, &[at]).unwrap(), &[at]));
        // About a tenth of the samples count: an error of 0.3/√20000.
        (0..2).for_each(|i| {
            assert!((found[i] - mean[i] / total).abs() < 0.012, "{found:?} {:?}", mean.map(|m| m / total))
        });
    }
}

#[test]
fn pi_gdm_guides_along_the_gradient_of_its_gaussian_likelihood() {
    // On a mixture the Jacobian is not the identity's multiple. Central differences of −½rᵀC⁻¹r, r = y − A·x̂(0)(x).
    let model = two();
    for operator in operators(SHAPE) {
        let condition = Condition::new(measured(&operator, 0.2, &model));
        let measurement = condition.measurement();
        let at = [Level::new(0.8, 0.5)];
        let uncertainty = doubles(measurement.uncertainty(&at))[0];
        let known = known(&measurement, SHAPE);
        let x: Vec<f64> = normals(48, 78).iter().map(|z| 0.5 * z).collect();
        let log = |x: &[f64]| {
            let state = image(x, SHAPE);
            let clean = doubles(denoised(&state, &model.score(&state, &at).unwrap(), &at));
            let r: Vec<f64> = known.y.iter().zip(apply(&known.a, &clean)).map(|(y, a)| y - a).collect();
            let mut gram = dense::times(&known.a, &transposed(&known.a));
            for (i, row) in gram.iter_mut().enumerate() {
                row.iter_mut().for_each(|entry| *entry *= uncertainty);
                row[i] += known.variance[i];
            }
            let solved = dense::solve(gram, dense::column(&r)).0;
            -0.5 * r.iter().zip(&solved).map(|(r, u)| r * u[0]).sum::<f64>()
        };
        let plain = doubles(model.score(&image(&x, SHAPE), &at).unwrap());
        let guided = doubles(PiGdmGuidance::new(&model, &condition, 0.7).score(&image(&x, SHAPE), &at).unwrap());
        let size = guided.iter().zip(&plain).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs()));
        for i in (0..48).step_by(11) {
            let moved = |by: f64| {
                let mut x = x.clone();
                x[i] += by;
                log(&x)
            };
            let expected = 0.7 * (moved(0.02) - moved(-0.02)) / 0.04;
            // Differences of sums of single precision, and of third order in 0.02.
            assert!(
                (guided[i] - plain[i] - expected).abs() < 0.01 * size,
                "{operator}: {} {expected}",
                guided[i] - plain[i]
            );
        }
    }
}

#[test]
fn dps_descends_the_distance_to_the_measurement() {
    let model = two();
    for operator in ["super-resolution:2", "blur:gaussian:0.7", "colorization", "inpainting"] {
        let condition = Condition::new(measured(operator, 0.0, &model));
        let measurement = condition.measurement();
        let at = [Level::new(0.8, 0.5)];
        let x: Vec<f64> = normals(48, 78).iter().map(|z| 0.5 * z).collect();
        let distance = |x: &[f64]| {
            let state = image(x, SHAPE);
            let clean = denoised(&state, &model.score(&state, &at).unwrap(), &at);
            // Partial confidence m weighs squares by m.
            let confidence = (measurement.variance().clone() / measurement.data_variance() + 1.0).recip();
            doubles((measurement.residual(&clean).square() * confidence).sum().sqrt())[0]
        };
        let dps = DpsGuidance::new(&model, &condition, 0.3);
        let state = image(&x, SHAPE);
        assert_eq!(doubles(dps.score(&state, &at).unwrap()), doubles(model.score(&state, &at).unwrap()));
        let step = Step { index: 3, t: 0.5, next: 0.4, table: None };
        let arrival = |stage| Arrival { step, stage, level: at[0] };
        let held = doubles(dps.apply(state.clone(), arrival(Stage::Predictor)).unwrap());
        for i in (0..48).step_by(7) {
            let moved = |by: f64| {
                let mut x = x.clone();
                x[i] += by;
                distance(&x)
            };
            let expected = -0.3 * (moved(0.02) - moved(-0.02)) / 0.04;
            assert!((held[i] - x[i] - expected).abs() < 2e-3, "{operator}: {} for {expected}", held[i] - x[i]);
        }
        assert_eq!(doubles(dps.apply(state.clone(), arrival(Stage::Corrector)).unwrap()), doubles(state));
    }
}

#[test]
fn dps_by_heun_descends_at_the_state_before_each_step() {
    // Of data N(m, s²I), x̂(0) = m + K·(x − α·m) with K = α·s²/(α²s² + σ²), so that −∇‖y − A·x̂(0)‖ = K·Aᵀr/‖r‖.
    let (std, zeta, model) = (0.5, 3.0, isotropic(SHAPE, 0.5));
    let family = FamilyKind::Vp.published();
    let (sde, heun) = (family.sde(), crate::choices::solver("heun"));
    let gain = |level: Level| level.alpha * std * std / level.marginal_std(std).powi(2);
    let noise = Noise { seed: 1, first: 0, count: 1, shape: SHAPE, device: burn::tensor::Device::flex() };
    let times = [0.6, 0.4, 0.25];
    let steps: Vec<Step> = (0..2).map(|i| Step { index: i, t: times[i], next: times[i + 1], table: None }).collect();
    for operator in ["denoising", "super-resolution:2", "blur:gaussian:0.7"] {
        let condition = Condition::new(measured(operator, 0.0, &model));
        let measurement = condition.measurement();
        let dps = DpsGuidance::new(&model, &condition, zeta);
        let start = image(&normals(48, 78), SHAPE);
        let process = Process { model: &dps, constraint: &dps, ..Process::free(&model, sde, &steps, true, &noise) };
        let found = doubles(heun.solve(&process, start.clone(), &mut Unobserved).unwrap());
        // One step after the other, with the gradient of the state where it begins, or where it would end.
        let by_hand = |at: fn(Image, Image) -> Image, level: fn(&Step) -> f64| {
            let mut x = start.clone();
            for step in &steps {
                let process = Process::free(&model, sde, std::slice::from_ref(step), true, &noise);
                let free = heun.solve(&process, x.clone(), &mut Unobserved).unwrap();
                let (state, level) = (at(x, free.clone()), sde.level(level(step)));
                let mean = state.clone().ones_like() * (0.2 * level.alpha);
                let residual = measurement.residual(&((state - mean) * gain(level) + 0.2));
                let norm = doubles(residual.clone().square().sum().sqrt())[0];
                x = free + measurement.linear().adjoint(&residual) * (zeta * gain(level) / norm);
            }
            doubles(x)
        };
        let (before, after) = (by_hand(|x, _| x, |step| step.t), by_hand(|_, next| next, |step| step.next));
        assert!(difference(&found, &before) < 1e-5, "{operator}: {}", difference(&found, &before));
        assert!(difference(&found, &after) > 1e-2, "{operator}: there is a difference to be seen");
    }
}

#[test]
fn a_posterior_is_the_same_seen_from_another_range() {
    // The same measurement given in [0, 1] and in [−1, 1] of a set of pictures, which knows its own range.
    let levels: Vec<u8> = (0..6 * 48).map(|i| ((i * 7919 + i * i * 31) % 256) as u8).collect();
    let set = score_explorer::score::ImageSet::new(levels.clone(), SHAPE, &burn::tensor::Device::flex());
    let picture: Vec<f64> = levels[..48].iter().map(|&level| f64::from(level) / 255.0 + 0.1).collect();
    for operator in operators(SHAPE) {
        let restoration = restoration(&operator, 0.4, "exact", FamilyKind::Ve, "heun");
        let seen = |range: Range, at: Level, x: Vec<f64>| {
            let model = Clipped::new(InRange::new(&set, range), true);
            let condition = Condition::new(measure(&restoration, &observation(&picture, SHAPE), &model));
            let x = image(&x, SHAPE);
            doubles(denoised(&x, &ExactPosterior::new(&model, &condition).unwrap().score(&x, &[at]).unwrap(), &[at]))
        };
        let z = normals(48, 5);
        let unit = seen(Range::Unit, Level::new(1.0, 0.4), z.iter().map(|z| 0.5 + 0.4 * z).collect());
        let symmetric = seen(Range::Symmetric, Level::new(1.0, 0.8), z.iter().map(|z| 0.8 * z).collect());
        let back: Vec<f64> = symmetric.iter().map(|x| 0.5 * (x + 1.0)).collect();
        assert!(difference(&unit, &back) < 1e-4, "{operator}");
    }
}

#[test]
fn models_without_an_exact_posterior_or_with_too_large_a_one_say_so() {
    let large = isotropic([3, 8, 8], 0.5);
    let measurement = {
        let restoration = restoration("denoising", 0.1, "exact", FamilyKind::Vp, "heun");
        measure(&restoration, &observation(&[0.0; 192], [3, 8, 8]), &large)
    };
    let condition = Condition::new(measurement);
    assert_eq!(ExactPosterior::new(&large, &condition).err(), Some(ScoreError::TooLarge { dimensions: 192 }));

    struct Plain(Mixture);
    impl ScoreModel for Plain {
        fn shape(&self) -> [usize; 3] {
            self.0.shape()
        }
        fn range(&self) -> Option<Range> {
            None
        }
        fn ratios(&self) -> Option<(f64, f64)> {
            None
        }
        fn moments(&self) -> Option<score_explorer::sde::Moments> {
            None
        }
        fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
            // Detached from x: nothing to differentiate.
            Ok(self.0.score(&x.clone().detach(), at)?.detach())
        }
    }
    let plain = Plain(isotropic(SHAPE, 0.5));
    let condition = Condition::new(measured("denoising", 0.1, &plain));
    assert_eq!(ExactPosterior::new(&plain, &condition).err(), Some(ScoreError::NoPosterior));
    let x = image(&[0.0; 48], SHAPE);
    let at = [Level::new(1.0, 1.0)];
    assert_eq!(PiGdmGuidance::new(&plain, &condition, 1.0).score(&x, &at).err(), Some(ScoreError::NoTrace));
}
