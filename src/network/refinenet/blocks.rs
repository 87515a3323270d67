//! Residual blocks, and the parts of a refinement (Lin et al. 2017, figure 3): residual units on each input, their
//! fusion, chained pooling, residual units again.

use super::RefineNetConfig;
use super::norm::NormPlus;
use super::plan::{self, Block, INPUT_UNITS, POOLINGS, UNIT_CONVS};
use super::resize::{Pool, enlarge};
use crate::Image;
use crate::network::layers::{Conv, Loader, activated};
use crate::network::plan::Direction;
use crate::network::resample::Resampler;
use crate::network::{Nonlinearity, WeightsError};

type Source<'a> = Loader<'a, RefineNetConfig>;

/// What is the same for all layers of one evaluation.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// The noise levels, one for all samples or one for each.
    pub levels: &'a [usize],
    pub nonlinearity: Nonlinearity,
}

/// h ← conv(act(norm(conv(act(norm(x)))))), plus x or its shortcut.
#[derive(Debug)]
pub(super) struct ResBlock {
    norms: [NormPlus; 2],
    convs: [Conv; 2],
    shortcut: Option<Conv>,
    block: Block,
    resampler: Resampler,
}

impl ResBlock {
    pub fn load(loader: &mut Source, block: Block) -> Result<Self, WeightsError> {
        let conv = Conv::load(loader)?;
        let norm = NormPlus::load(loader)?;
        let convs = [conv, Conv::load(loader)?];
        let shortcut = if block.first { Some(Conv::load(loader)?) } else { None };
        let norms = [NormPlus::load(loader)?, norm];
        Ok(ResBlock { norms, convs, shortcut, block, resampler: Resampler::plain() })
    }

    pub fn forward(&self, x: Image, context: Context) -> Image {
        let Context { levels, nonlinearity } = context;
        let dilation = self.block.dilation;
        let halved = |h: Image| if self.block.halves() { self.resampler.resample(h, Direction::Down) } else { h };
        let h = self.norms[0].forward(x.clone(), levels, Some(nonlinearity));
        let h = self.convs[0].dilated(h, dilation);
        let h = self.norms[1].forward(h, levels, Some(nonlinearity));
        let h = halved(self.convs[1].dilated(h, dilation));
        match &self.shortcut {
            // One pixel's map and the mean of four pixels may change places; the mean first is less work.
            Some(shortcut) if self.block.halves() => shortcut.forward(halved(x)) + h,
            Some(shortcut) => shortcut.dilated(x, dilation) + h,
            None => x + h,
        }
    }
}

/// A norm where the network is conditional.
fn norm_of(loader: &mut Source) -> Result<Option<NormPlus>, WeightsError> {
    loader.config.conditional.then(|| NormPlus::load(loader)).transpose()
}

/// Residual units x ← x + conv(act(conv(act(x)))), normalised before each nonlinearity in conditional networks.
#[derive(Debug)]
struct Units(Vec<[(Option<NormPlus>, Conv); UNIT_CONVS]>);

impl Units {
    fn load(loader: &mut Source, count: usize) -> Result<Self, WeightsError> {
        let mut half = || Ok::<_, WeightsError>((norm_of(loader)?, Conv::load_unbiased(loader)?));
        let units: Result<_, WeightsError> = (0..count).map(|_| Ok([half()?, half()?])).collect();
        Ok(Units(units?))
    }

    fn forward(&self, x: Image, context: Context) -> Image {
        let Context { levels, nonlinearity } = context;
        let half = |h: Image, (norm, conv): &(Option<NormPlus>, Conv)| {
            conv.forward(match norm {
                Some(norm) => norm.forward(h, levels, Some(nonlinearity)),
                None => activated(h, nonlinearity),
            })
        };
        self.0.iter().fold(x, |x, unit| x.clone() + unit.iter().fold(x, half))
    }
}

/// Chained pooling: x ← act(x) plus each of conv(pool(x)), conv(pool(conv(pool(x)))), …
#[derive(Debug)]
struct Poolings {
    stages: Vec<(Option<NormPlus>, Conv)>,
    pool: Pool,
}

impl Poolings {
    fn load(loader: &mut Source) -> Result<Self, WeightsError> {
        let convs: Vec<Conv> = (0..POOLINGS).map(|_| Conv::load_unbiased(loader)).collect::<Result<_, _>>()?;
        let stages = convs.into_iter().map(|conv| Ok((norm_of(loader)?, conv))).collect::<Result<_, _>>()?;
        let pool = if loader.config.conditional { Pool::Mean } else { Pool::Largest };
        Ok(Poolings { stages, pool })
    }

    fn forward(&self, x: Image, context: Context) -> Image {
        let x = activated(x, context.nonlinearity);
        let (sum, _) = self.stages.iter().fold((x.clone(), x), |(sum, path), (norm, conv)| {
            let path = match norm {
                Some(norm) => norm.forward(path, context.levels, None),
                None => path,
            };
            let path = conv.forward(self.pool.forward(path));
            (sum + path.clone(), path)
        });
        sum
    }
}

/// The sum of two inputs, each after its own convolution, at the size of the finer one.
#[derive(Debug)]
struct Fusion {
    coarse: Units,
    parts: [(Option<NormPlus>, Conv); 2],
}

impl Fusion {
    fn forward(&self, fine: Image, coarse: Image, context: Context) -> Image {
        let [_, _, height, width] = fine.dims();
        let [a, b] = &self.parts;
        let part = |h: Image, (norm, conv): &(Option<NormPlus>, Conv)| {
            let h = match norm {
                Some(norm) => norm.forward(h, context.levels, None),
                None => h,
            };
            enlarge(conv.forward(h), [height, width])
        };
        part(fine, a) + part(self.coarse.forward(coarse, context), b)
    }
}

/// A refinement: what comes from a stage and from the coarser refinement, fused at the stage's resolution.
#[derive(Debug)]
pub(super) struct RefineBlock {
    fine: Units,
    /// All but the coarsest fuse.
    fusion: Option<Fusion>,
    poolings: Poolings,
    output: Units,
}

impl RefineBlock {
    pub fn load(loader: &mut Source, refine: &plan::Refine) -> Result<Self, WeightsError> {
        let fine = Units::load(loader, INPUT_UNITS)?;
        let coarse = refine.fuses.then(|| Units::load(loader, INPUT_UNITS)).transpose()?;
        let output = Units::load(loader, refine.units)?;
        let fusion = match coarse {
            Some(coarse) => {
                let (a, b) = (Conv::load(loader)?, Conv::load(loader)?);
                Some(Fusion { coarse, parts: [(norm_of(loader)?, a), (norm_of(loader)?, b)] })
            }
            None => None,
        };
        Ok(RefineBlock { fine, fusion, poolings: Poolings::load(loader)?, output })
    }

    /// `fine`: the stage's features; `coarse`: the coarser refinement's, for all but the coarsest.
    pub fn forward(&self, fine: Image, coarse: Option<Image>, context: Context) -> Image {
        let h = self.fine.forward(fine, context);
        let h = match (&self.fusion, coarse) {
            (Some(fusion), Some(coarse)) => fusion.forward(h, coarse, context),
            _ => h,
        };
        self.output.forward(self.poolings.forward(h, context), context)
    }
}
