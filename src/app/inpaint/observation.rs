//! What the model is given: the square of the photo at the model's size, and how far each pixel of it is to be trusted.

use super::area::{Area, Regions};
use super::hints::Hints;
use super::mask::Mask;
use crate::checkpoint::shares;
use image::RgbImage;
use std::ops::Range;

/// What a pixel shows of which nothing is known.
const UNKNOWN: f32 = 0.5;

/// The square by area averages, S×S. Only what changed is averaged again.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Side S.
    pub side: usize,
    /// Left, top and side of the square, in pixels of the photo.
    square: [u32; 3],
    /// For each of the S parts of the square's side: its pixels, and their shares.
    parts: Vec<Vec<(usize, f32)>>,
    /// 3×S×S in [0, 1]: the mean of what is known of each pixel's area.
    pub picture: Vec<f32>,
    /// S×S: 1 − coverage. 1 is known, 0 is to be filled.
    pub confidence: Vec<f32>,
    /// S×S: which of them are out of date.
    stale: Vec<bool>,
    /// The hints that it is of.
    hints: Hints,
    /// All of it was averaged at least once.
    pub filled: bool,
}

impl Observation {
    /// Nothing averaged yet: all is out of date.
    pub fn new(side: usize, square: [u32; 3]) -> Observation {
        let parts = (0..side).map(|part| shares(part, square[2] as usize, side)).collect();
        let plane = side * side;
        let (picture, confidence) = (vec![UNKNOWN; 3 * plane], vec![1.0; plane]);
        let (stale, hints) = (vec![true; plane], Hints::default());
        Observation { side, square, parts, picture, confidence, stale, hints, filled: false }
    }

    /// Whether it is of this square at this size.
    pub fn is_of(&self, side: usize, square: [u32; 3]) -> bool {
        (self.side, self.square) == (side, square)
    }

    /// Takes note of what changed in photo or mask.
    pub fn touch(&mut self, changed: &Regions) {
        for area in changed.iter() {
            let [rows, columns] = self.cells(area);
            for row in rows {
                self.stale[row * self.side..][columns.clone()].fill(true);
            }
        }
    }

    /// Takes note of the hints as they are now.
    pub fn touch_hints(&mut self, hints: &Hints) {
        let changed = hints.unlike(&self.hints);
        if !changed.is_empty() {
            self.touch(&changed);
            self.hints = hints.clone();
        }
    }

    /// Averages again what changed, but not many more than `most` pixels of the photo; whether that was all.
    pub fn refresh(&mut self, photo: &RgbImage, mask: &Mask, most: usize) -> bool {
        let plane = self.side * self.side;
        let pixels = (self.square[2] as usize).pow(2) / plane.max(1) + 1;
        let mut left = most / pixels + 1;
        for cell in 0..plane {
            if !self.stale[cell] {
                continue;
            }
            if left == 0 {
                return false;
            }
            left -= 1;
            self.stale[cell] = false;
            let (known, sums) = self.average(photo, mask, cell / self.side, cell % self.side);
            self.confidence[cell] = known.clamp(0.0, 1.0);
            for (channel, sum) in sums.into_iter().enumerate() {
                // Less than half a grey level of one pixel in a thousand is nothing.
                let mean = if known > 1e-6 { sum / known / 255.0 } else { UNKNOWN };
                self.picture[channel * plane + cell] = mean.clamp(0.0, 1.0);
            }
        }
        self.filled = true;
        true
    }

    /// The rows and columns of the model's pixels that an area touches.
    fn cells(&self, area: Area) -> [Range<usize>; 2] {
        let [left, top, side] = self.square.map(|part| part as usize);
        let inside = area.within(Area { left, top, right: left + side, bottom: top + side });
        if inside.is_empty() || side == 0 {
            return [0..0, 0..0];
        }
        let cells = |from: usize, to: usize| from * self.side / side..(to * self.side).div_ceil(side).min(self.side);
        [cells(inside.top - top, inside.bottom - top), cells(inside.left - left, inside.right - left)]
    }

    /// The share of a cell that is known, and the sums of its known channels.
    fn average(&self, photo: &RgbImage, mask: &Mask, row: usize, column: usize) -> (f32, [f32; 3]) {
        let [left, top, _] = self.square.map(|part| part as usize);
        let across = &self.parts[column];
        let (first, last) = (across[0].0, across[across.len() - 1].0);
        let (mut known, mut sums, mut mixed) = (0f32, [0f32; 3], Vec::new());
        for &(y, share) in &self.parts[row] {
            let colours = self.hints.row(photo, top + y, [left + first, left + last + 1], &mut mixed);
            let covered = mask.row(top + y, left + first, left + last + 1);
            let (mut row_known, mut row_sums) = (0f32, [0f32; 3]);
            for ((&(_, part), colour), &coverage) in across.iter().zip(colours.chunks_exact(3)).zip(covered) {
                let weight = part * f32::from(255 - coverage) / 255.0;
                row_known += weight;
                for channel in 0..3 {
                    row_sums[channel] += weight * f32::from(colour[channel]);
                }
            }
            known += share * row_known;
            (0..3).for_each(|channel| sums[channel] += share * row_sums[channel]);
        }
        (known, sums)
    }
}
