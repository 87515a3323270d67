use super::cosine::{self, CosineTransform};
use super::{Domain, Linear, Operator, OperatorError};
use crate::Image;
use crate::registry::{Parameter, Scale, Settings, entry};
use burn::tensor::ops::PadMode;
use burn::tensor::{Device, Tensor, TensorData};

/// Standard deviation of a Gaussian blur, in pixels.
pub const SPREAD: Parameter = Parameter::number("spread", 2.0, 0.1, 16.0).usual(0.3, 8.0, Scale::Linear(1)).named(
    "Std σ",
    "Std σ",
    "Standard deviation of the Gaussian, in model pixels",
);
/// Length of a straight movement during the exposure, in pixels.
pub const LENGTH: Parameter = Parameter::number("length", 9.0, 1.0, 64.0).usual(1.0, 31.0, Scale::Linear(0)).named(
    "Length",
    "Length",
    "Length of the motion, in model pixels",
);
/// Direction of the movement in degrees, anticlockwise from the right.
pub const ANGLE: Parameter = Parameter::number("angle", 30.0, -360.0, 360.0)
    .usual(-180.0, 180.0, Scale::Linear(0))
    .named("Angle", "Angle", "Direction of the motion in degrees; 0 is to the right");
/// Rows of a kernel of one's own: odd.
pub const SIZE: Parameter = Parameter::whole("size", 3, 1, LARGEST).named(
    "Kernel size",
    "Size",
    "Rows and columns of the kernel, an odd number",
);
/// Weights of a kernel by rows, which are brought to the sum 1.
pub const WEIGHTS: Parameter =
    Parameter::numbers("weights").named("Weights", "Weights", "Weights of the kernel, row by row");
/// Largest size of a kernel of one's own.
pub const LARGEST: u64 = 63;

entry! {
    /// Blur with a Gaussian kernel.
    GaussianBlur {
        slug: "blur:gaussian",
        name: "Gaussian blur",
        summary: "Blur with a Gaussian kernel",
        parameters: [&SPREAD],
    }
}

impl Operator for GaussianBlur {
    fn over(&self, settings: &Settings, domain: Domain<'_>) -> Result<Box<dyn Linear>, OperatorError> {
        // One convolution of columns and one of rows.
        let (Domain { shape, device, .. }, row) = (domain, gaussian(settings.number(&SPREAD)));
        let [_, h, w] = shape;
        let (left, right) = (convolution(h, &row), convolution(w, &row));
        let way = Box::new(Products { left: left.tensor(device), right: right.tensor(device) });
        Ok(Box::new(Blur::new(way, &[(left, right)], shape, device)))
    }

    fn is_degradation(&self) -> bool {
        true
    }
}

entry! {
    /// Blur along a line, as from a moving camera.
    MotionBlur {
        slug: "blur:motion",
        name: "Motion blur",
        summary: "Blur along a line, as from a moving camera",
        parameters: [&LENGTH, &ANGLE],
    }
}

impl Operator for MotionBlur {
    fn over(&self, settings: &Settings, domain: Domain<'_>) -> Result<Box<dyn Linear>, OperatorError> {
        let (weights, size) = line(settings.number(&LENGTH), settings.number(&ANGLE));
        Ok(Box::new(Blur::by(&weights, size, domain)))
    }

    fn is_degradation(&self) -> bool {
        true
    }
}

entry! {
    /// Blur with a custom kernel.
    KernelBlur {
        slug: "blur:kernel",
        aliases: ["blur:own"],
        name: "Custom kernel",
        summary: "Blur with a custom kernel",
        parameters: [&SIZE, &WEIGHTS],
        check: check,
    }
}

/// Whether the values fit together.
fn check(settings: &Settings) -> Result<(), String> {
    let (size, weights) = (settings.whole(&SIZE), settings.numbers(&WEIGHTS));
    let sum: f64 = weights.iter().sum();
    if size % 2 == 1 && weights.len() as u64 == size * size && sum > 0.0 && sum.is_finite() {
        return Ok(());
    }
    Err(OperatorError::Weights { size, found: weights.len() }.to_string())
}

impl Operator for KernelBlur {
    fn over(&self, settings: &Settings, domain: Domain<'_>) -> Result<Box<dyn Linear>, OperatorError> {
        let (weights, size) = (settings.numbers(&WEIGHTS), settings.whole(&SIZE) as usize);
        Ok(Box::new(Blur::by(&weights, size, domain)))
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
fn line(length: f64, angle: f64) -> (Vec<f64>, usize) {
    // A line of one pixel's length is that pixel.
    let half = 0.5 * (length - 1.0);
    let reach = half.ceil() as usize;
    let size = 2 * reach + 1;
    let points = 64 * size;
    let (sin, cos) = angle.to_radians().sin_cos();
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

/// The convolution by a kernel of weights by rows, whose sum is 1: one term for each of its rows.
fn by_rows(weights: &[f64], size: usize, [_, h, w]: [usize; 3]) -> Vec<(Matrix, Matrix)> {
    let rows = weights.chunks(size).enumerate().filter(|(_, row)| row.iter().any(|&weight| weight != 0.0));
    rows.map(|(k, row)| {
        let mut shift = vec![0.0; size];
        shift[k] = 1.0;
        (convolution(h, &shift), convolution(w, row))
    })
    .collect()
}

/// A convolution of every channel, with the picture mirrored at its edges: A·x = Σₖ Lₖ·x·Rₖᵀ over the kernel's rows,
/// where Lₖ moves the picture up or down and Rₖ is that row's convolution.
struct Blur {
    shape: [usize; 3],
    way: Box<dyn Convolution>,
    cosines: CosineTransform,
    /// The diagonal of AAᵀ among cosines, 1×1×H×W: all of it where the kernel is symmetric in both directions
    /// (Ng, Chan and Tang 1999, "A fast algorithm for deblurring models with Neumann boundary conditions").
    spectrum: Image,
}

impl Blur {
    /// With a kernel of weights by rows, which are brought to the sum 1.
    fn by(weights: &[f64], size: usize, Domain { shape, device, .. }: Domain<'_>) -> Self {
        let sum: f64 = weights.iter().sum();
        let weights: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
        let way = Box::new(Shifts::new(&weights, size, shape, device));
        Blur::new(way, &by_rows(&weights, size, shape), shape, device)
    }

    fn new(way: Box<dyn Convolution>, terms: &[(Matrix, Matrix)], shape: [usize; 3], device: &Device) -> Self {
        let [_, h, w] = shape;
        let cosines = CosineTransform::new(h, w, device);
        // ‖Aᵀ·uᵢvⱼᵀ‖² = Σₖₗ (Lₖᵀuᵢ·Lₗᵀuᵢ)(Rₖᵀvⱼ·Rₗᵀvⱼ) for cosines u and v.
        let lefts = grams(cosine::matrix(h, device), terms.iter().map(|(l, _)| l), device);
        let rights = grams(cosine::matrix(w, device), terms.iter().map(|(_, r)| r), device);
        let spectrum = lefts.matmul(rights.transpose()).reshape([1, 1, h, w]);
        Blur { shape, way, cosines, spectrum }
    }
}

/// For each row u of `basis` (n×n) the products Mₖᵀu·Mₗᵀu of K matrices: n×K².
fn grams<'a>(basis: Tensor<2>, matrices: impl Iterator<Item = &'a Matrix>, device: &Device) -> Tensor<2> {
    let images: Vec<Tensor<3>> = matrices.map(|m| basis.clone().matmul(m.tensor(device)).unsqueeze_dim(1)).collect();
    let (k, images) = (images.len(), Tensor::cat(images, 1));
    images.clone().matmul(images.transpose()).reshape([-1, (k * k) as i32])
}

impl Linear for Blur {
    fn measured(&self) -> [usize; 3] {
        self.shape
    }

    fn apply(&self, x: &Image) -> Image {
        self.way.apply(x)
    }

    fn adjoint(&self, y: &Image) -> Image {
        self.way.adjoint(y)
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
    fn tensor(&self, device: &Device) -> Tensor<2> {
        Tensor::from_data(TensorData::new(self.values.clone(), [self.size, self.size]), device)
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

/// A convolution of planes, and its exact adjoint.
trait Convolution {
    fn apply(&self, x: &Image) -> Image;

    fn adjoint(&self, y: &Image) -> Image;
}

/// x ↦ L·x·Rᵀ of every plane.
fn between(left: Tensor<2>, x: &Image, right: Tensor<2>) -> Image {
    let [n, c, h, w] = x.dims();
    let ([rows, _], [columns, _]) = (left.dims(), right.dims());
    let x = x.clone().reshape([n * c * h, w]).matmul(right.transpose()).reshape([n * c, h, columns]);
    left.unsqueeze::<3>().expand([n * c, rows, h]).matmul(x).reshape([n, c, rows, columns])
}

/// A separable one: a product with a matrix on each side.
struct Products {
    left: Tensor<2>,
    right: Tensor<2>,
}

impl Convolution for Products {
    fn apply(&self, x: &Image) -> Image {
        between(self.left.clone(), x, self.right.clone())
    }

    fn adjoint(&self, y: &Image) -> Image {
        between(self.left.clone().transpose(), y, self.right.clone().transpose())
    }
}

/// Any other: a sum of moved pictures, one for each weight that is not 0, in time and memory that grow with the pictures.
struct Shifts {
    /// Row and column of a weight.
    weights: Vec<([usize; 2], f64)>,
    /// How far the kernel reaches.
    reach: usize,
    /// What mirrors rows and columns of a picture at both ends: (H + 2·reach)×H and (W + 2·reach)×W.
    margins: [Tensor<2>; 2],
}

impl Shifts {
    fn new(weights: &[f64], size: usize, [_, h, w]: [usize; 3], device: &Device) -> Self {
        let reach = size / 2;
        let margin = |length: usize| {
            let mut values = vec![0.0f32; (length + 2 * reach) * length];
            for (row, place) in values.chunks_mut(length.max(1)).zip(-(reach as i64)..) {
                row[mirrored(place, length as i64) as usize] = 1.0;
            }
            Tensor::from_data(TensorData::new(values, [length + 2 * reach, length]), device)
        };
        let some = weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0);
        let weights = some.map(|(place, &weight)| ([place / size, place % size], weight)).collect();
        Shifts { weights, reach, margins: [margin(h), margin(w)] }
    }

    /// The sum of the parts of `wide`, h×w, that begin at the places of the weights. All planes lie in one row here, so
    /// that a part is one piece of memory; what joins the end of one line to the next is cut off.
    fn sum(&self, wide: &Image, [h, w]: [usize; 2], start: impl Fn(usize) -> usize) -> Image {
        let [n, c, rows, columns] = wide.dims();
        let line: Tensor<1> = wide.clone().reshape([n * c * rows * columns]);
        let begin = |[row, column]: [usize; 2]| start(row) * columns + start(column);
        let last = self.weights.iter().map(|(place, _)| begin(*place)).max().unwrap_or(0);
        let length = n * c * rows * columns - last;
        let part = |place: [usize; 2]| line.clone().narrow(0, begin(place), length);
        let zero = Tensor::zeros([length], &wide.device());
        let sum = self.weights.iter().fold(zero, |sum, &(place, weight)| sum + part(place) * weight);
        let whole = Tensor::cat(vec![sum, Tensor::zeros([last], &wide.device())], 0);
        whole.reshape([n, c, rows, columns]).narrow(2, 0, h).narrow(3, 0, w)
    }
}

impl Convolution for Shifts {
    fn apply(&self, x: &Image) -> Image {
        let ([_, _, h, w], [down, across]) = (x.dims(), self.margins.clone());
        self.sum(&between(down, x, across), [h, w], |place| place)
    }

    fn adjoint(&self, y: &Image) -> Image {
        let ([_, _, h, w], [down, across]) = (y.dims(), self.margins.clone());
        let around = 2 * self.reach;
        let wide = y.clone().pad((around, around, around, around), PadMode::Constant(0.0));
        let sum = self.sum(&wide, [h + around, w + around], |place| around - place);
        between(down.transpose(), &sum, across.transpose())
    }
}
