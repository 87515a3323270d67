//! What nobody chose: seeds, and one of many.

/// Chooses one of many, another each time; begun anew in each window.
#[derive(Clone, Copy, Debug)]
pub struct Dice(u64);

impl Default for Dice {
    fn default() -> Self {
        Dice(u64::from(std::process::id()))
    }
}

impl Dice {
    /// A number below `count`.
    pub fn roll(&mut self, count: usize) -> usize {
        // A linear congruential sequence (Knuth's MMIX).
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % count.max(1)
    }

    /// The next of a sequence that goes through all.
    pub fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_add(1);
        self.0 as usize
    }
}

/// A seed short enough to be read out.
pub fn new_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    // Multiplied so that neighbouring moments give seeds far apart (Knuth's multiplicative hash).
    (now.as_nanos() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44
}
