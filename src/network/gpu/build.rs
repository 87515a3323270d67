//! Operations as layers with their parameters.

use super::layers::{Attention, Convolution, Norm, Resampling};
use super::parameters::{Order, Parameters, Uploader};
use crate::network::layers::{Loader, Pair};
use crate::network::plan::{self, Direction, Op, Shortcut, Width};
use crate::network::{Combine, Config, WeightsError};

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
    InputSkip(Convolution),
    InputResidual(ConvResampler),
    Output(Norm, Convolution),
    OutputResidual(ConvResampler),
    Head(Norm, Convolution),
    TakeOutput,
    Pool(Norm),
    Linear(Convolution),
}

/// The layers of a network.
#[derive(Debug)]
pub(super) struct Layers {
    pub config: Config,
    pub layers: Vec<Layer>,
    /// Channels that features have before each operation.
    pub widths: Vec<u32>,
}

/// The filters before and after the convolution of a [`ConvResampler`].
pub(super) struct Resamplings {
    pub before: Option<Resampling>,
    pub after: Option<Resampling>,
}

impl Layers {
    /// Takes the parameters from the first operation's on; and says what blocks are told of the noise level.
    pub fn load<'a>(
        ops: &[Op],
        loader: &mut Loader<'a>,
        uploader: Uploader,
    ) -> Result<(Self, Vec<Pair<'a>>), WeightsError> {
        let config = loader.config.clone();
        let widths = widths(ops, &config).unwrap_or_default();
        let mut builder = Builder { loader, uploader, levels: Vec::new() };
        let layers = ops.iter().map(|op| builder.layer(op)).collect::<Result<_, _>>()?;
        Ok((Layers { config, layers, widths }, builder.levels))
    }

    fn filter(&self) -> Option<&[f64]> {
        self.config.fir.then_some(&self.config.fir_kernel[..])
    }

    /// Without parameters.
    pub fn resampling(&self, direction: Direction) -> Resampling {
        match direction {
            Direction::Down => Resampling::down(self.filter()),
            Direction::Up => Resampling::up(self.filter()),
        }
    }

    /// Around a convolution.
    pub fn around(&self, direction: Direction) -> Resamplings {
        let (before, after) = match (direction, self.filter()) {
            (Direction::Down, Some(taps)) => (Some(Resampling::before_halving(taps)), Some(Resampling::every_other(1))),
            (Direction::Down, None) => {
                let margin = u32::from(self.config.variant.margin_all_round);
                (None, Some(Resampling::every_other(1 - margin)))
            }
            (Direction::Up, Some(taps)) => (Some(Resampling::spread()), Some(Resampling::after_doubling(taps))),
            (Direction::Up, None) => (Some(Resampling::up(None)), None),
        };
        Resamplings { before, after }
    }
}

/// A residual block of DDPM, BigGAN or ADM.
#[derive(Debug)]
pub(super) struct Block {
    pub norms: [Norm; 2],
    pub convolutions: [Convolution; 2],
    /// Its first value among the levels.
    pub level: Option<u32>,
    pub scale_shift: bool,
    pub shortcut: Option<Convolution>,
    pub resample: Option<Direction>,
}

/// Resampling with a learned 3×3 convolution.
#[derive(Debug)]
pub(super) struct ConvResampler {
    pub direction: Direction,
    pub convolution: Convolution,
    /// Of the whole, after the filter; `None` where the convolution has it.
    pub bias: Option<Parameters>,
}

/// Makes layers of operations.
struct Builder<'a, 'b, 'c> {
    loader: &'b mut Loader<'a>,
    uploader: Uploader<'c>,
    /// Of the blocks so far.
    levels: Vec<Pair<'a>>,
}

impl<'a> Builder<'a, '_, '_> {
    /// The next layer.
    fn layer(&mut self, op: &Op) -> Result<Layer, WeightsError> {
        Ok(match *op {
            Op::Stem(width) => Layer::Stem(self.convolution(3, width.input, Order::OutIn)?),
            Op::Block(block) => Layer::Block(Box::new(self.block(block)?)),
            Op::Attention(channels) => {
                Layer::Attention(Box::new(Attention::load(self.loader, self.uploader, channels)?))
            }
            Op::Resample { direction, channels, conv: true } => {
                Layer::ConvResample(self.resampler(direction, channels)?)
            }
            Op::Resample { direction, .. } => Layer::Resample(direction),
            Op::Keep => Layer::Keep,
            Op::Recall => Layer::Recall,
            Op::InputSkip(width) => Layer::InputSkip(self.convolution(1, width.input, Order::OutIn)?),
            Op::InputResidual(width) => Layer::InputResidual(self.resampler(Direction::Down, width.input)?),
            Op::OutputResidual(width) => Layer::OutputResidual(self.resampler(Direction::Up, width.input)?),
            Op::Output(width) => Layer::Output(self.norm()?, self.convolution(3, width.input, Order::OutIn)?),
            Op::Head(width) => Layer::Head(self.norm()?, self.convolution(3, width.input, Order::OutIn)?),
            Op::TakeOutput => Layer::TakeOutput,
            Op::Pool(_) => Layer::Pool(self.norm()?),
            Op::Linear(width) => Layer::Linear(self.convolution(1, width.input, Order::OutIn)?),
        })
    }

    fn norm(&mut self) -> Result<Norm, WeightsError> {
        Norm::load(self.loader, self.uploader)
    }

    fn convolution(&mut self, side: usize, input: usize, order: Order) -> Result<Convolution, WeightsError> {
        Convolution::load(self.loader, self.uploader, side, input, order)
    }

    fn block(&mut self, block: plan::Block) -> Result<Block, WeightsError> {
        let plan::Block { width: Width { input, output }, resample, told } = block;
        let norm = self.norm()?;
        let convolution = self.convolution(3, input, Order::OutIn)?;
        let level = if told {
            let first: usize = self.levels.iter().map(|pair| pair.bias.len()).sum();
            self.levels.push(self.loader.pair()?);
            Some(first as u32)
        } else {
            None
        };
        let norms = [norm, self.norm()?];
        let convolutions = [convolution, self.convolution(3, output, Order::OutIn)?];
        let shortcut = match block.shortcut(self.loader.config.resblock_type) {
            Some(Shortcut::Nin) => Some(self.convolution(1, input, Order::InOut)?),
            Some(Shortcut::Convolution) => Some(self.convolution(1, input, Order::OutIn)?),
            None => None,
        };
        let scale_shift = self.loader.config.variant.scale_shift;
        Ok(Block { norms, convolutions, level, scale_shift, shortcut, resample })
    }

    fn resampler(&mut self, direction: Direction, input: usize) -> Result<ConvResampler, WeightsError> {
        let (last, pair) = (direction == Direction::Up && self.loader.config.fir, self.loader.pair()?);
        let convolution = Convolution::new(self.uploader, 3, input, Order::OutIn, &pair, !last);
        Ok(ConvResampler { direction, convolution, bias: last.then(|| self.uploader.bias(&pair)) })
    }
}

/// Channels of the features before each operation; `None` where they are not in fours, or heads are not.
pub(super) fn widths(ops: &[Op], config: &Config) -> Option<Vec<u32>> {
    let (mut h, mut kept, mut widths) = (config.inside()[0], Vec::new(), Vec::new());
    for op in ops {
        widths.push(h as u32);
        match *op {
            Op::Stem(width) | Op::InputResidual(width) | Op::OutputResidual(width) => h = width.output,
            Op::Block(block) => h = block.width.output,
            Op::Keep => kept.push(h),
            Op::Recall => h += kept.pop()?,
            Op::InputSkip(width) if config.progressive_combine == Combine::Cat => h += width.output,
            Op::Attention(channels) if !config.head_width(channels).is_multiple_of(4) => return None,
            Op::Head(_) | Op::TakeOutput | Op::Linear(_) => break,
            _ => {}
        }
        if !h.is_multiple_of(4) {
            return None;
        }
    }
    Some(widths)
}
