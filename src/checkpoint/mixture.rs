//! Mixtures of Gaussians that a file describes.

use super::{FileError, read_bounded};
use crate::score::{Component, Mixture};
use serde::Deserialize;
use std::path::Path;

const WHAT: &str = "a mixture of Gaussians";
/// Beyond this a file describes no mixture that could be sampled.
const MAX_BYTES: u64 = 64 << 20;

/// A mixture as files have it.
#[derive(Deserialize)]
struct Described {
    /// Channels, height and width; without them the coordinates are D channels of one pixel.
    shape: Option<[usize; 3]>,
    weights: Vec<f64>,
    /// K×D.
    means: Vec<Vec<f64>>,
    /// Of each component, or of each of its coordinates.
    stds: Vec<Spread>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Spread {
    Round(f64),
    Each(Vec<f64>),
}

/// Reads `{"weights": […], "means": [[…], …], "stds": […]}`, with `"shape": [C, H, W]` for images.
///
/// # Errors
/// If the file cannot be read, or describes no mixture.
pub fn read_mixture(path: &Path) -> Result<Mixture, FileError> {
    let wrong = |reason: String| FileError::format(path, WHAT, reason);
    let bytes = read_bounded(path, MAX_BYTES, WHAT)?;
    let described: Described = serde_json::from_slice(&bytes).map_err(|error| {
        wrong(format!("{error}; give weights, means and stds, one each for every component, as JSON"))
    })?;
    let Described { shape, weights, means, stds } = described;
    let counts = [weights.len(), means.len(), stds.len()];
    if counts.iter().any(|&count| count != counts[0]) {
        let [weights, means, stds] = counts;
        return Err(wrong(format!("it has {weights} weights, {means} means and {stds} stds; give as many of each")));
    }
    let dimensions = means.first().map_or(0, Vec::len);
    let component = |((weight, mean), std): ((f64, Vec<f64>), Spread)| match std {
        Spread::Round(std) => Component::round(weight, mean, std),
        Spread::Each(std) => Component { weight, mean, std },
    };
    let components = weights.into_iter().zip(means).zip(stds).map(component).collect();
    Mixture::new(shape.unwrap_or([dimensions, 1, 1]), components).map_err(|error| wrong(error.to_string()))
}
