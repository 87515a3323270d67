//! What is configured of an NCSN.

use crate::network::config::{MAX_LEVELS, bound, within};
use crate::network::{InvalidConfig, Nonlinearity, memory};
use serde::{Deserialize, Serialize};

/// The architecture of an NCSN (Song & Ermon 2019) or NCSNv2 (Song & Ermon 2020), with the published field names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefineNetConfig {
    /// Channels at the highest resolution.
    pub ngf: usize,
    /// Stages on the way down.
    pub stages: usize,
    /// The norms know the noise level; else the output is divided by σ.
    pub conditional: bool,
    pub nonlinearity: Nonlinearity,
    /// Height and width.
    pub image_size: usize,
    pub channels: usize,
    /// Images live in [−1, 1]; else in [0, 1], and the network maps them itself.
    pub rescaled: bool,
    /// Largest σ.
    pub sigma_begin: f64,
    /// Smallest σ.
    pub sigma_end: f64,
    /// Number of levels.
    pub num_classes: usize,
}

impl RefineNetConfig {
    /// The configuration, if a network can be built from it and computed in reasonable memory.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        within(self.ngf, 2, 1024, "model.ngf")?;
        within(self.stages, 4, 6, "the number of stages")?;
        within(self.num_classes, 2, MAX_LEVELS, "model.num_classes")?;
        within(self.channels, 1, 64, "data.channels")?;
        within(self.image_size, 1, 1024, "data.image_size")?;
        // All stages halve but the first and the two that are dilated.
        let coarsest = 1 << (self.stages - 3);
        let rule = format!("divisible by {coarsest}, for {} stages", self.stages);
        bound(self.image_size.is_multiple_of(coarsest), "data.image_size", self.image_size, &rule)?;
        let ordered = self.sigma_end > 0.0 && self.sigma_end < self.sigma_begin && self.sigma_begin.is_finite();
        let sigmas = format!("{} to {}", self.sigma_begin, self.sigma_end);
        bound(ordered, "model.sigma_begin to model.sigma_end", sigmas, "positive and falling")?;
        memory::check(&self.outline())
    }

    /// σ of a level, the largest first; between two levels for a label between them.
    pub fn sigma(&self, label: f64) -> f64 {
        self.sigma_begin * (self.sigma_end / self.sigma_begin).powf(label / (self.num_classes - 1) as f64)
    }
}
