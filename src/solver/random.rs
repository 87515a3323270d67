//! Random words from counters and normal numbers from words, sixteen at a time, so that a loop over them fills wide
//! registers. Plain arithmetic in a fixed order: every processor gives the same bits.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_2, LN_2};

/// Blocks of four numbers that are made together.
pub(super) const LANES: usize = 16;

/// Four numbers of each of sixteen blocks.
pub(super) type Blocks<T> = [[T; LANES]; 4];

/// Philox4x32 with ten rounds, a counter-based generator (Salmon et al. 2011, "Parallel random numbers").
#[inline(always)]
pub(super) fn philox(mut counter: Blocks<u32>, mut key: [u32; 2]) -> Blocks<u32> {
    for _ in 0..10 {
        let mut next = [[0; LANES]; 4];
        for lane in 0..LANES {
            let a = u64::from(counter[0][lane]) * 0xD251_1F53;
            let b = u64::from(counter[2][lane]) * 0xCD9E_8D57;
            next[0][lane] = (b >> 32) as u32 ^ counter[1][lane] ^ key[0];
            next[1][lane] = b as u32;
            next[2][lane] = (a >> 32) as u32 ^ counter[3][lane] ^ key[1];
            next[3][lane] = a as u32;
        }
        counter = next;
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

/// Standard normals from random words (Box and Muller 1958): two from the first and second word of each block, two from
/// the others.
#[inline(always)]
pub(super) fn box_muller(words: &Blocks<u32>) -> Blocks<f32> {
    let mut normals = [[0.0; LANES]; 4];
    for pair in [0, 2] {
        for lane in 0..LANES {
            let radius = (-2.0 * ln(open_unit(words[pair][lane]))).sqrt();
            let [cos, sin] = cos_sin(open_unit(words[pair + 1][lane]));
            normals[pair][lane] = (radius * cos) as f32;
            normals[pair + 1][lane] = (radius * sin) as f32;
        }
    }
    normals
}

/// A number in (0, 1), both ends excluded.
#[inline(always)]
fn open_unit(bits: u32) -> f64 {
    (f64::from(bits) + 0.5) / 4_294_967_296.0
}

/// ln x for normal x > 0, to about 1e-11: x = 2ᵏ·m with m from √½ to √2, ln m = 2·artanh((m − 1)/(m + 1)).
#[inline(always)]
pub(crate) fn ln(x: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    let bits = x.to_bits();
    // From ½ to 1, and twice that below √½.
    let half = f64::from_bits(bits & MANTISSA | 1022 << 52);
    let low = half < FRAC_1_SQRT_2;
    let m = if low { 2.0 * half } else { half };
    let exponent = f64::from((bits >> 52) as i32) - 1022.0 - if low { 1.0 } else { 0.0 };
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    let tail = 1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0 + q * (1.0 / 13.0)));
    exponent * LN_2 + 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * tail)))
}

/// cos 2πx and sin 2πx for x from 0 to 1, to about 1e-12: a quarter turn k and an angle of at most an eighth beside it.
#[inline(always)]
pub(crate) fn cos_sin(x: f64) -> [f64; 2] {
    /// Adding and taking away 1.5·2⁵² rounds to a whole number.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let shifted = 4.0 * x + ROUND;
    let angle = (4.0 * x - (shifted - ROUND)) * FRAC_PI_2;
    let quarter = shifted.to_bits() & 3;
    let q = angle * angle;
    // Taylor's series, by reciprocals: a division takes as long as ten products.
    let sin = angle
        * (1.0
            - q * (1.0 / 6.0)
                * (1.0
                    - q * (1.0 / 20.0)
                        * (1.0 - q * (1.0 / 42.0) * (1.0 - q * (1.0 / 72.0) * (1.0 - q * (1.0 / 110.0))))));
    let cos = 1.0
        - q * (1.0 / 2.0)
            * (1.0
                - q * (1.0 / 12.0)
                    * (1.0
                        - q * (1.0 / 30.0)
                            * (1.0 - q * (1.0 / 56.0) * (1.0 - q * (1.0 / 90.0) * (1.0 - q * (1.0 / 132.0))))));
    let (a, b) = if quarter & 1 == 0 { (cos, sin) } else { (sin, cos) };
    // cos turns negative in the second and third quarter, sin in the third and fourth.
    let signed = |value: f64, negative: bool| if negative { -value } else { value };
    [signed(a, (quarter + 1) & 2 != 0), signed(b, quarter & 2 != 0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    #[test]
    fn philox_matches_the_published_known_answers() {
        // Vectors distributed with Random123 for philox4x32, 10 rounds.
        let first = |counter: [u32; 4], key| philox(counter.map(|word| [word; LANES]), key).map(|words| words[3]);
        assert_eq!(first([0; 4], [0; 2]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(first([u32::MAX; 4], [u32::MAX; 2]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
        assert_eq!(
            first([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]
        );
    }

    #[test]
    fn logarithm_and_circle_are_those_of_the_standard_library() {
        let words = (0..=u32::MAX).step_by(40_009).chain([0, 1, u32::MAX - 1, u32::MAX]);
        for word in words {
            let x = open_unit(word);
            assert!((ln(x) - x.ln()).abs() <= 1e-10 * x.ln().abs().max(1e-9), "ln {x}: {}, not {}", ln(x), x.ln());
            let ([cos, sin], (exact_sin, exact_cos)) = (cos_sin(x), (TAU * x).sin_cos());
            assert!((cos - exact_cos).abs() < 1e-10 && (sin - exact_sin).abs() < 1e-10, "{x}");
        }
    }
}
