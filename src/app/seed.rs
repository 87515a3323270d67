//! Seeds that nobody chose.

/// A seed short enough to be read out.
pub fn new_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    // Multiplied so that neighbouring moments give seeds far apart (Knuth's multiplicative hash).
    (now.as_nanos() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44
}
