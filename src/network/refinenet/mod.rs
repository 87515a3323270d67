//! The dilated RefineNets of NCSN (Song & Ermon 2019, appendix A) and NCSNv2 (Song & Ermon 2020, appendix B).

mod blocks;
mod config;
pub(super) mod norm;
mod outline;
pub(super) mod plan;
mod resize;

pub use config::RefineNetConfig;

use super::layers::{Conv, Loader, differentiated, with_gains};
use super::plan::Parameter;
use super::{
    AtOutput, Dropout, GradientError, InvalidConfig, Labels, NetworkConfig, ScoreNetwork, Stage, Sum, Weights,
    WeightsError, gpu, host,
};
use crate::Image;
use blocks::{Context, RefineBlock, ResBlock};
use burn::tensor::{Device, TensorReadError};
use norm::NormPlus;
use std::sync::Arc;

/// A published `ncsn` or `ncsnv2` network.
#[derive(Debug)]
pub struct RefineNet {
    config: RefineNetConfig,
    parameters: usize,
    body: Body,
}

/// All that has parameters, as the device wants it.
#[derive(Debug)]
enum Body {
    Tensors(Box<Layers>),
    Host(Arc<host::RefineNet>),
    Gpu(Box<gpu::RefineNet>),
}

/// A network of tensor operations.
#[derive(Debug)]
struct Layers {
    begin: Conv,
    /// Two blocks each, from the highest resolution.
    stages: Vec<[ResBlock; 2]>,
    /// From the lowest resolution.
    refinements: Vec<RefineBlock>,
    normalizer: NormPlus,
    end: Conv,
}

impl NetworkConfig for RefineNetConfig {
    const FIELD: &'static str = "ngf";

    fn check(&self) -> Result<(), InvalidConfig> {
        RefineNetConfig::check(self)
    }

    fn has_dropout(&self) -> bool {
        false
    }

    fn shape(&self) -> [usize; 3] {
        [self.channels, self.image_size, self.image_size]
    }

    fn plan(&self) -> Vec<Parameter> {
        plan::parameters(self)
    }

    fn outline(&self) -> Vec<Stage> {
        RefineNetConfig::outline(self)
    }

    fn summary(&self) -> String {
        let name = if self.conditional { "NCSN" } else { "NCSNv2" };
        let widths: Vec<String> = self.widths().iter().map(ToString::to_string).collect();
        format!("{name}, {} channels", widths.join("·"))
    }

    fn smld_label(&self, place: f64) -> (f64, f64) {
        if !self.conditional {
            // Only the division by σ knows the level, so that a place between two is as good as theirs.
            return (place, 1.0);
        }
        // The levels are few. Between them the denoised picture of the nearest one, D, stands: (D − x)/σ².
        let sigma = |place: f64| self.sigma(place);
        (place.round(), (sigma(place.round()) / sigma(place)).powi(2))
    }
}

impl ScoreNetwork for RefineNet {
    type Config = RefineNetConfig;

    fn new(config: &RefineNetConfig, weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        let mut loader = Loader::new(plan::parameters(config), weights, config, device)?;
        let parameters = sizes(config).iter().sum();
        let body = if host::is_host(device) {
            Body::Host(Arc::new(host::RefineNet::load(&mut loader, parameters)?))
        } else if let Some((gpu, precision)) = gpu::of(device) {
            Body::Gpu(Box::new(gpu::RefineNet::load(&mut loader, gpu, parameters, precision)?))
        } else {
            return RefineNet::load(&mut loader);
        };
        Ok(RefineNet { config: config.clone(), parameters, body })
    }

    fn of_tensors(config: &RefineNetConfig, weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        RefineNet::load(&mut Loader::new(plan::parameters(config), weights, config, device)?)
    }

    /// The output is the score. Labels are levels: 0 is the largest σ. Conditional networks take the nearest whole level.
    fn forward<'a>(&self, x: Image, labels: impl Into<Labels<'a>>) -> Result<Image, TensorReadError> {
        let labels = labels.into().levels;
        let levels = self.levels(labels);
        let x = if self.config.rescaled { x } else { Sum::of(2.0, &x).shifted(-1.0).tensor() };
        let output = match &self.body {
            Body::Host(network) => network.forward(x, levels)?,
            Body::Gpu(network) => network.forward(x, &levels)?,
            Body::Tensors(layers) => {
                layers.forward(x, Context { levels: &levels, nonlinearity: self.config.nonlinearity })
            }
        };
        if self.config.conditional {
            return Ok(output);
        }
        let gains: Vec<f64> = self.gains(labels).into_iter().map(f64::from).collect();
        Ok(Sum::of(gains, &output).tensor())
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    fn gradients<'a>(
        &self,
        x: &[f32],
        labels: impl Into<Labels<'a>>,
        _: Option<Dropout>,
        at_output: AtOutput,
    ) -> Option<Vec<Vec<f32>>> {
        let labels = labels.into().levels;
        let Body::Host(network) = &self.body else { return None };
        let [c, h, w] = self.config.shape();
        let x = if self.config.rescaled { x.to_vec() } else { x.iter().map(|x| 2.0 * x - 1.0).collect() };
        let gains = if self.config.conditional { Vec::new() } else { self.gains(labels) };
        let at_output = with_gains(c * h * w, gains, at_output);
        network.gradients(&x, [labels.len(), c, h, w], &self.levels(labels), &at_output, &sizes(&self.config))
    }

    fn gradients_by_tensors<'a>(
        config: &RefineNetConfig,
        weights: &Weights,
        device: &Device,
        x: &[f32],
        labels: impl Into<Labels<'a>>,
        _: Option<Dropout>,
        at_output: AtOutput,
    ) -> Result<Vec<Vec<f32>>, GradientError> {
        let labels = labels.into().levels;
        let device = &device.clone().autodiff();
        let mut loader = Loader::new(plan::parameters(config), weights, config, device)?.tracked();
        let network = RefineNet::load(&mut loader)?;
        differentiated(loader, &sizes(config), config.shape(), x, labels.len(), at_output, |x| {
            network.forward(x, labels)
        })
    }

    fn differentiates_on_the_cpu() -> bool {
        true
    }
}

/// The number of values of each parameter.
fn sizes(config: &RefineNetConfig) -> Vec<usize> {
    plan::parameters(config).iter().map(|p| p.shape.iter().product()).collect()
}

impl RefineNet {
    /// Of tensor operations.
    fn load(loader: &mut Loader<RefineNetConfig>) -> Result<Self, WeightsError> {
        let config = loader.config.clone();
        let parameters = sizes(&config).iter().sum();
        Ok(RefineNet { config, parameters, body: Body::Tensors(Box::new(Layers::load(loader)?)) })
    }

    /// The architecture.
    pub fn config(&self) -> &RefineNetConfig {
        &self.config
    }

    /// The nearest level of each label.
    fn levels(&self, labels: &[f64]) -> Vec<usize> {
        let last = self.config.num_classes - 1;
        labels.iter().map(|label| (label.round() as usize).min(last)).collect()
    }

    /// 1/σ of each label.
    fn gains(&self, labels: &[f64]) -> Vec<f32> {
        labels.iter().map(|&label| (1.0 / self.config.sigma(label)) as f32).collect()
    }
}

impl Layers {
    /// Takes all parameters.
    fn load(loader: &mut Loader<RefineNetConfig>) -> Result<Self, WeightsError> {
        let (begin, normalizer, end) = (Conv::load(loader)?, NormPlus::load(loader)?, Conv::load(loader)?);
        let mut stages = Vec::new();
        for stage in plan::stages(loader.config) {
            let [first, second] = stage.blocks;
            stages.push([ResBlock::load(loader, first)?, ResBlock::load(loader, second)?]);
        }
        let mut refinements = Vec::new();
        for refine in plan::refinements(loader.config) {
            refinements.push((refine.place, RefineBlock::load(loader, &refine)?));
        }
        refinements.sort_by_key(|(place, _)| *place);
        let refinements = refinements.into_iter().map(|(_, block)| block).collect();
        Ok(Layers { begin, stages, refinements, normalizer, end })
    }

    /// The output for images in [−1, 1].
    fn forward(&self, x: Image, context: Context) -> Image {
        let mut h = self.begin.forward(x);
        let mut kept = Vec::new();
        for blocks in &self.stages {
            h = blocks.iter().fold(h, |h, block| block.forward(h, context));
            kept.push(h.clone());
        }
        let mut coarse = None;
        for (refine, fine) in self.refinements.iter().zip(kept.into_iter().rev()) {
            h = refine.forward(fine, coarse, context);
            coarse = Some(h.clone());
        }
        self.end.forward(self.normalizer.forward(h, context.levels, Some(context.nonlinearity)))
    }
}
