//! Pictures on their way into a slot: read, cropped and resized on threads of their own.

use crate::Pixels;
use crate::app::Notice;
use crate::checkpoint::{MOST_PIXELS, PictureSet, read_latents, read_photo, read_pictures, shipped_worlds, too_large};
use crate::task::Latents;
use crossbeam_channel::{Receiver, Sender};
use egui::ColorImage;
use image::imageops::FilterType;
use image::{DynamicImage, Rgb, RgbImage};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
        let image = sample_picture([channels, height, width], &picture.values);
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
            let photo = read_photo(&path, KEPT_SIDE).map_err(|error| error.to_string())?;
            Ok((Source::File(path), name, photo.image))
        }
        Wanted::World(index) => {
            let (index, image) = world_picture(index)?;
            Ok((Source::World(index), format!("world {}", index + 1), image))
        }
        Wanted::Image(pasted) => {
            let image = DynamicImage::ImageRgb8(pasted_picture(&pasted)?);
            Ok((Source::Clipboard, "pasted picture".into(), kept(image).into_rgb8()))
        }
        Wanted::Sample { shape, values, name } => Ok((Source::Trajectory, name, sample_picture(shape, &values))),
    }
}

/// One of the worlds that ship, and its place among them.
pub(in crate::app) fn world_picture(index: usize) -> Result<(usize, RgbImage), String> {
    let set = shipped_worlds().map_err(|error| error.to_string())?;
    let index = index % set.names.len().max(1);
    Ok((index, world(&set, index)))
}

/// A picture from the clipboard, laid on white.
pub(in crate::app) fn pasted_picture(pasted: &ColorImage) -> Result<RgbImage, String> {
    let [width, height] = pasted.size.map(|side| side as u32);
    let small = u64::from(width) * u64::from(height) <= MOST_PIXELS && width > 0 && height > 0;
    if !small {
        return Err(format!("the pasted picture cannot be used: {}", too_large(width, height)));
    }
    Ok(RgbImage::from_fn(width, height, |x, y| {
        let [r, g, b, a] = pasted[(x as usize, y as usize)].to_array();
        // egui's colours are multiplied by their alpha already.
        Rgb([r, g, b].map(|part| part.saturating_add(255 - a)))
    }))
}

/// A sample, C×H×W in [0, 1].
pub(in crate::app) fn sample_picture([channels, height, width]: [usize; 3], values: &[f32]) -> RgbImage {
    let level = |channel: usize, x: usize, y: usize| {
        let place = (channel.min(channels.saturating_sub(1)) * height + y) * width + x;
        (values.get(place).copied().unwrap_or_default() * 255.0).round() as u8
    };
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        Rgb(std::array::from_fn(|channel| level(channel, x as usize, y as usize)))
    })
}

fn kept(image: DynamicImage) -> DynamicImage {
    let larger = image.width().max(image.height()) > KEPT_SIDE;
    if larger { image.thumbnail(KEPT_SIDE, KEPT_SIDE) } else { image }
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
        let why = read_photo(&path, KEPT_SIDE).unwrap_err().to_string();
        assert!(why.contains("100 megapixels"), "{why}");
    }
}
