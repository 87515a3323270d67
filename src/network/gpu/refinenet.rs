//! A dilated RefineNet on a graphics device; see [`crate::network::refinenet`] for the formulas.

use super::device::{Gpu, Precision};
use super::evaluator::{Evaluator, ToldRows, padded};
use super::layers::{
    Convolution, NormPlus, Read, Resampling, Rows, Write, activated, combine, enlarge, enter, leave, window,
};
use super::parameters::{Order, Uploader};
use super::program::Doors;
use super::recorder::{Recorder, Slot, View};
use crate::Image;
use crate::network::layers::{Loader, Pair};
use crate::network::refinenet::norm::Table;
use crate::network::refinenet::plan::{self, INPUT_UNITS, POOLED, POOLINGS, UNIT_CONVS};
use crate::network::{Nonlinearity, RefineNetConfig, WeightsError};
use burn::tensor::TensorReadError;
use std::sync::Arc;

/// Values of a row that tells a level: it, and nothing to fill a four.
const ROW: usize = 4;

/// An NCSN or NCSNv2 on a graphics device.
#[derive(Debug)]
pub(in crate::network) struct RefineNet {
    evaluator: Evaluator,
    layers: Layers,
}

/// All that has parameters.
#[derive(Debug)]
struct Layers {
    /// Channels, height and width of an image.
    size: [u32; 3],
    nonlinearity: Nonlinearity,
    /// Levels that the norms know; one where they know none.
    levels: usize,
    begin: Conv,
    /// Two blocks each, from the highest resolution.
    stages: Vec<[ResBlock; 2]>,
    /// From the lowest resolution.
    refinements: Vec<RefineBlock>,
    end: Conv,
}

/// A convolution, of normalised features where there is a norm.
#[derive(Debug)]
struct Conv {
    norm: Option<NormPlus>,
    convolution: Convolution,
}

/// h ← conv(act(norm(conv(act(norm(x)))))), plus x or its shortcut.
#[derive(Debug)]
struct ResBlock {
    convs: [Conv; 2],
    shortcut: Option<Convolution>,
    halves: bool,
}

/// Residual units x ← x + conv(act(conv(act(x)))).
#[derive(Debug)]
struct Units(Vec<[Conv; UNIT_CONVS]>);

/// A refinement.
#[derive(Debug)]
struct RefineBlock {
    fine: Units,
    /// Units of the coarser input, and the convolution of each input, where there are two.
    fusion: Option<(Units, [Conv; 2])>,
    poolings: Vec<Conv>,
    /// Of the poolings: else they are means.
    largest: bool,
    output: Units,
}

impl RefineNet {
    /// Takes all parameters, of which there are so many.
    ///
    /// # Errors
    /// If one is missing or of the wrong shape.
    pub fn load(
        loader: &mut Loader<RefineNetConfig>,
        gpu: Arc<Gpu>,
        parameters: usize,
        precision: Precision,
    ) -> Result<Self, WeightsError> {
        let layers = Builder { uploader: Uploader::new(&gpu, precision, parameters), loader }.layers()?;
        let evaluator = Evaluator::new(gpu, precision, &|recorder, rows| layers.record(recorder, rows));
        Ok(RefineNet { evaluator, layers })
    }

    /// The output for images in [−1, 1] and levels, one for all images or one for each.
    ///
    /// # Errors
    /// If the device fails.
    pub fn forward(&self, x: Image, levels: &[usize]) -> Result<Image, TensorReadError> {
        let values: Vec<f32> = levels.iter().map(|&level| (level % self.layers.levels) as f32).collect();
        let told = ToldRows { rows: levels.len(), values: [padded(&values, 1, ROW), Vec::new()] };
        let to = x.dims();
        self.evaluator.evaluate(x, to, &told, 0, &|recorder, rows| self.layers.record(recorder, rows))
    }
}

/// Takes parameters in published order.
struct Builder<'a, 'b, 'c> {
    loader: &'b mut Loader<'a, RefineNetConfig>,
    uploader: Uploader<'c>,
}

impl Builder<'_, '_, '_> {
    fn layers(mut self) -> Result<Layers, WeightsError> {
        let config = self.loader.config;
        let begin = Conv { norm: None, convolution: self.convolution(3, config.channels)? };
        let norm = Some(self.norm()?);
        let end = Conv { norm, convolution: self.convolution(3, config.ngf)? };
        let mut stages = Vec::new();
        for stage in plan::stages(config) {
            let [first, second] = stage.blocks;
            stages.push([self.block(first)?, self.block(second)?]);
        }
        let mut refinements = Vec::new();
        for refine in plan::refinements(config) {
            refinements.push((refine.place, self.refinement(&refine)?));
        }
        refinements.sort_by_key(|(place, _)| *place);
        let refinements = refinements.into_iter().map(|(_, block)| block).collect();
        let size = [config.channels, config.image_size, config.image_size].map(|size| size as u32);
        let levels = if config.conditional { config.num_classes.max(1) } else { 1 };
        Ok(Layers { size, nonlinearity: config.nonlinearity, levels, begin, stages, refinements, end })
    }

    fn convolution(&mut self, side: usize, input: usize) -> Result<Convolution, WeightsError> {
        let pair = self.loader.pair()?;
        Ok(Convolution::new(self.uploader, side, input, Order::OutIn, &pair, true))
    }

    /// Of 3×3, as many channels out as in.
    fn unbiased(&mut self, channels: usize) -> Result<Convolution, WeightsError> {
        let (slot, weight) = self.loader.next()?;
        let pair = Pair { slot, weight: &weight.values, bias: &vec![0.0; channels] };
        Ok(Convolution::new(self.uploader, 3, channels, Order::OutIn, &pair, true))
    }

    fn norm(&mut self) -> Result<NormPlus, WeightsError> {
        Ok(NormPlus::new(self.uploader, &Table::load(self.loader)?))
    }

    /// A norm where the network is conditional.
    fn conditional_norm(&mut self) -> Result<Option<NormPlus>, WeightsError> {
        self.loader.config.conditional.then(|| self.norm()).transpose()
    }

    fn block(&mut self, block: plan::Block) -> Result<ResBlock, WeightsError> {
        let first = self.convolution(3, block.input)?.dilated(block.dilation);
        let between = Some(self.norm()?);
        let second = self.convolution(3, block.inner())?.dilated(block.dilation);
        let side = if block.halves() { 1 } else { 3 };
        let shortcut = block.first.then(|| Ok(self.convolution(side, block.input)?.dilated(block.dilation)));
        let shortcut = shortcut.transpose()?;
        let before = Some(self.norm()?);
        let convs = [Conv { norm: before, convolution: first }, Conv { norm: between, convolution: second }];
        Ok(ResBlock { convs, shortcut, halves: block.halves() })
    }

    fn units(&mut self, count: usize, channels: usize) -> Result<Units, WeightsError> {
        let mut conv = || Ok(Conv { norm: self.conditional_norm()?, convolution: self.unbiased(channels)? });
        let units: Result<_, WeightsError> = (0..count).map(|_| Ok([conv()?, conv()?])).collect();
        Ok(Units(units?))
    }

    fn refinement(&mut self, refine: &plan::Refine) -> Result<RefineBlock, WeightsError> {
        let plan::Refine { input, output, .. } = *refine;
        let fine = self.units(INPUT_UNITS, input)?;
        let coarse = refine.fuses.then(|| self.units(INPUT_UNITS, input)).transpose()?;
        let units = self.units(refine.units, output)?;
        let fusion = match coarse {
            Some(coarse) => {
                let [a, b] = [self.convolution(3, input)?, self.convolution(3, input)?];
                let parts = [(self.conditional_norm()?, a), (self.conditional_norm()?, b)];
                Some((coarse, parts.map(|(norm, convolution)| Conv { norm, convolution })))
            }
            None => None,
        };
        let convolutions: Vec<_> = (0..POOLINGS).map(|_| self.unbiased(output)).collect::<Result<_, _>>()?;
        let with_norm = |convolution| Ok(Conv { norm: self.conditional_norm()?, convolution });
        let poolings = convolutions.into_iter().map(with_norm).collect::<Result<_, WeightsError>>()?;
        let largest = !self.loader.config.conditional;
        Ok(RefineBlock { fine, fusion, poolings, largest, output: units })
    }
}

/// What is the same for all layers of one recording.
struct Walk<'a> {
    recorder: &'a mut Recorder,
    /// The level of each image.
    levels: Slot,
    stride: u32,
    activation: Option<Nonlinearity>,
}

impl Layers {
    fn record(&self, recorder: &mut Recorder, rows: u32) -> Doors {
        let levels = recorder.slot(u64::from(rows) * ROW as u64 * 4);
        let input = recorder.image(self.size);
        let x = enter(recorder, &input, self.size);
        let from = input.place();
        drop(input);
        let told = [Some(levels.place()), None];
        let stride = if rows == 1 { 0 } else { ROW as u32 };
        let mut walk = Walk { recorder, levels, stride, activation: Some(self.nonlinearity) };
        let h = self.walk(&mut walk, &x);
        Doors { input: from, output: leave(walk.recorder, &h).place(), told }
    }

    fn walk(&self, walk: &mut Walk, x: &View) -> View {
        let mut h = self.begin.record(walk, x, None, None);
        let mut of_stages = Vec::new();
        for blocks in &self.stages {
            h = blocks.iter().fold(h, |h, block| block.record(walk, &h));
            of_stages.push(h.clone());
        }
        let mut coarse = None;
        for (refine, fine) in self.refinements.iter().zip(of_stages.into_iter().rev()) {
            h = refine.record(walk, fine, coarse.take());
            coarse = Some(h.clone());
        }
        self.end.record(walk, &h, walk.activation, None)
    }
}

impl Conv {
    /// conv(act(norm(x))) plus the residual.
    fn record(&self, walk: &mut Walk, x: &View, activation: Option<Nonlinearity>, residual: Option<&View>) -> View {
        let affine = self.affine(walk, x);
        let read = Read { x, affine: affine.as_ref(), activation };
        self.convolution.record(walk.recorder, read, Write { residual, ..Write::default() })
    }

    /// What the norm makes of x, where there is one.
    fn affine(&self, walk: &mut Walk, x: &View) -> Option<Slot> {
        let levels = Rows { slot: &walk.levels, first: 0, stride: walk.stride };
        self.norm.as_ref().map(|norm| norm.record(walk.recorder, x, levels))
    }
}

impl ResBlock {
    fn record(&self, walk: &mut Walk, x: &View) -> View {
        let [first, second] = &self.convs;
        let h = first.record(walk, x, walk.activation, None);
        let Some(shortcut) = &self.shortcut else { return second.record(walk, &h, walk.activation, Some(x)) };
        if !self.halves {
            let x = shortcut.record(walk.recorder, Read::plain(x), Write::default());
            return second.record(walk, &h, walk.activation, Some(&x));
        }
        // One pixel's map and the mean of four pixels may change places; the mean first is less work.
        let halving = Resampling::down(None);
        let h = second.record(walk, &h, walk.activation, None);
        let x = halving.record(walk.recorder, Read::plain(x), None, Write::default());
        let x = shortcut.record(walk.recorder, Read::plain(&x), Write::default());
        halving.record(walk.recorder, Read::plain(&h), None, Write { residual: Some(&x), ..Write::default() })
    }
}

impl Units {
    fn record(&self, walk: &mut Walk, x: View) -> View {
        self.0.iter().fold(x, |x, [first, second]| {
            let h = first.record(walk, &x, walk.activation, None);
            second.record(walk, &h, walk.activation, Some(&x))
        })
    }
}

impl RefineBlock {
    /// `fine`: the stage's features; `coarse`: the coarser refinement's, for all but the coarsest.
    fn record(&self, walk: &mut Walk, fine: View, coarse: Option<View>) -> View {
        let h = self.fine.record(walk, fine);
        let h = match (&self.fusion, coarse) {
            (Some((units, parts)), Some(coarse)) => {
                let coarse = units.record(walk, coarse);
                fused(walk, parts, &h, &coarse)
            }
            _ => h,
        };
        let h = self.pooled(walk, &h);
        self.output.record(walk, h)
    }

    /// Chained pooling: x ← act(x) plus each of conv(pool(x)), conv(pool(conv(pool(x)))), …
    fn pooled(&self, walk: &mut Walk, x: &View) -> View {
        let mut sum = activated(walk.recorder, Read { x, affine: None, activation: walk.activation });
        let mut path = sum.clone();
        for (index, pooling) in self.poolings.iter().enumerate() {
            let affine = pooling.affine(walk, &path);
            let read = Read { x: &path, affine: affine.as_ref(), activation: None };
            let pool = window(walk.recorder, read, POOLED, self.largest);
            // The last one is needed only in the sum.
            let is_last = index + 1 == self.poolings.len();
            let residual = is_last.then_some(&sum);
            let write = Write { residual, ..Write::default() };
            path = pooling.convolution.record(walk.recorder, Read::plain(&pool), write);
            sum = if is_last { path.clone() } else { added(walk.recorder, &path, &sum) };
        }
        sum
    }
}

/// The sum of two inputs, each after its own convolution, at the size of the finer one.
fn fused(walk: &mut Walk, [a, b]: &[Conv; 2], fine: &View, coarse: &View) -> View {
    let fine = a.record(walk, fine, None, None);
    if (fine.height, fine.width) == (coarse.height, coarse.width) {
        return b.record(walk, coarse, None, Some(&fine));
    }
    let coarse = b.record(walk, coarse, None, None);
    enlarge(walk.recorder, &coarse, [fine.height, fine.width], Some(&fine))
}

fn added(recorder: &mut Recorder, a: &View, b: &View) -> View {
    let to = recorder.features(a.channels, a.height, a.width);
    combine(recorder, Read::plain(a), Some(b), 1.0, &to);
    to
}
