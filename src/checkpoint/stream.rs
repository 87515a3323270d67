//! Images one batch after the other, at their own size: what is measured is not cropped, and need not fit in memory.

use super::levels::Levels;
use super::photo::{Decoded, decode, on_white};
use super::pictures::{NO_IMAGE, SET, decode_square, levels_of_file, levels_of_source, load_batch, push_planes};
use super::sources::{Source, UNREADABLE};
use super::{FileError, ReadProgress, SetOptions};
use crate::Pixels;
use image::{DynamicImage, ImageFormat};
use rayon::prelude::*;
use std::io::Cursor;
use std::path::Path;

/// Images of a batch of those that lie in one file.
const BATCH: usize = 256;

/// What is told of a batch of images, N×C×H×W, and how many there are in all, as far as is known.
pub type OnImages<'a, E> = &'a mut dyn FnMut(&Pixels<u8>, usize) -> Result<(), E>;

/// Shows `each` all images of a set, in batches of grey levels. The set is what [`super::read_set`] reads; where no size is
/// asked for, images keep their own, which must be the same for all; where at most so many are, they are spread evenly over the
/// set. Returns one sentence for each kind of files that were left out, or are not as they are in the file.
///
/// # Errors
/// Those of [`super::read_set`], if images are of different sizes, and whatever `each` answers.
pub fn for_each_image<E: From<FileError>>(
    path: &Path,
    options: &SetOptions,
    progress: &ReadProgress,
    each: OnImages<'_, E>,
) -> Result<Vec<String>, E> {
    if let Some(levels) = levels_of_file(path, options.part)? {
        return of_levels(levels, path, options, each);
    }
    let mut source = Source::open(path, progress)?;
    if let Some(levels) = levels_of_source(&mut source, options.part) {
        let levels = levels.map_err(|reason| FileError::format(path, SET, reason))?;
        return of_levels(levels, path, options, each);
    }
    of_files(source, path, options, progress, each)
}

/// At most `most` of `count` images, evenly over their order: sets are often sorted by class.
fn spread(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let chosen = count.min(most);
    (0..chosen).map(move |place| (place as u128 * count as u128 / chosen as u128) as usize)
}

fn of_levels<E: From<FileError>>(
    levels: Levels,
    path: &Path,
    options: &SetOptions,
    each: OnImages<'_, E>,
) -> Result<Vec<String>, E> {
    let (shape, values, warnings) = match options.size {
        None => (levels.shape, levels.values, levels.warnings),
        Some(_) => {
            let set = levels.into_set(options).map_err(|reason| FileError::format(path, SET, reason))?;
            (set.shape, set.values, set.warnings)
        }
    };
    let [channels, height, width] = shape;
    let size = (channels * height * width).max(1);
    let chosen: Vec<usize> = spread(values.len() / size, options.most).collect();
    for some in chosen.chunks(BATCH) {
        let values = some.iter().flat_map(|&index| &values[index * size..(index + 1) * size]).copied().collect();
        each(&Pixels { shape: [some.len(), channels, height, width], values }, chosen.len())?;
    }
    Ok(warnings)
}

/// A decoded image.
struct Image {
    /// Height and width.
    size: [usize; 2],
    planes: Vec<u8>,
    notes: Vec<String>,
    is_jpeg: bool,
}

fn of_files<E: From<FileError>>(
    mut source: Source,
    path: &Path,
    options: &SetOptions,
    progress: &ReadProgress,
    each: OnImages<'_, E>,
) -> Result<Vec<String>, E> {
    let wrong = |reason: String| FileError::format(path, SET, reason);
    let others = source.divide(options.part).map_err(wrong)?;
    let mut tally = std::mem::take(&mut source.left_out);
    let all: Vec<usize> = spread(source.len(), options.most).collect();
    let (mut left, mut first, mut read, mut jpegs) = (&all[..], None::<(String, [usize; 2])>, 0, 0);
    while !left.is_empty() {
        let batch = load_batch(&mut source, &mut left, &|left| progress.tell(1.0 - left as f32 / all.len() as f32));
        let batch = batch.map_err(|error| match progress.is_cancelled() {
            true => FileError::Cancelled(path.into()),
            false => FileError::read(path, error),
        })?;
        let images: Vec<_> = batch
            .into_par_iter()
            .map(|(_, (name, bytes))| (name, bytes.map(|bytes| decoded(&bytes, options.size))))
            .collect();
        let mut values = Vec::new();
        for (name, image) in images {
            let image = match image {
                Ok(Ok(image)) => image,
                Ok(Err(reason)) => {
                    tally.add(NO_IMAGE, &name, &reason);
                    continue;
                }
                Err(reason) => {
                    tally.add(UNREADABLE, &name, &reason);
                    continue;
                }
            };
            let (named, size) = first.get_or_insert_with(|| (name.clone(), image.size));
            if image.size != *size {
                let [[height, width], [other_height, other_width]] = [*size, image.size];
                return Err(wrong(format!(
                    "{named:?} has {width}×{height} pixels and {name:?} {other_width}×{other_height}; give images of \
                     one size, or a size to bring them to"
                ))
                .into());
            }
            image.notes.iter().for_each(|note| tally.note(note, &name));
            jpegs += usize::from(image.is_jpeg);
            values.extend(image.planes);
        }
        let Some((_, [height, width])) = first else { continue };
        let count = values.len() / (3 * height * width).max(1);
        read += count;
        if count > 0 {
            each(&Pixels { shape: [count, 3, height, width], values: values.into() }, all.len())?;
        }
    }
    let mut warnings = tally.lines();
    if read == 0 {
        let why = warnings.first().map_or(String::new(), |line| format!(": {line}"));
        return Err(FileError::NoPictures { path: path.into(), why }.into());
    }
    if jpegs > 0 && jpegs < read {
        warnings.push(format!("{jpegs} of {read} images are JPEG files: what compression adds is measured, too"));
    }
    if others > 0 {
        let part = options.part.name();
        warnings.push(format!("Only the images in its folder {part:?} are used; {others} lie in others"));
    }
    Ok(warnings)
}

/// An image upright, on white: its central square at this size, or all of it at its own.
fn decoded(bytes: &[u8], size: Option<usize>) -> Result<Image, String> {
    let is_jpeg = image::guess_format(bytes).is_ok_and(|format| format == ImageFormat::Jpeg);
    let mut planes = Vec::new();
    if let Some(size) = size {
        let square = decode_square(bytes, Some(size.clamp(1, 1024) as u32))?;
        push_planes(&mut planes, &square.image);
        let (own, size) = (square.own as usize, square.image.width() as usize);
        let mut notes = square.notes;
        notes.extend((own < size).then(|| format!("It is enlarged to {size}×{size} pixels.")));
        return Ok(Image { size: [size, size], planes, notes, is_jpeg });
    }
    let Decoded { image, orientation, notes, room: _room, .. } = decode(Cursor::new(bytes), bytes.len() as u64)?;
    let mut upright = DynamicImage::ImageRgb8(on_white(image));
    upright.apply_orientation(orientation);
    let image = upright.into_rgb8();
    push_planes(&mut planes, &image);
    Ok(Image { size: [image.height() as usize, image.width() as usize], planes, notes, is_jpeg })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_images_are_spread_over_all() {
        assert!(spread(5, 9).eq(0..5));
        assert!(spread(10, 5).eq([0, 2, 4, 6, 8]));
        assert!(spread(7, 3).eq([0, 2, 4]));
        assert_eq!(spread(0, 3).count(), 0);
    }
}
