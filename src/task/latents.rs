//! What comes of encoding, decoding and likelihoods.

use super::Flow;
use crate::Pixels;

/// States at the latent end of a flow.
#[derive(Clone, Debug, PartialEq)]
pub struct Latents {
    /// N×C×H×W at time `flow.until`.
    pub pixels: Pixels<f32>,
    /// The settings that made them, and lead back.
    pub flow: Flow,
}

/// Pictures as latents.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    pub latents: Latents,
    /// Network evaluations of each sample.
    pub nfe: Vec<usize>,
}

/// Latents as pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// N×C×H×W, in [0, 1] where the model's data are pictures (not clamped), else the data themselves.
    pub pictures: Pixels<f32>,
    /// Network evaluations of each sample.
    pub nfe: Vec<usize>,
}

/// How log p is estimated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Random probes of the divergence, 1 to [`Estimate::MAX_PROBES`]; each gives one estimate.
    pub probes: usize,
    /// Probes of ±1 (Rademacher), else standard normal.
    pub rademacher: bool,
    /// Seed of probes and dequantisation.
    pub seed: u64,
    /// Index of the first image among all that are measured: each has noise of its own, in whatever batch.
    pub first: usize,
    /// Add uniform noise of one grey level to every value: x ← (255·x + u)/256.
    pub dequantise: bool,
    /// Take the exact divergence where it is at hand (exact models, few dimensions) instead of probes.
    pub exact: bool,
}

impl Estimate {
    /// What a figure without dequantisation is.
    pub const AT_GRID_POINTS: &str =
        "a density at grid points, which can be negative and is not comparable with published figures";
    /// Enough for a standard error far below that of a set of pictures.
    pub const MAX_PROBES: usize = 64;
}

impl Default for Estimate {
    /// As published: one Rademacher probe, dequantised. Exact where possible.
    fn default() -> Self {
        Estimate { probes: 1, rademacher: true, seed: 0, first: 0, dequantise: true, exact: true }
    }
}

/// The likelihood of one picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likelihood {
    /// −log₂ p for each dimension of 8-bit pictures, with the published offsets: 7 for data in [−1, 1], 8 for
    /// [0, 1]; of data that are no pictures −log₂ p(x) for each dimension. Mean over probes.
    pub bits_per_dim: f64,
    /// Standard error of that mean; `None` of one probe, 0 where the divergence is exact.
    pub standard_error: Option<f64>,
    /// log p_T(x(T)) in nats; mean over probes.
    pub log_prior: f64,
    /// ∫ div in nats: log p(x) = log prior + this; mean over probes.
    pub delta_log_p: f64,
    /// Network evaluations; mean over probes, rounded.
    pub nfe: usize,
}
