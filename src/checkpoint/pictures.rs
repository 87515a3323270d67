use super::photo::on_white;
use super::sources::{MAX_FILE, MAX_PICTURES, Source};
use super::{FileError, ReadProgress};
use crate::luma;
use crate::sde::{Moments, Range};
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage};
use rayon::prelude::*;
use std::io::Cursor;
use std::path::Path;
use std::sync::Mutex;

const WORLDS: &[u8] = include_bytes!("../../assets/worlds.zip");
const PICTURE: &str = "a readable image";
/// Longest side of a picture that is read, in pixels.
const MAX_SIDE: u32 = 16_384;
/// Bytes that decoding one picture may take.
const MAX_DECODED: u64 = 512 << 20;
/// Pictures of more pixels are decoded one at a time.
const LARGE: u64 = 16 << 20;
/// Bytes that a whole set may take.
const MAX_SET: usize = 1 << 30;
/// Pictures and bytes that wait for decoding together.
const BATCH: (usize, usize) = (256, 128 << 20);

/// Pictures of one size.
#[derive(Clone, Debug)]
pub struct PictureSet {
    /// C, H, W (C is 3).
    pub shape: [usize; 3],
    /// N×C×H×W grey levels.
    pub values: Vec<u8>,
    /// A name for each picture: its path inside the folder.
    pub names: Vec<String>,
    /// One sentence for each file that was left out, and why.
    pub warnings: Vec<String>,
}

impl PictureSet {
    /// As a model of grey images sees them: their luma.
    pub fn grey(mut self) -> PictureSet {
        let [channels, height, width] = self.shape;
        let plane = height * width;
        if channels == 3 && plane > 0 {
            let grey = |picture: &[u8]| -> Vec<u8> {
                let level = |channel: usize, place: usize| f32::from(picture[channel * plane + place]);
                (0..plane).map(|place| luma([0, 1, 2].map(|channel| level(channel, place))).round() as u8).collect()
            };
            self.values = self.values.chunks_exact(3 * plane).flat_map(grey).collect();
            self.shape = [1, height, width];
        }
        self
    }
}

/// Reads all pictures in a folder and its subfolders, or in a `.zip` or `.tar`, in order of their
/// names. They are turned as their EXIF orientation says, laid on white where they are
/// transparent, cropped to a square about the centre and resized to `size` (1 to 1024), or where
/// none is given to the first picture's smaller side (at most 64). Files that are no pictures are
/// passed over silently, damaged ones with a warning.
///
/// # Errors
/// If the folder cannot be read or holds no picture at all.
pub fn read_pictures(path: &Path, size: Option<usize>) -> Result<PictureSet, FileError> {
    read_pictures_reported(path, size, &ReadProgress::default())
}

/// The same, reported: whoever hears can end it.
///
/// # Errors
/// [`FileError::Cancelled`], and those of [`read_pictures`].
pub fn read_pictures_reported(
    path: &Path,
    size: Option<usize>,
    progress: &ReadProgress,
) -> Result<PictureSet, FileError> {
    let set = Source::open(path, progress).and_then(|source| gather(source, size, path, progress));
    // Errors of a reader that was cancelled do not matter.
    if progress.is_cancelled() { Err(FileError::Cancelled(path.into())) } else { set }
}

/// One picture file as grey levels, 3×`size`×`size` (1 to 1024), cropped and resized as in [`read_pictures`].
///
/// # Errors
/// If the file cannot be read or is not an image.
pub fn read_picture(path: &Path, size: usize) -> Result<Vec<u8>, FileError> {
    let bytes = super::read_bounded(path, MAX_FILE, PICTURE)?;
    let square = decode_square(&bytes, Some(size.clamp(1, 1024) as u32), &Mutex::new(()))
        .map_err(|reason| FileError::format(path, PICTURE, reason))?;
    let mut planes = Vec::new();
    push_planes(&mut planes, &square);
    Ok(planes)
}

/// The 512 bundled images of Little Worlds, 32×32.
///
/// # Errors
/// Never for the bundled file.
pub fn shipped_worlds() -> Result<PictureSet, FileError> {
    let (path, progress) = (Path::new("worlds.zip"), ReadProgress::default());
    gather(Source::archive(Box::new(Cursor::new(WORLDS)), path, &progress)?, Some(32), path, &progress)
}

/// Mean and mean square over all pixels and channels of a set whose grey levels fill `range`.
pub fn moments(pictures: &PictureSet, range: Range) -> Moments {
    let mut counts = [0u64; 256];
    for &value in &pictures.values {
        counts[usize::from(value)] += 1;
    }
    let (low, high) = range.bounds();
    let total = pictures.values.len().max(1) as f64;
    let mean_of = |power: i32| {
        let value = |level: usize| (low + (high - low) * level as f64 / 255.0).powi(power);
        counts.iter().enumerate().map(|(level, &count)| count as f64 * value(level)).sum::<f64>() / total
    };
    Moments { mean: mean_of(1), mean_square: mean_of(2) }
}

fn gather(
    mut source: Source,
    size: Option<usize>,
    path: &Path,
    progress: &ReadProgress,
) -> Result<PictureSet, FileError> {
    let mut side = size.map(|size| size.clamp(1, 1024) as u32);
    let mut set = PictureSet { shape: [3, 0, 0], values: Vec::new(), names: Vec::new(), warnings: Vec::new() };
    let (large, mut next, mut too_many) = (Mutex::new(()), 0, source.left_out);
    while next < source.len() {
        progress.tell(next as f32 / source.len() as f32).map_err(|source| FileError::read(path, source))?;
        // Until the size is known, one at a time.
        let batch = load_batch(&mut source, &mut next, if side.is_some() { BATCH } else { (1, 0) });
        let squares: Vec<(String, Result<RgbImage, String>)> = batch
            .into_par_iter()
            .map(|(name, bytes)| (name, bytes.and_then(|bytes| decode_square(&bytes, side, &large))))
            .collect();
        for (name, square) in squares {
            match square {
                Ok(square) => {
                    side = side.or(Some(square.width()));
                    let bytes = square.as_raw().len();
                    if set.values.len() + bytes > MAX_SET {
                        too_many += 1;
                        continue;
                    }
                    push_planes(&mut set.values, &square);
                    set.names.push(name);
                }
                Err(reason) => set.warnings.push(format!("{name} is damaged and was skipped: {reason}")),
            }
        }
    }
    if too_many > 0 {
        let most = set.names.len().min(MAX_PICTURES);
        set.warnings.push(format!("{too_many} images beyond the first {most} were skipped: a set cannot be larger"));
    }
    let side = side.unwrap_or(0) as usize;
    set.shape = [3, side, side];
    if set.names.is_empty() { Err(FileError::NoPictures(path.into())) } else { Ok(set) }
}

type Loaded = (String, Result<Vec<u8>, String>);

fn load_batch(source: &mut Source, next: &mut usize, (most, most_bytes): (usize, usize)) -> Vec<Loaded> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while let Some(loaded) = source.load(*next) {
        *next += 1;
        bytes += loaded.1.as_ref().map_or(0, Vec::len);
        batch.push(loaded);
        if batch.len() >= most || bytes >= most_bytes {
            break;
        }
    }
    batch
}

/// Decodes a picture to a square of `side` pixels, or of its own smaller side, at most 64.
fn decode_square(bytes: &[u8], side: Option<u32>, large: &Mutex<()>) -> Result<RgbImage, String> {
    let (image, orientation) = decode(bytes, large).map_err(|error| error.to_string())?;
    let square = centre_square(&image);
    let side = side.unwrap_or(square.width().min(64));
    let mut upright = DynamicImage::ImageRgb8(on_white(square));
    upright.apply_orientation(orientation);
    let same = upright.width() == side;
    Ok(if same { upright } else { upright.resize_exact(side, side, FilterType::Lanczos3) }.into_rgb8())
}

fn decode(bytes: &[u8], large: &Mutex<()>) -> image::ImageResult<(DynamicImage, Orientation)> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED);
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    limits.check_dimensions(width, height)?;
    limits.reserve(decoder.total_bytes())?;
    let orientation = decoder.orientation()?;
    let pixels = u64::from(width) * u64::from(height);
    // A poisoned lock still keeps others waiting, which is all it is for.
    let _alone = (pixels > LARGE).then(|| large.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    Ok((DynamicImage::from_decoder(decoder)?, orientation))
}

fn centre_square(image: &DynamicImage) -> DynamicImage {
    let (width, height) = (image.width(), image.height());
    let side = width.min(height);
    image.crop_imm((width - side) / 2, (height - side) / 2, side, side)
}

/// Appends a picture as three planes.
fn push_planes(values: &mut Vec<u8>, image: &RgbImage) {
    for channel in 0..3 {
        values.extend(image.pixels().map(|pixel| pixel.0[channel]));
    }
}
