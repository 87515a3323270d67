//! Consistency models (Song et al. 2023): networks that answer the same all along a trajectory of the probability-flow ODE,
//! and at its end what is there, so that one evaluation leads from noise to data.
//!
//! At two neighbouring noise levels of one trajectory the answer at the farther is drawn to that at the nearer, which is
//! not differentiated. The answer is the denoised image: at the least noise it is the input, as EDM's preconditioning has it
//! exactly, and α·x − σ·v within σ/α, which is a thousandth there.
//!
//! States here are y = x/α, and noise levels σ stand for σ/α, whatever the network's own path.

use super::Regression;
use crate::network::{Architecture, GradientError, Labels, Network, Weights};
use crate::score::{Conditioning, Description, Place};
use crate::sde::Level;
use crate::solver::{Purpose, Words};
use burn::tensor::{Device, Tensor, TensorData};

/// Where the nearer of two states of a trajectory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nearer {
    /// The same image with less of the same noise: without a teacher, right in the limit of many levels.
    SameNoise,
    /// A step of Heun's method by a teacher that denoises.
    Teacher,
}

/// Levels of the discretisation at first and at last, less one (Song and Dhariwal 2024, section 3.4).
const COUNTS: [f64; 2] = [10.0, 1280.0];
/// Their spacing (Karras et al. 2022, eq. 5).
const RHO: f64 = 7.0;
/// Mean and standard deviation of ln σ, by which pairs are drawn (Song and Dhariwal 2024, section 3.5).
const LAW: [f64; 2] = [-1.1, 2.0];
/// Of the pseudo-Huber loss, over the square root of the number of values (section 3.3).
const HUBER: f64 = 0.00054;

/// Noise levels σ, growing, at a step of a training of so many: their number doubles at equal shares of it.
pub fn levels([least, most]: [f64; 2], step: u64, steps: u64) -> Vec<f64> {
    let [first, last] = COUNTS;
    let stages = (last / first).log2().floor() + 1.0;
    let stage = (step as f64 / (steps as f64 / stages).floor().max(1.0)).floor();
    let count = (first * 2.0_f64.powf(stage)).min(last);
    let root = |sigma: f64| sigma.powf(1.0 / RHO);
    let level = |index: usize| (root(least) + index as f64 / count * (root(most) - root(least))).powf(RHO);
    (0..=count as usize).map(level).collect()
}

/// Whether these are the levels of the first part of a training.
pub fn is_first_stage(levels: &[f64]) -> bool {
    levels.len() <= COUNTS[0] as usize + 1
}

/// How pairs of levels are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// By a log-normal level that lies between them, so that what matters most is drawn most (Song and Dhariwal 2024,
    /// eq. 12).
    LogNormal,
    /// Each as often (Song et al. 2023, algorithms 2 and 3): for networks of other paths, whose first level is far beyond
    /// that law.
    Evenly,
}

impl Drawn {
    /// That of a network.
    pub fn of(description: &Description) -> Drawn {
        if description.config.sigma_data().is_some() { Drawn::LogNormal } else { Drawn::Evenly }
    }
}

/// The nearer and the farther level of each image.
pub fn pairs(levels: &[f64], drawn: Drawn, seed: u64, first: u64, images: usize) -> Vec<[f64; 2]> {
    let [mean, std] = LAW;
    let pair = |image: u64| {
        let mut words = Words::new(seed, Purpose::Time, image);
        let ends = match drawn {
            // Nearly all are inside.
            Drawn::LogNormal => (0..100).find_map(|_| {
                let sigma = (mean + std * words.normal()).exp();
                levels.windows(2).find(|ends| (ends[0]..ends[1]).contains(&sigma))
            }),
            Drawn::Evenly => levels.windows(2).nth((words.uniform() * (levels.len() - 1) as f64) as usize),
        };
        ends.or_else(|| levels.get(..2)).and_then(|ends| ends.try_into().ok()).unwrap_or([1.0, 2.0])
    };
    (0..images as u64).map(|image| pair(first + image)).collect()
}

/// A network of the moment, which answers denoised images, N×D, at a noise level σ of each.
pub struct Answers<'a> {
    network: Network,
    conditioning: &'a Conditioning,
    classes: &'a [Option<usize>],
    device: &'a Device,
}

impl<'a> Answers<'a> {
    /// Of these weights; `classes` are those of the images.
    ///
    /// # Errors
    /// If the weights are not the network's.
    pub fn new(
        architecture: &Architecture,
        weights: &Weights,
        conditioning: &'a Conditioning,
        classes: &'a [Option<usize>],
        device: &'a Device,
    ) -> Result<Self, GradientError> {
        let network = Network::new(architecture, weights, device)?;
        Ok(Answers { network, conditioning, classes, device })
    }

    /// D(y; σ).
    ///
    /// # Errors
    /// If the device fails.
    pub fn denoised(&self, x: &[f32], sigmas: &[f64]) -> Result<Vec<f32>, GradientError> {
        let places: Vec<Place> = sigmas.iter().map(|&sigma| place(self.conditioning, sigma)).collect();
        let size = (x.len() / sigmas.len().max(1)).max(1);
        let inputs = rows(x, size, &places, input);
        let [c, h, w] = self.conditioning.description().config.shape();
        let inputs = Tensor::from_data(TensorData::new(inputs, [sigmas.len(), c, h, w]), self.device);
        let levels: Vec<f64> = places.iter().map(|place| place.label).collect();
        let labels = Labels { levels: &levels, classes: self.classes };
        let output: Vec<f32> = self.network.forward(inputs, labels)?.try_into_vec_as()?;
        let answer = rows(x, size, &places, kept);
        Ok(answer.iter().zip(rows(&output, size, &places, gain)).map(|(x, f)| x + f).collect())
    }
}

/// Where the network is at a noise level.
fn place(conditioning: &Conditioning, sigma: f64) -> Place {
    conditioning.nearest(Level::new(1.0, sigma))
}

/// What the network is given of y.
fn input(place: &Place) -> f64 {
    place.scale * place.alpha
}

/// What D = (x + σ²·score)/α is of y: 1 + σ²·skip. With EDM's preconditioning σ_data²/(σ² + σ_data²).
fn kept(place: &Place) -> f64 {
    1.0 + place.sigma * place.sigma * place.skip
}

/// What D is of the network's output.
fn gain(place: &Place) -> f64 {
    place.sigma * place.sigma * place.gain / place.alpha
}

/// Each image times a factor of its place.
fn rows(x: &[f32], size: usize, places: &[Place], factor: impl Fn(&Place) -> f64) -> Vec<f32> {
    let scaled = |(x, place): (&[f32], &Place)| {
        let factor = factor(place) as f32;
        x.iter().map(|x| x * factor).collect::<Vec<f32>>()
    };
    x.chunks(size).zip(places).flat_map(scaled).collect()
}

/// Images and noise, N×D each, at a noise level σ of each.
pub fn noised(clean: &[f32], noise: &[f32], sigmas: &[f64]) -> Vec<f32> {
    let size = (clean.len() / sigmas.len().max(1)).max(1);
    let images = clean.chunks(size).zip(noise.chunks(size)).zip(sigmas);
    let of = |((clean, noise), &sigma): ((&[f32], &[f32]), &f64)| {
        clean.iter().zip(noise).map(|(x, z)| x + sigma as f32 * z).collect::<Vec<f32>>()
    };
    images.flat_map(of).collect()
}

/// From the farther levels to the nearer ones by one step of Heun's method on dx/dσ = (x − D)/σ.
///
/// # Errors
/// If the device fails.
pub fn heun(
    denoised: impl Fn(&[f32], &[f64]) -> Result<Vec<f32>, GradientError>,
    x: &[f32],
    pairs: &[[f64; 2]],
) -> Result<Vec<f32>, GradientError> {
    let size = (x.len() / pairs.len().max(1)).max(1);
    let [near, far]: [Vec<f64>; 2] = [0, 1].map(|end| pairs.iter().map(|pair| pair[end]).collect());
    let slope = |x: &[f32], sigmas: &[f64]| -> Result<Vec<f32>, GradientError> {
        let clean = denoised(x, sigmas)?;
        Ok(x.iter().zip(clean).enumerate().map(|(at, (x, d))| (x - d) / sigmas[at / size] as f32).collect())
    };
    let along = |slopes: &[f32]| -> Vec<f32> {
        x.iter().zip(slopes).enumerate().map(|(at, (x, s))| x + (near[at / size] - far[at / size]) as f32 * s).collect()
    };
    let first = slope(x, &far)?;
    let second = slope(&along(&first), &near)?;
    let mean: Vec<f32> = first.iter().zip(second).map(|(a, b)| 0.5 * (a + b)).collect();
    Ok(along(&mean))
}

/// The regression of a network's answer at the farther levels, where it sees `far` (N×D), on a target: weighted by
/// 1/(σ′ − σ), with the pseudo-Huber loss (Song and Dhariwal 2024, section 3.3 and 3.5).
pub fn regression(
    conditioning: &Conditioning,
    far: &[f32],
    target: &[f32],
    pairs: &[[f64; 2]],
    classes: Vec<Option<usize>>,
) -> Regression<f32> {
    let places: Vec<Place> = pairs.iter().map(|[_, far]| place(conditioning, *far)).collect();
    let size = (far.len() / pairs.len().max(1)).max(1);
    let kept = rows(far, size, &places, kept);
    Regression {
        inputs: rows(far, size, &places, input),
        labels: places.iter().map(|place| place.label).collect(),
        classes,
        gains: places.iter().map(gain).collect(),
        offsets: kept.iter().zip(target).map(|(x, target)| x - target).collect(),
        weights: pairs.iter().map(|[near, far]| 1.0 / (far - near)).collect(),
        huber: Some(HUBER * (size as f64).sqrt()),
    }
}
