//! The walk through a diffusion transformer on the host's own memory: tokens are pixels, whose maps are products' rows.

mod block;
mod gate;
mod modulation;
mod norm;

use super::attention::Heads;
use super::embedding::Embedder;
use super::evaluator::Evaluator;
use super::gemm::blocks_of;
use super::gradients::Gradients;
use super::kernels::Purpose;
use super::linear::{Linear, Rows};
use super::maps::{Features, Maps};
use super::pointwise::{Order, Origin, Pointwise, Row};
use super::read::Residual;
use super::resize::{Sum, add};
use super::simd::Lanes;
use super::table::Table;
use super::two_way::{self, Kept, Lost, TwoWay};
use super::{Context, tracked};
use crate::Image;
use crate::network::labels::Told;
use crate::network::layers::{Loader, Pair};
use crate::network::{AtOutput, DitConfig, Nonlinearity, WeightsError};
use block::Block;
use burn::tensor::TensorReadError;
use modulation::{Half, Modulation, Modulator, pixels, rows};
use norm::normalized;
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

/// A diffusion transformer on the CPU, for images in patches.
#[derive(Debug)]
pub(in crate::network) struct Dit {
    evaluator: Evaluator,
    embedder: Embedder,
    patches: Pointwise,
    /// What is told of a token's place: for each sixteen of channels, a row for each token.
    positions: Vec<Lanes>,
    blocks: Vec<Block>,
    last: Pointwise,
    last_told: Modulator,
    differentiable: bool,
}

/// What is the same for all blocks of one evaluation of some images.
#[derive(Clone, Copy)]
struct Evaluation<'a> {
    context: &'a Context<'a>,
    /// As [`pixels`].
    embedding: &'a Features,
}

impl Dit {
    /// Takes all parameters, of which there are so many.
    ///
    /// On a device that keeps gradients it is loaded for these, too.
    pub fn load(loader: &mut Loader<DitConfig>, parameters: usize) -> Result<Self, WeightsError> {
        let (config, channels) = (loader.config, loader.config.hidden_size);
        let purpose = Purpose { gradients: loader.device.is_autodiff(), ..Purpose::default() };
        let patches = pointwise(loader, config.patch(), purpose)?;
        let level = [Linear::new(loader.pair()?, purpose), Linear::new(loader.pair()?, purpose)];
        let blocks = (0..config.depth).map(|_| block(loader, purpose)).collect::<Result<_, _>>()?;
        let Pair { slot, weight, bias } = loader.pair()?;
        let last = Pointwise::new(&[weight, bias], of_patches(slot, config), purpose);
        let last_told = Modulator::load(loader, channels, 2, purpose)?;
        let table = match config.classes.clone() {
            Some(classes) => Some(Table::load(loader, classes)?),
            None => None,
        };
        let (positions, tokens) = (config.positions(), config.side() * config.side());
        Ok(Dit {
            evaluator: Evaluator::new(config.mlp_width.max(3 * channels), parameters),
            embedder: Embedder { layers: level, table, nonlinearity: Nonlinearity::Swish },
            patches,
            positions: blocks_of(tokens, channels, |token, channel| positions[token * channels + channel]),
            blocks,
            last,
            last_told,
            differentiable: purpose.gradients,
        })
    }

    /// The output for images in patches. See [`tracked::forward`] for where it can be differentiated.
    pub fn forward(self: &Arc<Self>, x: Image, told: Told) -> Result<Image, TensorReadError> {
        let [_, embedding] = self.embedder.embed(&self.evaluator.context(), told).activated;
        tracked::forward(self, x, embedding)
    }

    /// The gradients of a loss by all parameters, which have these sizes, for images in patches, of each of which something
    /// is told. `None` where the network was not loaded for gradients.
    pub fn gradients(
        &self,
        x: &[f32],
        dims: [usize; 4],
        told: Told,
        at_output: AtOutput,
        sizes: &[usize],
    ) -> Option<Vec<Vec<f32>>> {
        let context = self.evaluator.context();
        let embedding = self.embedder.embed(&context, told);
        let mut gradients = two_way::gradients(self, x, dims, &embedding.activated[1], at_output)?;
        embedding.back(&context, &mut gradients);
        Some(gradients.published(sizes))
    }

    /// Tokens of patches, and of their places.
    fn tokens(&self, context: &Context, x: &Features) -> Maps {
        let mut tokens = self.patches.run(context, x, None);
        let (area, blocks) = (tokens.area(), tokens.blocks());
        tokens.lanes.par_chunks_mut(area).enumerate().for_each(|(index, out)| {
            let added = Some(&self.positions[index % blocks * area..][..area]);
            context.isa.run(Sum { bias: &Lanes::default(), added, scale: 1.0, out });
        });
        tokens
    }
}

/// An affine map of tokens of so many channels.
fn pointwise(loader: &mut Loader<DitConfig>, inputs: usize, purpose: Purpose) -> Result<Pointwise, WeightsError> {
    let Pair { slot, weight, bias } = loader.pair()?;
    Ok(Pointwise::new(&[weight, bias], Origin::whole(slot, Order::OutIn, &[inputs], bias.len(), 1.0), purpose))
}

fn block(loader: &mut Loader<DitConfig>, purpose: Purpose) -> Result<Block, WeightsError> {
    let (config, channels) = (loader.config, loader.config.hidden_size);
    let heads = Heads { count: config.num_heads, width: channels / config.num_heads.max(1) };
    let Pair { slot, weight, bias } = loader.pair()?;
    let outputs = heads.rows(|part, channel| [0, part * channels + channel]);
    let of_qkv = Origin { outputs, ..Origin::whole(slot, Order::OutIn, &[channels], 0, 1.0) };
    let qkv = Pointwise::new(&[weight, bias], of_qkv, purpose);
    let Pair { slot, weight, bias } = loader.pair()?;
    let of_out = Origin { inputs: heads.places(), ..Origin::whole(slot, Order::OutIn, &[], channels, 1.0) };
    let out = Pointwise::new(&[weight, bias], of_out, purpose);
    let perceptron = [pointwise(loader, channels, purpose)?, pointwise(loader, config.mlp_width, purpose)?];
    Ok(Block { told: Modulator::load(loader, channels, 6, purpose)?, heads, qkv, out, perceptron })
}

/// The values of a patch, pixel by pixel in published order, as planes.
fn of_patches(slot: usize, config: &DitConfig) -> Origin {
    let (pixels, channels) = (config.patch_size * config.patch_size, config.num_channels);
    let row = |plane: usize| Row { weight: 0, output: plane % pixels * channels + plane / pixels, scale: 1.0 };
    let outputs = (0..config.patch()).map(|plane| Some(row(plane))).collect();
    Origin { outputs, ..Origin::whole(slot, Order::OutIn, &[config.hidden_size], 0, 1.0) }
}

impl TwoWay for Dit {
    /// The activated embedding of noise level and class, a row for all images or one for each.
    type Given = Rows;

    fn evaluator(&self) -> &Evaluator {
        &self.evaluator
    }

    fn is_differentiable(&self) -> bool {
        self.differentiable
    }

    fn given_of(embedding: &Rows, images: Range<usize>) -> Rows {
        embedding.of(images)
    }

    /// Keeps the patches, what each block keeps, and what comes to the last layer.
    fn forwards(&self, context: &Context, x: Maps, embedding: &Rows, keep: &mut dyn FnMut(&Features)) -> Features {
        let at = Evaluation { context, embedding: &pixels(context, embedding) };
        let x = Features::from(x);
        keep(&x);
        let tokens = self.tokens(context, &x).into();
        let h = self.blocks.iter().fold(tokens, |h, block| block.run(at, &h, keep));
        keep(&h);
        let told = self.last_told.run(context, at.embedding);
        let h = normalized(context, &h, told.half(0));
        self.last.run(context, &h.into(), None).into()
    }

    fn backwards<'n>(
        &'n self,
        context: &Context,
        embedding: &Rows,
        kept: Kept,
        gradient: Maps,
        found: Option<&RefCell<Gradients<'n>>>,
    ) -> Result<Option<Maps>, Lost> {
        let at = Evaluation { context, embedding: &pixels(context, embedding) };
        let mut walk = Walk { at, kept, found, of_embedding: None };
        self.walk_back(&mut walk, gradient).ok_or(Lost)
    }
}

/// One walk back, for some images. Each layer finds what it kept on the way forwards last of all that is left.
struct Walk<'a, 'n> {
    at: Evaluation<'a>,
    kept: Kept,
    /// Where gradients of parameters go, if they are wanted.
    found: Option<&'a RefCell<Gradients<'n>>>,
    /// The gradient of the embedding so far, if they are.
    of_embedding: Option<Maps>,
}

impl Dit {
    /// To the gradient of the images, if those of parameters are not wanted.
    fn walk_back<'n>(&'n self, walk: &mut Walk<'_, 'n>, gradient: Maps) -> Option<Option<Maps>> {
        let context = walk.at.context;
        let h = walk.kept.pop()?;
        let told = self.last_told.run(context, walk.at.embedding);
        let mut of_told = told.zeros(context);
        let gradient = walk.normalized(&self.last, &h, told.half(0), gradient, None, &mut of_told)?;
        walk.told(&self.last_told, of_told)?;
        drop(h);
        let gradient = self.blocks.iter().rev().try_fold(gradient, |gradient, block| block.back(walk, gradient))?;
        let (x, gradient) = (walk.kept.pop()?, Features::from(gradient));
        let Some(found) = walk.found else {
            return Some(Some(self.patches.transposed()?.run(context, &gradient, None)));
        };
        let found = &mut *found.borrow_mut();
        self.patches.record(context, &x, &gradient, found);
        found.of_levels = walk.of_embedding.as_ref().map(rows).unwrap_or_default();
        Some(None)
    }
}

impl<'n> Walk<'_, 'n> {
    /// Records gradients of parameters, where they are wanted.
    fn record(&self, record: impl FnOnce(&mut Gradients<'n>)) {
        if let Some(found) = self.found {
            record(&mut found.borrow_mut());
        }
    }

    /// Back through map(norm(x)), plus the residual.
    fn normalized(
        &self,
        map: &'n Pointwise,
        x: &Features,
        told: Half,
        slopes: Maps,
        residual: Option<Maps>,
        of_told: &mut Modulation,
    ) -> Option<Maps> {
        let (context, slopes) = (self.at.context, Features::from(slopes));
        let back = map.transposed()?.run(context, &slopes, None);
        self.record(|into| map.record(context, &normalized(context, x, told).into(), &slopes, into));
        Some(norm::back(context, x, told, back, residual.as_ref(), of_told))
    }

    /// Back through what was told to the embedding, where gradients are wanted.
    fn told(&mut self, of: &'n Modulator, gradient: Modulation) -> Option<()> {
        let (context, Some(found)) = (self.at.context, self.found) else { return Some(()) };
        let back = of.back(context, self.at.embedding, gradient, &mut found.borrow_mut())?;
        match &mut self.of_embedding {
            Some(sum) => add(context, sum, Residual { maps: &back, scale: 1.0 }),
            None => self.of_embedding = Some(back),
        }
        Some(())
    }
}
