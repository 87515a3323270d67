//! The modules of a U-Net by their places, for releases that name them by these rather than by numbers.

use super::score_sde::module_of;
use crate::network::{Architecture, Array, Config, Embedding, Progressive, ProgressiveInput, Weights, WeightsError};

/// A module and where it is, where `level` counts how often the image was halved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// The frequencies of a Fourier embedding.
    Frequencies,
    /// One of the two affine maps of the embedding.
    Dense(usize),
    /// The first convolution.
    Stem,
    Block(Way, usize, usize),
    /// The attention behind the block of the same place.
    Attention(Way, usize, usize),
    /// What leads from `level` to the next.
    Resampling(Way, usize),
    /// What feeds the image in, below `level`.
    Input(usize),
    /// What takes a part of the output out: a normalisation, then a convolution.
    OutputNorm(usize),
    OutputConv(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Way {
    Down,
    Middle,
    Up,
}

/// The places in the order of the modules' numbers.
fn places(config: &Config) -> Vec<Place> {
    let (last, blocks) = (config.ch_mult.len() - 1, config.num_res_blocks);
    let mut list = Vec::new();
    if config.embedding_type == Embedding::Fourier {
        list.push(Place::Frequencies);
    }
    list.extend([Place::Dense(0), Place::Dense(1), Place::Stem]);
    for level in 0..=last {
        for block in 0..blocks {
            list.push(Place::Block(Way::Down, level, block));
            if config.attends(level) {
                list.push(Place::Attention(Way::Down, level, block));
            }
        }
        if level < last {
            list.push(Place::Resampling(Way::Down, level));
            if config.progressive_input != ProgressiveInput::None {
                list.push(Place::Input(level));
            }
        }
    }
    let middle = |block| Place::Block(Way::Middle, last, block);
    list.extend([middle(0), Place::Attention(Way::Middle, last, 0), middle(1)]);
    for level in (0..=last).rev() {
        for block in 0..=blocks {
            list.push(Place::Block(Way::Up, level, block));
            if config.attends(level) && (config.variant.attention_after_each || block == blocks) {
                list.push(Place::Attention(Way::Up, level, block));
            }
        }
        if config.progressive == Progressive::OutputSkip || level == 0 {
            list.extend([Place::OutputNorm(level), Place::OutputConv(level)]);
        }
        if level > 0 {
            list.push(Place::Resampling(Way::Up, level));
        }
    }
    list
}

/// The weights by our names and in our layout. `take` takes a parameter of the module at a place out of the tensors, and
/// says what it is called there. What is left over keeps its name.
pub(super) fn renamed(
    mut tensors: Weights,
    config: &Architecture,
    take: impl Fn(&mut Weights, Place, &str) -> (String, Option<Array>),
) -> Result<Weights, WeightsError> {
    let places = config.unet().map(places).unwrap_or_default();
    let mut weights = Weights::new();
    for (name, expected) in config.parameters() {
        let place = module_of(&name).and_then(|(index, part)| Some((*places.get(index)?, part)));
        let Some((place, part)) = place else { return Err(WeightsError::Missing { name }) };
        let (source, array) = take(&mut tensors, place, part);
        let Some(array) = array else { return Err(WeightsError::Missing { name: source }) };
        let array = if part.ends_with(".W") { turned(array) } else { array };
        if array.shape != expected {
            return Err(WeightsError::Shape { name: source, expected, found: array.shape });
        }
        weights.insert(name, array);
    }
    weights.extend(tensors);
    Ok(weights)
}

/// A map of pixels, out × in (with ones behind), as in × out.
fn turned(array: Array) -> Array {
    let &[out, input, ref rest @ ..] = array.shape.as_slice() else { return array };
    if rest.iter().any(|&size| size != 1) || out * input != array.values.len() {
        return array;
    }
    let values = (0..input).flat_map(|column| array.values.iter().skip(column).step_by(input.max(1)).copied());
    Array { shape: vec![input, out], values: values.collect() }
}
