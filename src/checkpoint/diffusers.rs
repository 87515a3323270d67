//! Models as diffusers publishes them: a folder with a configuration, a scheduler's and the weights.

use super::{FileError, OpenedNetwork, Watch, open_file, read_bounded, tensors, torch};
use crate::network::{
    Architecture, Array, BlockKind, Config, Description, Embedding, Progressive, ProgressiveInput, Weights,
    WeightsError, module_of,
};
use serde_json::Value;
use std::path::{Path, PathBuf};

const WHAT: &str = "a diffusers model that can be used";
const CONFIG: &str = "config.json";
const SCHEDULER: &str = "scheduler_config.json";
/// The weights, best first.
const WEIGHTS: [&str; 3] =
    ["diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin", "diffusion_pytorch_model.fp16.safetensors"];
/// Configurations have some hundred bytes.
const MAX_CONFIG: u64 = 1 << 20;

/// The folder in which a diffusers network lies, if one does in `path`: itself, its subfolder `unet`, or the folder
/// that holds these weights.
pub(super) fn folder(path: &Path) -> Option<PathBuf> {
    let holder = match path.file_name().and_then(|name| name.to_str()) {
        Some(name) if WEIGHTS.contains(&name) => path.parent()?.to_owned(),
        _ => path.to_owned(),
    };
    [holder.join("unet"), holder].into_iter().find(|folder| names_a_class(&folder.join(CONFIG)))
}

/// The file of the weights in a folder of diffusers.
pub(super) fn weights(path: &Path) -> Option<PathBuf> {
    let folder = folder(path)?;
    WEIGHTS.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// Whether a folder holds a network rather than pictures.
pub fn holds_network(folder: &Path) -> bool {
    folder.is_dir() && self::folder(folder).is_some()
}

fn names_a_class(config: &Path) -> bool {
    let text = config.is_file().then(|| read_bounded(config, MAX_CONFIG, WHAT).ok()).flatten();
    let value: Option<Value> = text.and_then(|text| serde_json::from_slice(&text).ok());
    value.is_some_and(|value| value.get("_class_name").is_some())
}

/// Opens the network in `folder`, from `weights` or from whichever file of them is there.
pub(super) fn open(folder: &Path, weights: Option<&Path>, watch: &Watch) -> Result<OpenedNetwork, FileError> {
    let config = folder.join(CONFIG);
    let scheduler = scheduler(folder).ok_or_else(|| {
        FileError::format(
            folder,
            WHAT,
            "it does not say what noise it was trained with; put the scheduler_config.json of its repository beside \
             its config.json",
        )
    })?;
    let description = Description::from_diffusers(&text(&config)?, &text(&scheduler)?)
        .map_err(|source| FileError::Config { path: config, source })?;
    let weights = match weights {
        Some(path) => path.to_owned(),
        None => WEIGHTS.iter().map(|name| folder.join(name)).find(|path| path.is_file()).ok_or_else(|| {
            FileError::format(folder, WHAT, format!("its weights are missing; put {} into it", WEIGHTS[0]))
        })?,
    };
    let tensors = match weights.extension().is_some_and(|extension| extension == "bin") {
        true => torch::read_state(&weights, watch)?,
        false => tensors::read_watched(&weights, watch)?,
    };
    let wrong = |source| FileError::Weights { path: weights.clone(), source };
    let weights = renamed(tensors, &description.config).map_err(wrong)?;
    Ok(OpenedNetwork { description, weights })
}

/// Beside the network, or where a pipeline keeps it.
fn scheduler(folder: &Path) -> Option<PathBuf> {
    let places = [folder.join(SCHEDULER), folder.join("scheduler").join(SCHEDULER)];
    let above = folder.parent().map(|above| [above.join("scheduler").join(SCHEDULER), above.join(SCHEDULER)]);
    places.into_iter().chain(above.into_iter().flatten()).find(|path| path.is_file())
}

fn text(path: &Path) -> Result<String, FileError> {
    open_file(path)?;
    String::from_utf8(read_bounded(path, MAX_CONFIG, WHAT)?)
        .map_err(|_| FileError::format(path, WHAT, "it is not text; download it again"))
}

/// A module of the network and where diffusers keeps it.
struct Module {
    kind: Kind,
    place: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// A layer by itself.
    Layer,
    Block,
    Attention,
    /// A convolution inside of a resampling.
    Resampler,
    /// The convolution that feeds the image in.
    InputSkip,
}

/// The modules in published order.
fn modules(config: &Config) -> Vec<Module> {
    let mut list = Vec::new();
    let mut add = |kind, place: &str| list.push(Module { kind, place: place.to_owned() });
    let (last, blocks) = (config.ch_mult.len() - 1, config.num_res_blocks);
    if config.embedding_type == Embedding::Fourier {
        add(Kind::Layer, "time_proj");
    }
    ["time_embedding.linear_1", "time_embedding.linear_2", "conv_in"].iter().for_each(|place| add(Kind::Layer, place));
    for level in 0..=last {
        let at = format!("down_blocks.{level}");
        for block in 0..blocks {
            add(Kind::Block, &format!("{at}.resnets.{block}"));
            if config.attends(level) {
                add(Kind::Attention, &format!("{at}.attentions.{block}"));
            }
        }
        if level < last {
            match config.resblock_type {
                BlockKind::Ddpm => add(Kind::Resampler, &format!("{at}.downsamplers.0")),
                BlockKind::BigGan => add(Kind::Block, &format!("{at}.resnet_down")),
            }
            if config.progressive_input == ProgressiveInput::InputSkip {
                add(Kind::InputSkip, &at);
            }
        }
    }
    add(Kind::Block, "mid_block.resnets.0");
    add(Kind::Attention, "mid_block.attentions.0");
    add(Kind::Block, "mid_block.resnets.1");
    for level in (0..=last).rev() {
        let at = format!("up_blocks.{}", last - level);
        for block in 0..=blocks {
            add(Kind::Block, &format!("{at}.resnets.{block}"));
            if config.attends(level) && config.variant.attention_after_each {
                add(Kind::Attention, &format!("{at}.attentions.{block}"));
            }
        }
        if config.attends(level) && !config.variant.attention_after_each {
            add(Kind::Attention, &format!("{at}.attentions.0"));
        }
        if config.progressive == Progressive::OutputSkip && level > 0 {
            add(Kind::Layer, &format!("{at}.skip_norm"));
            add(Kind::Layer, &format!("{at}.skip_conv"));
        }
        // The last addition to the output has the place of the only one of other networks.
        if level == 0 {
            add(Kind::Layer, "conv_norm_out");
            add(Kind::Layer, "conv_out");
        } else {
            match config.resblock_type {
                BlockKind::Ddpm => add(Kind::Resampler, &format!("{at}.upsamplers.0")),
                BlockKind::BigGan => add(Kind::Block, &format!("{at}.resnet_up")),
            }
        }
    }
    list
}

impl Module {
    /// What diffusers calls a parameter of this module, and called it before its version 0.15.
    fn parameter(&self, part: &str) -> [String; 2] {
        let (part, end) = part.rsplit_once('.').unwrap_or(("", part));
        let end = match end {
            "W" => "weight",
            "b" => "bias",
            other => other,
        };
        let (new, old) = match (self.kind, part) {
            (Kind::Block, "GroupNorm_0") => ("norm1", "norm1"),
            (Kind::Block, "Conv_0") => ("conv1", "conv1"),
            (Kind::Block, "Dense_0") => ("time_emb_proj", "time_emb_proj"),
            (Kind::Block, "GroupNorm_1") => ("norm2", "norm2"),
            (Kind::Block, "Conv_1") => ("conv2", "conv2"),
            (Kind::Block, _) => ("conv_shortcut", "conv_shortcut"),
            (Kind::Attention, "NIN_0") => ("to_q", "query"),
            (Kind::Attention, "NIN_1") => ("to_k", "key"),
            (Kind::Attention, "NIN_2") => ("to_v", "value"),
            (Kind::Attention, "NIN_3") => ("to_out.0", "proj_attn"),
            (Kind::Attention, _) => ("group_norm", "group_norm"),
            (Kind::Resampler, _) => ("conv", "conv"),
            (Kind::InputSkip, _) => ("skip_conv", "skip_conv"),
            (Kind::Layer, _) => ("", ""),
        };
        let whole = |middle: &str| {
            [&self.place, middle, end].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(".")
        };
        [whole(new), whole(old)]
    }
}

/// The weights by their published names and in their published layout. What is left over keeps its name.
fn renamed(mut tensors: Weights, config: &Architecture) -> Result<Weights, WeightsError> {
    // A second name of the frequencies that some versions wrote.
    if tensors.contains_key("time_proj.weight") {
        tensors.remove("time_proj.W");
    }
    let modules = config.unet().map(modules).unwrap_or_default();
    let mut weights = Weights::new();
    for (name, expected) in config.parameters() {
        let place = module_of(&name).and_then(|(index, part)| Some((modules.get(index)?, part)));
        let Some((module, part)) = place else { return Err(WeightsError::Missing { name }) };
        let [new, old] = module.parameter(part);
        let array = tensors.remove(&new).or_else(|| tensors.remove(&old));
        let array = array.ok_or_else(|| WeightsError::Missing { name: new.clone() })?;
        let array = if part.ends_with(".W") { turned(array) } else { array };
        if array.shape != expected {
            return Err(WeightsError::Shape { name: new, expected, found: array.shape });
        }
        weights.insert(name, array);
    }
    weights.extend(tensors);
    Ok(weights)
}

/// A map of pixels, out × in (with ones behind), as in × out.
pub(super) fn turned(array: Array) -> Array {
    let &[out, input, ref rest @ ..] = array.shape.as_slice() else { return array };
    if rest.iter().any(|&size| size != 1) || out * input != array.values.len() {
        return array;
    }
    let values = (0..input).flat_map(|column| array.values.iter().skip(column).step_by(input.max(1)).copied());
    Array { shape: vec![input, out], values: values.collect() }
}
