//! Residual blocks and self-attention.

use super::dropout::Mask;
use super::layers::{Conv, Linear, Loader, Norm, activate};
use super::plan::{Block, Direction, Shortcut};
use super::profile::{LayerKind, timed};
use super::resample::Resampler;
use super::{Nonlinearity, WeightsError};
use crate::Image;
use burn::tensor::{Tensor, TensorData, activation::softmax};
use std::f64::consts::FRAC_1_SQRT_2;

/// A sum of two branches, scaled by 1/√2 if `rescale` so that its variance stays.
pub(super) fn residual(x: Image, h: Image, rescale: bool) -> Image {
    if rescale { (x + h) * FRAC_1_SQRT_2 } else { x + h }
}

/// A residual block of DDPM or BigGAN.
#[derive(Debug)]
pub(super) struct ResBlock {
    norms: [Norm; 2],
    convs: [Conv; 2],
    level: Option<Linear>,
    shortcut: Option<Conv>,
    resample: Option<(Resampler, Direction)>,
    nonlinearity: Nonlinearity,
    rescale: bool,
    /// The level scales and shifts; else it is added.
    scale_shift: bool,
}

impl ResBlock {
    pub fn load(loader: &mut Loader, block: Block, resampler: &Resampler) -> Result<Self, WeightsError> {
        let config = loader.config;
        let norm = Norm::load(loader)?;
        let conv = Conv::load(loader)?;
        let level = if block.told { Some(Linear::load(loader)?) } else { None };
        let norms = [norm, Norm::load(loader)?];
        let convs = [conv, Conv::load(loader)?];
        let shortcut = match block.shortcut(config.resblock_type) {
            Some(Shortcut::Nin) => Some(Conv::load_nin(loader)?),
            Some(Shortcut::Convolution) => Some(Conv::load(loader)?),
            None => None,
        };
        let resample = block.resample.map(|direction| (resampler.clone(), direction));
        let (nonlinearity, rescale) = (config.nonlinearity, config.skip_rescale);
        let scale_shift = config.variant.scale_shift;
        Ok(ResBlock { norms, convs, level, shortcut, resample, nonlinearity, rescale, scale_shift })
    }

    /// `embedding`: the activated embedding of the noise level, one row or one for each sample.
    pub fn forward(&self, x: Image, embedding: Option<&Tensor<2>>, masks: Masks) -> Image {
        let h = self.norms[0].activated(x.clone(), None, self.nonlinearity);
        let (x, h) = match &self.resample {
            Some((resampler, direction)) => (resampler.resample(x, *direction), resampler.resample(h, *direction)),
            None => (x, h),
        };
        let level = embedding.zip(self.level.as_ref()).map(|(embedding, level)| level.forward(embedding.clone()));
        let h = self.convs[0].forward(h);
        let h = match level {
            Some(level) if self.scale_shift => activate(modulated(self.norms[1].forward(h), level), self.nonlinearity),
            level => self.norms[1].activated(h, level, self.nonlinearity),
        };
        let h = self.convs[1].forward(masked(h, masks));
        let x = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x,
        };
        residual(x, h, self.rescale)
    }
}

/// The mask of an image, if values are dropped.
pub(super) type Masks<'a> = &'a dyn Fn(usize) -> Option<Mask>;

/// h times the mask of each image.
fn masked(h: Image, masks: Masks) -> Image {
    let [n, c, height, width] = h.dims();
    let each = (c * height * width) as u32;
    let Some(masks) = (0..n).map(masks).collect::<Option<Vec<Mask>>>() else { return h };
    let factors: Vec<f32> = masks.into_iter().flat_map(|mask| (0..each).map(move |place| mask.of(place))).collect();
    let device = h.device();
    h * Tensor::from_data(TensorData::new(factors, [n, c, height, width]), &device)
}

/// h·(1 + scale) + shift, with a row of scales and shifts for all samples or for each.
fn modulated(h: Image, level: Tensor<2>) -> Image {
    let [n, both] = level.dims();
    let part = |first: usize| level.clone().narrow(1, first, both / 2).reshape([n, both / 2, 1, 1]);
    h * (part(0) + 1.0) + part(both / 2)
}

/// Self-attention over all pixels.
#[derive(Debug)]
pub(super) struct Attention {
    norm: Norm,
    heads: usize,
    /// Query (scaled by the head's width^−½), key and value in one map, C → 3C.
    qkv: Conv,
    out: Conv,
    rescale: bool,
}

impl Attention {
    pub fn load(loader: &mut Loader) -> Result<Self, WeightsError> {
        let norm = Norm::load(loader)?;
        let (q, k, v) = (Conv::load_nin(loader)?, Conv::load_nin(loader)?, Conv::load_nin(loader)?);
        let channels = q.bias.dims()[0];
        let width = loader.config.head_width(channels);
        let (heads, scale) = (channels / width, (width as f64).powf(-0.5));
        let weight = Tensor::cat(vec![q.weight * scale, k.weight, v.weight], 0);
        let qkv = Conv::new(weight, Tensor::cat(vec![q.bias * scale, k.bias, v.bias], 0));
        Ok(Attention { norm, heads, qkv, out: Conv::load_nin(loader)?, rescale: loader.config.skip_rescale })
    }

    pub fn forward(&self, x: Image) -> Image {
        timed(LayerKind::Attention, || self.attend(x))
    }

    fn attend(&self, x: Image) -> Image {
        let [n, c, h, w] = x.dims();
        let qkv = self.qkv.forward(self.norm.forward(x.clone())).reshape([n, 3, c, h * w]);
        let shape = [n * self.heads, c / self.heads, h * w];
        let part = |index: usize| qkv.clone().slice([0..n, index..index + 1]).reshape(shape);
        let scores = part(0).transpose().matmul(part(1));
        let mixed = part(2).matmul(softmax(scores, 2).transpose()).reshape([n, c, h, w]);
        residual(x, self.out.forward(mixed), self.rescale)
    }
}
