//! Score networks: the published architectures and their layers.

mod blocks;
mod config;
mod cpu;
mod layers;
mod ncsnpp;
mod plan;
mod profile;
mod published;
mod resample;
mod weights;

pub use config::{
    BlockKind, Combine, Config, ConfigError, Description, Embedding, Nonlinearity, Progressive, ProgressiveInput,
};
pub use ncsnpp::Ncsnpp;
pub use profile::{LayerKind, profile};
pub use weights::{Array, Weights, WeightsError};
