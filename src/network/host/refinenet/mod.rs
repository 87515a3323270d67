//! The walk through a RefineNet on the host's own memory.

mod blocks;
mod build;

use super::evaluator::{Evaluator, is_heavy};
use super::kernels::Purpose;
use super::maps::Features;
use super::{Context, on_values};
use crate::Image;
use crate::network::layers::Loader;
use crate::network::refinenet::{RefineNetConfig, plan};
use crate::network::{Nonlinearity, WeightsError};
use blocks::{Between, Conv, RefineBlock, ResBlock};
use build::Builder;
use burn::tensor::TensorReadError;

/// A published `ncsn` or `ncsnv2` network on the CPU.
#[derive(Debug)]
pub(in crate::network) struct RefineNet {
    evaluator: Evaluator,
    nonlinearity: Nonlinearity,
    begin: Conv,
    /// Two blocks each, from the highest resolution.
    stages: Vec<[ResBlock; 2]>,
    /// From the lowest resolution.
    refinements: Vec<RefineBlock>,
    end: Conv,
}

/// What is the same for all layers of one evaluation of some images.
#[derive(Clone, Copy)]
struct Evaluation<'a> {
    context: &'a Context<'a>,
    /// The noise levels, one for all images or one for each.
    levels: &'a [usize],
    nonlinearity: Nonlinearity,
}

impl RefineNet {
    /// Takes all parameters, of which there are so many.
    pub fn load(loader: &mut Loader<RefineNetConfig>, parameters: usize) -> Result<Self, WeightsError> {
        let config = loader.config;
        let mut build = Builder {
            loader,
            side: config.image_size,
            purpose: Purpose { heavy: is_heavy(parameters), gradients: false },
        };
        let begin = Conv { norm: None, convolution: build.convolution(config.channels, 1)? };
        let norm = Some(build.norm()?);
        let end = Conv { norm, convolution: build.convolution(config.ngf, 1)? };
        let (mut stages, mut sides) = (Vec::new(), Vec::new());
        for stage in plan::stages(config) {
            let [first, second] = stage.blocks;
            stages.push([build.res_block(first)?, build.res_block(second)?]);
            sides.push(build.side);
        }
        sides.reverse();
        let mut refinements = Vec::new();
        for refine in plan::refinements(config) {
            refinements.push((refine.place, build.refine_block(&refine, &sides)?));
        }
        refinements.sort_by_key(|(place, _)| *place);
        let refinements = refinements.into_iter().map(|(_, block)| block).collect();
        let (evaluator, nonlinearity) = (Evaluator::new(config.ngf, parameters), config.nonlinearity);
        Ok(RefineNet { evaluator, nonlinearity, begin, stages, refinements, end })
    }

    /// The output for images in [−1, 1] and levels, one for all images or one for each.
    pub fn forward(&self, x: Image, levels: &[usize]) -> Result<Image, TensorReadError> {
        on_values(
            x,
            |dims| dims,
            |x, dims| {
                let (size, group) = (dims.iter().skip(1).product(), self.evaluator.group(dims));
                self.evaluator.evaluate(x, dims, size, group, |context, x, images| {
                    let levels = levels.get(images).unwrap_or(levels);
                    self.images(Evaluation { context, levels, nonlinearity: self.nonlinearity }, &x.into())
                })
            },
        )
    }

    /// The output for some images.
    fn images(&self, at: Evaluation, x: &Features) -> Features {
        let mut h = self.begin.run(at, x, Between::default(), None);
        let mut kept = Vec::new();
        for blocks in &self.stages {
            h = blocks.iter().fold(h, |h, block| block.run(at, &h));
            kept.push(h.clone());
        }
        let mut coarse = None;
        for (refine, fine) in self.refinements.iter().zip(kept.into_iter().rev()) {
            h = refine.run(at, &fine, coarse.as_ref());
            coarse = Some(h.clone());
        }
        self.end.run(at, &h, Between::activation(at), None)
    }
}
