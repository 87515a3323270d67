//! Which architecture a network has.

use super::plan::Parameter;
use super::weights::all_used;
use super::{
    Classes, Config, DeviceError, Dit, DitConfig, Dropout, InvalidConfig, Joins, Labels, RefineNet, Stage, Unet,
    Weights, WeightsError,
};
use crate::Image;
use burn::tensor::{Device, TensorReadError};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use std::fmt::Debug;
use std::ops::Range;

/// The configuration of one kind of network: what can be said of it before it is built.
pub trait NetworkConfig: Clone + Debug + PartialEq + Serialize + de::DeserializeOwned {
    /// A field that configurations of this kind have, and no others.
    const FIELD: &'static str;

    /// Whether a network can be built from it.
    ///
    /// # Errors
    /// If a field is not possible.
    fn check(&self) -> Result<(), InvalidConfig>;

    /// Channels, height and width of an image.
    fn shape(&self) -> [usize; 3];

    /// All parameters, in published order.
    fn plan(&self) -> Vec<Parameter>;

    /// The layers in the order in which they compute.
    fn outline(&self) -> Vec<Stage>;

    /// Its name and sizes, as people say them: "DDPM++, 32·64 channels, 2 blocks each".
    fn summary(&self) -> String;

    /// σ_data of EDM's preconditioning (Karras et al. 2022, table 1), where the network was trained with it.
    fn sigma_data(&self) -> Option<f64> {
        None
    }

    /// Number of classes that it can be told; 0 where it is told none.
    fn classes(&self) -> usize {
        0
    }

    /// Whether its blocks have dropout.
    fn has_dropout(&self) -> bool {
        true
    }

    /// Label and gain at a place, whole or not, among the levels of SMLD, the largest σ first.
    fn smld_label(&self, place: f64) -> (f64, f64) {
        (place.round(), 1.0)
    }
}

/// Turns the raw output for some images, given by their places in a batch, N×C×H×W, into the gradient of a loss by it.
pub type AtOutput<'a> = &'a (dyn Fn(Range<usize>, &mut [f32]) + Sync);

/// One kind of network.
pub trait ScoreNetwork: Debug + Sized + Send + Sync {
    type Config: NetworkConfig;

    /// Builds the network of `config` from PyTorch weights. Buffers (`sigmas`) may be among them.
    ///
    /// # Errors
    /// If a parameter is missing, left over, of the wrong shape, or not finite.
    fn new(config: &Self::Config, weights: &Weights, device: &Device) -> Result<Self, WeightsError>;

    /// The same of tensor operations on every device: on the CPU slower than its own layers, which are held against
    /// them.
    ///
    /// # Errors
    /// Those of [`ScoreNetwork::new`].
    fn of_tensors(config: &Self::Config, weights: &Weights, device: &Device) -> Result<Self, WeightsError>;

    /// The raw output for `x` (N×C×H×W, in the configuration's range) and what is told of it.
    ///
    /// # Errors
    /// If the images cannot be read.
    fn forward<'a>(&self, x: Image, labels: impl Into<Labels<'a>>) -> Result<Image, TensorReadError>;

    /// Number of parameters.
    fn parameters(&self) -> usize;

    /// The gradients of a loss by all parameters, in published order, by the CPU's own layers: of the raw output for
    /// `x` (N×C×H×W, in the configuration's range) and a label for each image. Batches may be of any size: memory does
    /// not grow with them, and the sums are the same for any number of threads. `None` where the network was not built
    /// for gradients on the CPU (a device of [`Device::flex`] with autodiff).
    ///
    /// `dropout`: in networks whose blocks have it, U-Nets.
    fn gradients<'a>(
        &self,
        x: &[f32],
        labels: impl Into<Labels<'a>>,
        dropout: Option<Dropout>,
        at_output: AtOutput,
    ) -> Option<Vec<Vec<f32>>>;

    /// The same by tensor operations and autodiff, on any device.
    ///
    /// # Errors
    /// Those of [`ScoreNetwork::new`], or if the device fails.
    fn gradients_by_tensors<'a>(
        config: &Self::Config,
        weights: &Weights,
        device: &Device,
        x: &[f32],
        labels: impl Into<Labels<'a>>,
        dropout: Option<Dropout>,
        at_output: AtOutput,
    ) -> Result<Vec<Vec<f32>>, GradientError>;

    /// Whether a network that was built for gradients on the CPU is as fast without.
    fn differentiates_on_the_cpu() -> bool {
        false
    }
}

/// Why there are no gradients.
#[derive(Debug, thiserror::Error)]
pub enum GradientError {
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error("the device failed: {0}")]
    Device(String),
    #[error(transparent)]
    Graphics(#[from] DeviceError),
}

impl From<TensorReadError> for GradientError {
    fn from(error: TensorReadError) -> Self {
        GradientError::Device(error.to_string())
    }
}

/// The kinds of networks. Each needs nothing but its folder and its place in this list.
macro_rules! architectures {
    ($($kind:ident),* $(,)?) => {
        /// The configuration of a network of any known architecture. What was read from a file can be built.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        #[allow(clippy::large_enum_variant, reason = "there are few of them")]
        pub enum Architecture {
            $($kind(<$kind as ScoreNetwork>::Config)),*
        }

        /// A network of any known architecture.
        #[derive(Debug)]
        pub enum Network {
            $($kind(Box<$kind>)),*
        }

        $(impl From<<$kind as ScoreNetwork>::Config> for Architecture {
            fn from(config: <$kind as ScoreNetwork>::Config) -> Self {
                Architecture::$kind(config)
            }
        })*

        impl<'de> Deserialize<'de> for Architecture {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = Value::deserialize(deserializer)?;
                $({
                    type Config = <$kind as ScoreNetwork>::Config;
                    if value.get(Config::FIELD).is_some() {
                        let config = Config::deserialize(value).map_err(de::Error::custom)?;
                        return config.check().map_err(de::Error::custom).map(|()| config.into());
                    }
                })*
                Err(de::Error::custom("the configuration is of no known architecture"))
            }
        }

        impl Architecture {
            /// σ_data of EDM's preconditioning, where the network was trained with it.
            pub fn sigma_data(&self) -> Option<f64> {
                match self {
                    $(Architecture::$kind(config) => config.sigma_data()),*
                }
            }

            /// [`NetworkConfig::smld_label`].
            pub fn smld_label(&self, place: f64) -> (f64, f64) {
                match self {
                    $(Architecture::$kind(config) => config.smld_label(place)),*
                }
            }

            /// Channels, height and width of an image.
            pub fn shape(&self) -> [usize; 3] {
                match self {
                    $(Architecture::$kind(config) => NetworkConfig::shape(config)),*
                }
            }

            /// The layers in the order in which they compute.
            pub fn outline(&self) -> Vec<Stage> {
                match self {
                    $(Architecture::$kind(config) => config.outline()),*
                }
            }

            /// Its name and sizes, as people say them.
            pub fn summary(&self) -> String {
                match self {
                    $(Architecture::$kind(config) => config.summary()),*
                }
            }

            /// All parameters, in published order.
            pub fn plan(&self) -> Vec<Parameter> {
                match self {
                    $(Architecture::$kind(config) => config.plan()),*
                }
            }

            /// Number of classes that it can be told; 0 where it is told none.
            pub fn classes(&self) -> usize {
                match self {
                    $(Architecture::$kind(config) => NetworkConfig::classes(config)),*
                }
            }

            /// Whether its blocks have dropout.
            pub fn has_dropout(&self) -> bool {
                match self {
                    $(Architecture::$kind(config) => NetworkConfig::has_dropout(config)),*
                }
            }

            /// Whether a network that was built for gradients on the CPU is as fast without.
            pub fn differentiates_on_the_cpu(&self) -> bool {
                match self {
                    $(Architecture::$kind(_) => $kind::differentiates_on_the_cpu()),*
                }
            }
        }

        impl Network {
            /// [`ScoreNetwork::new`].
            ///
            /// # Errors
            /// If a parameter is missing, left over, of the wrong shape, or not finite.
            pub fn new(architecture: &Architecture, weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
                match architecture {
                    $(Architecture::$kind(config) => {
                        $kind::new(config, weights, device).map(|network| Network::$kind(Box::new(network)))
                    })*
                }
            }

            /// [`ScoreNetwork::of_tensors`].
            ///
            /// # Errors
            /// Those of [`Network::new`].
            pub fn of_tensors(
                architecture: &Architecture,
                weights: &Weights,
                device: &Device,
            ) -> Result<Self, WeightsError> {
                match architecture {
                    $(Architecture::$kind(config) => {
                        $kind::of_tensors(config, weights, device).map(|network| Network::$kind(Box::new(network)))
                    })*
                }
            }

            /// [`ScoreNetwork::forward`].
            ///
            /// # Errors
            /// If the images cannot be read.
            pub fn forward<'a>(&self, x: Image, labels: impl Into<Labels<'a>>) -> Result<Image, TensorReadError> {
                match self {
                    $(Network::$kind(network) => network.forward(x, labels)),*
                }
            }

            /// [`ScoreNetwork::gradients`].
            pub fn gradients<'a>(
                &self,
                x: &[f32],
                labels: impl Into<Labels<'a>>,
                dropout: Option<Dropout>,
                at_output: AtOutput,
            ) -> Option<Vec<Vec<f32>>> {
                match self {
                    $(Network::$kind(network) => network.gradients(x, labels, dropout, at_output)),*
                }
            }

            /// [`ScoreNetwork::gradients_by_tensors`].
            ///
            /// # Errors
            /// Those of [`Network::new`], or if the device fails.
            pub fn gradients_by_tensors<'a>(
                architecture: &Architecture,
                weights: &Weights,
                device: &Device,
                x: &[f32],
                labels: impl Into<Labels<'a>>,
                dropout: Option<Dropout>,
                at_output: AtOutput,
            ) -> Result<Vec<Vec<f32>>, GradientError> {
                match architecture {
                    $(Architecture::$kind(config) => {
                        $kind::gradients_by_tensors(config, weights, device, x, labels, dropout, at_output)
                    })*
                }
            }

            /// Number of parameters.
            pub fn parameters(&self) -> usize {
                match self {
                    $(Network::$kind(network) => network.parameters()),*
                }
            }
        }
    };
}

architectures!(RefineNet, Unet, Dit);

impl Architecture {
    /// The configuration of a U-Net, if it is one.
    pub fn unet(&self) -> Option<&Config> {
        if let Architecture::Unet(config) = self { Some(config) } else { None }
    }

    /// The configuration of a diffusion transformer, if it is one.
    pub fn dit(&self) -> Option<&DitConfig> {
        if let Architecture::Dit(config) = self { Some(config) } else { None }
    }

    /// Makes a network one of so many classes, if its kind has them.
    pub fn tell_classes(&mut self, count: usize) {
        let classes = (count > 0).then_some(Classes { count, joins: Joins::Embedding, none: false });
        match self {
            Architecture::Unet(config) => config.variant.classes = classes,
            Architecture::Dit(config) => config.classes = classes.map(|classes| Classes { none: true, ..classes }),
            Architecture::RefineNet(_) => {}
        }
    }

    /// Names and shapes of all parameters, in published order.
    pub fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        self.plan().into_iter().map(|p| (p.name, p.shape)).collect()
    }

    /// Number of values in all parameters.
    pub fn count(&self) -> usize {
        self.plan().iter().map(|parameter| parameter.shape.iter().product::<usize>()).sum()
    }

    /// Whether all weights are parameters of the network.
    ///
    /// # Errors
    /// [`WeightsError::Unused`].
    pub fn check_all_used(&self, weights: &Weights) -> Result<(), WeightsError> {
        let plan = self.plan();
        all_used(weights, &plan.iter().map(|p| p.name.as_str()).collect())
    }

    /// Names of the parameters that an EMA keeps, in its order: all but the frequencies of a Fourier embedding.
    pub fn trainable(&self) -> Vec<String> {
        self.plan().into_iter().filter(|p| p.trainable).map(|p| p.name).collect()
    }
}
