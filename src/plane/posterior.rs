//! What is known of a point, and the data given that.

use super::exact::{images_of, points_of};
use super::{Plane, Point, SHAPE};
use crate::Image;
use crate::score::{Linear, Measurement, ScoreError, ScoreModel, described_by_its_model};
use crate::sde::Level;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::f64::consts::FRAC_1_SQRT_2;
use std::rc::Rc;

/// Standard deviation below which a measurement's noise is not taken, in units of the data's, as for exact posteriors of
/// mixtures.
const LEAST_NOISE: f64 = 1e-5;

/// A measurement in the plane.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Known {
    /// The coordinate along a direction (of any length but 0) is `value`, measured with noise of this standard deviation.
    Line { direction: [f64; 2], value: f64, noise: f64 },
    /// The point itself, measured with noise.
    Point { at: [f64; 2], noise: f64 },
    /// The coordinate along a direction is above `value`, told apart with noise of this standard deviation.
    HalfPlane { direction: [f64; 2], value: f64, noise: f64 },
}

impl Known {
    /// Where values may lie, and the noise.
    const LIMITS: [[f64; 2]; 2] = [[-100.0, 100.0], [0.0, 100.0]];

    /// Whether its values are possible.
    pub fn is_possible(&self) -> bool {
        let [places, noises] = Known::LIMITS;
        let place = |value: &f64| (places[0]..=places[1]).contains(value);
        let (of_place, noise) = match self {
            Known::Line { direction, value, noise } | Known::HalfPlane { direction, value, noise } => {
                (direction.iter().all(place) && place(value) && direction[0].hypot(direction[1]) > 1e-6, noise)
            }
            Known::Point { at, noise } => (at.iter().all(place), noise),
        };
        of_place && (noises[0]..=noises[1]).contains(noise)
    }

    /// p(y | x(0)) at each point, as a share of its maximum.
    pub fn likelihood(&self, points: &[Point], data_std: f64) -> Vec<f64> {
        let least = |noise: f64| noise.max(LEAST_NOISE * data_std);
        let gaussian = |miss: f64, noise: f64| (-0.5 * (miss / least(noise)).powi(2)).exp();
        let of = |[x, y]: &Point| {
            let (x, y) = (f64::from(*x), f64::from(*y));
            match *self {
                Known::Line { direction, value, noise } => {
                    let [a, b] = unit(direction);
                    gaussian(a * x + b * y - value, noise)
                }
                Known::Point { at, noise } => gaussian((x - at[0]).hypot(y - at[1]), noise),
                Known::HalfPlane { direction, value, noise } => {
                    let [a, b] = unit(direction);
                    normal_share((a * x + b * y - value) / least(noise))
                }
            }
        };
        points.iter().map(of).collect()
    }

    /// As a linear measurement, which methods of posterior sampling take; a half plane is none.
    ///
    /// # Errors
    /// If the device fails.
    pub fn measurement(&self, plane: &Plane, device: &Device) -> Option<Result<Measurement, ScoreError>> {
        let (rows, y, noise) = match *self {
            Known::Line { direction, value, noise } => (vec![unit(direction)], vec![value], noise),
            Known::Point { at, noise } => (vec![[1.0, 0.0], [0.0, 1.0]], at.to_vec(), noise),
            Known::HalfPlane { .. } => return None,
        };
        let tensor = |values: Vec<f64>, shape: [usize; 4]| -> Image {
            let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        let count = rows.len();
        let matrix = tensor(rows.concat(), [1, 1, count, 2]).reshape([count, 2]);
        let y = tensor(y, [1, count, 1, 1]);
        let variance = tensor(vec![noise * noise], [1, 1, 1, 1]);
        Some(Measurement::new(Rc::new(Rows { matrix, count }), y, variance, plane.data_moments()))
    }

    /// The data given it, exactly; of a half plane see [`super::HalfPlane`].
    pub fn given(&self, plane: &Plane) -> Option<Plane> {
        let least = |noise: f64| 1.0 / noise.max(LEAST_NOISE * plane.std()).powi(2);
        match *self {
            Known::Line { direction, value, noise } => {
                plane.given_along(unit(direction), [[value, least(noise)], [0.0, 0.0]])
            }
            Known::Point { at, noise } => plane.given_along([1.0, 0.0], [[at[0], least(noise)], [at[1], least(noise)]]),
            Known::HalfPlane { .. } => None,
        }
    }
}

/// The data given that a coordinate is above a value, told apart with noise: p(y | x(0)) = Φ((a·x(0) − value)/noise).
///
/// A Gaussian μ, s² of the mixture, known from x to have the mean m and the variance v, is above with the probability
/// Φ((a·m − value)/√(v + noise²)): the exact classifier of noised points, whose gradient is added to the score.
pub struct HalfPlane<'a> {
    model: &'a Plane,
    direction: [f64; 2],
    value: f64,
    noise: f64,
}

impl<'a> HalfPlane<'a> {
    pub fn new(plane: &'a Plane, direction: [f64; 2], value: f64, noise: f64) -> Self {
        HalfPlane { model: plane, direction: unit(direction), value, noise: noise.max(LEAST_NOISE * plane.std()) }
    }

    /// That of what is known, where that is a half plane.
    pub fn of(known: Option<&Known>, plane: &'a Plane) -> Option<Self> {
        match known {
            Some(&Known::HalfPlane { direction, value, noise }) => Some(HalfPlane::new(plane, direction, value, noise)),
            _ => None,
        }
    }

    /// log p at each point, noised to `at`, in nats and up to a constant.
    pub fn log_density(&self, points: &[Point], at: &[Level]) -> Vec<f64> {
        let both = self.model.above(points, at, self.direction, self.value, self.noise);
        both.into_iter().map(|(log, _)| log).collect()
    }
}

impl ScoreModel for HalfPlane<'_> {
    described_by_its_model!();

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let points = points_of(x)?;
        let both = self.model.above(&points, at, self.direction, self.value, self.noise);
        let scores: Vec<Point> = both.into_iter().map(|(_, score)| score).collect();
        Ok(images_of(&scores, x))
    }
}

/// A direction of length 1.
pub(super) fn unit([x, y]: [f64; 2]) -> [f64; 2] {
    let length = x.hypot(y);
    [x / length, y / length]
}

/// A = orthonormal rows, over points.
struct Rows {
    /// M×2.
    matrix: Tensor<2>,
    count: usize,
}

impl Linear for Rows {
    fn measured(&self) -> [usize; 3] {
        [self.count, 1, 1]
    }

    fn apply(&self, x: &Image) -> Image {
        let n = x.dims()[0];
        x.clone().reshape([n, 2]).matmul(self.matrix.clone().transpose()).reshape([n, self.count, 1, 1])
    }

    fn adjoint(&self, y: &Image) -> Image {
        let n = y.dims()[0];
        y.clone().reshape([n, self.count]).matmul(self.matrix.clone()).reshape([n, 2, 1, 1])
    }

    fn gram(&self) -> Option<f64> {
        Some(1.0)
    }
}

/// The first axis' cosine and sine; along each axis a value, and one over its variance.
type Information = ([f64; 2], [[f64; 2]; 2]);

/// The axes of what a measurement of points says, as the first one's cosine and sine, and along each a value and one over
/// its variance, 0 where it says nothing. `None` of measurements of several samples.
///
/// Of y = A·x(0) + noise this is the information AᵀA/σ_y², whose eigenvectors are the axes.
pub(super) fn known(measurement: &Measurement) -> Option<Result<Information, ScoreError>> {
    (measurement.y().dims()[0] == 1).then(|| information(measurement))
}

fn information(measurement: &Measurement) -> Result<Information, ScoreError> {
    let [channels, height, width] = SHAPE;
    let eye = Tensor::<2>::eye(2, &measurement.device()).reshape([2, channels, height, width]);
    let columns = measurement.linear().apply(&eye);
    let [_, a, b, c] = columns.dims();
    let read = |image: Image| image.try_into_vec_as::<f64>();
    let (columns, y) = (read(columns)?, read(measurement.y().clone())?);
    let noises = read(measurement.variance().clone().expand([1, a, b, c]))?;
    let least = LEAST_NOISE.powi(2) * measurement.data_variance();
    let (mut square, mut lead) = ([0.0; 3], [0.0; 2]);
    for (row, (y, noise)) in y.iter().zip(&noises).enumerate() {
        let [x0, x1] = [0, 1].map(|axis| columns.get(axis * noises.len() + row).copied().unwrap_or_default());
        let weight = 1.0 / noise.max(least);
        square = [square[0] + weight * x0 * x0, square[1] + weight * x0 * x1, square[2] + weight * x1 * x1];
        lead = [lead[0] + weight * x0 * y, lead[1] + weight * x1 * y];
    }
    let [xx, xy, yy] = square;
    let (sin, cos) = (0.5 * (2.0 * xy).atan2(xx - yy)).sin_cos();
    let half = (0.5 * (xx - yy)).hypot(xy);
    let values = [0.5 * (xx + yy) + half, 0.5 * (xx + yy) - half];
    let along = [cos * lead[0] + sin * lead[1], cos * lead[1] - sin * lead[0]];
    let axis = |axis: usize| match values[axis] > 1e-9 * values[0] {
        true => [along[axis] / values[axis], values[axis]],
        // What is left of an axis that was not measured is rounding.
        false => [0.0, 0.0],
    };
    Ok(([cos, sin], [axis(0), axis(1)]))
}

/// Φ(z), the share of a standard normal law below z.
pub(super) fn normal_share(z: f64) -> f64 {
    if z < 0.0 { 0.5 * complementary(-z * FRAC_1_SQRT_2) } else { 1.0 - 0.5 * complementary(z * FRAC_1_SQRT_2) }
}

/// log Φ(z) and its derivative φ(z)/Φ(z), also far in the tail.
pub(super) fn log_normal_share(z: f64) -> (f64, f64) {
    use std::f64::consts::{PI, TAU};
    if z > -2.0 {
        let share = normal_share(z);
        return (share.ln(), (-0.5 * z * z).exp() / (TAU.sqrt() * share));
    }
    let x = -z * FRAC_1_SQRT_2;
    // Φ = e^(−x²)/(2·√π·tail), φ = e^(−x²)/√(2π).
    let tail = tail(x);
    (-x * x - (2.0 * PI.sqrt() * tail).ln(), std::f64::consts::SQRT_2 * tail)
}

/// Laplace's continued fraction: erfc(x) = e^(−x²)/(√π·tail), for x above 1.
fn tail(x: f64) -> f64 {
    (1..=60).rev().fold(x, |below, k| x + 0.5 * f64::from(k) / below)
}

/// erfc(x) for x ≥ 0.
fn complementary(x: f64) -> f64 {
    use std::f64::consts::PI;
    if x < 2.0 {
        // erf by its series: terms x^(2n+1)·2ⁿ/(2n+1)!!, all positive.
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while term > 1e-17 * sum {
            n += 1.0;
            term *= 2.0 * x * x / (2.0 * n + 1.0);
            sum += term;
        }
        return 1.0 - 2.0 / PI.sqrt() * (-x * x).exp() * sum;
    }
    (-x * x).exp() / (PI.sqrt() * tail(x))
}

#[cfg(test)]
mod tests {
    use super::{log_normal_share, normal_share};

    /// Published figures (Abramowitz and Stegun 1964, table 26.1).
    #[test]
    fn shares_of_the_normal_law_are_the_published_ones() {
        for (z, share) in [
            (0.0, 0.5),
            (0.5, 0.691_462_461_274_013),
            (1.0, 0.841_344_746_068_543),
            (2.0, 0.977_249_868_051_821),
            (3.0, 0.998_650_101_968_370),
            (4.0, 0.999_968_328_758_167),
        ] {
            assert!((normal_share(z) - share).abs() < 1e-14, "{z}: {}", normal_share(z));
            assert!((normal_share(-z) / (1.0 - share) - 1.0).abs() < 1e-9, "-{z}: {}", normal_share(-z));
        }
    }

    #[test]
    fn the_logarithm_and_its_slope_go_on_into_the_tail() {
        for step in -3000..=60 {
            let z = 0.01 * f64::from(step);
            let (log, slope) = log_normal_share(z);
            let difference = (log_normal_share(z + 1e-4).0 - log_normal_share(z - 1e-4).0) / 2e-4;
            assert!((slope / difference - 1.0).abs() < 1e-5, "{z}: {slope}, not {difference}");
            assert!(z < -5.0 || (log - normal_share(z).ln()).abs() < 1e-10, "{z}");
        }
    }
}
