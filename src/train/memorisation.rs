//! Whether a network learns its data or copies them.
//!
//! A perfect network of its training pictures alone has their exact score, which only ever gives these pictures back. So
//! pictures that the training never saw tell: one that learns denoises them as well as those that it saw, one that copies
//! as badly as the exact score of those.

use crate::data::Data;
use crate::score::{ImageSet, InRange, ScoreError, ScoreModel, denoised};
use crate::sde::{Level, Range};
use crate::solver::{Noise, NoiseSource, Purpose};
use crate::{Image, Pixels};
use burn::tensor::{Device, Tensor, TensorData};

/// Pictures of each kind that are denoised at each noise level.
const PICTURES: usize = 16;
/// Training pictures that the exact score is of, at most.
const MOST: usize = 50_000;
/// Noise levels σ/α, for data in [−1, 1].
const RATIOS: [f64; 8] = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4];

/// Measures it.
pub struct Memorisation {
    set: ImageSet,
    /// N×C×H×W in [−1, 1].
    seen: Pixels<f32>,
    unseen: Pixels<f32>,
}

/// Errors of denoised images at one noise level: root mean squares over all values in [−1, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Remembered {
    /// σ/α, for data in [−1, 1].
    pub ratio: f64,
    /// Of the network, for training pictures.
    pub seen: f64,
    /// Of the network, for pictures that it never saw.
    pub unseen: f64,
    /// Of the exact score of its training pictures, for those that it never saw.
    pub exact: f64,
}

impl Remembered {
    /// 0: unseen pictures are denoised as well as training pictures; 1: as badly as by the exact score of these. `None`
    /// where noise is so small or so large that the two hardly differ.
    pub fn copying(&self) -> Option<f64> {
        let room = self.exact - self.seen;
        (room > 0.1 * self.exact).then(|| ((self.unseen - self.seen) / room).clamp(0.0, 1.0))
    }
}

/// The mean of [`Remembered::copying`] over the noise levels.
pub fn copying(all: &[Remembered]) -> Option<f64> {
    let known: Vec<f64> = all.iter().filter_map(Remembered::copying).collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

impl Memorisation {
    /// For data whose training pictures and held-out ones these are; `None` where there is no end of them, or none is held
    /// out: then nothing can be copied, or nobody can tell.
    pub fn new(training: &Data, held_out: &Data, device: &Device) -> Option<Self> {
        let (all, unseen) = (training.len()?, held_out.len()?);
        if unseen == 0 || all < PICTURES as u64 {
            return None;
        }
        let set = training.first(MOST);
        let set = ImageSet::new(set.values, training.shape(), device);
        Some(Memorisation { set, seen: some(training), unseen: some(held_out) })
    }

    /// What a network remembers, by noise level. The noise is the same each time.
    ///
    /// # Errors
    /// Whatever the model answers.
    pub fn measure(&self, model: &dyn ScoreModel, device: &Device) -> Result<Vec<Remembered>, ScoreError> {
        let model = InRange::new(model, Range::Symmetric);
        let (low, high) = model.ratios().unwrap_or((0.0, f64::INFINITY));
        let within = RATIOS.into_iter().enumerate().filter(|(_, ratio)| (low..=high).contains(ratio));
        within.map(|(step, ratio)| self.at(&model, step, ratio, device)).collect()
    }

    fn at(&self, model: &dyn ScoreModel, step: usize, ratio: f64, device: &Device) -> Result<Remembered, ScoreError> {
        let level = [Level::new(1.0, ratio)];
        let noised = |pixels: &Pixels<f32>| {
            let [count, c, h, w] = pixels.shape;
            let clean: Image = Tensor::from_data(TensorData::new(pixels.values.to_vec(), pixels.shape), device);
            let noise = Noise { seed: 0, first: 0, count, shape: [c, h, w], device: device.clone() };
            let x = clean.clone() + noise.normal(step, Purpose::Training) * ratio;
            (clean, x)
        };
        let error = |of: &dyn ScoreModel, pixels: &Pixels<f32>| {
            let (clean, x) = noised(pixels);
            let score = of.score(&x, &level)?;
            let square: Vec<f32> = (denoised(&x, &score, &level) - clean).square().mean().try_into_vec_as()?;
            Ok::<f64, ScoreError>(square.first().map_or(0.0, |square| f64::from(*square).sqrt()))
        };
        Ok(Remembered {
            ratio,
            seen: error(model, &self.seen)?,
            unseen: error(model, &self.unseen)?,
            exact: error(&self.set, &self.unseen)?,
        })
    }
}

/// Some pictures, spread over all.
fn some(data: &Data) -> Pixels<f32> {
    let [c, h, w] = data.shape();
    let all = data.len().unwrap_or(0);
    let count = (all as usize).min(PICTURES);
    let mut levels = vec![0; c * h * w];
    let mut values = Vec::with_capacity(count * levels.len());
    for number in 0..count as u64 {
        data.picture(number * all / count.max(1) as u64, &mut levels);
        values.extend(levels.iter().map(|&level| f32::from(level) / 127.5 - 1.0));
    }
    Pixels { shape: [count, c, h, w], values: values.into() }
}
