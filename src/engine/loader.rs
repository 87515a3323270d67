//! Opens models for all tasks, each once, and keeps the last few open.

use super::{Ending, Failure, ModelReport, locked};
use crate::checkpoint::{self, Assumption, FileError, OpenOptions, Opened, OpenedNetwork, ReadProgress, read_mixture};
use crate::network::{Classifier, Network, WeightsError};
use crate::score::{ImageSet, Mixture, MixtureError, NetworkClassifier, NetworkScore, ScoreModel};
use crate::task::ModelRef;
use burn::tensor::Device;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Models that stay open, so that switching back is at once.
const KEPT: usize = 3;
/// How often a task that waits for another's opening looks whether it is to go on waiting.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// An open model with what is known of it.
pub(super) struct Loaded {
    pub(super) model: Box<dyn ScoreModel + Send + Sync>,
    pub(super) report: Arc<ModelReport>,
    /// Where it was opened for gradients, it is as fast without.
    serves_both: bool,
}

impl Loaded {
    /// With what a person should know of how it was read, and a warning of what was assumed of it, if anything was.
    fn warned(mut self, notes: Vec<String>, assumed: &[Assumption]) -> Self {
        if !notes.is_empty() {
            Arc::make_mut(&mut self.report).warnings.extend(notes);
        }
        if !assumed.is_empty() {
            let fields: Vec<String> = assumed.iter().map(|it| format!("{} = {}", it.field, it.value)).collect();
            let warning = format!(
                "the file does not specify the network, so these values were assumed: {}; if any are wrong, import it \
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
    #[error("the opening was ended")]
    Ended,
    #[error(transparent)]
    File(FileError),
    #[error("{0} has an exact score and is not a network; choose a name from `models` or a checkpoint")]
    NoNetwork(ModelRef),
    #[error(transparent)]
    Mixture(#[from] MixtureError),
    #[error("the weights do not fit: {0}")]
    Weights(#[from] WeightsError),
}

impl From<FileError> for LoadError {
    fn from(error: FileError) -> LoadError {
        match error {
            FileError::Cancelled(_) => LoadError::Ended,
            error => LoadError::File(error),
        }
    }
}

impl From<LoadError> for Ending {
    fn from(error: LoadError) -> Ending {
        match error {
            LoadError::Ended => Ending::Stopped,
            error => Failure::from(error).into(),
        }
    }
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
    gradients: bool,
    loaded: Arc<Loaded>,
}

/// A model that a task is opening.
struct Opening {
    key: Key,
    gradients: bool,
    /// How much of its file is read, 0 to 1.
    share: Option<f32>,
}

#[derive(Default)]
struct Models {
    /// The last used comes last.
    open: Vec<Open>,
    opening: Vec<Opening>,
}

impl Models {
    /// The model, if it is open, which becomes the last used.
    fn take(&mut self, key: &Key, gradients: bool) -> Option<Arc<Loaded>> {
        let serves = |open: &Open| {
            let fits = open.gradients == gradients || open.gradients && open.loaded.serves_both;
            open.key == *key && fits
        };
        let open = self.open.iter().position(serves).map(|place| self.open.remove(place))?;
        let loaded = open.loaded.clone();
        self.open.push(open);
        Some(loaded)
    }

    fn keep(&mut self, key: Key, gradients: bool, loaded: Arc<Loaded>) {
        // One of the two is enough.
        self.open.retain(|open| open.key != key || !loaded.serves_both);
        if self.open.len() == KEPT {
            self.open.remove(0);
        }
        self.open.push(Open { key, gradients, loaded });
    }

    fn opening(&mut self, key: &Key, gradients: bool) -> Option<&mut Opening> {
        self.opening.iter_mut().find(|opening| opening.key == *key && opening.gradients == gradients)
    }
}

/// Opens models by reference.
pub(super) struct Loader {
    library: Option<PathBuf>,
    models: Mutex<Models>,
    /// An opening has ended, well or not.
    ended: Condvar,
}

impl Loader {
    pub(super) fn new(library: Option<PathBuf>) -> Self {
        Loader { library, models: Mutex::default(), ended: Condvar::new() }
    }

    /// The folder of imported models, where there is one.
    pub(super) fn library(&self) -> Option<&Path> {
        self.library.as_deref()
    }

    /// Forgets all open models, as after a failure of their device.
    pub(super) fn clear(&self) {
        locked(&self.models).open.clear();
    }

    /// The model on the device: kept from before, or opened now, by this task or by another that began first. While it
    /// is being opened, `tell` is told how much of its file is read, and answers whether to go on.
    pub(super) fn open(
        &self,
        reference: &ModelRef,
        device: &Device,
        gpu: bool,
        tell: &dyn Fn(Option<f32>) -> bool,
    ) -> Result<Arc<Loaded>, LoadError> {
        let key: Key = (reference.clone(), modified(reference), gpu);
        let gradients = device.is_autodiff();
        let mut models = locked(&self.models);
        loop {
            if let Some(loaded) = models.take(&key, gradients) {
                return Ok(loaded);
            }
            let Some(share) = models.opening(&key, gradients).map(|other| other.share) else { break };
            drop(models);
            if !tell(share) {
                return Err(LoadError::Ended);
            }
            let waiting = self.ended.wait_timeout(locked(&self.models), LOOK_EVERY);
            models = waiting.unwrap_or_else(PoisonError::into_inner).0;
        }
        models.opening.push(Opening { key: key.clone(), gradients, share: None });
        drop(models);
        let _under_way = UnderWay { loader: self, key: &key, gradients };
        if !tell(None) {
            return Err(LoadError::Ended);
        }
        let told = |share: f32| {
            if let Some(opening) = locked(&self.models).opening(&key, gradients) {
                opening.share = Some(share);
            }
            tell(Some(share))
        };
        let loaded = Arc::new(self.load(reference, device, &ReadProgress::new(&told))?);
        locked(&self.models).keep(key.clone(), gradients, loaded.clone());
        Ok(loaded)
    }

    /// A network's description and weights, which are not kept open.
    pub(super) fn read(&self, reference: &ModelRef, progress: &ReadProgress) -> Result<Opened, LoadError> {
        match reference {
            ModelRef::Named(name) => Ok(checkpoint::find(name, self.library.as_deref(), progress)?.into()),
            ModelRef::File(path) => {
                let options = OpenOptions { progress: Some(progress), ..OpenOptions::default() };
                Ok(checkpoint::open(path, &options)?)
            }
            ModelRef::Exact(_) | ModelRef::Mixture(_) => Err(LoadError::NoNetwork(reference.clone())),
        }
    }

    fn load(&self, reference: &ModelRef, device: &Device, progress: &ReadProgress) -> Result<Loaded, LoadError> {
        match reference {
            ModelRef::Named(_) | ModelRef::File(_) => {
                let opened = self.read(reference, progress)?;
                network(reference, opened.network, device).map(|loaded| loaded.warned(opened.notes, &opened.assumed))
            }
            ModelRef::Exact(folder) => pictures(reference, folder, device, progress),
            ModelRef::Mixture(name) => mixture(reference, name),
        }
    }
}

/// An opening, until it ends, whatever happens in it. Those who wait for it then look again.
struct UnderWay<'a> {
    loader: &'a Loader,
    key: &'a Key,
    gradients: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let opening = &mut locked(&self.loader.models).opening;
        opening.retain(|opening| opening.key != *self.key || opening.gradients != self.gradients);
        self.loader.ended.notify_all();
    }
}

/// A classifier on a device: the one that ships, or a file.
pub(super) fn classifier(reference: &ModelRef, device: &Device) -> Result<NetworkClassifier, LoadError> {
    let opened = checkpoint::find_classifier(reference)?;
    let network = Classifier::new(&opened.description.config, &opened.weights, device)?;
    Ok(NetworkClassifier::new(network, opened.description))
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
    let (name, card, family) = (description.name.clone(), description.card.clone(), description.family_of_runs());
    let (described, classes) = (Some(description.clone()), description.class_names());
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
        classes,
        assumed: Vec::new(),
        warnings: Vec::new(),
    };
    Ok(Loaded { model: Box::new(model), report: Arc::new(report), serves_both })
}

fn pictures(
    reference: &ModelRef,
    folder: &Path,
    device: &Device,
    progress: &ReadProgress,
) -> Result<Loaded, LoadError> {
    let shipped = !reference.is_path();
    let set = checkpoint::pictures_of(folder, progress)?;
    let model = ImageSet::new(set.values, set.shape, device);
    let place = if shipped { "the bundled Little Worlds".into() } else { folder.display().to_string() };
    let report = ModelReport {
        model: reference.clone(),
        name: if shipped { "Little Worlds (exact)".into() } else { format!("{place} (exact)") },
        card: format!(
            "The exact score of {} images from {place}: what a perfect network trained on these alone would compute. \
             Its samples are those images.",
            model.len()
        ),
        shape: set.shape,
        size: model.len(),
        exact: true,
        range: model.range(),
        family: None,
        ratios: None,
        description: None,
        classes: Vec::new(),
        assumed: Vec::new(),
        warnings: set.warnings,
    };
    Ok(Loaded { model: Box::new(model), report: Arc::new(report), serves_both: false })
}

fn mixture(reference: &ModelRef, name: &str) -> Result<Loaded, LoadError> {
    let (model, summary) = match ModelRef::mixture_file(name) {
        Some(file) => (read_mixture(file)?, "as a file describes it"),
        None => {
            let known = Mixture::names().iter().find(|(known, _)| *known == name);
            (Mixture::named(name)?, known.map_or("", |(_, summary)| summary))
        }
    };
    // Each component is one.
    let classes = match model.components().len() {
        0 | 1 => Vec::new(),
        count => (0..count).map(|class| class.to_string()).collect(),
    };
    let report = ModelReport {
        model: reference.clone(),
        name: format!("Mixture: {name}"),
        card: format!("{summary}; its score is exact at every noise level."),
        shape: model.shape(),
        size: model.components().len(),
        exact: true,
        range: model.range(),
        family: None,
        ratios: None,
        description: None,
        classes,
        assumed: Vec::new(),
        warnings: Vec::new(),
    };
    Ok(Loaded { model: Box::new(model), report: Arc::new(report), serves_both: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Run;

    fn open(loader: &Loader, model: &ModelRef, device: &Device) -> Arc<Loaded> {
        loader.open(model, device, false, &|_| true).unwrap()
    }

    #[test]
    fn a_network_opened_for_gradients_takes_the_place_of_the_other() {
        let (loader, model) = (Loader::new(None), Run::default().model);
        let (plain, gradients) = (Device::flex(), Device::flex().autodiff());
        let [first, differentiable, second] = [&plain, &gradients, &plain].map(|device| open(&loader, &model, device));
        assert!(Arc::ptr_eq(&differentiable, &second) && !Arc::ptr_eq(&first, &second));
        drop(first);
        assert_eq!(locked(&loader.models).open.len(), 1);
    }

    #[test]
    fn mixtures_are_opened_for_each() {
        let (loader, model) = (Loader::new(None), ModelRef::Mixture("ring".into()));
        let (differentiable, plain) =
            (open(&loader, &model, &Device::flex().autodiff()), open(&loader, &model, &Device::flex()));
        assert!(!Arc::ptr_eq(&differentiable, &plain));
    }

    #[test]
    fn how_much_is_read_is_told_and_a_model_can_be_let_go_meanwhile() {
        // Sixteen million numbers of nothing, said to be one tensor; read to its end it would be refused.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all_modules.safetensors");
        let header = r#"{"all_modules.0.bias":{"dtype":"F32","shape":[16777216],"data_offsets":[0,67108864]}}"#;
        let beginning = [(header.len() as u64).to_le_bytes().as_slice(), header.as_bytes()].concat();
        std::fs::write(&path, &beginning).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(beginning.len() as u64 + (64 << 20)).unwrap();
        let (loader, shares) = (Loader::new(None), std::cell::RefCell::new(Vec::new()));
        let tell = |share: Option<f32>| {
            shares.borrow_mut().push(share);
            share.is_none_or(|share| share < 0.5)
        };
        let opened = loader.open(&ModelRef::File(path), &Device::flex(), false, &tell);
        assert!(matches!(opened, Err(LoadError::Ended)));
        let shares = shares.into_inner();
        assert!(shares.len() > 2 && shares[0].is_none() && shares.is_sorted(), "{shares:?}");
        assert!(locked(&loader.models).opening.is_empty());
    }

    #[test]
    fn a_set_of_pictures_can_be_let_go_while_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        image::RgbImage::new(4, 4).save(folder.path().join("a.png")).unwrap();
        let (loader, model) = (Loader::new(None), ModelRef::Exact(folder.path().into()));
        // What is told first is that the opening begins.
        let opened = loader.open(&model, &Device::flex(), false, &|share| share.is_none());
        assert!(matches!(opened, Err(LoadError::Ended)) && locked(&loader.models).opening.is_empty());
        assert_eq!(open(&loader, &model, &Device::flex()).model.shape(), [3, 4, 4]);
    }

    #[test]
    fn two_that_want_a_model_at_once_open_it_once() {
        let (loader, model) = (Loader::new(None), Run::default().model);
        let (begun, begins) = crossbeam_channel::bounded::<()>(0);
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                let wait = |_| begins.recv().is_ok();
                loader.open(&model, &Device::flex(), false, &wait).unwrap()
            });
            // The second is told of the opening by the first, and lets it begin.
            let told = |_| {
                let _ = begun.try_send(());
                true
            };
            while locked(&loader.models).opening.is_empty() {
                std::thread::yield_now();
            }
            let second = loader.open(&model, &Device::flex(), false, &told).unwrap();
            drop(begun);
            assert!(Arc::ptr_eq(&first.join().unwrap(), &second));
        });
    }

    #[test]
    fn one_that_waits_opens_the_model_itself_when_the_other_lets_go() {
        let (loader, model) = (Loader::new(None), ModelRef::Mixture("ring".into()));
        let (ended, ends) = crossbeam_channel::bounded::<()>(0);
        std::thread::scope(|scope| {
            let first = scope.spawn(|| loader.open(&model, &Device::flex(), false, &|_| ends.recv().is_ok()));
            while locked(&loader.models).opening.is_empty() {
                std::thread::yield_now();
            }
            // Whoever waits can let go of it, too.
            let waited = loader.open(&model, &Device::flex(), false, &|_| false);
            assert!(matches!(waited, Err(LoadError::Ended)));
            drop(ended);
            open(&loader, &model, &Device::flex());
            assert!(matches!(first.join(), Ok(Err(LoadError::Ended))));
        });
    }
}
