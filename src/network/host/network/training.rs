//! Gradients of a loss with respect to all parameters.
//!
//! A batch goes through in groups of images, forwards and back at once, so that memory does not grow with the batch.
//! Groups and the order in which they are summed depend on the network alone: the same bits for any number of threads.

use super::Network;
use super::gradient::{Kept, Walk};
use crate::network::AtOutput;
use crate::network::host::Context;
use crate::network::host::gradients::{Gradients, InOrder};
use crate::network::host::linear::{Linear, Rows};
use crate::network::host::maps::Maps;
use crate::network::host::norm::before;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// A batch on its way through.
struct Batch<'a> {
    network: &'a Network,
    /// N×C×H×W.
    x: &'a [f32],
    dims: [usize; 4],
    embedding: Option<Embedding<'a>>,
    at_output: AtOutput<'a>,
}

impl Network {
    /// The gradients of a loss by all parameters, which have these sizes, for images, N×C×H×W, and the features of
    /// their noise levels, a row for each. `None` where the network was not loaded for gradients.
    pub(in crate::network) fn gradients(
        &self,
        x: &[f32],
        dims: [usize; 4],
        features: Vec<f32>,
        at_output: AtOutput,
        sizes: &[usize],
    ) -> Option<Vec<Vec<f32>>> {
        let context = self.evaluator.context();
        let embedding = self.dense.as_ref().map(|layers| {
            let features = Rows { width: features.len() / dims[0].max(1), values: features };
            Embedding::new(self, &context, layers, features)
        });
        let batch = Batch { network: self, x, dims, embedding, at_output };
        let (sum, of_rows) = (InOrder::new(), Mutex::new(Some(Vec::new())));
        self.evaluator.in_turn(dims, |context, index, images| {
            let found = batch.images(context, images.clone());
            let mut of_rows = of_rows.lock().unwrap_or_else(PoisonError::into_inner);
            match (found, &mut *of_rows) {
                (Some((gradients, rows)), Some(of_rows)) => {
                    of_rows.push((images.start, rows));
                    sum.take(context, index, gradients);
                }
                (_, of_rows) => *of_rows = None,
            }
        });
        let mut of_rows = of_rows.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        of_rows.sort_by_key(|(first, _)| *first);
        let mut gradients = sum.sum();
        if let Some(embedding) = &batch.embedding {
            let rows = of_rows.into_iter().flat_map(|(_, rows)| rows).collect();
            embedding.back(&context, self, rows, &mut gradients);
        }
        Some(gradients.published(sizes))
    }
}

impl<'a> Batch<'a> {
    /// Some images' gradients by the parameters and by the rows of the activated embedding.
    fn images(&self, context: &Context, images: Range<usize>) -> Option<(Gradients<'a>, Vec<f32>)> {
        let [_, c, h, w] = self.dims;
        let (image, dims) = (c * h * w, [images.len(), c, h, w]);
        let rows = self.embedding.as_ref().map(|embedding| embedding.activated[1].of(images.clone()));
        let x = Maps::from_planes(context.pool, &self.x[images.start * image..images.end * image], dims);
        let mut kept = Kept::new();
        let layers = &self.network.layers;
        let out = self.network.images(context, layers, x, rows.as_ref(), &mut |features| kept.push(features.clone()));
        let output = self.network.output(dims);
        let mut values = vec![0.0; output.iter().product()];
        out.whole(context.pool).maps.to_planes(&mut values);
        drop(out);
        (self.at_output)(images, &mut values);
        let gradient = Maps::from_planes(context.pool, &values, output);
        let of_rows = vec![0.0; rows.as_ref().map_or(0, |rows| rows.values.len())];
        let found = RefCell::new((Gradients::default(), of_rows));
        Walk::for_parameters(self.network, context, rows.as_ref(), &found).through(&mut kept, gradient)?;
        Some(found.into_inner())
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
    fn back<'n>(&self, context: &Context, network: &Network, mut gradient: Vec<f32>, into: &mut Gradients<'n>)
    where
        'a: 'n,
    {
        for (layer, input) in [(1, &self.activated[0]), (0, &self.features)] {
            let mapped = &self.mapped[layer];
            before(context, &mapped.values, network.nonlinearity, &mut gradient);
            let rows = Rows { values: gradient, width: mapped.width };
            gradient = self.layers[layer].back(context, input, &rows, into).values;
        }
    }
}
