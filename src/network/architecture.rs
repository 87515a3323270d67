//! Which architecture a network has.

use super::plan::{Parameter, Plan};
use super::{Config, RefineNet, RefineNetConfig, Stage, Unet, Weights, WeightsError, refinenet};
use crate::Image;
use burn::tensor::{Device, TensorReadError};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

/// The configuration of a network of any known architecture. What was read from a file can be built.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Architecture {
    /// NCSN++, DDPM++ and DDPM.
    Unet(Config),
    /// NCSN and NCSNv2.
    RefineNet(RefineNetConfig),
}

impl<'de> Deserialize<'de> for Architecture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        // A field that only RefineNets have.
        let architecture = match value.get("ngf") {
            None => Config::deserialize(value).map(Architecture::Unet),
            Some(_) => RefineNetConfig::deserialize(value).map(Architecture::RefineNet),
        };
        let architecture = architecture.map_err(de::Error::custom)?;
        let checked = match &architecture {
            Architecture::Unet(config) => config.check(),
            Architecture::RefineNet(config) => config.check(),
        };
        checked.map_err(de::Error::custom).map(|()| architecture)
    }
}

impl From<Config> for Architecture {
    fn from(config: Config) -> Self {
        Architecture::Unet(config)
    }
}

impl From<RefineNetConfig> for Architecture {
    fn from(config: RefineNetConfig) -> Self {
        Architecture::RefineNet(config)
    }
}

impl Architecture {
    /// The configuration of a U-Net, if it is one.
    pub fn unet(&self) -> Option<&Config> {
        if let Architecture::Unet(config) = self { Some(config) } else { None }
    }

    /// σ_data of EDM's preconditioning (Karras et al. 2022, table 1), where the network was trained with it.
    pub fn sigma_data(&self) -> Option<f64> {
        self.unet()?.variant.sigma_data
    }

    /// Channels, height and width of an image.
    pub fn shape(&self) -> [usize; 3] {
        match self {
            Architecture::Unet(config) => [config.num_channels, config.image_size, config.image_size],
            Architecture::RefineNet(config) => [config.channels, config.image_size, config.image_size],
        }
    }

    /// All parameters, in published order.
    fn plan(&self) -> Vec<Parameter> {
        match self {
            Architecture::Unet(config) => Plan::new(config).parameters(),
            Architecture::RefineNet(config) => refinenet::parameters(config),
        }
    }

    /// Names and shapes of all parameters, in published order.
    pub fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        self.plan().into_iter().map(|p| (p.name, p.shape)).collect()
    }

    /// Names of the parameters that an EMA keeps, in its order: all but the frequencies of a Fourier embedding.
    pub fn trainable(&self) -> Vec<String> {
        self.plan().into_iter().filter(|p| p.trainable).map(|p| p.name).collect()
    }

    /// The layers in the order in which they compute.
    pub fn outline(&self) -> Vec<Stage> {
        match self {
            Architecture::Unet(config) => config.outline(),
            Architecture::RefineNet(config) => config.outline(),
        }
    }
}

/// A network of any known architecture.
#[derive(Debug)]
pub enum Network {
    Unet(Box<Unet>),
    RefineNet(Box<RefineNet>),
}

impl Network {
    /// Builds a network from PyTorch weights. Buffers (`sigmas`) may be among them.
    ///
    /// # Errors
    /// If a parameter is missing, left over, of the wrong shape, or not finite.
    pub fn new(architecture: &Architecture, weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        match architecture {
            Architecture::Unet(config) => Unet::new(config, weights, device).map(|net| Network::Unet(Box::new(net))),
            Architecture::RefineNet(config) => {
                RefineNet::new(config, weights, device).map(|net| Network::RefineNet(Box::new(net)))
            }
        }
    }

    /// The same of tensor operations on every device; see [`Unet::of_tensors`]. RefineNets are where gradients are kept.
    ///
    /// # Errors
    /// Those of [`Network::new`].
    pub fn of_tensors(architecture: &Architecture, weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        match architecture {
            Architecture::Unet(config) => {
                Unet::of_tensors(config, weights, device).map(|net| Network::Unet(Box::new(net)))
            }
            Architecture::RefineNet(_) => Network::new(architecture, weights, &device.clone().autodiff()),
        }
    }

    /// The raw output for `x` (N×C×H×W, in the configuration's range) and the published labels, one for all samples
    /// or one for each.
    ///
    /// # Errors
    /// If the images cannot be read.
    pub fn forward(&self, x: Image, labels: &[f64]) -> Result<Image, TensorReadError> {
        match self {
            Network::Unet(network) => network.forward(x, labels),
            Network::RefineNet(network) => network.forward(x, labels),
        }
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        match self {
            Network::Unet(network) => network.parameters(),
            Network::RefineNet(network) => network.parameters(),
        }
    }
}
