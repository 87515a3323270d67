//! The walk through a network's operations on the host's own memory.

mod gradient;
mod training;

pub(super) use gradient::Tape;

use super::attention::Attention;
use super::convolution::Convolution;
use super::evaluator::{Evaluator, is_heavy};
use super::kernels::Purpose;
use super::linear::{Linear, Rows};
use super::maps::{Features, Maps};
use super::norm::{Film, Norm};
use super::pointwise::Pointwise;
use super::pooling::mean;
use super::read::{Read, Residual};
use super::resize::{Resampling, Resize, sum};
use super::simd::Lanes;
use super::winograd::Keep;
use super::{Context, build::Builder, on_values};
use crate::Image;
use crate::network::layers::Loader;
use crate::network::plan::{Direction, Op};
use crate::network::{Combine, Nonlinearity, WeightsError};
use burn::tensor::TensorReadError;

/// A `ddpm` or `ncsnpp` network on the CPU.
#[derive(Debug)]
pub(in crate::network) struct Network {
    evaluator: Evaluator,
    nonlinearity: Nonlinearity,
    combine: Combine,
    resampling: [Resampling; 2],
    dense: Option<[Linear; 2]>,
    layers: Vec<Layer>,
    /// Values of the output for an image, where it is none itself but as many channels.
    classes: Option<usize>,
    /// It was loaded for gradients.
    pub(super) gradients: bool,
}

/// An [`Op`] with its parameters.
#[derive(Debug)]
pub(super) enum Layer {
    Stem(Convolution),
    Block(Box<Block>),
    Attention(Box<Attention>),
    Resample(Direction),
    ConvResample(ConvResampler),
    Keep,
    Recall,
    InputSkip(Pointwise),
    InputResidual(ConvResampler),
    Output(Norm, Convolution),
    OutputResidual(ConvResampler),
    Head(Norm, Convolution),
    TakeOutput,
    Pool(Norm),
    Linear(Pointwise),
}

/// A residual block of DDPM or BigGAN.
#[derive(Debug)]
pub(super) struct Block {
    pub norms: [Norm; 2],
    pub convolutions: [Convolution; 2],
    /// Of the noise level, where it is told.
    pub level: Option<Linear>,
    /// The level scales and shifts; else it is added.
    pub scale_shift: bool,
    pub shortcut: Option<Pointwise>,
    pub resample: Option<Direction>,
    /// Of the sum.
    pub scale: f32,
}

/// Resampling with a learned 3×3 convolution.
#[derive(Debug)]
pub(super) struct ConvResampler {
    pub convolution: Convolution,
    pub before: Option<Resampling>,
    pub keep: Keep,
    /// Filtered doubling filters after the convolution, and adds the bias last.
    pub after: Option<(Resampling, Vec<Lanes>)>,
    pub scale: f32,
}

/// What flows beside the features.
struct Flow {
    h: Features,
    kept: Vec<Features>,
    /// The image at the present resolution.
    input: Features,
    /// The output gathered so far.
    output: Option<Features>,
}

impl Network {
    /// Takes the parameters from the embedding's on, of so many.
    ///
    /// On a device that keeps gradients it is loaded for these, too.
    pub fn load(ops: &[Op], loader: &mut Loader, parameters: usize) -> Result<Self, WeightsError> {
        let config = loader.config;
        let purpose = Purpose { heavy: is_heavy(parameters), gradients: loader.device.is_autodiff() };
        let mut build = Builder::new(loader, purpose);
        let dense = match config.conditional {
            true => Some([build.linear()?, build.linear()?]),
            false => None,
        };
        let layers = ops.iter().map(|op| build.layer(op)).collect::<Result<_, _>>()?;
        let classes = ops.last().and_then(|op| if let Op::Linear(width) = op { Some(width.output) } else { None });
        let resampling = [Direction::Down, Direction::Up].map(|direction| build.resampling(direction));
        Ok(Network {
            evaluator: Evaluator::new(config.nf * config.ch_mult.first().unwrap_or(&1), parameters),
            nonlinearity: config.nonlinearity,
            combine: config.progressive_combine,
            resampling,
            dense,
            layers,
            classes,
            gradients: purpose.gradients,
        })
    }

    /// The output for images, from the features of their noise levels, a row for all images or one for each.
    pub fn forward(&self, x: Image, features: Vec<f32>, rows: usize) -> Result<Image, TensorReadError> {
        on_values(x, |dims| self.output(dims), |x, dims| self.values(x, dims, features, rows))
    }

    /// What the last layer, a linear one, maps: N×F×1×1.
    pub fn pooled(&self, x: Image, features: Vec<f32>, rows: usize) -> Result<Image, TensorReadError> {
        let Some((Layer::Linear(last), before)) = self.layers.split_last() else {
            return self.forward(x, features, rows);
        };
        let to = |[n, ..]: [usize; 4]| [n, last.inputs(), 1, 1];
        on_values(x, to, |x, dims| self.through(before, last.inputs(), x, dims, features, rows))
    }

    /// The output's shape for images of this shape.
    pub(super) fn output(&self, [n, c, h, w]: [usize; 4]) -> [usize; 4] {
        self.classes.map_or([n, c, h, w], |classes| [n, classes, 1, 1])
    }

    /// The output's values for values of images, N×C×H×W.
    pub(super) fn values(&self, x: Vec<f32>, dims: [usize; 4], features: Vec<f32>, rows: usize) -> Vec<f32> {
        let [_, size @ ..] = self.output(dims);
        self.through(&self.layers, size.iter().product(), x, dims, features, rows)
    }

    /// What comes of some layers, `size` values for each image.
    fn through(
        &self,
        layers: &[Layer],
        size: usize,
        x: Vec<f32>,
        dims: [usize; 4],
        features: Vec<f32>,
        rows: usize,
    ) -> Vec<f32> {
        let embedding = self.embed(&self.evaluator.context(), features, rows);
        self.evaluator.evaluate(x, dims, size, self.evaluator.group(dims), |context, x, images| {
            let embedding = embedding.as_ref().map(|rows| rows.of(images));
            self.images(context, layers, x, embedding.as_ref(), &mut |_| {})
        })
    }

    /// The activated embedding, one row for each row of features.
    fn embed(&self, context: &Context, features: Vec<f32>, rows: usize) -> Option<Rows> {
        let [first, second] = self.dense.as_ref()?;
        let width = features.len() / rows.max(1);
        let hidden = first.forward(context, &Rows { values: features, width }, Some(self.nonlinearity));
        Some(second.forward(context, &hidden, Some(self.nonlinearity)))
    }

    /// What comes of these layers for some images. `keep` is shown the features that come to each layer, and then those that come to
    /// the second half of a block, or from a pyramid.
    fn images(
        &self,
        context: &Context,
        layers: &[Layer],
        x: Maps,
        embedding: Option<&Rows>,
        keep: &mut dyn FnMut(&Features),
    ) -> Features {
        let x = Features::from(x);
        let flow = Flow { h: x.clone(), kept: Vec::new(), input: x, output: None };
        layers.iter().fold(flow, |flow, layer| self.op(context, layer, flow, embedding, keep)).h
    }

    /// One operation on the features; see [`Op`] for the formulas.
    fn op(
        &self,
        context: &Context,
        layer: &Layer,
        mut flow: Flow,
        embedding: Option<&Rows>,
        keep: &mut dyn FnMut(&Features),
    ) -> Flow {
        let h = flow.h;
        keep(&h);
        flow.h = match layer {
            Layer::Stem(convolution) => convolution.run(context, &Read::plain(&h), None, Keep::All).into(),
            Layer::Block(block) => self.block(context, block, &h, embedding, keep),
            Layer::Attention(attention) => attention.run(context, &h).into(),
            Layer::Resample(direction) => self.resized(context, &h, *direction),
            Layer::ConvResample(resampler) => resampler.run(context, &h, None).into(),
            Layer::Keep => {
                flow.kept.push(h.clone());
                h
            }
            Layer::Recall => Features(h.0.into_iter().chain(flow.kept.pop().into_iter().flat_map(|f| f.0)).collect()),
            Layer::InputSkip(pointwise) => {
                flow.input = self.resized(context, &flow.input, Direction::Down);
                keep(&flow.input);
                match self.combine {
                    Combine::Sum => {
                        let whole = h.whole(context.pool);
                        let residual = Residual { maps: &whole.maps, scale: 1.0 };
                        pointwise.run(context, &flow.input, Some(residual)).into()
                    }
                    Combine::Cat => {
                        let skip = Features::from(pointwise.run(context, &flow.input, None));
                        Features(skip.0.into_iter().chain(h.0).collect())
                    }
                }
            }
            Layer::InputResidual(resampler) => {
                keep(&flow.input);
                flow.input = resampler.run(context, &flow.input, Some(&h)).into();
                flow.input.clone()
            }
            Layer::Output(norm, convolution) => {
                let before = flow.output.take().map(|output| self.resized(context, &output, Direction::Up));
                let before = before.map(|output| output.whole(context.pool));
                let residual = before.as_ref().map(|part| Residual { maps: &part.maps, scale: 1.0 });
                flow.output = Some(self.activated(context, norm, convolution, &h, residual).into());
                h
            }
            Layer::OutputResidual(resampler) => {
                keep(flow.output.as_ref().unwrap_or(&h));
                let output = flow.output.take().map(|output| resampler.run(context, &output, Some(&h)).into());
                flow.output = output.clone();
                output.unwrap_or(h)
            }
            Layer::Head(norm, convolution) => self.activated(context, norm, convolution, &h, None).into(),
            Layer::TakeOutput => flow.output.take().unwrap_or(h),
            Layer::Pool(norm) => {
                let affine = norm.affine(context, &h, Film::Nothing);
                let activation = Some(self.nonlinearity);
                mean(context, Read { affine: Some(&affine), activation, ..Read::plain(&h) }.all(context)).into()
            }
            Layer::Linear(pointwise) => pointwise.run(context, &h, None).into(),
        };
        flow
    }

    fn resized(&self, context: &Context, features: &Features, direction: Direction) -> Features {
        let [_, height, width] = features.size();
        Resize::new(&self.resampling[direction as usize], height, width).run(context, features)
    }

    /// convolution(act(norm(h))) + residual.
    fn activated(
        &self,
        context: &Context,
        norm: &Norm,
        convolution: &Convolution,
        h: &Features,
        residual: Option<Residual>,
    ) -> Maps {
        let affine = norm.affine(context, h, Film::Nothing);
        let read = Read { features: h, affine: Some(&affine), activation: Some(self.nonlinearity), resize: None };
        convolution.run(context, &read, residual, Keep::All)
    }

    /// `embedding`: the activated embedding of the noise level.
    fn block(
        &self,
        context: &Context,
        block: &Block,
        x: &Features,
        embedding: Option<&Rows>,
        keep: &mut dyn FnMut(&Features),
    ) -> Features {
        let [_, height, width] = x.size();
        let resize = block.resample.map(|to| Resize::new(&self.resampling[to as usize], height, width));
        let affine = block.norms[0].affine(context, x, Film::Nothing);
        let activation = Some(self.nonlinearity);
        let read = Read { features: x, affine: Some(&affine), activation, resize: resize.as_ref() };
        let h = Features::from(block.convolutions[0].run(context, &read, None, Keep::All));

        keep(&h);

        let level = block.level(context, embedding);
        let affine = block.norms[1].affine(context, &h, block.film(level.as_ref()));
        let read = Read { features: &h, affine: Some(&affine), activation, resize: None };

        let x = resize.map_or_else(|| x.clone(), |resize| resize.run(context, x));
        let (x, scale) = match &block.shortcut {
            Some(shortcut) => (shortcut.run(context, &x, None).into(), 1.0),
            None => (x, block.scale),
        };
        let whole = x.whole(context.pool);
        let residual = Residual { maps: &whole.maps, scale };
        block.convolutions[1].run(context, &read, Some(residual), Keep::All).into()
    }
}

impl Block {
    /// The map of the activated embedding.
    fn level(&self, context: &Context, embedding: Option<&Rows>) -> Option<Rows> {
        self.level.as_ref().zip(embedding).map(|(level, embedding)| level.forward(context, embedding, None))
    }

    /// `level`: the map of the embedding, where the network has one.
    fn film<'a>(&self, level: Option<&'a Rows>) -> Film<'a> {
        level.map_or(Film::Nothing, |level| match self.scale_shift {
            true => Film::Modulated(level),
            false => Film::Added(level),
        })
    }
}

impl ConvResampler {
    /// Of x, plus the scaled residual.
    fn run(&self, context: &Context, x: &Features, residual: Option<&Features>) -> Maps {
        let [_, height, width] = x.size();
        let before = self.before.as_ref().map(|kind| Resize::new(kind, height, width));
        let read = Read { resize: before.as_ref(), ..Read::plain(x) };
        let residual = residual.map(|features| features.whole(context.pool));
        let residual = residual.as_ref().map(|part| Residual { maps: &part.maps, scale: self.scale });
        let Some((after, bias)) = &self.after else {
            return self.convolution.run(context, &read, residual, self.keep);
        };
        let y = Features::from(self.convolution.run(context, &read, None, self.keep));
        let [_, height, width] = y.size();
        let y = Resize::new(after, height, width).run(context, &y).whole(context.pool);
        sum(context, &y.maps, bias, residual)
    }
}
