//! Masks as images: what is white, or transparent in a partly transparent image, is to be filled in.

use super::photo::{Decoded, decode, fitting};
use super::{FileError, open_file, write_atomically};
use image::imageops::FilterType;
use image::{DynamicImage, ExtendedColorType, GrayImage, ImageEncoder, ImageFormat, Luma};
use std::io::BufReader;
use std::path::Path;

const WHAT: &str = "a mask for this photo";
/// In lossy formats, levels this near to black or white are meant to be that. Masks of lines and discs in black and white
/// come at most 39 away from there out of JPEG at quality 75 with subsampled colours, 35 out of WebP at quality 50.
const NOISE: u8 = 40;
/// A mask that is nowhere brighter was hardly meant so, nor an opacity that leaves out nowhere more.
const FAINT: u8 = 32;

/// A mask from a file.
#[derive(Clone, Debug)]
pub struct OpenedMask {
    pub size: [u32; 2],
    /// Coverage, row by row: 255 is to be filled, 0 is kept.
    pub values: Vec<u8>,
    pub notes: Vec<String>,
    /// Where its largest value is so small that it was hardly meant so: that, and what to do, which is a note too.
    pub faint: Option<String>,
}

/// Reads a mask for a photo of `size`. Pictures with a part that is visibly transparent: transparent is to be filled,
/// opaque is kept, whatever its colour. Others: white is to be filled, black is kept. A mask of another size but the same shape is
/// scaled.
///
/// # Errors
/// If the file cannot be read, is not an image, or has another aspect ratio than the photo.
pub fn read_mask(path: &Path, size: [u32; 2]) -> Result<OpenedMask, FileError> {
    let (file, length) = open_file(path)?;
    let refused = |reason: String| FileError::format(path, WHAT, reason);
    let decoded = decode(BufReader::new(file), length).map_err(refused)?;
    let Decoded { mut image, format, orientation, room: _room, .. } = decoded;
    image.apply_orientation(orientation);
    let mut notes = Vec::new();
    // Sixteen bits hold values that eight round to 0.
    let fine = image.color().bytes_per_pixel() / image.color().channel_count() > 1;
    let fine = fine.then(|| image.to_luma16().iter().copied().max().unwrap_or(0));
    let mut mask = coverage(image, &mut notes);
    if matches!(format, Some(ImageFormat::Jpeg | ImageFormat::WebP)) {
        mask.pixels_mut().for_each(|Luma([level])| *level = without_noise(*level));
    }
    let brightest = mask.iter().copied().max().unwrap_or(0);
    let (value, most) = fine.map_or((brightest.into(), u8::MAX.into()), |value| (value, u16::MAX));
    let faint = (brightest < FAINT && value > 0).then(|| {
        let depth = if fine.is_some() { " in 8 bits" } else { "" };
        format!(
            "The mask's largest value is {value} of {most}, which keeps almost everything; if its values are 0 and \
             {value}, save it with 0 and 255{depth}."
        )
    });
    notes.extend(faint.clone());
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
    Ok(OpenedMask { size, values: mask.into_raw(), notes, faint })
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
        let clear = GrayImage::from_fn(rgba.width(), rgba.height(), |x, y| Luma([255 - rgba.get_pixel(x, y).0[3]]));
        if clear.iter().any(|&level| level >= FAINT) {
            notes.push("Transparent parts of the mask are to be filled in; invert it if the opaque ones are.".into());
            return clear;
        }
    }
    image.into_luma8()
}

fn without_noise(level: u8) -> u8 {
    match level {
        ..NOISE => 0,
        level if level > 255 - NOISE => 255,
        level => level,
    }
}

/// Whether one size is the other one scaled, up to rounding.
fn same_shape(a: [u32; 2], b: [u32; 2]) -> bool {
    let (small, large) = if a[0].max(a[1]) < b[0].max(b[1]) { (a, b) } else { (b, a) };
    let scaled = fitting(large[0], large[1], small[0].max(small[1]));
    (0..2).all(|side| scaled[side].abs_diff(small[side]) <= 1)
}
