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

/// The gradients of layers, by their slots.
#[derive(Default)]
pub(super) struct Gradients<'n>(BTreeMap<usize, (&'n dyn Leaf, Buffer)>);

impl<'n> Gradients<'n> {
    /// Adds a layer's.
    pub fn record(&mut self, context: &Context, leaf: &'n dyn Leaf, gradient: Buffer) {
        match self.0.get_mut(&leaf.slot()) {
            Some((_, sum)) => add(context, sum, &gradient),
            None => drop(self.0.insert(leaf.slot(), (leaf, gradient))),
        }
    }

    /// Adds those of other images.
    pub fn add(&mut self, context: &Context, others: Gradients<'n>) {
        others.0.into_values().for_each(|(leaf, gradient)| self.record(context, leaf, gradient));
    }

    /// Of all parameters, in published order, which have these sizes.
    pub fn published(self, sizes: &[usize]) -> Vec<Vec<f32>> {
        let mut parameters: Vec<Vec<f32>> = sizes.iter().map(|&size| vec![0.0; size]).collect();
        self.0.into_values().for_each(|(leaf, gradient)| leaf.publish(&gradient, &mut parameters));
        parameters
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

#[derive(Default)]
struct State<'n> {
    sum: Gradients<'n>,
    next: usize,
    waiting: BTreeMap<usize, Gradients<'n>>,
}

impl<'n> InOrder<'n> {
    pub fn new() -> Self {
        InOrder { state: Mutex::default() }
    }

    /// Takes the gradients of the group at `index`.
    pub fn take(&self, context: &Context, index: usize, gradients: Gradients<'n>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        state.waiting.insert(index, gradients);
        while let Some(gradients) = state.waiting.remove(&state.next) {
            state.sum.add(context, gradients);
            state.next += 1;
        }
    }

    /// The sum of all.
    pub fn sum(self) -> Gradients<'n> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).sum
    }
}
