//! The Inception-v3 network of FID: layers and what runs through them.

use super::Context;
use super::evaluator::Evaluator;
use super::maps::{Maps, Pool};
use super::pooling::{Window, window};
use super::shifted::Shifted;
use super::simd::Lanes;
use crate::network::inception::{Conv, Layer, Pooling, Side};
use rayon::prelude::*;

/// The network on the CPU. Each image goes through it on one thread, so that its features are the same in any company.
#[derive(Debug)]
pub(in crate::network) struct Inception {
    evaluator: Evaluator,
    layers: Vec<Layer<Shifted>>,
    /// The image's colours in 3×3 pixels, as channels, are what the first layer maps.
    stem: Shifted,
}

impl Inception {
    /// `stem` is the first convolution, 3×3 with a stride of two.
    pub fn new(stem: (&[f32], &[f32]), layers: Vec<Layer<Shifted>>) -> Self {
        let stem = Shifted::new(stem.0, stem.1, [1, 1], 1, [0, 0]);
        Inception { evaluator: Evaluator::new(64, 0), layers, stem }
    }

    /// A convolution with these parameters.
    pub fn convolution(conv: &Conv, weight: &[f32], bias: &[f32]) -> Shifted {
        Shifted::new(weight, bias, conv.kernel, conv.stride, conv.padding)
    }

    /// The planes of each image, 3×side×side, to what `last` makes of the features after each layer, of those that it
    /// wants.
    pub fn forward<T: Send>(&self, images: &[f32], side: usize, each: impl Fn(Walk<'_>) -> T + Sync) -> Vec<T> {
        let of_image = |planes: &[f32]| each(Walk { network: self, planes, side });
        images.par_chunks(3 * side * side).with_max_len(1).map(of_image).collect()
    }
}

/// An image on its way.
pub(in crate::network) struct Walk<'a> {
    network: &'a Inception,
    planes: &'a [f32],
    side: usize,
}

impl Walk<'_> {
    /// The features after the last layer, C×H×W and C; `watch` is told those of every layer, by its number.
    pub fn run(&self, mut watch: impl FnMut(usize, &dyn Fn() -> Vec<f32>)) -> (Vec<f32>, usize) {
        let context = self.network.evaluator.context();
        let mut x = self.network.stem.run(&context, &unfolded(context.pool, self.planes, self.side));
        for (number, layer) in self.network.layers.iter().enumerate() {
            x = run(&context, layer, &x);
            watch(number, &|| planes(&x));
        }
        (planes(&x), x.channels)
    }
}

fn planes(maps: &Maps) -> Vec<f32> {
    let mut values = vec![0.0; maps.channels * maps.area()];
    maps.to_planes(&mut values);
    values
}

/// The 27 values under a 3×3 kernel of stride two, as channels: by colour, then by row, then by column.
fn unfolded(pool: &Pool, planes: &[f32], side: usize) -> Maps {
    let size = (side - 3) / 2 + 1;
    let mut maps = Maps::new(pool, 1, 27, size, size);
    let area = size * size;
    maps.lanes.fill(Lanes::default());
    for value in 0..27 {
        let (colour, y, x) = (value / 9, value / 3 % 3, value % 3);
        let map = &mut maps.lanes[value / Lanes::WIDTH * area..][..area];
        for (place, lanes) in map.iter_mut().enumerate() {
            let (row, column) = (place / size * 2 + y, place % size * 2 + x);
            lanes.0[value % Lanes::WIDTH] = planes[(colour * side + row) * side + column];
        }
    }
    maps
}

fn run(context: &Context, layer: &Layer<Shifted>, x: &Maps) -> Maps {
    match layer {
        Layer::Conv(conv) => conv.run(context, x),
        Layer::Pool(pooling) => pooled(context, *pooling, x),
        Layer::Mixed(branches) => {
            let parts: Vec<Vec<Maps>> = branches.iter().map(|branch| of_branch(context, branch, x)).collect();
            let parts: Vec<&Maps> = parts.iter().flatten().collect();
            let Some(first) = parts.first() else { return Maps::new(context.pool, 1, 0, 0, 0) };
            let channels = parts.iter().map(|maps| maps.channels).sum();
            let mut out = Maps::new(context.pool, 1, channels, first.height, first.width);
            let mut rest = &mut out.lanes[..];
            for maps in parts {
                let (own, others) = rest.split_at_mut(maps.lanes.len());
                own.copy_from_slice(&maps.lanes);
                rest = others;
            }
            out
        }
    }
}

/// What one branch gives: one part, or two where it forks.
fn of_branch(context: &Context, branch: &[Side<Shifted>], x: &Maps) -> Vec<Maps> {
    let mut last: Option<Maps> = None;
    for step in branch {
        let from = last.as_ref().unwrap_or(x);
        last = Some(match step {
            Side::Conv(conv) => conv.run(context, from),
            Side::Pool(pooling) => pooled(context, *pooling, from),
            Side::Fork(convs) => return convs.iter().map(|conv| conv.run(context, from)).collect(),
        });
    }
    last.into_iter().collect()
}

fn pooled(context: &Context, pooling: Pooling, x: &Maps) -> Maps {
    match pooling {
        Pooling::Halve => window(context, x, Window { side: 3, stride: 2, padding: 0, mean: false }),
        Pooling::Mean => window(context, x, Window { side: 3, stride: 1, padding: 1, mean: true }),
        Pooling::Largest => window(context, x, Window { side: 3, stride: 1, padding: 1, mean: false }),
    }
}
