//! The layers of a diffusion transformer as tensor operations.

use super::config::{DitConfig, FEATURES};
use crate::Image;
use crate::network::labels::Told;
use crate::network::layers::{Linear, Loader, Table, activate};
use crate::network::{Joins, Nonlinearity, WeightsError};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};

/// ε of the normalisations.
pub(in crate::network) const EPSILON: f64 = 1e-6;

/// All that has parameters.
#[derive(Debug)]
pub(super) struct Layers {
    heads: usize,
    /// Of a patch.
    pixels: usize,
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

impl Layers {
    /// Takes all parameters.
    pub fn load(loader: &mut Loader<DitConfig>) -> Result<Self, WeightsError> {
        let config = loader.config;
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
        let pixels = config.patch_size * config.patch_size;
        Ok(Layers { heads: config.num_heads, pixels, patches, positions, level, blocks, last, last_told, table })
    }

    /// The output for images in patches.
    pub fn forward(&self, x: Image, told: Told) -> Image {
        let [n, planes, rows, columns] = x.dims();
        let told = self.embed(told, &x.device());
        let x = each(x.reshape([n, planes, rows * columns]).swap_dims(1, 2), &self.patches);
        let mut x = x + self.positions.clone().unsqueeze();
        for block in &self.blocks {
            x = block.forward(x, &told, self.heads);
        }
        let [shift, scale] = parts(self.last_told.forward(told));
        // Pixel by pixel, with all channels of each.
        let x = each(modulated(x, shift, scale), &self.last);
        let x = x.reshape([n, rows * columns, self.pixels, planes / self.pixels]).permute([0, 3, 2, 1]);
        x.reshape([n, planes, rows, columns])
    }

    /// The activated embedding of level and class, a row for all images or for each.
    fn embed(&self, Told { features, classes }: Told, device: &Device) -> Tensor<2> {
        let features = Tensor::from_data(TensorData::new(features, [classes.len(), FEATURES]), device);
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
        let h = activate(each(modulated(x.clone(), below, within), first), Nonlinearity::Gelu);
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
