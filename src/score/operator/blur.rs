use super::cosine::CosineTransform;
use super::{Linear, OperatorError};
use crate::Image;
use burn::tensor::{Device, Tensor, TensorData};
use std::sync::Arc;

/// What a point of light becomes.
#[derive(Clone, Debug, PartialEq)]
pub enum Kernel {
    /// A Gaussian.
    Gaussian(Spread),
    /// A line, as of a camera that moves.
    Motion(Motion),
    /// Weights of one's own.
    Own(Weights),
}

/// Standard deviation of a Gaussian blur, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread(f64);

impl Spread {
    pub const MIN: f64 = 0.1;
    pub const MAX: f64 = 16.0;

    /// # Errors
    /// Outside [`Spread::MIN`] to [`Spread::MAX`].
    pub fn new(std: f64) -> Result<Self, OperatorError> {
        if (Self::MIN..=Self::MAX).contains(&std) { Ok(Spread(std)) } else { Err(OperatorError::Spread(std)) }
    }

    /// The number of pixels.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Default for Spread {
    fn default() -> Self {
        Spread(2.0)
    }
}

/// A straight movement during the exposure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Motion {
    length: f64,
    angle: f64,
}

impl Motion {
    /// Longest movement, in pixels.
    pub const MAX: f64 = 64.0;

    /// A movement of `length` pixels (1 to [`Motion::MAX`]) at `angle` degrees, anticlockwise from the right.
    ///
    /// # Errors
    /// If a number is out of its range.
    pub fn new(length: f64, angle: f64) -> Result<Self, OperatorError> {
        if (1.0..=Self::MAX).contains(&length) && (-360.0..=360.0).contains(&angle) {
            Ok(Motion { length, angle })
        } else {
            Err(OperatorError::Motion { length, angle })
        }
    }

    /// In pixels.
    pub fn length(self) -> f64 {
        self.length
    }

    /// In degrees.
    pub fn angle(self) -> f64 {
        self.angle
    }
}

impl Default for Motion {
    fn default() -> Self {
        Motion { length: 9.0, angle: 30.0 }
    }
}

/// A square kernel given by its weights, which are brought to the sum 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    size: usize,
    values: Arc<[f64]>,
}

impl Weights {
    /// Largest size.
    pub const MAX: usize = 63;

    /// `size`×`size` weights by rows.
    ///
    /// # Errors
    /// Unless the size is odd and at most [`Weights::MAX`], and there are that many finite weights with a positive sum.
    pub fn new(size: usize, values: Vec<f64>) -> Result<Self, OperatorError> {
        let sum: f64 = values.iter().sum();
        let fits = size % 2 == 1 && size <= Self::MAX && values.len() == size * size;
        if fits && sum > 0.0 && sum.is_finite() {
            Ok(Weights { size, values: values.into() })
        } else {
            Err(OperatorError::Weights { size, found: values.len() })
        }
    }

    pub fn size(&self) -> usize {
        self.size
    }

    /// The weights as given.
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}

impl Kernel {
    /// The weights, by rows, with the sum 1, and the odd length of a row.
    pub fn weights(&self) -> (Vec<f64>, usize) {
        let (mut weights, size) = match self {
            Kernel::Gaussian(spread) => {
                let row = gaussian(spread.get());
                let outer = row.iter().flat_map(|a| row.iter().map(move |b| a * b));
                (outer.collect(), row.len())
            }
            Kernel::Motion(motion) => line(*motion),
            Kernel::Own(weights) => (weights.values.to_vec(), weights.size),
        };
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        (weights, size)
    }
}

/// A Gaussian cut off where less than a thousandth of its weight is left.
fn gaussian(std: f64) -> Vec<f64> {
    let reach = (3.5 * std).ceil() as i64;
    let row: Vec<f64> = (-reach..=reach).map(|i| (-0.5 * (i as f64 / std).powi(2)).exp()).collect();
    let sum: f64 = row.iter().sum();
    row.into_iter().map(|weight| weight / sum).collect()
}

/// A line drawn by many points, each shared among the four pixels around it.
fn line(motion: Motion) -> (Vec<f64>, usize) {
    // A line of one pixel's length is that pixel.
    let half = 0.5 * (motion.length - 1.0);
    let reach = half.ceil() as usize;
    let size = 2 * reach + 1;
    let points = 64 * size;
    let (sin, cos) = motion.angle.to_radians().sin_cos();
    let mut weights = vec![0.0; size * size];
    for point in 0..points {
        let along = half * (2.0 * (point as f64 + 0.5) / points as f64 - 1.0);
        // Rows run down.
        let (x, y) = (reach as f64 + along * cos, reach as f64 - along * sin);
        for (row, column) in
            [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)].map(|(r, c)| (y.floor() + r, x.floor() + c))
        {
            let share = (1.0 - (y - row).abs()).max(0.0) * (1.0 - (x - column).abs()).max(0.0);
            let inside = row >= 0.0 && column >= 0.0;
            if let Some(weight) =
                weights.get_mut(row as usize * size + column as usize).filter(|_| inside && share > 0.0)
            {
                *weight += share;
            }
        }
    }
    (weights, size)
}

/// A convolution of every channel, with the picture mirrored at its edges: A·x = Σₖ Lₖ·x·Rₖᵀ over the kernel's rows,
/// where Lₖ moves the picture up or down and Rₖ is that row's convolution. Written so, the adjoint is exact.
pub(super) struct Blur {
    shape: [usize; 3],
    forward: Sandwich,
    backward: Sandwich,
    cosines: CosineTransform,
    /// The diagonal of AAᵀ among cosines, 1×1×H×W: all of it where the kernel is symmetric in both directions
    /// (Ng, Chan and Tang 1999, "A fast algorithm for deblurring models with Neumann boundary conditions").
    spectrum: Image,
}

impl Blur {
    pub(super) fn new(kernel: &Kernel, shape: [usize; 3], device: &Device) -> Self {
        let [_, h, w] = shape;
        // A Gaussian is one convolution of columns and one of rows.
        let terms: Vec<(Matrix, Matrix)> = match kernel {
            Kernel::Gaussian(spread) => {
                let row = gaussian(spread.get());
                vec![(convolution(h, &row), convolution(w, &row))]
            }
            Kernel::Motion(_) | Kernel::Own(_) => {
                let (weights, size) = kernel.weights();
                let rows = weights.chunks(size).enumerate().filter(|(_, row)| row.iter().any(|&weight| weight != 0.0));
                rows.map(|(k, row)| {
                    let mut shift = vec![0.0; size];
                    shift[k] = 1.0;
                    (convolution(h, &shift), convolution(w, row))
                })
                .collect()
            }
        };
        let transposed: Vec<(Matrix, Matrix)> = terms.iter().map(|(l, r)| (l.transposed(), r.transposed())).collect();
        let (forward, backward) = (Sandwich::new(&terms, device), Sandwich::new(&transposed, device));
        let cosines = CosineTransform::new(h, w, device);
        let unit = Tensor::<2>::eye(h * w, device).reshape([h * w, 1, h, w]);
        let spectrum = backward.apply(&cosines.inverse(unit)).square().reshape([h * w, h * w]).sum_dim(1);
        Blur { shape, forward, backward, cosines, spectrum: spectrum.reshape([1, 1, h, w]) }
    }
}

impl Linear for Blur {
    fn measured(&self) -> [usize; 3] {
        self.shape
    }

    fn apply(&self, x: &Image) -> Image {
        self.forward.apply(x)
    }

    fn adjoint(&self, y: &Image) -> Image {
        self.backward.apply(y)
    }

    fn gram(&self) -> Option<f64> {
        None
    }

    fn precondition(&self, r: &Image, noise: &Image) -> Image {
        self.cosines.inverse(self.cosines.forward(r.clone()) / (self.spectrum.clone() + noise.clone()))
    }

    /// The blurred picture.
    fn picture(&self, y: &Image) -> Image {
        y.clone()
    }

    fn read(&self, picture: &Image) -> Image {
        picture.clone()
    }
}

/// A square matrix by rows.
struct Matrix {
    size: usize,
    values: Vec<f32>,
}

impl Matrix {
    fn transposed(&self) -> Matrix {
        let at = |i: usize| self.values[i % self.size * self.size + i / self.size];
        Matrix { size: self.size, values: (0..self.values.len()).map(at).collect() }
    }
}

/// out[i] = Σ_d weights[d]·in[i + d − centre] on a line of `size` pixels that is mirrored at its ends.
fn convolution(size: usize, weights: &[f64]) -> Matrix {
    let mut sums = vec![0.0f64; size * size];
    let centre = weights.len() as i64 / 2;
    for i in 0..size {
        for (d, weight) in weights.iter().enumerate() {
            let source = mirrored(i as i64 + d as i64 - centre, size as i64);
            sums[i * size + source as usize] += weight;
        }
    }
    Matrix { size, values: sums.into_iter().map(|sum| sum as f32).collect() }
}

/// The pixel of 0 … `size` − 1 that lies at `place` where the line is mirrored at its ends, again and again.
fn mirrored(place: i64, size: i64) -> i64 {
    let around = place.rem_euclid(2 * size);
    around.min(2 * size - 1 - around)
}

/// x ↦ Σₖ Lₖ·x·Rₖᵀ as two matrix products.
struct Sandwich {
    terms: usize,
    /// The Lₖ side by side: 1×H×(K·H).
    left: Tensor<3>,
    /// The Rₖᵀ side by side: W×(K·W).
    right: Tensor<2>,
}

impl Sandwich {
    fn new(terms: &[(Matrix, Matrix)], device: &Device) -> Self {
        let tensor = |m: &Matrix| Tensor::<2>::from_data(TensorData::new(m.values.clone(), [m.size, m.size]), device);
        let left = Tensor::cat(terms.iter().map(|(l, _)| tensor(l)).collect(), 1);
        let right = Tensor::cat(terms.iter().map(|(_, r)| tensor(r).transpose()).collect(), 1);
        Sandwich { terms: terms.len(), left: left.unsqueeze(), right }
    }

    fn apply(&self, x: &Image) -> Image {
        let ([n, c, h, w], k) = (x.dims(), self.terms);
        let rows = x.clone().reshape([n * c * h, w]).matmul(self.right.clone());
        let stacked = rows.reshape([n * c, h, k, w]).swap_dims(1, 2).reshape([n * c, k * h, w]);
        let left = self.left.clone().expand([n * c, h, k * h]);
        left.matmul(stacked).reshape([n, c, h, w])
    }
}
