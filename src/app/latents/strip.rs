//! The filmstrip: pictures between A and B, coarse first, each first by few steps and then as exactly as was asked.

use super::board::{Board, Encoding};
use super::draft::LatentsDraft;
use super::original::PictureKey;
use crate::Pixels;
use crate::task::{Flow, between, temper};

/// What decides the pictures of a strip.
#[derive(Clone, Debug, PartialEq)]
pub struct StripKey {
    ends: [PictureKey; 2],
    pub flow: Flow,
    spherical: bool,
    temperature: f64,
    frames: usize,
}

/// A frame as far as it is known.
#[derive(Clone, Debug, Default)]
struct Frame {
    quick: Option<Pixels<f32>>,
    fine: Option<Pixels<f32>>,
}

/// The frames between A and B.
#[derive(Clone, Debug)]
pub struct Strip {
    pub key: StripKey,
    /// One sample a frame, at the strip's temperature.
    pub latents: Pixels<f32>,
    frames: Vec<Frame>,
}

/// The latents of A and B where both were made by the same flow.
pub fn ends(board: &Board) -> Option<[(&Encoding, PictureKey); 2]> {
    let end = |index| Some((board.encoding_in(index)?, board.key(index)?));
    let (a, b) = (end(0)?, end(1)?);
    (a.0.latents.flow == b.0.latents.flow).then_some([a, b])
}

impl Strip {
    /// The key that the strip should have now.
    pub fn wanted(board: &Board, draft: &LatentsDraft) -> Option<StripKey> {
        let [(a, first), (_, last)] = ends(board)?;
        Some(StripKey {
            ends: [first, last],
            flow: a.latents.flow.clone(),
            spherical: draft.spherical,
            temperature: draft.temperature,
            frames: draft.frames,
        })
    }

    /// A strip with no picture yet but those that are known: the reconstructions at its ends.
    pub fn new(key: StripKey, board: &Board) -> Option<Strip> {
        let both = Pixels::together(ends(board)?.map(|(end, _)| Some(&end.latents.pixels)))?;
        let way = between(&both, 0, 1, key.frames, key.spherical);
        let tempered = temper(&way.values, key.temperature);
        let latents = Pixels { shape: way.shape, values: tempered.into() };
        let mut strip = Strip { frames: vec![Frame::default(); key.frames], latents, key };
        strip.take_ends(board);
        Some(strip)
    }

    /// At temperature 1 the ends are the reconstructions.
    pub fn take_ends(&mut self, board: &Board) {
        if self.key.temperature != 1.0 {
            return;
        }
        for (place, end) in [(0, self.key.ends[0]), (self.frames.len() - 1, self.key.ends[1])] {
            let back = board.encoding(&end).and_then(|encoding| encoding.back.as_ref());
            if let Some(back) = back {
                self.frames[place].fine = Some(back.picture.clone());
            }
        }
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// The best picture of a frame, and whether it is as exact as was asked.
    pub fn best(&self, place: usize) -> Option<(&Pixels<f32>, bool)> {
        let frame = self.frames.get(place)?;
        frame.fine.as_ref().map(|fine| (fine, true)).or_else(|| Some((frame.quick.as_ref()?, false)))
    }

    /// All frames, where all have a picture.
    pub fn pictures(&self) -> Option<Vec<Pixels<f32>>> {
        (0..self.len()).map(|place| self.best(place).map(|(picture, _)| picture.clone())).collect()
    }

    /// Frames that are as exact as was asked.
    pub fn exact(&self) -> usize {
        self.frames.iter().filter(|frame| frame.fine.is_some()).count()
    }

    /// The frame that lies at a place from A (0) to B (1).
    pub fn frame_at(&self, place: f64) -> Option<usize> {
        let along = place * (self.len() - 1) as f64;
        ((along - along.round()).abs() < 1e-6).then_some(along.round() as usize)
    }

    /// The frames to decode next, coarse first, and whether by many steps: that which is looked at before others.
    pub fn next(&self, looked_at: f64) -> Option<(Vec<usize>, bool)> {
        let drafted = self.frames.iter().all(|frame| frame.quick.is_some() || frame.fine.is_some());
        if let Some(place) = self.frame_at(looked_at).filter(|&place| drafted && self.frames[place].fine.is_none()) {
            return Some((vec![place], true));
        }
        for fine in [false, true] {
            for level in levels(self.len()) {
                let lacks = |place: &usize| {
                    let frame = &self.frames[*place];
                    frame.fine.is_none() && (fine || frame.quick.is_none())
                };
                let places: Vec<usize> = level.into_iter().filter(lacks).collect();
                if !places.is_empty() {
                    return Some((places, fine));
                }
            }
        }
        None
    }

    /// The latents of some frames.
    pub fn latents_of(&self, places: &[usize]) -> Pixels<f32> {
        let values: Vec<f32> = places.iter().flat_map(|&place| self.latents.sample(place).iter().copied()).collect();
        let [_, c, h, w] = self.latents.shape;
        Pixels { shape: [places.len(), c, h, w], values: values.into() }
    }

    /// Keeps decoded frames.
    pub fn insert(&mut self, places: &[usize], pictures: &Pixels<f32>, fine: bool) {
        for (index, &place) in places.iter().enumerate() {
            if let Some(frame) = self.frames.get_mut(place) {
                let kept = if fine { &mut frame.fine } else { &mut frame.quick };
                *kept = Some(pictures.one(index));
            }
        }
    }
}

/// Places of `count` frames, coarse first: the ends, the middle, the quarters, …
fn levels(count: usize) -> Vec<Vec<usize>> {
    let last = count.saturating_sub(1);
    let mut levels = vec![vec![0, last]];
    let mut stride = last.next_power_of_two();
    let mut seen = vec![0, last];
    while stride > 1 {
        stride /= 2;
        let level: Vec<usize> = (0..=last).step_by(stride).filter(|place| !seen.contains(place)).collect();
        seen.extend(&level);
        levels.push(level);
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_coarse_first_and_each_once() {
        assert_eq!(levels(9), [vec![0, 8], vec![4], vec![2, 6], vec![1, 3, 5, 7]]);
        for count in [2, 9, 12, 17] {
            let mut all = levels(count).concat();
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
    }
}
