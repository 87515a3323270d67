//! Networks of larger images from ones that have learnt: the same layers see and answer patches where they saw pixels.

use super::{Architecture, Array, Config, Weights};

impl Architecture {
    /// The same network for images of this height and width, k times its own, by patches of k times as many pixels a
    /// side: itself where k is 1. `None` where k is not whole, patches would be too large, or its kind has none
    /// (U-Nets have).
    pub fn enlarged(&self, size: [usize; 2]) -> Option<Architecture> {
        let [_, height, width] = self.shape();
        if size == [height, width] {
            return Some(self.clone());
        }
        let config = self.unet()?;
        let k = size[0] / height;
        if k == 0 || size != [k * height, k * width] {
            return None;
        }
        let config = Config {
            image_size: size[0],
            image_width: config.image_width.map(|_| size[1]),
            patch: u8::try_from(k * config.side_of_patch()).ok()?,
            ..config.clone()
        };
        config.check().is_ok().then(|| config.into())
    }

    /// The weights of this network as those of a `larger` one that is [`Architecture::enlarged`] from it: filters that
    /// read pixels read the means of patches, and what was answered for a pixel is answered for each of its patch.
    /// Images whose patches are of one colour thus have the same answer, k times as large.
    pub fn enlarge(&self, weights: Weights, larger: &Architecture) -> Weights {
        let side = |architecture: &Architecture| architecture.unet().map_or(1, Config::side_of_patch);
        let patches = Patches { side: side(self), factor: (side(larger) / side(self)).max(1) };
        let mut shapes = larger.parameters();
        shapes.retain(|(name, shape)| weights.get(name).is_some_and(|array| array.shape != *shape));
        let mut weights = weights;
        for (name, shape) in shapes {
            if let Some(array) = weights.get_mut(&name) {
                *array = patches.spread(array, &shape);
            }
        }
        weights
    }
}

/// Patches of `factor · side` pixels a side in the place of those of `side`.
struct Patches {
    side: usize,
    factor: usize,
}

impl Patches {
    /// The plane of smaller patches in which the pixel of a plane of larger ones lies, in the order of
    /// [`super::patch::cut`].
    fn plane(&self, plane: usize) -> usize {
        let Patches { side, factor } = *self;
        let larger = side * factor;
        let (channel, row, column) = (plane / (larger * larger), plane / larger % larger, plane % larger);
        (channel * side + row / factor) * side + column / factor
    }

    /// A filter (outputs × inputs × height × width) or a bias of planes, for those of this shape.
    fn spread(&self, array: &Array, shape: &[usize]) -> Array {
        let extent = |shape: &[usize], axis: usize| shape.get(axis).copied().unwrap_or(1);
        let inputs = extent(&array.shape, 1);
        let taps = array.values.len() / (inputs * extent(&array.shape, 0)).max(1);
        let place = |axis: usize, plane: usize| match extent(&array.shape, axis) == extent(shape, axis) {
            true => plane,
            false => self.plane(plane),
        };
        let share = inputs as f32 / extent(shape, 1) as f32;
        let mut values = Vec::with_capacity(shape.iter().product());
        for output in 0..extent(shape, 0) {
            for input in 0..extent(shape, 1) {
                let first = (place(0, output) * inputs + place(1, input)) * taps;
                values.extend(array.values.iter().skip(first).take(taps).map(|value| value * share));
            }
        }
        Array { shape: shape.to_vec(), values }
    }
}
