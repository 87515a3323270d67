//! Addressed noise: a function of (seed, sample, step, purpose), never a stream that is consumed.

use crate::Image;
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

/// What a draw of noise is for. Two purposes never share a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// x(T).
    Prior,
    /// The predictor's z.
    Predictor,
    /// The z of the corrector's inner step with this number; HMC's momentum.
    Corrector(u32),
    /// HMC's accept-or-reject decision of the inner step with this number.
    Acceptance(u32),
    /// The probe of a divergence with this number.
    Probe(u32),
    /// What is added to grey levels so that they fill their interval.
    Dequantise,
    /// The noise of a measurement that is simulated.
    Measurement,
    /// The noise of what is known, after the predictor (even numbers) and after the corrector (odd ones).
    Known(u32),
    /// What leads a state up again to a noisier level.
    Ascent,
}

impl Purpose {
    fn code(self) -> u32 {
        match self {
            Purpose::Prior => 0,
            Purpose::Predictor => 1,
            Purpose::Corrector(inner) => 0x1000_0000 | (inner & 0x0fff_ffff),
            Purpose::Acceptance(inner) => 0x2000_0000 | (inner & 0x0fff_ffff),
            Purpose::Probe(number) => 0x3000_0000 | (number & 0x0fff_ffff),
            Purpose::Dequantise => 2,
            Purpose::Measurement => 3,
            Purpose::Known(stage) => 0x4000_0000 | (stage & 0x0fff_ffff),
            Purpose::Ascent => 4,
        }
    }
}

/// The noise of a batch of samples of one run.
#[derive(Clone, Debug)]
pub struct Noise {
    /// The run's seed.
    pub seed: u64,
    /// Index of the batch's first sample in the run.
    pub first: usize,
    /// Number of samples in the batch.
    pub count: usize,
    /// Channels, height and width of a sample.
    pub shape: [usize; 3],
    /// Where the tensors are made.
    pub device: Device,
}

impl Noise {
    /// Standard normal noise, N×C×H×W.
    pub fn normal(&self, step: usize, purpose: Purpose) -> Image {
        self.images(step, purpose, box_muller)
    }

    /// Uniform noise in (0, 1), N×C×H×W.
    pub fn uniforms(&self, step: usize, purpose: Purpose) -> Image {
        self.images(step, purpose, |words| words.map(open_unit_single))
    }

    /// −1 or 1 with equal chances (Rademacher), N×C×H×W.
    pub fn signs(&self, step: usize, purpose: Purpose) -> Image {
        self.images(step, purpose, |words| words.map(|word| if word >> 31 == 0 { 1.0 } else { -1.0 }))
    }

    fn images(&self, step: usize, purpose: Purpose, values_of: impl Fn([u32; 4]) -> [f32; 4] + Sync) -> Image {
        let [channels, height, width] = self.shape;
        let size = channels * height * width;
        let mut values = vec![0.0f32; self.count * size];
        if size > 0 {
            values.par_chunks_mut(size).enumerate().for_each(|(offset, sample)| {
                let stream = self.stream(step, purpose, offset);
                for (block, four) in sample.chunks_mut(4).enumerate() {
                    four.copy_from_slice(&values_of(stream(block as u32))[..four.len()]);
                }
            });
        }
        let data = TensorData::new(values, [self.count, channels, height, width]);
        Tensor::from_data(data, &self.device)
    }

    /// One uniform number in (0, 1) for each sample, of shape N.
    pub fn uniform(&self, step: usize, purpose: Purpose) -> Tensor<1> {
        let values: Vec<f32> =
            (0..self.count).map(|offset| open_unit_single(self.stream(step, purpose, offset)(0)[0])).collect();
        Tensor::from_data(TensorData::new(values, [self.count]), &self.device)
    }

    /// The random blocks of one sample's draw, by number. The key is the seed; the counter
    /// is (block, purpose, step, sample).
    fn stream(&self, step: usize, purpose: Purpose, offset: usize) -> impl Fn(u32) -> [u32; 4] {
        let key = [self.seed as u32, (self.seed >> 32) as u32];
        let (step, sample) = (step as u32, (self.first + offset) as u32);
        move |block| philox([block, purpose.code(), step, sample], key)
    }
}

/// Philox4x32 with ten rounds, a counter-based generator (Salmon et al. 2011, "Parallel random numbers").
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(counter[0]) * 0xD251_1F53;
        let b = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

/// A number in (0, 1), both ends excluded.
fn open_unit(bits: u32) -> f64 {
    (f64::from(bits) + 0.5) / 4_294_967_296.0
}

/// A number in (0, 1), both ends excluded also after rounding to single precision.
fn open_unit_single(bits: u32) -> f32 {
    ((bits >> 9) as f32 + 0.5) / 8_388_608.0
}

/// Four standard normals from four random words (Box and Muller 1958).
fn box_muller(words: [u32; 4]) -> [f32; 4] {
    let pair = |a: u32, b: u32| {
        let radius = (-2.0 * open_unit(a).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * open_unit(b)).sin_cos();
        ((radius * cos) as f32, (radius * sin) as f32)
    };
    let ((a, b), (c, d)) = (pair(words[0], words[1]), pair(words[2], words[3]));
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_matches_the_published_known_answers() {
        // Vectors distributed with Random123 for philox4x32, 10 rounds.
        assert_eq!(philox([0; 4], [0; 2]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
        assert_eq!(
            philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]
        );
    }
}
