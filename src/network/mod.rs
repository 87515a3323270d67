//! Score networks: the published architectures and their layers.

mod architecture;
mod blocks;
mod config;
mod cpu;
mod diffusers;
mod layers;
mod plan;
mod profile;
mod published;
mod refinenet;
mod resample;
mod section;
mod unet;
mod weights;

pub use architecture::{Architecture, Network};
pub use config::{
    BlockKind, Combine, Config, ConfigError, Description, Embedding, Nonlinearity, Progressive, ProgressiveInput,
    Variant,
};
pub use profile::{LayerKind, profile};
pub use refinenet::{Layout, RefineNet, RefineNetConfig};
pub use unet::Unet;
pub use weights::{Array, Weights, WeightsError};
