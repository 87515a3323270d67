//! Gradients of a loss with respect to all parameters: to those of the layers come those of the embedding of noise
//! levels, once for a whole batch.

use super::{Given, Network};
use crate::network::host::Context;
use crate::network::host::gradients::Gradients;
use crate::network::host::linear::{Linear, Rows};
use crate::network::host::norm::before;
use crate::network::host::two_way;
use crate::network::{AtOutput, Dropout};

impl Network {
    /// The gradients of a loss by all parameters, which have these sizes, for images, N×C×H×W, and the features of
    /// their noise levels, a row for each. `None` where the network was not loaded for gradients.
    pub(in crate::network) fn gradients(
        &self,
        x: &[f32],
        dims: [usize; 4],
        features: Vec<f32>,
        dropout: Option<Dropout>,
        at_output: AtOutput,
        sizes: &[usize],
    ) -> Option<Vec<Vec<f32>>> {
        let context = self.evaluator.context();
        let embedding = self.dense.as_ref().map(|layers| {
            let features = Rows { width: features.len() / dims[0].max(1), values: features };
            Embedding::new(self, &context, layers, features)
        });
        let activated = embedding.as_ref().map(|embedding| embedding.activated[1].clone());
        let given = Given { embedding: activated, dropout };
        let mut gradients = two_way::gradients(self, x, dims, &given, at_output)?;
        if let Some(embedding) = &embedding {
            embedding.back(&context, self, &mut gradients);
        }
        Some(gradients.published(sizes))
    }
}

/// The embedding of all noise levels of a batch, with what the way back needs.
struct Embedding<'a> {
    layers: &'a [Linear; 2],
    features: Rows,
    /// What came out of each layer.
    mapped: [Rows; 2],
    activated: [Rows; 2],
}

impl<'a> Embedding<'a> {
    fn new(network: &Network, context: &Context, layers: &'a [Linear; 2], features: Rows) -> Self {
        let [first, second] = layers;
        let both = |layer: &Linear, rows: &Rows| {
            let of = |activation| layer.forward(context, rows, activation);
            (of(None), of(Some(network.nonlinearity)))
        };
        let (below, hidden) = both(first, &features);
        let (above, top) = both(second, &hidden);
        Embedding { layers, features, mapped: [below, above], activated: [hidden, top] }
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
            let rows = Rows { values: gradient, width: mapped.width };
            gradient = self.layers[layer].back(context, input, &rows, into).values;
        }
    }
}
