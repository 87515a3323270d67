//! Score networks: the published architectures and their layers.

mod config;
mod layers;
mod ncsnpp;
mod resample;
mod weights;

pub use config::{Config, ConfigError, Description};
pub use ncsnpp::Ncsnpp;
pub use weights::{Array, Weights, WeightsError};
