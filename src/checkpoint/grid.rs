use super::{FileError, write_atomically};
use crate::Pixels;
use crate::sde::Range;
use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, Rgb, RgbImage};
use std::io::Cursor;
use std::path::Path;

/// Pixels between two samples.
const GAP: usize = 2;
/// What lies between the samples: neutral and dark, so that it changes no colour beside it.
const BACKGROUND: Rgb<u8> = Rgb([30, 30, 30]);
/// Longest side of a picture that is written, in pixels.
const MAX_SIDE: usize = 16_384;
const JPEG_QUALITY: u8 = 95;
const WHAT: &str = "a picture that can be written";

/// Writes one sample as a picture (format by extension: PNG, JPEG, WebP, GIF or BMP), enlarged `zoom` times without smoothing.
///
/// # Errors
/// If there is no such sample, the extension is not known, or the file cannot be written.
pub fn write_picture(
    path: &Path,
    pixels: &Pixels<f32>,
    sample: usize,
    range: Range,
    zoom: usize,
) -> Result<(), FileError> {
    let count = pixels.shape[0];
    if sample >= count {
        return Err(FileError::format(path, WHAT, format!("there is no sample {sample} among {count}")));
    }
    let one = pixels.one(sample);
    write_grid(path, &one, range, zoom)
}

/// Writes all samples as one near-square grid with a gap of two pixels.
///
/// # Errors
/// If the extension is not known, the picture would be too large, or the file cannot be written.
pub fn write_grid(path: &Path, pixels: &Pixels<f32>, range: Range, zoom: usize) -> Result<(), FileError> {
    write(path, pixels, range, Tiling::of(pixels.shape, zoom))
}

/// Writes all samples in one row with a gap of two pixels.
///
/// # Errors
/// As for [`write_grid`].
pub fn write_strip(path: &Path, pixels: &Pixels<f32>, range: Range, zoom: usize) -> Result<(), FileError> {
    let tiling = Tiling { columns: pixels.shape[0].max(1), ..Tiling::of(pixels.shape, zoom) };
    write(path, pixels, range, tiling)
}

fn write(path: &Path, pixels: &Pixels<f32>, range: Range, tiling: Tiling) -> Result<(), FileError> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, WebP};
    let format = path.extension().and_then(ImageFormat::from_extension);
    let Some(format @ (Png | Jpeg | Gif | Bmp | WebP)) = format else {
        return Err(FileError::format(path, WHAT, "its name must end in .png, .jpg, .webp, .gif or .bmp"));
    };
    if pixels.values.is_empty() || !tiling.fits() {
        let (width, height) = (tiling.width(), tiling.height());
        return Err(FileError::format(
            path,
            WHAT,
            format!(
                "{width}×{height} pixels are not possible; choose fewer samples or less zoom, up to {MAX_SIDE} a side"
            ),
        ));
    }
    let image = tiling.draw(pixels, range);
    let mut bytes = Cursor::new(Vec::new());
    match format {
        Jpeg => image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)),
        format => image.write_to(&mut bytes, format),
    }
    .map_err(|error| FileError::format(path, WHAT, error.to_string()))?;
    write_atomically(path, |out| out.write_all(bytes.get_ref()))
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

/// Where the samples of a grid lie.
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
        let columns = (1..).find(|columns| columns * columns >= count).unwrap_or(1);
        Tiling { count, columns, sample: (height, width), zoom: zoom.max(1) }
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
