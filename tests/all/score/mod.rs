//! Exact scores of image sets, and models seen from another family or range.

mod guided;
mod images;

use burn::tensor::{Device, Tensor, TensorData};
use score_explorer::Image;
use score_explorer::score::{ImageSet, InRange, ScoreModel, denoised};
use score_explorer::sde::{FamilyKind, Level, Range};
use score_explorer::solver::{Noise, NoiseSource, Purpose};

const SHAPE: [usize; 3] = [3, 4, 4];
const SIZE: usize = 48;

/// Grey levels of a few random pictures.
fn pictures(count: usize) -> Vec<u8> {
    (0..count * SIZE).map(|i| ((i * 7919 + i * i * 31) % 256) as u8).collect()
}

fn noise(count: usize) -> Noise {
    Noise { seed: 3, first: 0, count, shape: SHAPE, device: Device::flex() }
}

fn vector(image: &Image) -> Vec<f64> {
    image.try_to_vec_as::<f32>().expect("f32").into_iter().map(f64::from).collect()
}

/// The score of the empirical distribution by its definition, one sample in `f64`.
fn by_definition(levels: &[u8], x: &[f64], at: Level) -> Vec<f64> {
    let images: Vec<Vec<f64>> =
        levels.chunks(SIZE).map(|image| image.iter().map(|&g| f64::from(g) / 127.5 - 1.0).collect()).collect();
    let logits: Vec<f64> = images
        .iter()
        .map(|y| -x.iter().zip(y).map(|(x, y)| (x - at.alpha * y).powi(2)).sum::<f64>() / (2.0 * at.sigma.powi(2)))
        .collect();
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logits.iter().map(|l| (l - largest).exp()).collect();
    let total: f64 = weights.iter().sum();
    (0..x.len())
        .map(|d| {
            let mean: f64 = weights.iter().zip(&images).map(|(w, y)| w * y[d]).sum::<f64>() / total;
            (at.alpha * mean - x[d]) / at.sigma.powi(2)
        })
        .collect()
}

#[test]
fn image_set_score_equals_its_definition_at_every_level() {
    // More pictures than one block holds.
    let levels = pictures(1100);
    let set = ImageSet::new(levels.clone(), SHAPE, &Device::flex());
    assert_eq!(set.len(), 1100);
    let at =
        [(1.0, 0.02), (0.9, 0.4), (0.3, 0.95), (0.01, 1.0), (1.0, 50.0)].map(|(alpha, sigma)| Level::new(alpha, sigma));
    let x = noise(5).normal(0, Purpose::Prior);
    // Each sample near a picture, at its own level.
    let near: Vec<f32> = vector(&x)
        .chunks(SIZE)
        .zip(&at)
        .zip(levels.chunks(SIZE))
        .flat_map(|((z, at), y)| {
            let value = |(z, &g): (&f64, &u8)| (at.alpha * (f64::from(g) / 127.5 - 1.0) + at.sigma * z) as f32;
            z.iter().zip(y).map(value).collect::<Vec<_>>()
        })
        .collect();
    let x: Image = Tensor::from_data(TensorData::new(near, [5, 3, 4, 4]), &Device::flex());
    let score = vector(&set.score(&x, &at).expect("a score"));
    for (sample, at) in at.iter().enumerate() {
        let range = sample * SIZE..(sample + 1) * SIZE;
        let expected = by_definition(&levels, &vector(&x)[range.clone()], *at);
        for (found, expected) in score[range].iter().zip(expected) {
            // Single precision: x and y are of order 1, and enter divided by σ².
            let rounding = 1e-5 * (1.0 + 1.0 / at.sigma.powi(2));
            assert!((found - expected).abs() < rounding, "{found} is not {expected} at {at:?}");
        }
    }
}

#[test]
fn image_set_forgets_nothing_at_low_noise_and_knows_the_mean_at_high_noise() {
    let levels = pictures(40);
    let set = ImageSet::new(levels.clone(), SHAPE, &Device::flex());
    let first: Vec<f32> = levels[..SIZE].iter().map(|&g| f32::from(g) / 127.5 - 1.0).collect();
    let image: Image = Tensor::from_data(TensorData::new(first.clone(), [1, 3, 4, 4]), &Device::flex());
    let low = [Level::new(1.0, 0.01)];
    let x = image.clone() + noise(1).normal(0, Purpose::Prior) * 0.01;
    let back = vector(&denoised(&x, &set.score(&x, &low).expect("a score"), &low));
    assert!(back.iter().zip(&first).all(|(a, b)| (a - f64::from(*b)).abs() < 1e-4));

    let high = [Level::new(1.0, 1e4)];
    let x = noise(1).normal(0, Purpose::Prior) * 1e4;
    let weights = set.posterior(&x, &high).expect("weights").try_to_vec_as::<f32>().expect("f32");
    assert!(weights.iter().all(|w| (w - 1.0 / 40.0).abs() < 2e-4), "all pictures are about as likely");
}

#[test]
fn a_model_in_another_range_has_the_score_of_the_rescaled_data() {
    let levels = pictures(30);
    let set = ImageSet::new(levels.clone(), SHAPE, &Device::flex());
    let seen = InRange::new(&set, Range::Unit);
    assert_eq!(seen.range(), Some(Range::Unit));
    let moments = seen.moments().expect("known");
    let unit = |g: &u8| f64::from(*g) / 255.0;
    let count = levels.len() as f64;
    assert!((moments.mean - levels.iter().map(unit).sum::<f64>() / count).abs() < 1e-9);
    assert!((moments.mean_square - levels.iter().map(|g| unit(g).powi(2)).sum::<f64>() / count).abs() < 1e-9);

    // Tweedie's estimate is the same picture in both ranges: x(0) in [0, 1] is (x′(0) + 1)/2.
    for at in [Level::new(1.0, 0.3), Level::new(0.4, 0.9)] {
        let x = noise(2).normal(1, Purpose::Prior);
        let in_unit = vector(&denoised(&x, &seen.score(&x, &[at]).expect("a score"), &[at]));
        let same_x = x * 2.0 - at.alpha;
        let same_at = Level { sigma: 2.0 * at.sigma, ..at };
        let symmetric = vector(&denoised(&same_x, &set.score(&same_x, &[same_at]).expect("a score"), &[same_at]));
        for (unit, symmetric) in in_unit.iter().zip(symmetric) {
            assert!((unit - (symmetric + 1.0) / 2.0).abs() < 1e-4, "{unit} is not half of {symmetric} + 1");
        }
    }
}

#[test]
fn a_model_in_another_family_gives_the_same_denoised_picture_at_the_same_ratio() {
    let set = ImageSet::new(pictures(30), SHAPE, &Device::flex());
    let clean = noise(3).normal(2, Purpose::Prior) * 0.5;
    let z = noise(3).normal(3, Purpose::Prior);
    let mut pictures = Vec::new();
    for &kind in FamilyKind::ALL {
        let family = kind.published();
        let level = family.sde().level(family.sde().time_of_ratio(0.7));
        assert!((level.ratio() - 0.7).abs() < 1e-9, "{kind} reaches the ratio");
        let x = clean.clone() * level.alpha + z.clone() * level.sigma;
        pictures.push(vector(&denoised(&x, &set.score(&x, &[level]).expect("a score"), &[level])));
    }
    for other in &pictures[1..] {
        assert!(pictures[0].iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-4));
    }
}
