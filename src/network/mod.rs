//! Score networks: the published architectures and their layers.

mod architecture;
mod blocks;
mod config;
mod host;
mod layers;
mod outline;
mod plan;
mod profile;
mod refinenet;
mod resample;
mod unet;
mod weights;

pub use architecture::{Architecture, Network, NetworkConfig, ScoreNetwork};
pub use config::{
    BlockKind, Combine, Config, Embedding, InvalidConfig, Nonlinearity, Progressive, ProgressiveInput, Variant,
};
pub use outline::{Stage, StageKind};
pub use profile::{LayerKind, profile};
pub use refinenet::{RefineNet, RefineNetConfig};
pub use unet::Unet;
pub use weights::{Array, Weights, WeightsError};
