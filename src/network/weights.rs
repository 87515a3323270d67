//! Named parameters on the host, on their way from a file to a network.

use crate::text;
use std::collections::{BTreeMap, BTreeSet};

/// One parameter: row-major `f32` values of any shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// A state dictionary: PyTorch names (without `module.`) to values.
pub type Weights = BTreeMap<String, Array>;

/// Refuses weights beyond the `known` parameters, but for the buffer `sigmas`.
pub(super) fn all_used(weights: &Weights, known: &BTreeSet<&str>) -> Result<(), WeightsError> {
    let mut unused = weights.keys().filter(|name| *name != "sigmas" && !known.contains(name.as_str()));
    match unused.next() {
        Some(example) => Err(WeightsError::Unused { count: 1 + unused.count(), example: example.clone() }),
        None => Ok(()),
    }
}

/// Why weights and configuration do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    #[error(
        "the parameter {name} is missing: the configuration is for another architecture; give the one it was trained with"
    )]
    Missing { name: String },
    #[error(
        "the parameter {name} has the shape {found:?} but this configuration needs {expected:?}; give the configuration it was trained with"
    )]
    Shape { name: String, expected: Vec<usize>, found: Vec<usize> },
    #[error(
        "{count} parameters are left over, such as {}; give the configuration of this architecture",
        text::name(example)
    )]
    Unused { count: usize, example: String },
    #[error("the parameter {name} holds values that are not finite; the file is damaged")]
    NotFinite { name: String },
}
