//! Diffusion transformers (DiT, Peebles and Xie 2023): patches of pixels as tokens, whose blocks are told noise level and
//! class by the scales, shifts and gates of adaLN-Zero.

mod config;
mod layers;

pub use config::DitConfig;

use super::labels::Told;
use super::layers::{Loader, differentiated};
use super::{
    AtOutput, Dropout, GradientError, Labels, NetworkConfig, ScoreNetwork, Weights, WeightsError, gpu, host, patch,
};
use crate::Image;
use burn::tensor::{Device, TensorReadError};
use config::FEATURES;
pub(super) use layers::EPSILON;
use layers::Layers;
use std::sync::Arc;

/// A diffusion transformer.
#[derive(Debug)]
pub struct Dit {
    config: DitConfig,
    /// The number of values of each parameter.
    sizes: Vec<usize>,
    body: Body,
}

/// All that has parameters, as the device wants it.
#[derive(Debug)]
enum Body {
    Tensors(Box<Layers>),
    Host(Arc<host::Dit>),
    Gpu(Box<gpu::Dit>),
}

impl ScoreNetwork for Dit {
    type Config = DitConfig;

    fn new(config: &DitConfig, weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        let mut loader = Loader::new(config.plan(), weights, config, device)?;
        let (sizes, on_device) = (sizes(config), gpu::of(device).filter(|_| gpu::Dit::can(config)));
        let parameters = sizes.iter().sum();
        let body = if host::is_host(device) {
            Body::Host(Arc::new(host::Dit::load(&mut loader, parameters)?))
        } else if let Some((gpu, precision)) = on_device {
            Body::Gpu(Box::new(gpu::Dit::load(&mut loader, gpu, parameters, precision)?))
        } else {
            return Dit::load(&mut loader);
        };
        Ok(Dit { config: config.clone(), sizes, body })
    }

    fn of_tensors(config: &DitConfig, weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        Dit::load(&mut Loader::new(config.plan(), weights, config, device)?)
    }

    fn forward<'a>(&self, x: Image, labels: impl Into<Labels<'a>>) -> Result<Image, TensorReadError> {
        self.evaluate(x, labels.into())
    }

    fn parameters(&self) -> usize {
        self.sizes.iter().sum()
    }

    fn gradients<'a>(
        &self,
        x: &[f32],
        labels: impl Into<Labels<'a>>,
        _: Option<Dropout>,
        at_output: AtOutput,
    ) -> Option<Vec<Vec<f32>>> {
        let Body::Host(network) = &self.body else { return None };
        let labels = labels.into();
        let places = patch::places(self.config.shape(), self.config.patch_size);
        let at_output = patch::in_patches(&places, self.config.patch_size, at_output);
        let dims = [labels.levels.len(), self.config.patch(), self.config.side(), self.config.side()];
        network.gradients(&patch::cut_values(x, &places), dims, told(labels), &at_output, &self.sizes)
    }

    fn gradients_by_tensors<'a>(
        config: &DitConfig,
        weights: &Weights,
        device: &Device,
        x: &[f32],
        labels: impl Into<Labels<'a>>,
        _: Option<Dropout>,
        at_output: AtOutput,
    ) -> Result<Vec<Vec<f32>>, GradientError> {
        let (device, labels) = (&device.clone().autodiff(), labels.into());
        let mut loader = Loader::new(config.plan(), weights, config, device)?.tracked();
        let network = Dit::load(&mut loader)?;
        differentiated(loader, &network.sizes, config.shape(), x, labels.levels.len(), at_output, |x| {
            network.evaluate(x, labels)
        })
    }

    fn differentiates_on_the_cpu() -> bool {
        true
    }
}

impl Dit {
    /// Of tensor operations.
    fn load(loader: &mut Loader<DitConfig>) -> Result<Self, WeightsError> {
        let config = loader.config.clone();
        let (sizes, body) = (sizes(&config), Body::Tensors(Box::new(Layers::load(loader)?)));
        Ok(Dit { config, sizes, body })
    }

    fn evaluate(&self, x: Image, labels: Labels) -> Result<Image, TensorReadError> {
        let (x, told) = (patch::cut(x, self.config.patch_size), told(labels));
        let output = match &self.body {
            Body::Host(network) => network.forward(x, told)?,
            Body::Gpu(network) => network.forward(x, &told)?,
            Body::Tensors(layers) => layers.forward(x, told),
        };
        Ok(patch::join(output, self.config.patch_size))
    }
}

/// The number of values of each parameter.
fn sizes(config: &DitConfig) -> Vec<usize> {
    config.plan().iter().map(|p| p.shape.iter().product()).collect()
}

/// Cosines, then sines, of each label.
fn told(labels: Labels) -> Told {
    let frequency = |j: usize| 10_000_f64.powf(-(j as f64) / (FEATURES / 2) as f64);
    let waves = |level: f64| {
        let phases = move || (0..FEATURES / 2).map(move |j| level * frequency(j));
        phases().map(f64::cos).chain(phases().map(f64::sin)).map(|wave| wave as f32)
    };
    Told { features: labels.levels().flat_map(waves).collect(), classes: labels.classes() }
}
