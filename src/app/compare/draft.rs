//! The settings of the next comparison.

use crate::app::Draft;
use crate::compare::{Axis, Cell, Comparison, Keep, Reference, find, presets, swept};
use crate::data::Place;
use crate::metric::{Extractor, FeatureRef, WorldsFeatures};
use crate::registry::Choice;
use crate::task::{Count, ModelRef};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Tag of the presets that are chosen at first.
const FIRST: &str = "fast";
/// Samples of each preset at first: a few minutes, enough to tell good from bad.
const SAMPLES: usize = 256;

/// What a person sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompareDraft {
    /// Samples of each preset.
    pub count: usize,
    pub seed: u64,
    #[serde(flatten)]
    pub features: Choice<dyn Extractor>,
    /// A classifier's file, whose features are taken instead.
    pub classifier: Option<PathBuf>,
    /// The published weights of Inception-v3, where they are not among the models.
    pub inception: Option<PathBuf>,
    pub reference: Reference,
    /// Slugs of the presets that are chosen.
    pub chosen: Vec<String>,
    /// Presets that are not the program's own: from files and sweeps.
    pub own: Vec<Cell>,
    /// Keep all samples as images.
    pub keep_samples: bool,
}

impl Default for CompareDraft {
    fn default() -> Self {
        let chosen = find(&[FIRST.to_owned()]).unwrap_or_default().iter().map(Cell::slug).collect();
        CompareDraft {
            count: SAMPLES,
            seed: 0,
            features: Choice::new(&WorldsFeatures),
            classifier: None,
            inception: None,
            reference: Reference::Data(Place::Worlds(32)),
            chosen,
            own: Vec::new(),
            keep_samples: false,
        }
    }
}

impl CompareDraft {
    /// What samples of a model are compared with: worlds of its size, where it is a bundled one.
    pub fn reference(&self, model: &ModelRef) -> Reference {
        match (&self.reference, model.bundled()) {
            (Reference::Data(Place::Worlds(_)), Some(size)) => Reference::Data(Place::Worlds(size)),
            (reference, _) => reference.clone(),
        }
    }

    /// The features that are taken.
    pub fn features(&self) -> FeatureRef {
        let named = || FeatureRef::Named(self.features.clone());
        self.classifier.clone().map_or_else(named, FeatureRef::File)
    }

    /// All presets that can be chosen, a person's own first.
    pub fn offered(&self) -> impl Iterator<Item = &Cell> {
        let known = |cell: &&Cell| !self.own.iter().any(|own| own.slug() == cell.slug());
        self.own.iter().chain(presets().iter().filter(known))
    }

    /// Whether a preset is chosen.
    pub fn is_chosen(&self, cell: &Cell) -> bool {
        let slug = cell.slug();
        self.chosen.contains(&slug)
    }

    /// Chooses a preset, or no longer; one that is not offered yet, such as that of another model, becomes one's own.
    pub fn choose(&mut self, cell: &Cell, chosen: bool) {
        let slug = cell.slug();
        self.chosen.retain(|known| *known != slug);
        if chosen {
            if !self.offered().any(|known| known.slug() == slug) {
                self.own.push(cell.clone());
            }
            self.chosen.push(slug);
        }
    }

    /// The presets that are chosen, in the order in which they are offered.
    pub fn cells(&self) -> Vec<Cell> {
        self.offered().filter(|cell| self.is_chosen(cell)).cloned().collect()
    }

    /// Takes in presets of one's own, chosen.
    pub fn add(&mut self, cells: Vec<Cell>) {
        for cell in cells {
            self.own.retain(|own| own.slug() != cell.slug());
            self.own.push(cell.clone());
            self.choose(&cell, true);
        }
    }

    /// Puts the chosen presets over values of one or two parameters in their place; how many came of it.
    ///
    /// # Errors
    /// If an axis is not one, or a preset does not take a value: one sentence.
    pub fn sweep(&mut self, axes: [&str; 2]) -> Result<usize, String> {
        let axes = axes.iter().filter(|axis| !axis.trim().is_empty()).map(|axis| axis.parse::<Axis>());
        let axes: Vec<Axis> = axes.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        let cells = swept(&self.cells(), &axes).map_err(|error| error.to_string())?;
        self.chosen.clear();
        let count = cells.len();
        self.add(cells);
        Ok(count)
    }

    /// The comparison of a model that these settings make.
    ///
    /// # Errors
    /// If they make none: one sentence.
    pub fn comparison(&self, draft: &Draft) -> Result<Comparison, String> {
        let comparison = Comparison {
            model: draft.model.clone(),
            family: draft.family().map_err(|error| error.to_string())?,
            seed: self.seed,
            count: Count::new(self.count).map_err(|error| error.to_string())?,
            features: self.features(),
            reference: self.reference(&draft.model),
            keep: Keep { features: None, samples: self.keep_samples },
            measures: Vec::new(),
            cells: self.cells(),
        };
        comparison.check().map_err(|error| error.to_string())?;
        Ok(comparison)
    }
}
