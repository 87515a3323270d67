//! The one reader of pictures, whatever they are for, and one photo at its own size.

use super::room::Room;
use super::{FileError, foreign, open_file};
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{AnimationDecoder, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage};
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

/// Larger photos are refused: the largest that phones take.
pub const MOST_PIXELS: u64 = 200_000_000;
/// Photos are painted on at most this wide and high.
pub const WORKING_SIDE: u32 = 4096;
/// Bytes of one picture file.
pub(super) const MAX_FILE: u64 = 256 << 20;
/// Bytes that the pixels of one photo may take: 100 megapixels of 16-bit RGBA, or 200 of 8 bits.
const MOST_DECODED: u64 = 800_000_000;
/// Bytes that what surrounds the pixels may take, such as a PNG's colour profile, however small it is compressed.
const MOST_METADATA: u64 = 32 << 20;
/// What a decoder takes at most, as a multiple of the pixels: a progressive JPEG's coefficients are twice as large.
const WORKSPACE: u64 = 3;
pub(super) const WHAT: &str = "a readable image";
const DAMAGED: &str = "choose a PNG, JPEG, GIF, BMP or WebP image that other programs can open";

/// A photo from a file.
#[derive(Clone, Debug)]
pub struct OpenedPhoto {
    /// Upright, laid on white, 8 bits a channel.
    pub image: RgbImage,
    /// Upright width and height in the file.
    pub full: [u32; 2],
    /// One sentence for each thing that is not as it is in the file.
    pub notes: Vec<String>,
}

/// Reads one photo of at most 200 megapixels, by its content: PNG, JPEG, GIF, BMP or WebP. It is turned as its EXIF
/// orientation says, laid on white where it is transparent, brought to 8 bits, and averaged down where it is wider or
/// higher than `longest`. Of an animation the first frame is taken.
///
/// # Errors
/// If the file cannot be read, is not an image, is too large, or has unknown colours.
pub fn read_photo(path: &Path, longest: u32) -> Result<OpenedPhoto, FileError> {
    let (file, length) = open_file(path)?;
    let refused = |reason: String| FileError::format(path, WHAT, reason);
    let Decoded { image, orientation, mut notes, room: _room, .. } =
        decode(BufReader::new(file), length).map_err(refused)?;
    let (width, height) = (image.width(), image.height());
    let (reduced, note) = reduce_to(on_white(image), longest);
    notes.extend(note);
    let mut upright = DynamicImage::ImageRgb8(reduced);
    upright.apply_orientation(orientation);
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    let turned = matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH);
    let full = if turned { [height, width] } else { [width, height] };
    Ok(OpenedPhoto { image: upright.into_rgb8(), full, notes })
}

/// A decoded picture, and the room that it takes.
pub(super) struct Decoded {
    /// As it lies in the file.
    pub image: DynamicImage,
    pub format: Option<ImageFormat>,
    pub orientation: Orientation,
    /// One sentence for each thing that is not as it is in the file.
    pub notes: Vec<String>,
    pub room: Room,
}

/// Decodes a picture file of `length` bytes; or why not, and what to do.
pub(super) fn decode(mut file: impl BufRead + Seek, length: u64) -> Result<Decoded, String> {
    if length > MAX_FILE {
        return Err("it is larger than 256 MiB; reduce it first".into());
    }
    let format = ImageReader::new(&mut file).with_guessed_format().map_err(unreadable)?.format();
    if !format.is_some_and(|format| format.reading_enabled()) {
        let mut start = Vec::new();
        file.rewind().map_err(unreadable)?;
        (&mut file).take(foreign::START).read_to_end(&mut start).map_err(unreadable)?;
        return Err(foreign::no_picture(&start));
    }
    let mut notes = Vec::new();
    if format == Some(ImageFormat::Jpeg) {
        file.rewind().map_err(unreadable)?;
        notes.extend(jpeg_inks(&mut file)?);
        file.rewind().map_err(unreadable)?;
        if jpeg_is_cut(&mut file).unwrap_or(true) {
            notes.push("The file is truncated: its lower part may be grey; copy or download it again.".into());
        }
    }
    let honest = format != Some(ImageFormat::WebP) || webp_claims(&mut file).is_some_and(|claimed| claimed <= length);
    let surroundings = MOST_METADATA + 2 * length;
    let (orientation, pixels) = {
        let _room = Room::of(surroundings);
        let mut decoder = open(&mut file)?;
        check_size(&decoder)?;
        // What an EXIF chunk beyond the file's end claims is not reserved.
        let orientation = honest.then(|| decoder.orientation().ok()).flatten();
        (orientation.unwrap_or(Orientation::NoTransforms), decoder.total_bytes())
    };
    let room = Room::of(surroundings + WORKSPACE * pixels);
    if format.is_some_and(|format| is_animated(&mut file, format)) {
        notes.push("It is an animation; its first frame is used.".into());
    }
    let mut decoder = open(&mut file)?;
    decoder.set_limits(limits(MOST_DECODED)).map_err(damaged)?;
    let image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    if is_transparent(&image) {
        notes.push("Transparent parts are shown on white.".into());
    }
    if image.color().bytes_per_pixel() / image.color().channel_count() > 1 {
        notes.push("16 bits per channel are reduced to 8.".into());
    }
    Ok(Decoded { image, format, orientation, notes, room })
}

fn open<'a>(file: &'a mut (impl BufRead + Seek)) -> Result<impl ImageDecoder + 'a, String> {
    file.rewind().map_err(unreadable)?;
    let mut reader = ImageReader::new(file).with_guessed_format().map_err(unreadable)?;
    reader.limits(limits(MOST_METADATA));
    reader.into_decoder().map_err(damaged)
}

fn unreadable(error: io::Error) -> String {
    format!("{error}; check the path and its permissions")
}

fn damaged(error: image::ImageError) -> String {
    // Some decoders end theirs with a new line.
    let error = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    format!("it cannot be read ({error}); {DAMAGED}")
}

fn check_size(decoder: &impl ImageDecoder) -> Result<(), String> {
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(format!("it has no pixels; {DAMAGED}"));
    }
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(too_large(width, height));
    }
    let bytes = decoder.total_bytes();
    if bytes > MOST_DECODED {
        let [bytes, most] = [bytes, MOST_DECODED].map(|bytes| bytes / 1_000_000);
        return Err(format!(
            "its {width}×{height} pixels take {bytes} MB, more than {most}; reduce it, or save it with 8 bits per channel"
        ));
    }
    Ok(())
}

/// Why a picture of this size is refused.
pub fn too_large(width: u32, height: u32) -> String {
    format!("its {width}×{height} pixels are more than 200 megapixels; reduce it first")
}

/// Of what a decoder itself reserves.
fn limits(bytes: u64) -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(bytes);
    limits
}

/// Whether more than one frame follows. The decoder itself reports what cannot be read.
fn is_animated(file: &mut (impl BufRead + Seek), format: ImageFormat) -> bool {
    if file.rewind().is_err() {
        return false;
    }
    match format {
        ImageFormat::Png => {
            PngDecoder::with_limits(file, limits(MOST_METADATA)).and_then(|decoder| decoder.is_apng()).unwrap_or(false)
        }
        ImageFormat::WebP => WebPDecoder::new(file).is_ok_and(|decoder| decoder.has_animation()),
        ImageFormat::Gif => GifDecoder::new(file).is_ok_and(|mut decoder| {
            decoder.set_limits(limits(MOST_DECODED)).is_ok()
                && decoder.into_frames().take(2).filter(Result::is_ok).count() > 1
        }),
        _ => false,
    }
}

/// Bytes that a WebP says it has (RIFF).
fn webp_claims(file: &mut (impl BufRead + Seek)) -> Option<u64> {
    let mut start = [0u8; 8];
    file.rewind().ok()?;
    file.read_exact(&mut start).ok()?;
    let [_, _, _, _, size @ ..] = start;
    Some(u64::from(u32::from_le_bytes(size)) + 8)
}

/// Looks at a JPEG's components. Four are inks, which are inverted if Adobe's marker is there; without it that is
/// unknown.
fn jpeg_inks(file: &mut impl BufRead) -> Result<Option<String>, String> {
    let Some((components, adobe)) = jpeg_frame(file) else { return Ok(None) };
    match (components, adobe) {
        (4, true) => Ok(Some("CMYK inks are shown as RGB without a colour profile.".into())),
        (4, false) => Err("it is a CMYK JPEG without a marker for inverted inks; save it as RGB".into()),
        (1 | 3, _) => Ok(None),
        (other, _) => Err(format!("it is a JPEG with {other} components; save it as RGB")),
    }
}

/// Number of components of a JPEG, and whether Adobe's marker (APP14) stands before its frame header (ITU T.81, B.2).
fn jpeg_frame(file: &mut impl BufRead) -> Option<(u8, bool)> {
    let mut adobe = false;
    loop {
        let (kind, segment) = jpeg_segment(file)?;
        match kind {
            0xee => adobe |= segment.starts_with(b"Adobe"),
            0xc0..=0xcf if !matches!(kind, 0xc4 | 0xc8 | 0xcc) => return Some((*segment.get(5)?, adobe)),
            0xd9 | 0xda => return None,
            _ => {}
        }
    }
}

/// Whether the end marker is missing. Decoders fill what is missing with grey and say nothing.
fn jpeg_is_cut(file: &mut impl BufRead) -> Option<bool> {
    while jpeg_segment(file)?.0 != 0xda {}
    // From here on 0xff stands before 0x00 or a marker, so that no value can be taken for the end.
    let mut before = 0;
    loop {
        let bytes = file.fill_buf().ok()?;
        if bytes.is_empty() {
            return Some(true);
        }
        if (before == 0xff && bytes[0] == 0xd9) || bytes.windows(2).any(|pair| pair == [0xff, 0xd9]) {
            return Some(false);
        }
        before = *bytes.last()?;
        let read = bytes.len();
        file.consume(read);
    }
}

/// The next marker that has a segment, and its segment (ITU T.81, B.1).
fn jpeg_segment(file: &mut impl BufRead) -> Option<(u8, Vec<u8>)> {
    let mut marker = [0u8; 1];
    loop {
        while marker[0] != 0xff {
            file.read_exact(&mut marker).ok()?;
        }
        while marker[0] == 0xff {
            file.read_exact(&mut marker).ok()?;
        }
        if !matches!(marker[0], 0x00 | 0x01 | 0xd0..=0xd8) {
            break;
        }
    }
    let mut length = [0u8; 2];
    file.read_exact(&mut length).ok()?;
    let mut segment = vec![0; usize::from(u16::from_be_bytes(length)).checked_sub(2)?];
    file.read_exact(&mut segment).ok()?;
    Some((marker[0], segment))
}

/// Whether a pixel is not opaque, in a picture that could have such.
fn is_transparent(image: &DynamicImage) -> bool {
    match image {
        DynamicImage::ImageRgba8(image) => image.pixels().any(|pixel| pixel.0[3] < u8::MAX),
        DynamicImage::ImageLumaA8(image) => image.pixels().any(|pixel| pixel.0[1] < u8::MAX),
        DynamicImage::ImageRgba16(image) => image.pixels().any(|pixel| pixel.0[3] < u16::MAX),
        DynamicImage::ImageLumaA16(image) => image.pixels().any(|pixel| pixel.0[1] < u16::MAX),
        _ => false,
    }
}

/// RGB of any kind of picture, laid on white where it is transparent.
pub(super) fn on_white(image: DynamicImage) -> RgbImage {
    if !image.has_alpha() {
        return image.into_rgb8();
    }
    let image = image.into_rgba8();
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [rgb @ .., alpha] = image.get_pixel(x, y).0;
        let alpha = u32::from(alpha);
        Rgb(rgb.map(|value| ((u32::from(value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8))
    })
}

/// The largest size of the same shape that is at most `longest` wide and high.
pub(super) fn fitting(width: u32, height: u32, longest: u32) -> [u32; 2] {
    let scale = f64::from(longest) / f64::from(width.max(height).max(1));
    [width, height].map(|side| ((f64::from(side) * scale).round() as u32).clamp(1, longest.max(1)))
}

/// The picture at most `longest` wide and high; a note where it is smaller than it was.
pub fn reduce_to(image: RgbImage, longest: u32) -> (RgbImage, Option<String>) {
    let (width, height) = (image.width(), image.height());
    if width.max(height) <= longest {
        return (image, None);
    }
    let [small_width, small_height] = fitting(width, height, longest);
    let note = format!("The photo is reduced from {width}×{height} to {small_width}×{small_height} pixels.");
    (reduce(&image, [small_width, small_height]), Some(note))
}

/// A smaller picture: each pixel is the mean over the area that it covers.
fn reduce(image: &RgbImage, [width, height]: [u32; 2]) -> RgbImage {
    let (from, to) = ([image.width() as usize, image.height() as usize], [width as usize, height as usize]);
    let mut values = Vec::with_capacity(3 * to[0] * to[1]);
    let columns: Vec<Vec<(usize, f32)>> = (0..to[0]).map(|x| shares(x, from[0], to[0])).collect();
    for y in 0..to[1] {
        let mut row = vec![0f32; 3 * to[0]];
        for (from_y, share) in shares(y, from[1], to[1]) {
            let line = &image.as_raw()[3 * from_y * from[0]..3 * (from_y + 1) * from[0]];
            for (pixel, column) in row.chunks_exact_mut(3).zip(&columns) {
                for &(from_x, part) in column {
                    for channel in 0..3 {
                        pixel[channel] += share * part * f32::from(line[3 * from_x + channel]);
                    }
                }
            }
        }
        values.extend(row.iter().map(|value| value.round() as u8));
    }
    RgbImage::from_raw(width, height, values).unwrap_or_default()
}

/// The places that the `index`-th of `to` equal parts of `from` places covers, with shares that sum to 1.
pub fn shares(index: usize, from: usize, to: usize) -> Vec<(usize, f32)> {
    let scale = from as f64 / to as f64;
    let (start, end) = (index as f64 * scale, (index + 1) as f64 * scale);
    let last = (end.ceil() as usize).min(from);
    (start as usize..last)
        .map(|place| {
            let inside = end.min(place as f64 + 1.0) - start.max(place as f64);
            (place, (inside / scale) as f32)
        })
        .filter(|(_, share)| *share > 1e-6)
        .collect()
}
