//! Residual blocks, and the parts of a refinement; see [`crate::network::refinenet`] for the formulas.

use super::Evaluation;
use crate::network::Nonlinearity;
use crate::network::host::dilated::Dilated;
use crate::network::host::maps::Features;
use crate::network::host::norm::activated;
use crate::network::host::norm_plus::NormPlus;
use crate::network::host::pointwise::Pointwise;
use crate::network::host::pooling::largest;
use crate::network::host::read::{Read, Residual};
use crate::network::host::resize::{Resampling, Resize, sum};
use crate::network::host::simd::Lanes;
use crate::network::refinenet::plan::{POOLED, UNIT_CONVS};

/// A 3×3 convolution, of normalised features where there is a norm.
#[derive(Debug)]
pub(super) struct Conv {
    pub norm: Option<NormPlus>,
    pub convolution: Dilated,
}

/// What comes between a norm and its convolution.
#[derive(Clone, Copy, Default)]
pub(super) struct Between<'a> {
    pub activation: Option<Nonlinearity>,
    pub resize: Option<&'a Resize>,
}

impl Between<'_> {
    /// The network's nonlinearity.
    pub fn activation(at: Evaluation) -> Self {
        Between { activation: Some(at.nonlinearity), resize: None }
    }
}

/// Is shown what the way back will need.
pub(super) type Keep<'a> = &'a mut dyn FnMut(&Features);

impl Conv {
    /// The convolution of x, which is kept, plus the residual.
    pub fn run(
        &self,
        at: Evaluation,
        x: &Features,
        between: Between,
        residual: Option<&Features>,
        keep: Keep,
    ) -> Features {
        keep(x);
        let Between { activation, resize } = between;
        let affine = self.norm.as_ref().map(|norm| norm.affine(at.context, x, at.levels));
        let read = Read { affine: affine.as_ref(), activation, resize, ..Read::plain(x) };
        let residual = residual.map(|features| features.whole(at.context.pool));
        let residual = residual.as_ref().map(|part| Residual { maps: &part.maps, scale: 1.0 });
        self.convolution.run(at.context, &read, residual).into()
    }
}

/// h ← conv(act(norm(conv(act(norm(x)))))), plus x or its shortcut.
#[derive(Debug)]
pub(super) struct ResBlock {
    pub convs: [Conv; 2],
    pub shortcut: Shortcut,
}

/// What becomes of x before it is added.
#[derive(Debug)]
pub(super) enum Shortcut {
    Identity,
    Convolution(Dilated),
    /// Both branches become means of 2×2 pixels. The mean comes before the shortcut's 1×1 convolution, which is less
    /// work and the same.
    Halving(Pointwise),
}

impl ResBlock {
    pub fn run(&self, at: Evaluation, x: &Features, keep: Keep) -> Features {
        let (context, activation) = (at.context, Between::activation(at));
        let [first, second] = &self.convs;
        let h = first.run(at, x, activation, None, keep);
        let mut second = |residual: Option<&Features>| second.run(at, &h, activation, residual, keep);
        match &self.shortcut {
            Shortcut::Identity => second(Some(x)),
            Shortcut::Convolution(shortcut) => second(Some(&shortcut.run(context, &Read::plain(x), None).into())),
            Shortcut::Halving(shortcut) => {
                let [_, height, width] = x.size();
                let halve = Resize::new(&Resampling::Halve, height, width);
                let h = halve.run(context, &second(None)).whole(context.pool);
                let residual = Residual { maps: &h.maps, scale: 1.0 };
                shortcut.run(context, &halve.run(context, x), Some(residual)).into()
            }
        }
    }
}

/// Residual units x ← x + conv(act(conv(act(x)))), normalised before each nonlinearity in conditional networks.
#[derive(Debug)]
pub(super) struct Units(pub Vec<[Conv; UNIT_CONVS]>);

impl Units {
    fn run(&self, at: Evaluation, x: &Features, keep: Keep) -> Features {
        let activation = Between::activation(at);
        self.0.iter().fold(x.clone(), |x, [first, second]| {
            let h = first.run(at, &x, activation, None, keep);
            second.run(at, &h, activation, Some(&x), keep)
        })
    }
}

/// The sum of two inputs, each after its own convolution, at the size of the finer one.
#[derive(Debug)]
pub(super) struct Fusion {
    /// On the coarser input.
    pub units: Units,
    pub fine: Conv,
    pub coarse: Conv,
}

impl Fusion {
    fn run(&self, at: Evaluation, fine: &Features, coarse: &Features, keep: Keep) -> Features {
        let coarse = self.units.run(at, coarse, keep);
        let coarse = self.coarse.run(at, &coarse, Between::default(), None, keep);
        let coarse = match enlarging(&coarse, fine) {
            Some(resize) => resize.run(at.context, &coarse),
            None => coarse,
        };
        self.fine.run(at, fine, Between::default(), Some(&coarse), keep)
    }
}

/// From the size of the coarser features to that of the finer ones, where these differ.
pub(super) fn enlarging(coarse: &Features, fine: &Features) -> Option<Resize> {
    let ([_, height, width], [_, to_height, to_width]) = (coarse.size(), fine.size());
    let (from, to) = ([height, width], [to_height, to_width]);
    (from != to).then(|| Resize::bilinear(from, to))
}

/// Chained pooling: x ← act(x) plus each of conv(pool(x)), conv(pool(conv(pool(x)))), …
#[derive(Debug)]
pub(super) struct Poolings {
    pub convs: Vec<Conv>,
    pub pool: Pool,
}

/// What becomes of each 5×5 pixels.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pool {
    /// The largest of them, in networks without norms.
    Largest,
    /// Their mean once they are normalised.
    Mean,
}

impl Poolings {
    fn run(&self, at: Evaluation, x: &Features, keep: Keep) -> Features {
        keep(x);
        let x = activated(at.context, x, at.nonlinearity);
        let Some((last, others)) = self.convs.split_last() else { return x };
        let (total, path) = others.iter().fold((x.clone(), x), |(total, path), conv| {
            let path = self.pooled(at, conv, &path, None, keep);
            (added(at, &path, &total), path)
        });
        self.pooled(at, last, &path, Some(&total), keep)
    }

    /// conv(pool(x)) + residual.
    fn pooled(&self, at: Evaluation, conv: &Conv, x: &Features, residual: Option<&Features>, keep: Keep) -> Features {
        match self.pool {
            Pool::Largest => {
                keep(x);
                conv.run(at, &largest(at.context, x, POOLED), Between::default(), residual, keep)
            }
            Pool::Mean => {
                let means = means(x);
                conv.run(at, x, Between { activation: None, resize: Some(&means) }, residual, keep)
            }
        }
    }
}

/// Of each pixel of x and those around it.
pub(super) fn means(x: &Features) -> Resize {
    let [_, height, width] = x.size();
    Resize::new(&Resampling::Means(POOLED), height, width)
}

pub(super) fn added(at: Evaluation, a: &Features, b: &Features) -> Features {
    let (a, b) = (a.whole(at.context.pool), b.whole(at.context.pool));
    let zeros = vec![Lanes::default(); a.maps.blocks()];
    sum(at.context, &a.maps, &zeros, Some(Residual { maps: &b.maps, scale: 1.0 })).into()
}

/// A refinement: what comes from a stage and from the coarser refinement, fused at the stage's resolution.
#[derive(Debug)]
pub(super) struct RefineBlock {
    pub fine: Units,
    /// All but the coarsest fuse.
    pub fusion: Option<Fusion>,
    pub poolings: Poolings,
    pub output: Units,
}

impl RefineBlock {
    /// `fine`: the stage's features; `coarse`: the coarser refinement's, for all but the coarsest.
    pub fn run(&self, at: Evaluation, fine: &Features, coarse: Option<&Features>, keep: Keep) -> Features {
        let h = self.fine.run(at, fine, keep);
        let h = match (&self.fusion, coarse) {
            (Some(fusion), Some(coarse)) => fusion.run(at, &h, coarse, keep),
            _ => h,
        };
        let h = self.poolings.run(at, &h, keep);
        self.output.run(at, &h, keep)
    }
}
