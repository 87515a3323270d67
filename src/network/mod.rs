//! Score networks: the published architectures and their layers.

mod architecture;
mod blocks;
mod config;
mod diffusers;
mod edm;
mod host;
mod infer;
mod layers;
mod outline;
mod plan;
mod profile;
mod published;
mod refinenet;
mod resample;
mod section;
mod signs;
mod told;
mod unet;
mod weights;

pub use architecture::{Architecture, Network};
pub use config::{
    BlockKind, Combine, Config, ConfigError, Description, Embedding, Nonlinearity, Progressive, ProgressiveInput,
    Variant,
};
pub use edm::{EdmNetwork, Shapes, infer_edm, is_edm};
pub use infer::{Inferred, infer};
pub use outline::{Stage, StageKind};
pub use profile::{LayerKind, profile};
pub use refinenet::{Layout, RefineNet, RefineNetConfig};
pub use signs::{Module, ModuleKind, Signs, module_of, modules};
pub use told::{Assumption, Told};
pub use unet::Unet;
pub use weights::{Array, Weights, WeightsError};
