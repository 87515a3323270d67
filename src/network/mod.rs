//! Score networks: the published architectures and their layers.

mod architecture;
mod blocks;
mod classifier;
mod config;
mod dit;
mod dropout;
mod enlarge;
pub(crate) mod gpu;
mod host;
mod inception;
mod labels;
mod layers;
mod learner;
mod memory;
mod outline;
mod patch;
mod plan;
mod profile;
mod refinenet;
mod resample;
mod sum;
mod unet;
mod weights;

pub use architecture::{Architecture, AtOutput, GradientError, Network, NetworkConfig, ScoreNetwork};
pub use classifier::{Classifier, ClassifierConfig};
pub use config::{
    BlockKind, Classes, Combine, Config, Embedding, InvalidConfig, Joins, MAX_LEVELS, Nonlinearity, Progressive,
    ProgressiveInput, Variant,
};
pub use dit::{Dit, DitConfig};
pub use dropout::Dropout;
pub use gpu::{Ceilings, DeviceError, DeviceWatch, Precision, Readback, read, register as register_gpu};
pub(crate) use host::{ByteMatrix, instructions, is_plain};
pub use inception::{INCEPTION_CLASSES, INCEPTION_FEATURES, INCEPTION_SIDE, Inception, InceptionOutput};
pub use labels::Labels;
pub use learner::Learner;
pub use memory::peak_memory;
pub use outline::{Stage, StageKind};
pub use plan::{Parameter, Start};
pub use profile::{Demand, LayerKind, Profile, profile};
pub use refinenet::{RefineNet, RefineNetConfig};
pub use sum::{Sum, Weight, sample_squares};
pub use unet::Unet;
pub use weights::{Array, Weights, WeightsError};
