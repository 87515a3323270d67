//! Gradients of a network's output with respect to its input and its parameters.
//!
//! On the way forwards, the features that come to each nonlinear layer are kept; the way back computes from them
//! what else it needs.

use super::{Block, ConvResampler, Given, Layer, Network};
use crate::network::Combine;
use crate::network::host::Context;
use crate::network::host::convolution::Convolution;
use crate::network::host::gradients::Gradients;
use crate::network::host::linear::Rows;
use crate::network::host::maps::{Features, Maps, places};
use crate::network::host::norm::{Film, Norm};
use crate::network::host::pointwise::{Pointwise, Start};
use crate::network::host::pooling::of_mean;
use crate::network::host::read::{Read, Residual, masked};
use crate::network::host::resize::{Resize, add};
use crate::network::host::simd::Lanes;
use crate::network::host::two_way::{Kept, Lost};
use crate::network::host::winograd::Keep;
use crate::network::plan::Direction;
use rayon::prelude::*;
use std::cell::RefCell;

/// Gradients beside one another on the way back.
pub(super) struct Flow {
    h: Option<Maps>,
    /// Of features that were recalled, the last first.
    kept: Vec<Maps>,
    input: Option<Maps>,
    output: Option<Maps>,
}

/// One walk back, for some images.
pub(super) struct Walk<'a, 'n> {
    pub network: &'n Network,
    pub context: &'a Context<'a>,
    pub given: &'a Given,
    /// Where gradients of parameters and of the activated embedding go, if they are wanted.
    pub found: Option<&'a RefCell<Gradients<'n>>>,
}

impl<'n> Walk<'_, 'n> {
    /// To the gradient of the images, if those of parameters are not wanted, from what was kept, which is let go on the
    /// way.
    pub fn back(&self, mut kept: Kept, gradient: Maps) -> Result<Option<Maps>, Lost> {
        let mut flow = Flow { h: Some(gradient), kept: Vec::new(), input: None, output: None };
        let first = self.network.layers.iter().position(|layer| matches!(layer, Layer::Output(..)));
        for (index, layer) in self.network.layers.iter().enumerate().rev() {
            self.step((index, layer), first == Some(index), &mut kept, &mut flow).ok_or(Lost)?;
        }
        Ok(self.both(flow.h, flow.input))
    }

    /// Records gradients of parameters, where they are wanted.
    fn record(&self, record: impl FnOnce(&mut Gradients<'n>)) {
        if let Some(found) = self.found {
            record(&mut found.borrow_mut());
        }
    }

    /// The way back through one layer; see [`Network::step`] for the way forwards. `first`: it is the
    /// first output.
    fn step(&self, (place, layer): (usize, &'n Layer), first: bool, kept: &mut Kept, flow: &mut Flow) -> Option<()> {
        // These have kept what is between the halves of a block, or what came from a pyramid, too.
        let two =
            matches!(layer, Layer::Block(_) | Layer::InputSkip(_) | Layer::InputResidual(_) | Layer::OutputResidual(_));
        let aside = if two { Some(kept.pop()?) } else { None };
        let x = &kept.pop()?;
        let [_, height, width] = x.size();
        match layer {
            // Whoever wants the parameters' gradients does not want the image's.
            Layer::Stem(convolution) if self.found.is_some() => {
                let gradient = Features::from(flow.h.take()?);
                let (read, own) = (&Read::plain(x), &Read::plain(&gradient));
                self.record(|into| convolution.record(self.context, read, own, &gradient, into));
            }
            Layer::Stem(convolution) => {
                flow.h = Some(self.convolution(convolution, &Read::plain(x), flow.h.take()?)?);
            }
            Layer::Block(block) => flow.h = Some(self.block((place, block), x, &aside?, flow.h.take()?)?),
            Layer::Attention(attention) => {
                let mut found = self.found.map(RefCell::borrow_mut);
                flow.h = Some(attention.back(self.context, x, &flow.h.take()?.into(), found.as_deref_mut())?);
            }
            Layer::Resample(direction) => {
                flow.h = Some(self.resized(*direction, [height, width], &flow.h.take()?));
            }
            Layer::ConvResample(resampler) => {
                flow.h = Some(self.resampler(resampler, x, flow.h.take()?)?);
            }
            Layer::Keep => flow.h = self.both(flow.h.take(), flow.kept.pop()),
            Layer::Recall => {
                let [h, kept] = self.apart(flow.h.take()?, x.blocks());
                flow.h = Some(h);
                flow.kept.push(kept);
            }
            Layer::InputSkip(pointwise) => self.input_skip(pointwise, x, &aside?, flow)?,
            Layer::InputResidual(resampler) => {
                let sum = self.both(flow.h.take(), flow.input.take())?;
                flow.h = Some(self.copy(&sum, resampler.scale));
                flow.input = Some(self.resampler(resampler, &aside?, sum)?);
            }
            Layer::Output(norm, convolution) => {
                let output = flow.output.take()?;
                let part = self.activated(norm, convolution, x, self.copy(&output, 1.0))?;
                flow.h = self.both(flow.h.take(), Some(part));
                // The first had nothing to add to.
                flow.output = (!first).then(|| self.resized(Direction::Up, [height / 2, width / 2], &output));
            }
            Layer::OutputResidual(resampler) => {
                let sum = self.both(flow.h.take(), flow.output.take())?;
                flow.h = Some(self.copy(&sum, resampler.scale));
                flow.output = Some(self.resampler(resampler, &aside?, sum)?);
            }
            Layer::Head(norm, convolution) => {
                flow.h = Some(self.activated(norm, convolution, x, flow.h.take()?)?);
            }
            Layer::TakeOutput => flow.output = self.both(flow.h.take(), flow.output.take()),
            Layer::Pool(norm) => {
                let gradient = of_mean(self.context, &flow.h.take()?, [height, width]);
                flow.h = Some(self.norm(norm, x, Film::Nothing, gradient, None).0);
            }
            Layer::Linear(pointwise) => {
                let gradient = Features::from(flow.h.take()?);
                self.record(|into| pointwise.record(self.context, x, &gradient, into));
                flow.h = Some(pointwise.transposed()?.run(self.context, &gradient, None));
            }
        }
        Some(())
    }

    /// `x`: the features before the image joined them; `input`: the image at their size.
    fn input_skip(&self, pointwise: &'n Pointwise, x: &Features, input: &Features, flow: &mut Flow) -> Option<()> {
        let [_, height, width] = x.size();
        let skip = match self.network.combine {
            Combine::Sum => self.copy(flow.h.as_ref()?, 1.0),
            Combine::Cat => {
                let gradient = flow.h.take()?;
                let own = gradient.blocks() - x.blocks();
                let [skip, h] = self.apart(gradient, own);
                flow.h = Some(h);
                skip
            }
        };
        let skip = Features::from(skip);
        self.record(|into| pointwise.record(self.context, input, &skip, into));
        let input = pointwise.transposed()?.run(self.context, &skip, None);
        let input = self.both(Some(input), flow.input.take())?;
        flow.input = Some(self.resized(Direction::Down, [height * 2, width * 2], &input));
        Some(())
    }

    /// Back through a convolution of what it `read`, after which no more than a bias was added.
    fn convolution(&self, convolution: &'n Convolution, read: &Read, gradient: Maps) -> Option<Maps> {
        let gradient = Features::from(gradient);
        self.record(|into| convolution.record(self.context, read, &Read::plain(&gradient), &gradient, into));
        Some(convolution.transposed()?.run(self.context, &Read::plain(&gradient), None, Keep::All))
    }

    /// Back through convolution(act(norm(h))).
    fn activated(&self, norm: &'n Norm, convolution: &'n Convolution, h: &Features, gradient: Maps) -> Option<Maps> {
        let affine = norm.affine(self.context, h, Film::Nothing);
        let activation = Some(self.network.nonlinearity);
        let read = Read { affine: Some(&affine), activation, ..Read::plain(h) };
        let gradient = self.convolution(convolution, &read, gradient)?;
        Some(self.norm(norm, h, Film::Nothing, gradient, None).0)
    }

    /// Back through a normalisation and the nonlinearity after it; and the gradient of the film.
    fn norm(
        &self,
        norm: &'n Norm,
        h: &Features,
        film: Film,
        gradient: Maps,
        residual: Option<Residual>,
    ) -> (Maps, Vec<f32>) {
        let activation = Some(self.network.nonlinearity);
        let (back, found) = norm.back(self.context, h, film, activation, gradient, residual);
        self.record(|into| norm.record(self.context, &found, into));
        (back, found.film)
    }

    /// Back through the network's own resampling of maps that had this size.
    fn resized(&self, direction: Direction, [height, width]: [usize; 2], gradient: &Maps) -> Maps {
        let resize = Resize::new(&self.network.resampling[direction as usize], height, width);
        resize.transposed(height, width).maps(self.context, gradient)
    }

    /// `h`: the features between the block's two halves.
    fn block(&self, (place, block): (usize, &'n Block), x: &Features, h: &Features, gradient: Maps) -> Option<Maps> {
        let [_, height, width] = x.size();
        let (context, activation) = (self.context, Some(self.network.nonlinearity));
        let gradient = Features::from(gradient);
        let [whole] = &gradient.0[..] else { return None };
        let level = block.level(context, self.given);
        let film = block.film(level.as_ref());
        let affine = block.norms[1].affine(context, h, film);
        let masks = &self.given.masks(place, x.size()[0]);
        let read = Read { affine: Some(&affine), activation, masks, ..Read::plain(h) };
        self.record(|into| block.convolutions[1].record(context, &read, &Read::plain(&gradient), &gradient, into));
        let mut half = block.convolutions[1].transposed()?.run(context, &Read::plain(&gradient), None, Keep::All);
        masked(context, &mut half, masks);
        let (half, of_film) = self.norm(&block.norms[1], h, film, half, None);
        self.level(block, of_film);

        let affine = block.norms[0].affine(context, x, Film::Nothing);
        let resize = block.resample.map(|to| Resize::new(&self.network.resampling[to as usize], height, width));
        let read = Read { affine: Some(&affine), activation, resize: resize.as_ref(), ..Read::plain(x) };
        let half = self.convolution(&block.convolutions[0], &read, half)?;
        let (aside, scale) = match &block.shortcut {
            Some(shortcut) => {
                self.record(|into| {
                    let resized = resize.as_ref().map(|resize| resize.run(context, x));
                    shortcut.record(context, resized.as_ref().unwrap_or(x), &gradient, into);
                });
                (Some(shortcut.transposed()?.run(context, &gradient, None)), 1.0)
            }
            None => (self.in_parts(&whole.maps, x), block.scale),
        };
        let (half, aside) = match block.resample {
            Some(direction) => {
                let back = |maps| self.resized(direction, [height, width], maps);
                (back(&half), Some(back(aside.as_ref().unwrap_or(&whole.maps))))
            }
            None => (half, aside),
        };
        let residual = Some(Residual { maps: aside.as_ref().unwrap_or(&whole.maps), scale });
        Some(self.norm(&block.norms[0], x, Film::Nothing, half, residual).0)
    }

    /// Back from a block's film to the embedding, where gradients are wanted.
    fn level(&self, block: &'n Block, film: Vec<f32>) {
        let (Some(found), Some(embedding), Some(level)) = (self.found, &self.given.embedding, &block.level) else {
            return;
        };
        let found = &mut *found.borrow_mut();
        let images = (embedding.values.len() / embedding.width).max(1);
        let film = Rows { width: film.len() / images, values: film };
        let back = level.back(self.context, embedding, &film, found);
        found.of_levels.resize(embedding.values.len(), 0.0);
        found.of_levels.iter_mut().zip(back.values).for_each(|(sum, x)| *sum += x);
    }

    /// Back through resampling with a convolution of these features.
    fn resampler(&self, resampler: &'n ConvResampler, x: &Features, gradient: Maps) -> Option<Maps> {
        let [_, height, width] = x.size();
        let before = resampler.before.as_ref().map(|kind| Resize::new(kind, height, width));
        let (inner_height, inner_width) =
            before.as_ref().map_or((height, width), |resize| (resize.height(), resize.width()));
        let keep = resampler.keep;
        let kept = [keep.count(inner_height), keep.count(inner_width)];
        let whole = Features::from(gradient);
        let inner = match &resampler.after {
            Some((after, _)) => {
                let after = Resize::new(after, kept[0], kept[1]);
                after.transposed(kept[0], kept[1]).run(self.context, &whole)
            }
            None => whole.clone(),
        };
        let spread = (keep != Keep::All).then(|| Resize::spread(keep, inner_height, inner_width));
        let spread = Read { resize: spread.as_ref(), ..Read::plain(&inner) };
        let read = Read { resize: before.as_ref(), ..Read::plain(x) };
        self.record(|into| resampler.convolution.record(self.context, &read, &spread, &whole, into));
        let back = resampler.convolution.transposed()?.run(self.context, &spread, None, Keep::All);
        Some(match before {
            Some(before) => before.transposed(height, width).maps(self.context, &back),
            None => back,
        })
    }

    /// The sum of those that there are.
    fn both(&self, a: Option<Maps>, b: Option<Maps>) -> Option<Maps> {
        let (mut a, b) = match (a, b) {
            (Some(a), Some(b)) => (a, b),
            (a, b) => return a.or(b),
        };
        add(self.context, &mut a, Residual { maps: &b, scale: 1.0 });
        Some(a)
    }

    fn copy(&self, maps: &Maps, scale: f32) -> Maps {
        let mut out = Maps::new(self.context.pool, maps.images, maps.channels, maps.height, maps.width);
        let area = maps.area();
        out.lanes.par_chunks_mut(area).zip(maps.lanes.par_chunks(area)).for_each(|(out, added)| {
            self.context.isa.run(Start { bias: &Lanes::default(), added: Some(added), scale, out });
        });
        out
    }

    /// Cuts each image's maps after some.
    fn apart(&self, maps: Maps, blocks: usize) -> [Maps; 2] {
        let (area, all) = (maps.area(), maps.blocks());
        [0..blocks, blocks..all].map(|range| {
            let channels = range.len() * Lanes::WIDTH;
            let mut part = Maps::new(self.context.pool, maps.images, channels, maps.height, maps.width);
            for (image, to) in part.lanes.chunks_mut((range.len() * area).max(1)).enumerate() {
                to.copy_from_slice(&maps.lanes[(image * all + range.start) * area..][..range.len() * area]);
            }
            part
        })
    }

    /// Brings channels that lie one after another to the places of the parts of x, where these differ.
    fn in_parts(&self, maps: &Maps, x: &Features) -> Option<Maps> {
        let parts: Vec<usize> = x.0.iter().map(|part| part.maps.channels).collect();
        if parts.len() == 1 {
            return None;
        }
        let (area, blocks) = (maps.area(), x.blocks());
        let mut out = Maps::new(self.context.pool, maps.images, blocks * Lanes::WIDTH, maps.height, maps.width);
        out.lanes.fill(Lanes::default());
        for (image, to) in out.lanes.chunks_mut(blocks * area).enumerate() {
            for (place, channel) in places(&parts).into_iter().enumerate() {
                let Some(channel) = channel else { continue };
                let from = maps.map(image, channel / Lanes::WIDTH);
                let to = &mut to[place / Lanes::WIDTH * area..][..area];
                for (to, from) in to.iter_mut().zip(from) {
                    to.0[place % Lanes::WIDTH] = from.0[channel % Lanes::WIDTH];
                }
            }
        }
        Some(out)
    }
}
