use super::photo::{Decoded, MAX_FILE, WHAT, decode, on_white};
use super::sources::{MAX_PICTURES, Source, UNREADABLE};
use super::tally::Tally;
use super::{FileError, ReadProgress, central_square};
use crate::luma;
use crate::sde::{Moments, Range};
use crate::task::ModelRef;
use image::imageops::FilterType;
use image::{DynamicImage, ImageReader, RgbImage};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

const WORLDS: &[u8] = include_bytes!("../../assets/worlds.zip");
/// Largest size of a set that is given none.
const LARGEST_SIZE: u32 = 64;
/// Bytes that a whole set may take.
const MAX_SET: usize = 1 << 30;
/// Pictures and bytes that wait for decoding together.
const BATCH: (usize, usize) = (256, 128 << 20);
/// Pixels of them for each thread, so that the reading can be ended about once a second.
const PIXELS: u64 = 16 << 20;

const NO_IMAGE: [&str; 2] = ["cannot be read as an image and was skipped", "cannot be read as images and were skipped"];

/// Pictures of one size.
#[derive(Clone, Debug)]
pub struct PictureSet {
    /// C, H, W (C is 3).
    pub shape: [usize; 3],
    /// N×C×H×W grey levels.
    pub values: Vec<u8>,
    /// A name for each picture: its path inside the folder.
    pub names: Vec<String>,
    /// One sentence for each kind of files that were left out, or are not as they are in the file.
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
/// transparent, cropped to a square about the centre and resized to `size` (1 to 1024). Where none
/// is given, the size is the smaller side (at most 64) that most of the pictures have, and those of
/// less than half that size are left out. Files that are no pictures are passed over silently; what
/// looks like a picture and is left out is counted by kind among the warnings.
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

/// One picture file as grey levels, 3×`size`×`size` (1 to 1024), cropped and resized as in [`read_pictures`], and one
/// sentence for each thing that is not as it is in the file.
///
/// # Errors
/// If the file cannot be read or is not an image.
pub fn read_picture(path: &Path, size: usize) -> Result<(Vec<u8>, Vec<String>), FileError> {
    let bytes = super::read_bounded(path, MAX_FILE, WHAT)?;
    let square = decode_square(&bytes, Some(size.clamp(1, 1024) as u32))
        .map_err(|reason| FileError::format(path, WHAT, reason))?;
    let mut planes = Vec::new();
    push_planes(&mut planes, &square.image);
    let mut notes = square.notes;
    notes.extend((square.own < square.image.width()).then(|| {
        let (own, side) = (square.own, square.image.width());
        format!("It is enlarged from {own}×{own} to {side}×{side} pixels.")
    }));
    Ok((planes, notes))
}

/// The 512 bundled images of Little Worlds, 32×32.
///
/// # Errors
/// Never for the bundled file.
pub fn shipped_worlds() -> Result<PictureSet, FileError> {
    let (path, progress) = (Path::new("worlds.zip"), ReadProgress::default());
    gather(Source::archive(Box::new(Cursor::new(WORLDS)), path, &progress)?, Some(32), path, &progress)
}

/// The images of the model `exact:FOLDER`: of a folder or archive, or those that ship.
///
/// # Errors
/// Those of [`read_pictures_reported`].
pub fn pictures_of(folder: &Path, progress: &ReadProgress) -> Result<PictureSet, FileError> {
    match folder == Path::new(ModelRef::WORLDS) {
        true => shipped_worlds(),
        false => read_pictures_reported(folder, None, progress),
    }
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
    let ended = |source| FileError::read(path, source);
    let mut tally = std::mem::take(&mut source.left_out);
    let size = size.map(|size| size.clamp(1, 1024) as u32);
    let all: Vec<usize> = (0..source.len()).collect();
    let (mut found, left) = decode_all(&mut source, &all, size, &mut tally, progress).map_err(ended)?;
    let mut beyond = source.beyond + left;
    let side = size.unwrap_or_else(|| usual(found.iter().map(Found::side)));
    // What is larger is made anew now that the size is known, so that nothing is resized twice.
    let larger: Vec<usize> = found.iter().filter(|found| found.side() > side).map(|found| found.index).collect();
    found.retain(|found| found.side() <= side);
    found.extend(decode_all(&mut source, &larger, Some(side), &mut tally, progress).map_err(ended)?.0);
    found.sort_by_key(|found| found.index);
    let [small, enlarged] = [("less than half of", " and was skipped", " and were skipped"), ("enlarged to", "", "")]
        .map(|(what, one, many)| {
            [format!("is {what} {side}×{side} pixels{one}"), format!("are {what} {side}×{side} pixels{many}")]
        });
    let said = |said: &[String; 2], tally: &mut Tally, name: &str| tally.add([&said[0], &said[1]], name, "");
    let side = side as usize;
    let mut set = PictureSet { shape: [3, side, side], values: Vec::new(), names: Vec::new(), warnings: Vec::new() };
    for Found { name, square, .. } in found {
        let own = square.own as usize;
        if size.is_none() && 2 * own < side {
            said(&small, &mut tally, &name);
            continue;
        }
        if set.values.len() + 3 * side * side > MAX_SET {
            beyond += 1;
            continue;
        }
        if own < side {
            said(&enlarged, &mut tally, &name);
        }
        square.notes.iter().for_each(|note| tally.note(note, &name));
        push_planes(&mut set.values, &resized(square.image, side as u32));
        set.names.push(name);
    }
    set.warnings = tally.lines();
    if beyond > 0 {
        let most = set.names.len().min(MAX_PICTURES);
        set.warnings.push(format!("{beyond} images beyond the first {most} were skipped: a set cannot be larger"));
    }
    if set.names.is_empty() {
        let why = set.warnings.first().map_or(String::new(), |line| format!(": {line}"));
        return Err(FileError::NoPictures { path: path.into(), why });
    }
    Ok(set)
}

/// The most frequent side; among equally frequent ones that in the middle. 0 where there is none.
fn usual(sides: impl Iterator<Item = u32>) -> u32 {
    let mut counts = BTreeMap::new();
    sides.for_each(|side| *counts.entry(side).or_insert(0usize) += 1);
    let most = counts.values().copied().max().unwrap_or(0);
    let frequent: Vec<u32> = counts.into_iter().filter(|(_, count)| *count == most).map(|(side, _)| side).collect();
    frequent.get(frequent.len() / 2).copied().unwrap_or(0)
}

/// A picture of a source.
struct Found {
    index: usize,
    name: String,
    square: Square,
}

impl Found {
    fn side(&self) -> u32 {
        self.square.image.width()
    }
}

/// Decodes these pictures of a source, as [`decode_square`] does, until a set is full; and how many are left then.
fn decode_all(
    source: &mut Source,
    indices: &[usize],
    side: Option<u32>,
    tally: &mut Tally,
    progress: &ReadProgress,
) -> std::io::Result<(Vec<Found>, usize)> {
    let (mut all, mut bytes, mut left) = (Vec::new(), 0, indices);
    while !left.is_empty() && bytes <= MAX_SET {
        let batch = load_batch(source, &mut left, &|left| progress.tell(1.0 - left as f32 / indices.len() as f32))?;
        let squares: Vec<_> = batch
            .into_par_iter()
            .map(|(index, (name, bytes))| (index, name, bytes.map(|bytes| decode_square(&bytes, side))))
            .collect();
        for (index, name, square) in squares {
            match square {
                Ok(Ok(square)) => {
                    bytes += square.image.as_raw().len();
                    all.push(Found { index, name, square });
                }
                Ok(Err(reason)) => tally.add(NO_IMAGE, &name, &reason),
                Err(reason) => tally.add(UNREADABLE, &name, &reason),
            }
        }
    }
    Ok((all, left.len()))
}

type Loaded = (String, Result<Vec<u8>, String>);

/// The files of the next pictures, which are no longer left. `tell` is told how many are, and may end it.
fn load_batch(
    source: &mut Source,
    left: &mut &[usize],
    tell: &dyn Fn(usize) -> std::io::Result<()>,
) -> std::io::Result<Vec<(usize, Loaded)>> {
    let (mut batch, mut bytes, mut pixels) = (Vec::new(), 0, 0);
    let most = PIXELS * rayon::current_num_threads() as u64;
    while let Some((&index, rest)) = left.split_first() {
        tell(left.len())?;
        *left = rest;
        let Some(loaded) = source.load(index) else { continue };
        if let Ok(file) = &loaded.1 {
            bytes += file.len();
            pixels += claimed_pixels(file);
        }
        batch.push((index, loaded));
        if batch.len() >= BATCH.0 || bytes >= BATCH.1 || pixels >= most {
            break;
        }
    }
    Ok(batch)
}

/// What the header of a picture file says. A picture that cannot be read has none.
fn claimed_pixels(file: &[u8]) -> u64 {
    let size = ImageReader::new(Cursor::new(file)).with_guessed_format().ok().and_then(|it| it.into_dimensions().ok());
    size.map_or(0, |(width, height)| u64::from(width) * u64::from(height))
}

/// The middle of a picture, upright, on white.
struct Square {
    image: RgbImage,
    /// Side in the file.
    own: u32,
    notes: Vec<String>,
}

fn resized(image: RgbImage, side: u32) -> RgbImage {
    if image.width() == side {
        return image;
    }
    DynamicImage::ImageRgb8(image).resize_exact(side, side, FilterType::Lanczos3).into_rgb8()
}

/// Decodes a picture to a square of `side` pixels; where none is given, of its own smaller side, at most 64.
fn decode_square(bytes: &[u8], side: Option<u32>) -> Result<Square, String> {
    let Decoded { image, orientation, notes, room: _room, .. } = decode(Cursor::new(bytes), bytes.len() as u64)?;
    let [left, top, own] = central_square(image.width(), image.height());
    let square = image.crop_imm(left, top, own, own);
    drop(image);
    let mut upright = DynamicImage::ImageRgb8(on_white(square));
    upright.apply_orientation(orientation);
    let image = resized(upright.into_rgb8(), side.unwrap_or(own.min(LARGEST_SIZE)));
    Ok(Square { image, own, notes })
}

/// Appends a picture as three planes.
fn push_planes(values: &mut Vec<u8>, image: &RgbImage) {
    for channel in 0..3 {
        values.extend(image.pixels().map(|pixel| pixel.0[channel]));
    }
}
