//! The classes of images: a row for each joins what the network is told of the noise level.

use super::Context;
use super::gradients::{Gradients, Leaf, publish_values};
use super::simd::Lanes;
use crate::network::layers::Loader;
use crate::network::{Classes, Joins, WeightsError};

#[derive(Debug)]
pub(in crate::network) struct Table {
    slot: usize,
    classes: Classes,
    width: usize,
    /// One after the other.
    values: Vec<f32>,
}

impl Table {
    /// That of a network of these classes.
    pub fn load<C>(loader: &mut Loader<C>, classes: Classes) -> Result<Self, WeightsError> {
        let (slot, array) = loader.next()?;
        let width = array.values.len() / classes.rows().max(1);
        Ok(Table { slot, classes, width, values: array.values.clone() })
    }

    /// The place among all parameters.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// Values of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Adds the rows of these classes to a row for each, if it is these that they join.
    pub fn join(&self, to: &mut [f32], joins: Joins, classes: &[Option<usize>]) {
        self.join_of(&self.values, to, joins, classes);
    }

    /// The same for a table of other values.
    pub fn join_of(&self, values: &[f32], to: &mut [f32], joins: Joins, classes: &[Option<usize>]) {
        if joins != self.classes.joins {
            return;
        }
        for (to, &class) in to.chunks_mut(self.width.max(1)).zip(classes) {
            let row = self.classes.row(class).and_then(|row| values.get(row * self.width..));
            to.iter_mut().zip(row.unwrap_or_default()).for_each(|(to, value)| *to += value);
        }
    }

    /// Records the gradient of the rows, from that of what they joined.
    pub(super) fn back<'n>(
        &'n self,
        context: &Context,
        gradient: &[f32],
        joins: Joins,
        classes: &[Option<usize>],
        into: &mut Gradients<'n>,
    ) {
        if joins != self.classes.joins {
            return;
        }
        let mut found = vec![0.0; self.values.len()];
        self.add(gradient, classes, &mut found);
        into.record_values(context, self, &[&found]);
    }

    /// Adds the gradients of what the rows joined, one row for each of these classes, to those of the table.
    pub fn add(&self, gradients: &[f32], classes: &[Option<usize>], to: &mut [f32]) {
        let each = gradients.len() / classes.len().max(1);
        for (gradient, &class) in gradients.chunks(each.max(1)).zip(classes) {
            let row = self.classes.row(class).and_then(|row| to.get_mut(row * self.width..(row + 1) * self.width));
            row.into_iter().flatten().zip(gradient).for_each(|(to, value)| *to += value);
        }
    }
}

impl Leaf for Table {
    fn slot(&self) -> usize {
        self.slot
    }

    fn publish(&self, gradient: &[Lanes], parameters: &mut [Vec<f32>]) {
        publish_values(gradient, &[self.slot], parameters);
    }
}
