//! A small network that learns the score of data in the plane, in seconds.

mod learned;
mod matching;
mod mlp;

pub use learned::{Form, Learned};
pub use matching::{
    Answer, Ask, ConsistencyTraining, Denoising, Example, FlowMatching, Implicit, Matching, Scale, Sliced,
};

use super::{Plane, Point, noise};
use crate::registry::{Choice, ChoiceError};
use crate::score::ScoreModel;
use crate::sde::Level;
use crate::solver::{Purpose, Words};
use crate::train::{AdamRule, Pace};
use learned::{FEATURES, Scaling, features};
use mlp::{Mlp, Pass};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How a network is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What is minimised.
    #[serde(with = "crate::registry::text")]
    pub matching: Choice<dyn Matching>,
    /// Units of each hidden layer, and their number.
    #[serde(default = "usual_width")]
    pub width: usize,
    #[serde(default = "usual_depth")]
    pub depth: usize,
    /// Points of a step.
    #[serde(default = "usual_batch")]
    pub batch: usize,
    #[serde(default = "usual_steps")]
    pub steps: u64,
    /// Learning rate of Adam at its highest.
    #[serde(default = "usual_rate")]
    pub rate: f64,
    /// Points of the data that there are to learn from; without it every step draws new ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<usize>,
    #[serde(default)]
    pub seed: u64,
}

/// A recipe that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RecipeError {
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    #[error("{what} = {value} is out of range; choose {least} to {most}")]
    Range { what: &'static str, value: f64, least: f64, most: f64 },
}

impl Recipe {
    /// The usual values for this way to learn.
    pub fn new(matching: Choice<dyn Matching>) -> Self {
        Recipe {
            matching,
            width: usual_width(),
            depth: usual_depth(),
            batch: usual_batch(),
            steps: usual_steps(),
            rate: usual_rate(),
            points: None,
            seed: 0,
        }
    }

    /// Whether its values are possible.
    ///
    /// # Errors
    /// If one is not.
    pub fn check(&self) -> Result<(), RecipeError> {
        self.matching.check()?;
        let within = |what, value: f64, least: f64, most: f64| match (least..=most).contains(&value) {
            true => Ok(()),
            false => Err(RecipeError::Range { what, value, least, most }),
        };
        within("the width", self.width as f64, 8.0, 512.0)?;
        within("the depth", self.depth as f64, 1.0, 8.0)?;
        within("the batch", self.batch as f64, 1.0, 8192.0)?;
        within("the number of steps", self.steps as f64, 1.0, 1e6)?;
        within("the learning rate", self.rate, 1e-6, 1.0)?;
        within("the number of points", self.points.unwrap_or(1) as f64, 1.0, 50_000.0)
    }
}

impl Default for Recipe {
    fn default() -> Self {
        Recipe::new(Choice::new(&Denoising))
    }
}

fn usual_width() -> usize {
    96
}

fn usual_depth() -> usize {
    3
}

fn usual_batch() -> usize {
    256
}

fn usual_steps() -> u64 {
    2_000
}

fn usual_rate() -> f64 {
    3e-3
}

/// A training under way. Its bits do not depend on the number of threads.
#[derive(Clone, Debug)]
pub struct Learning {
    recipe: Recipe,
    plane: Plane,
    scaling: Scaling,
    /// The points that there are, where these are not always new.
    points: Option<Vec<Point>>,
    network: Mlp,
    /// The weights' average, which is used.
    averaged: Vec<f32>,
    moments: [Vec<f32>; 2],
    step: u64,
    losses: Losses,
}

/// The losses of a training.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Losses {
    /// After each step: the mean over its points.
    pub history: Vec<f32>,
    /// By noise level, of bins at equal distances of ln σ/α.
    pub levels: Vec<LevelLoss>,
}

/// The loss at a noise level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LevelLoss {
    /// σ/α in the middle of the bin.
    pub ratio: f64,
    /// An average over the last thousand or so points of the bin; `None` before there is one.
    pub loss: Option<f64>,
}

/// Bins of losses by noise level.
const BINS: usize = 20;
/// Points that a thread takes together.
const PART: usize = 64;
/// Steps in which the learning rate rises.
const WARM_UP: f64 = 50.0;

impl Learning {
    /// A training that has not begun.
    ///
    /// # Errors
    /// If the recipe's values are not possible.
    pub fn new(recipe: Recipe, plane: Plane) -> Result<Self, RecipeError> {
        recipe.check()?;
        let points = recipe.points.map(|count| plane.sample(&noise(recipe.seed, count)));
        let scaling = Scaling { mean: plane.mean(), std: plane.std(), moments: plane.data_moments() };
        let hidden = std::iter::repeat_n(recipe.width, recipe.depth);
        let network = Mlp::new(std::iter::once(FEATURES).chain(hidden).chain([2]).collect(), recipe.seed);
        let [least, most] = scaling.ratios();
        let ratio = |bin: usize| least * (most / least).powf((bin as f64 + 0.5) / BINS as f64);
        let levels = (0..BINS).map(|bin| LevelLoss { ratio: ratio(bin), loss: None }).collect();
        let moments = [0, 1].map(|_| vec![0.0; network.weights.len()]);
        let (averaged, losses) = (network.weights.clone(), Losses { history: Vec::new(), levels });
        Ok(Learning { recipe, plane, scaling, points, network, averaged, moments, step: 0, losses })
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Whether all steps are done.
    pub fn is_done(&self) -> bool {
        self.step >= self.recipe.steps
    }

    /// The losses so far.
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// The points that there are to learn from, where these are not always new.
    pub fn points(&self) -> &[Point] {
        self.points.as_deref().unwrap_or_default()
    }

    /// The network as it is, by the average of its weights.
    pub fn learned(&self) -> Learned {
        let network = Mlp { weights: self.averaged.clone(), ..self.network.clone() };
        Learned { network, form: self.recipe.matching.entry().form(), data: self.scaling }
    }

    /// One step; its mean loss.
    pub fn advance(&mut self) -> f64 {
        let examples = self.examples();
        let parts: Vec<(Vec<f64>, Vec<f32>)> = examples.par_chunks(PART).map(|part| self.gradient(part)).collect();
        let (mut losses, mut gradient) = (Vec::with_capacity(examples.len()), vec![0.0; self.network.weights.len()]);
        for (part, slopes) in parts {
            losses.extend(part);
            gradient.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += slope);
        }
        self.step += 1;
        self.update(&gradient);
        self.note(&examples, &losses)
    }

    /// The points of this step.
    fn examples(&self) -> Vec<Example> {
        let Recipe { batch, seed, steps, ref matching, .. } = self.recipe;
        let mut words = Words::new(seed, Purpose::Training, self.step);
        let fresh = match self.points {
            Some(_) => Vec::new(),
            // Other noise than that of any cloud.
            None => self.plane.sample(&noise(words_seed(&mut words), batch)),
        };
        let scale = Scale { ratios: self.scaling.ratios(), std: self.scaling.std, step: self.step, steps };
        let levels = matching.entry().levels(&scale);
        let example = |index: usize| {
            let clean = match &self.points {
                Some(points) => points[((words.uniform() * points.len() as f64) as usize).min(points.len() - 1)],
                None => fresh[index],
            };
            let (ratio, near) = matching.entry().level(&mut words, &scale, &levels);
            Example {
                clean: [0, 1].map(|axis| f64::from(clean[axis]) - self.scaling.mean[axis]),
                noise: [words.normal(), words.normal()],
                direction: [words.word(), words.word()].map(|word| if word >> 31 == 0 { 1.0 } else { -1.0 }),
                ratio,
                near,
            }
        };
        (0..batch).map(example).collect()
    }

    /// A point of a later step, and what the network of the moment answers for it: to look at losses.
    pub fn example(&self, number: u64) -> (Example, Vec<Answer>) {
        let later = Learning { step: self.step + 1 + number, ..self.clone() };
        let examples = later.examples();
        let (mut answered, _) = self.answered(&examples[..1]);
        (examples[0], answered.swap_remove(0))
    }

    /// The losses of some points, and their share of the gradient.
    fn gradient(&self, examples: &[Example]) -> (Vec<f64>, Vec<f32>) {
        let matching = self.recipe.matching.entry();
        let (answered, pass) = self.answered(examples);
        let rows = answered.iter().map(Vec::len).sum();
        let (mut losses, mut slopes) = (Vec::new(), Vec::with_capacity(2 * rows));
        for (example, answers) in examples.iter().zip(&answered) {
            let (loss, by_output) = matching.loss(example, answers);
            losses.push(loss);
            slopes.extend(by_output.into_iter().flatten().map(|slope| (slope / self.recipe.batch as f64) as f32));
        }
        let gradient = self.network.backward(&pass, slopes, rows);
        (losses, gradient)
    }

    /// What the network answers where each point's loss asks it.
    fn answered(&self, examples: &[Example]) -> (Vec<Vec<Answer>>, Pass) {
        let matching = self.recipe.matching.entry();
        let mut seen = Vec::new();
        let mut place = |ask: Ask| {
            let place = matching.form().place(&self.scaling, Level::new(1.0, ask.ratio));
            features(ask.x.map(|x| x * place.scale), place.label, &mut seen);
            Answer { x: ask.x, place, output: [0.0; 2] }
        };
        let mut answered: Vec<Vec<Answer>> =
            examples.iter().map(|example| matching.asks(example).into_iter().map(&mut place).collect()).collect();
        let pass = self.network.forward(seen, answered.iter().map(Vec::len).sum());
        let outputs = pass.output().chunks_exact(2).map(|pair| [pair[0], pair[1]].map(f64::from));
        answered.iter_mut().flatten().zip(outputs).for_each(|(answer, output)| answer.output = output);
        (answered, pass)
    }

    fn update(&mut self, gradient: &[f32]) {
        let done = self.step as f64 / self.recipe.steps as f64;
        // Up at first, then down by half a cosine.
        let pace = (self.step as f64 / WARM_UP).min(1.0) * (0.5 + 0.5 * (std::f64::consts::PI * done).cos()).max(0.02);
        let square: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum();
        let rule =
            AdamRule { learning_rate: self.recipe.rate, beta_1: 0.9, beta_2: 0.99, epsilon: 1e-8, weight_decay: 0.0 };
        let pace = Pace { rate: pace, gradient: 1.0 / square.sqrt().max(1.0) };
        let [first, second] = &mut self.moments;
        rule.apply(pace, self.step, &mut self.network.weights, gradient, first, second);
        let keep = ((self.step as f64) / (self.step as f64 + 10.0)).min(0.998) as f32;
        let pairs = self.averaged.iter_mut().zip(&self.network.weights);
        pairs.for_each(|(average, weight)| *average += (1.0 - keep) * (weight - *average));
    }

    /// Keeps the losses of a step; their mean.
    fn note(&mut self, examples: &[Example], losses: &[f64]) -> f64 {
        let [least, most] = self.scaling.ratios();
        for (example, &loss) in examples.iter().zip(losses) {
            let place = (example.ratio / least).ln() / (most / least).ln() * BINS as f64;
            if let Some(bin) = self.losses.levels.get_mut((place.max(0.0) as usize).min(BINS - 1)) {
                bin.loss = Some(bin.loss.map_or(loss, |average| average + 1e-3 * (loss - average)));
            }
        }
        let mean = losses.iter().sum::<f64>() / losses.len().max(1) as f64;
        self.losses.history.push(mean as f32);
        mean
    }
}

fn words_seed(words: &mut Words) -> u64 {
    u64::from(words.word()) << 32 | u64::from(words.word())
}

/// How far a learned score is from the exact one at a noise level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LevelError {
    /// σ/α.
    pub ratio: f64,
    /// √E‖σ·(s − exact)‖² over noised data: 0 is exact, √2 as bad as no score at all at high noise.
    pub error: f64,
}

/// Points of each level at which a score is compared.
const COMPARED: usize = 400;

/// The error of a learned score at twenty noise levels.
pub fn against(learned: &Learned, plane: &Plane, seed: u64) -> Vec<LevelError> {
    let ratios = learned.ratios().map_or([0.01, 60.0], |(least, most)| [least, most]);
    let noise = noise(seed ^ 0x5eed_0003, COMPARED);
    let clean = plane.sample(&noise);
    let at = |bin: usize| {
        let ratio = ratios[0] * (ratios[1] / ratios[0]).powf((bin as f64 + 0.5) / BINS as f64);
        let mut words = Words::new(seed, Purpose::Measurement, bin as u64);
        let noised: Vec<Point> =
            clean.iter().map(|x| x.map(|x| (f64::from(x) + ratio * words.normal()) as f32)).collect();
        let level = [Level::new(1.0, ratio)];
        let pairs = learned.scores(&noised, &level).into_iter().zip(plane.scores(&noised, &level));
        let square =
            |(a, b): (Point, Point)| (0..2).map(|axis| (ratio * f64::from(a[axis] - b[axis])).powi(2)).sum::<f64>();
        let error = (pairs.map(square).sum::<f64>() / COMPARED as f64).sqrt();
        LevelError { ratio, error }
    };
    (0..BINS).map(at).collect()
}
