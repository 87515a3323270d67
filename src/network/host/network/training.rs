//! The embedding of what a network is told of images, and gradients of a loss with respect to all parameters: to those of
//! the layers come those of the embedding, once for a whole batch.

use super::{Given, Network};
use crate::network::host::Context;
use crate::network::host::gradients::Gradients;
use crate::network::host::linear::{Linear, Rows, activate};
use crate::network::host::norm::before;
use crate::network::host::table::Table;
use crate::network::host::two_way;
use crate::network::unet::Told;
use crate::network::{AtOutput, Dropout, Joins};

impl Network {
    /// The gradients of a loss by all parameters, which have these sizes, for images, N×C×H×W, of each of which something
    /// is told. `None` where the network was not loaded for gradients.
    pub(in crate::network) fn gradients(
        &self,
        x: &[f32],
        dims: [usize; 4],
        told: Told,
        dropout: Option<Dropout>,
        at_output: AtOutput,
        sizes: &[usize],
    ) -> Option<Vec<Vec<f32>>> {
        let context = self.evaluator.context();
        let embedding = self.dense.as_ref().map(|layers| Embedding::new(self, &context, layers, told));
        let activated = embedding.as_ref().map(|embedding| embedding.activated[1].clone());
        let given = Given { embedding: activated, dropout };
        let mut gradients = two_way::gradients(self, x, dims, &given, at_output)?;
        if let Some(embedding) = &embedding {
            embedding.back(&context, self, &mut gradients);
        }
        Some(gradients.published(sizes))
    }
}

/// The embedding of a row for each image, or of one for all, with what the way back needs.
pub(super) struct Embedding<'a> {
    layers: &'a [Linear; 2],
    table: Option<&'a Table>,
    features: Rows,
    classes: Vec<Option<usize>>,
    /// What came out of each layer.
    mapped: [Rows; 2],
    /// The last is the embedding.
    pub activated: [Rows; 2],
}

impl<'a> Embedding<'a> {
    pub fn new(network: &'a Network, context: &Context, layers: &'a [Linear; 2], told: Told) -> Self {
        let ([first, second], table, Told { features, classes }) = (layers, network.table.as_ref(), told);
        let join = |rows: &mut Rows, joins: Joins| table.iter().for_each(|table| table.join(rows, joins, &classes));
        let activated = |rows: &Rows| {
            let mut rows = rows.clone();
            activate(context, &mut rows.values, network.nonlinearity);
            rows
        };
        let mut features = Rows { width: features.len() / classes.len().max(1), values: features };
        join(&mut features, Joins::Features);
        let below = first.forward(context, &features);
        let hidden = activated(&below);
        let mut above = second.forward(context, &hidden);
        join(&mut above, Joins::Embedding);
        let top = activated(&above);
        Embedding { layers, table, features, classes, mapped: [below, above], activated: [hidden, top] }
    }

    /// From the gradient of the activated embedding.
    fn back<'n>(&self, context: &Context, network: &Network, into: &mut Gradients<'n>)
    where
        'a: 'n,
    {
        let mut gradient = std::mem::take(&mut into.of_levels);
        for (layer, input) in [(1, &self.activated[0]), (0, &self.features)] {
            let mapped = &self.mapped[layer];
            before(context, &mapped.values, network.nonlinearity, &mut gradient);
            if layer == 1 {
                self.joined(context, &gradient, Joins::Embedding, into);
            }
            let rows = Rows { values: gradient, width: mapped.width };
            gradient = self.layers[layer].back(context, input, &rows, into).values;
        }
        self.joined(context, &gradient, Joins::Features, into);
    }

    /// From the gradient of what the rows of classes join.
    fn joined<'n>(&self, context: &Context, gradient: &[f32], joins: Joins, into: &mut Gradients<'n>)
    where
        'a: 'n,
    {
        self.table.into_iter().for_each(|table| table.back(context, gradient, joins, &self.classes, into));
    }
}
