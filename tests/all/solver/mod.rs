//! Solvers against published figures, closed forms and exact mixtures.

mod adaptive;
mod distribution;
mod grid;
mod hmc;
pub mod mixture;
mod noise;
mod on_gpu;
mod order;
pub mod published;
pub mod recursion;
mod reference;
mod run;

use burn::tensor::{Device, Tensor, TensorData};
use score_explorer::Image;
use score_explorer::registry::Choice;
use score_explorer::score::{Component, Mixture, ScoreError, ScoreModel};
use score_explorer::sde::Sde;
use score_explorer::sde::Step;
use score_explorer::sde::{Level, Moments, Range};
use score_explorer::solver::{BATCH, Correction, NORMS, Noise, NoiseSource, Process, Solver};
use std::cell::Cell;

/// Noise of `count` samples on the CPU.
fn noise(count: usize, shape: [usize; 3], seed: u64) -> Noise {
    Noise { seed, first: 0, count, shape, device: Device::flex() }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn image(values: Vec<f32>, shape: [usize; 4]) -> Image {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// Predictor and corrector as the presets combine them, with the published batch norms.
pub fn pc(predictor: &str, corrector: &str) -> Choice<dyn Solver> {
    crate::choices::pc(predictor, corrector).with(&NORMS, BATCH.slug)
}

/// What a corrector does at one level: `langevin:0.16:2:batch`.
fn correct(
    corrector: &str,
    model: &dyn ScoreModel,
    sde: &dyn Sde,
    x: &Image,
    step: &Step,
    noise: &dyn NoiseSource,
) -> Correction {
    let corrector = crate::choices::corrector(corrector);
    let process = Process::free(model, sde, std::slice::from_ref(step), false, noise);
    corrector.entry().correct(corrector.settings(), &process, x, step).unwrap().unwrap()
}

/// One Gaussian on the line.
fn line(mean: f64, std: f64) -> Mixture {
    Mixture::new([1, 1, 1], vec![Component::round(1.0, vec![mean], std)]).unwrap()
}

/// A model that counts how often it is asked.
struct Counted {
    model: Mixture,
    calls: Cell<usize>,
}

impl ScoreModel for Counted {
    fn shape(&self) -> [usize; 3] {
        self.model.shape()
    }

    fn range(&self) -> Option<Range> {
        None
    }

    fn ratios(&self) -> Option<(f64, f64)> {
        None
    }

    fn moments(&self) -> Option<Moments> {
        self.model.moments()
    }

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.calls.set(self.calls.get() + 1);
        self.model.score(x, at)
    }
}
