use super::classes::{self, List};
use super::levels::{Levels, MAX_SET};
use super::photo::{Decoded, MAX_FILE, WHAT, decode, on_white};
use super::picture_set::PictureSet;
use super::sources::{Part, Source, UNREADABLE};
use super::tally::Tally;
use super::{FileError, ReadProgress, central_square, cifar, gzip, idx, numpy};
use crate::task::ModelRef;
use image::imageops::FilterType;
use image::{DynamicImage, ImageReader, RgbImage};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

const WORLDS: &[u8] = include_bytes!("../../assets/worlds.zip");
/// Largest size of a set that is given none.
pub(super) const LARGEST_SIZE: u32 = 64;
/// More pictures than an exact score may have, which would take hours.
const MAX_EXACT: usize = 65_536;
/// More pictures than any set may have: those of 8×8 pixels that fill its memory.
const MAX_PICTURES: usize = MAX_SET / 192;
pub(super) const SET: &str = "a readable set of images";
/// Pictures and bytes that wait for decoding together.
const BATCH: (usize, usize) = (256, 128 << 20);
/// Pixels of them for each thread, so that the reading can be ended about once a second.
const PIXELS: u64 = 16 << 20;

pub(super) const NO_IMAGE: [&str; 2] =
    ["cannot be read as an image and was skipped", "cannot be read as images and were skipped"];

/// What of a set is read, and as what.
#[derive(Clone, Debug)]
pub struct SetOptions {
    /// Width and height, 1 to 1024. Where none is given, it is the smaller side (at most 64) that most of the pictures
    /// have, and those of less than half that size are left out.
    pub size: Option<usize>,
    /// 1 (luma) or 3. Where none are given, a set has one channel if all its pictures are grey.
    pub channels: Option<usize>,
    /// Of a set that is divided: CIFAR, MNIST, or one whose first folders are `train` and `test` (or `val`).
    pub part: Part,
    /// At most so many pictures.
    pub most: usize,
}

impl Default for SetOptions {
    fn default() -> Self {
        SetOptions { size: None, channels: None, part: Part::Training, most: MAX_PICTURES }
    }
}

/// Reads a set of colour images of at most 65,536, as [`read_set`] does.
///
/// # Errors
/// Those of [`read_set`].
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
    let options = SetOptions { size, channels: Some(3), most: MAX_EXACT, ..SetOptions::default() };
    read_set(path, &options, progress)
}

/// Reads a set of pictures: the binary archives of CIFAR, IDX files (MNIST), arrays of NumPy (`x_train.npy` and the like,
/// as in a `.npz`), or else all picture files in a folder and its subfolders, in order of their names. Each may lie in a
/// `.zip`, `.tar` or `.tar.gz`; a batch of CIFAR, a file of IDX images with its labels beside it, and a `.npy` may be
/// given alone.
///
/// Picture files are turned as their EXIF orientation says, laid on white where they are transparent, cropped to a
/// square about the centre and resized (Lanczos with three lobes, wider where it shrinks, as Pillow's `LANCZOS` and
/// EDM's `dataset_tool.py`). Files that are no pictures are passed over silently; what looks like a picture and is left
/// out is counted by kind among the warnings.
///
/// The classes of picture files are those of `dataset.json` (EDM) if there is one, else their first folders, if all of
/// them lie in folders.
///
/// # Errors
/// If it cannot be read, is damaged, holds no picture at all or not the part that is asked for;
/// [`FileError::Cancelled`] if whoever hears has ended it.
pub fn read_set(path: &Path, options: &SetOptions, progress: &ReadProgress) -> Result<PictureSet, FileError> {
    let set = of_file(path, options).and_then(|set| match set {
        Some(set) => Ok(set),
        None => gather(Source::open(path, progress)?, options, path, progress),
    });
    // Errors of a reader that was cancelled do not matter.
    if progress.is_cancelled() { Err(FileError::Cancelled(path.into())) } else { set }
}

/// The set that a single file holds, if it is no archive.
fn of_file(path: &Path, options: &SetOptions) -> Result<Option<PictureSet>, FileError> {
    let wrong = |reason| FileError::format(path, SET, reason);
    levels_of_file(path, options.part)?.map(|levels| levels.into_set(options).map_err(wrong)).transpose()
}

/// The images of a single file, as they are in it, if it is no archive.
pub(super) fn levels_of_file(path: &Path, part: Part) -> Result<Option<Levels>, FileError> {
    if path.is_dir() {
        return Ok(None);
    }
    let start = super::start(path)?.0;
    let inside = if gzip::begins(&start) { gzip::start_inside(path) } else { start };
    let levels = if idx::begins(&inside) {
        idx::of_file(path)?
    } else if numpy::begins(&inside) {
        numpy::of_file(path)?
    } else if cifar::is_batch(path) {
        cifar::of_file(path)?
    } else {
        return Ok(None);
    };
    // A file is a part already.
    match part {
        Part::Test => Err(FileError::format(path, SET, part.missing())),
        Part::Training => Ok(Some(levels)),
    }
}

/// The images of CIFAR's archives, IDX files or arrays of NumPy in a folder or an archive, if it holds such.
pub(super) fn levels_of_source(source: &mut Source, part: Part) -> Option<Result<Levels, String>> {
    [cifar::of_source, idx::of_source, numpy::of_source].into_iter().find_map(|of_source| of_source(source, part))
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
    let options = SetOptions { size: Some(32), channels: Some(3), ..SetOptions::default() };
    gather(Source::archive(Box::new(Cursor::new(WORLDS)), path, &progress)?, &options, path, &progress)
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

fn gather(
    mut source: Source,
    options: &SetOptions,
    path: &Path,
    progress: &ReadProgress,
) -> Result<PictureSet, FileError> {
    let wrong = |reason| FileError::format(path, SET, reason);
    if let Some(levels) = levels_of_source(&mut source, options.part) {
        return levels.and_then(|levels| levels.into_set(options)).map_err(wrong);
    }
    let others = source.divide(options.part).map_err(wrong)?;
    let list = List::of(&mut source).map_err(wrong)?;
    let labels = list.as_ref().and_then(Option::as_ref);
    let mut set = decode_set(&mut source, labels, options, path, progress)?;
    if others > 0 {
        let part = options.part.name();
        set.warnings.push(format!("Only the images in its folder {part:?} are used; {others} lie in others"));
    }
    set.classes = match &list {
        Some(labels) => labels.as_ref().map(|labels| labels.classes(&set.names)),
        None => classes::folders(&set.names),
    };
    Ok(set.with_channels(options.channels))
}

/// The pictures of a source, in colour, without classes.
fn decode_set(
    source: &mut Source,
    labels: Option<&List>,
    options: &SetOptions,
    path: &Path,
    progress: &ReadProgress,
) -> Result<PictureSet, FileError> {
    let ended = |source| FileError::read(path, source);
    let mut tally = std::mem::take(&mut source.left_out);
    let size = options.size.map(|size| size.clamp(1, 1024) as u32);
    let mut all: Vec<usize> = (0..source.len()).collect();
    all.retain(|&index| source.name(index).is_none_or(|name| labels.is_none_or(|list| list.has(name, &mut tally))));
    let mut beyond = all.len().saturating_sub(options.most);
    all.truncate(options.most);
    let (mut found, left) = decode_all(source, &all, size, &mut tally, progress).map_err(ended)?;
    beyond += left;
    let side = size.unwrap_or_else(|| usual(found.iter().map(Found::side)));
    // What is larger is made anew now that the size is known, so that nothing is resized twice.
    let larger: Vec<usize> = found.iter().filter(|found| found.side() > side).map(|found| found.index).collect();
    found.retain(|found| found.side() <= side);
    found.extend(decode_all(source, &larger, Some(side), &mut tally, progress).map_err(ended)?.0);
    found.sort_by_key(|found| found.index);
    let [small, enlarged] = [("less than half of", " and was skipped", " and were skipped"), ("enlarged to", "", "")]
        .map(|(what, one, many)| {
            [format!("is {what} {side}×{side} pixels{one}"), format!("are {what} {side}×{side} pixels{many}")]
        });
    let said = |said: &[String; 2], tally: &mut Tally, name: &str| tally.add([&said[0], &said[1]], name, "");
    let side = side as usize;
    let mut set = PictureSet {
        shape: [3, side, side],
        values: Vec::new(),
        names: Vec::new(),
        classes: None,
        warnings: Vec::new(),
    };
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
        let most = set.names.len();
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

pub(super) type Loaded = (String, Result<Vec<u8>, String>);

/// The files of the next pictures, which are no longer left. `tell` is told how many are, and may end it.
pub(super) fn load_batch(
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
pub(super) struct Square {
    pub image: RgbImage,
    /// Side in the file.
    pub own: u32,
    pub notes: Vec<String>,
}

pub(super) fn resized(image: RgbImage, side: u32) -> RgbImage {
    if image.width() == side {
        return image;
    }
    DynamicImage::ImageRgb8(image).resize_exact(side, side, FilterType::Lanczos3).into_rgb8()
}

/// Decodes a picture to a square of `side` pixels; where none is given, of its own smaller side, at most 64.
pub(super) fn decode_square(bytes: &[u8], side: Option<u32>) -> Result<Square, String> {
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
pub(super) fn push_planes(values: &mut Vec<u8>, image: &RgbImage) {
    for channel in 0..3 {
        values.extend(image.pixels().map(|pixel| pixel.0[channel]));
    }
}
