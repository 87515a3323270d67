//! The walk through a network's operations on the host's own memory.

mod gradient;

use super::attention::Attention;
use super::convolution::Convolution;
use super::embedding::Embedder;
use super::evaluator::{Evaluator, is_heavy};
use super::gradients::Gradients;
use super::kernels::Purpose;
use super::linear::{Linear, Rows};
use super::maps::{Features, Maps};
use super::norm::{Film, Norm};
use super::pointwise::Pointwise;
use super::pooling::mean;
use super::read::{Read, Residual};
use super::resize::{Resampling, Resize, sum};
use super::simd::Lanes;
use super::two_way::{self, Kept, Lost, TwoWay};
use super::winograd::Keep;
use super::{Context, build::Builder, on_values, tracked};
use crate::Image;
use crate::network::dropout::Mask;
use crate::network::labels::Told;
use crate::network::layers::Loader;
use crate::network::plan::{Direction, Op};
use crate::network::{AtOutput, Combine, Dropout, Nonlinearity, WeightsError};
use burn::tensor::TensorReadError;
use gradient::Walk;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

/// A `ddpm` or `ncsnpp` network on the CPU.
#[derive(Debug)]
pub(in crate::network) struct Network {
    evaluator: Evaluator,
    nonlinearity: Nonlinearity,
    combine: Combine,
    resampling: [Resampling; 2],
    /// Of networks that are told something.
    embedder: Option<Embedder>,
    layers: Vec<Layer>,
    /// Values of the output for an image, where it is none itself but as many channels.
    classes: Option<usize>,
    differentiable: bool,
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

/// What is given besides images.
#[derive(Debug)]
pub(super) struct Given {
    /// The activated embedding of noise levels, in networks that have one: a row for all images or one for each.
    pub embedding: Option<Rows>,
    pub dropout: Option<Dropout>,
}

impl Given {
    /// Of so many images, in the block at a place of the network; empty where nothing is dropped.
    pub fn masks(&self, place: usize, images: usize) -> Vec<Mask> {
        let of = |dropout: Dropout| (0..images).map(move |image| dropout.mask(place, image));
        self.dropout.into_iter().flat_map(of).collect()
    }
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

impl TwoWay for Network {
    type Given = Given;

    fn evaluator(&self) -> &Evaluator {
        &self.evaluator
    }

    fn is_differentiable(&self) -> bool {
        self.differentiable
    }

    fn output(&self, [n, c, h, w]: [usize; 4]) -> [usize; 4] {
        self.classes.map_or([n, c, h, w], |classes| [n, classes, 1, 1])
    }

    fn given_of(given: &Given, images: Range<usize>) -> Given {
        let dropout = given.dropout.map(|dropout| dropout.after(images.start));
        Given { embedding: given.embedding.as_ref().map(|rows| rows.of(images)), dropout }
    }

    /// Keeps the features that come to each layer, and then those that come to the second half of a block, or from a
    /// pyramid.
    fn forwards(&self, context: &Context, x: Maps, given: &Given, keep: &mut dyn FnMut(&Features)) -> Features {
        self.through(&self.layers, context, x, given, keep)
    }

    fn backwards<'n>(
        &'n self,
        context: &Context,
        given: &Given,
        kept: Kept,
        gradient: Maps,
        found: Option<&RefCell<Gradients<'n>>>,
    ) -> Result<Option<Maps>, Lost> {
        Walk { network: self, context, given, found }.back(kept, gradient)
    }
}

impl Network {
    /// Takes the parameters from the embedding's on, of so many.
    ///
    /// On a device that keeps gradients it is loaded for these, too.
    pub fn load(ops: &[Op], loader: &mut Loader, parameters: usize) -> Result<Self, WeightsError> {
        let config = loader.config;
        let purpose = Purpose { heavy: is_heavy(parameters), gradients: loader.device.is_autodiff() };
        let mut build = Builder::new(loader, purpose);
        let embedder = if config.conditional { Some(build.embedder()?) } else { None };
        let layers = ops.iter().map(|op| build.layer(op)).collect::<Result<_, _>>()?;
        let classes = ops.last().and_then(|op| if let Op::Linear(width) = op { Some(width.output) } else { None });
        let resampling = [Direction::Down, Direction::Up].map(|direction| build.resampling(direction));
        Ok(Network {
            evaluator: Evaluator::new(config.nf * config.ch_mult.first().unwrap_or(&1), parameters),
            nonlinearity: config.nonlinearity,
            combine: config.progressive_combine,
            resampling,
            embedder,
            layers,
            classes,
            differentiable: purpose.gradients,
        })
    }

    /// The output for images. See [`tracked::forward`] for where it can be differentiated.
    pub fn forward(self: &Arc<Self>, x: Image, told: Told) -> Result<Image, TensorReadError> {
        let embedding = self.embed(&self.evaluator.context(), told);
        tracked::forward(self, x, Given { embedding, dropout: None })
    }

    /// What the last layer, a linear one, maps: N×F×1×1, which is not differentiated.
    pub fn pooled(self: &Arc<Self>, x: Image, told: Told) -> Result<Image, TensorReadError> {
        let Some((Layer::Linear(last), before)) = self.layers.split_last() else {
            return self.forward(x, told);
        };
        let given = Given { embedding: self.embed(&self.evaluator.context(), told), dropout: None };
        let to = [x.dims()[0], last.inputs(), 1, 1];
        on_values(x, to, |x, dims| {
            self.evaluator.evaluate(x, dims, last.inputs(), self.evaluator.group(dims), |context, x, images| {
                self.through(before, context, x, &Self::given_of(&given, images), &mut |_| {})
            })
        })
    }

    /// What comes of these layers for some images.
    fn through(
        &self,
        layers: &[Layer],
        context: &Context,
        x: Maps,
        given: &Given,
        keep: &mut dyn FnMut(&Features),
    ) -> Features {
        let x = Features::from(x);
        let flow = Flow { h: x.clone(), kept: Vec::new(), input: x, output: None };
        let layers = layers.iter().enumerate();
        layers.fold(flow, |flow, (place, layer)| self.op(context, (place, layer), flow, given, keep)).h
    }

    /// The gradients of a loss by all parameters, which have these sizes, for images, N×C×H×W, of each of which something
    /// is told. `None` where the network was not loaded for gradients.
    pub fn gradients(
        &self,
        x: &[f32],
        dims: [usize; 4],
        told: Told,
        dropout: Option<Dropout>,
        at_output: AtOutput,
        sizes: &[usize],
    ) -> Option<Vec<Vec<f32>>> {
        let context = self.evaluator.context();
        let embedding = self.embedder.as_ref().map(|embedder| embedder.embed(&context, told));
        let activated = embedding.as_ref().map(|embedding| embedding.activated[1].clone());
        let given = Given { embedding: activated, dropout };
        let mut gradients = two_way::gradients(self, x, dims, &given, at_output)?;
        if let Some(embedding) = &embedding {
            embedding.back(&context, &mut gradients);
        }
        Some(gradients.published(sizes))
    }

    /// The activated embedding, a row for each that is told.
    fn embed(&self, context: &Context, told: Told) -> Option<Rows> {
        let [_, top] = self.embedder.as_ref()?.embed(context, told).activated;
        Some(top)
    }

    /// One operation on the features; see [`Op`] for the formulas.
    fn op(
        &self,
        context: &Context,
        (place, layer): (usize, &Layer),
        mut flow: Flow,
        given: &Given,
        keep: &mut dyn FnMut(&Features),
    ) -> Flow {
        let h = flow.h;
        keep(&h);
        flow.h = match layer {
            Layer::Stem(convolution) => convolution.run(context, &Read::plain(&h), None, Keep::All).into(),
            Layer::Block(block) => self.block(context, (place, block), &h, given, keep),
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
        let read = Read { affine: Some(&affine), activation: Some(self.nonlinearity), ..Read::plain(h) };
        convolution.run(context, &read, residual, Keep::All)
    }

    fn block(
        &self,
        context: &Context,
        (place, block): (usize, &Block),
        x: &Features,
        given: &Given,
        keep: &mut dyn FnMut(&Features),
    ) -> Features {
        let [images, height, width] = x.size();
        let resize = block.resample.map(|to| Resize::new(&self.resampling[to as usize], height, width));
        let affine = block.norms[0].affine(context, x, Film::Nothing);
        let activation = Some(self.nonlinearity);
        let read = Read { affine: Some(&affine), activation, resize: resize.as_ref(), ..Read::plain(x) };
        let h = Features::from(block.convolutions[0].run(context, &read, None, Keep::All));

        keep(&h);

        let level = block.level(context, given);
        let affine = block.norms[1].affine(context, &h, block.film(level.as_ref()));
        let masks = &given.masks(place, images);
        let read = Read { affine: Some(&affine), activation, masks, ..Read::plain(&h) };

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
    fn level(&self, context: &Context, given: &Given) -> Option<Rows> {
        let (level, embedding) = self.level.as_ref().zip(given.embedding.as_ref())?;
        Some(level.forward(context, embedding))
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
