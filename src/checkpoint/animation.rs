use super::grid::grid_image;
use super::{FileError, write_atomically};
use crate::Pixels;
use crate::sde::Range;
use image::codecs::gif::{GifEncoder, Repeat};
use image::codecs::webp::WebPEncoder;
use image::{Delay, DynamicImage, ExtendedColorType, Frame};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// The GIF palette search looks at every tenth pixel: as good to the eye as all, and ten times faster.
const GIF_SPEED: i32 = 10;
/// Viewers slow down GIFs whose frames are shorter.
const SHORTEST: Duration = Duration::from_millis(20);
/// The result stays in view before the loop begins again.
const LAST: Duration = Duration::from_secs(1);
const WHAT: &str = "a valid animation file";

/// A series of grids to be played in a loop.
#[derive(Clone, Debug)]
pub struct Animation {
    /// One entry a frame, in order.
    pub frames: Vec<Pixels<f32>>,
    /// The values that show as black and white, for each frame's data.
    pub range: Range,
    /// How long each frame is shown; the last one is held for a second.
    pub frame_time: Duration,
    /// Enlargement without smoothing.
    pub zoom: usize,
}

impl Animation {
    fn time(&self, index: usize) -> Duration {
        let time = self.frame_time.max(SHORTEST);
        if index + 1 == self.frames.len() { time.max(LAST) } else { time }
    }
}

/// Writes a GIF, for `.png` and `.apng` an animated PNG, or for `.webp` a lossless animated WebP. `progress` is given the fraction done
/// and returns whether to continue; if not, nothing is written and `Ok` returned.
///
/// # Errors
/// If the extension is unknown, there is no frame, frames differ in shape, or the file cannot be written.
pub fn write_animation(
    path: &Path,
    animation: &Animation,
    progress: &mut dyn FnMut(f32) -> bool,
) -> Result<(), FileError> {
    let wrong = |reason: &str| Err(FileError::format(path, WHAT, reason));
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let Some(first) = animation.frames.first() else { return wrong("there are no frames; record a run first") };
    if animation.frames.iter().any(|frame| frame.shape != first.shape) {
        return wrong("its frames differ in size; record one run");
    }
    let encode = match extension.as_deref() {
        Some("gif") => write_gif,
        Some("png" | "apng") => write_apng,
        Some("webp") => write_webp,
        _ => return wrong("its name must end in .gif, .png, .apng or .webp"),
    };
    let mut stopped = false;
    let mut go_on = |index: usize| {
        stopped = !progress((index + 1) as f32 / animation.frames.len() as f32);
        if stopped { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    };
    let written = write_atomically(path, |out| encode(animation, out, &mut go_on));
    if stopped { Ok(()) } else { written }
}

/// Told the index of each frame that is done; fails when the listener wants no more.
type GoOn<'a> = &'a mut dyn FnMut(usize) -> io::Result<()>;

fn write_gif(animation: &Animation, out: &mut dyn Write, go_on: GoOn) -> io::Result<()> {
    let mut encoder = GifEncoder::new_with_speed(out, GIF_SPEED);
    encoder.set_repeat(Repeat::Infinite).map_err(io::Error::other)?;
    for (index, pixels) in animation.frames.iter().enumerate() {
        let image = DynamicImage::ImageRgb8(grid_image(pixels, animation.range, animation.zoom)).into_rgba8();
        let delay = Delay::from_saturating_duration(animation.time(index));
        encoder.encode_frame(Frame::from_parts(image, 0, 0, delay)).map_err(io::Error::other)?;
        go_on(index)?;
    }
    Ok(())
}

fn write_apng(animation: &Animation, out: &mut dyn Write, go_on: GoOn) -> io::Result<()> {
    let Some(first) = animation.frames.first() else { return Ok(()) };
    let image = grid_image(first, animation.range, animation.zoom);
    let mut encoder = png::Encoder::new(out, image.width(), image.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_animated(u32::try_from(animation.frames.len()).map_err(io::Error::other)?, 0)?;
    let mut writer = encoder.write_header()?;
    for (index, pixels) in animation.frames.iter().enumerate() {
        let image = grid_image(pixels, animation.range, animation.zoom);
        let milliseconds = animation.time(index).as_millis().try_into().unwrap_or(u16::MAX);
        writer.set_frame_delay(milliseconds, 1000)?;
        writer.write_image_data(&image)?;
        go_on(index)?;
    }
    writer.finish()?;
    Ok(())
}

/// A container of still images (RFC 9649, section 2.7): the extended header, the loop, and each frame's own chunk.
fn write_webp(animation: &Animation, out: &mut dyn Write, go_on: GoOn) -> io::Result<()> {
    const ANIMATED: u8 = 0b10;
    const REPLACES: u8 = 0b10;
    let mut frames = Vec::new();
    let mut size = [0; 2];
    for (index, pixels) in animation.frames.iter().enumerate() {
        let image = grid_image(pixels, animation.range, animation.zoom);
        size = [image.width(), image.height()];
        let mut still = Vec::new();
        WebPEncoder::new_lossless(&mut still)
            .encode(&image, image.width(), image.height(), ExtendedColorType::Rgb8)
            .map_err(io::Error::other)?;
        // After RIFF, its size and WEBP comes the one chunk of the still image.
        let chunk = still.get(12..).ok_or(io::ErrorKind::InvalidData)?;
        let [width, height] = size.map(|side| three_bytes(side - 1));
        let milliseconds = animation.time(index).as_millis().try_into().unwrap_or(0xff_ffff);
        let placed = [[0; 3], [0; 3], width, height, three_bytes(milliseconds)].concat();
        frames.extend(riff_chunk(b"ANMF", &[&placed, &[REPLACES][..], chunk].concat()));
        go_on(index)?;
    }
    let [width, height] = size.map(|side| three_bytes(side.saturating_sub(1)));
    let header = riff_chunk(b"VP8X", &[&[ANIMATED, 0, 0, 0][..], &width, &height].concat());
    // A white ground in BGRA, repeated without end.
    let played = riff_chunk(b"ANIM", &[0xff, 0xff, 0xff, 0xff, 0, 0]);
    out.write_all(&riff_chunk(b"RIFF", &[&b"WEBP"[..], &header, &played, &frames].concat()))
}

/// A name, a length, and bytes, of which there is an even number.
fn riff_chunk(name: &[u8; 4], bytes: &[u8]) -> Vec<u8> {
    let mut chunk = [&name[..], &(bytes.len() as u32).to_le_bytes(), bytes].concat();
    if bytes.len() % 2 == 1 {
        chunk.push(0);
    }
    chunk
}

/// A number below 2²⁴, the least byte first.
fn three_bytes(number: u32) -> [u8; 3] {
    let [a, b, c, _] = number.to_le_bytes();
    [a, b, c]
}
