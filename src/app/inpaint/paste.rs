//! A fill laid back on the photo that it is of, at its full size.

use super::hints::Hints;
use crate::Pixels;
use crate::checkpoint::read_photo;
use crate::pixels::Inlay;
use image::RgbImage;
use std::path::PathBuf;
use std::sync::Arc;

/// All that a fill needs to become a photo; made on the window's thread, run on another.
#[derive(Clone, Debug)]
pub struct Paste {
    pub photo: Arc<RgbImage>,
    /// Stay as they are painted where the fill does not reach.
    pub hints: Hints,
    /// The file to take the photo from at its full size, where it is painted on at less.
    pub full: Option<PathBuf>,
    /// Where the fill goes.
    pub inlay: Inlay,
}

impl Paste {
    /// The photo at full size with one sample of `fill` (N×C×S×S in [0, 1]) where it was painted. Takes a while: not
    /// for the window's thread.
    ///
    /// # Errors
    /// One sentence, where the photo cannot be read again or the fill is no square picture.
    pub fn run(&self, fill: &Pixels<f32>, sample: usize) -> Result<RgbImage, String> {
        let mut photo = match &self.full {
            None => (*self.photo).clone(),
            Some(path) => read_photo(path, u32::MAX).map_err(|error| error.to_string())?.image,
        };
        self.hints.lay_on(&mut photo);
        self.inlay.lay(&mut photo, fill, sample)?;
        Ok(photo)
    }
}
