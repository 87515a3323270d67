//! Mixtures of Gaussians, whose score is known exactly at every noise level.

use super::gaussians::Gaussians;
use super::{Given, Measurement, ScoreAndTrace, ScoreError, ScoreModel};
use crate::Image;
use crate::sde::{Level, Moments, Range};
use burn::tensor::activation::softmax;
use burn::tensor::{Int, Tensor, TensorData};
use std::f64::consts::{PI, TAU};

/// One Gaussian of a mixture, with independent coordinates.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// Share of the mixture, in any units: weights are brought to the sum 1.
    pub weight: f64,
    /// Mean of each coordinate.
    pub mean: Vec<f64>,
    /// Standard deviation of each coordinate.
    pub std: Vec<f64>,
}

impl Component {
    /// A component with the same standard deviation in every coordinate.
    pub fn round(weight: f64, mean: Vec<f64>, std: f64) -> Self {
        let std = vec![std; mean.len()];
        Component { weight, mean, std }
    }
}

/// A description that is no mixture.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MixtureError {
    #[error("unknown mixture {0:?}; choose one of {names}", names = names_in_words())]
    Unknown(String),
    #[error("a mixture without components or coordinates has no density; give at least one of each")]
    Empty,
    #[error("component {component} has the weight {weight}; give a positive number")]
    Weight { component: usize, weight: f64 },
    #[error("component {component} has {found} coordinates but its shape has {expected}; give that many")]
    Dimension { component: usize, expected: usize, found: usize },
    #[error("component {component} has a mean that is not finite; give finite numbers")]
    Mean { component: usize },
    #[error("component {component} has the standard deviation {std}; give positive numbers")]
    Std { component: usize, std: f64 },
}

/// A mixture of Gaussians with diagonal covariances over vectors (D×1×1) or pictures (C×H×W).
///
/// Noised to x = α·x(0) + σ·z it is again such a mixture: means α·μ, variances α²·s² + σ².
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    shape: [usize; 3],
    components: Vec<Component>,
}

/// The components as seen from a batch of states.
struct View {
    /// (x − αμ)/(α²s² + σ²), N×K×D: minus the score of each component.
    pull: Tensor<3>,
    /// log of weight times density of each component, N×K×1.
    log_joint: Tensor<3>,
}

impl Mixture {
    /// A mixture of `components` over samples of `shape` (channels, height, width).
    ///
    /// # Errors
    /// If there are no components or coordinates, a weight or standard deviation is not positive,
    /// a mean is not finite, or lengths differ.
    pub fn new(shape: [usize; 3], mut components: Vec<Component>) -> Result<Self, MixtureError> {
        // A file may claim sizes whose product no number holds: no component has so many coordinates.
        let expected = shape.iter().fold(1usize, |product, &size| product.saturating_mul(size));
        if expected == 0 || components.is_empty() {
            return Err(MixtureError::Empty);
        }
        for (component, c) in components.iter().enumerate() {
            if !(c.weight > 0.0 && c.weight.is_finite()) {
                return Err(MixtureError::Weight { component, weight: c.weight });
            }
            if let Some(&found) = [c.mean.len(), c.std.len()].iter().find(|&&length| length != expected) {
                return Err(MixtureError::Dimension { component, expected, found });
            }
            if !c.mean.iter().all(|mean| mean.is_finite()) {
                return Err(MixtureError::Mean { component });
            }
            if let Some(&std) = c.std.iter().find(|&&std| !(std > 0.0 && std.is_finite())) {
                return Err(MixtureError::Std { component, std });
            }
        }
        let total: f64 = components.iter().map(|c| c.weight).sum();
        components.iter_mut().for_each(|c| c.weight /= total);
        Ok(Mixture { shape, components })
    }

    /// Names of the teaching examples, each with what it is.
    pub fn names() -> &'static [(&'static str, &'static str)] {
        &[
            ("gaussian", "one Gaussian in the plane, wider than tall"),
            ("ring", "8 modes on a circle in the plane"),
            ("grid", "25 modes in 5 rows of 5 in the plane"),
            ("two-moons", "two interlocking arcs in the plane"),
            ("blocks", "images of 4×4 pixels around 3 colourful patterns"),
        ]
    }

    /// The teaching example called `name`.
    ///
    /// # Errors
    /// If there is none; the error lists those that there are.
    pub fn named(name: &str) -> Result<Self, MixtureError> {
        let (shape, components) = match name {
            "gaussian" => (PLANE, vec![Component { weight: 1.0, mean: vec![0.2, -0.1], std: vec![0.4, 0.2] }]),
            "ring" => (PLANE, ring()),
            "grid" => (PLANE, grid()),
            "two-moons" => (PLANE, two_moons()),
            "blocks" => (BLOCKS, blocks()),
            _ => return Err(MixtureError::Unknown(name.into())),
        };
        Mixture::new(shape, components)
    }

    /// The components; their weights sum to 1.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// Number of coordinates D.
    pub fn dimensions(&self) -> usize {
        self.shape.iter().product()
    }

    /// Mean of each coordinate, of length D.
    pub fn mean(&self) -> Vec<f64> {
        self.average(|c, i| c.mean[i])
    }

    /// Covariance, D×D by rows.
    pub fn covariance(&self) -> Vec<f64> {
        let (mean, dimensions) = (self.mean(), self.dimensions());
        let entry = |c: &Component, i: usize, j: usize| {
            let within = if i == j { c.std[i] * c.std[i] } else { 0.0 };
            within + (c.mean[i] - mean[i]) * (c.mean[j] - mean[j])
        };
        (0..dimensions * dimensions)
            .map(|at| self.components.iter().map(|c| c.weight * entry(c, at / dimensions, at % dimensions)).sum())
            .collect()
    }

    /// Log-density at `x` (N×C×H×W), noised to `at`, in nats; of length N.
    ///
    /// # Errors
    /// If the shape of `x` is wrong.
    pub fn log_density(&self, x: &Image, at: &[Level]) -> Result<Tensor<1>, ScoreError> {
        let joint = self.view(x, at)?.log_joint;
        let highest = joint.clone().max_dim(1);
        let sum = (joint - highest.clone()).exp().sum_dim(1);
        Ok((sum.log() + highest).reshape([-1]))
    }

    /// Probability of each component given `x` (N×C×H×W), noised to `at`: N×K.
    ///
    /// # Errors
    /// If the shape of `x` is wrong.
    pub fn responsibilities(&self, x: &Image, at: &[Level]) -> Result<Tensor<2>, ScoreError> {
        let joint = self.view(x, at)?.log_joint;
        let [count, components, _] = joint.dims();
        Ok(softmax(joint, 1).reshape([count, components]))
    }

    /// Exact clean samples from standard normal `z` (N×C×H×W) and one number of (0, 1) each, `uniform` (N),
    /// which chooses the component.
    ///
    /// # Errors
    /// If the shape of `z` is wrong.
    pub fn sample(&self, z: &Image, uniform: &Tensor<1>) -> Result<Image, ScoreError> {
        self.check(z)?;
        let (count, dimensions, device) = (z.dims()[0], self.dimensions(), z.device());
        let mut below = 0.0;
        let mut chosen = Tensor::<1, Int>::zeros([count], &device);
        for component in &self.components[..self.components.len() - 1] {
            below += component.weight;
            chosen = chosen + uniform.clone().greater_elem(below).int();
        }
        let table = |value: fn(&Component) -> &Vec<f64>| {
            let values = self.components.iter().flat_map(value).map(|&v| v as f32).collect::<Vec<f32>>();
            let table = Tensor::<2>::from_data(TensorData::new(values, [self.components.len(), dimensions]), &device);
            table.select(0, chosen.clone()).reshape(z.dims())
        };
        Ok(table(|c| &c.mean) + table(|c| &c.std) * z.clone())
    }

    /// The mixture noised to `at`, around `x`. Coefficients are computed in f64, and differences from the
    /// means before they are squared, so that narrow components keep their precision.
    fn view(&self, x: &Image, at: &[Level]) -> Result<View, ScoreError> {
        self.check(x)?;
        let (count, dimensions, like) = (x.dims()[0], self.dimensions(), x);
        let x = x.clone().reshape([count, 1, dimensions]);
        let precision = |l: Level, c: &Component, i: usize| 1.0 / ((l.alpha * c.std[i]).powi(2) + l.sigma.powi(2));
        let apart = x - self.coefficients(at, dimensions, like, |l, c, i| l.alpha * c.mean[i]);
        let pull = apart.clone() * self.coefficients(at, dimensions, like, precision);
        let squares = (apart * pull.clone()).sum_dim(2);
        let constant = self.coefficients(at, 1, like, |l, c, _| {
            c.weight.ln() + 0.5 * (0..dimensions).map(|i| (precision(l, c, i) / (2.0 * PI)).ln()).sum::<f64>()
        });
        Ok(View { pull, log_joint: constant - squares * 0.5 })
    }

    /// A coefficient of each level, component and coordinate, in the precision of `like`: (1 or N)×K×`width`.
    fn coefficients(
        &self,
        at: &[Level],
        width: usize,
        like: &Image,
        coefficient: impl Fn(Level, &Component, usize) -> f64,
    ) -> Tensor<3> {
        let mut values = Vec::with_capacity(at.len() * self.components.len() * width);
        for &level in at {
            for component in &self.components {
                values.extend((0..width).map(|i| coefficient(level, component, i)));
            }
        }
        let data = TensorData::new(values, [at.len(), self.components.len(), width]);
        Tensor::from_data(data, (&like.device(), like.dtype()))
    }

    fn average(&self, figure: impl Fn(&Component, usize) -> f64) -> Vec<f64> {
        let over = |i| self.components.iter().map(|c| c.weight * figure(c, i)).sum();
        (0..self.dimensions()).map(over).collect()
    }

    fn check(&self, x: &Image) -> Result<(), ScoreError> {
        let [_, channels, height, width] = x.dims();
        let found = [channels, height, width];
        if found == self.shape { Ok(()) } else { Err(ScoreError::Shape { expected: self.shape, found }) }
    }
}

impl ScoreModel for Mixture {
    fn shape(&self) -> [usize; 3] {
        self.shape
    }

    fn range(&self) -> Option<Range> {
        None
    }

    fn ratios(&self) -> Option<(f64, f64)> {
        None
    }

    fn moments(&self) -> Option<Moments> {
        let over_coordinates = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        Some(Moments {
            mean: over_coordinates(self.mean()),
            mean_square: over_coordinates(self.average(|c, i| c.mean[i].powi(2) + c.std[i].powi(2))),
        })
    }

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let View { pull, log_joint } = self.view(x, at)?;
        let toward = (softmax(log_joint, 1) * pull).sum_dim(1);
        Ok(toward.neg().reshape(x.dims()))
    }

    /// Σ w·(μ + α·s²·q) with weights w and q = (x − αμ)/(α²s² + σ²): no difference of large numbers.
    fn denoised(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let View { pull, log_joint } = self.view(x, at)?;
        let size = self.dimensions();
        let gain = self.coefficients(at, size, x, |l, c, i| l.alpha * c.std[i] * c.std[i]);
        let mean = self.coefficients(at, size, x, |_, c, i| c.mean[i]);
        let clean = (softmax(log_joint, 1) * (mean + pull * gain)).sum_dim(1);
        Ok(clean.reshape(x.dims()))
    }

    /// With weights w and pulls q, score = −Σ w·q and its trace Σᵢ Σ w·(qᵢ − q̄ᵢ)² − w/(α²sᵢ² + σ²).
    fn score_and_trace(&self, x: &Image, at: &[Level]) -> Option<ScoreAndTrace> {
        let View { pull, log_joint } = match self.view(x, at) {
            Ok(view) => view,
            Err(error) => return Some(Err(error)),
        };
        let weights = softmax(log_joint, 1);
        let toward = (weights.clone() * pull.clone()).sum_dim(1);
        let spread = (pull - toward.clone()).square().sum_dim(2);
        let precision = self.coefficients(at, 1, x, |l, c, _| {
            c.std.iter().map(|std| 1.0 / ((l.alpha * std).powi(2) + l.sigma.powi(2))).sum()
        });
        let trace = (weights * (spread - precision)).sum_dim(1);
        Some(Ok((toward.neg().reshape(x.dims()), trace.reshape([x.dims()[0]]))))
    }

    /// A component is a class.
    fn of_class(&self, class: usize) -> Option<Box<dyn ScoreModel + '_>> {
        let component = self.components.get(class)?.clone();
        let alone = Mixture { shape: self.shape, components: vec![Component { weight: 1.0, ..component }] };
        Some(Box::new(alone))
    }

    /// The posterior is a mixture again, of Gaussians with full covariances.
    fn given(&self, measurement: &Measurement) -> Option<Given<'_>> {
        if measurement.y().dims()[0] != 1 {
            return None;
        }
        let posterior = Gaussians::given(self, measurement);
        Some(posterior.map(|model| -> Box<dyn ScoreModel + '_> { Box::new(model) }))
    }
}

/// A point of the plane.
const PLANE: [usize; 3] = [2, 1, 1];
/// A picture of 4×4 pixels in colour.
const BLOCKS: [usize; 3] = [3, 4, 4];

fn names_in_words() -> String {
    Mixture::names().iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn ring() -> Vec<Component> {
    let angles = (0..8).map(|k| TAU * f64::from(k) / 8.0);
    angles.map(|angle| Component::round(1.0, vec![0.8 * angle.cos(), 0.8 * angle.sin()], 0.06)).collect()
}

fn grid() -> Vec<Component> {
    let place = |k: i32| 0.4 * f64::from(k - 2);
    (0..25).map(|k| Component::round(1.0, vec![place(k % 5), place(k / 5)], 0.05)).collect()
}

/// Two half circles that reach into each other, each drawn by 16 small Gaussians.
fn two_moons() -> Vec<Component> {
    let moon = |side: f64| {
        let angles = (0..16).map(|k| PI * f64::from(k) / 15.0);
        let at = move |angle: f64| vec![side * (0.55 * angle.cos() - 0.275), side * (0.55 * angle.sin() - 0.14)];
        angles.map(move |angle| Component::round(1.0, at(angle), 0.05))
    };
    moon(1.0).chain(moon(-1.0)).collect()
}

/// Red over blue, green beside magenta, and a chequerboard of yellow and cyan, in unequal shares.
fn blocks() -> Vec<Component> {
    let picture = |weight: f64, first: [f64; 3], second: [f64; 3], is_first: fn(usize, usize) -> bool| {
        let pixel = |at: usize| {
            let (channel, row, column) = (at / 16, at / 4 % 4, at % 4);
            0.7 * if is_first(row, column) { first[channel] } else { second[channel] }
        };
        Component::round(weight, (0..48).map(pixel).collect(), 0.15)
    };
    vec![
        picture(0.5, [1.0, -1.0, -1.0], [-1.0, -1.0, 1.0], |row, _| row < 2),
        picture(0.3, [-1.0, 1.0, -1.0], [1.0, -1.0, 1.0], |_, column| column < 2),
        picture(0.2, [1.0, 1.0, -1.0], [-1.0, 1.0, 1.0], |row, column| (row / 2 + column / 2) % 2 == 0),
    ]
}
