//! Little worlds that the program draws are like those that another program drew.

use score_explorer::data::worlds::{KINDS, draw, kind};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};

fn drawn(seed: u64, index: u64, size: usize) -> Vec<u8> {
    let mut levels = vec![0; 3 * size * size];
    draw(seed, index, size, &mut levels);
    levels
}

#[test]
fn a_world_is_a_function_of_seed_and_number_to_the_bit() {
    assert_eq!(KINDS, ["desert", "forest", "mountains", "night", "sea", "village"]);
    assert_eq!([0, 5, 6, 600_000_000_003].map(kind), [0, 5, 0, 3]);
    let mut digest = Sha256::new();
    for index in (0..60).rev() {
        digest.update(drawn(1, index, 32));
    }
    digest.update(drawn(u64::MAX, u64::MAX, 64));
    let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    // Recorded on x86-64. Whoever changes the drawing changes what trainings go on with.
    assert_eq!(digest, "7e7376478201da0f9b23ca4ee49180095aaa8cc180c62acca999e9f7fd22e33e");
    let pictures: HashSet<Vec<u8>> = (0..300).flat_map(|index| [drawn(1, index, 32), drawn(2, index, 32)]).collect();
    assert_eq!(pictures.len(), 600, "none is there twice");
}

#[test]
fn at_twice_the_size_it_is_the_same_scene() {
    let (mut off, mut moved) = (0.0, 0.0);
    for index in 0..120 {
        let (small, large, other) = (drawn(3, index, 32), drawn(3, index, 64), drawn(3, index + 6, 32));
        for (place, &level) in small.iter().enumerate() {
            let (plane, y, x) = (place / 1024, place / 32 % 32, place % 32);
            let at = |dy, dx| f64::from(large[(plane * 64 + 2 * y + dy) * 64 + 2 * x + dx]);
            let mean = (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) / 4.0;
            off += (mean - f64::from(level)).abs();
            moved += (mean - f64::from(other[place])).abs();
        }
    }
    let count = 120.0 * 3072.0;
    // Edges are hard on a canvas of 128 or 256 pixels: measured 0.34 of a level; another scene of the kind is 30 away.
    assert!(off / count < 0.5 && moved / count > 10.0, "{} {}", off / count, moved / count);
}

/// What a picture is summed up by: means of 4×4 fields of each channel, and how much neighbours differ across and down.
fn figures(levels: &[u8]) -> Vec<f64> {
    let at = |plane: usize, y: usize, x: usize| f64::from(levels[(plane * 32 + y) * 32 + x]);
    let field = |plane: usize, top: usize, left: usize| {
        (0..64).map(|place| at(plane, top + place / 8, left + place % 8)).sum::<f64>() / 64.0
    };
    let mut figures: Vec<f64> = (0..48).map(|number| field(number / 16, number / 4 % 4 * 8, number % 4 * 8)).collect();
    for plane in 0..3 {
        let pairs = || (0..31 * 31).map(|place| (place / 31, place % 31));
        figures.push(pairs().map(|(y, x)| (at(plane, y, x + 1) - at(plane, y, x)).abs()).sum());
        figures.push(pairs().map(|(y, x)| (at(plane, y + 1, x) - at(plane, y, x)).abs()).sum());
    }
    figures
}

fn mean_and_variance(values: &[f64]) -> [f64; 2] {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    [mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0)]
}

#[test]
fn worlds_are_like_those_of_the_program_that_drew_them_first() {
    // tests/data/worlds/make.py
    let recorded: BTreeMap<String, Vec<[f64; 2]>> =
        serde_json::from_str(include_str!("../../data/worlds/figures.json")).unwrap();
    assert!(recorded.keys().eq(&KINDS));
    let mut squares = Vec::new();
    for (number, (name, figures_of_kind)) in recorded.iter().enumerate() {
        let ours: Vec<Vec<f64>> = (0..600).map(|index| figures(&drawn(4, 6 * index + number as u64, 32))).collect();
        assert_eq!(figures_of_kind.len(), ours[0].len());
        for (figure, [mean, variance]) in figures_of_kind.iter().enumerate() {
            let values: Vec<f64> = ours.iter().map(|figures| figures[figure]).collect();
            let [our_mean, our_variance] = mean_and_variance(&values);
            let off = (mean - our_mean) / (variance / 4000.0 + our_variance / 600.0).sqrt();
            assert!(off.abs() < 5.0, "{name}, figure {figure}: {our_mean}, not {mean}: {off} standard errors");
            let ratio = our_variance / variance;
            assert!(
                (0.6..1.6).contains(&ratio),
                "{name}, figure {figure}: variances are {ratio} of what they are there"
            );
            squares.push(off * off);
        }
    }
    // Of two samples by one program 1 on average; as neighbouring fields are alike, 0.2 is one standard deviation
    // (measured with samples of those).
    let mean = squares.iter().sum::<f64>() / squares.len() as f64;
    assert!(mean < 1.8, "{mean}");
}
