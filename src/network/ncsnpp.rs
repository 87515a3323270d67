//! NCSN++ and DDPM++ (Song et al. 2021, appendix H).

use super::{Config, Weights, WeightsError};
use crate::Image;
use burn::tensor::Device;

/// A published `ncsnpp` network.
#[derive(Debug)]
pub struct Ncsnpp {
    config: Config,
    parameters: usize,
}

impl Ncsnpp {
    /// Builds the network of `config` from PyTorch weights.
    ///
    /// # Errors
    /// If a parameter is missing, left over, of the wrong shape, or not finite.
    pub fn new(config: &Config, weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        let _ = (config, weights, device);
        todo!("helper: network")
    }

    /// The raw output for `x` (N×C×H×W, in the configuration's range) and one label for each sample.
    pub fn forward(&self, x: Image, labels: &[f64]) -> Image {
        let _ = (x, labels);
        todo!("helper: network")
    }

    /// The architecture.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.parameters
    }
}
