//! Training classifiers, of clean pictures and of noised ones.

mod accuracy;
mod augment;
mod loss;

pub use accuracy::accuracy;
pub use augment::Augmentation;
pub use loss::cross_entropy;

use super::init::started;
use super::{LEARNING_RATE, MUON_RATE, Muon, Optimizer, OptimizerError, OptimizerState, Pace, WEIGHT_DECAY, norm};
use crate::data::{Data, Order, Preparation};
use crate::network::{Classifier, GradientError, Learner, Weights, WeightsError};
use crate::registry::Choice;
use crate::score::ClassifierDescription;
use crate::sde::Range;
use crate::solver::{Purpose, Stream, Words};
use burn::tensor::Device;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The share of updates over which the learning rate grows.
const WARM_UP: f64 = 0.1;
/// The share of pictures without noise, where a classifier is told the noise level.
const CLEAN: f64 = 0.1;

/// Why a classifier cannot be trained, or be trained on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ClassifierError {
    #[error("the data have no classes; choose a set with a folder for each class, or worlds:32")]
    NoClasses,
    #[error("the data have the classes {found:?}, not {expected:?}; choose data of the same kinds")]
    OtherClasses { expected: Vec<String>, found: Vec<String> },
    #[error("the pictures are {found:?} (channels, height, width), not {expected:?}; choose --size and --channels")]
    Shape { expected: [usize; 3], found: [usize; 3] },
    #[error("there is no picture; choose other data")]
    Empty,
    #[error("the loss is not a number after {images} images; choose a smaller learning rate")]
    NotFinite { images: u64 },
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Optimizer(#[from] OptimizerError),
    #[error("the device failed: {0}")]
    Device(String),
}

/// What decides a training, beside the data and what is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassifierTraining {
    /// Images seen in all, in whole batches.
    pub images: u64,
    /// Images of one update.
    pub batch: usize,
    pub seed: u64,
    pub optimizer: Choice<dyn Optimizer>,
    /// What all classes get of the target alike, 0 to 1.
    pub smoothing: f64,
    /// Half of the draws are mirrored.
    pub flips: bool,
    pub augmentation: Augmentation,
}

impl Default for ClassifierTraining {
    /// The usual recipe for pictures of 32×32 pixels.
    fn default() -> Self {
        let muon: Choice<dyn Optimizer> = Choice::new(&Muon);
        ClassifierTraining {
            images: 500_000,
            batch: 256,
            seed: 0,
            optimizer: muon.with(&MUON_RATE, 0.02).with(&LEARNING_RATE, 2e-3).with(&WEIGHT_DECAY, 0.02),
            smoothing: 0.1,
            flips: true,
            augmentation: Augmentation { shift: 4, cutout: 0 },
        }
    }
}

/// A training on its way.
#[derive(Debug)]
pub struct ClassifierTrainer {
    training: ClassifierTraining,
    description: ClassifierDescription,
    weights: Weights,
    optimizer: OptimizerState<f32>,
    images: u64,
    /// What is kept on the device.
    learner: Learner,
}

/// How one update went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Images seen so far.
    pub images: u64,
    /// Mean cross-entropy of the batch, in nats.
    pub loss: f64,
    /// Share of the batch that was told right.
    pub right: f64,
}

/// Pictures as they go into the network.
struct Batch {
    x: Vec<f32>,
    places: Vec<f64>,
    labels: Vec<u32>,
}

impl ClassifierTrainer {
    /// Before the first update. `description` says what is trained.
    pub fn new(training: ClassifierTraining, description: ClassifierDescription) -> Self {
        let weights = started(description.config.plan(), training.seed);
        ClassifierTrainer::of(training, description, weights)
    }

    /// From weights that were trained before.
    pub fn of(training: ClassifierTraining, description: ClassifierDescription, weights: Weights) -> Self {
        let optimizer = OptimizerState::new(&training.optimizer, &description.config.plan());
        ClassifierTrainer { training, description, weights, optimizer, images: 0, learner: Learner::default() }
    }

    /// The weights as they are.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// What is trained.
    pub fn description(&self) -> &ClassifierDescription {
        &self.description
    }

    /// Whether all images have been seen.
    pub fn is_done(&self) -> bool {
        self.images >= self.training.images
    }

    /// One update, by a graphics device's own kernels, or on the CPU.
    ///
    /// # Errors
    /// If the data are not of these classes and this shape, the device fails, or the loss is not finite; the weights are then
    /// as they were.
    pub fn step(&mut self, data: &Data, device: &Device) -> Result<Progress, ClassifierError> {
        let count = self.training.batch.max(1);
        let batch = self.batch(data, count)?;
        let losses = Mutex::new(vec![(0.0, false); count]);
        let smoothing = self.training.smoothing;
        let at_output = |images: std::ops::Range<usize>, values: &mut [f32]| {
            let labels = batch.labels.get(images.clone()).unwrap_or_default();
            let found = cross_entropy(values, labels, smoothing, count);
            let mut losses = losses.lock().unwrap_or_else(PoisonError::into_inner);
            losses.iter_mut().skip(images.start).zip(found).for_each(|(loss, found)| *loss = found);
        };
        let (config, Batch { x, places, .. }) = (&self.description.config, &batch);
        let failed = |error: GradientError| ClassifierError::Device(error.to_string());
        let there = self.learner.gradients_of_classifier(config, &self.weights, device, x, places, &at_output);
        let gradients = match there.map_err(failed)? {
            Some(gradients) => gradients,
            None => Classifier::new(config, &self.weights, &Device::flex().autodiff())?
                .gradients(x, places, &at_output)
                .ok_or_else(|| ClassifierError::Device("it has no gradients".into()))?,
        };
        let losses = losses.into_inner().unwrap_or_else(PoisonError::into_inner);
        let loss = losses.iter().map(|(loss, _)| loss).sum::<f64>() / count as f64;
        let right = losses.iter().filter(|(_, right)| *right).count() as f64 / count as f64;
        self.update(&gradients, loss)?;
        self.images += count as u64;
        Ok(Progress { images: self.images, loss, right })
    }

    fn update(&mut self, gradients: &[Vec<f32>], loss: f64) -> Result<(), ClassifierError> {
        let gradients: Vec<&[f32]> = gradients.iter().map(Vec::as_slice).collect();
        let norm = norm(&gradients);
        if !loss.is_finite() || !norm.is_finite() {
            return Err(ClassifierError::NotFinite { images: self.images });
        }
        let share = self.images as f64 / self.training.images.max(1) as f64;
        let pace = Pace { rate: pace(share), gradient: self.training.optimizer.clip(norm) };
        let mut slots: HashMap<&str, &mut [f32]> =
            self.weights.iter_mut().map(|(name, array)| (name.as_str(), array.values.as_mut_slice())).collect();
        let names: Vec<String> = self.optimizer.names().map(str::to_owned).collect();
        let mut weights: Vec<&mut [f32]> = names.iter().filter_map(|name| slots.remove(name.as_str())).collect();
        Ok(self.optimizer.update(pace, &mut weights, &gradients)?)
    }

    /// The next images, augmented, noised and scaled.
    fn batch(&self, data: &Data, count: usize) -> Result<Batch, ClassifierError> {
        self.description.suits(data)?;
        let (seed, shape) = (self.training.seed, data.shape());
        let preparation = Preparation { range: Range::Symmetric, flips: self.training.flips, dequantises: false };
        let order = Order { seed, len: data.len() };
        let drawn = data.batch(&order, self.images, count, &preparation);
        let labels = drawn.labels.ok_or(ClassifierError::NoClasses)?;
        let mut x = drawn.images.values.to_vec();
        let size = shape.iter().product::<usize>().max(1);
        let prepare = |(offset, values): (usize, &mut [f32])| {
            let n = self.images + offset as u64;
            self.training.augmentation.apply(seed, n, shape, values);
            let ratio = if self.description.config.conditional { ratio(seed, n) } else { 0.0 };
            let (scale, label) = self.description.place(ratio);
            noised(seed, n, ratio, values);
            values.iter_mut().for_each(|value| *value *= scale as f32);
            label
        };
        let places = x.par_chunks_mut(size).enumerate().map(prepare).collect();
        Ok(Batch { x, places, labels })
    }
}

impl ClassifierDescription {
    /// Whether such a classifier can be trained on data.
    ///
    /// # Errors
    /// If they have other classes or another shape, or there are none.
    pub fn suits(&self, data: &Data) -> Result<(), ClassifierError> {
        self.check(data, data.shape() == self.config.shape())
    }

    /// Whether such a classifier can be measured on data: they may be a whole number of times as large.
    ///
    /// # Errors
    /// Those of [`ClassifierDescription::suits`].
    pub fn reads(&self, data: &Data) -> Result<(), ClassifierError> {
        self.check(data, self.shrinks(data.shape()).is_some())
    }

    fn check(&self, data: &Data, fits: bool) -> Result<(), ClassifierError> {
        let found: Vec<String> = data.class_names().into_iter().map(str::to_owned).collect();
        if data.is_empty() {
            Err(ClassifierError::Empty)
        } else if found.is_empty() {
            Err(ClassifierError::NoClasses)
        } else if found != self.classes {
            Err(ClassifierError::OtherClasses { expected: self.classes.clone(), found })
        } else if !fits {
            Err(ClassifierError::Shape { expected: self.config.shape(), found: data.shape() })
        } else {
            Ok(())
        }
    }
}

/// What the learning rate is multiplied with when this share of a training is over: it grows, then falls to 0, in straight
/// lines.
fn pace(share: f64) -> f64 {
    (share / WARM_UP + 0.01).min((1.0 - share) / (1.0 - WARM_UP)).clamp(0.0, 1.0)
}

/// σ/α of draw n: 0 for some, for the others uniform in the logarithm.
fn ratio(seed: u64, n: u64) -> f64 {
    let mut words = Words::new(seed, Purpose::Time, n);
    let [lowest, highest] = ClassifierDescription::ratios();
    if words.uniform() < CLEAN { 0.0 } else { lowest * (highest / lowest).powf(words.uniform()) }
}

/// Adds the noise of draw n.
fn noised(seed: u64, n: u64, ratio: f64, values: &mut [f32]) {
    if ratio > 0.0 {
        let mut noise = vec![0.0; values.len()];
        Stream::new(seed, Purpose::Training, [(n >> 32) as u32, n as u32]).normals(&mut noise);
        values.iter_mut().zip(noise).for_each(|(value, z)| *value += ratio as f32 * z);
    }
}
