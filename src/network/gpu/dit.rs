//! A diffusion transformer on a graphics device; see [`crate::network::dit`] for the formulas. Tokens are pixels.

use super::device::{Gpu, Precision};
use super::embedding::Embedding;
use super::evaluator::Evaluator;
use super::layers::{Convolution, Linear, Positions, Read, Rows, Write, enter, leave, mixed, told_norm};
use super::parameters::{Order, Uploader};
use super::program::Doors;
use super::recorder::{Recorder, Slot, View};
use crate::Image;
use crate::network::dit::EPSILON;
use crate::network::host::Table;
use crate::network::labels::Told;
use crate::network::layers::{Loader, Pair};
use crate::network::{DitConfig, Joins, Nonlinearity, WeightsError};
use burn::tensor::TensorReadError;
use std::sync::Arc;

/// A diffusion transformer on a graphics device, for images in patches.
#[derive(Debug)]
pub(in crate::network) struct Dit {
    evaluator: Evaluator,
    layers: Layers,
}

/// All that has parameters.
#[derive(Debug)]
struct Layers {
    /// Planes, height and width of an image in patches.
    size: [u32; 3],
    embedding: Embedding,
    patches: Convolution,
    positions: Positions,
    blocks: Vec<Block>,
    last: Convolution,
    last_told: Linear,
}

/// x ← x + gate·attention(norm(x) told), then the same of a perceptron.
#[derive(Debug)]
struct Block {
    /// For attention and then the perceptron: shift, scale, and gate.
    told: Linear,
    /// Channels of a head.
    width: u32,
    qkv: Convolution,
    out: Convolution,
    perceptron: [Convolution; 2],
}

impl Dit {
    /// Whether the kernels can do it: they want channels of heads in fours.
    pub fn can(config: &DitConfig) -> bool {
        (config.hidden_size / config.num_heads.max(1)).is_multiple_of(4)
    }

    /// Takes all parameters, of which there are so many.
    ///
    /// # Errors
    /// If one is missing or of the wrong shape.
    pub fn load(
        loader: &mut Loader<DitConfig>,
        gpu: Arc<Gpu>,
        parameters: usize,
        precision: Precision,
    ) -> Result<Self, WeightsError> {
        let layers = Layers::load(loader, Uploader::new(&gpu, precision, parameters))?;
        let evaluator = Evaluator::new(gpu, precision, &|recorder, rows| layers.record(recorder, rows));
        Ok(Dit { evaluator, layers })
    }

    /// The output for images in patches.
    ///
    /// # Errors
    /// If the device fails.
    pub fn forward(&self, x: Image, told: &Told) -> Result<Image, TensorReadError> {
        let to = x.dims();
        let told = self.layers.embedding.told(told);
        self.evaluator.evaluate(x, to, &told, 0, &|recorder, rows| self.layers.record(recorder, rows))
    }
}

impl Layers {
    fn load(loader: &mut Loader<DitConfig>, uploader: Uploader) -> Result<Self, WeightsError> {
        let (config, channels) = (loader.config, loader.config.hidden_size);
        let patches = map(uploader, config.patch(), loader.pair()?);
        let pairs = [loader.pair()?, loader.pair()?];
        let blocks = (0..config.depth).map(|_| Block::load(loader, uploader)).collect::<Result<_, _>>()?;
        let last = of_patches(uploader, config, loader.pair()?);
        let last_told = Linear::of(uploader, channels, &[loader.pair()?]);
        let table = match config.classes.clone() {
            Some(classes) => Some((Table::load(loader, classes)?, Joins::Embedding)),
            None => None,
        };
        let embedding = Embedding::new(uploader, pairs, table, Nonlinearity::Swish);
        let positions = Positions::new(uploader, &config.positions());
        let size = [config.patch(), config.side(), config.side()].map(|size| size as u32);
        Ok(Layers { size, embedding, patches, positions, blocks, last, last_told })
    }

    fn record(&self, recorder: &mut Recorder, rows: u32) -> Doors {
        // Held while others come in by their own doors.
        let input = recorder.image(self.size);
        let embedded = self.embedding.record(recorder, rows);
        let x = enter(recorder, &input, self.size);
        let from = input.place();
        drop(input);
        let mut x = self.patches.record(recorder, Read::plain(&x), Write::default());
        x = self.positions.record(recorder, &x);
        for block in &self.blocks {
            let told = block.told.record(recorder, rows, &embedded.slot, None, None);
            x = block.record(recorder, x, &told, rows);
        }
        let told = self.last_told.record(recorder, rows, &embedded.slot, None, None);
        let x = told_norm(recorder, &x, part(&told, &self.last_told, rows, 0), EPSILON);
        let x = self.last.record(recorder, Read::plain(&x), Write::default());
        Doors { input: from, output: leave(recorder, &x).place(), told: embedded.doors }
    }
}

impl Block {
    fn load(loader: &mut Loader<DitConfig>, uploader: Uploader) -> Result<Self, WeightsError> {
        let (config, channels) = (loader.config, loader.config.hidden_size);
        let width = (channels / config.num_heads.max(1)) as u32;
        let qkv = map(uploader, channels, loader.pair()?);
        let out = map(uploader, channels, loader.pair()?);
        let perceptron = [map(uploader, channels, loader.pair()?), map(uploader, config.mlp_width, loader.pair()?)];
        Ok(Block { told: Linear::of(uploader, channels, &[loader.pair()?]), width, qkv, out, perceptron })
    }

    fn record(&self, recorder: &mut Recorder, x: View, told: &Slot, rows: u32) -> View {
        let part = |index: u32| part(told, &self.told, rows, index * x.channels);
        let h = told_norm(recorder, &x, part(0), EPSILON);
        let qkv = self.qkv.record(recorder, Read::plain(&h), Write::default());
        let h = mixed(recorder, &qkv, self.width, false);
        let x = self.out.record(recorder, Read::plain(&h), gated(part(2), &x));
        let h = told_norm(recorder, &x, part(3), EPSILON);
        let [first, second] = &self.perceptron;
        let h = first.record(recorder, Read::plain(&h), Write::default());
        let read = Read { activation: Some(Nonlinearity::Gelu), ..Read::plain(&h) };
        second.record(recorder, read, gated(part(5), &x))
    }
}

/// What is told from a value on.
fn part<'a>(slot: &'a Slot, told: &Linear, rows: u32, first: u32) -> Rows<'a> {
    Rows { slot, first, stride: if rows == 1 { 0 } else { told.output() } }
}

/// x plus an outcome times a gate.
fn gated<'a>(gate: Rows<'a>, x: &'a View) -> Write<'a> {
    Write { rows: Some(gate), gates: true, residual: Some(x), ..Write::default() }
}

/// An affine map of tokens of so many channels.
fn map(uploader: Uploader, input: usize, pair: Pair) -> Convolution {
    Convolution::of(uploader, 1, input, Order::OutIn, &[pair], true)
}

/// The map to the values of a patch, which are published pixel by pixel, as planes.
fn of_patches(uploader: Uploader, config: &DitConfig, pair: Pair) -> Convolution {
    let (pixels, channels) = (config.patch_size * config.patch_size, config.num_channels);
    let published = |plane: usize| plane % pixels * channels + plane / pixels;
    let rows = |values: &[f32], width: usize| -> Vec<f32> {
        let row = |plane| values.get(published(plane) * width..).into_iter().flatten().take(width).copied();
        (0..config.patch()).flat_map(row).collect()
    };
    let (weight, bias) = (rows(pair.weight, config.hidden_size), rows(pair.bias, 1));
    map(uploader, config.hidden_size, Pair { slot: pair.slot, weight: &weight, bias: &bias })
}
