use super::cosine::{self, CosineTransform};
use super::{Domain, Linear, Operator, OperatorError};
use crate::Image;
use crate::registry::{Parameter, Scale, Settings, entry};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Share of all coordinates that is measured.
pub const SHARE: Parameter = Parameter::number("share", 0.25, 1e-6, 1.0).usual(0.01, 1.0, Scale::Linear(2)).named(
    "Fraction",
    "Fraction",
    "Fraction of the image's random orthonormal coordinates to measure",
);

/// Chooses the coordinates.
pub const SEED: Parameter = Parameter::whole("sensing_seed", 0, 0, u64::MAX)
    .named("Sensing seed", "Sensing", "Seed that selects the measured coordinates")
    .optional();

entry! {
    /// A share of random orthonormal coordinates.
    CompressedSensing {
        slug: "compressed-sensing",
        name: "Compressed sensing",
        summary: "Measure a fraction of random orthonormal coordinates",
        source: "Do et al. 2012",
        parameters: [&SHARE, &SEED],
    }
}

impl Operator for CompressedSensing {
    fn over(&self, settings: &Settings, domain: Domain<'_>) -> Result<Box<dyn Linear>, OperatorError> {
        Ok(Box::new(Sensed::new(settings.number(&SHARE), settings.whole(&SEED), domain.shape, domain.device)))
    }

    fn is_degradation(&self) -> bool {
        true
    }
}

/// Random orthonormal rows: random signs, the orthonormal cosine transform over channels, rows and columns,
/// and a random choice of its coefficients (a subsampled randomised transform; Do et al. 2012,
/// "Fast and efficient compressive sensing using structurally random matrices"). AAᵀ = I.
struct Sensed {
    shape: [usize; 3],
    /// 1×C×H×W of −1 and 1.
    signs: Image,
    /// Cosine transforms of channels, and of rows and columns.
    channels: Tensor<2>,
    planes: CosineTransform,
    /// Places of the M chosen coefficients.
    chosen: Tensor<1, Int>,
    /// For each of the D coefficients its place among the chosen, or M where it was not.
    place: Tensor<1, Int>,
    count: usize,
}

impl Sensed {
    fn new(share: f64, seed: u64, shape: [usize; 3], device: &Device) -> Self {
        let size = shape.iter().product::<usize>();
        let mut random = SplitMix(seed);
        let signs: Vec<f32> = (0..size).map(|_| if random.next() >> 63 == 0 { 1.0 } else { -1.0 }).collect();
        let count = ((share * size as f64).round() as usize).clamp(1, size.max(1)).min(size);
        // The first of Fisher and Yates' shuffle.
        let mut order: Vec<usize> = (0..size).collect();
        for i in 0..count {
            order.swap(i, i + (random.next() % (size - i) as u64) as usize);
        }
        let mut chosen = order[..count].to_vec();
        chosen.sort_unstable();
        let mut place = vec![count; size];
        chosen.iter().enumerate().for_each(|(at, &coefficient)| place[coefficient] = at);
        Sensed {
            shape,
            signs: Tensor::from_data(TensorData::new(signs, [1, shape[0], shape[1], shape[2]]), device),
            channels: cosine::matrix(shape[0], device),
            planes: CosineTransform::new(shape[1], shape[2], device),
            chosen: indices(&chosen, device),
            place: indices(&place, device),
            count,
        }
    }

    /// `matrix` times the channels of every pixel.
    fn mix(&self, x: Image, matrix: Tensor<2>) -> Image {
        let [n, c, h, w] = x.dims();
        matrix.unsqueeze::<3>().expand([n, c, c]).matmul(x.reshape([n, c, h * w])).reshape([n, c, h, w])
    }
}

impl Linear for Sensed {
    fn measured(&self) -> [usize; 3] {
        [self.count, 1, 1]
    }

    fn apply(&self, x: &Image) -> Image {
        let (n, size) = (x.dims()[0], self.shape.iter().product::<usize>());
        let mixed = self.mix(self.planes.forward(x.clone() * self.signs.clone()), self.channels.clone());
        mixed.reshape([n, size]).select(1, self.chosen.clone()).reshape([n, self.count, 1, 1])
    }

    fn adjoint(&self, y: &Image) -> Image {
        let ([n, ..], [c, h, w]) = (y.dims(), self.shape);
        let padded = Tensor::cat(vec![y.clone().reshape([n, self.count]), Tensor::zeros([n, 1], &y.device())], 1);
        let coefficients = padded.select(1, self.place.clone()).reshape([n, c, h, w]);
        self.planes.inverse(self.mix(coefficients, self.channels.clone().transpose())) * self.signs.clone()
    }

    fn gram(&self) -> Option<f64> {
        Some(1.0)
    }
}

fn indices(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let narrow: Vec<i32> = values.iter().map(|&value| value as i32).collect();
    Tensor::from_data(TensorData::new(narrow, [values.len()]), device)
}

/// SplitMix64 (Steele, Lea and Flood 2014): enough randomness for a choice of rows.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
