//! The U-Net of DDPM (Ho et al. 2020) with all that NCSN++ and DDPM++ add to it (Song et al. 2021, appendix H).

use super::blocks::{Attention, Masks, ResBlock, residual};
use super::labels::Told;
use super::layers::{Conv, Linear, Loader, Norm, Table, activate, differentiated, with_gains};
use super::plan::{Direction, Op, Parameter, Plan};
use super::resample::{ConvResampler, Resampler};
use super::{
    AtOutput, BlockKind, Combine, Config, Dropout, Embedding, GradientError, InvalidConfig, Joins, Labels,
    NetworkConfig, Progressive, ScoreNetwork, Stage, Sum, Weights, WeightsError, gpu, host, patch,
};
use crate::Image;
use crate::text::counted;
use burn::tensor::{Device, Tensor, TensorData, TensorReadError};
use std::f64::consts::TAU;
use std::sync::Arc;

/// A published `ddpm` or `ncsnpp` network, or another list of their operations.
#[derive(Debug)]
pub struct Unet {
    inputs: Inputs,
    /// The number of values of each parameter.
    sizes: Vec<usize>,
    body: Body,
}

/// How images and labels come to the layers.
#[derive(Debug)]
pub(super) struct Inputs {
    config: Config,
    /// Of the embedding's sines.
    frequencies: Vec<f64>,
}

/// All that has parameters, as the device wants it.
#[derive(Debug)]
enum Body {
    Tensors(Box<Layers>),
    Host(Arc<host::Network>),
    Gpu(Box<gpu::Network>),
}

/// A network of tensor operations.
#[derive(Debug)]
struct Layers {
    dense: Option<[Linear; 2]>,
    table: Option<Table>,
    resampler: Resampler,
    layers: Vec<Layer>,
}

/// An [`Op`] with its parameters.
#[derive(Debug)]
enum Layer {
    Conv(Conv),
    Block(Box<ResBlock>),
    Attention(Box<Attention>),
    Resample(Direction),
    ConvResample(ConvResampler),
    Keep,
    Recall,
    InputSkip(Conv),
    InputResidual(ConvResampler),
    Output(Norm, Conv),
    OutputResidual(ConvResampler),
    Head(Norm, Conv),
    TakeOutput,
    Pool(Norm),
    Linear(Linear),
}

/// What flows beside the features.
struct Flow {
    kept: Vec<Image>,
    /// The image at the present resolution.
    input: Image,
    /// The output gathered so far.
    output: Option<Image>,
}

impl NetworkConfig for Config {
    const FIELD: &'static str = "nf";

    fn check(&self) -> Result<(), InvalidConfig> {
        Config::check(self)
    }

    fn shape(&self) -> [usize; 3] {
        [self.num_channels, self.image_size, self.image_width()]
    }

    fn plan(&self) -> Vec<Parameter> {
        Plan::new(self).parameters()
    }

    fn outline(&self) -> Vec<Stage> {
        Config::outline(self)
    }

    fn summary(&self) -> String {
        let name = match (self.resblock_type, self.progressive) {
            (BlockKind::Ddpm, _) => "DDPM",
            (BlockKind::BigGan, Progressive::None) if self.embedding_type == Embedding::Positional => "DDPM++",
            (BlockKind::BigGan, _) => "NCSN++",
            (BlockKind::Adm, _) => "ADM",
        };
        let widths: Vec<String> = self.ch_mult.iter().map(|factor| (self.nf * factor).to_string()).collect();
        let patches = if self.patch > 1 { format!(", patches {0}×{0}", self.patch) } else { String::new() };
        format!("{name}, {} channels, {} each{patches}", widths.join("·"), counted(self.num_res_blocks, "block"))
    }

    fn sigma_data(&self) -> Option<f64> {
        self.variant.sigma_data
    }

    fn classes(&self) -> usize {
        self.variant.classes.as_ref().map_or(0, |classes| classes.count)
    }
}

impl ScoreNetwork for Unet {
    type Config = Config;

    fn new(config: &Config, weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        Unet::build(&Plan::new(config), weights, device)
    }

    fn of_tensors(config: &Config, weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        Unet::build_of_tensors(&Plan::new(config), weights, device)
    }

    /// Labels are σ for Fourier embeddings, else the network's time or level.
    fn forward<'a>(&self, x: Image, labels: impl Into<Labels<'a>>) -> Result<Image, TensorReadError> {
        self.evaluate(x, labels.into(), None)
    }

    fn parameters(&self) -> usize {
        self.sizes.iter().sum()
    }

    fn gradients<'a>(
        &self,
        x: &[f32],
        labels: impl Into<Labels<'a>>,
        dropout: Option<Dropout>,
        at_output: AtOutput,
    ) -> Option<Vec<Vec<f32>>> {
        let Body::Host(network) = &self.body else { return None };
        self.inputs.given(x, labels.into(), at_output, |x, dims, told, at_output| {
            network.gradients(x, dims, told, dropout, at_output, &self.sizes)
        })
    }

    fn gradients_by_tensors<'a>(
        config: &Config,
        weights: &Weights,
        device: &Device,
        x: &[f32],
        labels: impl Into<Labels<'a>>,
        dropout: Option<Dropout>,
        at_output: AtOutput,
    ) -> Result<Vec<Vec<f32>>, GradientError> {
        Unet::differentiated_by_tensors(&Plan::new(config), weights, device, x, labels.into(), dropout, at_output)
    }

    fn differentiates_on_the_cpu() -> bool {
        true
    }
}

impl Unet {
    /// The network of a plan, by layers made for the device where there are any, else of tensor operations.
    pub(super) fn build(plan: &Plan, weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        if host::is_host(device) {
            return Unet::load(plan, &mut Unet::loader(plan, weights, device)?, |loader, parameters| {
                Ok(Body::Host(Arc::new(host::Network::load(&plan.ops, loader, parameters)?)))
            });
        }
        let Some((gpu, precision)) = gpu::of(device).filter(|_| gpu::Network::can(&plan.ops, plan.config())) else {
            return Unet::build_of_tensors(plan, weights, device);
        };
        Unet::load(plan, &mut Unet::loader(plan, weights, device)?, |loader, parameters| {
            Ok(Body::Gpu(Box::new(gpu::Network::load(&plan.ops, loader, gpu, parameters, precision)?)))
        })
    }

    /// The same of tensor operations on every device.
    pub(super) fn build_of_tensors(plan: &Plan, weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        Unet::of_layers(plan, &mut Unet::loader(plan, weights, device)?)
    }

    fn loader<'a>(plan: &'a Plan, weights: &'a Weights, device: &'a Device) -> Result<Loader<'a>, WeightsError> {
        Loader::new(plan.parameters(), weights, plan.config(), device)
    }

    fn of_layers(plan: &Plan, loader: &mut Loader) -> Result<Self, WeightsError> {
        Unet::load(plan, loader, |loader, _| Ok(Body::Tensors(Box::new(Layers::load(&plan.ops, loader)?))))
    }

    /// [`ScoreNetwork::gradients_by_tensors`] of the network of a plan.
    pub(super) fn differentiated_by_tensors(
        plan: &Plan,
        weights: &Weights,
        device: &Device,
        x: &[f32],
        labels: Labels,
        dropout: Option<Dropout>,
        at_output: AtOutput,
    ) -> Result<Vec<Vec<f32>>, GradientError> {
        let (device, config) = (&device.clone().autodiff(), plan.config());
        let mut loader = Loader::new(plan.parameters(), weights, config, device)?.tracked();
        let network = Unet::of_layers(plan, &mut loader)?;
        differentiated(loader, &network.sizes, config.shape(), x, labels.levels.len(), at_output, |x| {
            network.evaluate(x, labels, dropout)
        })
    }

    /// Takes the embedding's frequencies, and then a body of so many parameters in all.
    fn load<'a>(
        plan: &Plan,
        loader: &mut Loader<'a>,
        body: impl FnOnce(&mut Loader<'a>, usize) -> Result<Body, WeightsError>,
    ) -> Result<Self, WeightsError> {
        let inputs = Inputs::load(loader)?;
        let sizes = plan.sizes();
        let body = body(loader, sizes.iter().sum())?;
        Ok(Unet { inputs, sizes, body })
    }

    /// What the last layer, a linear one, maps: N×F×1×1. Images and labels are those of [`ScoreNetwork::forward`].
    pub(super) fn pooled(&self, x: Image, labels: &[f64]) -> Result<Image, TensorReadError> {
        let told = self.inputs.told(labels.into());
        match &self.body {
            Body::Host(network) => network.pooled(x, told),
            Body::Gpu(network) => network.pooled(x, &told),
            Body::Tensors(layers) => {
                let before = layers.layers.len().saturating_sub(1);
                Ok(layers.through(&self.inputs.config, before, x, told, None))
            }
        }
    }

    /// The output; `dropout` is for training, by tensor operations.
    fn evaluate(&self, x: Image, labels: Labels, dropout: Option<Dropout>) -> Result<Image, TensorReadError> {
        let Inputs { config, .. } = &self.inputs;
        let x = if config.centered { x } else { Sum::of(2.0, &x).shifted(-1.0).tensor() };
        let x = patch::cut(x, config.side_of_patch());
        let told = self.inputs.told(labels);
        let h = match &self.body {
            Body::Host(network) => network.forward(x, told)?,
            Body::Gpu(network) => network.forward(x, &told)?,
            Body::Tensors(layers) => layers.forward(config, x, told, dropout),
        };
        let h = patch::join(h, config.side_of_patch());
        if !config.scale_by_sigma {
            return Ok(h);
        }
        let gains: Vec<f64> = self.inputs.gains(labels.levels).into_iter().map(f64::from).collect();
        Ok(Sum::of(gains, &h).tensor())
    }

    /// The architecture.
    pub fn config(&self) -> &Config {
        &self.inputs.config
    }
}

impl Inputs {
    /// Takes the embedding's frequencies.
    pub fn load(loader: &mut Loader) -> Result<Self, WeightsError> {
        let config = loader.config.clone();
        let frequencies = match config.embedding_type {
            Embedding::Fourier => loader.array()?.values.iter().map(|&w| TAU * f64::from(w)).collect(),
            Embedding::Positional => config.frequencies(),
        };
        Ok(Inputs { config, frequencies })
    }

    /// What layers that learn are given of images and labels, and what they are to do at their output.
    pub fn given<T>(
        &self,
        x: &[f32],
        labels: Labels,
        at_output: AtOutput,
        learn: impl FnOnce(&[f32], [usize; 4], Told, AtOutput) -> T,
    ) -> T {
        let config = &self.config;
        let [c, h, w] = config.shape();
        let places = patch::places(config.shape(), config.side_of_patch());
        let mut x = patch::cut_values(x, &places);
        if !config.centered {
            x.iter_mut().for_each(|x| *x = 2.0 * *x - 1.0);
        }
        let gains = if config.scale_by_sigma { self.gains(labels.levels) } else { Vec::new() };
        let at_output = with_gains(c * h * w, gains, at_output);
        let at_output = patch::in_patches(&places, config.side_of_patch(), &at_output);
        let [channels, height, width] = config.inside();
        learn(&x, [labels.levels.len(), channels, height, width], self.told(labels), &at_output)
    }

    fn told(&self, labels: Labels) -> Told {
        let features = labels.levels().flat_map(|label| self.features(label)).collect();
        Told { features, classes: labels.classes() }
    }

    /// Sines, then cosines, of a label, or the other way round.
    fn features(&self, label: f64) -> Vec<f32> {
        let place = match self.config.embedding_type {
            Embedding::Fourier if !self.config.variant.log_label => label.ln(),
            _ => label,
        };
        self.config.waves(&self.frequencies, place)
    }

    /// 1/σ of each label.
    fn gains(&self, labels: &[f64]) -> Vec<f32> {
        let sigma = |label: f64| match self.config.embedding_type {
            Embedding::Fourier => label,
            Embedding::Positional => self.config.discrete_sigma(label as usize),
        };
        labels.iter().map(|&label| (1.0 / sigma(label)) as f32).collect()
    }
}

impl Layers {
    /// Takes the parameters from the embedding's on.
    fn load(ops: &[Op], loader: &mut Loader) -> Result<Self, WeightsError> {
        let dense = match loader.config.conditional {
            true => Some([Linear::load(loader)?, Linear::load(loader)?]),
            false => None,
        };
        let table = Table::load(loader)?;
        let resampler = Resampler::new(loader.config, loader.device);
        let layers: Result<_, _> = ops.iter().map(|op| Layer::load(op, loader, &resampler)).collect();
        Ok(Layers { dense, table, resampler, layers: layers? })
    }

    /// The output for images.
    fn forward(&self, config: &Config, x: Image, told: Told, dropout: Option<Dropout>) -> Image {
        self.through(config, self.layers.len(), x, told, dropout)
    }

    /// What comes of the first `count` layers.
    fn through(&self, config: &Config, count: usize, x: Image, told: Told, dropout: Option<Dropout>) -> Image {
        let embedding = self.embed(config, told, &x.device());
        let mut flow = Flow { kept: Vec::new(), input: x.clone(), output: None };
        let layers = self.layers.iter().take(count).enumerate();
        layers.fold(x, |h, (place, layer)| {
            let masks = |image: usize| dropout.map(|dropout| dropout.mask(place, image));
            self.op(config, layer, h, &mut flow, embedding.as_ref(), &masks)
        })
    }

    /// The activated embedding, a row for each that is told.
    fn embed(&self, config: &Config, told: Told, device: &Device) -> Option<Tensor<2>> {
        let [first, second] = self.dense.as_ref()?;
        let rows = told.classes.len();
        let width = told.features.len() / rows.max(1);
        let join = |rows: Tensor<2>, joins: Joins| match &self.table {
            Some(table) => table.join(rows, joins, &told.classes),
            None => rows,
        };
        let features = Tensor::from_data(TensorData::new(told.features.clone(), [rows, width]), device);
        let hidden = activate(first.forward(join(features, Joins::Features)), config.nonlinearity);
        Some(activate(join(second.forward(hidden), Joins::Embedding), config.nonlinearity))
    }

    /// One operation on the features; see [`Op`] for the formulas.
    fn op(
        &self,
        config: &Config,
        layer: &Layer,
        h: Image,
        flow: &mut Flow,
        embedding: Option<&Tensor<2>>,
        masks: Masks,
    ) -> Image {
        let rescale = config.skip_rescale;
        match layer {
            Layer::Conv(conv) => conv.forward(h),
            Layer::Block(block) => block.forward(h, embedding, masks),
            Layer::Attention(attention) => attention.forward(h),
            Layer::Resample(direction) => self.resampler.resample(h, *direction),
            Layer::ConvResample(resampler) => resampler.forward(h),
            Layer::Keep => {
                flow.kept.push(h.clone());
                h
            }
            Layer::Recall => Tensor::cat(std::iter::once(h).chain(flow.kept.pop()).collect(), 1),
            Layer::InputSkip(conv) => {
                flow.input = self.resampler.resample(flow.input.clone(), Direction::Down);
                let skip = conv.forward(flow.input.clone());
                match config.progressive_combine {
                    Combine::Sum => skip + h,
                    Combine::Cat => Tensor::cat(vec![skip, h], 1),
                }
            }
            Layer::InputResidual(resampler) => {
                flow.input = residual(resampler.forward(flow.input.clone()), h, rescale);
                flow.input.clone()
            }
            Layer::Output(norm, conv) => {
                let part = conv.forward(norm.activated(h.clone(), None, config.nonlinearity));
                flow.output = Some(match flow.output.take() {
                    Some(output) => self.resampler.resample(output, Direction::Up) + part,
                    None => part,
                });
                h
            }
            Layer::OutputResidual(resampler) => {
                let output = flow.output.take().map(|output| residual(resampler.forward(output), h.clone(), rescale));
                flow.output = output.clone();
                output.unwrap_or(h)
            }
            Layer::Head(norm, conv) => conv.forward(norm.activated(h, None, config.nonlinearity)),
            Layer::TakeOutput => flow.output.take().unwrap_or(h),
            Layer::Pool(norm) => norm.activated(h, None, config.nonlinearity).mean_dim(3).mean_dim(2),
            Layer::Linear(linear) => {
                let [n, c, ..] = h.dims();
                linear.forward(h.reshape([n, c])).unsqueeze_dims(&[2, 3])
            }
        }
    }
}

impl Layer {
    fn load(op: &Op, loader: &mut Loader, resampler: &Resampler) -> Result<Self, WeightsError> {
        Ok(match *op {
            Op::Stem(_) => Layer::Conv(Conv::load(loader)?),
            Op::Block(block) => Layer::Block(Box::new(ResBlock::load(loader, block, resampler)?)),
            Op::Attention(_) => Layer::Attention(Box::new(Attention::load(loader)?)),
            Op::Resample { direction, conv: true, .. } => {
                Layer::ConvResample(ConvResampler::load(loader, resampler, direction)?)
            }
            Op::Resample { direction, .. } => Layer::Resample(direction),
            Op::Keep => Layer::Keep,
            Op::Recall => Layer::Recall,
            Op::InputSkip(_) => Layer::InputSkip(Conv::load(loader)?),
            Op::InputResidual(_) => Layer::InputResidual(ConvResampler::load(loader, resampler, Direction::Down)?),
            Op::Output(_) => Layer::Output(Norm::load(loader)?, Conv::load(loader)?),
            Op::OutputResidual(_) => Layer::OutputResidual(ConvResampler::load(loader, resampler, Direction::Up)?),
            Op::Head(_) => Layer::Head(Norm::load(loader)?, Conv::load(loader)?),
            Op::TakeOutput => Layer::TakeOutput,
            Op::Pool(_) => Layer::Pool(Norm::load(loader)?),
            Op::Linear(_) => Layer::Linear(Linear::load(loader)?),
        })
    }
}
