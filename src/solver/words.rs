//! Random words of an address, for what is not a batch of noise.

use super::noise::Purpose;
use super::random::{Blocks, LANES, cos_sin, ln, philox};

/// As many random numbers as are asked for, one after the other, all a function of (seed, purpose, place).
#[derive(Clone, Debug)]
pub struct Words {
    key: [u32; 2],
    /// Purpose and place.
    address: [u32; 3],
    /// Number of the first of the blocks that are made next.
    next: u32,
    blocks: Blocks<u32>,
    used: usize,
}

impl Words {
    /// From the first on.
    pub fn new(seed: u64, purpose: Purpose, place: u64) -> Self {
        let (key, place) = ([seed as u32, (seed >> 32) as u32], [(place >> 32) as u32, place as u32]);
        let address = [purpose.code(), place[0], place[1]];
        Words { key, address, next: 0, blocks: [[0; LANES]; 4], used: 4 * LANES }
    }

    /// The next word.
    pub fn word(&mut self) -> u32 {
        if self.used == 4 * LANES {
            let numbers = std::array::from_fn(|lane| self.next.wrapping_add(lane as u32));
            let [purpose, high, low] = self.address.map(|word| [word; LANES]);
            self.blocks = philox([numbers, purpose, high, low], self.key);
            self.next = self.next.wrapping_add(LANES as u32);
            self.used = 0;
        }
        let word = self.blocks[self.used % 4][self.used / 4];
        self.used += 1;
        word
    }

    /// A number in (0, 1), both ends excluded.
    pub fn uniform(&mut self) -> f64 {
        (f64::from(self.word()) + 0.5) / 4_294_967_296.0
    }

    /// A standard normal number (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * ln(self.uniform())).sqrt();
        radius * cos_sin(self.uniform())[0]
    }
}

/// eˣ, to about 1e-15: 2ᵏ·eʳ with |r| at most ½·ln 2. Plain arithmetic in a fixed order, for x from −700 to 700.
pub(crate) fn exp(x: f64) -> f64 {
    use std::f64::consts::LN_2;
    let power = (x / LN_2).round().clamp(-1022.0, 1023.0);
    let rest = x - power * LN_2;
    let series = (1..=14).rev().fold(1.0, |sum, term| 1.0 + sum * rest / f64::from(term));
    series * f64::from_bits(((power as i64 + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_that_of_the_standard_library() {
        for step in -3000..=3000 {
            let x = f64::from(step) * 0.013;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-13, "{x}: {}, not {}", exp(x), x.exp());
        }
    }

    #[test]
    fn words_are_those_of_their_address_and_normals_are_normal() {
        let first = |seed, purpose, place| {
            let mut words = Words::new(seed, purpose, place);
            (0..100).map(|_| words.word()).collect::<Vec<_>>()
        };
        let (one, again) = (first(1, Purpose::World, 2), first(1, Purpose::World, 2));
        assert_eq!(one, again);
        let others = [first(2, Purpose::World, 2), first(1, Purpose::Order, 2), first(1, Purpose::World, 3)];
        let far = first(1, Purpose::World, 2 + (1 << 32));
        assert!(others.iter().chain([&far]).all(|other| one.iter().zip(other).all(|(a, b)| a != b)));
        let (mut words, count) = (Words::new(7, Purpose::World, 0), 40_000);
        let normals: Vec<f64> = (0..count).map(|_| words.normal()).collect();
        let mean_of = |power: i32| normals.iter().map(|z| z.powi(power)).sum::<f64>() / f64::from(count);
        // Five standard deviations of the means of z, z² and z⁴, whose variances are 1, 2 and 96.
        for (power, expected, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (4, 3.0, 96.0)] {
            assert!((mean_of(power) - expected).abs() < 5.0 * f64::sqrt(variance / f64::from(count)));
        }
    }
}
