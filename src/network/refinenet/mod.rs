//! The dilated RefineNets of NCSN (Song & Ermon 2019, appendix A) and NCSNv2 (Song & Ermon 2020, appendix B).

mod blocks;
mod config;
pub(super) mod norm;
mod outline;
pub(super) mod plan;
mod resize;

pub use config::RefineNetConfig;

use super::layers::{Conv, Loader, differentiated};
use super::plan::Parameter;
use super::{AtOutput, GradientError, InvalidConfig, NetworkConfig, ScoreNetwork, Stage, Weights, WeightsError, host};
use crate::Image;
use blocks::{Context, RefineBlock, ResBlock};
use burn::tensor::{Device, Tensor, TensorData, TensorReadError};
use norm::NormPlus;

/// A published `ncsn` or `ncsnv2` network.
#[derive(Debug)]
pub struct RefineNet {
    config: RefineNetConfig,
    parameters: usize,
    device: Device,
    body: Body,
}

/// All that has parameters, as the device wants it.
#[derive(Debug)]
enum Body {
    Tensors(Box<Layers>),
    Host(Box<host::RefineNet>),
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
        let parameters = plan::parameters(config);
        let count = parameters.iter().map(|p| p.shape.iter().product::<usize>()).sum();
        let loader = &mut Loader::new(parameters, weights, config, device)?;
        let body = match host::is_plain(device) {
            true => Body::Host(Box::new(host::RefineNet::load(loader, count)?)),
            false => Body::Tensors(Box::new(Layers::load(loader)?)),
        };
        Ok(RefineNet { config: config.clone(), parameters: count, device: device.clone(), body })
    }

    /// Tensor operations are where gradients are kept.
    fn of_tensors(config: &RefineNetConfig, weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        RefineNet::new(config, weights, &device.clone().autodiff())
    }

    /// The output is the score. Labels are levels: 0 is the largest σ. Conditional networks take the nearest whole level.
    fn forward(&self, x: Image, labels: &[f64]) -> Result<Image, TensorReadError> {
        let last = self.config.num_classes - 1;
        let levels: Vec<usize> = labels.iter().map(|label| (label.round() as usize).min(last)).collect();
        let x = if self.config.rescaled { x } else { x * 2.0 - 1.0 };
        let output = match &self.body {
            Body::Host(network) => network.forward(x, &levels)?,
            Body::Tensors(layers) => {
                layers.forward(x, Context { levels: &levels, nonlinearity: self.config.nonlinearity })
            }
        };
        Ok(if self.config.conditional { output } else { output * self.inverse_sigma(labels) })
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    fn gradients(&self, _: &[f32], _: &[f64], _: AtOutput) -> Option<Vec<Vec<f32>>> {
        None
    }

    fn gradients_by_tensors(
        config: &RefineNetConfig,
        weights: &Weights,
        device: &Device,
        x: &[f32],
        labels: &[f64],
        at_output: AtOutput,
    ) -> Result<Vec<Vec<f32>>, GradientError> {
        let device = &device.clone().autodiff();
        let parameters = plan::parameters(config);
        let sizes: Vec<usize> = parameters.iter().map(|p| p.shape.iter().product()).collect();
        let mut loader = Loader::new(parameters, weights, config, device)?.tracked();
        let body = Body::Tensors(Box::new(Layers::load(&mut loader)?));
        let network =
            RefineNet { config: config.clone(), parameters: sizes.iter().sum(), device: device.clone(), body };
        differentiated(loader, &sizes, config.shape(), x, labels, at_output, |x| network.forward(x, labels))
    }
}

impl RefineNet {
    /// The architecture.
    pub fn config(&self) -> &RefineNetConfig {
        &self.config
    }

    /// 1/σ of each label, to broadcast over images.
    fn inverse_sigma(&self, labels: &[f64]) -> Image {
        let values: Vec<f32> = labels.iter().map(|&label| (1.0 / self.config.sigma(label)) as f32).collect();
        Tensor::from_data(TensorData::new(values, [labels.len(), 1, 1, 1]), &self.device)
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
