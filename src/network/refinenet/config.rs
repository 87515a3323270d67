//! What is configured of an NCSN, and which of its published sizes it is.

use crate::network::{ConfigError, Nonlinearity, Weights};
use serde::{Deserialize, Serialize};

/// Which of the published networks, as its weights or its name tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The norms know the noise level (NCSN, 2019); else the output is divided by σ (NCSNv2, 2020).
    pub conditional: bool,
    /// Stages on the way down: 4 for up to 64 pixels, 5 for 128, 6 for 256.
    pub stages: usize,
}

impl Layout {
    /// By the names that score_sde gave these networks.
    pub fn named(name: &str) -> Option<Layout> {
        let layout = |conditional, stages| Some(Layout { conditional, stages });
        match name {
            "ncsn" => layout(true, 4),
            "ncsnv2" | "ncsnv2_64" => layout(false, 4),
            "ncsnv2_128" => layout(false, 5),
            "ncsnv2_256" => layout(false, 6),
            _ => None,
        }
    }

    /// By the parameters that only these networks have. Their own configurations do not say which of them is meant.
    pub fn of(weights: &Weights) -> Option<Layout> {
        let has = |name: &str| weights.contains_key(name);
        let stages = 4 + usize::from(has("res5.0.conv1.weight")) + usize::from(has("res31.0.conv1.weight"));
        let known = has("begin_conv.weight") && has("refine1.adapt_convs.0.1_1_conv.weight");
        known.then(|| Layout { conditional: has("normalizer.embed.weight"), stages })
    }
}

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
    pub fn check(&self) -> Result<(), ConfigError> {
        let bound = |ok: bool, field: &str, value: String, rule: String| match ok {
            true => Ok(()),
            false => Err(ConfigError::Size { field: field.to_owned(), value, rule }),
        };
        let within = |value: usize, low: usize, high: usize, field: &str| {
            bound((low..=high).contains(&value), field, value.to_string(), format!("from {low} to {high}"))
        };
        within(self.ngf, 2, 1024, "model.ngf")?;
        within(self.stages, 4, 6, "the number of stages")?;
        within(self.num_classes, 2, 100_000, "model.num_classes")?;
        within(self.channels, 1, 64, "data.channels")?;
        within(self.image_size, 1, 1024, "data.image_size")?;
        // All stages halve but the first and the two that are dilated.
        let coarsest = 1 << (self.stages - 3);
        let rule = format!("divisible by {coarsest}, for {} stages", self.stages);
        bound(self.image_size.is_multiple_of(coarsest), "data.image_size", self.image_size.to_string(), rule)?;
        let ordered = self.sigma_end > 0.0 && self.sigma_end < self.sigma_begin && self.sigma_begin.is_finite();
        let sigmas = format!("{} to {}", self.sigma_begin, self.sigma_end);
        bound(ordered, "model.sigma_begin to model.sigma_end", sigmas, "positive and falling".to_owned())
    }

    /// Compares the levels with those that a checkpoint keeps beside its weights.
    ///
    /// # Errors
    /// The first field that the checkpoint says otherwise.
    pub fn agrees(&self, sigmas: &[f32]) -> Result<(), ConfigError> {
        let known = |field: &str, value: String, known: String| {
            Err(ConfigError::Size { field: field.to_owned(), value, rule: format!("{known}, as the checkpoint says") })
        };
        if sigmas.len() != self.num_classes {
            return known("model.num_classes", self.num_classes.to_string(), sigmas.len().to_string());
        }
        let ends = [
            ("model.sigma_begin", self.sigma_begin, sigmas.first()),
            ("model.sigma_end", self.sigma_end, sigmas.last()),
        ];
        for (field, value, sigma) in ends {
            let sigma = f64::from(sigma.copied().unwrap_or_default());
            if (sigma / value - 1.0).abs() > 1e-3 || sigma.is_nan() {
                return known(field, value.to_string(), sigma.to_string());
            }
        }
        Ok(())
    }

    /// σ of a level, the largest first; between two levels for a label between them.
    pub fn sigma(&self, label: f64) -> f64 {
        self.sigma_begin * (self.sigma_end / self.sigma_begin).powf(label / (self.num_classes - 1) as f64)
    }
}
