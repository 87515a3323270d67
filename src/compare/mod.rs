//! Presets compared: quality against evaluations, measured on one's own model and machine.
//!
//! A [`Comparison`] is a value and a file: a model, a seed, a number of samples, [`Cell`]s that differ by their sampler
//! alone, the features that images are compared by, and a [`Reference`]. Its [`Folder`] is its queue: an [`Account`] of each
//! cell's samples, which are addressed, so that one can go on wherever it was, be raised to more samples, or be cut into
//! [`Shard`]s for many machines, whose [`Part`]s are put together to the same bits. [`Results`] are made of the accounts.

mod account;
mod cell;
mod chart;
mod comparison;
mod folder;
mod html;
mod part;
mod presets;
mod published;
mod reference;
mod report;
mod results;
mod shard;
mod sweep;

pub use account::{Account, FIRST, Kept};
pub use cell::Cell;
pub use chart::{Chart, Cost, Font, chart_png, chart_svg};
pub use comparison::{Comparison, FEW, Keep, read_comparison, write_comparison};
pub use folder::{Folder, Saved};
pub use html::html;
pub use part::{Identity, Part, merge, read_part, write_part};
pub use presets::{find, presets, read_presets, tags, write_presets};
pub use published::{PublishedFigure, published};
pub use reference::{OpenedReference, Reference};
pub use report::{csv, write_report};
pub use results::{CellResult, Reading, Results, agreement, measure, result};
pub use shard::{BLOCK, Shard};
pub use sweep::{Axis, swept};

use crate::checkpoint::FileError;
use crate::data::DataError;
use crate::metric::MetricError;
use crate::registry::{ChoiceError, ParameterError};
use crate::sde::FamilyError;
use crate::task::{ModelRef, RunError};
use std::path::PathBuf;

/// Why something cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    #[error(transparent)]
    Family(#[from] FamilyError),
    #[error(transparent)]
    Metric(#[from] MetricError),
    #[error("unknown preset {name:?}; choose one that `compare presets` lists, or a tag: {tags}")]
    Preset { name: String, tags: String },
    #[error("{key:?} is not a setting of {of}; choose {known}")]
    Key { key: String, of: String, known: String },
    #[error("{key} = {value:?} is not supported; choose {takes}")]
    Value { key: String, value: String, takes: String },
    #[error("{0} follows the model's own family; set family=ve, vp or sub-vp before a parameter of it")]
    NoFamily(String),
    #[error("{0:?} is not a list of values; write one such as steps=10,20,50, with at most 100")]
    Axis(String),
    #[error("there is no preset to compare; choose some by name or tag")]
    NoCells,
    #[error("{0} presets are more than the limit of {most}; choose fewer", most = Comparison::MOST_CELLS)]
    Cells(usize),
    #[error("two presets have the name {0:?}; give each its own")]
    Twice(String),
    #[error("a shard {0:?} is not possible; write one such as 3/64, from 1/64 to 64/64")]
    Shard(String),
    #[error(
        "{0:?} already holds a comparison of another model, seed or features; choose another folder, or leave these as \
         they are there"
    )]
    Other(PathBuf),
    #[error("{0:?} is being computed by another program; stop that first, or choose another folder")]
    Busy(PathBuf),
    #[error(
        "{path:?} holds samples of other {what} than these ({there}; here {here}), which do not compare; begin another folder"
    )]
    Unlike { path: PathBuf, what: &'static str, there: String, here: String },
    #[error(
        "{path:?} holds {there} samples of {cell}, more than {wanted}; choose at least that many, or another folder"
    )]
    Fewer { path: PathBuf, cell: String, there: u64, wanted: u64 },
    #[error("{path:?} is another part than {other:?}: their {what} differ; merge parts of one comparison")]
    Mismatch { path: PathBuf, other: PathBuf, what: &'static str },
    #[error("{model} makes samples of {there}, and {other} of {here}; compare models of one size")]
    Sizes { model: ModelRef, there: String, other: ModelRef, here: String },
    #[error("there is no part to merge; give all parts of a comparison")]
    NoParts,
    #[error("samples {first} to {last} of {cell} are missing; give the parts that hold them")]
    Gap { cell: String, first: u64, last: u64 },
    #[error("samples {first} to {last} of {cell} are in {path:?} and in another part; give each part once")]
    Overlap { path: PathBuf, cell: String, first: u64, last: u64 },
    #[error("{path:?} is damaged: {what}; compute it again")]
    Damaged { path: PathBuf, what: String },
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("the reference cannot be used: {0}")]
    Reference(String),
    #[error("{0} is a network, which does not hold its images; give images or their statistics as the reference")]
    NoOwnData(ModelRef),
    #[error(
        "the samples of a mixture are points, and {0} holds none; choose the reference `model`, or a file of features N×D"
    )]
    Points(String),
    #[error(
        "the samples of a mixture are points, not images; choose the features `pixels`, which are their coordinates"
    )]
    PointFeatures,
    #[error("{reference} has {there}, the samples {here}, which do not compare; use one extractor for both")]
    OtherFeatures { reference: String, there: String, here: String },
    #[error("the chart cannot be drawn: {0}; choose another format")]
    Chart(String),
}
