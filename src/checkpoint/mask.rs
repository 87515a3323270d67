//! Masks as images: what is white, or opaque in a partly transparent image, is to be filled in.

use super::photo::{decode, fitting};
use super::{FileError, open_file, write_atomically};
use image::imageops::FilterType;
use image::{DynamicImage, ExtendedColorType, GrayImage, ImageEncoder};
use std::io::BufReader;
use std::path::Path;

const WHAT: &str = "a mask for this photo";

/// A mask from a file.
#[derive(Clone, Debug)]
pub struct OpenedMask {
    pub size: [u32; 2],
    /// Coverage, row by row: 255 is to be filled, 0 is kept.
    pub values: Vec<u8>,
    pub notes: Vec<String>,
}

/// Reads a mask for a photo of `size`. Grey and colour pictures: white is to be filled, black is kept. Pictures with
/// transparency: opaque is to be filled, whatever its colour. A mask of another size but the same shape is scaled.
///
/// # Errors
/// If the file cannot be read, is not an image, or has another aspect ratio than the photo.
pub fn read_mask(path: &Path, size: [u32; 2]) -> Result<OpenedMask, FileError> {
    let (file, _) = open_file(path)?;
    let refused = |reason: String| FileError::format(path, WHAT, reason);
    let (mut image, orientation, _) = decode(BufReader::new(file)).map_err(refused)?;
    image.apply_orientation(orientation);
    let mut notes = Vec::new();
    let mut mask = coverage(image, &mut notes);
    let found = [mask.width(), mask.height()];
    if found != size {
        if !same_shape(found, size) {
            return Err(refused(format!(
                "it has {}×{} pixels but the photo has {}×{}; use the photo's size or aspect ratio",
                found[0], found[1], size[0], size[1]
            )));
        }
        mask = image::imageops::resize(&mask, size[0], size[1], FilterType::Triangle);
        notes.push(format!("The mask was scaled from {}×{} pixels to the photo.", found[0], found[1]));
    }
    Ok(OpenedMask { size, values: mask.into_raw(), notes })
}

/// Writes a mask as an 8-bit grey PNG; white is to be filled.
///
/// # Errors
/// If the name does not end in .png or the file cannot be written.
pub fn write_mask(path: &Path, size: [u32; 2], values: &[u8]) -> Result<(), FileError> {
    let is_png = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    if !is_png {
        return Err(FileError::format(path, "a valid mask file", "its name must end in .png"));
    }
    let mut bytes = Vec::new();
    image::codecs::png::PngEncoder::new(&mut bytes)
        .write_image(values, size[0], size[1], ExtendedColorType::L8)
        .map_err(|error| FileError::format(path, "a valid mask file", error.to_string()))?;
    write_atomically(path, |out| out.write_all(&bytes))
}

fn coverage(image: DynamicImage, notes: &mut Vec<String>) -> GrayImage {
    if image.has_alpha() {
        let rgba = image.to_rgba8();
        if rgba.pixels().any(|pixel| pixel.0[3] < 255) {
            notes.push(
                "Opaque parts of the mask are to be filled in; Invert (Ctrl+I) swaps masked and kept areas.".into(),
            );
            return GrayImage::from_fn(rgba.width(), rgba.height(), |x, y| image::Luma([rgba.get_pixel(x, y).0[3]]));
        }
    }
    image.into_luma8()
}

/// Whether one size is the other one scaled, up to rounding.
fn same_shape(a: [u32; 2], b: [u32; 2]) -> bool {
    let (small, large) = if a[0].max(a[1]) < b[0].max(b[1]) { (a, b) } else { (b, a) };
    let scaled = fitting(large[0], large[1], small[0].max(small[1]));
    (0..2).all(|side| scaled[side].abs_diff(small[side]) <= 1)
}
