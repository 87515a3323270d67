//! In which order pictures are taken: a function of the seed and of how many were taken before.

use crate::solver::{Purpose, Words};

/// Rounds of a Feistel network. Four of random functions are as good as any permutation (Luby and Rackoff 1988); these
/// are simpler, and the sets may be small.
const ROUNDS: usize = 8;

/// The order of the pictures of a training. Draw n, from 0, is a function of (seed, n): it depends neither on the size
/// of batches nor on what came before, so that its number is all that is to be kept of a place in the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub seed: u64,
    /// Number of pictures; `None` where there is no end of them.
    pub len: Option<u64>,
}

impl Order {
    /// The picture of draw n. Every epoch, which is as many draws as there are pictures, takes each of them once, in an
    /// order of its own; where there is no end, none is taken twice. 0 where there is no picture.
    pub fn picture(&self, n: u64) -> u64 {
        match self.len {
            None => n,
            Some(0) => 0,
            Some(len) => Permutation::new(self.seed, n / len, len).of(n % len),
        }
    }

    /// Whether draw n is mirrored, as half of them are.
    pub fn is_flipped(&self, n: u64) -> bool {
        Words::new(self.seed, Purpose::Flip, n).word() >> 31 == 1
    }

    /// How often all pictures had been taken before draw n.
    pub fn epoch(&self, n: u64) -> u64 {
        self.len.map_or(0, |len| n / len.max(1))
    }
}

/// A permutation of the numbers below one: a Feistel network on the next power of four, applied until the number is
/// among them again (Black and Rogaway 2002, "Ciphers with arbitrary finite domains").
struct Permutation {
    len: u64,
    /// Bits of half a number.
    bits: u32,
    keys: [u64; ROUNDS],
}

impl Permutation {
    fn new(seed: u64, epoch: u64, len: u64) -> Self {
        let needed = u64::BITS - len.saturating_sub(1).leading_zeros();
        let mut words = Words::new(seed, Purpose::Order, epoch);
        let keys = std::array::from_fn(|_| u64::from(words.word()) << 32 | u64::from(words.word()));
        Permutation { len, bits: needed.div_ceil(2).max(1), keys }
    }

    fn of(&self, number: u64) -> u64 {
        let mut number = self.mixed(number);
        // At most every fourth number of the network's is one of these; it always comes back to one.
        while number >= self.len {
            number = self.mixed(number);
        }
        number
    }

    fn mixed(&self, number: u64) -> u64 {
        let mask = (1 << self.bits) - 1;
        let (mut left, mut right) = (number >> self.bits, number & mask);
        for key in self.keys {
            (left, right) = (right, (left ^ hashed(right, key)) & mask);
        }
        left << self.bits | right
    }
}

/// A number as random as the key (the finaliser of SplitMix64, Steele, Lea and Flood 2014), of which the highest bits
/// are the best.
fn hashed(number: u64, key: u64) -> u64 {
    let mut z = (number ^ key).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ key.rotate_left(32);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ z >> 31) >> 32
}
