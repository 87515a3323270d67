//! A small network of dense layers, with its gradient.

use crate::plane::kernel::exp;
use crate::solver::{Purpose, Words};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// Dense layers with SiLU between them, on rows of features.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mlp {
    /// Numbers of a row, before the first layer and after each.
    pub(super) widths: Vec<usize>,
    /// Of each layer the weights, in×out by rows, then the biases.
    pub(super) weights: Vec<f32>,
}

/// What a pass keeps for the gradient.
pub(super) struct Pass {
    /// The input of each layer, by rows; last the output.
    inputs: Vec<Vec<f32>>,
    /// Before SiLU, of each layer but the last.
    before: Vec<Vec<f32>>,
}

impl Pass {
    /// N×out.
    pub(super) fn output(&self) -> &[f32] {
        self.inputs.last().map_or(&[], Vec::as_slice)
    }
}

impl Mlp {
    /// Weights drawn at the address (seed, weights): normal, of variance 1/in; those of the last layer 0, as are all biases.
    pub(super) fn new(widths: Vec<usize>, seed: u64) -> Self {
        let mut words = Words::new(seed, Purpose::Weights, 0);
        let mut weights = Vec::new();
        let layers = widths.len().saturating_sub(1);
        for (layer, ends) in widths.windows(2).enumerate() {
            let std = if layer + 1 == layers { 0.0 } else { (1.0 / ends[0] as f64).sqrt() };
            weights.extend((0..ends[0] * ends[1]).map(|_| (std * words.normal()) as f32));
            weights.extend(std::iter::repeat_n(0.0, ends[1]));
        }
        Mlp { widths, weights }
    }

    /// Weights and biases of each layer, with its numbers of a row.
    fn layers<'a>(&'a self, all: &'a [f32]) -> impl DoubleEndedIterator<Item = (&'a [f32], &'a [f32], [usize; 2])> {
        let mut parts = Vec::with_capacity(self.widths.len());
        let mut rest = all;
        for ends in self.widths.windows(2) {
            let (weights, after) = rest.split_at(ends[0] * ends[1]);
            let (biases, after) = after.split_at(ends[1]);
            parts.push((weights, biases, [ends[0], ends[1]]));
            rest = after;
        }
        parts.into_iter()
    }

    /// The outputs of rows of features, with all that the gradient needs.
    pub(super) fn forward(&self, features: Vec<f32>, rows: usize) -> Pass {
        let (mut inputs, mut before) = (vec![features], Vec::new());
        let last = self.widths.len() - 2;
        for (layer, (weights, biases, [from, to])) in self.layers(&self.weights).enumerate() {
            let mut output: Vec<f32> = biases.iter().copied().cycle().take(rows * to).collect();
            let input = &inputs[layer];
            let (x, w) =
                (MatRef::from_row_major_slice(input, rows, from), MatRef::from_row_major_slice(weights, from, to));
            matmul(MatMut::from_row_major_slice_mut(&mut output, rows, to), Accum::Add, x, w, 1.0, Par::Seq);
            if layer < last {
                let active = output.iter().map(|&x| x * sigmoid(x)).collect();
                before.push(std::mem::replace(&mut output, active));
            }
            inputs.push(output);
        }
        Pass { inputs, before }
    }

    /// The gradient by the weights, where that by the outputs is `slopes` (N×out).
    pub(super) fn backward(&self, pass: &Pass, slopes: Vec<f32>, rows: usize) -> Vec<f32> {
        let mut gradient = vec![0.0; self.weights.len()];
        let mut end = gradient.len();
        let mut slopes = slopes;
        let layers: Vec<_> = self.layers(&self.weights).collect();
        for (layer, (weights, _, [from, to])) in layers.into_iter().enumerate().rev() {
            let start = end - from * to - to;
            let (by_weights, by_biases) = gradient[start..end].split_at_mut(from * to);
            end = start;
            let out = MatRef::from_row_major_slice(&slopes, rows, to);
            let x = MatRef::from_row_major_slice(&pass.inputs[layer], rows, from);
            let target = MatMut::from_row_major_slice_mut(by_weights, from, to);
            matmul(target, Accum::Replace, x.transpose(), out, 1.0, Par::Seq);
            for row in slopes.chunks_exact(to) {
                by_biases.iter_mut().zip(row).for_each(|(sum, slope)| *sum += slope);
            }
            if layer == 0 {
                break;
            }
            let mut below = vec![0.0; rows * from];
            let w = MatRef::from_row_major_slice(weights, from, to);
            let target = MatMut::from_row_major_slice_mut(&mut below, rows, from);
            matmul(target, Accum::Replace, out, w.transpose(), 1.0, Par::Seq);
            for (slope, &x) in below.iter_mut().zip(&pass.before[layer - 1]) {
                let s = sigmoid(x);
                *slope *= s * (1.0 + x * (1.0 - s));
            }
            slopes = below;
        }
        gradient
    }
}

/// 1/(1 + e^(−x)).
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    let e = exp(-x.abs());
    let top = if x < 0.0 { e } else { 1.0 };
    top / (1.0 + e)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Differences in single precision over 1e-2 err by some 1e-4 of the values.
    #[test]
    fn the_gradient_is_that_of_differences() {
        let mut network = Mlp::new(vec![3, 8, 8, 2], 1);
        let count = network.weights.len();
        // The last layer is not to be 0 here.
        network.weights.iter_mut().enumerate().for_each(|(k, w)| *w += 0.3 * ((7 * k + 1) as f32).sin());
        let (rows, x) = (5, (0..15).map(|k| ((3 * k + 2) as f32).cos()).collect::<Vec<f32>>());
        let slopes: Vec<f32> = (0..10).map(|k| ((k + 1) as f32).sin()).collect();
        let loss = |network: &Mlp| -> f64 {
            let pass = network.forward(x.clone(), rows);
            pass.output().iter().zip(&slopes).map(|(y, s)| f64::from(y * s)).sum()
        };
        let gradient = network.backward(&network.forward(x.clone(), rows), slopes.clone(), rows);
        for index in (0..count).step_by(7) {
            let moved = |by: f32| {
                let mut network = network.clone();
                network.weights[index] += by;
                loss(&network)
            };
            let known = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!(
                (f64::from(gradient[index]) - known).abs() < 2e-3 * (1.0 + known.abs()),
                "{index}: {} not {known}",
                gradient[index]
            );
        }
    }
}
