//! The feature maps of a batch, and the memory they lie in.

use super::simd::Lanes;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Memory that is used again and again, from layer to layer and from evaluation to evaluation.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool(Arc<Mutex<Vec<Vec<Lanes>>>>);

impl Pool {
    /// Memory for `len` sixteens, with whatever was left there.
    pub fn take(&self, len: usize) -> Buffer {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = free.iter().enumerate().filter(|(_, lanes)| lanes.len() >= len);
        let best = fitting.min_by_key(|(_, lanes)| lanes.len()).map(|(index, _)| index);
        // Much larger memory is for others, who would have to ask for more.
        let best = best.filter(|&index| free[index].len() <= 2 * len + 64);
        let lanes = best.map(|index| free.swap_remove(index));
        drop(free);
        Buffer { lanes: lanes.unwrap_or_else(|| vec![Lanes::default(); len]), len, pool: self.clone() }
    }

    /// Gives all memory that is not in use back to the system.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Memory from a pool, to which it returns.
#[derive(Debug)]
pub(super) struct Buffer {
    lanes: Vec<Lanes>,
    len: usize,
    pool: Pool,
}

impl Deref for Buffer {
    type Target = [Lanes];

    fn deref(&self) -> &[Lanes] {
        &self.lanes[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [Lanes] {
        &mut self.lanes[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let lanes = std::mem::take(&mut self.lanes);
        self.pool.0.lock().unwrap_or_else(PoisonError::into_inner).push(lanes);
    }
}

/// N×C×H×W values as N × ⌈C/16⌉ × H × W sixteens of channels. Channels beyond the last are zero.
#[derive(Debug)]
pub(super) struct Maps {
    pub lanes: Buffer,
    pub images: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl Maps {
    /// With whatever was left in the memory.
    pub fn new(pool: &Pool, images: usize, channels: usize, height: usize, width: usize) -> Self {
        let lanes = pool.take(images * channels.div_ceil(Lanes::WIDTH) * height * width);
        Maps { lanes, images, channels, height, width }
    }

    /// From N×C×H×W.
    pub fn from_planes(pool: &Pool, values: &[f32], [n, c, h, w]: [usize; 4]) -> Self {
        let mut maps = Maps::new(pool, n, c, h, w);
        maps.lanes.fill(Lanes::default());
        let (blocks, area) = (maps.blocks(), h * w);
        for (index, plane) in values.chunks(area).enumerate() {
            let (image, channel) = (index / c, index % c);
            let map = &mut maps.lanes[(image * blocks + channel / Lanes::WIDTH) * area..];
            map.iter_mut().zip(plane).for_each(|(lanes, &x)| lanes.0[channel % Lanes::WIDTH] = x);
        }
        maps
    }

    /// To N×C×H×W.
    pub fn to_planes(&self, values: &mut [f32]) {
        for (index, plane) in values.chunks_mut(self.area()).enumerate() {
            let (image, channel) = (index / self.channels, index % self.channels);
            let map = self.map(image, channel / Lanes::WIDTH);
            plane.iter_mut().zip(map).for_each(|(x, lanes)| *x = lanes.0[channel % Lanes::WIDTH]);
        }
    }

    pub fn blocks(&self) -> usize {
        self.channels.div_ceil(Lanes::WIDTH)
    }

    pub fn area(&self) -> usize {
        self.height * self.width
    }

    /// H·W sixteens of an image.
    pub fn map(&self, image: usize, block: usize) -> &[Lanes] {
        &self.lanes[(image * self.blocks() + block) * self.area()..][..self.area()]
    }
}

/// Features, which may lie in several parts, so that nothing is copied to stand beside one another.
#[derive(Clone, Debug)]
pub(super) struct Features(pub Vec<Arc<Part>>);

/// Maps, and the mean and the summed squares around it of each, once they were asked for.
#[derive(Debug)]
pub(super) struct Part {
    pub maps: Maps,
    pub moments: OnceLock<Buffer>,
}

impl From<Maps> for Features {
    fn from(maps: Maps) -> Self {
        Features(vec![Arc::new(Part { maps, moments: OnceLock::new() })])
    }
}

impl Features {
    /// Images, height and width.
    pub fn size(&self) -> [usize; 3] {
        self.0.first().map_or([0; 3], |part| [part.maps.images, part.maps.height, part.maps.width])
    }

    pub fn blocks(&self) -> usize {
        self.0.iter().map(|part| part.maps.blocks()).sum()
    }

    /// H·W sixteens of an image.
    pub fn map(&self, image: usize, mut block: usize) -> Option<&[Lanes]> {
        for part in &self.0 {
            if block < part.maps.blocks() {
                return Some(part.maps.map(image, block));
            }
            block -= part.maps.blocks();
        }
        None
    }

    /// All maps of an image.
    pub fn maps_of(&self, image: usize) -> Vec<&[Lanes]> {
        let of_part = |part: &'_ Part| 0..part.maps.blocks();
        self.0.iter().flat_map(|part| of_part(part).map(|block| part.maps.map(image, block))).collect()
    }

    /// All channels in one part.
    pub fn whole(&self, pool: &Pool) -> Arc<Part> {
        if let [part] = &self.0[..] {
            return part.clone();
        }
        let [images, height, width] = self.size();
        let channels: Vec<usize> = self.0.iter().map(|part| part.maps.channels).collect();
        let mut maps = Maps::new(pool, images, channels.iter().sum(), height, width);
        maps.lanes.fill(Lanes::default());
        let (area, blocks) = (maps.area(), maps.blocks());
        for image in 0..images {
            let from = self.maps_of(image);
            for (place, channel) in places(&channels).into_iter().enumerate() {
                let Some(channel) = channel else { continue };
                let to = &mut maps.lanes[(image * blocks + channel / Lanes::WIDTH) * area..][..area];
                for (to, from) in to.iter_mut().zip(from[place / Lanes::WIDTH]) {
                    to.0[channel % Lanes::WIDTH] = from.0[place % Lanes::WIDTH];
                }
            }
        }
        Arc::new(Part { maps, moments: OnceLock::new() })
    }
}

/// Which channel lies in each place of features in parts: places beyond the last channel of a part hold none.
pub(super) fn places(parts: &[usize]) -> Vec<Option<usize>> {
    let mut first = 0;
    let mut places = Vec::new();
    for &channels in parts {
        places.extend((first..first + channels).map(Some));
        places.resize(places.len().next_multiple_of(Lanes::WIDTH), None);
        first += channels;
    }
    places
}
