use super::{FileError, write_atomically};
use crate::Pixels;
use crate::sde::Range;
use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, Rgb, RgbImage};
use std::io::Cursor;
use std::path::Path;

/// Pixels between two samples.
const GAP: usize = 2;
/// The gap between the samples: neutral and dark, so that it changes no colour beside it.
const BACKGROUND: Rgb<u8> = Rgb([30, 30, 30]);
/// Longest side of a picture that is written, in pixels.
const MAX_SIDE: usize = 16_384;
const JPEG_QUALITY: u8 = 95;
const WHAT: &str = "a valid image file";

/// Writes one sample as a picture (format by extension: PNG, JPEG, WebP, GIF or BMP), enlarged `zoom` times without smoothing.
///
/// # Errors
/// If there is no such sample, the extension is unknown, or the file cannot be written.
pub fn write_picture(
    path: &Path,
    pixels: &Pixels<f32>,
    sample: usize,
    range: Range,
    zoom: usize,
) -> Result<(), FileError> {
    let count = pixels.shape[0];
    if sample >= count {
        return Err(FileError::format(path, WHAT, format!("sample {sample} is out of range; there are {count}")));
    }
    let one = pixels.one(sample);
    write_grid(path, &one, range, zoom)
}

/// Writes all samples as one near-square grid with a gap of two pixels.
///
/// # Errors
/// If the extension is unknown, the picture would be too large, or the file cannot be written.
pub fn write_grid(path: &Path, pixels: &Pixels<f32>, range: Range, zoom: usize) -> Result<(), FileError> {
    write(path, pixels, range, Tiling::of(pixels.shape, zoom))
}

/// Writes all samples in one row with a gap of two pixels.
///
/// # Errors
/// As for [`write_grid`].
pub fn write_strip(path: &Path, pixels: &Pixels<f32>, range: Range, zoom: usize) -> Result<(), FileError> {
    write(path, pixels, range, Tiling::row(pixels.shape, zoom))
}

fn write(path: &Path, pixels: &Pixels<f32>, range: Range, tiling: Tiling) -> Result<(), FileError> {
    if pixels.values.is_empty() || !tiling.fits() {
        let (width, height) = (tiling.width(), tiling.height());
        return Err(FileError::format(
            path,
            WHAT,
            format!(
                "{width}×{height} pixels are out of range; choose fewer samples or less zoom, up to {MAX_SIDE} per side"
            ),
        ));
    }
    write_photo(path, &tiling.draw(pixels, range))
}

/// Writes a picture: format by extension, PNG, JPEG, WebP, GIF or BMP.
///
/// # Errors
/// If the extension is unknown, the picture is too large for its format, or the file cannot be written.
pub fn write_photo(path: &Path, image: &RgbImage) -> Result<(), FileError> {
    let format = written_as(path)?;
    let mut bytes = Cursor::new(Vec::new());
    match format {
        ImageFormat::Jpeg => image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)),
        format => image.write_to(&mut bytes, format),
    }
    .map_err(|error| FileError::format(path, WHAT, error.to_string()))?;
    write_atomically(path, |out| out.write_all(bytes.get_ref()))
}

/// The longest side in pixels that the format of a file to be written can have.
///
/// # Errors
/// If the extension is unknown.
pub fn longest_side(path: &Path) -> Result<usize, FileError> {
    Ok(match written_as(path)? {
        ImageFormat::WebP => 16_383,
        ImageFormat::Jpeg | ImageFormat::Gif => 65_535,
        _ => i32::MAX as usize,
    })
}

fn written_as(path: &Path) -> Result<ImageFormat, FileError> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, WebP};
    match path.extension().and_then(ImageFormat::from_extension) {
        Some(format @ (Png | Jpeg | Gif | Bmp | WebP)) => Ok(format),
        _ => Err(FileError::format(path, WHAT, "its name must end in .png, .jpg, .webp, .gif or .bmp")),
    }
}

/// How the samples of a picture lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// In a near-square grid.
    Grid,
    /// In one row.
    Strip,
}

/// The largest enlargement up to `zoom` at which samples (N, C, H, W) laid out so are at most `longest` and 16,384 pixels
/// wide and high; `None` where they are larger as they are.
pub fn fitting_zoom(shape: [usize; 4], layout: Layout, zoom: usize, longest: usize) -> Option<usize> {
    let tiling = |zoom| match layout {
        Layout::Grid => Tiling::of(shape, zoom),
        Layout::Strip => Tiling::row(shape, zoom),
    };
    let fits = |zoom: &usize| tiling(*zoom).fits() && tiling(*zoom).width().max(tiling(*zoom).height()) <= longest;
    (1..=zoom.max(1)).rev().find(fits)
}

/// All samples as one near-square grid with a gap of two pixels, each enlarged `zoom` times
/// without smoothing. One channel shows as grey; of more than three the first three show.
/// Where the grid would be wider or higher than 16,384 pixels, zoom and then samples are left out.
pub fn grid_image(pixels: &Pixels<f32>, range: Range, zoom: usize) -> RgbImage {
    let mut tiling = Tiling::of(pixels.shape, zoom);
    while !tiling.fits() && (tiling.zoom > 1 || tiling.count > 1) {
        tiling = if tiling.zoom > 1 {
            Tiling { zoom: tiling.zoom / 2, ..tiling }
        } else {
            Tiling::of([tiling.count / 2, 0, tiling.sample.0, tiling.sample.1], 1)
        };
    }
    if tiling.fits() { tiling.draw(pixels, range) } else { RgbImage::from_pixel(1, 1, BACKGROUND) }
}

/// The layout of the samples in a grid.
#[derive(Clone, Copy)]
struct Tiling {
    count: usize,
    columns: usize,
    /// Height and width of one sample before it is enlarged.
    sample: (usize, usize),
    zoom: usize,
}

impl Tiling {
    fn of([count, _, height, width]: [usize; 4], zoom: usize) -> Self {
        let columns = count.isqrt() + usize::from(count.isqrt().pow(2) < count);
        let columns = columns.max(1);
        Tiling { count, columns, sample: (height, width), zoom: zoom.max(1) }
    }

    /// All in one row.
    fn row(shape: [usize; 4], zoom: usize) -> Self {
        Tiling { columns: shape[0].max(1), ..Tiling::of(shape, zoom) }
    }

    fn rows(self) -> usize {
        self.count.div_ceil(self.columns)
    }

    fn height(self) -> usize {
        side(self.rows(), self.sample.0, self.zoom)
    }

    fn width(self) -> usize {
        side(self.columns, self.sample.1, self.zoom)
    }

    fn fits(self) -> bool {
        (1..=MAX_SIDE).contains(&self.height()) && (1..=MAX_SIDE).contains(&self.width())
    }

    fn draw(self, pixels: &Pixels<f32>, range: Range) -> RgbImage {
        let mut image = RgbImage::from_pixel(self.width() as u32, self.height() as u32, BACKGROUND);
        let (height, width) = self.sample;
        for index in 0..self.count {
            let values = pixels.sample(index);
            let top = (index / self.columns) * (height * self.zoom + GAP);
            let left = (index % self.columns) * (width * self.zoom + GAP);
            for y in 0..height * self.zoom {
                for x in 0..width * self.zoom {
                    let place = (y / self.zoom) * width + x / self.zoom;
                    let colour = colour(values, place, height * width, range);
                    image.put_pixel((left + x) as u32, (top + y) as u32, colour);
                }
            }
        }
        image
    }
}

fn side(samples: usize, size: usize, zoom: usize) -> usize {
    samples.saturating_mul(size.saturating_mul(zoom).saturating_add(GAP)).saturating_sub(GAP)
}

/// The colour at a place of a sample of C planes.
fn colour(values: &[f32], place: usize, plane: usize, range: Range) -> Rgb<u8> {
    let level = |channel: usize| values.get(channel * plane + place).map(|&value| to_byte(value, range));
    let first = level(0).unwrap_or(0);
    let is_grey = values.len() == plane;
    Rgb([
        first,
        if is_grey { first } else { level(1).unwrap_or(0) },
        if is_grey { first } else { level(2).unwrap_or(0) },
    ])
}

/// The grey level, 0 to 255, of a value in `range`: rounded, clamped, 0 for NaN.
fn to_byte(value: f32, range: Range) -> u8 {
    let (low, high) = range.bounds();
    let unit = (f64::from(value) - low) / (high - low);
    (unit * 255.0).round() as u8
}
