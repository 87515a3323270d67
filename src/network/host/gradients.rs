//! Gradients of a network's parameters.

use super::Context;
use super::maps::Buffer;
use super::resize::Sum;
use super::simd::Lanes;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A layer that has parameters, and lays their gradient out as suits it.
pub(super) trait Leaf: Sync {
    /// The place of its first parameter among all of the network.
    fn slot(&self) -> usize;

    /// Adds a gradient in the layer's layout to those of its parameters, each row-major, all of the network's in
    /// published order.
    fn publish(&self, gradient: &[Lanes], parameters: &mut [Vec<f32>]);
}

/// The gradients of what a network was evaluated with.
#[derive(Default)]
pub(super) struct Gradients<'n> {
    /// By the slots of layers.
    layers: BTreeMap<usize, (&'n dyn Leaf, Buffer)>,
    /// By what came from the noise levels, a row for each image, where that was made of parameters.
    pub of_levels: Vec<f32>,
}

impl<'n> Gradients<'n> {
    /// Adds a layer's.
    pub fn record(&mut self, context: &Context, leaf: &'n dyn Leaf, gradient: Buffer) {
        match self.layers.get_mut(&leaf.slot()) {
            Some((_, sum)) => add(context, sum, &gradient),
            None => drop(self.layers.insert(leaf.slot(), (leaf, gradient))),
        }
    }

    /// Adds a layer's, values one after another.
    pub fn record_values(&mut self, context: &Context, leaf: &'n dyn Leaf, values: &[&[f32]]) {
        let count: usize = values.iter().map(|values| values.len()).sum();
        let mut gradient = context.pool.take(count.div_ceil(Lanes::WIDTH));
        gradient.fill(Lanes::default());
        let places = gradient.iter_mut().flat_map(|lanes| &mut lanes.0);
        places.zip(values.iter().copied().flatten()).for_each(|(to, value)| *to = *value);
        self.record(context, leaf, gradient);
    }

    /// Adds those of the images after these.
    pub fn add(&mut self, context: &Context, others: Gradients<'n>) {
        others.layers.into_values().for_each(|(leaf, gradient)| self.record(context, leaf, gradient));
        self.of_levels.extend(others.of_levels);
    }

    /// Of all parameters, in published order, which have these sizes.
    pub fn published(self, sizes: &[usize]) -> Vec<Vec<f32>> {
        let mut parameters: Vec<Vec<f32>> = sizes.iter().map(|&size| vec![0.0; size]).collect();
        self.layers.into_values().for_each(|(leaf, gradient)| leaf.publish(&gradient, &mut parameters));
        parameters
    }
}

/// Adds values that lie one after another to the parameters in these slots.
pub(super) fn publish_values(gradient: &[Lanes], slots: &[usize], parameters: &mut [Vec<f32>]) {
    let mut values = gradient.iter().flat_map(|lanes| lanes.0);
    for &slot in slots {
        let parameter = parameters.get_mut(slot).into_iter().flatten();
        parameter.zip(values.by_ref()).for_each(|(to, value)| *to += value);
    }
}

fn add(context: &Context, sum: &mut [Lanes], added: &[Lanes]) {
    /// Sixteens that one thread adds at a time.
    const PART: usize = 1 << 12;
    sum.par_chunks_mut(PART).zip(added.par_chunks(PART)).for_each(|(out, added)| {
        context.isa.run(Sum { bias: &Lanes::default(), added: Some(added), scale: 1.0, out });
    });
}

/// Sums up what groups of images give, in their order, whoever is ready first: sums do not depend on threads.
pub(super) struct InOrder<'n> {
    state: Mutex<State<'n>>,
}

struct State<'n> {
    /// `None` once a group has given nothing.
    sum: Option<Gradients<'n>>,
    next: usize,
    waiting: BTreeMap<usize, Option<Gradients<'n>>>,
}

impl<'n> InOrder<'n> {
    pub fn new() -> Self {
        let state = State { sum: Some(Gradients::default()), next: 0, waiting: BTreeMap::new() };
        InOrder { state: Mutex::new(state) }
    }

    /// Takes the gradients of the group at `index`.
    pub fn take(&self, context: &Context, index: usize, gradients: Option<Gradients<'n>>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        state.waiting.insert(index, gradients);
        while let Some(gradients) = state.waiting.remove(&state.next) {
            match (&mut state.sum, gradients) {
                (Some(sum), Some(gradients)) => sum.add(context, gradients),
                _ => state.sum = None,
            }
            state.next += 1;
        }
    }

    /// The sum of all, if there were any of all groups.
    pub fn sum(self) -> Option<Gradients<'n>> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).sum
    }
}
