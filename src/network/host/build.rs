//! Parameters as the layers want them.

use super::attention::{Attention, Heads};
use super::convolution::{Convolution, Size};
use super::embedding::Embedder;
use super::gemm::blocks_of;
use super::kernels::Purpose;
use super::linear::Linear;
use super::network::{Block, ConvResampler, Layer};
use super::norm::Norm;
use super::pointwise::{Order, Origin, Pointwise};
use super::resize::Resampling;
use super::table::Table;
use super::winograd::Keep;
use crate::network::layers::{Loader, Pair};
use crate::network::plan::{self, Direction, Op, Shortcut, Width};
use crate::network::{Combine, Config, WeightsError};

/// Makes layers of operations, and knows in which parts and at which size the features come to them.
pub(super) struct Builder<'a, 'b> {
    config: &'a Config,
    loader: &'b mut Loader<'a>,
    /// Channels of each part.
    h: Vec<usize>,
    kept: Vec<Vec<usize>>,
    /// Height and width.
    size: usize,
    /// Of residual sums.
    scale: f32,
    purpose: Purpose,
}

impl<'a, 'b> Builder<'a, 'b> {
    pub fn new(loader: &'b mut Loader<'a>, purpose: Purpose) -> Self {
        let config = loader.config;
        let scale = config.residual_scale();
        let [channels, size, _] = config.inside();
        Builder { config, loader, h: vec![channels], kept: Vec::new(), size, scale, purpose }
    }

    pub fn layer(&mut self, op: &Op) -> Result<Layer, WeightsError> {
        Ok(match *op {
            Op::Stem(width) => Layer::Stem(self.convolution(width, 1.0)?),
            Op::Block(block) => Layer::Block(Box::new(self.block(block)?)),
            Op::Attention(channels) => Layer::Attention(Box::new(self.attention(channels)?)),
            Op::Resample { direction, channels, conv } => {
                self.resize(direction);
                match conv {
                    true => Layer::ConvResample(self.resampler(direction, &[channels], channels, 1.0)?),
                    false => Layer::Resample(direction),
                }
            }
            Op::Keep => {
                self.kept.push(self.h.clone());
                Layer::Keep
            }
            Op::Recall => {
                self.h.extend(self.kept.pop().into_iter().flatten());
                Layer::Recall
            }
            Op::InputSkip(width) => {
                match self.config.progressive_combine {
                    Combine::Sum => self.h = vec![width.output],
                    Combine::Cat => self.h.insert(0, width.output),
                }
                Layer::InputSkip(self.pointwise(Order::OutIn, &[width.input], 1.0)?)
            }
            Op::InputResidual(width) => {
                Layer::InputResidual(self.resampler(Direction::Down, &[width.input], width.output, self.scale)?)
            }
            Op::OutputResidual(width) => {
                Layer::OutputResidual(self.resampler(Direction::Up, &[width.input], width.output, self.scale)?)
            }
            // The features themselves stay.
            Op::Output(width) => {
                let h = self.h.clone();
                let layer = Layer::Output(self.norm()?, self.convolution(width, 1.0)?);
                self.h = h;
                layer
            }
            Op::Head(width) => Layer::Head(self.norm()?, self.convolution(width, 1.0)?),
            Op::TakeOutput => Layer::TakeOutput,
            Op::Pool(_) => Layer::Pool(self.norm()?),
            Op::Linear(width) => {
                let parts = std::mem::replace(&mut self.h, vec![width.output]);
                Layer::Linear(self.pointwise(Order::OutIn, &parts, 1.0)?)
            }
        })
    }

    fn resize(&mut self, direction: Direction) {
        self.size = match direction {
            Direction::Down => self.size / 2,
            Direction::Up => self.size * 2,
        };
    }

    pub fn resampling(&self, direction: Direction) -> Resampling {
        let taps = || self.config.fir_kernel.clone();
        match (direction, self.config.fir) {
            (Direction::Down, false) => Resampling::Halve,
            (Direction::Up, false) => Resampling::Double,
            (Direction::Down, true) => Resampling::FilteredHalve(taps()),
            (Direction::Up, true) => Resampling::FilteredDouble(taps()),
        }
    }

    fn linear(&mut self) -> Result<Linear, WeightsError> {
        Ok(Linear::new(self.loader.pair()?, self.purpose))
    }

    /// Its layers, then the table of a network of classes.
    pub fn embedder(&mut self) -> Result<Embedder, WeightsError> {
        let layers = [self.linear()?, self.linear()?];
        let table = match self.config.variant.classes.clone() {
            Some(classes) => Some(Table::load(self.loader, classes)?),
            None => None,
        };
        Ok(Embedder { layers, table, nonlinearity: self.config.nonlinearity })
    }

    /// Of the present features.
    fn norm(&mut self) -> Result<Norm, WeightsError> {
        let of = self.loader.pair()?;
        let groups = self.config.groups(of.weight.len());
        Ok(Norm::new(groups, self.config.variant.norm_epsilon, of, &self.h))
    }

    /// Of the present features, which become its output.
    fn convolution(&mut self, width: Width, scale: f32) -> Result<Convolution, WeightsError> {
        let parts = std::mem::replace(&mut self.h, vec![width.output]);
        let size = Size::for_maps(self.size, self.size);
        Ok(Convolution::new(self.loader.pair()?, &parts, size, scale, self.purpose))
    }

    /// A convolution of 1×1, or a published per-pixel map.
    fn pointwise(&mut self, order: Order, parts: &[usize], scale: f32) -> Result<Pointwise, WeightsError> {
        let Pair { slot, weight, bias } = self.loader.pair()?;
        Ok(Pointwise::new(&[weight, bias], Origin::whole(slot, order, parts, bias.len(), scale), self.purpose))
    }

    /// The input and the output of a resampling with a convolution, at the present size after it.
    fn resampler(
        &mut self,
        direction: Direction,
        parts: &[usize],
        output: usize,
        scale: f32,
    ) -> Result<ConvResampler, WeightsError> {
        let Pair { slot, weight, bias } = self.loader.pair()?;
        let taps = || self.config.fir_kernel.clone();
        let odd = if self.config.variant.margin_all_round { Keep::Even } else { Keep::Odd };
        let (before, keep, after) = match (direction, self.config.fir) {
            (Direction::Down, false) => (None, odd, None),
            (Direction::Down, true) => (Some(Resampling::Filtered(taps())), Keep::Odd, None),
            (Direction::Up, false) => (Some(Resampling::Double), Keep::All, None),
            (Direction::Up, true) => (Some(Resampling::Spread), Keep::All, Some(Resampling::Unspread(taps()))),
        };
        let zeros = vec![0.0; bias.len()];
        let (own, last) = if after.is_some() { (&zeros[..], bias) } else { (bias, &zeros[..]) };
        let size = Size::for_maps(self.size * keep.step(), self.size * keep.step());
        let convolution = Convolution::new(Pair { slot, weight, bias: own }, parts, size, scale, self.purpose);
        let after = after.map(|kind| (kind, blocks_of(1, output, |_, channel| scale * last[channel])));
        self.h = vec![output];
        Ok(ConvResampler { convolution, before, keep, after, scale })
    }

    fn block(&mut self, block: plan::Block) -> Result<Block, WeightsError> {
        let plan::Block { width, resample, told } = block;
        let parts = self.h.clone();
        let norm = self.norm()?;
        resample.into_iter().for_each(|direction| self.resize(direction));
        let convolution = self.convolution(width, 1.0)?;
        let level = if told { Some(self.linear()?) } else { None };
        let norms = [norm, self.norm()?];
        let convolutions = [convolution, self.convolution(Width { input: width.output, ..width }, self.scale)?];
        let shortcut = match block.shortcut(self.config.resblock_type) {
            Some(Shortcut::Nin) => Some(self.pointwise(Order::InOut, &parts, self.scale)?),
            Some(Shortcut::Convolution) => Some(self.pointwise(Order::OutIn, &parts, self.scale)?),
            None => None,
        };
        let (scale_shift, scale) = (self.config.variant.scale_shift, self.scale);
        Ok(Block { norms, convolutions, level, scale_shift, shortcut, resample, scale })
    }

    fn attention(&mut self, channels: usize) -> Result<Attention, WeightsError> {
        let norm = self.norm()?;
        let width = self.config.head_width(channels);
        let heads = Heads { count: channels / width, width };
        let mut pairs = Vec::new();
        for _ in 0..4 {
            pairs.push(self.loader.pair()?);
        }
        let parameters: Vec<&[f32]> = pairs.iter().flat_map(|pair| [pair.weight, pair.bias]).collect();
        let slots = [0, 3].map(|pair: usize| pairs.get(pair).map_or(0, |pair| pair.slot));
        let (order, outputs) = (Order::InOut, heads.rows(|part, channel| [2 * part, channel]));
        let of_qkv = Origin { slot: slots[0], order, inputs: super::maps::places(&self.h), outputs };
        let qkv = Pointwise::new(&parameters, of_qkv, self.purpose);
        let of_out = Origin { inputs: heads.places(), ..Origin::whole(slots[1], order, &[], channels, self.scale) };
        let out = Pointwise::new(&parameters[6..], of_out, self.purpose);
        self.h = vec![channels];
        Ok(Attention { norm, qkv, out, heads, scale: self.scale })
    }
}
