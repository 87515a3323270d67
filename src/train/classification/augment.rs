use crate::solver::{Purpose, Words};
use serde::{Deserialize, Serialize};

/// What is done to the pictures of a training so that it sees more than there are, besides flips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Pixels by which a picture is shifted at most, up or down and to either side; its mirror image comes in.
    pub shift: usize,
    /// Side of the square that is hidden, in pixels (DeVries and Taylor 2017); 0: none.
    pub cutout: usize,
}

impl Augmentation {
    /// Applies it to the picture of draw `n`, C×H×W in [−1, 1]: a function of the seed and of `n`.
    pub fn apply(&self, seed: u64, n: u64, [_, height, width]: [usize; 3], values: &mut [f32]) {
        let mut words = Words::new(seed, Purpose::Crop, n);
        let mut below = |count: usize| ((words.uniform() * count as f64) as usize).min(count.saturating_sub(1));
        let [down, right] = [(); 2].map(|()| below(2 * self.shift + 1) as isize - self.shift as isize);
        let [top, left] = [height, width].map(|size| below(size) as isize - self.cutout as isize / 2);
        let hidden = |place: usize, first: isize| (first..first + self.cutout as isize).contains(&(place as isize));
        let mut before = Vec::new();
        for plane in values.chunks_mut((height * width).max(1)) {
            before.clear();
            before.extend_from_slice(plane);
            for (place, value) in plane.iter_mut().enumerate() {
                let (y, x) = (place / width, place % width);
                let from = mirrored(y, down, height) * width + mirrored(x, right, width);
                *value = if hidden(y, top) && hidden(x, left) { 0.0 } else { before.get(from).copied().unwrap_or(0.0) };
            }
        }
    }
}

/// The place that comes to `place` by a shift; beyond a border it goes back, without repeating the border.
fn mirrored(place: usize, shift: isize, size: usize) -> usize {
    let last = size as isize - 1;
    let place = (place as isize - shift).abs();
    let place = if place > last { 2 * last - place } else { place };
    place.clamp(0, last.max(0)) as usize
}
