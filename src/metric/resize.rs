//! How images come to the size of the Inception network: every published program has a way of its own, and their distances
//! differ.

use crate::registry::{Category, Entry, entry};

/// A rule of resizing.
pub trait Resize: Entry {
    /// For each of `to` places, the first of `from` places that it is made of and their weights.
    fn taps(&self, from: usize, to: usize) -> Vec<Taps>;

    /// What the network is given for a grey level.
    fn scaled(&self, level: f64) -> f64 {
        (level - 128.0) / 128.0
    }
}

/// What one place is made of.
#[derive(Clone, Debug)]
pub struct Taps {
    pub first: usize,
    pub weights: Vec<f64>,
}

entry! {
    /// Bilinear with half-pixel centres and without antialiasing, as PyTorch has it.
    PytorchFid {
        slug: "pytorch-fid",
        name: "pytorch-fid",
        summary: "Bilinear, half-pixel centres, no antialiasing",
        source: "pytorch-fid 0.3",
    }
}

entry! {
    /// Bilinear without half-pixel centres, as in TensorFlow 1 and the published FID.
    Tf1 {
        slug: "tf1",
        aliases: ["torch-fidelity"],
        name: "TensorFlow 1, torch-fidelity",
        summary: "Bilinear, corner-aligned as in TensorFlow 1",
        source: "Heusel et al. 2017",
    }
}

entry! {
    /// Bicubic with antialiasing, in floating point.
    CleanFid {
        slug: "clean-fid",
        name: "clean-fid",
        summary: "Bicubic with antialiasing",
        source: "Parmar et al. 2022",
    }
}

impl Category for dyn Resize {
    const NAME: &'static str = "resize";

    fn all() -> &'static [&'static Self] {
        &[&PytorchFid, &Tf1, &CleanFid]
    }
}

impl Resize for PytorchFid {
    fn taps(&self, from: usize, to: usize) -> Vec<Taps> {
        let step = from as f64 / to as f64;
        (0..to).map(|place| linear(((place as f64 + 0.5) * step - 0.5).max(0.0), from)).collect()
    }

    fn scaled(&self, level: f64) -> f64 {
        2.0 * level / 255.0 - 1.0
    }
}

impl Resize for Tf1 {
    fn taps(&self, from: usize, to: usize) -> Vec<Taps> {
        let step = from as f64 / to as f64;
        (0..to).map(|place| linear(place as f64 * step, from)).collect()
    }
}

/// Between two places.
fn linear(at: f64, from: usize) -> Taps {
    let last = from.saturating_sub(1);
    let first = (at as usize).min(last);
    let share = at - first as f64;
    match first == last {
        true => Taps { first, weights: vec![1.0] },
        false => Taps { first, weights: vec![1.0 - share, share] },
    }
}

impl Resize for CleanFid {
    fn taps(&self, from: usize, to: usize) -> Vec<Taps> {
        let step = from as f64 / to as f64;
        let widened = step.max(1.0);
        let taps = |place: usize| {
            let centre = (place as f64 + 0.5) * step;
            let first = (centre - 2.0 * widened + 0.5).max(0.0) as usize;
            let end = ((centre + 2.0 * widened + 0.5) as usize).min(from);
            let weight = |at: usize| cubic((at as f64 - centre + 0.5) / widened);
            let weights: Vec<f64> = (first..end).map(weight).collect();
            let sum: f64 = weights.iter().sum();
            Taps { first, weights: weights.into_iter().map(|weight| weight / sum).collect() }
        };
        (0..to).map(taps).collect()
    }
}

/// Keys' cubic with a = −½.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// Resizes one channel, H×W grey levels, in [0, 255]: first in rows, then in columns.
pub fn resized<T: Copy + Into<f64>>(plane: &[T], width: usize, across: &[Taps], down: &[Taps]) -> Vec<f64> {
    let mut wide = Vec::with_capacity(plane.len() / width.max(1) * across.len());
    for row in plane.chunks_exact(width) {
        wide.extend(across.iter().map(|taps| {
            let levels = row[taps.first..].iter().zip(&taps.weights);
            levels.map(|(&level, weight)| level.into() * weight).sum::<f64>()
        }));
    }
    let mut all = Vec::with_capacity(across.len() * down.len());
    for taps in down {
        let mut line = vec![0.0; across.len()];
        for (row, weight) in wide.chunks_exact(across.len()).skip(taps.first).zip(&taps.weights) {
            line.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
        }
        // Cubic weights overshoot.
        all.extend(line.into_iter().map(|value: f64| value.clamp(0.0, 255.0)));
    }
    all
}
