//! Published configurations, and all that must be known of a network beyond its weights.

use crate::score::{Moments, Range};
use crate::sde::Family;
use serde::{Deserialize, Serialize};

/// The architecture of a published `ncsnpp` (NCSN++ and DDPM++) network, with the published field names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    // To be written out: nf, ch_mult, num_res_blocks, attn_resolutions, resamp_with_conv, conditional,
    // fir, fir_kernel, skip_rescale, resblock_type, progressive, progressive_input, progressive_combine,
    // embedding_type, fourier_scale, scale_by_sigma, nonlinearity, image_size, num_channels, centered, …
}

/// Why a configuration makes no network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration lacks {0}; give the published configuration of this checkpoint")]
    Missing(String),
    #[error("{field} = {value} is not known; known are {known}")]
    Unknown { field: String, value: String, known: &'static str },
    #[error("the configuration is not JSON: {0}")]
    Json(String),
}

/// A network's description: what it is and how its output becomes a score. Saved in our own checkpoints' metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The architecture.
    pub config: Config,
    /// The family it was trained in.
    pub family: Family,
    /// Trained on continuous times; else on `levels` discrete ones.
    pub continuous: bool,
    /// N, the number of discrete levels.
    pub levels: usize,
    /// The range of its images.
    pub range: Range,
    /// The name people read.
    #[serde(default)]
    pub name: String,
    /// Data, licence, training: a few lines for people.
    #[serde(default)]
    pub card: String,
    /// Moments of its data in its range, where known.
    #[serde(default)]
    pub moments: Option<Moments>,
}
