//! Named parameters on the host, on their way from a file to a network.

use std::collections::BTreeMap;

/// One parameter: row-major `f32` values of any shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// A state dictionary: PyTorch names (without `module.`) to values.
pub type Weights = BTreeMap<String, Array>;

/// Why weights and configuration do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    #[error(
        "the parameter {name} is missing; the configuration names another architecture, so give the one it was trained with"
    )]
    Missing { name: String },
    #[error(
        "the parameter {name} has the shape {found:?} but this configuration wants {expected:?}; give the configuration it was trained with"
    )]
    Shape { name: String, expected: Vec<usize>, found: Vec<usize> },
    #[error("{count} parameters are left over, {example} among them; the configuration names another architecture")]
    Unused { count: usize, example: String },
    #[error("the parameter {name} holds values that are not finite; the file is damaged")]
    NotFinite { name: String },
}
