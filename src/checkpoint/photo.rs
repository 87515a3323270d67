//! One photo at its own size, to be painted on.

use super::{FileError, open_file, write_atomically};
use image::codecs::gif::GifDecoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{AnimationDecoder, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Larger photos are refused.
pub const MOST_PIXELS: u64 = 100_000_000;
/// Photos are painted on at most this wide and high.
pub const WORKING_SIDE: u32 = 4096;
/// Bytes that decoding one photo may take: 100 megapixels of 16-bit RGBA.
const MOST_DECODED: u64 = 8 * MOST_PIXELS;
const WHAT: &str = "a valid photo";
const DAMAGED: &str = "choose a PNG, JPEG, GIF, BMP or WebP image that other programs can open";
const JPEG_QUALITY: u8 = 95;

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

/// Only one photo is decoded at a time, so that memory stays bounded.
static ALONE: Mutex<()> = Mutex::new(());

/// Reads one photo of at most 100 megapixels, by its content: PNG, JPEG, GIF, BMP or WebP. It is turned as its EXIF
/// orientation says, laid on white where it is transparent, brought to 8 bits, and averaged down where it is wider or
/// higher than `longest`. Of an animation the first frame is taken.
///
/// # Errors
/// If the file cannot be read, is not an image, is too large, or has unknown colours.
pub fn read_photo(path: &Path, longest: u32) -> Result<OpenedPhoto, FileError> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (file, _) = open_file(path)?;
    let refused = |reason: String| FileError::format(path, WHAT, reason);
    let (image, orientation, mut notes) = decode(BufReader::new(file)).map_err(refused)?;
    if image.color().has_alpha() {
        notes.push("Transparent parts are shown on white.".into());
    }
    if image.color().bytes_per_pixel() / image.color().channel_count() > 1 {
        notes.push("16 bits per channel are reduced to 8.".into());
    }
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

/// Writes a picture as PNG or JPEG, by the extension.
///
/// # Errors
/// If the extension is neither, or the file cannot be written.
pub fn write_photo(path: &Path, image: &RgbImage) -> Result<(), FileError> {
    let mut bytes = Cursor::new(Vec::new());
    let encoded = match path.extension().and_then(ImageFormat::from_extension) {
        Some(ImageFormat::Png) => image.write_to(&mut bytes, ImageFormat::Png),
        Some(ImageFormat::Jpeg) => image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)),
        _ => return Err(FileError::format(path, "a valid photo file", "its name must end in .png or .jpg")),
    };
    encoded.map_err(|error| FileError::format(path, "a valid photo file", error.to_string()))?;
    write_atomically(path, |out| out.write_all(bytes.get_ref()))
}

type Decoded = (DynamicImage, Orientation, Vec<String>);

/// Decodes the image at the position of `file`; or why not, and what to do.
pub(super) fn decode(mut file: BufReader<File>) -> Result<Decoded, String> {
    let unreadable = |error: io::Error| format!("{error}; check the path and its permissions");
    let damaged = |error: image::ImageError| format!("it cannot be read ({error}); {DAMAGED}");
    let format = ImageReader::new(&mut file).with_guessed_format().map_err(unreadable)?.format();
    file.rewind().map_err(unreadable)?;
    let mut notes = Vec::new();
    if format == Some(ImageFormat::Jpeg) {
        notes.extend(jpeg_inks(&mut file)?);
        file.rewind().map_err(unreadable)?;
        if jpeg_is_cut(&mut file).unwrap_or(true) {
            notes.push("The file is truncated: its lower part may be grey; copy or download it again.".into());
        }
        file.rewind().map_err(unreadable)?;
    }
    if format.is_some_and(|format| is_animated(&mut file, format)) {
        notes.push("It is an animation; its first frame is used.".into());
    }
    file.rewind().map_err(unreadable)?;
    let mut reader = ImageReader::new(file).with_guessed_format().map_err(unreadable)?;
    reader.limits(limits());
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(format!("it has no pixels; {DAMAGED}"));
    }
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(too_large(width, height));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    Ok((image, orientation, notes))
}

/// Why a picture of this size is refused.
pub fn too_large(width: u32, height: u32) -> String {
    format!("its {width}×{height} pixels are more than 100 megapixels; reduce it first")
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_DECODED);
    limits
}

/// Whether more than one frame follows. The decoder itself reports what cannot be read.
fn is_animated(file: &mut BufReader<File>, format: ImageFormat) -> bool {
    match format {
        ImageFormat::Png => {
            PngDecoder::with_limits(file, limits()).and_then(|decoder| decoder.is_apng()).unwrap_or(false)
        }
        ImageFormat::WebP => WebPDecoder::new(file).is_ok_and(|decoder| decoder.has_animation()),
        ImageFormat::Gif => GifDecoder::new(file).is_ok_and(|mut decoder| {
            let (width, height) = decoder.dimensions();
            u64::from(width) * u64::from(height) <= MOST_PIXELS
                && decoder.set_limits(limits()).is_ok()
                && decoder.into_frames().take(2).filter(Result::is_ok).count() > 1
        }),
        _ => false,
    }
}

/// Looks at a JPEG's components. Four are inks, which are inverted if Adobe's marker is there; without it that is
/// unknown.
fn jpeg_inks(file: &mut BufReader<File>) -> Result<Option<String>, String> {
    let Some((components, adobe)) = jpeg_frame(file) else { return Ok(None) };
    match (components, adobe) {
        (4, true) => Ok(Some("CMYK inks are shown as RGB without a colour profile.".into())),
        (4, false) => Err("it is a CMYK JPEG without a marker for inverted inks; save it as RGB".into()),
        (1 | 3, _) => Ok(None),
        (other, _) => Err(format!("it is a JPEG with {other} components; save it as RGB")),
    }
}

/// Number of components of a JPEG, and whether Adobe's marker (APP14) stands before its frame header (ITU T.81, B.2).
fn jpeg_frame(file: &mut BufReader<File>) -> Option<(u8, bool)> {
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
fn jpeg_is_cut(file: &mut BufReader<File>) -> Option<bool> {
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
fn jpeg_segment(file: &mut BufReader<File>) -> Option<(u8, Vec<u8>)> {
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
