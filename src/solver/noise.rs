//! Addressed noise: a function of (seed, sample, step, purpose), never a stream that is consumed.

use super::random::{Blocks, LANES, box_muller, philox};
use crate::Image;
use crate::network::gpu;
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
    /// The noise that training adds to data.
    Training,
    /// The times at which data are noised in training, and the order of their strata.
    Time,
    Stratum,
    /// The first weights of a network.
    Weights,
    /// The drawing of a picture by the program itself.
    World,
    /// The order in which the pictures of a set are taken.
    Order,
    /// Whether a picture is taken mirrored.
    Flip,
    /// Whether a network is told the class of a picture.
    Label,
    /// By how much a picture is shifted, and what is hidden of it.
    Crop,
    /// The weights of a network of random features.
    Features,
    /// Which samples a distance takes: subsets, resampled sets, directions.
    Subset,
}

impl Purpose {
    pub(super) fn code(self) -> u32 {
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
            Purpose::Training => 8,
            Purpose::Time => 9,
            Purpose::Stratum => 10,
            Purpose::Weights => 11,
            Purpose::World => 5,
            Purpose::Order => 6,
            Purpose::Flip => 7,
            Purpose::Label => 15,
            Purpose::Crop => 16,
            Purpose::Features => 32,
            Purpose::Subset => 33,
        }
    }
}

/// Where the noise of a process comes from.
pub trait NoiseSource {
    /// Standard normal noise, N×C×H×W.
    fn normal(&self, step: usize, purpose: Purpose) -> Image;

    /// One uniform number in (0, 1) for each sample, of shape N.
    fn uniform(&self, step: usize, purpose: Purpose) -> Tensor<1>;
}

impl NoiseSource for Noise {
    fn normal(&self, step: usize, purpose: Purpose) -> Image {
        self.images(step, purpose, Law::Normal)
    }

    fn uniform(&self, step: usize, purpose: Purpose) -> Tensor<1> {
        let one = Noise { shape: [1; 3], ..self.clone() };
        one.images(step, purpose, Law::Uniform).reshape([self.count])
    }
}

/// How numbers are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Law {
    /// Standard normal.
    Normal,
    /// Uniform in (0, 1).
    Uniform,
    /// −1 or 1.
    Sign,
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
    /// Uniform noise in (0, 1), N×C×H×W.
    pub fn uniforms(&self, step: usize, purpose: Purpose) -> Image {
        self.images(step, purpose, Law::Uniform)
    }

    /// −1 or 1 with equal chances (Rademacher), N×C×H×W.
    pub fn signs(&self, step: usize, purpose: Purpose) -> Image {
        self.images(step, purpose, Law::Sign)
    }

    fn images(&self, step: usize, purpose: Purpose, law: Law) -> Image {
        let by_kernel = if gpu::is_known(&self.device) { self.by_kernel(step, purpose, law) } else { None };
        by_kernel.unwrap_or_else(|| self.by_host(step, purpose, law))
    }

    /// Drawn where it is needed: the same words, and normals within rounding.
    fn by_kernel(&self, step: usize, purpose: Purpose, law: Law) -> Option<Image> {
        let [channels, height, width] = self.shape;
        let size = channels * height * width;
        let fours = size.div_ceil(4);
        let threads = u32::try_from(self.count * fours).ok().filter(|&threads| threads > 0)?;
        let text = include_str!("../../shaders/image/draw.wgsl");
        let source = gpu::Source { name: "draw", text, constants: vec![("LAW", law as u32)] };
        let [low, high] = [self.seed, self.seed >> 32].map(|word| word as u32);
        let place = [step, self.first, size, fours, self.count].map(|number| number as u32);
        let told = [&[low, high, purpose.code()][..], &place].concat();
        let drawn = Tensor::empty([self.count, channels, height, width], &self.device);
        gpu::launch(source, &[], &drawn, &told, threads.div_ceil(gpu::THREADS))?;
        Some(drawn)
    }

    fn by_host(&self, step: usize, purpose: Purpose, law: Law) -> Image {
        let [channels, height, width] = self.shape;
        let size = channels * height * width;
        let mut values = vec![0.0f32; self.count * size];
        if size > 0 {
            let samples = values.par_chunks_mut(size).enumerate();
            samples.for_each(|(offset, sample)| {
                let stream = self.stream(step, purpose, offset);
                match law {
                    Law::Normal => fill_normal(stream, sample),
                    Law::Uniform => fill::<Uniform>(stream, sample),
                    Law::Sign => fill::<Sign>(stream, sample),
                }
            });
        }
        let data = TensorData::new(values, [self.count, channels, height, width]);
        Tensor::from_data(data, &self.device)
    }

    /// The random blocks of one sample's draw. The key is the seed; the counter is (block, purpose, step, sample).
    fn stream(&self, step: usize, purpose: Purpose, offset: usize) -> Stream {
        Stream::new(self.seed, purpose, [step as u32, (self.first + offset) as u32])
    }
}

/// Random words by the numbers of their blocks.
#[derive(Clone, Copy)]
pub(crate) struct Stream {
    key: [u32; 2],
    counter: [u32; 3],
}

impl Stream {
    /// The stream at an address: what it is for, and two more words, such as step and sample.
    pub(crate) fn new(seed: u64, purpose: Purpose, [step, sample]: [u32; 2]) -> Self {
        Stream { key: [seed as u32, (seed >> 32) as u32], counter: [purpose.code(), step, sample] }
    }

    /// Fills with standard normals.
    pub(crate) fn normals(self, values: &mut [f32]) {
        fill_normal(self, values);
    }

    /// Fills with uniform numbers in (0, 1).
    pub(crate) fn uniforms(self, values: &mut [f32]) {
        fill::<Uniform>(self, values);
    }

    /// One uniform number in (0, 1).
    pub(crate) fn uniform(self) -> f32 {
        open_unit(self.blocks(0)[0][0])
    }

    /// Sixteen blocks from this one on.
    #[inline(always)]
    fn blocks(self, first: u32) -> Blocks<u32> {
        let numbers = std::array::from_fn(|lane| first.wrapping_add(lane as u32));
        let [purpose, step, sample] = self.counter.map(|word| [word; LANES]);
        philox([numbers, purpose, step, sample], self.key)
    }
}

/// Values made of random words. What is not inlined would be compiled without the wide registers.
trait Values {
    fn of(words: &Blocks<u32>) -> Blocks<f32>;
}

struct Normal;
struct Uniform;
struct Sign;

impl Values for Normal {
    #[inline(always)]
    fn of(words: &Blocks<u32>) -> Blocks<f32> {
        box_muller(words)
    }
}

impl Values for Uniform {
    #[inline(always)]
    fn of(words: &Blocks<u32>) -> Blocks<f32> {
        words.map(|words| words.map(open_unit))
    }
}

impl Values for Sign {
    #[inline(always)]
    fn of(words: &Blocks<u32>) -> Blocks<f32> {
        words.map(|words| words.map(|word| if word >> 31 == 0 { 1.0 } else { -1.0 }))
    }
}

/// Fills a sample, four values from each block.
#[inline(always)]
fn fill<V: Values>(stream: Stream, sample: &mut [f32]) {
    for (group, values) in sample.chunks_mut(4 * LANES).enumerate() {
        let four = V::of(&stream.blocks((group * LANES) as u32));
        for (place, value) in values.iter_mut().enumerate() {
            *value = four[place % 4][place / 4];
        }
    }
}

/// The same with standard normals, in wide registers where the processor has them.
fn fill_normal(stream: Stream, sample: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
        fn with_avx512(stream: Stream, sample: &mut [f32]) {
            fill::<Normal>(stream, sample);
        }
        #[target_feature(enable = "avx2")]
        fn with_avx2(stream: Stream, sample: &mut [f32]) {
            fill::<Normal>(stream, sample);
        }
        let has_avx512 = std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512vl");
        if has_avx512 {
            // SAFETY: the processor has just been asked for these instructions.
            return unsafe { with_avx512(stream, sample) };
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just been asked for AVX2.
            return unsafe { with_avx2(stream, sample) };
        }
    }
    fill::<Normal>(stream, sample);
}

/// A number in (0, 1), both ends excluded also after rounding to single precision.
fn open_unit(bits: u32) -> f32 {
    ((bits >> 9) as f32 + 0.5) / 8_388_608.0
}
