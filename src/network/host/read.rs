//! Features on their way into a convolution: normalised, activated, resampled, and with a margin of zeros.

use super::Context;
use super::clock::Stopwatch;
use super::maps::{Features, Maps};
use super::norm::{Affine, Pixelwise};
use super::resize::{Resize, Resizing};
use super::simd::{Kernel, Lanes, Simd};
use crate::network::Nonlinearity;
use crate::network::dropout::Mask;
use crate::network::profile::LayerKind;
use rayon::prelude::*;

/// What a layer reads: features, through what comes before it.
#[derive(Clone, Copy)]
pub(super) struct Read<'a> {
    pub features: &'a Features,
    pub affine: Option<&'a Affine>,
    pub activation: Option<Nonlinearity>,
    pub resize: Option<&'a Resize>,
    /// Of each image, for what is activated; there are none but of features in one part.
    pub masks: &'a [Mask],
}

impl<'a> Read<'a> {
    /// The features as they are.
    pub fn plain(features: &'a Features) -> Self {
        Read { features, affine: None, activation: None, resize: None, masks: &[] }
    }

    /// Images, height and width.
    pub fn size(&self) -> [usize; 3] {
        let [images, height, width] = self.features.size();
        self.resize.map_or([images, height, width], |resize| [images, resize.height(), resize.width()])
    }

    /// Writes the rows from `first` − 1 on of a map to `to`, which has rows of `pitch` with one more place on the left.
    pub fn padded(
        &self,
        context: &Context,
        [image, block]: [usize; 2],
        map: &[Lanes],
        first: usize,
        pitch: usize,
        to: &mut [Lanes],
    ) {
        let mut stopwatch = context.stopwatch();
        let [_, height, width] = self.size();
        let rows = to.len() / pitch;
        // Rows of the image among those asked for.
        let (above, end) = (usize::from(first == 0), height.min(first + rows - 1));
        let start = first + above - 1;
        let inside = end.saturating_sub(start);
        for (index, row) in to.chunks_mut(pitch).enumerate() {
            let margin = if (above..above + inside).contains(&index) { 1 + width } else { 0 };
            row[..1].fill(Lanes::default());
            row[margin..].fill(Lanes::default());
        }
        let to = &mut to[(above * pitch + 1).min(rows * pitch)..];
        self.rows(context, &mut stopwatch, [image, block], map, start..start + inside, pitch, to);
    }

    /// Writes all of a map.
    pub fn whole(&self, context: &Context, place: [usize; 2], map: &[Lanes], to: &mut [Lanes]) {
        let [_, height, width] = self.size();
        self.rows(context, &mut context.stopwatch(), place, map, 0..height, width, to);
    }

    /// All that is read, in one part in the places of the features' parts.
    pub fn all(&self, context: &Context) -> Maps {
        let [images, height, width] = self.size();
        let blocks = self.features.blocks();
        let channels = match &self.features.0[..] {
            [part] => part.maps.channels,
            _ => blocks * Lanes::WIDTH,
        };
        let mut out = Maps::new(context.pool, images, channels, height, width);
        out.lanes.par_chunks_mut((height * width).max(1)).enumerate().for_each(|(index, to)| {
            let (image, block) = (index / blocks, index % blocks);
            if let Some(map) = self.features.map(image, block) {
                self.whole(context, [image, block], map, to);
            }
        });
        out
    }

    /// Writes these rows of a map.
    #[allow(clippy::too_many_arguments)]
    fn rows(
        &self,
        context: &Context,
        stopwatch: &mut Stopwatch,
        [image, block]: [usize; 2],
        map: &[Lanes],
        rows: std::ops::Range<usize>,
        pitch: usize,
        to: &mut [Lanes],
    ) {
        let [_, height, width] = self.features.size();
        let area = height * width;
        let pixelwise = |rows: std::ops::Range<usize>, to: &mut [Lanes], pitch: usize| {
            let from = &map[rows.start * width..rows.end * width];
            let affine = self.affine.map(|affine| affine.of(image, block));
            context.isa.run(Pixelwise { from, width, to, pitch, affine, activation: self.activation });
            if let Some(&mask) = self.masks.get(image) {
                let first = block * Lanes::WIDTH * area + rows.start * width;
                context.isa.run(Masked { mask, first, area, width, rows: rows.len(), to, pitch });
            }
        };
        let Some(resize) = self.resize else {
            pixelwise(rows, to, pitch);
            return stopwatch.lap(LayerKind::Normalisation);
        };
        let source = resize.rows_for(rows.clone());
        let mut activated = context.pool.take(source.len() * width);
        pixelwise(source.clone(), &mut activated, width);
        stopwatch.lap(LayerKind::Normalisation);
        let mut line = context.pool.take(width);
        let line = &mut line;
        context.isa.run(Resizing { resize, from: &activated, first: source.start, rows, line, to, pitch });
        stopwatch.lap(LayerKind::Resampling);
    }
}

/// Maps times the mask of each image, if there are any.
pub(super) fn masked(context: &Context, maps: &mut Maps, masks: &[Mask]) {
    let (blocks, area, width, rows) = (maps.blocks(), maps.area(), maps.width, maps.height);
    maps.lanes.par_chunks_mut(area).enumerate().for_each(|(index, to)| {
        let (image, block) = (index / blocks, index % blocks);
        if let Some(&mask) = masks.get(image) {
            let first = block * Lanes::WIDTH * area;
            context.isa.run(Masked { mask, first, area, width, rows, to, pitch: width });
        }
    });
}

/// Rows of a map times a mask.
struct Masked<'a> {
    mask: Mask,
    /// The place of the first value of the first row.
    first: usize,
    /// From channel to channel.
    area: usize,
    width: usize,
    rows: usize,
    to: &'a mut [Lanes],
    pitch: usize,
}

impl Kernel for Masked<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (row, to) in self.to.chunks_mut(self.pitch).take(self.rows).enumerate() {
            for (x, to) in to.iter_mut().take(self.width).enumerate() {
                let place = self.first + row * self.width + x;
                let factors = Lanes(std::array::from_fn(|lane| self.mask.of((place + lane * self.area) as u32)));
                simd.store(to, simd.mul(simd.load(to), simd.load(&factors)));
            }
        }
    }
}

/// A sum's other term and its factor.
#[derive(Clone, Copy)]
pub(super) struct Residual<'a> {
    pub maps: &'a Maps,
    pub scale: f32,
}
