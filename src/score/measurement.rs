//! What is known of a picture: y = A·x(0) + noise.

use super::operator::{Linear, conjugate_gradients};
use super::{ScoreError, column};
use crate::Image;
use crate::sde::{Level, Moments};
use burn::tensor::{Device, Tensor, TensorData};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Least noise of a measurement whose small singular values cannot be inverted, such as a blur's, in units of the data's
/// standard deviation: about half a grey level of pictures. What the operator shrinks below it is left to the model.
/// (DDRM's deblurring drops singular values below 0.03: Kawar et al. 2022.)
const LEAST_NOISE: f64 = 0.01;
/// Of conjugate gradients: more digits than single precision keeps of a residual.
const TOLERANCE: f64 = 1e-5;

/// A measurement y = A·x(0) + n, n ~ N(0, diag(σ_y²)), in the range of the data that a run works in.
#[derive(Clone)]
pub struct Measurement {
    linear: Rc<dyn Linear>,
    /// (1 or N)×c×h×w: one for all samples, or one for each.
    y: Image,
    /// σ_y² of each value, to broadcast over y.
    variance: Image,
    /// What is known of the data without any measurement.
    data: Moments,
    /// Variance of the data along what is measured, for each y.
    along: Vec<f64>,
}

impl Measurement {
    /// A measurement `y` whose noise has the variance `variance` (which broadcasts over `y`), of data with the moments
    /// `data`. Of operators that cannot be inverted the noise is never taken to be less than a hundredth of the data.
    ///
    /// # Errors
    /// If the device fails.
    pub fn new(linear: Rc<dyn Linear>, y: Image, variance: Image, data: Moments) -> Result<Self, ScoreError> {
        let least = if linear.gram().is_none() { LEAST_NOISE.powi(2) * data.variance() } else { 0.0 };
        let variance = variance.clamp_min(least);
        let along = variance_along(&*linear, &y, &variance, data)?;
        Ok(Measurement { linear, y, variance, data, along })
    }

    /// The operator A.
    pub fn linear(&self) -> &dyn Linear {
        &*self.linear
    }

    /// y, (1 or N)×c×h×w.
    pub fn y(&self) -> &Image {
        &self.y
    }

    /// σ_y² of each value, to broadcast over y.
    pub fn variance(&self) -> &Image {
        &self.variance
    }

    /// Variance v of the data's coordinates.
    pub fn data_variance(&self) -> f64 {
        self.data.variance()
    }

    /// y − A·x, N×c×h×w.
    pub fn residual(&self, x: &Image) -> Image {
        self.y.clone() - self.linear.apply(x)
    }

    /// ‖A·x − y‖ of each sample as a root mean square over what is measured, N: in units of the data.
    pub fn inconsistency(&self, x: &Image) -> Tensor<1> {
        let residual = self.residual(x);
        let [n, c, h, w] = residual.dims();
        let known = match self.linear.known() {
            Some(known) => known.clone().expand([1, c, h, w]).mean().reshape([1, 1]),
            None => Tensor::ones([1, 1], &x.device()),
        };
        let squares = residual.square().reshape([n, c * h * w]).mean_dim(1);
        (squares / known.clamp_min(1e-12)).sqrt().reshape([n])
    }

    /// Aᵀ(AAᵀ + σ_y²/s)⁻¹·r for data that are uncertain by the variance s, (1 or N)×1×1×1: by how much the estimate of
    /// x(0) changes when A·x̂(0) misses y by r. Without noise this is A⁺·r.
    pub fn lift(&self, residual: &Image, uncertainty: &Image) -> Image {
        let noise = self.variance.clone() / uncertainty.clone().clamp_min(1e-30);
        let weights = match self.linear.gram() {
            Some(gram) => residual.clone() / (noise + gram),
            None => {
                let multiply = |u: &Image| self.linear.apply(&self.linear.adjoint(u)) + u.clone() * noise.clone();
                let typical = noise.clone().mean_dim(1).mean_dim(2).mean_dim(3);
                let precondition = |r: &Image| self.linear.precondition(r, &typical);
                conjugate_gradients(multiply, precondition, residual, TOLERANCE)
            }
        };
        self.linear.adjoint(&weights)
    }

    /// r² = v·ρ²/(v + ρ²), ρ = σ/α: the variance that is left of Gaussian data of variance v once their noised state is
    /// known (Song, Vahdat, Mardani and Kautz 2023). v is that of the data along what is measured:
    /// see [`Measurement::variance_along`]. (1 or N)×1×1×1.
    pub fn uncertainty(&self, at: &[Level]) -> Image {
        let one_of = |i: usize, count: usize| if count == 1 { 0 } else { i };
        let value = |i: usize| {
            let (v, square) = (self.along[one_of(i, self.along.len())], at[one_of(i, at.len())].ratio().powi(2));
            (if square.is_finite() { v * square / (v + square) } else { v }) as f32
        };
        let values: Vec<f32> = (0..self.along.len().max(at.len())).map(value).collect();
        let count = values.len();
        Tensor::from_data(TensorData::new(values, [count, 1, 1, 1]), &self.device())
    }

    /// Variance of the data along the rows of A, for each y. That of all coordinates, unless y itself says beyond chance
    /// that it is more: neighbouring pixels of pictures are alike, so that the mean of a block, or the grey of
    /// a pixel, varies by far more than independent coordinates would let it.
    pub fn variance_along(&self) -> &[f64] {
        &self.along
    }

    /// −∇‖y − A·x‖ of each sample, weighed by what is trusted: Aᵀ·w(y − A·x)/‖√w(y − A·x)‖ with w = v/(v + σ_y²).
    pub fn ascent(&self, x: &Image) -> Image {
        let confidence = (self.variance.clone() * (1.0 / self.data_variance()) + 1.0).recip();
        let residual = self.residual(x);
        let [n, c, h, w] = residual.dims();
        let weighed = residual.clone() * confidence;
        let squares = (residual * weighed.clone()).reshape([n, c * h * w]).sum_dim(1).reshape([n, 1, 1, 1]);
        self.linear.adjoint(&(weighed / squares.sqrt().clamp_min(1e-12)))
    }

    /// x + A⁺(α·y + √(σ² − α²σ_y²)·A·z − A·x), where the measurement is not noisier than a state at `level`: a noisy
    /// measurement is itself a sample of the forward process, at σ/α = σ_y. `fresh` answers standard normal noise
    /// of a shape, another one for each number.
    pub fn project(&self, x: Image, level: Level, fresh: impl Fn(u32, [usize; 3]) -> Image) -> Image {
        let Some(gram) = self.linear.gram() else { return self.project_gradually(x, level, fresh) };
        let mut target = self.y.clone() * level.alpha - self.linear.apply(&x);
        // In units of the measurement, a state's noise has the variance c·σ².
        let missing = self.variance.clone() * (-level.alpha.powi(2) / gram) + level.sigma.powi(2);
        let counts = missing.clone().greater_equal_elem(-1e-9 * level.sigma.powi(2)).float();
        if level.sigma > 0.0 {
            target = target + self.linear.apply(&fresh(0, shape(&x))) * missing.clamp_min(0.0).sqrt();
        }
        x + self.linear.adjoint(&(target * counts)) * (1.0 / gram)
    }

    /// The same where AAᵀ has no simple form. A direction that A shrinks to s is replaced by the share
    /// g = s²/(s² + σ_y²α²/σ²) instead of wholly or not at all, with noise of the variance g·σ², which keeps the state at
    /// its level: x + Aᵀ(AAᵀ + σ_y²α²/σ²)⁻¹(α·y + σ·A·z + α·σ_y·z′ − A·x).
    ///
    /// Directions near their noise draw on y again at every level, as if it had been measured as often: samples come out
    /// too alike there. (Other methods do not do so.)
    fn project_gradually(&self, x: Image, level: Level, fresh: impl Fn(u32, [usize; 3]) -> Image) -> Image {
        let mut target = self.y.clone() * level.alpha - self.linear.apply(&x);
        if level.sigma > 0.0 {
            let own = fresh(1, self.linear.measured()) * self.variance.clone().sqrt();
            target = target + self.linear.apply(&fresh(0, shape(&x))) * level.sigma + own * level.alpha;
        }
        x + self.lift(&target, &column(&[level], &target.device(), |level| level.ratio().powi(2)))
    }

    /// y as a picture, in the range of the data: what is known of x(0) and nothing else.
    pub fn picture(&self) -> Image {
        self.linear.picture(&self.y)
    }

    /// The measurements of some samples.
    pub fn of_samples(&self, first: usize, count: usize) -> Measurement {
        let narrow = |image: &Image| match image.dims()[0] {
            1 => image.clone(),
            _ => image.clone().narrow(0, first, count),
        };
        let along = if self.along.len() == 1 { &self.along } else { &self.along[first..first + count] };
        Measurement { y: narrow(&self.y), variance: narrow(&self.variance), along: along.to_vec(), ..self.clone() }
    }

    /// The same measurement of data a·x + b.
    pub fn of_scaled(&self, scale: f64, shift: f64, shape: [usize; 3]) -> Measurement {
        let [c, h, w] = shape;
        let ones = Tensor::ones([1, c, h, w], &self.y.device());
        let Moments { mean, mean_square } = self.data;
        Measurement {
            linear: self.linear.clone(),
            y: self.y.clone() * scale + self.linear.apply(&ones) * shift,
            variance: self.variance.clone() * scale.powi(2),
            data: Moments {
                mean: scale * mean + shift,
                mean_square: scale.powi(2) * mean_square + 2.0 * scale * shift * mean + shift.powi(2),
            },
            along: self.along.iter().map(|variance| variance * scale.powi(2)).collect(),
        }
    }

    /// Where it lies.
    pub fn device(&self) -> Device {
        self.y.device()
    }
}

/// The measurement that a run is held to. It can be exchanged between two evaluations: the run goes on
/// from its present state with the new one.
pub struct Condition {
    measurement: RefCell<Rc<Measurement>>,
    /// Counts exchanges, for those who keep something that they computed from the measurement.
    version: Cell<usize>,
}

impl Condition {
    pub fn new(measurement: Measurement) -> Self {
        Condition { measurement: RefCell::new(Rc::new(measurement)), version: Cell::new(0) }
    }

    /// The measurement that counts now.
    pub fn measurement(&self) -> Rc<Measurement> {
        self.measurement.borrow().clone()
    }

    /// From the next evaluation on, `measurement` counts.
    pub fn exchange(&self, measurement: Measurement) {
        self.measurement.replace(Rc::new(measurement));
        self.version.set(self.version.get() + 1);
    }

    /// How often the measurement was exchanged.
    pub fn version(&self) -> usize {
        self.version.get()
    }
}

/// For each y the variance λ with Σ(y − A·μ)²/(c·λ + σ_y²) = M, its expectation, where that of the data is too small for
/// what is seen by five standard deviations of chance, √(2/M); else that of the data.
fn variance_along(linear: &dyn Linear, y: &Image, variance: &Image, data: Moments) -> Result<Vec<f64>, ScoreError> {
    let ([n, c, h, w], prior) = (y.dims(), data.variance());
    let Some(gram) = linear.gram() else { return Ok(vec![prior; n]) };
    let mean = linear.apply(&(linear.picture(y).ones_like() * data.mean));
    let squares = (y.clone() - mean).square();
    let known = linear.known().map_or_else(|| y.ones_like(), |known| known.clone().expand([n, c, h, w]));
    let noise = variance.clone().expand([n, c, h, w]);
    let [squares, noise, known] = [squares, noise, known].map(|image| image.try_into_vec_as::<f32>());
    let (squares, noise, known) = (squares?, noise?, known?);
    let size = (c * h * w).max(1);
    let of_sample = |sample: usize| {
        let places = sample * size..(sample + 1) * size;
        let rows: Vec<(f64, f64)> = places
            .filter(|&i| known.get(i).is_some_and(|&known| known > 0.0))
            .filter_map(|i| Some((f64::from(*squares.get(i)?), f64::from(*noise.get(i)?))))
            .collect();
        let excess = |along: f64| rows.iter().map(|(square, noise)| square / (gram * along + noise)).sum::<f64>();
        let count = rows.len() as f64;
        if rows.is_empty() || excess(prior) <= count + 5.0 * (2.0 * count).sqrt() {
            return prior;
        }
        // By bisection of the logarithm: the sum falls as the variance grows.
        let (mut low, mut high) = (prior, 1e6 * prior);
        for _ in 0..60 {
            let middle = (low * high).sqrt();
            if excess(middle) > count { low = middle } else { high = middle }
        }
        low
    };
    Ok((0..n).map(of_sample).collect())
}

fn shape(x: &Image) -> [usize; 3] {
    let [_, c, h, w] = x.dims();
    [c, h, w]
}

/// The exact posterior of `model` given `measurement`.
///
/// # Errors
/// If the model has none, or it is too large.
pub(crate) fn posterior<'a>(
    model: &'a dyn super::ScoreModel,
    measurement: &Measurement,
) -> Result<Box<dyn super::ScoreModel + 'a>, ScoreError> {
    model.given(measurement).unwrap_or(Err(ScoreError::NoPosterior))
}
