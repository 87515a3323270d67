//! The embedding of what a network is told of images: two affine maps of sines and cosines of the noise level, a
//! nonlinearity after each, and the row of the class.

use super::Context;
use super::gradients::Gradients;
use super::linear::{Linear, Rows, activate};
use super::norm::before;
use super::table::Table;
use crate::network::labels::Told;
use crate::network::{Joins, Nonlinearity};

#[derive(Debug)]
pub(super) struct Embedder {
    pub layers: [Linear; 2],
    pub table: Option<Table>,
    pub nonlinearity: Nonlinearity,
}

/// A row for each image, or one for all, with what the way back needs.
pub(super) struct Embedding<'a> {
    embedder: &'a Embedder,
    features: Rows,
    classes: Vec<Option<usize>>,
    /// What came out of each layer.
    mapped: [Rows; 2],
    /// The last is the embedding.
    pub activated: [Rows; 2],
}

impl Embedder {
    pub fn embed(&self, context: &Context, told: Told) -> Embedding<'_> {
        let ([first, second], Told { features, classes }) = (&self.layers, told);
        let join = |rows: &mut Rows, joins: Joins| {
            self.table.iter().for_each(|table| table.join(&mut rows.values, joins, &classes))
        };
        let activated = |rows: &Rows| {
            let mut rows = rows.clone();
            activate(context, &mut rows.values, self.nonlinearity);
            rows
        };
        let mut features = Rows { width: features.len() / classes.len().max(1), values: features };
        join(&mut features, Joins::Features);
        let below = first.forward(context, &features);
        let hidden = activated(&below);
        let mut above = second.forward(context, &hidden);
        join(&mut above, Joins::Embedding);
        let top = activated(&above);
        Embedding { embedder: self, features, classes, mapped: [below, above], activated: [hidden, top] }
    }
}

impl<'a> Embedding<'a> {
    /// From the gradient of the activated embedding.
    pub fn back<'n>(&self, context: &Context, into: &mut Gradients<'n>)
    where
        'a: 'n,
    {
        let mut gradient = std::mem::take(&mut into.of_levels);
        for (layer, input) in [(1, &self.activated[0]), (0, &self.features)] {
            let mapped = &self.mapped[layer];
            before(context, &mapped.values, self.embedder.nonlinearity, &mut gradient);
            if layer == 1 {
                self.joined(context, &gradient, Joins::Embedding, into);
            }
            let rows = Rows { values: gradient, width: mapped.width };
            gradient = self.embedder.layers[layer].back(context, input, &rows, into).values;
        }
        self.joined(context, &gradient, Joins::Features, into);
    }

    /// From the gradient of what the rows of classes join.
    fn joined<'n>(&self, context: &Context, gradient: &[f32], joins: Joins, into: &mut Gradients<'n>)
    where
        'a: 'n,
    {
        let table = self.embedder.table.iter();
        table.for_each(|table| table.back(context, gradient, joins, &self.classes, into));
    }
}
