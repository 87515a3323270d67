//! What EDM's Python classes call the parameters of a network.

use crate::checkpoint::places::{Names, Place, Way};
use crate::network::{Array, Config, ProgressiveInput, Weights, WeightsError};

/// The weights by our names and in our layout, for one class where there are classes. What is left over keeps its name.
pub(in crate::checkpoint) fn renamed(
    mut tensors: Weights,
    config: &Config,
    class: Option<usize>,
) -> Result<Weights, WeightsError> {
    // The filters are known, and no picture is augmented here.
    tensors.retain(|name, _| !name.ends_with(".resample_filter") && name != "map_augment.weight");
    choose_class(&mut tensors, class)?;
    let names = Names {
        module: &|place| module(config, place),
        block: ["norm0", "conv0", "affine", "norm1", "conv1", "skip"],
        attention: ["norm2", "qkv", "qkv", "qkv", "proj"],
    };
    names.renamed(tensors, config)
}

/// Where EDM keeps a module. An attention is a part of the block before it.
fn module(config: &Config, place: Place) -> String {
    let at = |way: &str, level: usize, part: &str| format!("{way}.{0}x{0}_{part}", config.image_size >> level);
    match place {
        Place::Frequencies => "map_noise.freqs".into(),
        Place::Dense(index) => format!("map_layer{index}"),
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
        Place::OutputNorm(level) => at("dec", level, "aux_norm"),
        Place::OutputConv(level) => at("dec", level, "aux_conv"),
    }
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
