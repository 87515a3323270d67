//! The way back through a RefineNet. Each layer finds what it kept on the way forwards last of all that is left.

use super::blocks::{Between, Conv, Fusion, Pool, Poolings, RefineBlock, ResBlock, Shortcut, Units, added};
use super::blocks::{enlarging, means};
use super::{Evaluation, RefineNet};
use crate::network::host::gradients::Gradients;
use crate::network::host::maps::{Features, Maps};
use crate::network::host::norm::deactivate;
use crate::network::host::pooling::largest_back;
use crate::network::host::read::{Read, Residual};
use crate::network::host::resize::{Resampling, Resize, add};
use crate::network::host::two_way::Kept;
use crate::network::refinenet::plan::POOLED;
use std::cell::RefCell;

/// One walk back, for some images.
pub(super) struct Walk<'a, 'n> {
    pub at: Evaluation<'a>,
    pub kept: Kept,
    /// Where gradients of parameters go, if they are wanted.
    pub found: Option<&'a RefCell<Gradients<'n>>>,
}

impl<'n> Walk<'_, 'n> {
    fn record(&self, record: impl FnOnce(&mut Gradients<'n>)) {
        if let Some(found) = self.found {
            record(&mut found.borrow_mut());
        }
    }
}

impl RefineNet {
    /// To the gradient of the images.
    pub(super) fn walk_back<'n>(&'n self, walk: &mut Walk<'_, 'n>, gradient: Maps) -> Option<Maps> {
        let mut h = Some(self.end.back(walk, Between::activation(walk.at), &gradient.into(), None)?.into());
        // From the highest resolution.
        let mut of_stages = Vec::new();
        for refine in self.refinements.iter().rev() {
            let (fine, coarse) = refine.back(walk, h?)?;
            of_stages.push(fine);
            h = coarse;
        }
        let mut below: Option<Features> = None;
        for (blocks, fine) in self.stages.iter().zip(of_stages).rev() {
            let h = below.map_or_else(|| fine.clone(), |below| added(walk.at, &fine, &below));
            below = Some(blocks.iter().rev().try_fold(h, |h, block| block.back(walk, &h))?);
        }
        self.begin.back(walk, Between::default(), &below?, None)
    }
}

impl Conv {
    /// From the gradient of the convolution to that of x, plus the residual.
    fn back<'n>(
        &'n self,
        walk: &mut Walk<'_, 'n>,
        between: Between,
        gradient: &Features,
        residual: Option<&Features>,
    ) -> Option<Maps> {
        let (x, Evaluation { context, levels, .. }) = (walk.kept.pop()?, walk.at);
        let [_, height, width] = x.size();
        let Between { activation, resize } = between;
        let affine = self.norm.as_ref().map(|norm| norm.affine(context, &x, levels));
        let read = Read { affine: affine.as_ref(), activation, resize, ..Read::plain(&x) };
        walk.record(|into| self.convolution.record(context, &read, gradient, into));
        let mut back = self.convolution.back(context, gradient)?;
        if let Some(resize) = resize {
            back = resize.transposed(height, width).maps(context, &back);
        }
        let residual = residual.map(|features| features.whole(context.pool));
        let residual = residual.as_ref().map(|part| Residual { maps: &part.maps, scale: 1.0 });
        if let Some(norm) = &self.norm {
            let (back, table) = norm.back(context, &x, levels, activation, back, residual);
            walk.record(|into| norm.record(context, &table, into));
            return Some(back);
        }
        if activation.is_some() {
            deactivate(context, &x, None, activation, &mut back);
        }
        residual.into_iter().for_each(|residual| add(context, &mut back, residual));
        Some(back)
    }
}

impl ResBlock {
    fn back<'n>(&'n self, walk: &mut Walk<'_, 'n>, gradient: &Features) -> Option<Features> {
        let (context, activation) = (walk.at.context, Between::activation(walk.at));
        let [first, second] = &self.convs;
        let [x, h] = walk.kept.last_chunk()?;
        let ([_, height, width], x) = (h.size(), x.clone());
        let back = match &self.shortcut {
            Shortcut::Identity => {
                let h = second.back(walk, activation, gradient, None)?.into();
                first.back(walk, activation, &h, Some(gradient))?
            }
            Shortcut::Convolution(shortcut) => {
                let h = second.back(walk, activation, gradient, None)?.into();
                walk.record(|into| shortcut.record(context, &Read::plain(&x), gradient, into));
                let aside = shortcut.back(context, gradient)?.into();
                first.back(walk, activation, &h, Some(&aside))?
            }
            Shortcut::Halving(shortcut) => {
                let halve = Resize::new(&Resampling::Halve, height, width);
                let enlarge = halve.transposed(height, width);
                let h = second.back(walk, activation, &enlarge.run(context, gradient), None)?.into();
                walk.record(|into| shortcut.record(context, &halve.run(context, &x), gradient, into));
                let aside = enlarge.maps(context, &shortcut.transposed()?.run(context, gradient, None)).into();
                first.back(walk, activation, &h, Some(&aside))?
            }
        };
        Some(back.into())
    }
}

impl Units {
    fn back<'n>(&'n self, walk: &mut Walk<'_, 'n>, gradient: Features) -> Option<Features> {
        let activation = Between::activation(walk.at);
        self.0.iter().rev().try_fold(gradient, |gradient, [first, second]| {
            let h = second.back(walk, activation, &gradient, None)?.into();
            Some(first.back(walk, activation, &h, Some(&gradient))?.into())
        })
    }
}

impl Fusion {
    /// Of the finer and of the coarser input.
    fn back<'n>(&'n self, walk: &mut Walk<'_, 'n>, gradient: &Features) -> Option<[Features; 2]> {
        let fine = self.fine.back(walk, Between::default(), gradient, None)?.into();
        let coarse = walk.kept.last()?;
        let [_, height, width] = coarse.size();
        let of_coarse = match enlarging(coarse, gradient) {
            Some(resize) => resize.transposed(height, width).run(walk.at.context, gradient),
            None => gradient.clone(),
        };
        let coarse = self.coarse.back(walk, Between::default(), &of_coarse, None)?;
        Some([fine, self.units.back(walk, coarse.into())?])
    }
}

impl Poolings {
    /// Each part of the chain is a term of the sum, whose gradient is `gradient`.
    fn back<'n>(&'n self, walk: &mut Walk<'_, 'n>, gradient: &Features) -> Option<Features> {
        let (first, others) = self.convs.split_first()?;
        let path = others
            .iter()
            .rev()
            .try_fold(gradient.clone(), |path, conv| self.pooled_back(walk, conv, &path, gradient).map(Features::from));
        let mut back = self.pooled_back(walk, first, &path?, gradient)?;
        let x = walk.kept.pop()?;
        deactivate(walk.at.context, &x, None, Some(walk.at.nonlinearity), &mut back);
        Some(back.into())
    }

    /// From the gradient of conv(pool(x)) to that of x, plus the residual.
    fn pooled_back<'n>(
        &'n self,
        walk: &mut Walk<'_, 'n>,
        conv: &'n Conv,
        gradient: &Features,
        residual: &Features,
    ) -> Option<Maps> {
        match self.pool {
            Pool::Largest => {
                let largest = walk.kept.last()?.clone();
                let back = conv.back(walk, Between::default(), gradient, None)?;
                let (x, residual) = (walk.kept.pop()?, residual.whole(walk.at.context.pool));
                Some(largest_back(walk.at.context, &x, &largest, POOLED, &back, &residual.maps))
            }
            Pool::Mean => {
                let means = means(gradient);
                conv.back(walk, Between { activation: None, resize: Some(&means) }, gradient, Some(residual))
            }
        }
    }
}

impl RefineBlock {
    /// Of the stage's features and of the coarser refinement's, for all but the coarsest.
    fn back<'n>(&'n self, walk: &mut Walk<'_, 'n>, gradient: Features) -> Option<(Features, Option<Features>)> {
        let gradient = self.output.back(walk, gradient)?;
        let gradient = self.poolings.back(walk, &gradient)?;
        let (fine, coarse) = match &self.fusion {
            Some(fusion) => fusion.back(walk, &gradient).map(|[fine, coarse]| (fine, Some(coarse)))?,
            None => (gradient, None),
        };
        Some((self.fine.back(walk, fine)?, coarse))
    }
}
