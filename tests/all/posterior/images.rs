//! Sets of pictures, whose posterior is a choice among them.

use super::{measure, pixels, restoration, run, values};
use burn::tensor::Device;
use score_explorer::checkpoint::shipped_worlds;
use score_explorer::score::{ImageSet, InRange, ScoreModel};
use score_explorer::sde::FamilyKind;
use score_explorer::task::{Count, Observation, Resampling, Restoration, Shows, Steps};

const SHAPE: [usize; 3] = [3, 8, 8];
const SIZE: usize = 3 * 8 * 8;
const IMAGES: usize = 8;
const SAMPLES: usize = 400;

/// Worlds of all kinds, a quarter as large.
fn worlds() -> Vec<u8> {
    let worlds = shipped_worlds().unwrap();
    let large = |image: usize, channel: usize, row: usize, column: usize| {
        u32::from(worlds.values[((image * 61 * 3 + channel) * 32 + row) * 32 + column])
    };
    let small = |at: usize| {
        let (image, channel, row, column) = (at / SIZE, at / 64 % 3, at / 8 % 8, at % 8);
        let sum: u32 = (0..16).map(|i| large(image, channel, 4 * row + i / 4, 4 * column + i % 4)).sum();
        (sum / 16) as u8
    };
    (0..IMAGES * SIZE).map(small).collect()
}

/// How often each picture is the nearest to a sample.
fn counts(samples: &[f32], levels: &[u8], (low, high): (f64, f64)) -> [usize; IMAGES] {
    let mut counts = [0; IMAGES];
    for sample in samples.chunks(SIZE) {
        let distance = |k: usize| -> f64 {
            let image = &levels[k * SIZE..(k + 1) * SIZE];
            let apart = |(&x, &g): (&f32, &u8)| (f64::from(x) - low - (high - low) * f64::from(g) / 255.0).powi(2);
            sample.iter().zip(image).map(apart).sum()
        };
        counts[(0..IMAGES).min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap()] += 1;
    }
    counts
}

/// What the definition says: weights ∝ exp(−Σ(y − A·image)²/2σ_y²), on pictures in [0, 1].
fn weights(restoration: &Restoration, observation: &Observation, levels: &[u8], model: &dyn ScoreModel) -> Vec<f64> {
    let measurement = measure(restoration, observation, model);
    let variance = f64::from(values(measurement.variance().clone().max())[0]);
    let (low, high) = model.range().unwrap().bounds();
    let logs: Vec<f64> = levels
        .chunks(SIZE)
        .map(|image| {
            let x: Vec<f64> = image.iter().map(|&g| low + (high - low) * f64::from(g) / 255.0).collect();
            let residual = values(measurement.residual(&super::image(&x, SHAPE)));
            -0.5 * residual.iter().map(|&r| f64::from(r).powi(2)).sum::<f64>() / variance
        })
        .collect();
    let highest = logs.iter().copied().fold(f64::MIN, f64::max);
    let total: f64 = logs.iter().map(|log| (log - highest).exp()).sum();
    logs.iter().map(|log| (log - highest).exp() / total).collect()
}

#[test]
fn exact_samples_choose_among_pictures_as_often_as_they_explain_the_measurement() {
    let levels = worlds();
    let set = ImageSet::new(levels.clone(), SHAPE, &Device::flex());
    // A mixture of the pictures, which all of them explain a little.
    let mean: Vec<f64> =
        (0..SIZE).map(|i| (0..IMAGES).map(|k| f64::from(levels[k * SIZE + i]) / 255.0 / 8.0).sum()).collect();
    let observation = Observation { picture: pixels(&mean, SHAPE), confidence: None, shows: Shows::Original };
    for (operator, noise, kind) in [
        ("denoising", 2.5, FamilyKind::Vp),
        ("super-resolution:4", 0.6, FamilyKind::Ve),
        ("colorization", 2.0, FamilyKind::SubVp),
    ] {
        let mut restoration = restoration(operator, noise, "exact", kind, "pc:ancestral");
        restoration.run.steps = Steps::new(60).unwrap();
        restoration.run.count = Count::new(SAMPLES).unwrap();
        let model = InRange::new(&set, kind.facts().range);
        let weights = weights(&restoration, &observation, &levels, &model);
        let found = counts(&values(run(&restoration, &observation, &model)), &levels, model.range().unwrap().bounds());
        println!("{operator}: weights {weights:.3?}, counts {found:?}");
        assert!(weights.iter().all(|&weight| weight < 0.6), "{operator}: a choice that is none");
        // Rare ones together, so that every expected count is large enough.
        let (mut chi_square, mut rest, mut freedoms) = (0.0, (0.0, 0.0), 0);
        for (&count, weight) in found.iter().zip(&weights) {
            let expected = weight * SAMPLES as f64;
            if expected < 8.0 {
                rest = (rest.0 + count as f64, rest.1 + expected);
            } else {
                chi_square += (count as f64 - expected).powi(2) / expected;
                freedoms += 1;
            }
        }
        chi_square += (rest.0 - rest.1).powi(2) / rest.1.max(1.0);
        // The 99.99 % point of χ² with 7 degrees of freedom is 29.9.
        assert!(freedoms >= 3 && chi_square < 29.9, "{operator}: {found:?} for {weights:.3?}, χ² = {chi_square:.1}");
    }
}

#[test]
fn without_noise_the_exact_posterior_is_the_picture_that_fits() {
    let levels = worlds();
    let set = ImageSet::new(levels.clone(), SHAPE, &Device::flex());
    let picture: Vec<f64> = levels[3 * SIZE..4 * SIZE].iter().map(|&g| f64::from(g) / 255.0).collect();
    let known: Vec<f64> = (0..64).map(|i| f64::from(u8::from(i % 8 < 2))).collect();
    for operator in ["inpainting", "super-resolution:4", "blur:motion:3:30"] {
        for (method, resampling) in [("exact", None), ("null-space", None), ("projection", Some(4))] {
            let mut restoration = restoration(operator, 0.0, method, FamilyKind::Vp, "pc:ancestral");
            restoration.run.steps = Steps::new(20).unwrap();
            restoration.run.count = Count::new(10).unwrap();
            restoration.resampling = resampling.map(|times| Resampling::new(5, times).unwrap());
            let confidence = Some(pixels(&known, [1, 8, 8]));
            let observation = Observation { picture: pixels(&picture, SHAPE), confidence, shows: Shows::Original };
            let model = InRange::new(&set, FamilyKind::Vp.facts().range);
            let found = counts(&values(run(&restoration, &observation, &model)), &levels, (-1.0, 1.0));
            println!("{operator} {method}: {found:?}");
            if method == "exact" {
                assert_eq!(found[3], 10, "{operator}: {found:?}");
            }
        }
    }
}
