//! Sets whose files hold grey levels as they are.

use super::picture_set::{Classes, PictureSet};
use super::pictures::{LARGEST_SIZE, push_planes, resized};
use super::{SetOptions, central_square};
use image::{RgbImage, imageops};
use rayon::prelude::*;

/// Bytes that a whole set may take.
pub(super) const MAX_SET: usize = 1 << 30;

/// Pictures as they are in a file.
pub(super) struct Levels {
    /// C (1 or 3), H, W.
    pub shape: [usize; 3],
    /// N×C×H×W.
    pub values: Vec<u8>,
    /// What the pictures are called, before their numbers.
    pub name: String,
    pub classes: Option<Classes>,
    pub warnings: Vec<String>,
}

impl Levels {
    /// As a set: the central squares at the size that is asked for, or at their own, which is at most 64.
    pub fn into_set(self, options: &SetOptions) -> Result<PictureSet, String> {
        let Levels { shape: [channels, height, width], values, name, classes, warnings } = self;
        let own = height.min(width);
        let side = options.size.map_or(own.min(LARGEST_SIZE as usize), |size| size.clamp(1, 1024));
        let (plane, count) = (height * width, values.len() / (channels * height * width).max(1));
        let needed = count.saturating_mul(3 * side * side);
        let values = if (height, width) == (side, side) {
            values
        } else if needed > MAX_SET {
            return Err(format!(
                "its {count} images of {side}×{side} pixels take {needed} bytes, more than the limit of {MAX_SET}; \
                 choose a smaller size"
            ));
        } else {
            let at = |picture: &[u8]| {
                let pixel = |x: u32, y: u32, channel: usize| {
                    let place = y as usize * width + x as usize;
                    picture.get(channel.min(channels - 1) * plane + place).copied().unwrap_or_default()
                };
                let colours = |x, y| image::Rgb([0, 1, 2].map(|channel| pixel(x, y, channel)));
                let image = RgbImage::from_fn(width as u32, height as u32, colours);
                let [left, top, own] = central_square(width as u32, height as u32);
                let square = imageops::crop_imm(&image, left, top, own, own).to_image();
                let mut planes = Vec::with_capacity(3 * side * side);
                push_planes(&mut planes, &resized(square, side as u32));
                planes.truncate(channels * side * side);
                planes
            };
            let pictures: Vec<Vec<u8>> = values.par_chunks_exact(channels * plane).map(at).collect();
            pictures.concat()
        };
        let mut warnings = warnings;
        if own < side {
            warnings.push(format!("{count} images are enlarged from {own}×{own} to {side}×{side} pixels"));
        }
        let names = (0..count).map(|number| format!("{name}/{number}")).collect();
        let set = PictureSet { shape: [channels, side, side], values, names, classes, warnings };
        Ok(set.with_channels(options.channels))
    }
}
