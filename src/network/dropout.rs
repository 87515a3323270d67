//! Dropout (Srivastava et al. 2014) in training: of the hidden features of a block, before its second convolution.

/// Each value is dropped with probability `rate`, else divided by 1 − `rate`. Which ones follows from the seed and from
/// each value's place alone: its image's in the batch, its block's in the network, its own in the features. They do not
/// depend on the device, nor on what is computed beside them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// In [0, 1).
    pub rate: f32,
    /// Another one for each step.
    pub seed: u64,
    /// The place in its batch of the first image.
    pub first: usize,
}

impl Dropout {
    /// The same from an image on.
    #[must_use]
    pub fn after(self, images: usize) -> Self {
        Dropout { first: self.first + images, ..self }
    }

    /// Of an image, counted from the first, in the block at a place of the network.
    pub(super) fn mask(self, block: usize, image: usize) -> Mask {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let keys = [random.u32(..), random.u32(..)];
        let places = [block as u32, (self.first + image) as u32];
        let [first, second] = [0, 1].map(|index| mixed(keys[index] ^ mixed(keys[1 - index] ^ places[index])));
        // Of 2³² numbers that are equally likely.
        let dropped = (f64::from(self.rate) * f64::from(u32::MAX)).round() as u32;
        Mask { key: [first ^ mixed(second), second], dropped, scale: (1.0 - self.rate).recip() }
    }
}

/// What the values of an image's features are multiplied with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mask {
    key: [u32; 2],
    /// Of all numbers, so many mean that a value is dropped.
    dropped: u32,
    scale: f32,
}

impl Mask {
    /// Its keys, how many of all numbers drop a value, and what the others are multiplied with, in bits.
    pub fn words(self) -> [u32; 4] {
        [self.key[0], self.key[1], self.dropped, self.scale.to_bits()]
    }

    /// Of the value at channel·H·W + pixel.
    #[inline(always)]
    pub fn of(self, place: u32) -> f32 {
        let number = mixed(mixed(place ^ self.key[0]).wrapping_add(self.key[1]));
        if number < self.dropped { 0.0 } else { self.scale }
    }
}

/// A bijection of 32 bits that leaves no trace of its input's order ("lowbias32", Wellons 2018).
#[inline(always)]
fn mixed(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares of many independent throws lie within five standard deviations, √(r(1 − r)/n); so do the shares in which two
    /// masks both drop a value.
    #[test]
    fn values_are_dropped_at_the_rate_and_independently() {
        const COUNT: u32 = 1 << 18;
        let deviation = |p: f64| 5.0 * (p * (1.0 - p) / f64::from(COUNT)).sqrt();
        let dropped = |mask: Mask, place: u32| mask.of(place) == 0.0;
        for rate in [0.1_f32, 0.5] {
            let (dropout, r) = (Dropout { rate, seed: 1, first: 0 }, f64::from(rate));
            let first = dropout.mask(0, 0);
            let share = (0..COUNT).filter(|&place| dropped(first, place)).count() as f64 / f64::from(COUNT);
            assert!((share - r).abs() < deviation(r), "{share} of the values are dropped, not {rate}");
            let mean = (0..COUNT).map(|place| f64::from(first.of(place))).sum::<f64>() / f64::from(COUNT);
            assert!((mean - 1.0).abs() < deviation(r) / (1.0 - r), "the mean is {mean}");
            let others = [
                dropout.mask(1, 0),
                dropout.mask(0, 1),
                dropout.mask(1, 1),
                Dropout { seed: 2, ..dropout }.mask(0, 0),
                // Of the next value.
                first,
            ];
            for (index, other) in others.into_iter().enumerate() {
                let step = u32::from(index == 4);
                let both = |&place: &u32| dropped(first, place) && dropped(other, place + step);
                let share = (0..COUNT).filter(both).count() as f64 / f64::from(COUNT);
                assert!((share - r * r).abs() < deviation(r * r), "mask {index}: {share}, not {}", r * r);
            }
        }
    }

    #[test]
    fn a_rate_of_nothing_changes_nothing() {
        let mask = Dropout { rate: 0.0, seed: 1, first: 0 }.mask(3, 5);
        assert!((0..10_000).all(|place| mask.of(place) == 1.0));
    }
}
