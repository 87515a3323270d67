//! The walk through a U-Net's layers, which records what the device is to do.

use super::build::{Block, ConvResampler, Layer, Layers, Resamplings};
use super::layers::{Convolution, KeptAttention, Norm, Read, Rows, Write, copy, masked, mean};
use super::recorder::{Recorder, Slot, View};
use crate::network::Combine;
use crate::network::plan::Direction;

/// A walk through all operations.
pub(super) struct Walk<'a> {
    pub network: &'a Layers,
    pub recorder: &'a mut Recorder,
    pub levels: Option<Slot>,
    pub stride: u32,
    /// Each with room before it for what it will be joined to.
    pub kept: Vec<View>,
    pub h: View,
    /// The image at the present resolution.
    pub input: View,
    /// The output gathered so far.
    pub output: Option<View>,
    /// Of each layer what its way back needs, where there is one.
    pub tape: Option<Vec<Kept>>,
    /// Which features each layer drops of each image, where it drops any.
    pub masks: Option<Slot>,
}

/// What is kept of a layer.
#[derive(Debug)]
pub(super) enum Kept {
    /// What came to it.
    Input(View),
    Block(Box<KeptBlock>),
    Attention(View, KeptAttention),
    /// What came to its normalisation, and the scales and shifts of that.
    Norm(View, Slot),
    /// What came to it, and to the convolution in it.
    Resampled(View, View),
}

/// What is kept of a block.
#[derive(Debug)]
pub(super) struct KeptBlock {
    pub x: View,
    pub affine: Slot,
    /// Of a block that resamples: what came to its first convolution, and x resampled.
    pub resampled: Option<[View; 2]>,
    /// What came to its second half.
    pub h: View,
    pub affine_of_h: Slot,
}

impl<'a> Walk<'a> {
    /// What comes of the first `count` layers; and of each what was kept.
    pub fn through(mut self, count: usize) -> (View, Vec<Kept>) {
        for (place, layer) in self.network.layers.iter().take(count).enumerate() {
            self.op(place, layer);
        }
        (self.h, self.tape.unwrap_or_default())
    }

    fn keeps(&mut self, kept: impl FnOnce() -> Kept) {
        if let Some(tape) = &mut self.tape {
            tape.push(kept());
        }
    }

    /// The features that are to be joined to those kept after an operation.
    fn width_at_recall(&self, place: usize) -> u32 {
        let mut depth = 0;
        for (layer, &width) in self.network.layers.iter().zip(&self.network.widths).skip(place) {
            match layer {
                Layer::Keep => depth += 1,
                Layer::Recall if depth == 1 => return width,
                Layer::Recall => depth -= 1,
                _ => {}
            }
        }
        0
    }

    /// Where features of this many channels, that come of an operation, are best put: beside what they are joined to.
    fn place_for(&mut self, place: usize, channels: u32, height: u32, width: u32) -> View {
        match self.network.layers.get(place + 1) {
            Some(Layer::Keep) => {
                let before = self.width_at_recall(place + 1);
                let whole = self.recorder.features(before + channels, height, width);
                whole.part(before, channels)
            }
            Some(Layer::Recall) => match self.kept.last() {
                Some(kept) if kept.first == channels / 4 => View { first: 0, channels, ..kept.clone() },
                _ => self.recorder.features(channels, height, width),
            },
            _ => self.recorder.features(channels, height, width),
        }
    }

    /// One operation on the features; see [`Op`] for the formulas.
    fn op(&mut self, place: usize, layer: &Layer) {
        let network = self.network;
        let nonlinearity = Some(network.config.nonlinearity);
        let scale = network.config.residual_scale();
        let h = self.h.clone();
        match layer {
            Layer::Stem(convolution) => {
                let to = self.place_for(place, convolution.channels(), h.height, h.width);
                self.h = convolution.record(self.recorder, Read::plain(&h), Write { to: Some(to), ..Write::default() });
            }
            Layer::Block(block) => self.block(place, block),
            Layer::Attention(attention) => {
                let to = self.place_for(place, h.channels, h.height, h.width);
                let (out, kept) = attention.record(self.recorder, &h, scale, Some(to));
                self.keeps(|| Kept::Attention(h.clone(), kept));
                self.h = out;
            }
            Layer::Resample(direction) => {
                let [height, width] = sized(*direction, &h);
                let to = self.place_for(place, h.channels, height, width);
                self.h = self.resampled(Read::plain(&h), *direction, Some(to));
            }
            Layer::ConvResample(resampler) => {
                let [height, width] = sized(resampler.direction, &h);
                let to = self.place_for(place, resampler.convolution.channels(), height, width);
                self.h = self.resampled_by(resampler, &h, None, Some(to));
            }
            Layer::Keep => self.keep(place),
            Layer::Recall => self.recall(),
            Layer::InputSkip(map) => {
                self.input = self.resampled(Read::plain(&self.input.clone()), Direction::Down, None);
                let input = self.input.clone();
                self.keeps(|| Kept::Resampled(h.clone(), input));
                self.skip(place, map);
            }
            Layer::InputResidual(resampler) => {
                let to = self.place_for(place, h.channels, h.height, h.width);
                self.h = self.resampled_by(resampler, &self.input.clone(), Some(&h), Some(to));
                self.input = self.h.clone();
            }
            Layer::Output(norm, convolution) => {
                let before = self.output.take().map(|output| self.resampled(Read::plain(&output), Direction::Up, None));
                self.output = Some(self.activated(norm, convolution, &h, before.as_ref()));
            }
            Layer::OutputResidual(resampler) => {
                if let Some(output) = self.output.take() {
                    let to = self.place_for(place, h.channels, h.height, h.width);
                    self.h = self.resampled_by(resampler, &output, Some(&h), Some(to));
                    self.output = Some(self.h.clone());
                }
            }
            Layer::Head(norm, convolution) => self.h = self.activated(norm, convolution, &h, None),
            Layer::TakeOutput => self.h = self.output.take().unwrap_or_else(|| h.clone()),
            Layer::Pool(norm) => {
                let affine = norm.record(self.recorder, &h, None);
                self.h = mean(self.recorder, Read { x: &h, affine: Some(&affine), activation: nonlinearity });
                self.keeps(|| Kept::Norm(h.clone(), affine));
            }
            Layer::Linear(map) => self.h = map.record(self.recorder, Read::plain(&h), Write::default()),
        }
        // One that has kept nothing else keeps what came to it.
        if self.tape.as_ref().is_some_and(|tape| tape.len() == place) {
            self.keeps(|| Kept::Input(h));
        }
    }

    /// convolution(act(norm(h))) + residual.
    fn activated(&mut self, norm: &Norm, convolution: &Convolution, h: &View, residual: Option<&View>) -> View {
        let affine = norm.record(self.recorder, h, None);
        let read = Read { x: h, affine: Some(&affine), activation: Some(self.network.config.nonlinearity) };
        let out = convolution.record(self.recorder, read, Write { residual, ..Write::default() });
        self.keeps(|| Kept::Norm(h.clone(), affine));
        out
    }

    fn keep(&mut self, place: usize) {
        let before = self.width_at_recall(place);
        let h = self.h.clone();
        if (h.first, h.stride) != (before / 4, (before + h.channels) / 4) {
            // It is kept already, or was nobody's outcome: it goes beside what it is joined to.
            let to = self.recorder.features(before + h.channels, h.height, h.width).part(before, h.channels);
            copy(self.recorder, &h, &to);
            self.h = to;
        }
        self.kept.push(self.h.clone());
    }

    fn recall(&mut self) {
        let Some(kept) = self.kept.pop() else { return };
        let h = self.h.clone();
        let channels = h.channels + kept.channels;
        let to = View { first: 0, channels: h.channels, ..kept.clone() };
        if !h.is(&to) {
            copy(self.recorder, &h, &to);
        }
        self.h = View { channels, ..to };
    }

    /// Features of the image beside h, or added to it.
    fn skip(&mut self, place: usize, map: &Convolution) {
        let (input, h) = (self.input.clone(), self.h.clone());
        match self.network.config.progressive_combine {
            Combine::Sum => {
                let to = self.place_for(place, h.channels, h.height, h.width);
                let write = Write { residual: Some(&h), to: Some(to), ..Write::default() };
                self.h = map.record(self.recorder, Read::plain(&input), write);
            }
            Combine::Cat => {
                let whole = self.place_for(place, map.channels() + h.channels, h.height, h.width);
                let to = Some(whole.part(0, map.channels()));
                map.record(self.recorder, Read::plain(&input), Write { to, ..Write::default() });
                copy(self.recorder, &h, &whole.part(map.channels(), h.channels));
                self.h = whole;
            }
        }
    }

    fn resampled(&mut self, read: Read, direction: Direction, to: Option<View>) -> View {
        self.network.resampling(direction).record(self.recorder, read, None, Write { to, ..Write::default() })
    }

    /// By a resampling with a convolution, plus a residual if there is one; then the sum is scaled.
    fn resampled_by(&mut self, resampler: &ConvResampler, x: &View, residual: Option<&View>, to: Option<View>) -> View {
        let scale = residual.map(|_| self.network.config.residual_scale());
        let write = Write { residual, scale, to, ..Write::default() };
        let convolution = &resampler.convolution;
        let Resamplings { before, after } = self.network.around(resampler.direction);
        let inner = match before {
            Some(before) => before.record(self.recorder, Read::plain(x), None, Write::default()),
            None => x.clone(),
        };
        let out = match after {
            Some(after) => {
                let y = convolution.record(self.recorder, Read::plain(&inner), Write::default());
                after.record(self.recorder, Read::plain(&y), resampler.bias.as_ref(), write)
            }
            None => convolution.record(self.recorder, Read::plain(&inner), write),
        };
        self.keeps(|| Kept::Resampled(x.clone(), inner));
        out
    }

    fn block(&mut self, place: usize, block: &Block) {
        let activation = Some(self.network.config.nonlinearity);
        let mut x = self.h.clone();
        let affine = block.norms[0].record(self.recorder, &x, None);
        let read = Read { x: &x, affine: Some(&affine), activation };
        let levels = self.levels.clone();
        let rows = levels.as_ref().zip(block.level).map(|(slot, first)| Rows { slot, first, stride: self.stride });
        let added = Write { rows: rows.filter(|_| !block.scale_shift), ..Write::default() };
        let [first, second] = &block.convolutions;
        let (whole, mut resampled) = (x.clone(), None);
        let h = match block.resample {
            None => first.record(self.recorder, read, added),
            Some(direction) => {
                let h = self.resampled(read, direction, None);
                x = self.resampled(Read::plain(&x), direction, None);
                resampled = Some([h.clone(), x.clone()]);
                first.record(self.recorder, Read::plain(&h), added)
            }
        };
        // What nobody needs any more, its memory is free for others.
        let before = if self.tape.is_some() { Some((whole, affine, resampled)) } else { None };
        let affine_of_h = block.norms[1].record(self.recorder, &h, rows.filter(|_| block.scale_shift));
        if let Some(shortcut) = &block.shortcut {
            x = shortcut.record(self.recorder, Read::plain(&x), Write::default());
        }
        let mut read = Read { x: &h, affine: Some(&affine_of_h), activation };
        let dropped;
        if let Some(masks) = &self.masks {
            dropped = masked(self.recorder, read, masks, place as u32 * self.recorder.images);
            read = Read::plain(&dropped);
        }
        self.h = h.clone();
        let to = self.place_for(place, second.channels(), h.height, h.width);
        let write = Write {
            residual: Some(&x),
            scale: Some(self.network.config.residual_scale()),
            to: Some(to),
            ..Write::default()
        };
        self.h = second.record(self.recorder, read, write);
        if let Some((x, affine, resampled)) = before {
            self.keeps(|| Kept::Block(Box::new(KeptBlock { x, affine, resampled, h, affine_of_h })));
        }
    }
}

/// Height and width of features after a change of resolution.
fn sized(direction: Direction, x: &View) -> [u32; 2] {
    [x.height, x.width].map(|size| match direction {
        Direction::Down => size / 2,
        Direction::Up => size * 2,
    })
}
