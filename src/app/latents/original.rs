//! Pictures on their way into a slot: read, cropped and resized beside the window's thread.

use crate::app::Notice;
use crate::app::background::{BROKEN, Background};
use crate::app::photos::{Crop, Source, Wanted, examples, sample_picture, world};
use crate::checkpoint::{PictureSet, read_latents, read_pictures};
use crate::task::Latents;
use crate::{Pixels, luma};
use image::imageops::FilterType;
use image::{Rgb, RgbImage};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Photos are kept at most this wide and high: enough to crop from.
const KEPT_SIDE: u32 = 2048;

/// A picture before it is cropped.
#[derive(Debug)]
pub struct Original {
    /// No two photos of this window have the same.
    pub id: u64,
    pub source: Source,
    pub name: String,
    pub image: RgbImage,
}

impl PartialEq for Original {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// Names a picture as the model is given it: the same photo, crop and shape are the same picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PictureKey {
    pub original: u64,
    crop: [u32; 3],
    pub shape: [usize; 3],
}

impl PictureKey {
    /// The key of a crop of a photo at a model's shape.
    pub fn new(original: &Original, crop: Crop, shape: [usize; 3]) -> Self {
        let crop = crop.square(original.image.width(), original.image.height());
        PictureKey { original: original.id, crop, shape }
    }
}

/// What has become of it.
#[derive(Debug)]
pub enum Loaded {
    Original {
        slot: usize,
        original: Arc<Original>,
        crop: Crop,
        /// It was there in the last window.
        restored: bool,
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
        /// Only this sample, which was there in the last window.
        restored: Option<usize>,
        latents: Box<Latents>,
    },
    Refused(Notice),
}

/// Reads pictures, and has what was read.
#[derive(Debug, Default)]
pub struct Originals {
    threads: Background<Loaded>,
    /// Whole sets, which take longer: photos do not wait for them.
    sets: Background<Loaded>,
    made: u64,
}

impl Originals {
    /// What has come since the last call.
    pub fn poll(&self) -> impl Iterator<Item = Loaded> + use<> {
        self.threads.poll().chain(self.sets.poll())
    }

    fn next_id(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// Reads a photo for a slot. `restored`: it was there in the last window.
    pub fn load(&mut self, ctx: &egui::Context, slot: usize, wanted: Wanted, crop: Crop, restored: bool) {
        let id = self.next_id();
        self.threads.spawn(ctx, broken(), move || match wanted.make(KEPT_SIDE) {
            Ok((source, name, opened)) => {
                let original = Arc::new(Original { id, source, name, image: opened.image });
                Loaded::Original { slot, original, crop, restored }
            }
            Err(why) => Loaded::Refused(Notice::error(why)),
        });
    }

    /// Reads a file of latents, or of one that was there in the last window its sample `restored`.
    pub fn latents(&self, ctx: &egui::Context, slot: Option<usize>, path: PathBuf, restored: Option<usize>) {
        self.threads.spawn(ctx, broken(), move || match read_latents(&path) {
            Ok(latents) => Loaded::Latents { slot, path, restored, latents: Box::new(latents) },
            Err(error) => Loaded::Refused(Notice::error(error)),
        });
    }

    /// A photo of a picture that was decoded, 1×C×H×W in [0, 1].
    pub fn decoded(&mut self, source: Source, name: String, picture: &Pixels<f32>) -> Arc<Original> {
        let [_, channels, height, width] = picture.shape;
        let image = sample_picture([channels, height, width], &picture.values);
        Arc::new(Original { id: self.next_id(), source, name, image })
    }

    /// Cuts a square out of a photo, at the model's shape.
    pub fn cut(&self, ctx: &egui::Context, original: Arc<Original>, key: PictureKey) {
        self.threads.spawn(ctx, broken(), move || Loaded::Picture { key, pixels: cut(&original, key) });
    }

    /// Reads `count` pictures, evenly spread over a folder, or over Little Worlds of the model's size.
    pub fn set(&self, ctx: &egui::Context, folder: Option<PathBuf>, count: usize, shape: [usize; 3]) {
        self.sets.spawn(ctx, broken(), move || {
            let side = shape[1].max(shape[2]);
            let read = match &folder {
                None => examples(side, count),
                Some(folder) => read_pictures(folder, Some(side)),
            };
            let name = folder.as_deref().and_then(Path::file_name);
            let name = name.map_or_else(|| "Little Worlds".into(), |name| name.to_string_lossy().into_owned());
            match read {
                Ok(set) => Loaded::Set { name, pixels: spread(&set, count, shape) },
                Err(error) => Loaded::Refused(Notice::error(error)),
            }
        });
    }
}

fn broken() -> Loaded {
    Loaded::Refused(Notice::error(BROKEN))
}

/// The crop of a photo at a model's shape, 1×C×H×W in [0, 1].
fn cut(original: &Original, key: PictureKey) -> Pixels<f32> {
    let [left, top, side] = key.crop;
    let [channels, height, width] = key.shape;
    // Of an oblong model, the middle of the square.
    let longest = height.max(width).max(1) as u64;
    let [across, down] = [width, height].map(|part| (u64::from(side) * part as u64 / longest).max(1) as u32);
    let (left, top) = (left + (side - across) / 2, top + (side - down) / 2);
    let square = image::imageops::crop_imm(&original.image, left, top, across, down).to_image();
    let exact = (across as usize, down as usize) == (width, height);
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
    if channels < 3 { luma([r, g, b]) } else { [r, g, b][channel.min(2)] }
}

/// `count` pictures of a set, evenly spread, at a model's shape.
fn spread(set: &PictureSet, count: usize, shape: [usize; 3]) -> Pixels<f32> {
    let all = set.names.len();
    let count = count.min(all);
    let mut values = Vec::new();
    for index in 0..count {
        let chosen = index * all / count.max(1);
        let original = Original {
            id: 0,
            source: Source::World { index: chosen, size: shape[1] },
            name: String::new(),
            image: world(set, chosen),
        };
        values.extend_from_slice(&cut(&original, PictureKey::new(&original, Crop::default(), shape)).values);
    }
    Pixels { shape: [count, shape[0], shape[1], shape[2]], values: values.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::shipped_worlds;

    fn original(image: RgbImage) -> Original {
        Original { id: 1, source: Source::Clipboard, name: String::new(), image }
    }

    #[test]
    fn a_crop_takes_the_square_that_it_names() {
        // Red on the left, blue on the right.
        let image = RgbImage::from_fn(40, 10, |x, _| if x < 20 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) });
        let original = original(image);
        // An oblong model sees the middle of the square, without distortion: here rows 2 to 6 of 10.
        let striped = RgbImage::from_fn(10, 10, |_, y| Rgb([if (2..7).contains(&y) { 255 } else { 0 }; 3]));
        let striped = self::original(striped);
        let wide = cut(&striped, PictureKey::new(&striped, Crop::default(), [3, 5, 10]));
        assert_eq!(wide.shape, [1, 3, 5, 10]);
        assert!(wide.values.iter().all(|&value| value == 1.0));
        for (centre, first) in [(0.0, [1.0, 0.0, 0.0]), (1.0, [0.0, 0.0, 1.0])] {
            let crop = Crop { centre: [centre, 0.5], side: 1.0 };
            let cut = cut(&original, PictureKey::new(&original, crop, [3, 8, 8]));
            assert_eq!(cut.shape, [1, 3, 8, 8]);
            assert_eq!([cut.values[0], cut.values[64], cut.values[128]], first);
        }
    }

    #[test]
    fn a_world_comes_through_unchanged() {
        let set = shipped_worlds().unwrap();
        let original = original(world(&set, 5));
        let cut = cut(&original, PictureKey::new(&original, Crop::default(), set.shape));
        let levels: Vec<u8> = cut.values.iter().map(|value| (value * 255.0).round() as u8).collect();
        let size = set.shape.iter().product::<usize>();
        assert_eq!(levels, set.values[5 * size..6 * size]);
    }

    #[test]
    fn worlds_for_models_of_other_sizes_are_drawn_at_theirs() {
        for side in [16, 64] {
            let shape = [3, side, side];
            let pixels = spread(&examples(side, 3).unwrap(), 3, shape);
            let mut levels = vec![0; 3 * side * side];
            for (number, picture) in pixels.values.chunks(levels.len()).enumerate() {
                crate::data::worlds::draw(2, number as u64, side, &mut levels);
                let found: Vec<u8> = picture.iter().map(|value| (value * 255.0).round() as u8).collect();
                assert_eq!(found, levels);
            }
        }
        assert_eq!(examples(32, 3).unwrap().names.len(), 512);
    }
}
