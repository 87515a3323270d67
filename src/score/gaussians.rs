//! The exact posterior of a mixture of Gaussians given a linear measurement.

use super::dense::Matrix;
use super::{Measurement, Mixture, ScoreError, ScoreModel};
use crate::Image;
use crate::sde::{Level, Moments, Range};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};

/// Coordinates beyond which eigenvectors take too long and too much room.
const MOST_DIMENSIONS: usize = 128;
/// Standard deviation below which a measurement's noise is not taken, in units of the data's: what is measured without
/// noise keeps a positive definite covariance.
const LEAST_NOISE: f64 = 1e-5;

/// A mixture of Gaussians with full covariances. Noised to x = α·x(0) + σ·z its components keep their eigenvectors,
/// and their eigenvalues become α²·λ + σ².
#[derive(Debug)]
pub(super) struct Gaussians {
    shape: [usize; 3],
    moments: Option<Moments>,
    components: Vec<Component>,
    /// The eigenvectors of each as columns: K×D×D.
    vectors: Tensor<3>,
}

#[derive(Debug)]
struct Component {
    log_weight: f64,
    /// The mean in the basis of the eigenvectors.
    mean: Vec<f64>,
    /// Variances along the eigenvectors.
    variances: Vec<f64>,
}

impl Gaussians {
    /// `mixture` given one measurement. Each component N(μ, Σ) becomes N(μ + G(y − Aμ), Σ − G·A·Σ) with the gain
    /// G = ΣAᵀ(AΣAᵀ + diag σ_y²)⁻¹, and weighs as it explains y: by N(y; Aμ, AΣAᵀ + diag σ_y²).
    ///
    /// # Errors
    /// If there are too many dimensions, or the device fails.
    pub(super) fn given(mixture: &Mixture, measurement: &Measurement) -> Result<Self, ScoreError> {
        let (shape, dimensions) = (mixture.shape(), mixture.dimensions());
        if dimensions > MOST_DIMENSIONS {
            return Err(ScoreError::TooLarge { dimensions });
        }
        let seen = Seen::new(measurement, shape)?;
        let (mut components, mut vectors) = (Vec::new(), Vec::new());
        for prior in mixture.components() {
            let (log_likelihood, mean, covariance) = seen.condition(&prior.mean, &prior.std);
            let (variances, basis) = covariance.eigen();
            components.push(Component {
                log_weight: prior.weight.ln() + log_likelihood,
                mean: basis.transposed().times_vector(&mean),
                variances: variances.into_iter().map(|variance| variance.max(0.0)).collect(),
            });
            vectors.extend(basis.values().iter().map(|&value| value as f32));
        }
        let highest = components.iter().map(|c| c.log_weight).fold(f64::MIN, f64::max);
        components.iter_mut().for_each(|c| c.log_weight -= highest);
        let vectors = TensorData::new(vectors, [components.len(), dimensions, dimensions]);
        let vectors = Tensor::from_data(vectors, &measurement.device());
        Ok(Gaussians { shape, moments: mixture.moments(), components, vectors })
    }

    /// A coefficient of each component and coordinate, at each level: K×(1 or N)×`width`.
    fn coefficients(
        &self,
        at: &[Level],
        width: usize,
        device: &Device,
        coefficient: impl Fn(Level, &Component, usize) -> f64,
    ) -> Tensor<3> {
        let each = self.components.iter().flat_map(|component| at.iter().map(move |&level| (component, level)));
        let values: Vec<f32> = each
            .flat_map(|(component, level)| (0..width).map(move |i| (component, level, i)))
            .map(|(component, level, i)| coefficient(level, component, i) as f32)
            .collect();
        Tensor::from_data(TensorData::new(values, [self.components.len(), at.len(), width]), device)
    }
}

impl ScoreModel for Gaussians {
    fn shape(&self) -> [usize; 3] {
        self.shape
    }

    fn range(&self) -> Option<Range> {
        None
    }

    fn ratios(&self) -> Option<(f64, f64)> {
        None
    }

    /// Those of the data before anything was measured.
    fn moments(&self) -> Option<Moments> {
        self.moments
    }

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let [n, c, h, w] = x.dims();
        if [c, h, w] != self.shape {
            return Err(ScoreError::Shape { expected: self.shape, found: [c, h, w] });
        }
        let (size, device) = (c * h * w, x.device());
        let precision = |l: Level, c: &Component, i: usize| 1.0 / (l.alpha.powi(2) * c.variances[i] + l.sigma.powi(2));
        let rotated = x.clone().reshape([1, n, size]).matmul(self.vectors.clone());
        let apart = rotated - self.coefficients(at, size, &device, |l, c, i| l.alpha * c.mean[i]);
        let pull = apart.clone() * self.coefficients(at, size, &device, precision);
        let squares = (apart * pull.clone()).sum_dim(2);
        let constant = self.coefficients(at, 1, &device, |l, c, _| {
            c.log_weight + 0.5 * (0..size).map(|i| precision(l, c, i).ln()).sum::<f64>()
        });
        let weights = softmax(constant - squares * 0.5, 0);
        let toward = pull.matmul(self.vectors.clone().transpose()) * weights;
        Ok(toward.sum_dim(0).neg().reshape([n, c, h, w]))
    }
}

/// What was measured, as a matrix of the rows that say something.
struct Seen {
    /// M×D.
    rows: Matrix,
    y: Vec<f64>,
    /// σ_y² of each.
    variance: Vec<f64>,
}

impl Seen {
    fn new(measurement: &Measurement, [c, h, w]: [usize; 3]) -> Result<Self, ScoreError> {
        let (size, device) = (c * h * w, measurement.device());
        let unit = Tensor::<2>::eye(size, &device).reshape([size, c, h, w]);
        let columns = measurement.linear().apply(&unit);
        let [_, a, b, d] = columns.dims();
        let read = |tensor: Image| -> Result<Vec<f64>, ScoreError> {
            let values = tensor.try_into_vec_as::<f32>()?;
            Ok(values.into_iter().map(f64::from).collect())
        };
        let all = Matrix::new(size, a * b * d, {
            let columns = read(columns)?;
            move |i, j| columns[i * a * b * d + j]
        })
        .transposed();
        let y = read(measurement.y().clone())?;
        let variance = read(measurement.variance().clone().expand([1, a, b, d]))?;
        let least = LEAST_NOISE.powi(2) * measurement.data_variance();
        let says: Vec<usize> = (0..all.rows).filter(|&i| (0..size).any(|j| all[(i, j)] != 0.0)).collect();
        Ok(Seen {
            rows: Matrix::new(says.len(), size, |i, j| all[(says[i], j)]),
            y: says.iter().map(|&i| y[i]).collect(),
            variance: says.iter().map(|&i| variance[i].max(least)).collect(),
        })
    }

    /// log N(y; Aμ, S) up to a constant, and mean and covariance of N(μ, diag s²) given y, with S = AΣAᵀ + diag σ_y².
    fn condition(&self, mean: &[f64], std: &[f64]) -> (f64, Vec<f64>, Matrix) {
        let (a, count) = (&self.rows, self.rows.rows);
        // AΣ, M×D.
        let weighed = Matrix::new(count, a.columns, |i, j| a[(i, j)] * std[j] * std[j]);
        let gram = weighed.times(&a.transposed());
        let lower =
            Matrix::new(count, count, |i, j| gram[(i, j)] + if i == j { self.variance[i] } else { 0.0 }).cholesky();
        let expected = a.times_vector(mean);
        let miss = lower.solve_lower(&Matrix::new(count, 1, |i, _| self.y[i] - expected[i]));
        let half = lower.solve_lower(&weighed);
        let squares: f64 = miss.values().iter().map(|value| value * value).sum();
        let log_root: f64 = (0..count).map(|i| lower[(i, i)].ln()).sum();
        let moved = half.transposed().times_vector(miss.values());
        let mean = mean.iter().zip(moved).map(|(mean, moved)| mean + moved).collect();
        let known = half.transposed().times(&half);
        let covariance =
            Matrix::new(a.columns, a.columns, |i, j| if i == j { std[i] * std[i] } else { 0.0 } - known[(i, j)]);
        (-0.5 * squares - log_root, mean, covariance)
    }
}
