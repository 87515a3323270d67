//! A layer over a photo, as a PNG with transparency.

use super::photo::{Decoded, decode};
use super::{FileError, open_file, write_atomically};
use image::{ExtendedColorType, ImageEncoder};
use std::io::BufReader;
use std::path::Path;

const WHAT: &str = "a layer of this photo";

/// Reads a layer over a photo of `size` (width and height): RGBA, row by row, as it was written.
///
/// # Errors
/// If the file cannot be read, is not an image, or has another size.
pub fn read_layer(path: &Path, size: [u32; 2]) -> Result<Vec<u8>, FileError> {
    let (file, length) = open_file(path)?;
    let refused = |reason: String| FileError::format(path, WHAT, reason);
    let Decoded { image, room: _room, .. } = decode(BufReader::new(file), length).map_err(refused)?;
    let found = [image.width(), image.height()];
    if found != size {
        let ([width, height], [photo_width, photo_height]) = (found, size);
        let sizes = format!("it has {width}×{height} pixels but the photo has {photo_width}×{photo_height}");
        return Err(refused(format!("{sizes}; use the photo's size")));
    }
    Ok(image.into_rgba8().into_raw())
}

/// Writes a layer of `size`: RGBA, row by row.
///
/// # Errors
/// If there are too few or too many values, or the file cannot be written.
pub fn write_layer(path: &Path, size: [u32; 2], values: &[u8]) -> Result<(), FileError> {
    let refused = |reason: String| FileError::format(path, "a valid layer file", reason);
    if values.len() as u64 != 4 * u64::from(size[0]) * u64::from(size[1]) {
        return Err(refused(format!("{} values are not {}×{} pixels of four", values.len(), size[0], size[1])));
    }
    let mut bytes = Vec::new();
    image::codecs::png::PngEncoder::new(&mut bytes)
        .write_image(values, size[0], size[1], ExtendedColorType::Rgba8)
        .map_err(|error| refused(error.to_string()))?;
    write_atomically(path, |out| out.write_all(&bytes))
}
