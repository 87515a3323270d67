//! A fill laid back on the photo: enlarged by Lanczos, only where the mask is, with a soft edge.

use super::filter::{feather, painted};
use super::hints::Hints;
use super::mask::Mask;
use crate::Pixels;
use crate::checkpoint::read_photo;
use image::RgbImage;
use rayon::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;

/// Lobes of the Lanczos kernel.
const LOBES: f32 = 3.0;

/// All that a fill needs to become a photo; made on the window's thread, run on another.
#[derive(Clone, Debug)]
pub struct Paste {
    pub photo: Arc<RgbImage>,
    /// Stay as they are painted where the fill does not reach.
    pub hints: Hints,
    /// The file to take the photo from at its full size, where it is painted on at less.
    pub full: Option<PathBuf>,
    pub mask: Mask,
    /// Left, top and side of the square that the model saw.
    pub square: [u32; 3],
    /// Standard deviation of the soft edge, in pixels of the mask.
    pub edge: f32,
}

impl Paste {
    /// The fill replaces the whole square, whatever is painted.
    pub fn cover_square(&mut self) {
        let [left, top, side] = self.square.map(|part| part as usize);
        let size = self.mask.size();
        self.mask = Mask::new(size);
        for y in top..(top + side).min(size[1]) {
            self.mask.row_mut(y, left, (left + side).min(size[0])).fill(255);
        }
        self.edge = 0.0;
    }

    /// The photo at full size with one sample of `fill` (N×C×S×S in [0, 1]) where it was painted. Takes a while: not
    /// for the window's thread.
    ///
    /// # Errors
    /// One sentence, where the photo cannot be read again or the fill is no square picture.
    pub fn run(&self, fill: &Pixels<f32>, sample: usize) -> Result<RgbImage, String> {
        let [_, channels, height, width] = fill.shape;
        let values = fill.sample(sample);
        if values.is_empty() || height != width || channels == 0 {
            return Err("the sample is not a square image; fill in again".into());
        }
        let mut photo = match &self.full {
            None => (*self.photo).clone(),
            Some(path) => read_photo(path, u32::MAX).map_err(|error| error.to_string())?.image,
        };
        self.hints.lay_on(&mut photo);
        let alpha = self.alpha();
        let size = self.mask.size();
        let scale = photo.width() as f32 / size[0].max(1) as f32;
        let [left, top, side] = self.square.map(|part| (part as f32 * scale).round() as usize);
        let right = (left + side).min(photo.width() as usize);
        let rows = enlarged_rows(values, [channels, width], side);
        let line = 3 * photo.width() as usize;
        photo.par_chunks_exact_mut(line).enumerate().skip(top).take(side).for_each(|(y, pixels)| {
            let at_y = (y as f32 + 0.5) / scale - 0.5;
            let alphas: Vec<f32> =
                (left..right).map(|x| bilinear(&alpha, size, [(x as f32 + 0.5) / scale - 0.5, at_y])).collect();
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
        Ok(photo)
    }

    /// How far the fill replaces each pixel: fully where it is painted, and beyond the edge by twice the feathered
    /// mask, which is 1 on a straight edge and falls to 0 outside.
    fn alpha(&self) -> Vec<u8> {
        let values = self.mask.values();
        if painted(self.mask.size(), values).is_empty() {
            return vec![0; values.len()];
        }
        if self.edge <= 0.0 {
            return values.to_vec();
        }
        let mut alpha = feather(self.mask.size(), values, self.edge);
        let soft = alpha.par_iter_mut().zip(values.par_iter());
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
