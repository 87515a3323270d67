//! Score networks: the published architectures and their layers.

mod blocks;
mod config;
mod cpu;
mod diffusers;
mod host;
mod layers;
mod plan;
mod profile;
mod published;
mod resample;
mod section;
mod unet;
mod weights;

pub use config::{
    BlockKind, Combine, Config, ConfigError, Description, Embedding, Nonlinearity, Progressive, ProgressiveInput,
    Variant,
};
pub use profile::{LayerKind, profile};
pub use unet::Unet;
pub use weights::{Array, Weights, WeightsError};
