//! The training loop: one step after the other, each a function of the training, the data and the step's number.

use super::{
    Answers, Average, Draw, Drawn, LossGradient, Nearer, OptimizerError, OptimizerState, Pace, Path, Position, Power,
    Regression, SIGMA_REL, Training, TrainingError, Update, consistency_regression, draw, follow, heun,
    initial_weights, is_first_stage, levels, loss_gradient, noised, norm, pairs,
};
use crate::data::{Data, Order, Preparation};
use crate::network::{Array, Dropout, GradientError, Learner, Network, Weights, WeightsError};
use crate::registry::Choice;
use crate::score::{Conditioning, Description};
use crate::solver::{Purpose, Stream, Words};
use burn::tensor::Device;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Widths of the averages of which others are made afterwards (Karras et al. 2024).
pub const WIDTHS: [f64; 2] = [0.05, 0.10];

/// A training under way.
pub struct Trainer {
    training: Training,
    data: Data,
    order: Order,
    conditioning: Conditioning,
    path: Path,
    /// What a consistency model is taught by.
    teacher: Option<(Conditioning, Weights)>,
    /// Steps done.
    steps: u64,
    weights: Weights,
    optimizer: OptimizerState<f32>,
    average: Weights,
    /// Where snapshots are stored, one for each of [`WIDTHS`].
    powers: Vec<(Choice<dyn Average>, Weights)>,
    /// What is kept on the device.
    learner: Learner,
}

/// What one step showed.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// Its number, from 1.
    pub step: u64,
    /// Images seen, those of this step included.
    pub images: u64,
    /// Mean over the batch.
    pub loss: f64,
    /// σ/α and loss of each image.
    pub losses: Vec<(f64, f64)>,
    /// Euclidean norm of the whole gradient, before it is clipped.
    pub gradient: f64,
    /// What the learning rate was multiplied by.
    pub pace: f64,
}

/// Why a training cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(transparent)]
    Training(#[from] TrainingError),
    #[error(
        "the loss is not finite at step {step} (σ/α = {ratio:.3}); the weights before it are kept: go on from them with \
         a smaller learning rate, or with gradient clipping"
    )]
    NotFinite { step: u64, ratio: f64 },
    #[error(
        "the gradient is not finite at step {step}; the weights before it are kept: go on from them with a smaller \
         learning rate"
    )]
    Gradient { step: u64 },
    #[error(transparent)]
    Network(#[from] GradientError),
    #[error(transparent)]
    Optimizer(#[from] OptimizerError),
}

impl From<WeightsError> for TrainError {
    fn from(error: WeightsError) -> Self {
        TrainError::Network(error.into())
    }
}

/// All that a training has made so far: with the [`Training`] and the data it is all that the next step depends on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub steps: u64,
    /// Named arrays: weights, moments and averages.
    pub arrays: Weights,
}

/// What the names of a state's arrays begin with.
const WEIGHTS: &str = "weights/";
const MOMENTS: &str = "moments/";
const AVERAGE: &str = "average/";

impl Trainer {
    /// A training at its beginning, from the weights of a new network, or from these.
    ///
    /// # Errors
    /// If it cannot be done, or the weights are not the network's.
    pub fn new(mut training: Training, data: Data, start: Option<Weights>) -> Result<Trainer, TrainError> {
        training.check()?;
        training.tell_classes(&data.class_names())?;
        let architecture = &training.network.config;
        let (shape, network) = (data.shape(), architecture.shape());
        if shape != network {
            return Err(TrainingError::Shape { data: shape, network }.into());
        }
        if let Some(found) = data.len().filter(|&found| found < Training::LEAST) {
            return Err(TrainingError::Few { found }.into());
        }
        let teaches = training.is_taught();
        if teaches && start.is_none() {
            return Err(TrainingError::NoTeacher.into());
        }
        if teaches {
            training.bound_answers();
        }
        let architecture = &training.network.config;
        let predicts = training.start_predicts.unwrap_or(training.network.predicts);
        let of_teacher = || Conditioning::new(Description { predicts, ..training.network.clone() });
        let teacher = start.clone().filter(|_| teaches).map(|weights| (of_teacher(), weights));
        let weights = start.unwrap_or_else(|| initial_weights(architecture, training.seed));
        // Refuses weights that do not fit.
        Network::new(architecture, &weights, &Device::flex())?;
        let optimizer = OptimizerState::new(&training.optimizer, &architecture.plan());
        let conditioning = Conditioning::new(training.network.clone());
        let power = |&width: &f64| {
            let mut choice = Choice::<dyn Average>::new(&Power);
            choice.settings_mut().set_nearest(&SIGMA_REL, width);
            (choice, weights.clone())
        };
        let powers = if training.snapshots > 0 { WIDTHS.iter().map(power).collect() } else { Vec::new() };
        Ok(Trainer {
            order: Order { seed: training.seed, len: data.len() },
            path: Path::of(&conditioning),
            conditioning,
            teacher,
            steps: 0,
            average: weights.clone(),
            powers,
            weights,
            optimizer,
            data,
            training,
            learner: Learner::default(),
        })
    }

    /// What is trained.
    pub fn training(&self) -> &Training {
        &self.training
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Images seen.
    pub fn images(&self) -> u64 {
        self.steps * self.training.batch as u64
    }

    /// Whether all steps are done.
    pub fn is_done(&self) -> bool {
        self.steps >= self.training.steps()
    }

    /// The weights as they are now.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Their average, which is what the network is used with.
    pub fn average(&self) -> &Weights {
        &self.average
    }

    /// The power-function averages, with their widths.
    pub fn powers(&self) -> impl Iterator<Item = (f64, &Weights)> {
        WIDTHS.into_iter().zip(&self.powers).map(|(width, (_, weights))| (width, weights))
    }

    /// Does a step on a device.
    ///
    /// # Errors
    /// If the device fails, or a loss or the gradient is not finite; nothing has changed then.
    pub fn step(&mut self, device: &Device) -> Result<StepReport, TrainError> {
        let (step, batch) = (self.steps, self.training.batch);
        let preparation =
            Preparation { range: self.training.network.range, flips: self.training.flips, dequantises: false };
        let taken = self.data.batch(&self.order, step * batch as u64, batch, &preparation);
        let images = taken.images;
        let size = images.values.len() / batch;
        let mut noise = vec![0.0; images.values.len()];
        noise.par_chunks_mut(size).enumerate().for_each(|(image, noise)| {
            Stream::new(self.training.seed, Purpose::Training, [step as u32, image as u32]).normals(noise);
        });
        let classes = self.classes(step, taken.labels.as_deref());
        let (draws, regression) = match self.training.objective.entry().nearer() {
            Some(nearer) => self.consistency(nearer, &images.values, &noise, classes, device)?,
            None => {
                let draws = draw(&self.training.times, &self.path, self.training.seed, step as usize, batch);
                let objective = &self.training.objective;
                let regression = objective.regression(&self.conditioning, &images.values, &noise, &draws);
                (draws, Regression { classes, ..regression })
            }
        };

        let (architecture, dropout) = (&self.training.network.config, self.dropout(step));
        let LossGradient { losses, gradients } =
            loss_gradient(architecture, &self.weights, &regression, dropout, device, &mut self.learner)?;
        let sde = self.training.network.family.sde();
        let ratio = |place: usize| sde.level(draws[place].t).ratio();
        if let Some(place) = losses.iter().position(|loss| !loss.is_finite()) {
            return Err(TrainError::NotFinite { step: step + 1, ratio: ratio(place) });
        }

        let names: Vec<String> = self.optimizer.names().map(str::to_owned).collect();
        let of_names: Vec<&[f32]> = names.iter().filter_map(|name| gradients.get(name)).map(Vec::as_slice).collect();
        let gradient = norm(&of_names);
        if !gradient.is_finite() {
            return Err(TrainError::Gradient { step: step + 1 });
        }
        let at = Position { updates: step, images: step * batch as u64, batch: batch as u64 };
        let rate = self.training.schedule.factor(&at);
        let pace = Pace { rate, gradient: self.training.optimizer.clip(gradient) };
        let mut by_name: BTreeMap<&str, &mut [f32]> =
            self.weights.iter_mut().map(|(name, array)| (name.as_str(), array.values.as_mut_slice())).collect();
        let mut weights: Vec<&mut [f32]> = names.iter().filter_map(|name| by_name.remove(name.as_str())).collect();
        self.optimizer.update(pace, &mut weights, &of_names)?;
        self.steps += 1;

        let update = Update { number: self.steps, images: self.images(), batch: batch as u64 };
        let main = (&self.training.average, &mut self.average);
        let powers = self.powers.iter_mut().map(|(choice, average)| (&*choice, average));
        for (choice, average) in std::iter::once(main).chain(powers) {
            let decay = choice.decay(&update);
            let pairs: Vec<_> = average.values_mut().zip(self.weights.values()).collect();
            pairs.into_par_iter().for_each(|(average, weights)| follow(&mut average.values, &weights.values, decay));
        }
        Ok(StepReport {
            step: self.steps,
            images: self.images(),
            loss: losses.iter().sum::<f64>() / batch as f64,
            losses: losses.into_iter().enumerate().map(|(place, loss)| (ratio(place), loss)).collect(),
            gradient,
            pace: rate,
        })
    }

    /// The times of a batch and its regression on the network's own answers at less noise.
    fn consistency(
        &self,
        nearer: Nearer,
        clean: &[f32],
        noise: &[f32],
        classes: Vec<Option<usize>>,
        device: &Device,
    ) -> Result<(Vec<Draw>, Regression<f32>), TrainError> {
        let (sde, architecture) = (self.training.network.family.sde(), &self.training.network.config);
        let (least, most) = self.conditioning.ratios();
        let levels = levels([least, most], self.steps, self.training.steps());
        let batch = self.training.batch;
        let pairs =
            pairs(&levels, Drawn::of(&self.training.network), self.training.seed, self.steps * batch as u64, batch);
        let [near, far]: [Vec<f64>; 2] = [0, 1].map(|end| pairs.iter().map(|pair| pair[end]).collect());
        let classes_of = &classes;
        let answers = |conditioning, weights| Answers::new(architecture, weights, conditioning, classes_of, device);
        let outer = noised(clean, noise, &far);
        let teacher = self.teacher.as_ref().filter(|_| nearer == Nearer::Teacher);
        let teacher = teacher.map(|(conditioning, weights)| answers(conditioning, weights)).transpose()?;
        let target = match &teacher {
            // What the student answers is new to it.
            Some(teacher) if self.training.start_predicts.is_some() && is_first_stage(&levels) => {
                teacher.denoised(&outer, &far)?
            }
            Some(teacher) => {
                let inner = heun(|x, sigmas| teacher.denoised(x, sigmas), &outer, &pairs)?;
                answers(&self.conditioning, &self.weights)?.denoised(&inner, &near)?
            }
            None => answers(&self.conditioning, &self.weights)?.denoised(&noised(clean, noise, &near), &near)?,
        };
        let draws = far.iter().map(|&sigma| Draw::at(sde.time_of_ratio(sigma))).collect();
        Ok((draws, consistency_regression(&self.conditioning, &outer, &target, &pairs, classes.clone())))
    }

    /// The classes that the network is told in a step, of images with these labels.
    fn classes(&self, step: u64, labels: Option<&[u32]>) -> Vec<Option<usize>> {
        let (Some(labels), Some(share)) = (labels, self.training.label_dropout) else { return Vec::new() };
        let first = step * labels.len() as u64;
        let is_told = |n: u64| Words::new(self.training.seed, Purpose::Label, n).uniform() >= share;
        let class = |(place, &label): (usize, &u32)| is_told(first + place as u64).then_some(label as usize);
        labels.iter().enumerate().map(class).collect()
    }

    /// What a step leaves out.
    fn dropout(&self, step: u64) -> Option<Dropout> {
        let rate = self.training.dropout as f32;
        // Far from those of other trainings, whose seeds may be the next numbers.
        let seed = fastrand::Rng::with_seed(self.training.seed).u64(..).wrapping_add(step);
        (rate > 0.0).then_some(Dropout { rate, seed, first: 0 })
    }

    /// All that it has made so far, by name: what [`Trainer::restore`] takes.
    pub fn arrays(&self) -> Vec<(String, &[usize], &[f32])> {
        let mut all = named(WEIGHTS, &self.weights);
        all.extend(named(AVERAGE, &self.average));
        all.extend(self.power_arrays());
        let shapes: BTreeMap<&str, &[usize]> =
            self.weights.iter().map(|(name, array)| (name.as_str(), array.shape.as_slice())).collect();
        all.extend(self.optimizer.arrays().map(|(name, values)| {
            let shape = name.rsplit_once('.').and_then(|(parameter, _)| shapes.get(parameter));
            (format!("{MOMENTS}{name}"), shape.copied().unwrap_or_default(), values)
        }));
        all
    }

    /// The power-function averages by name.
    pub fn power_arrays(&self) -> Vec<(String, &[usize], &[f32])> {
        self.powers().flat_map(|(width, average)| named(&power_prefix(width), average)).collect()
    }

    /// Takes up a training where it was.
    ///
    /// # Errors
    /// If the state is not one of this training; it is then as it was.
    pub fn restore(&mut self, mut state: State) -> Result<(), TrainError> {
        let mut part = |prefix: &str, like: &Weights| -> Result<Weights, TrainError> {
            like.iter()
                .map(|(name, array)| {
                    let found = state.arrays.remove(&format!("{prefix}{name}"));
                    let found = found.ok_or_else(|| WeightsError::Missing { name: name.clone() })?;
                    if found.shape != array.shape || found.values.len() != array.values.len() {
                        let (expected, found) = (array.shape.clone(), found.shape);
                        return Err(WeightsError::Shape { name: name.clone(), expected, found }.into());
                    }
                    Ok((name.clone(), found))
                })
                .collect()
        };
        let (weights, average) = (part(WEIGHTS, &self.weights)?, part(AVERAGE, &self.average)?);
        let mut powers = Vec::new();
        for (width, (choice, like)) in WIDTHS.into_iter().zip(&self.powers) {
            powers.push((choice.clone(), part(&power_prefix(width), like)?));
        }
        let arrays = &mut state.arrays;
        let take = |name: &str| arrays.remove(&format!("{MOMENTS}{name}")).map(|array| array.values);
        self.optimizer.restore(state.steps, take)?;
        (self.weights, self.average, self.powers, self.steps) = (weights, average, powers, state.steps);
        Ok(())
    }
}

/// Arrays whose names begin like this.
fn named<'a>(prefix: &str, weights: &'a Weights) -> Vec<(String, &'a [usize], &'a [f32])> {
    let array = |(name, array): (&String, &'a Array)| {
        (format!("{prefix}{name}"), array.shape.as_slice(), array.values.as_slice())
    };
    weights.iter().map(array).collect()
}

/// Of the names of one power-function average.
pub(super) fn power_prefix(width: f64) -> String {
    format!("power {width}/")
}
