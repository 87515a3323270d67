//! Pictures on their way into a slot: read, cropped and resized on threads of their own.

use crate::Pixels;
use crate::app::Notice;
use crate::checkpoint::{PictureSet, read_latents, read_pictures, shipped_worlds};
use crate::task::Latents;
use crossbeam_channel::{Receiver, Sender};
use egui::ColorImage;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Rgb, RgbImage};
use serde::{Deserialize, Serialize};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Larger photos are refused.
const MOST_PIXELS: u64 = 100_000_000;
/// Bytes that decoding one photo may take: 100 megapixels of 16-bit RGBA.
const MOST_DECODED: u64 = 8 * MOST_PIXELS;
/// Photos are kept at most this wide and high: enough to crop from.
const KEPT_SIDE: u32 = 2048;

/// Where a picture comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// One of the worlds that ship.
    World(usize),
    File(PathBuf),
    /// A sample of a file of latents.
    Latents {
        path: PathBuf,
        index: usize,
    },
    /// A sample of a run.
    Trajectory,
    Clipboard,
}

/// A picture before it is cropped.
#[derive(Debug)]
pub struct Photo {
    /// No two photos of this window have the same.
    pub id: u64,
    pub source: Source,
    pub name: String,
    pub image: RgbImage,
}

impl PartialEq for Photo {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// The square of a photo that is used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crop {
    /// Centre, in shares of width and height.
    pub centre: [f32; 2],
    /// Side, in shares of the smaller side.
    pub side: f32,
}

impl Default for Crop {
    fn default() -> Self {
        Crop { centre: [0.5, 0.5], side: 1.0 }
    }
}

impl Crop {
    /// Smallest side.
    pub const LEAST: f32 = 0.05;

    /// Left, top and side in pixels of a photo of this size; inside it.
    pub fn square(&self, width: u32, height: u32) -> [u32; 3] {
        let smaller = width.min(height).max(1);
        let side = ((smaller as f32 * self.side.clamp(Crop::LEAST, 1.0)).round() as u32).clamp(1, smaller);
        let place = |share: f32, whole: u32| {
            let corner = share * whole as f32 - side as f32 / 2.0;
            (corner.round().max(0.0) as u32).min(whole - side)
        };
        [place(self.centre[0], width.max(1)), place(self.centre[1], height.max(1)), side]
    }

    /// The same square with its centre where it can be.
    pub fn inside(self, width: u32, height: u32) -> Crop {
        let side = self.side.clamp(Crop::LEAST, 1.0);
        let half = |whole: u32| (side * width.min(height) as f32 / whole.max(1) as f32 / 2.0).min(0.5);
        let at = |share: f32, whole: u32| share.clamp(half(whole), 1.0 - half(whole));
        Crop { centre: [at(self.centre[0], width), at(self.centre[1], height)], side }
    }
}

/// Names a picture as the model is given it: the same photo, crop and shape are the same picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PictureKey {
    pub photo: u64,
    crop: [u32; 3],
    pub shape: [usize; 3],
}

impl PictureKey {
    /// The key of a crop of a photo at a model's shape.
    pub fn new(photo: &Photo, crop: Crop, shape: [usize; 3]) -> Self {
        let crop = crop.square(photo.image.width(), photo.image.height());
        PictureKey { photo: photo.id, crop, shape }
    }
}

/// What a photo is to be made of.
#[derive(Clone, Debug)]
pub enum Wanted {
    World(usize),
    File(PathBuf),
    Image(Arc<ColorImage>),
    /// A sample, C×H×W in [0, 1], and its name.
    Sample {
        shape: [usize; 3],
        values: Vec<f32>,
        name: String,
    },
}

/// What has become of it.
#[derive(Debug)]
pub enum Loaded {
    Photo {
        slot: usize,
        photo: Arc<Photo>,
        crop: Crop,
    },
    /// 1×C×H×W in [0, 1].
    Picture {
        key: PictureKey,
        pixels: Pixels<f32>,
    },
    /// A set for likelihoods, N×C×H×W in [0, 1], and how many values above 0 each has.
    Set {
        name: String,
        pixels: Pixels<f32>,
    },
    /// A file of latents, for one slot or for several.
    Latents {
        slot: Option<usize>,
        path: PathBuf,
        /// Only this sample.
        only: Option<usize>,
        latents: Box<Latents>,
    },
    Refused {
        notice: Notice,
    },
}

/// Threads that read pictures, and what they have sent.
#[derive(Debug)]
pub struct Photos {
    outbox: Sender<Loaded>,
    inbox: Receiver<Loaded>,
    next: u64,
}

impl Default for Photos {
    fn default() -> Self {
        let (outbox, inbox) = crossbeam_channel::unbounded();
        Photos { outbox, inbox, next: 1 }
    }
}

impl Photos {
    /// What has come since the last call.
    pub fn poll(&self) -> Vec<Loaded> {
        self.inbox.try_iter().collect()
    }

    /// Reads a photo for a slot.
    pub fn load(&mut self, ctx: &egui::Context, slot: usize, wanted: Wanted, crop: Crop) {
        let id = self.next;
        self.next += 1;
        self.spawn(ctx, move || match make(wanted) {
            Ok((source, name, image)) => {
                let photo = Arc::new(Photo { id, source, name, image });
                Loaded::Photo { slot, photo, crop }
            }
            Err(why) => Loaded::Refused { notice: Notice::error(why) },
        });
    }

    /// Reads a file of latents, or one sample of it.
    pub fn latents(&self, ctx: &egui::Context, slot: Option<usize>, path: PathBuf, only: Option<usize>) {
        self.spawn(ctx, move || match read_latents(&path) {
            Ok(latents) => Loaded::Latents { slot, path, only, latents: Box::new(latents) },
            Err(error) => Loaded::Refused { notice: Notice::error(error) },
        });
    }

    /// A photo of a picture that was decoded, 1×C×H×W in [0, 1].
    pub fn decoded(&mut self, source: Source, name: String, picture: &Pixels<f32>) -> Arc<Photo> {
        let [_, channels, height, width] = picture.shape;
        let image = sample([channels, height, width], &picture.values);
        self.next += 1;
        Arc::new(Photo { id: self.next - 1, source, name, image })
    }

    /// Cuts a square out of a photo, at the model's shape.
    pub fn cut(&self, ctx: &egui::Context, photo: Arc<Photo>, key: PictureKey) {
        self.spawn(ctx, move || Loaded::Picture { key, pixels: cut(&photo, key) });
    }

    /// Reads `count` pictures, evenly spread over a folder, or over the worlds that ship.
    pub fn set(&self, ctx: &egui::Context, folder: Option<PathBuf>, count: usize, shape: [usize; 3]) {
        self.spawn(ctx, move || {
            let read = match &folder {
                None => shipped_worlds(),
                Some(folder) => read_pictures(folder, Some(shape[1])),
            };
            let name = folder.as_deref().and_then(Path::file_name);
            let name = name.map_or_else(|| "shipped worlds".into(), |name| name.to_string_lossy().into_owned());
            match read {
                Ok(set) => Loaded::Set { name, pixels: spread(&set, count, shape) },
                Err(error) => Loaded::Refused { notice: Notice::error(error) },
            }
        });
    }

    fn spawn(&self, ctx: &egui::Context, make: impl FnOnce() -> Loaded + Send + 'static) {
        let (outbox, ctx) = (self.outbox.clone(), ctx.clone());
        std::thread::spawn(move || {
            // Nobody listens any more only when the window is gone.
            let _ = outbox.send(make());
            ctx.request_repaint();
        });
    }
}

type Made = (Source, String, RgbImage);

fn make(wanted: Wanted) -> Result<Made, String> {
    match wanted {
        Wanted::File(path) => {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            let image = read(&path).map_err(|why| format!("the picture {name} cannot be used: {why}"))?;
            Ok((Source::File(path), name, image))
        }
        Wanted::World(index) => {
            let set = shipped_worlds().map_err(|error| error.to_string())?;
            let index = index % set.names.len().max(1);
            Ok((Source::World(index), format!("world {}", index + 1), world(&set, index)))
        }
        Wanted::Image(pasted) => {
            let [width, height] = pasted.size.map(|side| side as u32);
            let small = u64::from(width) * u64::from(height) <= MOST_PIXELS && width > 0 && height > 0;
            if !small {
                return Err(too_large(width, height));
            }
            let image = RgbImage::from_fn(width, height, |x, y| {
                let [r, g, b, a] = pasted[(x as usize, y as usize)].to_array();
                // egui's colours are multiplied by their alpha already; laid on white.
                Rgb([r, g, b].map(|part| part.saturating_add(255 - a)))
            });
            Ok((Source::Clipboard, "pasted picture".into(), kept(DynamicImage::ImageRgb8(image)).into_rgb8()))
        }
        Wanted::Sample { shape, values, name } => Ok((Source::Trajectory, name, sample(shape, &values))),
    }
}

/// C×H×W values in [0, 1] as a picture.
fn sample([channels, height, width]: [usize; 3], values: &[f32]) -> RgbImage {
    let level = |channel: usize, x: usize, y: usize| {
        let place = (channel.min(channels.saturating_sub(1)) * height + y) * width + x;
        (values.get(place).copied().unwrap_or_default() * 255.0).round() as u8
    };
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        Rgb(std::array::from_fn(|channel| level(channel, x as usize, y as usize)))
    })
}

fn too_large(width: u32, height: u32) -> String {
    format!("it has {width}×{height} pixels, more than 100 megapixels; make it smaller first")
}

/// Reads a photo, upright, laid on white, at most [`KEPT_SIDE`] wide and high.
fn read(path: &Path) -> Result<RgbImage, String> {
    const DAMAGED: &str = "choose a PNG, JPEG, GIF, BMP or WebP picture that other programs can open";
    let file = std::fs::File::open(path).map_err(|error| format!("{error}; check the path and its permissions"))?;
    let damaged = |error: image::ImageError| format!("it is no picture that can be read ({error}); {DAMAGED}");
    let unreadable = |error: std::io::Error| format!("{error}; check the path and its permissions");
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(unreadable)?;
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MOST_DECODED);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(too_large(width, height));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    let mut upright = kept(image);
    upright.apply_orientation(orientation);
    Ok(on_white(upright))
}

fn kept(image: DynamicImage) -> DynamicImage {
    let larger = image.width().max(image.height()) > KEPT_SIDE;
    if larger { image.thumbnail(KEPT_SIDE, KEPT_SIDE) } else { image }
}

fn on_white(image: DynamicImage) -> RgbImage {
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

fn world(set: &PictureSet, index: usize) -> RgbImage {
    let [_, height, width] = set.shape;
    let plane = height * width;
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let place = index * 3 * plane + y as usize * width + x as usize;
        Rgb(std::array::from_fn(|channel| set.values.get(place + channel * plane).copied().unwrap_or_default()))
    })
}

/// The crop of a photo at a model's shape, 1×C×H×W in [0, 1].
fn cut(photo: &Photo, key: PictureKey) -> Pixels<f32> {
    let [left, top, side] = key.crop;
    let [channels, height, width] = key.shape;
    let square = image::imageops::crop_imm(&photo.image, left, top, side, side).to_image();
    let exact = (side as usize, side as usize) == (width, height);
    let image = if exact {
        square
    } else {
        image::imageops::resize(&square, width as u32, height as u32, FilterType::Lanczos3)
    };
    let values: Vec<f32> =
        (0..channels).flat_map(|channel| image.pixels().map(move |pixel| value(pixel, channel, channels))).collect();
    Pixels { shape: [1, channels, height, width], values: values.into() }
}

/// A channel's value in [0, 1]; the only channel of grey models is the luma.
fn value(pixel: &Rgb<u8>, channel: usize, channels: usize) -> f32 {
    let [r, g, b] = pixel.0.map(|level| f32::from(level) / 255.0);
    if channels < 3 { 0.2126 * r + 0.7152 * g + 0.0722 * b } else { [r, g, b][channel.min(2)] }
}

/// `count` pictures of a set, evenly spread, at a model's shape.
fn spread(set: &PictureSet, count: usize, shape: [usize; 3]) -> Pixels<f32> {
    let all = set.names.len();
    let count = count.min(all);
    let mut values = Vec::new();
    for index in 0..count {
        let chosen = index * all / count.max(1);
        let photo = Photo { id: 0, source: Source::World(chosen), name: String::new(), image: world(set, chosen) };
        values.extend_from_slice(&cut(&photo, PictureKey::new(&photo, Crop::default(), shape)).values);
    }
    Pixels { shape: [count, shape[0], shape[1], shape[2]], values: values.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo(image: RgbImage) -> Photo {
        Photo { id: 1, source: Source::Clipboard, name: String::new(), image }
    }

    #[test]
    fn a_crop_takes_the_square_that_it_names() {
        // Red at the left, blue at the right.
        let image = RgbImage::from_fn(40, 10, |x, _| if x < 20 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) });
        let photo = photo(image);
        for (centre, first) in [(0.0, [1.0, 0.0, 0.0]), (1.0, [0.0, 0.0, 1.0])] {
            let crop = Crop { centre: [centre, 0.5], side: 1.0 };
            let cut = cut(&photo, PictureKey::new(&photo, crop, [3, 8, 8]));
            assert_eq!(cut.shape, [1, 3, 8, 8]);
            assert_eq!([cut.values[0], cut.values[64], cut.values[128]], first);
        }
    }

    #[test]
    fn a_world_comes_through_unchanged() {
        let set = shipped_worlds().unwrap();
        let photo = photo(world(&set, 5));
        let cut = cut(&photo, PictureKey::new(&photo, Crop::default(), set.shape));
        let levels: Vec<u8> = cut.values.iter().map(|value| (value * 255.0).round() as u8).collect();
        let size = set.shape.iter().product::<usize>();
        assert_eq!(levels, set.values[5 * size..6 * size]);
    }

    #[test]
    fn squares_stay_inside() {
        let crop = Crop { centre: [2.0, -1.0], side: 0.5 };
        assert_eq!(crop.square(100, 60), [70, 0, 30]);
        let inside = crop.inside(100, 60);
        assert_eq!(inside.centre, [0.85, 0.25]);
    }

    #[test]
    fn a_picture_beyond_100_megapixels_is_refused_before_it_is_decoded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.bmp");
        // A header that promises 20,000 × 6,000 pixels, and nothing behind it.
        let mut header = b"BM".to_vec();
        header.extend([0u8; 8]);
        header.extend(54u32.to_le_bytes());
        header.extend(40u32.to_le_bytes());
        header.extend(20_000i32.to_le_bytes());
        header.extend(6_000i32.to_le_bytes());
        header.extend([1, 0, 24, 0]);
        header.extend([0u8; 24]);
        std::fs::write(&path, header).unwrap();
        let why = read(&path).unwrap_err();
        assert!(why.contains("100 megapixels"), "{why}");
    }
}
