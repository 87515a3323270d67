use serde::{Deserialize, Serialize};

/// What a network of VP's discrete levels answers, x = α·x(0) + σ·z with α² + σ² = 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Predicts {
    /// z (Ho et al. 2020).
    #[default]
    Noise,
    /// x(0).
    Data,
    /// α·z − σ·x(0) (Salimans and Ho 2022).
    Velocity,
}

impl Predicts {
    /// The score as gain × answer + skip × x.
    pub(super) fn score(self, alpha: f64, sigma: f64) -> [f64; 2] {
        match self {
            Predicts::Noise => [-1.0 / sigma, 0.0],
            // (α·x̂(0) − x)/σ².
            Predicts::Data => [alpha / (sigma * sigma), -1.0 / (sigma * sigma)],
            // z = σ·x + α·v.
            Predicts::Velocity => [-alpha / sigma, -1.0],
        }
    }
}
