//! Opens any checkpoint that is known, by its content.

use super::ncsn::{self, NcsnVariant};
use super::overrides::{Assumption, Overrides};
use super::score_sde::{self, Structure, flax, flax_names};
use super::tensors::Shapes;
use super::{
    Checkpoint, FileError, ReadProgress, classifier, diffusers, dit, edm, foreign, guided, latents, native,
    read_bounded, sets, start, tensors, torch, yaml,
};
use crate::network::{Architecture, Config, Weights, WeightsError};
use crate::score::Description;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How the lines of a card begin on how long the network was trained, and what is not certain.
pub(super) const TRAINED: &str = "Trained for ";
pub const ASSUMED: &str = "Assumed: ";
/// How the line begins on which of a file's weights these are.
pub(super) const CHOSEN: &str = "Weights: ";
/// How the line begins on what was ignored of the file beside them.
pub(super) const IGNORED: &str = "Ignored in ";

const CONFIG: &str = "a published configuration";
const CHOOSE: &str = "choose a published checkpoint or a Score Explorer .safetensors";

/// A network's weights with what must be known of them.
#[derive(Debug)]
pub struct OpenedNetwork {
    pub description: Description,
    pub weights: Weights,
}

/// A network, and what was assumed because its file does not reveal it.
#[derive(Debug)]
pub struct Opened {
    pub network: OpenedNetwork,
    /// Whether the configuration was inferred from names and shapes.
    pub inferred: bool,
    pub assumed: Vec<Assumption>,
    /// What a person should know of how the file was read, a sentence each.
    pub notes: Vec<String>,
    /// The file of the weights, or the first of several, where a folder was opened.
    pub file: Option<PathBuf>,
}

/// How a checkpoint is opened.
#[derive(Clone, Default)]
pub struct OpenOptions<'a> {
    /// Its configuration; else the one beside it, or what its names and shapes reveal.
    pub config: Option<&'a Path>,
    /// Fields of the configuration that are set by hand.
    pub overrides: Overrides,
    /// The raw weights instead of their EMA.
    pub raw: bool,
    /// Reports how far it is read.
    pub progress: Option<&'a ReadProgress<'a>>,
}

/// Opens any network checkpoint that is known, as [`open`], with no other option than its configuration.
///
/// # Errors
/// One sentence for each way in which a file can be wrong.
pub fn open_network(path: &Path, config: Option<&Path>) -> Result<OpenedNetwork, FileError> {
    open(path, &OpenOptions { config, ..OpenOptions::default() }).map(|opened| opened.network)
}

/// Opens any network checkpoint that is known, by its content: our own safetensors, a published `.pth`, a checkpoint of
/// the JAX code, a folder of diffusers (or the weights in one), EDM's or published state dictionaries as safetensors.
/// Configurations are stored beside published ones (the same name with `.json`, or `config.json`); else they are inferred.
///
/// # Errors
/// One sentence for each way in which a file can be wrong.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Opened, FileError> {
    let unheard = ReadProgress::default();
    let progress = options.progress.unwrap_or(&unheard);
    let opened = open_known(path, options, progress);
    // Errors of a reader that was cancelled do not matter.
    if progress.is_cancelled() {
        return Err(FileError::Cancelled(path.into()));
    }
    let opened = opened?;
    let OpenedNetwork { description, weights } = &opened.network;
    description.config.check_all_used(weights).map_err(|source| FileError::Weights { path: path.into(), source })?;
    match weights.iter().find(|(_, array)| array.values.iter().any(|value| !value.is_finite())) {
        Some((name, _)) => {
            Err(FileError::Weights { path: path.into(), source: WeightsError::NotFinite { name: name.clone() } })
        }
        None => Ok(opened),
    }
}

fn open_known(path: &Path, options: &OpenOptions, progress: &ReadProgress) -> Result<Opened, FileError> {
    if let Some(place) = diffusers::find(path, options.raw).filter(|_| options.config.is_none()) {
        return open_diffusers(path, place, options, progress);
    }
    if path.is_dir() {
        return Err(FileError::format(path, "a checkpoint", format!("it is a folder without a network; {CHOOSE}")));
    }
    let (start, length) = start(path)?;
    // A header's length may look like the beginning of any other kind: structure goes first.
    match start.as_slice() {
        [] => Err(FileError::format(path, "a checkpoint", "it is empty; download or write it again")),
        start if tensors::begins(start, length) => open_tensors(path, options, progress),
        start if flax::begins(start) => open_flax(path, options, progress),
        [b'P', b'K', 3, 4, ..] | [0x80, ..] => open_torch(path, options, progress),
        start => match foreign::named(start, CHOOSE) {
            Some(reason) => Err(FileError::format(path, "a checkpoint", reason)),
            // Where the header's length is wrong.
            None if start.get(8) == Some(&b'{') => open_tensors(path, options, progress),
            None => {
                let reason = format!("its {length} bytes are not a PyTorch, safetensors or JAX file; {CHOOSE}");
                Err(FileError::format(path, "a checkpoint", reason))
            }
        },
    }
}

fn open_diffusers(
    path: &Path,
    place: diffusers::Place,
    options: &OpenOptions,
    progress: &ReadProgress,
) -> Result<Opened, FileError> {
    self_described(path, options, "a diffusers folder")?;
    let diffusers::Found { network, file, notes, ignored } = diffusers::open(path, place, options.raw, progress)?;
    Ok(Opened { file: Some(file), ..Opened::from(network) }.noted(notes, false).keeping("", ignored))
}

/// A network that describes itself.
impl From<OpenedNetwork> for Opened {
    fn from(network: OpenedNetwork) -> Opened {
        Opened { network, inferred: false, assumed: Vec::new(), notes: Vec::new(), file: None }
    }
}

/// Refuses options for a file that has one set of weights and describes itself.
fn plain(path: &Path, options: &OpenOptions, what: &'static str) -> Result<(), FileError> {
    one_set(path, options.raw)?;
    self_described(path, options, what)
}

fn self_described(path: &Path, options: &OpenOptions, what: &'static str) -> Result<(), FileError> {
    match options.overrides.is_empty() {
        true => Ok(()),
        false => Err(FileError::format(
            path,
            "a checkpoint whose configuration can be set",
            format!("it is {what}, which describes itself; set no fields"),
        )),
    }
}

pub(super) fn one_set(path: &Path, raw: bool) -> Result<(), FileError> {
    match raw {
        true => {
            Err(FileError::format(path, "a training checkpoint", "it holds one set of weights; leave the choice out"))
        }
        false => Ok(()),
    }
}

fn open_torch(path: &Path, options: &OpenOptions, progress: &ReadProgress) -> Result<Opened, FileError> {
    open_state(path, options, torch::read(path, progress)?, None)
}

/// The weights of a state dictionary, of whichever network they are. `class` is the Python class of EDM that they are of.
fn open_state(
    path: &Path,
    options: &OpenOptions,
    mut checkpoint: Checkpoint,
    class: Option<&str>,
) -> Result<Opened, FileError> {
    if options.raw && !checkpoint.raw {
        let reason = "it holds an EMA only; leave the choice out";
        return Err(FileError::format(path, "a checkpoint with raw weights", reason));
    }
    let (step, notes) = (checkpoint.step, std::mem::take(&mut checkpoint.notes));
    if edm::is_edm(&checkpoint.model) {
        return open_edm(path, options, checkpoint, class).map(|opened| opened.noted(notes, options.raw));
    }
    if dit::is_dit(&checkpoint.model) {
        return open_dit(path, options, checkpoint).map(|opened| opened.noted(notes, options.raw));
    }
    if guided::is_guided(&checkpoint.model) {
        return open_guided(path, options, checkpoint).map(|opened| opened.noted(notes, options.raw));
    }
    if checkpoint.model.contains_key("conv_in.weight") {
        return open_named_by_diffusers(path, options, checkpoint).map(|opened| opened.noted(notes, options.raw));
    }
    let found = match NcsnVariant::of(&checkpoint.model) {
        Some(variant) => describe_ncsn(path, options, variant, &checkpoint.model)?,
        None => describe(path, options, &Structure::of(&checkpoint.model))?,
    };
    let weights = averaged(checkpoint, &found.description.config, options.raw, path)?;
    Ok(found.with(weights, step).noted(notes, options.raw))
}

fn open_flax(path: &Path, options: &OpenOptions, progress: &ReadProgress) -> Result<Opened, FileError> {
    let (tree, step) = flax::read(path, options.raw, progress)?;
    let found = describe(path, options, &flax_names::structure(&tree))?;
    let wrong = |source| FileError::Weights { path: path.into(), source };
    let config = u_net(&found.description, path)?;
    let weights = flax_names::renamed(tree, config).map_err(wrong)?;
    Ok(found.with(weights, step))
}

/// A safetensors file: our own format, or a state dictionary.
fn open_tensors(path: &Path, options: &OpenOptions, progress: &ReadProgress) -> Result<Opened, FileError> {
    let (notes, shapes) = tensors::read_header(path)?;
    let names: Vec<&str> = shapes.keys().map(String::as_str).collect();
    let known = || sets::sets(&names).into_iter().filter(|set| set.known).collect::<Vec<_>>();
    let sets = if notes.contains_key(native::KEY) { Vec::new() } else { known() };
    if notes.contains_key(latents::FLOW) {
        let reason = "it holds latents; decode them, and choose the model that they name";
        return Err(FileError::format(path, "a checkpoint", reason));
    }
    if notes.contains_key(classifier::KEY) {
        let reason = format!("it holds a classifier, which tells classes and has no score; {CHOOSE}");
        return Err(FileError::format(path, "a score model", reason));
    }
    if sets.is_empty() {
        plain(path, options, "a Score Explorer checkpoint")?;
        return native::read_file(path, progress).map(Opened::from);
    }
    let chosen = sets::choose(sets.iter().map(|set| set.prefix.as_str())).map(|chosen| sets.get(chosen?));
    if chosen.contains(&None) {
        one_set(path, options.raw)?;
    }
    let wanted: BTreeSet<&str> = chosen
        .iter()
        .flatten()
        .flat_map(|set| set.members.iter().filter_map(|&member| names.get(member).copied()))
        .collect();
    let (_, mut read) = tensors::read_some(path, &|name| wanted.contains(name), progress)?;
    let mut take = |set: &sets::Set| -> Weights {
        let named = set.members.iter().filter_map(|&member| names.get(member));
        named.filter_map(|name| Some((name.get(set.prefix.len()..)?.to_owned(), read.remove(*name)?))).collect()
    };
    let [raw, average] = chosen.map(|set| set.map(&mut take));
    let has_raw = raw.is_some();
    let (model, average) = if has_raw { (raw, average) } else { (average, None) };
    let checkpoint = Checkpoint { model: model.unwrap_or_default(), raw: has_raw, average, ..Checkpoint::default() };
    open_state(path, options, checkpoint, notes.get("class").map(String::as_str))
}

fn open_edm(
    path: &Path,
    options: &OpenOptions,
    checkpoint: Checkpoint,
    class: Option<&str>,
) -> Result<Opened, FileError> {
    let Checkpoint { mut model, average, step, .. } = checkpoint;
    model.extend(average.filter(|_| !options.raw).into_iter().flatten());
    let config = |source| FileError::Config { path: path.into(), source };
    let shapes: Shapes = model.iter().map(|(name, array)| (name.clone(), array.shape.clone())).collect();
    let described = edm::infer(&shapes, class, &options.overrides).map_err(config)?;
    let wrong = |source| FileError::Weights { path: path.into(), source };
    let weights = edm::renamed(model, u_net(&described.description, path)?).map_err(wrong)?;
    Ok(described.with(weights, step))
}

fn open_dit(path: &Path, options: &OpenOptions, checkpoint: Checkpoint) -> Result<Opened, FileError> {
    let Checkpoint { mut model, average, step, .. } = checkpoint;
    model.extend(average.filter(|_| !options.raw).into_iter().flatten());
    let shapes: Shapes = model.iter().map(|(name, array)| (name.clone(), array.shape.clone())).collect();
    let described =
        dit::infer(&shapes, &options.overrides).map_err(|source| FileError::Config { path: path.into(), source })?;
    let weights = match described.description.config.dit() {
        Some(config) => {
            dit::renamed(model, config).map_err(|source| FileError::Weights { path: path.into(), source })?
        }
        None => model,
    };
    Ok(described.with(weights, step))
}

fn open_guided(path: &Path, options: &OpenOptions, checkpoint: Checkpoint) -> Result<Opened, FileError> {
    let Checkpoint { mut model, average, step, .. } = checkpoint;
    model.extend(average.filter(|_| !options.raw).into_iter().flatten());
    let shapes: Shapes = model.iter().map(|(name, array)| (name.clone(), array.shape.clone())).collect();
    let guided::Found { described, new_order } =
        guided::infer(&shapes, &options.overrides).map_err(|source| FileError::Config { path: path.into(), source })?;
    let weights = guided::renamed(model, u_net(&described.description, path)?, new_order)
        .map_err(|source| FileError::Weights { path: path.into(), source })?;
    Ok(described.with(weights, step))
}

/// A network with diffusers' names in a file of any other name, which the folder describes.
fn open_named_by_diffusers(path: &Path, options: &OpenOptions, checkpoint: Checkpoint) -> Result<Opened, FileError> {
    let Some(folder) = diffusers::beside(path) else {
        let reason = "its tensors are those of a diffusers network, which does not describe itself; save it with its \
                      scheduler by save_pretrained, and choose that folder";
        return Err(FileError::format(path, "a self-contained checkpoint", reason));
    };
    self_described(path, options, "a network of diffusers")?;
    let Checkpoint { mut model, average, .. } = checkpoint;
    model.extend(average.filter(|_| !options.raw).into_iter().flatten());
    let (description, ignored) = diffusers::describe(folder)?;
    Ok(Opened::from(diffusers::network(description, model, path)?).keeping("", ignored))
}

/// The configuration of a network that must be a U-Net.
pub(super) fn u_net<'a>(description: &'a Description, path: &Path) -> Result<&'a Config, FileError> {
    let reason = "its configuration is that of an NCSN, which exists for PyTorch only; give that of this file";
    description.config.unet().ok_or_else(|| FileError::format(path, "a checkpoint of this configuration", reason))
}

/// A network's description, and what was assumed of it where it was inferred rather than read.
#[derive(Clone, Debug)]
pub struct Described {
    pub description: Description,
    /// Whether the configuration was inferred from names and shapes.
    pub inferred: bool,
    pub assumed: Vec<Assumption>,
}

impl Described {
    fn read(description: Description) -> Self {
        Described { description, inferred: false, assumed: Vec::new() }
    }

    /// With the weights, and with what is known of them on the card.
    fn with(mut self, mut weights: Weights, step: Option<u64>) -> Opened {
        // A buffer, which the configuration has too.
        weights.remove("sigmas");
        let mut lines: Vec<String> = step.map(|step| format!("{TRAINED}{step} steps.")).into_iter().collect();
        if !self.assumed.is_empty() {
            let all: Vec<String> = self.assumed.iter().map(|it| format!("{} = {}", it.field, it.value)).collect();
            lines.push(format!("{ASSUMED}{}.", all.join(", ")));
        }
        self.description.card = lines.join("\n");
        let network = OpenedNetwork { description: self.description, weights };
        Opened { network, inferred: self.inferred, assumed: self.assumed, notes: Vec::new(), file: None }
    }
}

impl Opened {
    /// With what is to be known of which weights these are, unless they were asked for; the card keeps it.
    fn noted(self, notes: Vec<String>, asked: bool) -> Opened {
        if asked { self } else { self.keeping(CHOSEN, notes) }
    }

    /// With notes, which the card keeps under a label.
    fn keeping(mut self, label: &str, notes: impl IntoIterator<Item = String>) -> Opened {
        let card = &mut self.network.description.card;
        for note in notes {
            *card = [card.as_str(), &format!("{label}{note}")].join("\n").trim_start().to_owned();
            self.notes.push(note);
        }
        self
    }
}

/// The description in the configuration of a published checkpoint, or else in its names and shapes.
fn describe(path: &Path, options: &OpenOptions, structure: &Structure) -> Result<Described, FileError> {
    let Some(config) = find_config(path, options.config) else {
        let wrong = |source| FileError::Config { path: path.into(), source };
        return score_sde::infer(structure, path, &options.overrides).map_err(wrong);
    };
    let wrong = |source| FileError::Config { path: config.clone(), source };
    score_sde::read_score_sde_config(&config_text(&config)?, &options.overrides).map(Described::read).map_err(wrong)
}

/// The description in the configuration of an original NCSN or NCSNv2.
fn describe_ncsn(
    path: &Path,
    options: &OpenOptions,
    variant: NcsnVariant,
    weights: &Weights,
) -> Result<Described, FileError> {
    let config = find_config(path, options.config).ok_or_else(|| {
        FileError::format(
            path,
            "a self-contained checkpoint",
            "its noise levels are in its configuration; give that (YAML or JSON), or put it beside the checkpoint as \
             config.yml",
        )
    })?;
    let wrong = |source| FileError::Config { path: config.clone(), source };
    let sigmas = weights.get("sigmas").map(|sigmas| sigmas.values.as_slice());
    let description = ncsn::read_config(&config_text(&config)?, variant, &options.overrides, sigmas);
    description.map(Described::read).map_err(wrong)
}

/// The text of a published configuration, as JSON.
fn config_text(path: &Path) -> Result<String, FileError> {
    let wrong = |reason: String| FileError::format(path, CONFIG, reason);
    let text = String::from_utf8(read_bounded(path, 1 << 20, CONFIG)?)
        .map_err(|_| wrong("it is not text; give the JSON or YAML file".into()))?;
    match path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
        true => yaml::to_json(&text).map_err(wrong),
        false => Ok(text),
    }
}

/// The configuration that was given, or that is stored beside the checkpoint.
fn find_config(path: &Path, config: Option<&Path>) -> Option<PathBuf> {
    let extensions = ["json", "yml", "yaml"];
    let named = extensions.map(|extension| path.with_extension(extension));
    let plain = extensions.map(|extension| path.with_file_name("config").with_extension(extension));
    let mut beside = named.into_iter().chain(plain);
    config.map(Path::to_owned).or_else(|| beside.find(|candidate| candidate.is_file()))
}

/// The EMA weights, if there are any and they are not to be `raw`, under the names of the parameters that they average;
/// what was not trained comes from the raw weights.
fn averaged(mut checkpoint: Checkpoint, config: &Architecture, raw: bool, path: &Path) -> Result<Weights, FileError> {
    let trained = config.trainable();
    let average: Weights = match checkpoint.average {
        _ if raw => Weights::new(),
        Some(average) => average,
        None if checkpoint.ema.is_empty() => Weights::new(),
        None if trained.len() == checkpoint.ema.len() => trained.into_iter().zip(checkpoint.ema).collect(),
        None => {
            return Err(FileError::Ema { path: path.into(), expected: trained.len(), found: checkpoint.ema.len() });
        }
    };
    let is_buffer = |name: &str| config.unet().is_some() && !name.starts_with(sets::MODULES);
    checkpoint.model.extend(average);
    checkpoint.model.retain(|name, _| !is_buffer(name));
    fitting(checkpoint.model, config, path)
}

/// The weights, once all parameters of the configuration are there with their shapes.
fn fitting(weights: Weights, config: &Architecture, path: &Path) -> Result<Weights, FileError> {
    let wrong = |source| FileError::Weights { path: path.into(), source };
    for (name, expected) in config.parameters() {
        match weights.get(&name) {
            None => return Err(wrong(WeightsError::Missing { name })),
            Some(array) if array.shape != expected => {
                return Err(wrong(WeightsError::Shape { name, expected, found: array.shape.clone() }));
            }
            Some(_) => {}
        }
    }
    Ok(weights)
}
