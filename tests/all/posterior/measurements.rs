//! Measurements: what is known of their noise and of the data, and what a projection makes of a noised state.

use super::{doubles, image, linear, measure, normals, observation, pixels, restoration};
use burn::tensor::{Device, Tensor};
use score_explorer::score::{Measurement, Mixture};
use score_explorer::sde::{FamilyKind, Level, Moments};
use score_explorer::task::Observation;

fn measured(operator: &str, shape: [usize; 3], y: &[f64], noise: f64, data: Moments) -> Measurement {
    let linear = linear(operator, shape);
    let y = image(y, linear.measured());
    Measurement::new(linear.into(), y, Tensor::full([1; 4], noise, &Device::flex()), data).unwrap()
}

#[test]
fn data_vary_along_a_measurement_as_they_say_or_as_y_says_beyond_chance() {
    let (shape, data) = ([1, 32, 32], Moments { mean: 0.3, mean_square: 0.09 + 0.2 });
    // Means of blocks of sixteen: of independent pixels they have the variance 0.2/16, of a smooth picture nearly 0.2.
    let blocks = |variance: f64| -> Vec<f64> { normals(64, 5).iter().map(|z| 0.3 + variance.sqrt() * z).collect() };
    let independent = measured("super-resolution:4", shape, &blocks(0.2 / 16.0 + 0.01), 0.01, data);
    let as_the_data = |found: f64| (found - 0.2).abs() < 1e-12;
    assert!(as_the_data(independent.variance_along()[0]));
    let smooth = measured("super-resolution:4", shape, &blocks(0.2 + 0.01), 0.01, data);
    // Sixteen times as much, give or take five standard errors of 64 squares.
    let found = smooth.variance_along()[0] / (16.0 * 0.2);
    assert!((found - 1.0).abs() < 5.0 * f64::sqrt(2.0 / 64.0), "{found}");
    // As many pictures, each with its own; and little that is known says nothing.
    let both = [blocks(0.02), blocks(0.2)].concat();
    let both = measured("super-resolution:4", shape, &both, 0.01, data);
    assert!(as_the_data(both.variance_along()[0]) && both.variance_along()[1] > 2.0);
    assert!(as_the_data(measured("denoising", [1, 1, 1], &[1.4], 0.0, data).variance_along()[0]));
    // What is left of it where the state is as noisy as the data are wide: half.
    let level = Level::new(0.5, 0.5 * f64::sqrt(0.2));
    assert!((doubles(independent.uncertainty(&[level]))[0] - 0.1).abs() < 1e-6);
}

#[test]
fn projections_keep_a_noised_state_at_its_level() {
    // x = α·x(0) + σ·z with x(0) = 0, measured with noise: after a projection, whatever share of it was replaced, it is
    // such a state again. Of each sample its own y.
    const SAMPLES: usize = 4000;
    let (shape, level) = ([1, 5, 6], Level::new(0.8, 0.6));
    for (operator, std) in
        [("blur:gaussian:0.7", 0.3), ("blur:motion:5:30", 0.5), ("denoising", 0.5), ("denoising", 1.0)]
    {
        let n: Vec<f64> = normals(SAMPLES * 30, 1).iter().map(|z| std * z).collect();
        let data = Moments { mean: 0.0, mean_square: 1.0 };
        let measurement = measured(operator, shape, &n, std * std, data);
        let x: Vec<f64> = normals(SAMPLES * 30, 2).iter().map(|z| 0.6 * z).collect();
        let fresh =
            |draw: u32, [c, h, w]: [usize; 3]| image(&normals(SAMPLES * c * h * w, 3 + u64::from(draw)), [c, h, w]);
        let held = doubles(measurement.project(image(&x, shape), level, fresh));
        let moved = held.iter().zip(&x).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / x.len() as f64;
        let variance = |i: usize| held.chunks(30).map(|x| x[i] * x[i]).sum::<f64>() / SAMPLES as f64;
        let worst = (0..30).map(|i| (variance(i) / 0.36 - 1.0).abs()).fold(0.0, f64::max);
        // Five standard errors of 4000 squares.
        assert!(worst < 5.0 * f64::sqrt(2.0 / SAMPLES as f64), "{operator} {std}: {worst}");
        // Noisier than the state, the picture itself is left out; a blur never is, quite.
        assert_eq!(moved > 0.05, std < 0.75, "{operator} {std}: {moved}");
    }
}

#[test]
fn noise_is_in_units_of_pictures_and_inconsistency_in_those_of_the_data() {
    // 48 blocks' values; the same seed gives the same noise, whatever its size.
    let model = Mixture::named("blocks").unwrap();
    let with = |noise: f64| {
        let restoration = restoration("denoising", noise, "null-space", FamilyKind::Vp, "heun");
        measure(&restoration, &observation(&[0.0; 48], [3, 4, 4]), &model)
    };
    let (small, large) = (doubles(with(0.1).y().clone()), doubles(with(0.3).y().clone()));
    assert!(small.iter().zip(&large).all(|(small, large)| (3.0 * small - large).abs() < 1e-6));
    let variance = small.iter().map(|n| n * n).sum::<f64>() / 48.0;
    assert!((variance / 0.01 - 1.0).abs() < 5.0 * f64::sqrt(2.0 / 48.0), "{variance}");

    // Known pixels are 0.3 off, unknown ones by much: only the former count.
    let restoration = restoration("inpainting", 0.0, "null-space", FamilyKind::Vp, "heun");
    let known: Vec<f64> = (0..16).map(|i| f64::from(u8::from(i < 5))).collect();
    let half = Observation { confidence: Some(pixels(&known, [1, 4, 4])), ..observation(&[0.1; 48], [3, 4, 4]) };
    let off: Vec<f64> = (0..48).map(|i| if i % 16 < 5 { 0.4 } else { 9.0 }).collect();
    let found = doubles(measure(&restoration, &half, &model).inconsistency(&image(&off, [3, 4, 4])));
    assert!((found[0] - 0.3).abs() < 1e-6, "{found:?}");
}
