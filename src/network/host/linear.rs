//! Affine maps of rows: the embedding of the noise level.

use super::Context;
use super::gemm::{Product, blocks_of};
use super::norm::Pixelwise;
use super::simd::Lanes;
use crate::network::Nonlinearity;

/// Rows of equal width.
#[derive(Clone, Debug)]
pub(in crate::network) struct Rows {
    pub values: Vec<f32>,
    pub width: usize,
}

impl Rows {
    /// The row of an image or of a level; the only row is that of all.
    pub fn row(&self, index: usize) -> &[f32] {
        let first = if self.values.len() == self.width { 0 } else { index * self.width };
        &self.values[first..][..self.width]
    }

    /// The rows of some images.
    pub fn of(&self, images: std::ops::Range<usize>) -> Rows {
        let values = match self.values.len() == self.width {
            true => self.values.clone(),
            false => self.values[images.start * self.width..images.end * self.width].to_vec(),
        };
        Rows { values, width: self.width }
    }
}

#[derive(Debug)]
pub(super) struct Linear {
    inputs: usize,
    /// In blocks of sixteen outputs, with a row for each input.
    weights: Vec<Lanes>,
    bias: Vec<f32>,
}

impl Linear {
    /// `weight`: out × in.
    pub fn new(weight: &[f32], bias: &[f32]) -> Self {
        let inputs = weight.len() / bias.len().max(1);
        let weights = blocks_of(inputs, bias.len(), |input, output| weight[output * inputs + input]);
        Linear { inputs, weights, bias: bias.to_vec() }
    }

    /// The map of each row, activated.
    pub fn forward(&self, context: &Context, rows: &Rows, activation: Option<Nonlinearity>) -> Rows {
        let (count, inputs) = (rows.values.len() / self.inputs, self.inputs);
        let a = blocks_of(count, inputs, |row, column| rows.values[row * inputs + column]);
        let a: Vec<&[Lanes]> = a.chunks(count).collect();
        let outputs = self.bias.len();
        let mut values = vec![0.0; count * outputs];
        for (block, b) in self.weights.chunks(inputs).enumerate() {
            let first = block * Lanes::WIDTH;
            let bias = Lanes(std::array::from_fn(|lane| self.bias.get(first + lane).copied().unwrap_or(0.0)));
            let mut out = vec![bias; count];
            context.isa.run(Product { a: &a, rows: count, depth: inputs, b: &[b], out: &mut [&mut out], add: true });
            let mut activated = vec![Lanes::default(); count];
            let (from, to) = (&out[..], &mut activated[..]);
            context.isa.run(Pixelwise { from, width: count, to, pitch: count, affine: None, activation });
            for (row, sums) in values.chunks_mut(outputs).zip(activated) {
                row[first..].iter_mut().zip(sums.0).for_each(|(value, sum)| *value = sum);
            }
        }
        Rows { values, width: outputs }
    }
}
