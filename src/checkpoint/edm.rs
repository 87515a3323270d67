//! EDM's networks: state dictionaries of its Python classes, as safetensors.

use crate::network::{Array, Config, Embedding, Progressive, ProgressiveInput, Weights, WeightsError, module_of};
use std::collections::{BTreeMap, BTreeSet};

/// What stands before the names in the state dictionary of a preconditioned network.
const OUTER: &str = "model.";

/// Names without what stands before all of them.
pub(super) fn inner<T>(named: BTreeMap<String, T>) -> BTreeMap<String, T> {
    let bare = |name: String| name.strip_prefix(OUTER).map_or_else(|| name.clone(), str::to_owned);
    named.into_iter().map(|(name, value)| (bare(name), value)).collect()
}

/// A module of the network and where EDM keeps it.
struct Module {
    kind: Kind,
    place: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// A layer by itself.
    Layer,
    Block,
    /// An attention, which is part of the block before it.
    Attention,
}

/// The modules in published order.
fn modules(config: &Config) -> Vec<Module> {
    let mut list = Vec::new();
    let mut add = |kind, place: String| list.push(Module { kind, place });
    let at = |way: &str, level: usize, part: &str| format!("{way}.{0}x{0}_{part}", config.image_size >> level);
    let (last, blocks) = (config.ch_mult.len() - 1, config.num_res_blocks);
    if config.embedding_type == Embedding::Fourier {
        add(Kind::Layer, "map_noise".into());
    }
    ["map_layer0", "map_layer1"].iter().for_each(|&place| add(Kind::Layer, place.into()));
    add(Kind::Layer, at("enc", 0, "conv"));
    for level in 0..=last {
        for block in 0..blocks {
            add(Kind::Block, at("enc", level, &format!("block{block}")));
            if config.attends(level) {
                add(Kind::Attention, at("enc", level, &format!("block{block}")));
            }
        }
        if level < last {
            add(Kind::Block, at("enc", level + 1, "down"));
            match config.progressive_input {
                ProgressiveInput::None => {}
                ProgressiveInput::InputSkip => add(Kind::Layer, at("enc", level + 1, "aux_skip")),
                ProgressiveInput::Residual => add(Kind::Layer, at("enc", level + 1, "aux_residual")),
            }
        }
    }
    add(Kind::Block, at("dec", last, "in0"));
    add(Kind::Attention, at("dec", last, "in0"));
    add(Kind::Block, at("dec", last, "in1"));
    for level in (0..=last).rev() {
        (0..=blocks).for_each(|block| add(Kind::Block, at("dec", level, &format!("block{block}"))));
        if config.attends(level) {
            add(Kind::Attention, at("dec", level, &format!("block{blocks}")));
        }
        if config.progressive == Progressive::OutputSkip || level == 0 {
            add(Kind::Layer, at("dec", level, "aux_norm"));
            add(Kind::Layer, at("dec", level, "aux_conv"));
        }
        if level > 0 {
            add(Kind::Block, at("dec", level - 1, "up"));
        }
    }
    list
}

impl Module {
    /// What EDM calls a parameter of this module, and which third of its rows it is, if it is one.
    fn parameter(&self, part: &str) -> (String, Option<usize>) {
        let (part, end) = part.rsplit_once('.').unwrap_or(("", part));
        let end = match end {
            "W" if self.kind == Kind::Layer => "freqs",
            "W" => "weight",
            "b" => "bias",
            end => end,
        };
        let (middle, third) = match (self.kind, part) {
            (Kind::Block, "GroupNorm_0") => ("norm0.", None),
            (Kind::Block, "Conv_0") => ("conv0.", None),
            (Kind::Block, "Dense_0") => ("affine.", None),
            (Kind::Block, "GroupNorm_1") => ("norm1.", None),
            (Kind::Block, "Conv_1") => ("conv1.", None),
            (Kind::Block, _) => ("skip.", None),
            (Kind::Attention, "NIN_0") => ("qkv.", Some(0)),
            (Kind::Attention, "NIN_1") => ("qkv.", Some(1)),
            (Kind::Attention, "NIN_2") => ("qkv.", Some(2)),
            (Kind::Attention, "NIN_3") => ("proj.", None),
            (Kind::Attention, _) => ("norm2.", None),
            (Kind::Layer, _) => ("", None),
        };
        (format!("{}.{middle}{end}", self.place), third)
    }
}

/// The weights by their published names and in their published layout, for one class where there are classes. What is
/// left over keeps its name.
pub(super) fn renamed(tensors: Weights, config: &Config, class: Option<usize>) -> Result<Weights, WeightsError> {
    let mut tensors = inner(tensors);
    // The filters are known, and no picture is augmented here.
    tensors.retain(|name, _| !name.ends_with(".resample_filter") && name != "map_augment.weight");
    choose_class(&mut tensors, class)?;
    let modules = modules(config);
    let (mut weights, mut used) = (Weights::new(), BTreeSet::new());
    for (name, expected) in config.parameters() {
        let place = module_of(&name).and_then(|(index, part)| Some((modules.get(index)?, part)));
        let Some((module, part)) = place else { return Err(WeightsError::Missing { name }) };
        let (source, third) = module.parameter(part);
        let array = tensors.get(&source).ok_or_else(|| WeightsError::Missing { name: source.clone() })?;
        let array = third.map_or_else(|| array.clone(), |third| every_third(array, third));
        let map = module.kind == Kind::Attention && part.ends_with(".W");
        let array = if map { super::diffusers::turned(array) } else { array };
        if array.shape != expected {
            return Err(WeightsError::Shape { name: source, expected, found: array.shape });
        }
        weights.insert(name, array);
        used.insert(source);
    }
    tensors.retain(|name, _| !used.contains(name));
    weights.extend(tensors);
    Ok(weights)
}

/// Query, key and value take turns in the rows of one map.
fn every_third(array: &Array, first: usize) -> Array {
    let Some((&rows, rest)) = array.shape.split_first() else { return array.clone() };
    let row = rest.iter().product::<usize>().max(1);
    let values = array.values.chunks(row).skip(first).step_by(3).flatten().copied().collect();
    Array { shape: [&[rows / 3], rest].concat(), values }
}

/// Makes a network of classes one of a single class: M(e + √D·L(y) + b) is M(e) and a bias of its own, where y is one at
/// the class, or nowhere.
fn choose_class(tensors: &mut Weights, class: Option<usize>) -> Result<(), WeightsError> {
    let (Some(label), Some(offset)) = (tensors.remove("map_label.weight"), tensors.remove("map_label.bias")) else {
        return Ok(());
    };
    let wrong = |name: &str, array: &Array, expected: Vec<usize>| WeightsError::Shape {
        name: name.to_owned(),
        expected,
        found: array.shape.clone(),
    };
    let &[width, classes] = label.shape.as_slice() else { return Err(wrong("map_label.weight", &label, vec![0, 0])) };
    if offset.shape != [width] {
        return Err(wrong("map_label.bias", &offset, vec![width]));
    }
    let scale = (classes as f32).sqrt();
    let told = |row: usize| class.and_then(|class| label.values.get(row * classes + class)).map_or(0.0, |l| l * scale);
    let added: Vec<f32> = offset.values.iter().enumerate().map(|(row, offset)| offset + told(row)).collect();
    let missing = |name: &str| WeightsError::Missing { name: name.to_owned() };
    let map = tensors.get("map_layer0.weight").ok_or_else(|| missing("map_layer0.weight"))?;
    let Some(&[rows, columns]) = Some(map.shape.as_slice()) else { return Err(missing("map_layer0.weight")) };
    if columns != width || map.values.len() != rows * columns {
        return Err(wrong("map_layer0.weight", map, vec![rows, width]));
    }
    let shifts: Vec<f32> =
        map.values.chunks(width.max(1)).map(|row| row.iter().zip(&added).map(|(m, v)| m * v).sum()).collect();
    let bias = tensors.get_mut("map_layer0.bias").ok_or_else(|| missing("map_layer0.bias"))?;
    bias.values.iter_mut().zip(shifts).for_each(|(bias, shift)| *bias += shift);
    Ok(())
}
