//! Opens models for the worker and keeps the last few open.

use super::{Failure, ModelReport};
use crate::checkpoint::{self, Assumption, FileError, OpenOptions, OpenedNetwork, ReadProgress};
use crate::network::{Network, WeightsError};
use crate::score::{ImageSet, Mixture, MixtureError, NetworkScore, ScoreModel};
use crate::task::ModelRef;
use burn::tensor::Device;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

/// Models that stay open, so that switching back is at once.
const KEPT: usize = 3;

/// An open model with what is known of it.
pub(super) struct Loaded {
    pub(super) model: Box<dyn ScoreModel>,
    pub(super) report: Arc<ModelReport>,
    /// Where it was opened for gradients, it is as fast without.
    serves_both: bool,
}

impl Loaded {
    /// With a warning of what was assumed of it, if anything was.
    fn warned(mut self, assumed: &[Assumption]) -> Self {
        if !assumed.is_empty() {
            let fields: Vec<String> = assumed.iter().map(|it| format!("{} = {}", it.field, it.value)).collect();
            let warning = format!(
                "its file does not say what network it is, so this was assumed: {}; where that is wrong, import it \
                 with --set",
                fields.join(", ")
            );
            let report = Arc::make_mut(&mut self.report);
            report.warnings.push(warning);
            report.assumed = assumed.to_vec();
        }
        self
    }
}

/// Why a model could not be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Mixture(#[from] MixtureError),
    #[error("the weights do not fit: {0}")]
    Weights(#[from] WeightsError),
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Failure {
        Failure::from_sentence(&error.to_string(), "choose another model, or check the file")
    }
}

/// What an open model was made from, and on a GPU or not; a file that changed is opened again.
type Key = (ModelRef, Option<SystemTime>, bool);

/// An open model.
struct Open {
    key: Key,
    differentiable: bool,
    loaded: Rc<Loaded>,
}

/// Opens models by reference.
pub(super) struct Loader {
    library: Option<PathBuf>,
    /// The last used comes last.
    open: Vec<Open>,
}

impl Loader {
    pub(super) fn new(library: Option<PathBuf>) -> Self {
        Loader { library, open: Vec::new() }
    }

    /// Forgets all open models, as after a failure of their device.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    /// The model on the device, opened now or kept from before.
    pub(super) fn open(
        &mut self,
        reference: &ModelRef,
        device: &Device,
        gpu: bool,
        progress: &ReadProgress,
    ) -> Result<Rc<Loaded>, LoadError> {
        let key: Key = (reference.clone(), modified(reference), gpu);
        let differentiable = device.is_autodiff();
        let serves = |open: &Open| {
            let fits = open.differentiable == differentiable || open.differentiable && open.loaded.serves_both;
            open.key == key && fits
        };
        let open = match self.open.iter().position(serves) {
            Some(place) => self.open.remove(place),
            None => {
                let loaded = Rc::new(self.load(reference, device, progress)?);
                // One of the two is enough.
                self.open.retain(|open| open.key != key || !loaded.serves_both);
                if self.open.len() == KEPT {
                    self.open.remove(0);
                }
                Open { key, differentiable, loaded }
            }
        };
        let loaded = open.loaded.clone();
        self.open.push(open);
        Ok(loaded)
    }

    fn load(&self, reference: &ModelRef, device: &Device, progress: &ReadProgress) -> Result<Loaded, LoadError> {
        match reference {
            ModelRef::Named(name) => {
                network(reference, checkpoint::find(name, self.library.as_deref(), progress)?, device)
            }
            ModelRef::File(path) => {
                let opened =
                    checkpoint::open(path, &OpenOptions { progress: Some(progress), ..OpenOptions::default() })?;
                network(reference, opened.network, device).map(|loaded| loaded.warned(&opened.assumed))
            }
            ModelRef::Exact(folder) => pictures(reference, folder, device),
            ModelRef::Mixture(name) => mixture(reference, name),
        }
    }
}

fn modified(reference: &ModelRef) -> Option<SystemTime> {
    match reference {
        ModelRef::File(path) | ModelRef::Exact(path) => path.metadata().ok()?.modified().ok(),
        ModelRef::Named(_) | ModelRef::Mixture(_) => None,
    }
}

fn network(reference: &ModelRef, opened: OpenedNetwork, device: &Device) -> Result<Loaded, LoadError> {
    let OpenedNetwork { description, weights } = opened;
    let network = Network::new(&description.config, &weights, device)?;
    drop(weights);
    let (name, card, family) = (description.name.clone(), description.card.clone(), description.family);
    let described = Some(description.clone());
    let size = network.parameters();
    let serves_both = description.config.differentiates_on_the_cpu() && *device == Device::flex();
    let model = NetworkScore::new(network, description);
    let report = ModelReport {
        model: reference.clone(),
        name: if name.is_empty() { reference.to_string() } else { name },
        card,
        shape: model.shape(),
        size,
        exact: false,
        range: model.range(),
        family: Some(family),
        ratios: model.ratios(),
        description: described,
        assumed: Vec::new(),
        warnings: Vec::new(),
    };
    Ok(Loaded { model: Box::new(model), report: Arc::new(report), serves_both })
}

fn pictures(reference: &ModelRef, folder: &Path, device: &Device) -> Result<Loaded, LoadError> {
    let shipped = folder == Path::new("worlds") && !folder.exists();
    let set = if shipped { checkpoint::shipped_worlds()? } else { checkpoint::read_pictures(folder, None)? };
    let model = ImageSet::new(&set.values, set.shape, device);
    let place = if shipped { "the little worlds that ship".into() } else { folder.display().to_string() };
    let report = ModelReport {
        model: reference.clone(),
        name: if shipped { "512 little worlds (exact)".into() } else { format!("{place} (exact)") },
        card: format!(
            "The exact score of {} pictures from {place}: what a perfect network trained on these alone would answer. \
             Its samples are those pictures.",
            model.len()
        ),
        shape: set.shape,
        size: model.len(),
        exact: true,
        range: model.range(),
        family: None,
        ratios: None,
        description: None,
        assumed: Vec::new(),
        warnings: set.warnings,
    };
    Ok(Loaded { model: Box::new(model), report: Arc::new(report), serves_both: false })
}

fn mixture(reference: &ModelRef, name: &str) -> Result<Loaded, LoadError> {
    let model = Mixture::named(name)?;
    let summary = Mixture::names().iter().find(|(known, _)| *known == name).map_or("", |(_, summary)| summary);
    let report = ModelReport {
        model: reference.clone(),
        name: format!("Mixture: {name}"),
        card: format!("{summary} Its score is exact at every noise level."),
        shape: model.shape(),
        size: model.components().len(),
        exact: true,
        range: model.range(),
        family: None,
        ratios: None,
        description: None,
        assumed: Vec::new(),
        warnings: Vec::new(),
    };
    Ok(Loaded { model: Box::new(model), report: Arc::new(report), serves_both: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Run;

    #[test]
    fn a_network_opened_for_gradients_takes_the_place_of_the_other() {
        let (mut loader, model) = (Loader::new(None), Run::default().model);
        let (plain, gradients) = (Device::flex(), Device::flex().autodiff());
        let mut open = |device| loader.open(&model, device, false, &ReadProgress::default()).unwrap();
        let (first, differentiable, second) = (open(&plain), open(&gradients), open(&plain));
        assert!(Rc::ptr_eq(&differentiable, &second) && !Rc::ptr_eq(&first, &second));
        drop(first);
        assert_eq!(loader.open.len(), 1);
    }

    #[test]
    fn mixtures_are_opened_for_each() {
        let (mut loader, model) = (Loader::new(None), ModelRef::Mixture("ring".into()));
        let mut open = |device| loader.open(&model, device, false, &ReadProgress::default()).unwrap();
        let (differentiable, plain) = (open(&Device::flex().autodiff()), open(&Device::flex()));
        assert!(!Rc::ptr_eq(&differentiable, &plain));
    }
}
