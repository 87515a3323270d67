//! Features on their way into a convolution: normalised, activated, resampled, and with a margin of zeros.

use super::Context;
use super::clock::Stopwatch;
use super::maps::{Features, Maps};
use super::norm::{Affine, Pixelwise};
use super::resize::{Resize, Resizing};
use super::simd::Lanes;
use crate::network::Nonlinearity;
use crate::network::profile::LayerKind;
use rayon::prelude::*;

/// What a layer reads: features, through what comes before it.
#[derive(Clone, Copy)]
pub(super) struct Read<'a> {
    pub features: &'a Features,
    pub affine: Option<&'a Affine>,
    pub activation: Option<Nonlinearity>,
    pub resize: Option<&'a Resize>,
}

impl<'a> Read<'a> {
    /// The features as they are.
    pub fn plain(features: &'a Features) -> Self {
        Read { features, affine: None, activation: None, resize: None }
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
        let [_, _, width] = self.features.size();
        let pixelwise = |rows: std::ops::Range<usize>, to: &mut [Lanes], pitch: usize| {
            let from = &map[rows.start * width..rows.end * width];
            let affine = self.affine.map(|affine| affine.of(image, block));
            context.isa.run(Pixelwise { from, width, to, pitch, affine, activation: self.activation });
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

/// A sum's other term and its factor.
#[derive(Clone, Copy)]
pub(super) struct Residual<'a> {
    pub maps: &'a Maps,
    pub scale: f32,
}
