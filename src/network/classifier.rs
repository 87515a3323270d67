//! Networks that tell classes apart: the downward half of a U-Net, then the mean over pixels and a linear map.

use super::plan::{Parameter, Plan};
use super::{AtOutput, BlockKind, Config, GradientError, InvalidConfig, ScoreNetwork, Unet, Weights, WeightsError};
use crate::Image;
use crate::network::config::within;
use crate::text::counted;
use burn::tensor::{Device, Tensor, TensorReadError};
use serde::{Deserialize, Serialize};

/// The architecture of a classifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Channels at the highest resolution, before `ch_mult`.
    pub nf: usize,
    /// Channels of each resolution, from the highest, in units of `nf`.
    pub ch_mult: Vec<usize>,
    /// Residual blocks at each resolution.
    pub num_res_blocks: usize,
    /// The blocks are told the noise level.
    pub conditional: bool,
    /// Number of classes.
    pub classes: usize,
    /// Height and width of an image.
    pub image_size: usize,
    pub num_channels: usize,
}

impl ClassifierConfig {
    /// Most classes.
    pub const MAX_CLASSES: usize = 65_536;

    /// Whether a network can be built from it.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        within(self.classes, 2, Self::MAX_CLASSES, "the number of classes")?;
        let body = self.body();
        body.check_for(|| Plan::classifier(&body, self.classes))
    }

    /// All parameters, in the order of the layers.
    pub fn plan(&self) -> Vec<Parameter> {
        Plan::classifier(&self.body(), self.classes).parameters()
    }

    /// Channels, height and width of an image.
    pub fn shape(&self) -> [usize; 3] {
        [self.num_channels, self.image_size, self.image_size]
    }

    /// The number of features, of which the classes are a linear map.
    pub fn features(&self) -> usize {
        self.nf * self.ch_mult.last().unwrap_or(&1)
    }

    /// Its sizes, as people say them.
    pub fn summary(&self) -> String {
        let widths: Vec<String> = self.ch_mult.iter().map(|factor| (self.nf * factor).to_string()).collect();
        format!("{} channels, {} each", widths.join("·"), counted(self.num_res_blocks, "block"))
    }

    /// The U-Net whose downward half it is, without attention; nothing of its levels is used.
    pub(super) fn body(&self) -> Config {
        Config {
            nf: self.nf,
            ch_mult: self.ch_mult.clone(),
            num_res_blocks: self.num_res_blocks,
            resamp_with_conv: false,
            conditional: self.conditional,
            skip_rescale: false,
            resblock_type: BlockKind::Ddpm,
            image_size: self.image_size,
            num_channels: self.num_channels,
            sigma_max: 1.0,
            num_scales: 2,
            ..Config::ddpmpp()
        }
    }
}

/// A classifier on a device.
#[derive(Debug)]
pub struct Classifier {
    config: ClassifierConfig,
    network: Unet,
}

impl Classifier {
    /// Builds the network of `config`.
    ///
    /// # Errors
    /// If a parameter is missing, left over, of the wrong shape, or not finite.
    pub fn new(config: &ClassifierConfig, weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        let body = config.body();
        let network = Unet::build(&Plan::classifier(&body, config.classes), weights, device)?;
        Ok(Classifier { config: config.clone(), network })
    }

    /// The same of tensor operations on every device: on the CPU slower than its own layers, which are held against
    /// them.
    ///
    /// # Errors
    /// Those of [`Classifier::new`].
    pub fn of_tensors(config: &ClassifierConfig, weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        let body = config.body();
        let network = Unet::build_of_tensors(&Plan::classifier(&body, config.classes), weights, device)?;
        Ok(Classifier { config: config.clone(), network })
    }

    /// The architecture.
    pub fn config(&self) -> &ClassifierConfig {
        &self.config
    }

    /// Logits of the classes, N×classes, of images `x` (N×C×H×W) and labels of their noise levels, one for all or one for
    /// each, which a network that is not told them ignores.
    ///
    /// # Errors
    /// If the images cannot be read.
    pub fn logits(&self, x: Image, labels: &[f64]) -> Result<Tensor<2>, TensorReadError> {
        Ok(self.network.forward(x, labels)?.flatten(1, 3))
    }

    /// What the logits are a linear map of: N×F. The arguments are those of [`Classifier::logits`].
    ///
    /// # Errors
    /// If the images cannot be read.
    pub fn features(&self, x: Image, labels: &[f64]) -> Result<Tensor<2>, TensorReadError> {
        Ok(self.network.pooled(x, labels)?.flatten(1, 3))
    }

    /// [`ScoreNetwork::gradients`], where the output of an image is its logits.
    pub fn gradients(&self, x: &[f32], labels: &[f64], at_output: AtOutput) -> Option<Vec<Vec<f32>>> {
        self.network.gradients(x, labels, None, at_output)
    }

    /// [`ScoreNetwork::gradients_by_tensors`], where the output of an image is its logits.
    ///
    /// # Errors
    /// Those of [`Classifier::new`], or if the device fails.
    pub fn gradients_by_tensors(
        config: &ClassifierConfig,
        weights: &Weights,
        device: &Device,
        x: &[f32],
        labels: &[f64],
        at_output: AtOutput,
    ) -> Result<Vec<Vec<f32>>, GradientError> {
        let body = config.body();
        let plan = Plan::classifier(&body, config.classes);
        Unet::differentiated_by_tensors(&plan, weights, device, x, labels.into(), None, at_output)
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.network.parameters()
    }
}
