//! A block, forwards and back: x ← x + gate·attention(norm(x)), then the same of a perceptron.

use super::gate::{self, gated};
use super::modulation::Modulator;
use super::norm::normalized;
use super::{Evaluation, Walk};
use crate::network::Nonlinearity;
use crate::network::host::attention::Heads;
use crate::network::host::maps::{Features, Maps};
use crate::network::host::norm::{activated, deactivate};
use crate::network::host::pointwise::Pointwise;

#[derive(Debug)]
pub(super) struct Block {
    pub told: Modulator,
    pub heads: Heads,
    pub qkv: Pointwise,
    pub out: Pointwise,
    pub perceptron: [Pointwise; 2],
}

impl Block {
    /// Keeps x, queries with keys and values, what attention gives, and what comes to the perceptron's nonlinearity and
    /// out of its end.
    pub fn run(&self, at: Evaluation, x: &Features, keep: &mut dyn FnMut(&Features)) -> Features {
        keep(x);
        let context = at.context;
        let mut kept = |maps: Maps| {
            let features = Features::from(maps);
            keep(&features);
            features
        };
        let told = self.told.run(context, at.embedding);
        let [first, second] = [0, 1].map(|half| told.half(half));
        let [inner, outer] = &self.perceptron;

        let qkv = kept(self.qkv.run(context, &normalized(context, x, first).into(), None));
        let mixed = self.heads.mix(context, &qkv.whole(context.pool).maps);
        drop(qkv);
        let y = kept(self.out.run(context, &mixed.into(), None));
        let x = Features::from(gated(context, x, &y, first));

        let h = kept(inner.run(context, &normalized(context, &x, second).into(), None));
        let h = activated(context, &h, Nonlinearity::Gelu);
        let y = kept(outer.run(context, &h, None));
        gated(context, &x, &y, second).into()
    }

    /// From the gradient of the output to that of x.
    pub fn back<'n>(&'n self, walk: &mut Walk<'_, 'n>, gradient: Maps) -> Option<Maps> {
        let context = walk.at.context;
        let told = self.told.run(context, walk.at.embedding);
        let mut of_told = told.zeros(context);
        let [first, second] = [0, 1].map(|half| told.half(half));
        let [inner, outer] = &self.perceptron;
        let [y, h] = [walk.kept.pop()?, walk.kept.pop()?];
        let [attended, qkv, x] = [walk.kept.pop()?, walk.kept.pop()?, walk.kept.pop()?];
        let between = Features::from(gated(context, &x, &attended, first));

        let slopes = gate::back(context, &y, second, &gradient, &mut of_told).into();
        walk.record(|into| outer.record(context, &activated(context, &h, Nonlinearity::Gelu), &slopes, into));
        let mut slopes = outer.transposed()?.run(context, &slopes, None);
        deactivate(context, &h, None, Some(Nonlinearity::Gelu), &mut slopes);
        let gradient = walk.normalized(inner, &between, second, slopes, Some(gradient), &mut of_told)?;

        let slopes = gate::back(context, &attended, first, &gradient, &mut of_told).into();
        let of_mixed = self.out.transposed()?.run(context, &slopes, None);
        let [of_qkv, mixed] = self.heads.back(context, &qkv.whole(context.pool).maps, &of_mixed);
        walk.record(|into| self.out.record(context, &mixed.into(), &slopes, into));
        let gradient = walk.normalized(&self.qkv, &x, first, of_qkv, Some(gradient), &mut of_told)?;
        walk.told(&self.told, of_told)?;
        Some(gradient)
    }
}
