//! A set of pictures in memory.

use super::checksum::hexadecimal;
use crate::luma;
use crate::sde::{Moments, Range};
use sha2::{Digest, Sha256};

/// Pictures of one size.
#[derive(Clone, Debug)]
pub struct PictureSet {
    /// C, H, W (C is 3, or 1 of grey ones).
    pub shape: [usize; 3],
    /// N×C×H×W grey levels.
    pub values: Vec<u8>,
    /// A name for each picture: its path inside the folder.
    pub names: Vec<String>,
    /// Where the set tells classes.
    pub classes: Option<Classes>,
    /// One sentence for each kind of files that were left out, or are not as they are in the file.
    pub warnings: Vec<String>,
}

/// What the pictures of a set show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    /// Names of the classes.
    pub names: Vec<String>,
    /// A class for each picture, below the number of names.
    pub labels: Vec<u32>,
}

impl PictureSet {
    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Grey levels of one picture, C×H×W, or nothing where there is no such picture.
    pub fn picture(&self, index: usize) -> &[u8] {
        let size = self.shape.iter().product::<usize>();
        self.values.get(index * size..(index + 1) * size).unwrap_or_default()
    }

    /// As a model of grey images sees them: their luma.
    pub fn grey(self) -> PictureSet {
        self.with_channels(Some(1))
    }

    /// With one channel, their luma, or with three. Where none are asked for they have one if all are grey.
    pub fn with_channels(mut self, channels: Option<usize>) -> PictureSet {
        let [own, height, width] = self.shape;
        let plane = height * width;
        let channels = channels.unwrap_or_else(|| if self.is_grey() { 1 } else { own });
        if plane > 0 && (own, channels) == (3, 1) {
            // In place, so that a large set is never there twice.
            for picture in 0..self.values.len() / (3 * plane) {
                for place in 0..plane {
                    let level = |channel: usize| f32::from(self.values[(picture * 3 + channel) * plane + place]);
                    self.values[picture * plane + place] = luma([0, 1, 2].map(level)).round() as u8;
                }
            }
            self.values.truncate(self.values.len() / 3);
            self.values.shrink_to_fit();
        } else if plane > 0 && (own, channels) == (1, 3) {
            self.values =
                self.values.chunks_exact(plane).flat_map(|grey| [grey; 3].into_iter().flatten().copied()).collect();
        } else {
            return self;
        }
        self.shape = [channels, height, width];
        self
    }

    /// Whether no picture has a colour.
    fn is_grey(&self) -> bool {
        let [channels, height, width] = self.shape;
        let plane = (height * width).max(1);
        channels == 1
            || self.values.chunks_exact(3 * plane).all(|picture| {
                let (red, others) = picture.split_at(plane);
                others.chunks_exact(plane).all(|other| other == red)
            })
    }

    /// SHA-256 of shape, grey levels and classes, in hexadecimal: whether two sets teach the same.
    pub fn checksum(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(format!("{:?} {}\n", self.shape, self.len()));
        digest.update(&self.values);
        if let Some(Classes { names, labels }) = &self.classes {
            digest.update(format!("{names:?}\n"));
            labels.iter().for_each(|label| digest.update(label.to_le_bytes()));
        }
        hexadecimal(&digest.finalize())
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
