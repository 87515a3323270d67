//! A model's picture laid in a photo: enlarged by Lanczos, only where the mask is, with a soft edge.

use super::Pixels;
use super::filter::{feather, painted};
use image::RgbImage;
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

/// Softness of an edge, as a share of a pixel of the model.
const EDGE: f32 = 0.15;
/// Lobes of the Lanczos kernel.
const LOBES: f32 = 3.0;

/// Where in a photo a model's square picture goes.
#[derive(Clone, Debug)]
pub struct Inlay {
    /// Width and height of the mask, in whose pixels the square is given; the photo may be larger.
    size: [usize; 2],
    /// How far each pixel is replaced, row by row: 255 is wholly.
    mask: Arc<Vec<u8>>,
    /// Left, top and side of the square that the model saw.
    square: [u32; 3],
    /// Standard deviation of the soft edge, in pixels of the mask.
    pub edge: f32,
    /// How far each pixel is replaced, the soft edge included: worked out once for all samples.
    alpha: OnceLock<Vec<u8>>,
}

impl Inlay {
    /// Only where a mask of this size is, with a soft edge about it. The model sees `side` pixels a side of the square.
    pub fn masked(size: [usize; 2], mask: Arc<Vec<u8>>, square: [u32; 3], side: usize) -> Inlay {
        Inlay { size, mask, square, edge: EDGE * square[2] as f32 / side.max(1) as f32, alpha: OnceLock::new() }
    }

    /// The whole square.
    pub fn whole(size: [usize; 2], square: [u32; 3]) -> Inlay {
        let [left, top, side] = square.map(|part| part as usize);
        let mut mask = vec![0; size[0] * size[1]];
        for row in mask.chunks_exact_mut(size[0].max(1)).skip(top).take(side) {
            row.iter_mut().skip(left).take(side).for_each(|value| *value = 255);
        }
        Inlay { size, mask: Arc::new(mask), square, edge: 0.0, alpha: OnceLock::new() }
    }

    /// The same over the whole square.
    #[must_use]
    pub fn widened(&self) -> Inlay {
        Inlay::whole(self.size, self.square)
    }

    /// Lays one sample of `fill` (N×C×S×S in [0, 1]) in a photo of the mask's shape. Takes a while.
    ///
    /// # Errors
    /// One sentence, where there is no such sample or it is no square picture.
    pub fn lay(&self, photo: &mut RgbImage, fill: &Pixels<f32>, sample: usize) -> Result<(), String> {
        let [_, channels, height, width] = fill.shape;
        let values = fill.sample(sample);
        if values.is_empty() || height != width || channels == 0 {
            return Err("the sample is not a square image; fill in again".into());
        }
        let (alpha, size) = (self.alpha.get_or_init(|| self.alpha()), self.size);
        let scale = photo.width() as f32 / size[0].max(1) as f32;
        let [left, top, side] = self.square.map(|part| (part as f32 * scale).round() as usize);
        let right = (left + side).min(photo.width() as usize);
        let rows = enlarged_rows(values, [channels, width], side);
        let line = 3 * photo.width() as usize;
        photo.par_chunks_exact_mut(line).enumerate().skip(top).take(side).for_each(|(y, pixels)| {
            let at_y = (y as f32 + 0.5) / scale - 0.5;
            let alphas: Vec<f32> =
                (left..right).map(|x| bilinear(alpha, size, [(x as f32 + 0.5) / scale - 0.5, at_y])).collect();
            if alphas.iter().all(|&alpha| alpha == 0.0) {
                return;
            }
            let filled = enlarged_row(&rows, width, side, y - top);
            let pixels = pixels[3 * left..3 * right].chunks_exact_mut(3);
            for (place, (pixel, alpha)) in pixels.zip(alphas).enumerate() {
                for (channel, level) in pixel.iter_mut().enumerate() {
                    let fill = 255.0 * filled[channel.min(channels - 1)][place].clamp(0.0, 1.0);
                    *level = (f32::from(*level) + alpha * (fill - f32::from(*level))).round() as u8;
                }
            }
        });
        Ok(())
    }

    /// How far each pixel is replaced: fully where it is painted, and beyond the edge by twice the feathered mask, which
    /// is 1 on a straight edge and falls to 0 outside.
    fn alpha(&self) -> Vec<u8> {
        if painted(self.size, &self.mask).is_empty() {
            return vec![0; self.mask.len()];
        }
        if self.edge <= 0.0 {
            return self.mask.to_vec();
        }
        let mut alpha = feather(self.size, &self.mask, self.edge);
        let soft = alpha.par_iter_mut().zip(self.mask.par_iter());
        soft.for_each(|(alpha, &painted)| *alpha = alpha.saturating_mul(2).max(painted));
        alpha
    }
}

/// The value of an 8-bit picture between its pixels, 0 to 1.
fn bilinear(values: &[u8], [width, height]: [usize; 2], [x, y]: [f32; 2]) -> f32 {
    let (x, y) = (x.clamp(0.0, width as f32 - 1.0), y.clamp(0.0, height as f32 - 1.0));
    let (left, top) = (x as usize, y as usize);
    let (right, below) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
    let at = |x: usize, y: usize| f32::from(values[y * width + x]) / 255.0;
    let mix = |a: f32, b: f32, part: f32| a + part * (b - a);
    let (part_x, part_y) = (x - left as f32, y - top as f32);
    mix(mix(at(left, top), at(right, top), part_x), mix(at(left, below), at(right, below), part_x), part_y)
}

/// The kernel: sinc windowed by a wider sinc.
fn lanczos(x: f32) -> f32 {
    let sinc = |x: f32| if x == 0.0 { 1.0 } else { (std::f32::consts::PI * x).sin() / (std::f32::consts::PI * x) };
    if x.abs() < LOBES { sinc(x) * sinc(x / LOBES) } else { 0.0 }
}

/// The `small` pixels that make up place `index` of `large`, with weights that sum to 1. At the edge the outermost
/// pixel goes on.
fn taps(index: usize, small: usize, large: usize) -> Vec<(usize, f32)> {
    let centre = (index as f32 + 0.5) * small as f32 / large as f32 - 0.5;
    // Shrinking widens the kernel, so that every pixel counts.
    let wide = (small as f32 / large as f32).max(1.0);
    let first = (centre - LOBES * wide).ceil() as isize;
    let last = (centre + LOBES * wide).floor() as isize;
    let weigh = |place: isize| lanczos((place as f32 - centre) / wide);
    let sum: f32 = (first..=last).map(weigh).sum();
    let inside = |place: isize| place.clamp(0, small as isize - 1) as usize;
    (first..=last).map(|place| (inside(place), weigh(place) / sum)).collect()
}

/// Every row of every channel of a C×S×S picture, `side` pixels wide.
fn enlarged_rows(values: &[f32], [channels, small]: [usize; 2], side: usize) -> Vec<Vec<Vec<f32>>> {
    let columns: Vec<_> = (0..side).map(|x| taps(x, small, side)).collect();
    let enlarge = |row: &[f32]| columns.iter().map(|taps| taps.iter().map(|&(x, w)| w * row[x]).sum()).collect();
    values
        .chunks_exact(small * small)
        .take(channels)
        .map(|plane| plane.chunks_exact(small).map(enlarge).collect())
        .collect()
}

/// Row `y` of the enlarged picture, for every channel.
fn enlarged_row(rows: &[Vec<Vec<f32>>], small: usize, side: usize, y: usize) -> Vec<Vec<f32>> {
    let taps = taps(y, small, side);
    let channel = |rows: &Vec<Vec<f32>>| {
        let mut sum = vec![0f32; side];
        for &(row, weight) in &taps {
            sum.iter_mut().zip(&rows[row]).for_each(|(sum, value)| *sum += weight * value);
        }
        sum
    };
    rows.iter().map(channel).collect()
}
