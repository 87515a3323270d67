use crate::Pixels;
use serde::{Deserialize, Serialize};

/// The interval that clean data fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Range {
    /// [0, 1], as in every published VE configuration.
    Unit,
    /// [−1, 1], as in published VP and sub-VP configurations.
    Symmetric,
}

impl Range {
    /// Lowest and highest value of clean data.
    pub fn bounds(self) -> (f64, f64) {
        match self {
            Range::Unit => (0.0, 1.0),
            Range::Symmetric => (-1.0, 1.0),
        }
    }

    /// Highest value minus lowest.
    pub fn span(self) -> f64 {
        let (low, high) = self.bounds();
        high - low
    }
}

/// Pictures in [0, 1] from data in `range`; data that are no pictures are left as they are.
pub fn unit<T: Copy + Into<f64>>(data: &Pixels<T>, range: Option<Range>) -> Pixels<f32> {
    let (low, high) = range.map_or((0.0, 1.0), Range::bounds);
    let value = |&value: &T| ((value.into() - low) / (high - low)) as f32;
    Pixels { shape: data.shape, values: data.values.iter().map(value).collect() }
}

/// First two moments of clean data, over all pixels and channels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Mean of x(0).
    pub mean: f64,
    /// Mean of x(0)².
    pub mean_square: f64,
}

impl Moments {
    /// Variance of x(0).
    pub fn variance(self) -> f64 {
        self.mean_square - self.mean * self.mean
    }
}
