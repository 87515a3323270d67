//! The modules of a U-Net by their places, for releases that name them by these rather than by numbers.

use super::score_sde::module_of;
use crate::network::{Array, BlockKind, Config, Embedding, Progressive, ProgressiveInput, Weights, WeightsError};

/// A module and where it is, where `level` counts how often the image was halved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// The frequencies of a Fourier embedding.
    Frequencies,
    /// One of the two affine maps of the embedding.
    Dense(usize),
    /// The table of classes.
    Classes,
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
    list.extend([Place::Dense(0), Place::Dense(1)]);
    list.extend(config.variant.classes.iter().map(|_| Place::Classes));
    list.push(Place::Stem);
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

/// What a release calls the parameters of a U-Net.
pub(super) struct Names<'a> {
    /// A module, or the frequencies themselves.
    pub module: &'a dyn Fn(Place) -> String,
    /// First normalisation and convolution of a block, its level, second normalisation and convolution, shortcut.
    pub block: [&'static str; 6],
    /// Normalisation, query, key, value and output of an attention. Where query, key and value have one name, their rows
    /// take turns in one map.
    pub attention: [&'static str; 5],
    /// How many rows of the query come before those of the key, in an attention over so many channels.
    pub together: &'a dyn Fn(usize) -> usize,
}

impl Names<'_> {
    /// What a parameter is called, and its turn in a map that it shares.
    fn parameter(&self, config: &Config, place: Place, part: &str) -> (String, Option<usize>) {
        let module = (self.module)(place);
        let (part, end) = part.rsplit_once('.').unwrap_or(("", part));
        let end = if end == "W" || end == "weight" { "weight" } else { "bias" };
        let number = |parts: &[&str]| parts.iter().position(|known| *known == part);
        match place {
            Place::Frequencies => (module, None),
            Place::Attention(..) => {
                let number = number(&["GroupNorm_0", "NIN_0", "NIN_1", "NIN_2"]).unwrap_or(4);
                let shared = self.attention[1] == self.attention[2] && (1..4).contains(&number);
                (format!("{module}.{}.{end}", self.attention[number]), shared.then(|| number - 1))
            }
            Place::Resampling(..) if config.resblock_type == BlockKind::Ddpm => (format!("{module}.{end}"), None),
            Place::Block(..) | Place::Resampling(..) => {
                let number = number(&["GroupNorm_0", "Conv_0", "Dense_0", "GroupNorm_1", "Conv_1"]).unwrap_or(5);
                (format!("{module}.{}.{end}", self.block[number]), None)
            }
            _ => (format!("{module}.{end}"), None),
        }
    }

    /// The weights by our names and in our layout. What is left over keeps its name.
    pub fn renamed(&self, mut tensors: Weights, config: &Config) -> Result<Weights, WeightsError> {
        let places = places(config);
        let mut weights = Weights::new();
        for (name, expected) in config.parameters() {
            let place = module_of(&name).and_then(|(index, part)| Some((*places.get(index)?, part)));
            let Some((place, part)) = place else { return Err(WeightsError::Missing { name }) };
            let (source, turn) = self.parameter(config, place, part);
            let array = match turn {
                None => tensors.remove(&source),
                Some(last @ 2) => tensors.remove(&source).map(|array| self.third(&array, last)),
                Some(turn) => tensors.get(&source).map(|array| self.third(array, turn)),
            };
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

    /// The rows of a map whose turn it is.
    fn third(&self, array: &Array, turn: usize) -> Array {
        let Some((&rows, rest)) = array.shape.split_first() else { return array.clone() };
        let row = rest.iter().fold(1usize, |product, &size| product.saturating_mul(size)).max(1);
        let turns = array.values.chunks(row.saturating_mul((self.together)(rows / 3).max(1)));
        let values = turns.skip(turn).step_by(3).flatten().copied().collect();
        Array { shape: [&[rows / 3], rest].concat(), values }
    }

    /// Our weights by the release's names and in its layout: the inverse of [`Names::renamed`], for releases where no
    /// parameters share a map.
    pub fn theirs(&self, weights: &Weights, config: &Config) -> Result<Weights, WeightsError> {
        let places = places(config);
        let mut renamed = Weights::new();
        for (name, _) in config.parameters() {
            let place = module_of(&name).and_then(|(index, part)| Some((*places.get(index)?, part)));
            let found = place.and_then(|place| Some((place, weights.get(&name)?.clone())));
            let Some(((place, part), array)) = found else { return Err(WeightsError::Missing { name }) };
            let mut array = if part.ends_with(".W") { turned(array) } else { array };
            // The shortcut of a block is a convolution.
            if part.ends_with(".W") && matches!(place, Place::Block(..)) {
                array.shape.extend([1, 1]);
            }
            renamed.insert(self.parameter(config, place, part).0, array);
        }
        Ok(renamed)
    }
}

/// A map of pixels, out × in (with ones behind), as in × out.
fn turned(array: Array) -> Array {
    let &[out, input, ref rest @ ..] = array.shape.as_slice() else { return array };
    // Of nothing there may be any number of columns.
    if rest.iter().any(|&size| size != 1)
        || array.values.is_empty()
        || out.checked_mul(input) != Some(array.values.len())
    {
        return array;
    }
    let values = (0..input).flat_map(|column| array.values.iter().skip(column).step_by(input.max(1)).copied());
    Array { shape: vec![input, out], values: values.collect() }
}
