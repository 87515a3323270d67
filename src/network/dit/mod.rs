//! Diffusion transformers (DiT, Peebles and Xie 2023): patches of pixels as tokens, whose blocks are told noise level and
//! class by the scales, shifts and gates of adaLN-Zero.
//!
//! All of it is products of matrices, which tensor operations are fast at on every device.

mod config;

pub use config::DitConfig;

use super::layers::{Linear, Loader, Table, activate, differentiated};
use super::{
    AtOutput, Dropout, GradientError, Joins, Labels, NetworkConfig, Nonlinearity, ScoreNetwork, Weights, WeightsError,
};
use crate::Image;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData, TensorReadError};
use config::FEATURES;
use std::f64::consts::FRAC_2_PI;

/// ε of the normalisations.
const EPSILON: f64 = 1e-6;

/// A diffusion transformer.
#[derive(Debug)]
pub struct Dit {
    config: DitConfig,
    parameters: usize,
    patches: Linear,
    /// Tokens × channels.
    positions: Tensor<2>,
    level: [Linear; 2],
    blocks: Vec<Block>,
    last: Linear,
    last_told: Linear,
    table: Option<Table>,
}

/// x ← x + gate·attention(norm(x) told), then the same of a perceptron.
#[derive(Debug)]
struct Block {
    qkv: Linear,
    out: Linear,
    perceptron: [Linear; 2],
    told: Linear,
}

impl ScoreNetwork for Dit {
    type Config = DitConfig;

    fn new(config: &DitConfig, weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        Dit::load(&mut Loader::new(config.plan(), weights, config, device)?)
    }

    fn of_tensors(config: &DitConfig, weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        Dit::new(config, weights, device)
    }

    fn forward<'a>(&self, x: Image, labels: impl Into<Labels<'a>>) -> Result<Image, TensorReadError> {
        Ok(self.evaluate(x, labels.into()))
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    fn gradients<'a>(
        &self,
        _: &[f32],
        _: impl Into<Labels<'a>>,
        _: Option<Dropout>,
        _: AtOutput,
    ) -> Option<Vec<Vec<f32>>> {
        None
    }

    fn gradients_by_tensors<'a>(
        config: &DitConfig,
        weights: &Weights,
        device: &Device,
        x: &[f32],
        labels: impl Into<Labels<'a>>,
        _: Option<Dropout>,
        at_output: AtOutput,
    ) -> Result<Vec<Vec<f32>>, GradientError> {
        let (device, labels) = (&device.clone().autodiff(), labels.into());
        let mut loader = Loader::new(config.plan(), weights, config, device)?.tracked();
        let network = Dit::load(&mut loader)?;
        let sizes: Vec<usize> = config.plan().iter().map(|p| p.shape.iter().product()).collect();
        let forward = |x| Ok(network.evaluate(x, labels));
        differentiated(loader, &sizes, config.shape(), x, labels.levels.len(), at_output, forward)
    }
}

impl Dit {
    /// Takes all parameters.
    fn load(loader: &mut Loader<DitConfig>) -> Result<Self, WeightsError> {
        let config = loader.config.clone();
        let filter: Tensor<4> = loader.tensor()?;
        let patches = Linear::new(filter.reshape([config.hidden_size, config.patch()]), loader.tensor()?);
        let level = [Linear::load(loader)?, Linear::load(loader)?];
        let mut blocks = Vec::new();
        for _ in 0..config.depth {
            let (qkv, out) = (Linear::load(loader)?, Linear::load(loader)?);
            let perceptron = [Linear::load(loader)?, Linear::load(loader)?];
            blocks.push(Block { qkv, out, perceptron, told: Linear::load(loader)? });
        }
        let (last, last_told) = (Linear::load(loader)?, Linear::load(loader)?);
        let table = match config.classes.clone() {
            Some(classes) => Some(Table::new(classes, loader.tensor()?)),
            None => None,
        };
        let tokens = config.side() * config.side();
        let positions =
            Tensor::from_data(TensorData::new(config.positions(), [tokens, config.hidden_size]), loader.device);
        let parameters = config.plan().iter().map(|p| p.shape.iter().product::<usize>()).sum();
        Ok(Dit { config, parameters, patches, positions, level, blocks, last, last_told, table })
    }

    fn evaluate(&self, x: Image, labels: Labels) -> Image {
        let ([n, c, h, w], p) = (x.dims(), self.config.patch_size);
        let (rows, columns, hidden) = (h / p, w / p, self.config.hidden_size);
        let x = x.reshape([n, c, rows, p, columns, p]).permute([0, 2, 4, 1, 3, 5]);
        let x = each(x.reshape([n, rows * columns, c * p * p]), &self.patches);
        let mut x = x + self.positions.clone().reshape([1, rows * columns, hidden]);
        let told = self.told(labels, &x.device());
        for block in &self.blocks {
            x = block.forward(x, &told, self.config.num_heads);
        }
        let [shift, scale] = parts(self.last_told.forward(told));
        let x = each(modulated(x, shift, scale), &self.last);
        let x = x.reshape([n, rows, columns, p, p, c]).permute([0, 5, 1, 3, 2, 4]);
        x.reshape([n, c, h, w])
    }

    /// The activated embedding of level and class, a row for all images or for each.
    fn told(&self, labels: Labels, device: &Device) -> Tensor<2> {
        let frequency = |j: usize| 10_000_f64.powf(-(j as f64) / (FEATURES / 2) as f64);
        let waves = |level: f64| {
            let phases = move || (0..FEATURES / 2).map(move |j| level * frequency(j));
            phases().map(f64::cos).chain(phases().map(f64::sin)).map(|wave| wave as f32)
        };
        let (values, classes): (Vec<f32>, _) = (labels.levels().flat_map(waves).collect(), labels.classes());
        let features = Tensor::from_data(TensorData::new(values, [classes.len(), FEATURES]), device);
        let [first, second] = &self.level;
        let level = second.forward(activate(first.forward(features), Nonlinearity::Swish));
        let told = match &self.table {
            Some(table) => table.join(level, Joins::Embedding, &classes),
            None => level,
        };
        activate(told, Nonlinearity::Swish)
    }
}

impl Block {
    fn forward(&self, x: Tensor<3>, told: &Tensor<2>, heads: usize) -> Tensor<3> {
        let [shift, scale, gate, below, within, beyond] = parts(self.told.forward(told.clone()));
        let x = x.clone() + gate * self.attend(modulated(x, shift, scale), heads);
        let [first, second] = &self.perceptron;
        let h = gelu(each(modulated(x.clone(), below, within), first));
        x + beyond * each(h, second)
    }

    fn attend(&self, x: Tensor<3>, heads: usize) -> Tensor<3> {
        let [n, tokens, hidden] = x.dims();
        let width = hidden / heads;
        let qkv = each(x, &self.qkv).reshape([n, tokens, 3, heads, width]).permute([2, 0, 3, 1, 4]);
        let part = |index: usize| qkv.clone().narrow(0, index, 1).reshape([n * heads, tokens, width]);
        let scores = (part(0) * (width as f64).powf(-0.5)).matmul(part(1).swap_dims(1, 2));
        let mixed = softmax(scores, 2).matmul(part(2)).reshape([n, heads, tokens, width]);
        each(mixed.swap_dims(1, 2).reshape([n, tokens, hidden]), &self.out)
    }
}

/// A map of each token.
fn each(x: Tensor<3>, map: &Linear) -> Tensor<3> {
    let [n, tokens, channels] = x.dims();
    let y = map.forward(x.reshape([n * tokens, channels]));
    let out = y.dims()[1];
    y.reshape([n, tokens, out])
}

/// Rows of equal parts, each to broadcast over tokens.
fn parts<const N: usize>(rows: Tensor<2>) -> [Tensor<3>; N] {
    let [count, all] = rows.dims();
    std::array::from_fn(|part| rows.clone().narrow(1, part * (all / N), all / N).reshape([count, 1, all / N]))
}

/// norm(x)·(1 + scale) + shift.
fn modulated(x: Tensor<3>, shift: Tensor<3>, scale: Tensor<3>) -> Tensor<3> {
    let (variance, mean) = x.clone().var_mean_bias(2);
    (x - mean) / (variance + EPSILON).sqrt() * (scale + 1.0) + shift
}

/// The Gaussian error linear unit as it is approximated (Hendrycks and Gimpel 2016).
fn gelu(x: Tensor<3>) -> Tensor<3> {
    let cubic = x.clone() + x.clone().powf_scalar(3.0) * 0.044715;
    x * ((cubic * FRAC_2_PI.sqrt()).tanh() + 1.0) * 0.5
}
