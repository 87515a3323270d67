//! The walk back through a U-Net's layers, from the gradient of what came of them to those of their parameters.

use super::build::{Block, ConvResampler, Layer, Layers, Resamplings};
use super::layers::{
    Convolution, Norm, Normalised, Read, Resampling, Rows, Write, activated, combine, masked, pool, spread,
};
use super::recorder::{Recorder, Slot, View};
use super::walk::{Kept, KeptBlock};
use crate::network::plan::Direction;
use crate::network::{Combine, Nonlinearity};

/// A walk back through all operations; see [`super::walk::Walk`] for the way forwards.
pub(super) struct Back<'a> {
    pub network: &'a Layers,
    pub recorder: &'a mut Recorder,
    /// What blocks were told of the noise level, and its gradient.
    pub levels: Option<[View; 2]>,
    /// See [`super::walk::Walk`].
    pub masks: Option<Slot>,
    pub h: Option<View>,
    /// Gradients of what was recalled, the last first.
    pub kept: Vec<View>,
    /// Of the image at the present resolution.
    pub input: Option<View>,
    /// Of the output gathered there.
    pub output: Option<View>,
}

impl<'a> Back<'a> {
    /// From the gradient of what came of the layers on; what was kept of them is let go on the way. `None` where
    /// something is missing.
    pub fn through(mut self, mut tape: Vec<Kept>) -> Option<()> {
        let first = self.network.layers.iter().position(|layer| matches!(layer, Layer::Output(..)));
        for (place, layer) in self.network.layers.iter().enumerate().rev() {
            self.op((place, layer), tape.pop()?, first == Some(place))?;
        }
        Some(())
    }

    fn nonlinearity(&self) -> Option<Nonlinearity> {
        Some(self.network.config.nonlinearity)
    }

    /// One operation. `first`: it is the first output, which had nothing to add to.
    fn op(&mut self, (place, layer): (usize, &Layer), kept: Kept, first: bool) -> Option<()> {
        let scale = self.network.config.residual_scale();
        match (layer, kept) {
            // Nobody wants the gradient of the image.
            (Layer::Stem(convolution), Kept::Input(x)) => convolution.learn(self.recorder, &x, &self.h.take()?, 1.0),
            (Layer::Block(block), Kept::Block(kept)) => {
                let gradient = self.h.take()?;
                self.h = Some(self.block((place, block), *kept, gradient)?);
            }
            (Layer::Attention(attention), Kept::Attention(x, kept)) => {
                self.h = Some(attention.back(self.recorder, &x, &kept, scale, &self.h.take()?)?);
            }
            (Layer::Resample(direction), Kept::Input(x)) => {
                let gradient = self.h.take()?;
                self.h = Some(self.resized(&self.network.resampling(*direction), &gradient, &x, 1.0));
            }
            (Layer::ConvResample(resampler), Kept::Resampled(x, inner)) => {
                let gradient = self.h.take()?;
                self.h = Some(self.resampler(resampler, &x, &inner, &gradient, 1.0)?);
            }
            (Layer::Keep, _) => {
                let kept = self.kept.pop();
                self.h = self.both(self.h.clone(), kept);
            }
            (Layer::Recall, Kept::Input(x)) => {
                let gradient = self.h.take()?;
                self.kept.push(gradient.part(x.channels, gradient.channels - x.channels));
                self.h = Some(gradient.part(0, x.channels));
            }
            (Layer::InputSkip(map), Kept::Resampled(x, input)) => self.skip(map, &x, &input)?,
            (Layer::InputResidual(resampler), Kept::Resampled(x, inner)) => {
                let (h, input) = (self.h.take(), self.input.take());
                let sum = self.both(h, input)?;
                self.h = Some(self.scaled(&sum, scale));
                self.input = Some(self.resampler(resampler, &x, &inner, &sum, scale)?);
            }
            (Layer::Output(norm, convolution), Kept::Norm(h, affine)) => {
                let output = self.output.take()?;
                let part = self.activated(norm, convolution, &h, &affine, &output)?;
                self.h = self.both(self.h.clone(), Some(part));
                if !first {
                    let before = View { height: output.height / 2, width: output.width / 2, ..output.clone() };
                    self.output = Some(self.resized(&self.network.resampling(Direction::Up), &output, &before, 1.0));
                }
            }
            (Layer::OutputResidual(resampler), Kept::Resampled(x, inner)) => {
                let (h, output) = (self.h.take(), self.output.take());
                let sum = self.both(h, output)?;
                self.h = Some(self.scaled(&sum, scale));
                self.output = Some(self.resampler(resampler, &x, &inner, &sum, scale)?);
            }
            (Layer::Head(norm, convolution), Kept::Norm(h, affine)) => {
                let gradient = self.h.take()?;
                self.h = Some(self.activated(norm, convolution, &h, &affine, &gradient)?);
            }
            (Layer::Pool(norm), Kept::Norm(h, affine)) => {
                let gradient = &spread(self.recorder, &self.h.take()?, &h);
                let (activation, affine) = (self.nonlinearity(), &affine);
                let of = Normalised { x: &h, affine, activation, gradient, rows: None, residual: None };
                self.h = Some(norm.back(self.recorder, of));
            }
            (Layer::Linear(map), Kept::Input(x)) => {
                let gradient = self.h.take()?;
                map.learn(self.recorder, &x, &gradient, 1.0);
                self.h = map.back(self.recorder, &gradient, x.channels, Write::default());
            }
            (Layer::TakeOutput, _) => {
                let (h, output) = (self.h.take(), self.output.take());
                self.output = self.both(h, output);
            }
            _ => return None,
        }
        Some(())
    }

    /// The sum of those that there are.
    fn both(&mut self, a: Option<View>, b: Option<View>) -> Option<View> {
        let (a, b) = match (a, b) {
            (Some(a), Some(b)) => (a, b),
            (a, b) => return a.or(b),
        };
        let to = self.recorder.features(a.channels, a.height, a.width);
        combine(self.recorder, Read::plain(&a), Some(&b), 1.0, &to);
        Some(to)
    }

    fn scaled(&mut self, x: &View, scale: f32) -> View {
        let to = self.recorder.features(x.channels, x.height, x.width);
        combine(self.recorder, Read::plain(x), None, scale, &to);
        to
    }

    /// Back through resampling of features of the size of x, times a factor.
    fn resized(&mut self, resampling: &Resampling, gradient: &View, x: &View, scale: f32) -> View {
        let to = self.recorder.features(gradient.channels, x.height, x.width);
        let write = Write { to: Some(to), scale: Some(scale), ..Write::default() };
        resampling.transposed().record(self.recorder, Read::plain(gradient), None, write)
    }

    /// Back through convolution(act(norm(h))).
    fn activated(
        &mut self,
        norm: &Norm,
        convolution: &Convolution,
        h: &View,
        affine: &Slot,
        gradient: &View,
    ) -> Option<View> {
        let activation = self.nonlinearity();
        let read = activated(self.recorder, Read { x: h, affine: Some(affine), activation });
        convolution.learn(self.recorder, &read, gradient, 1.0);
        drop(read);
        let above = &convolution.back(self.recorder, gradient, h.channels, Write::default())?;
        let of = Normalised { x: h, affine, activation, gradient: above, rows: None, residual: None };
        Some(norm.back(self.recorder, of))
    }

    /// `input`: the image that joined x.
    fn skip(&mut self, map: &Convolution, x: &View, input: &View) -> Option<()> {
        let skip = match self.network.config.progressive_combine {
            Combine::Sum => self.h.clone()?,
            Combine::Cat => {
                let gradient = self.h.take()?;
                let own = gradient.channels - x.channels;
                self.h = Some(gradient.part(own, x.channels));
                gradient.part(0, own)
            }
        };
        map.learn(self.recorder, input, &skip, 1.0);
        let write = Write { residual: self.input.as_ref(), ..Write::default() };
        let below = map.back(self.recorder, &skip, input.channels, write)?;
        let before = View { height: input.height * 2, width: input.width * 2, ..input.clone() };
        self.input = Some(self.resized(&self.network.resampling(Direction::Down), &below, &before, 1.0));
        Some(())
    }

    /// Back through resampling of x with a convolution, of what came to it, times a factor.
    fn resampler(
        &mut self,
        resampler: &ConvResampler,
        x: &View,
        inner: &View,
        gradient: &View,
        scale: f32,
    ) -> Option<View> {
        let Resamplings { before, after } = self.network.around(resampler.direction);
        if let Some(bias) = &resampler.bias {
            bias.learn(self.recorder, gradient, scale);
        }
        // After the convolution, features are as many pixels as before it.
        let (gradient, scale) = match after {
            Some(after) => (&self.resized(&after, gradient, inner, scale), 1.0),
            None => (gradient, scale),
        };
        resampler.convolution.learn(self.recorder, inner, gradient, scale);
        let write = Write { scale: Some(scale), ..Write::default() };
        let below = resampler.convolution.back(self.recorder, gradient, inner.channels, write)?;
        Some(match before {
            Some(before) => self.resized(&before, &below, x, 1.0),
            None => below,
        })
    }

    fn block(&mut self, (place, block): (usize, &Block), kept: KeptBlock, gradient: View) -> Option<View> {
        let KeptBlock { x, affine, resampled, h, affine_of_h } = kept;
        let (activation, scale) = (self.nonlinearity(), self.network.config.residual_scale());
        let [first, _] = &block.convolutions;
        let scaled = || Write { scale: Some(scale), ..Write::default() };

        let half = self.second_half((place, block), &h, &affine_of_h, &gradient)?;

        let read = match &resampled {
            Some([read, _]) => read.clone(),
            None => activated(self.recorder, Read { x: &x, affine: Some(&affine), activation }),
        };
        first.learn(self.recorder, &read, &half, 1.0);
        drop(read);
        let mut half = first.back(self.recorder, &half, x.channels, Write::default())?;
        let aside = resampled.as_ref().map_or(&x, |[_, aside]| aside);
        let (mut around, factor) = match &block.shortcut {
            Some(shortcut) => {
                shortcut.learn(self.recorder, aside, &gradient, scale);
                (shortcut.back(self.recorder, &gradient, x.channels, scaled())?, 1.0)
            }
            None => (gradient, scale),
        };
        if let Some(direction) = block.resample {
            let resampling = self.network.resampling(direction);
            half = self.resized(&resampling, &half, &x, 1.0);
            around = self.resized(&resampling, &around, &x, 1.0);
        }
        let residual = Some((&around, factor));
        let of = Normalised { x: &x, affine: &affine, activation, gradient: &half, rows: None, residual };
        Some(block.norms[0].back(self.recorder, of))
    }

    /// From the gradient of what came of a block to that of the features between its halves, and of what it was told.
    fn second_half(
        &mut self,
        (place, block): (usize, &Block),
        h: &View,
        affine: &Slot,
        gradient: &View,
    ) -> Option<View> {
        let (activation, scale) = (self.nonlinearity(), self.network.config.residual_scale());
        let (masks, first) = (self.masks.clone(), place as u32 * self.recorder.images);
        let convolution = &block.convolutions[1];
        let read = Read { x: h, affine: Some(affine), activation };
        let read = match &masks {
            Some(masks) => masked(self.recorder, read, masks, first),
            None => activated(self.recorder, read),
        };
        convolution.learn(self.recorder, &read, gradient, scale);
        drop(read);
        let write = Write { scale: Some(scale), ..Write::default() };
        let mut above = convolution.back(self.recorder, gradient, h.channels, write)?;
        if let Some(masks) = &masks {
            above = masked(self.recorder, Read::plain(&above), masks, first);
        }
        let levels = self.levels.clone();
        let told = levels.as_ref().zip(block.level);
        let rows = told.filter(|_| block.scale_shift);
        let rows = rows.map(|(views, first)| {
            views.each_ref().map(|view| Rows { slot: &view.slot, first, stride: 4 * view.stride })
        });
        let of = Normalised { x: h, affine, activation, gradient: &above, rows, residual: None };
        let half = block.norms[1].back(self.recorder, of);
        if let Some(([_, to], first)) = told.filter(|_| !block.scale_shift) {
            pool(self.recorder, Read::plain(&half), &to.part(first, h.channels), 1.0);
        }
        Some(half)
    }
}
