use super::{Path, STRATIFIED, Times};
use crate::registry::{Settings, entry};

entry! {
    /// Uniform from the first to the last time; of discrete levels each is as likely as another.
    Uniform {
        slug: "uniform",
        name: "Uniform",
        summary: "Every time is equally likely",
        source: "Song et al. 2021",
        parameters: [&STRATIFIED],
    }
}

impl Times for Uniform {
    fn time(&self, _settings: &Settings, path: &Path, u: f64) -> f64 {
        path.first + (path.last - path.first) * u
    }

    fn is_discrete(&self) -> bool {
        true
    }
}
