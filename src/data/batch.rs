//! Batches of draws, as a network takes them.

use super::{Data, Order};
use crate::Pixels;
use crate::sde::Range;
use crate::solver::{Purpose, Words};
use rayon::prelude::*;

/// How draws become numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preparation {
    /// What grey levels 0 to 255 fill.
    pub range: Range,
    /// Whether half of the draws are mirrored.
    pub flips: bool,
    /// Whether each level l becomes a uniform number from l/256 to (l + 1)/256 of the range, and not l/255 of it
    /// (Theis et al. 2016).
    pub dequantises: bool,
}

/// Some draws.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// N×C×H×W.
    pub images: Pixels<f32>,
    /// Number of each picture in its data.
    pub indices: Vec<u64>,
    /// A class for each, where the data has classes.
    pub labels: Option<Vec<u32>>,
}

impl Data {
    /// Draws `first` to `first + count` of an order. What each becomes is a function of its number and of the order's
    /// seed alone.
    pub fn batch(&self, order: &Order, first: u64, count: usize, preparation: &Preparation) -> Batch {
        let [channels, height, width] = self.shape();
        let size = channels * height * width;
        let mut values = vec![0.0; count * size];
        let draws: Vec<u64> = (0..count as u64).map(|offset| first.wrapping_add(offset)).collect();
        let fill = |(&n, values): (&u64, &mut [f32])| {
            let (index, mut levels) = (order.picture(n), vec![0; size]);
            let label = self.picture(index, &mut levels);
            if preparation.flips && order.is_flipped(n) {
                levels.chunks_exact_mut(width.max(1)).for_each(<[u8]>::reverse);
            }
            preparation.fill(&levels, order.seed, n, values);
            (index, label)
        };
        let taken: Vec<(u64, Option<u32>)> =
            draws.par_iter().zip(values.par_chunks_mut(size.max(1))).map(fill).collect();
        Batch {
            images: Pixels { shape: [count, channels, height, width], values: values.into() },
            indices: taken.iter().map(|(index, _)| *index).collect(),
            labels: taken.iter().map(|(_, label)| *label).collect(),
        }
    }
}

impl Preparation {
    /// The numbers of a picture's grey levels.
    pub fn fill(&self, levels: &[u8], seed: u64, n: u64, values: &mut [f32]) {
        let (low, high) = self.range.bounds();
        let (low, width) = (low as f32, (high - low) as f32);
        let mut words = Words::new(seed, Purpose::Dequantise, n);
        for (value, &level) in values.iter_mut().zip(levels) {
            let level = f32::from(level);
            let share = match self.dequantises {
                // 15 bits: no sum with 8 bits before them is rounded up to the next level.
                true => (level + ((words.word() >> 17) as f32 + 0.5) / 32_768.0) / 256.0,
                false => level / 255.0,
            };
            *value = low + width * share;
        }
    }
}
