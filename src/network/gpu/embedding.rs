//! What is told of images, embedded: two affine maps, and the classes' rows.

use super::evaluator::{ToldRows, padded};
use super::layers::Linear;
use super::parameters::Uploader;
use super::recorder::{Recorder, Slot};
use crate::network::host::Table;
use crate::network::labels::Told;
use crate::network::layers::Pair;
use crate::network::{Joins, Nonlinearity};

/// The embedding of noise level and class.
#[derive(Debug)]
pub(super) struct Embedding {
    layers: [Linear; 2],
    /// Of classes, and what they join.
    table: Option<(Table, Joins)>,
    nonlinearity: Nonlinearity,
}

/// An embedding on the device, activated, and the places of what is told of it, see [`ToldRows`].
pub(super) struct Embedded {
    pub slot: Slot,
    pub doors: [Option<usize>; 2],
}

impl Embedding {
    pub fn new(
        uploader: Uploader,
        pairs: [Pair; 2],
        table: Option<(Table, Joins)>,
        nonlinearity: Nonlinearity,
    ) -> Self {
        let layers = pairs.map(|pair| {
            let input = pair.weight.len() / pair.bias.len().max(1);
            Linear::of(uploader, input, &[pair])
        });
        Embedding { layers, table, nonlinearity }
    }

    /// Whether something of classes is added to what comes of the maps.
    fn is_joined(&self) -> bool {
        self.table.as_ref().is_some_and(|(_, joins)| *joins == Joins::Embedding)
    }

    /// The features of noise levels, with those of classes where they join them; and what these add to the embedding.
    pub fn told(&self, told: &Told) -> ToldRows {
        let rows = told.classes.len();
        let [first, second] = &self.layers;
        let mut features = told.features.clone();
        let per_row = features.len() / rows.max(1);
        let mut extra = vec![0.0; if self.is_joined() { rows * second.output() as usize } else { 0 }];
        if let Some((table, _)) = &self.table {
            table.join(&mut features, Joins::Features, &told.classes);
            table.join(&mut extra, Joins::Embedding, &told.classes);
        }
        ToldRows { rows, values: [padded(&features, per_row, first.width() as usize), extra] }
    }

    /// Of so many rows.
    pub fn record(&self, recorder: &mut Recorder, rows: u32) -> Embedded {
        let [first, second] = &self.layers;
        let nonlinearity = Some(self.nonlinearity);
        let features = recorder.slot(u64::from(rows * first.width()) * 4);
        let extra = self.is_joined().then(|| recorder.slot(u64::from(rows * second.output()) * 4));
        let hidden = first.record(recorder, rows, &features, None, nonlinearity);
        let slot = second.record(recorder, rows, &hidden, extra.as_ref(), nonlinearity);
        Embedded { slot, doors: [Some(features.place()), extra.map(|extra| extra.place())] }
    }
}
