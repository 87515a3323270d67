//! What score_sde's JAX code calls the modules of its networks: flax numbers each class by itself, in the order of their
//! making, where PyTorch's code numbers all modules in one list.

use super::structure::{ModuleKind, Structure, modules};
use crate::network::{Array, Config, Weights, WeightsError};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Kinds of modules, how their names begin, and what they are. All of a second class come after all of the first in the
/// published order too.
const KINDS: [(ModuleKind, &[&str], &str); 8] = [
    (ModuleKind::Frequencies, &["GaussianFourierProjection_"], "an embedding"),
    (ModuleKind::Dense, &["Dense_"], "an affine map"),
    (ModuleKind::Conv, &["Conv_"], "a convolution"),
    (ModuleKind::Norm, &["GroupNorm_"], "a normalisation"),
    (ModuleKind::Block, &["ResnetBlockDDPM_", "ResnetBlockDDPMpp_", "ResnetBlockBigGANpp_"], "a block"),
    (ModuleKind::Attention, &["AttnBlock_", "AttnBlockpp_"], "an attention"),
    (ModuleKind::InputSkip, &["Combine_"], "an input"),
    (ModuleKind::Resampling, &["Downsample_", "Upsample_"], "a resampling"),
];

/// The structure of the network, kind by kind.
pub(in crate::checkpoint) fn structure(tree: &Weights) -> Structure {
    let modules = KINDS.iter().flat_map(|(_, prefixes, _)| places(tree, prefixes));
    let module = |place: String| {
        let inside = tree
            .range(format!("{place}.")..)
            .map_while(|(name, array)| Some((name.strip_prefix(&place)?.strip_prefix('.')?, array)));
        inside.map(|(name, array)| (published_part(name), turned_shape(name, &array.shape))).collect()
    };
    Structure { modules: modules.map(module).collect(), ordered: false, levels: None }
}

/// The parameters by their published PyTorch names and in their layout. What is left over keeps its name.
pub(in crate::checkpoint) fn renamed(mut tree: Weights, config: &Config) -> Result<Weights, WeightsError> {
    let parameters = config.parameters();
    let shapes = parameters.iter().map(|(name, shape)| (name.as_str(), shape.as_slice()));
    let mut places: BTreeMap<ModuleKind, VecDeque<String>> =
        KINDS.iter().map(|&(kind, prefixes, _)| (kind, places(&tree, prefixes))).collect();
    let mut weights = Weights::new();
    for (index, module) in modules(shapes) {
        let kind = ModuleKind::of(&module);
        let what = KINDS.iter().find(|(known, ..)| *known == kind).map_or("a module", |(.., what)| what);
        let missing = || WeightsError::Missing { name: format!("of {what}, all_modules.{index}") };
        let place = places.get_mut(&kind).and_then(VecDeque::pop_front).ok_or_else(missing)?;
        for (part, expected) in module {
            let name = format!("{place}.{}", flax_name(&part, expected.len()));
            let array = tree.remove(&name).ok_or_else(|| WeightsError::Missing { name: name.clone() })?;
            let array = if part.ends_with("weight") { turned(array) } else { array };
            if array.shape != expected {
                return Err(WeightsError::Shape { name, expected, found: array.shape });
            }
            weights.insert(format!("all_modules.{index}.{part}"), array);
        }
    }
    weights.extend(tree);
    Ok(weights)
}

/// Names of the modules that begin so, in the order of their numbers.
fn places(tree: &Weights, prefixes: &[&str]) -> VecDeque<String> {
    let mut found = VecDeque::new();
    for prefix in prefixes {
        let modules = tree.keys().filter_map(|name| name.split_once('.')).map(|(module, _)| module);
        let numbers = modules.filter_map(|module| module.strip_prefix(prefix)?.parse::<usize>().ok());
        let numbers: BTreeSet<usize> = numbers.collect();
        found.extend(numbers.into_iter().map(|number| format!("{prefix}{number}")));
    }
    found
}

/// What PyTorch's code calls a parameter in a module of flax.
fn published_part(name: &str) -> String {
    let end =
        |name: &str| name.strip_suffix("kernel").or(name.strip_suffix("scale")).map(|start| format!("{start}weight"));
    end(name).unwrap_or_else(|| name.to_owned())
}

/// The shape that a parameter of flax has in PyTorch's code.
fn turned_shape(name: &str, shape: &[usize]) -> Vec<usize> {
    match *shape {
        [input, output] if !name.ends_with('W') => vec![output, input],
        [height, width, input, output] => vec![output, input, height, width],
        _ => shape.to_vec(),
    }
}

/// What flax calls a parameter, of so many dimensions, that PyTorch's code calls `part`.
fn flax_name(part: &str, dimensions: usize) -> String {
    let (module, end) = part.rsplit_once('.').map_or(("", part), |(module, end)| (module, end));
    let end = match (end, dimensions) {
        // The filtered convolutions are modules of score_sde's own, with names of their own.
        ("weight", _) if module.starts_with("Conv2d") => "weight",
        ("weight", 1) => "scale",
        ("weight", _) => "kernel",
        _ => end,
    };
    if module.is_empty() { end.into() } else { format!("{module}.{end}") }
}

/// A kernel of flax, height × width × in × out or in × out, as PyTorch lays it out: out first, then in.
fn turned(array: Array) -> Array {
    let (area, input, output, shape) = match array.shape[..] {
        [input, output] => (1, input, output, vec![output, input]),
        [height, width, input, output] => {
            (height.saturating_mul(width), input, output, vec![output, input, height, width])
        }
        _ => return array,
    };
    if array.values.is_empty() {
        // Of nothing there may be any number of rows.
        return Array { shape, values: Vec::new() };
    }
    let at = |o: usize, i: usize, place: usize| array.values.get((place * input + i) * output + o).copied();
    let values =
        (0..output).flat_map(|o| (0..input).flat_map(move |i| (0..area).filter_map(move |place| at(o, i, place))));
    Array { shape, values: values.collect() }
}
