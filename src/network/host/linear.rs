//! Affine maps of rows: the embedding of the noise level.

use super::Context;
use super::gemm::{Outer, Product, blocks_of};
use super::gradients::{Gradients, Leaf};
use super::kernels::Purpose;
use super::norm::Pixelwise;
use super::simd::Lanes;
use crate::network::Nonlinearity;
use crate::network::layers::Pair;

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
    slot: usize,
    inputs: usize,
    /// In blocks of sixteen outputs, with a row for each input.
    weights: Vec<Lanes>,
    /// In blocks of sixteen inputs, with a row for each output, where gradients will be asked for.
    transposed: Vec<Lanes>,
    bias: Vec<f32>,
}

impl Linear {
    /// `of`: weight (out × in) and bias.
    pub fn new(of: Pair, purpose: Purpose) -> Self {
        let Pair { slot, weight, bias } = of;
        let inputs = weight.len() / bias.len().max(1);
        let weights = blocks_of(inputs, bias.len(), |input, output| weight[output * inputs + input]);
        let transposed = match purpose.gradients {
            true => blocks_of(bias.len(), inputs, |output, input| weight[output * inputs + input]),
            false => Vec::new(),
        };
        Linear { slot, inputs, weights, transposed, bias: bias.to_vec() }
    }

    /// The map of each row.
    pub fn forward(&self, context: &Context, rows: &Rows) -> Rows {
        map(context, rows, &self.weights, &self.bias)
    }

    /// From the gradient of the map of each row to that of the rows; records that of weight and bias.
    pub fn back<'n>(&'n self, context: &Context, rows: &Rows, gradient: &Rows, into: &mut Gradients<'n>) -> Rows {
        let (count, outputs) = (gradient.values.len() / gradient.width, self.bias.len());
        let a = blocks_of(count, self.inputs, |row, column| rows.row(row)[column]);
        let b = blocks_of(count, outputs, |row, column| gradient.values[row * outputs + column]);
        let (blocks, height) = (outputs.div_ceil(Lanes::WIDTH), self.inputs.next_multiple_of(Lanes::WIDTH));
        let mut found = context.pool.take(blocks * (height + 1));
        found.fill(Lanes::default());
        let (weights, bias) = found.split_at_mut(blocks * height);
        for (weights, b) in weights.chunks_mut(height).zip(b.chunks(count)) {
            for (out, a) in weights.chunks_mut(Lanes::WIDTH).zip(a.chunks(count)) {
                context.isa.run(Outer { a, columns: Lanes::WIDTH, b: &[b], out: &mut [out] });
            }
        }
        for (bias, b) in bias.iter_mut().zip(b.chunks(count)) {
            b.iter().for_each(|row| bias.0.iter_mut().zip(row.0).for_each(|(sum, x)| *sum += x));
        }
        into.record(context, self, found);
        map(context, gradient, &self.transposed, &vec![0.0; self.inputs])
    }
}

/// Products of rows with a matrix in blocks of sixteen columns, plus the bias.
fn map(context: &Context, rows: &Rows, weights: &[Lanes], bias: &[f32]) -> Rows {
    let (inputs, outputs) = (rows.width, bias.len());
    let count = rows.values.len() / inputs;
    let a = blocks_of(count, inputs, |row, column| rows.values[row * inputs + column]);
    let a: Vec<&[Lanes]> = a.chunks(count).collect();
    let mut values = vec![0.0; count * outputs];
    for (block, b) in weights.chunks(inputs).enumerate() {
        let first = block * Lanes::WIDTH;
        let bias = Lanes(std::array::from_fn(|lane| bias.get(first + lane).copied().unwrap_or(0.0)));
        let mut out = vec![bias; count];
        context.isa.run(Product { a: &a, rows: count, depth: inputs, b: &[b], out: &mut [&mut out], add: true });
        for (row, sums) in values.chunks_mut(outputs).zip(out) {
            row[first..].iter_mut().zip(sums.0).for_each(|(value, sum)| *value = sum);
        }
    }
    Rows { values, width: outputs }
}

/// Applies a nonlinearity to each value.
pub(super) fn activate(context: &Context, values: &mut [f32], activation: Nonlinearity) {
    let from = blocks_of(1, values.len(), |_, column| values[column]);
    let mut to = vec![Lanes::default(); from.len()];
    let width = from.len();
    let activation = Some(activation);
    context.isa.run(Pixelwise { from: &from, width, to: &mut to, pitch: width, affine: None, activation });
    values.iter_mut().zip(to.iter().flat_map(|lanes| lanes.0)).for_each(|(value, activated)| *value = activated);
}

impl Leaf for Linear {
    fn slot(&self) -> usize {
        self.slot
    }

    fn publish(&self, gradient: &[Lanes], parameters: &mut [Vec<f32>]) {
        let height = self.inputs.next_multiple_of(Lanes::WIDTH);
        let (weights, bias) = gradient.split_at(self.bias.len().div_ceil(Lanes::WIDTH) * height);
        let of_layer = parameters.get_mut(self.slot..).and_then(|rest| rest.get_disjoint_mut([0, 1]).ok());
        let Some([weight, biases]) = of_layer else { return };
        for (output, (row, sum)) in weight.chunks_mut(self.inputs).zip(biases).enumerate() {
            let (block, lane) = (output / Lanes::WIDTH, output % Lanes::WIDTH);
            row.iter_mut().zip(&weights[block * height..]).for_each(|(to, lanes)| *to += lanes.0[lane]);
            *sum += bias[block].0[lane];
        }
    }
}
