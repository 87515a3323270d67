//! The walk through a RefineNet on the host's own memory.

mod blocks;
mod build;
mod gradient;

use super::evaluator::{Evaluator, is_heavy};
use super::gradients::Gradients;
use super::kernels::Purpose;
use super::maps::{Features, Maps};
use super::two_way::{self, Kept, Lost, TwoWay};
use super::{Context, tracked};
use crate::Image;
use crate::network::AtOutput;
use crate::network::layers::Loader;
use crate::network::refinenet::{RefineNetConfig, plan};
use crate::network::{Nonlinearity, WeightsError};
use blocks::{Between, Conv, RefineBlock, ResBlock};
use build::Builder;
use burn::tensor::TensorReadError;
use gradient::Walk;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

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
    differentiable: bool,
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
    ///
    /// On a device that keeps gradients it is loaded for these, too.
    pub fn load(loader: &mut Loader<RefineNetConfig>, parameters: usize) -> Result<Self, WeightsError> {
        let config = loader.config;
        let mut build = Builder {
            side: config.image_size,
            purpose: Purpose { heavy: is_heavy(parameters), gradients: loader.device.is_autodiff() },
            loader,
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
        let differentiable = build.purpose.gradients;
        let (evaluator, nonlinearity) = (Evaluator::new(config.ngf, parameters), config.nonlinearity);
        Ok(RefineNet { evaluator, nonlinearity, begin, stages, refinements, end, differentiable })
    }

    /// The output for images in [−1, 1] and levels, one for all images or one for each. See [`tracked::forward`] for
    /// where it can be differentiated.
    pub fn forward(self: &Arc<Self>, x: Image, levels: Vec<usize>) -> Result<Image, TensorReadError> {
        tracked::forward(self, x, levels)
    }

    /// The gradients of a loss by all parameters, which have these sizes, for images, N×C×H×W, and a level for each.
    /// `None` where the network was not loaded for gradients.
    pub fn gradients(
        &self,
        x: &[f32],
        dims: [usize; 4],
        levels: &Vec<usize>,
        at_output: AtOutput,
        sizes: &[usize],
    ) -> Option<Vec<Vec<f32>>> {
        Some(two_way::gradients(self, x, dims, levels, at_output)?.published(sizes))
    }

    fn evaluation<'a>(&self, context: &'a Context<'a>, levels: &'a [usize]) -> Evaluation<'a> {
        Evaluation { context, levels, nonlinearity: self.nonlinearity }
    }
}

impl TwoWay for RefineNet {
    /// A level for all images or one for each.
    type Given = Vec<usize>;

    fn evaluator(&self) -> &Evaluator {
        &self.evaluator
    }

    fn is_differentiable(&self) -> bool {
        self.differentiable
    }

    fn given_of(levels: &Vec<usize>, images: Range<usize>) -> Vec<usize> {
        levels.get(images).unwrap_or(levels).to_vec()
    }

    fn forwards(&self, context: &Context, x: Maps, levels: &Vec<usize>, keep: &mut dyn FnMut(&Features)) -> Features {
        let at = self.evaluation(context, levels);
        let mut h = self.begin.run(at, &x.into(), Between::default(), None, keep);
        let mut of_stages = Vec::new();
        for blocks in &self.stages {
            h = blocks.iter().fold(h, |h, block| block.run(at, &h, keep));
            of_stages.push(h.clone());
        }
        let mut coarse = None;
        for (refine, fine) in self.refinements.iter().zip(of_stages.into_iter().rev()) {
            h = refine.run(at, &fine, coarse.as_ref(), keep);
            coarse = Some(h.clone());
        }
        self.end.run(at, &h, Between::activation(at), None, keep)
    }

    fn backwards<'n>(
        &'n self,
        context: &Context,
        levels: &Vec<usize>,
        kept: Kept,
        gradient: Maps,
        found: Option<&RefCell<Gradients<'n>>>,
    ) -> Result<Option<Maps>, Lost> {
        let mut walk = Walk { at: self.evaluation(context, levels), kept, found };
        self.walk_back(&mut walk, gradient).map(Some).ok_or(Lost)
    }
}
