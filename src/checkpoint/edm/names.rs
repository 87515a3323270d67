//! What EDM's Python classes call the parameters of a network.

use crate::checkpoint::places::{Names, Place, Way};
use crate::network::{Array, BlockKind, Config, Joins, ProgressiveInput, Weights, WeightsError};

/// The weights by our names and in our layout. What is left over keeps its name.
pub(in crate::checkpoint) fn renamed(mut tensors: Weights, config: &Config) -> Result<Weights, WeightsError> {
    // The filters are known, and no picture is augmented here.
    tensors.retain(|name, _| !name.ends_with(".resample_filter") && name != "map_augment.weight");
    let joins = config.variant.classes.as_ref().map_or(Joins::Features, |classes| classes.joins);
    tabulate_classes(&mut tensors, joins)?;
    let names = Names {
        module: &|place| module(config, place),
        block: ["norm0", "conv0", "affine", "norm1", "conv1", "skip"],
        attention: ["norm2", "qkv", "qkv", "qkv", "proj"],
        together: &|_| 1,
    };
    names.renamed(tensors, config)
}

/// Where EDM keeps a module. An attention is a part of the block before it.
fn module(config: &Config, place: Place) -> String {
    let at = |way: &str, level: usize, part: &str| format!("{way}.{0}x{0}_{part}", config.image_size >> level);
    match place {
        Place::Frequencies => "map_noise.freqs".into(),
        Place::Dense(index) => format!("map_layer{index}"),
        Place::Classes => "map_label".into(),
        Place::Stem => at("enc", 0, "conv"),
        Place::Block(way, level, block) | Place::Attention(way, level, block) => match way {
            Way::Down => at("enc", level, &format!("block{block}")),
            Way::Middle => at("dec", level, &format!("in{block}")),
            Way::Up => at("dec", level, &format!("block{block}")),
        },
        Place::Resampling(Way::Up, level) => at("dec", level - 1, "up"),
        Place::Resampling(_, level) => at("enc", level + 1, "down"),
        Place::Input(level) if config.progressive_input == ProgressiveInput::Residual => {
            at("enc", level + 1, "aux_residual")
        }
        Place::Input(level) => at("enc", level + 1, "aux_skip"),
        Place::OutputNorm(_) if config.resblock_type == BlockKind::Adm => "out_norm".into(),
        Place::OutputConv(_) if config.resblock_type == BlockKind::Adm => "out_conv".into(),
        Place::OutputNorm(level) => at("dec", level, "aux_norm"),
        Place::OutputConv(level) => at("dec", level, "aux_conv"),
    }
}

/// Brings the map of classes into our layout: M(e + √D·L(y) + b), where y is one at a class of D, is M(e + r) and a bias of its
/// own, where r is a row of a table for each class.
fn tabulate_classes(tensors: &mut Weights, joins: Joins) -> Result<(), WeightsError> {
    let Some(label) = tensors.remove("map_label.weight") else { return Ok(()) };
    let wrong = |name: &str, array: &Array, expected: Vec<usize>| WeightsError::Shape {
        name: name.to_owned(),
        expected,
        found: array.shape.clone(),
    };
    let &[width, classes] = label.shape.as_slice() else { return Err(wrong("map_label.weight", &label, vec![0, 0])) };
    // ADM's rows join the embedding as they are.
    let scale = if joins == Joins::Embedding { 1.0 } else { (classes as f32).sqrt() };
    let column = |class: usize| label.values.iter().skip(class).step_by(classes.max(1)).map(|value| value * scale);
    let values = (0..classes).flat_map(column).collect();
    tensors.insert("map_label.weight".into(), Array { shape: vec![classes, width], values });
    let Some(offset) = tensors.remove("map_label.bias") else { return Ok(()) };
    if offset.shape != [width] {
        return Err(wrong("map_label.bias", &offset, vec![width]));
    }
    let missing = |name: &str| WeightsError::Missing { name: name.to_owned() };
    let map = tensors.get("map_layer0.weight").ok_or_else(|| missing("map_layer0.weight"))?;
    let Some(&[rows, columns]) = Some(map.shape.as_slice()) else { return Err(missing("map_layer0.weight")) };
    if columns != width || map.values.len() != rows * columns {
        return Err(wrong("map_layer0.weight", map, vec![rows, width]));
    }
    let product = |row: &[f32]| row.iter().zip(&offset.values).map(|(m, v)| m * v).sum();
    let shifts: Vec<f32> = map.values.chunks(width.max(1)).map(product).collect();
    let bias = tensors.get_mut("map_layer0.bias").ok_or_else(|| missing("map_layer0.bias"))?;
    bias.values.iter_mut().zip(shifts).for_each(|(bias, shift)| *bias += shift);
    Ok(())
}
