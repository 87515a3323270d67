//! The published projection: what is known comes out as it was given.

use super::{M, doubles, image, measure, normals, observation, pixels, restoration, run};
use crate::choices::predictors;
use burn::tensor::Device;
use score_explorer::score::{Condition, Mixture};
use score_explorer::sde::{FamilyKind, Level, Step};
use score_explorer::solver::{Arrival, Constraint, Noise, NoiseSource, ProjectionConstraint, Purpose, Stage};
use score_explorer::task::{Count, Observation, Steps};

const SHAPE: [usize; 3] = [3, 4, 4];

fn solvers() -> Vec<String> {
    let mut all: Vec<String> = ["ddim", "heun", "dpm++"].map(Into::into).into();
    all.extend(predictors().map(|predictor| format!("pc:{predictor}")));
    for corrector in ["langevin:0.16:1:batch", "ald", "hmc"] {
        all.push(format!("pc:ancestral:{corrector}"));
        all.push(format!("pc:none:{corrector}"));
    }
    all
}

/// A picture with the left half known.
fn half() -> (Vec<f64>, Observation) {
    let picture: Vec<f64> = normals(48, 4).into_iter().map(|z| (0.5 + 0.2 * z).clamp(0.0, 1.0)).collect();
    let known: Vec<f64> = (0..16).map(|i| f64::from(u8::from(i % 4 < 2))).collect();
    let confidence = Some(pixels(&known, [1, 4, 4]));
    (picture.clone(), Observation { confidence, ..observation(&picture, SHAPE) })
}

fn byte(value: f64) -> i32 {
    (value.clamp(0.0, 1.0) * 255.0).round() as i32
}

#[test]
fn known_pixels_come_out_exactly_in_every_family_by_every_solver() {
    let (picture, observation) = half();
    let model = Mixture::named("blocks").unwrap();
    for &kind in FamilyKind::ALL {
        for solver in solvers() {
            for denoise in [true, false] {
                let mut restoration = restoration("inpainting", 0.0, "projection", kind, &solver);
                restoration.run.steps = Steps::new(12).unwrap();
                restoration.run.count = Count::new(2).unwrap();
                restoration.run.denoise = denoise;
                let samples = doubles(run(&restoration, &observation, &model));
                for sample in samples.chunks(48) {
                    let wrong = (0..48).filter(|i| i % 4 < 2 && byte(sample[*i]) != byte(picture[*i])).count();
                    assert_eq!(wrong, 0, "{kind} {solver}");
                    assert!(sample.iter().all(|value| value.is_finite()));
                }
            }
        }
    }
}

#[test]
fn every_simple_measurement_comes_out_exactly() {
    let (picture, _) = half();
    let model = Mixture::named("blocks").unwrap();
    for operator in super::operators(SHAPE) {
        for (method, solver) in [("projection", "heun"), ("null-space", "heun"), ("null-space", "pc:ancestral")] {
            let mut restoration = restoration(&operator, 0.0, method, FamilyKind::Vp, solver);
            restoration.run.steps = Steps::new(20).unwrap();
            restoration.run.count = Count::new(2).unwrap();
            let mut observation = observation(&picture, SHAPE);
            let confidence = observation.confidence.as_ref().unwrap();
            let full: Vec<f64> = confidence.values.iter().map(|&m| f64::from(u8::from(m == 1.0))).collect();
            observation.confidence = Some(pixels(&full, [1, 4, 4]));
            let measurement = measure(&restoration, &observation, &model);
            let samples = run(&restoration, &observation, &model);
            let error = doubles(measurement.inconsistency(&samples)).into_iter().fold(0.0, f64::max);
            // Of a blur, the noise is never taken to be below a hundredth of the data.
            let least = 0.01 * measurement.data_variance().sqrt();
            let limit = if measurement.linear().gram().is_some() { 2e-5 } else { 3.0 * least };
            assert!(error < limit, "{method} {operator}: {error:.1e}");
        }
    }
}

#[test]
fn one_projection_is_the_published_formula_at_the_level_of_arrival() {
    let (picture, observation) = half();
    let model = Mixture::named("blocks").unwrap();
    let noise = Noise { seed: 3, first: 0, count: 1, shape: SHAPE, device: Device::flex() };
    let step = Step { index: 7, t: 0.5, next: 0.4, table: None };
    let level = Level::new(0.6, 0.8);
    let x = normals(48, 6);
    for (stage, draw) in [(Stage::Predictor, 0), (Stage::Corrector, 1)] {
        let z = doubles(noise.normal(7, Purpose::Known(draw)));
        let held = |operator: &str| {
            let restoration = restoration(operator, 0.0, "projection", FamilyKind::Vp, "ddim");
            let condition = Condition::new(measure(&restoration, &observation, &model));
            let projection = ProjectionConstraint::new(&condition, &noise);
            doubles(projection.apply(image(&x, SHAPE), Arrival { step, stage, level }).unwrap())
        };
        let noised: Vec<f64> = picture.iter().zip(&z).map(|(y, z)| 0.6 * y + 0.8 * z).collect();
        for (i, found) in held("inpainting").into_iter().enumerate() {
            let expected = if i % 4 < 2 { noised[i] } else { x[i] };
            assert!((found - expected).abs() < 1e-6, "{i}: {found} for {expected}");
        }
        // couple(decouple(x)·(1 − mask) + decouple(known)·mask) with the published M, the first channel known.
        let decouple =
            |image: &[f64], pixel: usize, k: usize| (0..3).map(|c| image[c * 16 + pixel] * M[c][k]).sum::<f64>();
        let coloured = held("colourisation");
        for pixel in 0..16 {
            let decoupled: Vec<f64> = (0..3).map(|k| decouple(if k == 0 { &noised } else { &x }, pixel, k)).collect();
            for channel in 0..3 {
                // M is orthogonal: its inverse is its transpose.
                let expected: f64 = (0..3).map(|k| decoupled[k] * M[channel][k]).sum();
                assert!((coloured[channel * 16 + pixel] - expected).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn a_noisy_picture_is_projected_until_the_state_is_as_clean() {
    let model = Mixture::named("blocks").unwrap();
    let noise = Noise { seed: 3, first: 0, count: 64, shape: SHAPE, device: Device::flex() };
    let restoration = restoration("denoising", 0.3, "projection", FamilyKind::Vp, "ddim");
    let measurement = measure(&restoration, &observation(&[0.4; 48], SHAPE), &model);
    let y = doubles(measurement.y().clone());
    let condition = Condition::new(measurement);
    let projection = ProjectionConstraint::new(&condition, &noise);
    let step = Step { index: 7, t: 0.5, next: 0.4, table: None };
    let hold = |alpha: f64, sigma: f64| {
        let arrival = Arrival { step, stage: Stage::Predictor, level: Level::new(alpha, sigma) };
        doubles(projection.apply(image(&[9.0; 64 * 48], SHAPE), arrival).unwrap())
    };
    // Cleaner than the measurement: left alone.
    assert!(hold(1.0, 0.29).iter().all(|&x| x == 9.0));
    // Noisier: the noise that is missing, √(σ² − α²·0.09), around α·y.
    let apart: Vec<f64> = hold(0.8, 0.6).iter().enumerate().map(|(i, x)| x - 0.8 * y[i % 48]).collect();
    let variance = apart.iter().map(|a| a * a).sum::<f64>() / apart.len() as f64;
    let expected: f64 = 0.36 - 0.64 * 0.09;
    assert!((variance / expected - 1.0).abs() < 5.0 * (2.0 / apart.len() as f64).sqrt(), "{variance} for {expected}");
}
