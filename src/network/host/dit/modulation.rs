//! What blocks are told of each image: shifts, factors and gates of channels, by an affine map of the embedding.

use crate::network::WeightsError;
use crate::network::host::Context;
use crate::network::host::gemm::blocks_of;
use crate::network::host::gradients::Gradients;
use crate::network::host::kernels::Purpose;
use crate::network::host::linear::Rows;
use crate::network::host::maps::{Features, Maps, places};
use crate::network::host::pointwise::{Order, Origin, Pointwise, Row};
use crate::network::host::simd::Lanes;
use crate::network::layers::{Loader, Pair};

/// Values that each channel is told in a half of a block.
const EACH: usize = 3;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Shift,
    /// 1 plus the published scale.
    Factor,
    Gate,
}

/// An affine map of the embedding.
#[derive(Debug)]
pub(super) struct Modulator {
    map: Pointwise,
    channels: usize,
}

/// What it makes of the embedding, which lies as [`pixels`] do, or the gradient of that.
#[derive(Debug)]
pub(super) struct Modulation {
    maps: Maps,
    channels: usize,
}

/// That of a half of a block.
#[derive(Clone, Copy)]
pub(super) struct Half<'a> {
    of: &'a Modulation,
    half: usize,
}

impl Modulator {
    /// Of so many values for each channel.
    pub fn load<C>(
        loader: &mut Loader<C>,
        channels: usize,
        values: usize,
        purpose: Purpose,
    ) -> Result<Self, WeightsError> {
        let Pair { slot, weight, bias } = loader.pair()?;
        let is_factor = |output: usize| output / channels % EACH == Part::Factor as usize;
        let bias: Vec<f32> =
            bias.iter().enumerate().map(|(output, bias)| if is_factor(output) { 1.0 + bias } else { *bias }).collect();
        let row = |value: usize| {
            move |channel: Option<usize>| {
                channel.map(|channel| Row { weight: 0, output: value * channels + channel, scale: 1.0 })
            }
        };
        let inputs = places(&[channels]);
        let outputs = (0..values).flat_map(|value| inputs.iter().copied().map(row(value))).collect();
        let origin = Origin { slot, order: Order::OutIn, outputs, inputs };
        Ok(Modulator { map: Pointwise::new(&[weight, &bias], origin, purpose), channels })
    }

    /// Of embeddings, as [`pixels`].
    pub fn run(&self, context: &Context, embedding: &Features) -> Modulation {
        Modulation { maps: self.map.run(context, embedding, None), channels: self.channels }
    }

    /// From its gradient to that of the embeddings, as [`pixels`]; records those of the parameters.
    pub fn back<'n>(
        &'n self,
        context: &Context,
        embedding: &Features,
        gradient: Modulation,
        into: &mut Gradients<'n>,
    ) -> Option<Maps> {
        let gradient = Features::from(gradient.maps);
        self.map.record(context, embedding, &gradient, into);
        // Embeddings are as wide as tokens.
        Some(Maps { channels: self.channels, ..self.map.transposed()?.run(context, &gradient, None) })
    }
}

impl Modulation {
    /// Sixteens of channels.
    fn blocks(&self) -> usize {
        self.channels.div_ceil(Lanes::WIDTH)
    }

    /// The first half of a block, or the second.
    pub fn half(&self, half: usize) -> Half<'_> {
        Half { of: self, half }
    }

    /// Of as many images.
    pub fn zeros(&self, context: &Context) -> Modulation {
        let Maps { images, channels, height, width, .. } = self.maps;
        let mut maps = Maps::new(context.pool, images, channels, height, width);
        maps.lanes.fill(Lanes::default());
        Modulation { maps, channels: self.channels }
    }

    /// Writes what a sixteen of an image's channels has of a part.
    pub fn put(&mut self, half: usize, part: Part, [image, block]: [usize; 2], lanes: Lanes) {
        let map = (half * EACH + part as usize) * self.blocks() + block;
        if let Some(to) = self.maps.lanes.get_mut(map * self.maps.width + image) {
            *to = lanes;
        }
    }
}

impl Half<'_> {
    /// Of a token.
    pub fn channels(self) -> usize {
        self.of.channels
    }

    /// Which half it is.
    pub fn index(self) -> usize {
        self.half
    }

    /// Of all channels of an image, in sixteens.
    pub fn of(self, part: Part, image: usize) -> Vec<Lanes> {
        let (maps, blocks) = (&self.of.maps, self.of.blocks());
        // The only one is that of all.
        let image = if maps.width == 1 { 0 } else { image };
        let first = (self.half * EACH + part as usize) * blocks;
        (first..first + blocks).map(|map| maps.map(0, map)[image]).collect()
    }
}

/// Rows as the pixels of one image.
pub(super) fn pixels(context: &Context, rows: &Rows) -> Features {
    let count = rows.values.len() / rows.width.max(1);
    let mut maps = Maps::new(context.pool, 1, rows.width, 1, count);
    maps.lanes.copy_from_slice(&blocks_of(count, rows.width, |row, column| rows.values[row * rows.width + column]));
    maps.into()
}

/// The values of pixels, row after row.
pub(super) fn rows(maps: &Maps) -> Vec<f32> {
    let of_row = |row: usize| {
        (0..maps.channels).map(move |channel| maps.map(0, channel / Lanes::WIDTH)[row].0[channel % Lanes::WIDTH])
    };
    (0..maps.width).flat_map(of_row).collect()
}
