//! Pictures to go on from: where they come from, how they are read, and which square of them is used.

use super::files::file_name;
use crate::Pixels;
use crate::checkpoint::{
    FileError, MOST_PIXELS, OpenedPhoto, PictureSet, read_photo, reduce_to, shipped_worlds, too_large,
};
use crate::data::worlds;
use crate::sde::Range;
use egui::{ColorImage, Ui};
use image::{Rgb, RgbImage};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// Worlds that ship, and their height and width, which are usual where no model says others.
const WORLDS: usize = 512;
pub const WORLD_SIDE: usize = 32;
/// Largest side at which worlds are drawn.
const LARGEST_WORLD: usize = 256;
/// Seed of worlds that no training sees.
const UNSEEN: u64 = 2;

/// Where a picture comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A Little World of this height and width.
    World {
        index: usize,
        size: usize,
    },
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

impl Source {
    /// What makes the same picture again, where it can be made again from here alone.
    pub fn again(&self) -> Option<Wanted> {
        match self {
            Source::World { index, size } => Some(Wanted::World { index: *index, size: *size }),
            Source::File(path) => Some(Wanted::File(path.clone())),
            Source::Latents { .. } | Source::Trajectory | Source::Clipboard => None,
        }
    }
}

/// What a picture is to be made of.
#[derive(Clone, Debug)]
pub enum Wanted {
    World { index: usize, size: usize },
    File(PathBuf),
    Pasted(Arc<ColorImage>),
    Sample(Sample),
}

/// A picture that was made here.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// In [0, 1].
    pub values: Vec<f32>,
    pub name: String,
}

/// Samples of one workspace that others can go on from.
#[derive(Clone, Debug)]
pub struct Offer {
    /// N×C×H×W.
    pub samples: Pixels<f32>,
    /// The values that show as black and white.
    pub range: Range,
}

impl Offer {
    /// One of the samples; numbers beyond the last begin anew.
    pub fn sample(&self, number: usize) -> Wanted {
        let (low, high) = self.range.bounds();
        let [count, channels, height, width] = self.samples.shape;
        let index = number % count.max(1);
        let unit = |value: &f32| ((f64::from(*value) - low) / (high - low)).clamp(0.0, 1.0) as f32;
        let values = self.samples.sample(index).iter().map(unit).collect();
        Wanted::Sample(Sample { shape: [channels, height, width], values, name: format!("sample {}", index + 1) })
    }
}

/// A Little World that nobody chose, for a model of images of this height and width.
pub fn any_world(size: usize) -> Wanted {
    Wanted::World { index: fastrand::usize(..WORLDS), size }
}

/// Little Worlds for a model of images of this height and width: the bundled ones, or so many that are drawn.
///
/// # Errors
/// If the bundled ones cannot be read.
pub fn examples(side: usize, count: usize) -> Result<PictureSet, FileError> {
    if side == WORLD_SIDE { shipped_worlds() } else { Ok(drawn(side, 0..count)) }
}

fn drawn(side: usize, numbers: std::ops::Range<usize>) -> PictureSet {
    let side = side.clamp(1, LARGEST_WORLD);
    let size = 3 * side * side;
    let mut values = vec![0; numbers.len() * size];
    let levels = values.chunks_exact_mut(size);
    numbers.clone().zip(levels).for_each(|(number, levels)| worlds::draw(UNSEEN, number as u64, side, levels));
    let names = numbers.map(|number| number.to_string()).collect();
    PictureSet { shape: [3, side, side], values, names, classes: None, warnings: Vec::new() }
}

/// The picture that was pasted in this frame.
pub fn pasted(ui: &Ui) -> Option<Wanted> {
    ui.input(|input| {
        input.events.iter().rev().find_map(|event| match event {
            egui::Event::PasteImage(image) => Some(Wanted::Pasted(image.clone())),
            _ => None,
        })
    })
}

impl Wanted {
    /// The picture at most `longest` wide and high, where it came from, and its name. Takes a moment.
    ///
    /// # Errors
    /// If it cannot be read or is too large: why, and what to do.
    pub fn make(self, longest: u32) -> Result<(Source, String, OpenedPhoto), String> {
        let whole = |image: RgbImage| OpenedPhoto { full: [image.width(), image.height()], image, notes: Vec::new() };
        match self {
            Wanted::File(path) => {
                let name = file_name(&path);
                let opened = read_photo(&path, longest).map_err(|error| error.to_string())?;
                Ok((Source::File(path), name, opened))
            }
            Wanted::World { index, size } => {
                let index = index % WORLDS;
                let image = if size == WORLD_SIDE {
                    world(&shipped_worlds().map_err(|error| error.to_string())?, index)
                } else {
                    world(&drawn(size, index..index + 1), 0)
                };
                Ok((Source::World { index, size }, format!("example {}", index + 1), whole(image)))
            }
            Wanted::Pasted(pasted) => {
                let (image, note) = reduce_to(on_white(&pasted)?, longest);
                let opened = OpenedPhoto { notes: note.into_iter().collect(), ..whole(image) };
                Ok((Source::Clipboard, "pasted image".into(), opened))
            }
            Wanted::Sample(Sample { shape, values, name }) => {
                Ok((Source::Trajectory, name, whole(sample_picture(shape, &values))))
            }
        }
    }
}

/// A picture from the clipboard, laid on white.
fn on_white(pasted: &ColorImage) -> Result<RgbImage, String> {
    let [width, height] = pasted.size.map(|side| side as u32);
    let small = u64::from(width) * u64::from(height) <= MOST_PIXELS && width > 0 && height > 0;
    if !small {
        return Err(format!("the pasted image cannot be used: {}", too_large(width, height)));
    }
    Ok(RgbImage::from_fn(width, height, |x, y| {
        let [r, g, b, a] = pasted[(x as usize, y as usize)].to_array();
        // egui's colours are multiplied by their alpha already.
        Rgb([r, g, b].map(|part| part.saturating_add(255 - a)))
    }))
}

/// A sample, C×H×W in [0, 1].
pub fn sample_picture([channels, height, width]: [usize; 3], values: &[f32]) -> RgbImage {
    let level = |channel: usize, x: usize, y: usize| {
        let place = (channel.min(channels.saturating_sub(1)) * height + y) * width + x;
        (values.get(place).copied().unwrap_or_default() * 255.0).round() as u8
    };
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        Rgb(std::array::from_fn(|channel| level(channel, x as usize, y as usize)))
    })
}

/// A picture of a set.
pub fn world(set: &PictureSet, index: usize) -> RgbImage {
    let [_, height, width] = set.shape;
    let plane = height * width;
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let place = index * 3 * plane + y as usize * width + x as usize;
        Rgb(std::array::from_fn(|channel| set.values.get(place + channel * plane).copied().unwrap_or_default()))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_stay_inside() {
        let crop = Crop { centre: [2.0, -1.0], side: 0.5 };
        assert_eq!(crop.square(100, 60), [70, 0, 30]);
        let inside = crop.inside(100, 60);
        assert_eq!(inside.centre, [0.85, 0.25]);
    }

    #[test]
    fn a_picture_beyond_200_megapixels_is_refused_before_it_is_decoded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.bmp");
        // A header that promises 30,000 × 8,000 pixels, and nothing behind it.
        let mut header = b"BM".to_vec();
        header.extend([0u8; 8]);
        header.extend(54u32.to_le_bytes());
        header.extend(40u32.to_le_bytes());
        header.extend(30_000i32.to_le_bytes());
        header.extend(8_000i32.to_le_bytes());
        header.extend([1, 0, 24, 0]);
        header.extend([0u8; 24]);
        std::fs::write(&path, header).unwrap();
        let why = Wanted::File(path).make(2048).unwrap_err();
        assert!(why.contains("200 megapixels"), "{why}");
    }
}
