//! What is minimised: ways to learn a score, each as what the network is asked for one point and how far the answers
//! are from what they should be.

use super::learned::{Form, Place};
use crate::registry::{Category, Entry, entry};
use crate::solver::Words;
use crate::train;

/// A way to learn a score.
pub trait Matching: Entry {
    /// What the network's output is.
    fn form(&self) -> Form {
        Form::Denoiser
    }

    /// The noise levels σ/α of this step, rising, where there are only some.
    fn levels(&self, _scale: &Scale) -> Vec<f64> {
        Vec::new()
    }

    /// A noise level σ/α, and a nearer one where two are compared; of `levels`, where there are only some.
    fn level(&self, words: &mut Words, scale: &Scale, _levels: &[f64]) -> (f64, Option<f64>) {
        (scale.level(words), None)
    }

    /// Where the network is asked: noised points with their noise levels, the first of which the loss is of.
    fn asks(&self, example: &Example) -> Vec<Ask>;

    /// The loss, and its derivative by each output.
    fn loss(&self, example: &Example, answers: &[Answer]) -> (f64, Vec<[f64; 2]>);
}

/// The ways, in the order in which they are offered.
impl Category for dyn Matching {
    const NAME: &'static str = "matching";

    fn all() -> &'static [&'static Self] {
        &[&Denoising, &Implicit, &Sliced, &FlowMatching, &ConsistencyTraining]
    }
}

/// Noise levels of a training.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Least and largest σ/α.
    pub ratios: [f64; 2],
    /// Standard deviation of the data.
    pub std: f64,
    pub step: u64,
    pub steps: u64,
}

impl Scale {
    /// Half of them evenly over the logarithm, half where data and noise are of a size (Karras et al. 2022, table 1).
    fn level(&self, words: &mut Words) -> f64 {
        let [least, most] = self.ratios;
        let (which, place) = (words.uniform(), words.uniform());
        let ratio = match which < 0.5 {
            true => least * (most / least).powf(place),
            false => self.std * (1.2 * words.normal() - 0.5).exp(),
        };
        ratio.clamp(least, most)
    }
}

/// One point of the data under noise.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// x(0) less the mean of the data.
    pub clean: [f64; 2],
    /// z, standard normal.
    pub noise: [f64; 2],
    /// Signs, for a random direction.
    pub direction: [f64; 2],
    /// σ/α.
    pub ratio: f64,
    pub near: Option<f64>,
}

/// A place at which the network is asked.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub x: [f64; 2],
    pub ratio: f64,
}

/// What it answered there.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub x: [f64; 2],
    pub(super) place: Place,
    /// The network's output F.
    pub output: [f64; 2],
}

impl Example {
    /// x(0) + σ·z, at this σ.
    fn noised(&self, ratio: f64) -> [f64; 2] {
        [0, 1].map(|axis| self.clean[axis] + ratio * self.noise[axis])
    }

    /// The same moved by `by` times a direction.
    fn moved(&self, direction: [f64; 2], by: f64) -> Ask {
        let x = self.noised(self.ratio);
        Ask { x: [0, 1].map(|axis| x[axis] + by * direction[axis]), ratio: self.ratio }
    }

    /// Half of the width of differences.
    fn width(&self) -> f64 {
        WIDTH * self.ratio
    }
}

/// Of differences, in units of the noise. The noised density is smooth on that scale, so that they err by a hundredth; over
/// shorter ones the gradient would be noisier.
const WIDTH: f64 = 0.3;
const AXES: [[f64; 2]; 2] = [[1.0, 0.0], [0.0, 1.0]];

impl Answer {
    fn score(&self) -> [f64; 2] {
        [0, 1].map(|axis| self.place.skip * self.x[axis] + self.place.gain * self.output[axis])
    }

    fn clean(&self) -> [f64; 2] {
        [0, 1].map(|axis| self.place.keep * self.x[axis] + self.place.out * self.output[axis])
    }

    /// The weight of the squared error of the score that makes all noise levels equally important: σ⁴/out².
    fn weight(&self, ratio: f64) -> f64 {
        ratio.powi(4) / self.place.out.powi(2)
    }
}

entry! {
    /// ‖D(x) − x(0)‖²: the mean of x(0) given x is all that can be told (Vincent 2011).
    Denoising {
        slug: "denoising",
        name: "Denoising score matching",
        summary: "Predict x(0) from x(t); the mean prediction gives the score",
        source: "Vincent 2011; Karras et al. 2022",
    }
}

impl Matching for Denoising {
    fn asks(&self, example: &Example) -> Vec<Ask> {
        vec![example.moved(AXES[0], 0.0)]
    }

    fn loss(&self, example: &Example, answers: &[Answer]) -> (f64, Vec<[f64; 2]>) {
        let answer = answers[0];
        let (clean, out) = (answer.clean(), answer.place.out);
        let residual = [0, 1].map(|axis| (clean[axis] - example.clean[axis]) / out);
        (residual.iter().map(|r| r * r).sum(), vec![residual.map(|r| 2.0 * r)])
    }
}

entry! {
    /// ½‖s‖² + div s at noised points: no clean data are needed (Hyvärinen 2005).
    Implicit {
        slug: "implicit",
        name: "Implicit score matching",
        summary: "Half the squared score plus its divergence, without clean data",
        source: "Hyvärinen 2005",
    }
}

impl Matching for Implicit {
    fn asks(&self, example: &Example) -> Vec<Ask> {
        let beside =
            AXES.into_iter().flat_map(|axis| [1.0, -1.0].map(|way| example.moved(axis, way * example.width())));
        std::iter::once(example.moved(AXES[0], 0.0)).chain(beside).collect()
    }

    fn loss(&self, example: &Example, answers: &[Answer]) -> (f64, Vec<[f64; 2]>) {
        by_divergence(example, answers, &AXES)
    }
}

entry! {
    /// ½‖s‖² + vᵀ(∂s/∂x)v along one random direction (Song et al. 2019).
    Sliced {
        slug: "sliced",
        name: "Sliced score matching",
        summary: "As implicit, with the divergence along one random direction",
        source: "Song et al. 2019, eq. 8",
    }
}

impl Matching for Sliced {
    fn asks(&self, example: &Example) -> Vec<Ask> {
        [0.0, 1.0, -1.0].map(|way| example.moved(example.direction, way * example.width())).into()
    }

    fn loss(&self, example: &Example, answers: &[Answer]) -> (f64, Vec<[f64; 2]>) {
        by_divergence(example, answers, &[example.direction])
    }
}

/// λ·(½‖s‖² + Σ vᵀ(s(x + h·v) − s(x − h·v))/2h) over directions: a derivative by x, as a difference that is linear in the
/// outputs, so that its gradient needs no second derivative.
fn by_divergence(example: &Example, answers: &[Answer], directions: &[[f64; 2]]) -> (f64, Vec<[f64; 2]>) {
    let (score, gain, weight) = (answers[0].score(), answers[0].place.gain, answers[0].weight(example.ratio));
    let mut loss = 0.5 * score.iter().map(|s| s * s).sum::<f64>();
    let mut slopes = vec![score.map(|s| weight * gain * s)];
    let share = 0.5 / example.width();
    for (pair, v) in answers[1..].chunks_exact(2).zip(directions) {
        let (right, left) = (pair[0].score(), pair[1].score());
        loss += share * (0..2).map(|axis| v[axis] * (right[axis] - left[axis])).sum::<f64>();
        slopes.push(v.map(|v| weight * gain * share * v));
        slopes.push(v.map(|v| -weight * gain * share * v));
    }
    (weight * loss, slopes)
}

entry! {
    /// ‖F − (z − x(0))‖² on straight paths (Lipman et al. 2023; Liu et al. 2022).
    FlowMatching {
        slug: "flow-matching",
        name: "Flow matching",
        summary: "Predict the velocity z − x(0) of the straight path through x(t)",
        source: "Lipman et al. 2023; Liu et al. 2022",
    }
}

impl Matching for FlowMatching {
    fn form(&self) -> Form {
        Form::Velocity
    }

    /// Times of the straight path are uniform.
    fn level(&self, words: &mut Words, scale: &Scale, _levels: &[f64]) -> (f64, Option<f64>) {
        let t = words.uniform();
        let [least, most] = scale.ratios;
        ((scale.std * t / (1.0 - t)).clamp(least, most), None)
    }

    fn asks(&self, example: &Example) -> Vec<Ask> {
        vec![example.moved(AXES[0], 0.0)]
    }

    /// D = keep·x + out·F is x(0) where F is its velocity: the residual of x̂(0) over `out` is that of the velocity.
    fn loss(&self, example: &Example, answers: &[Answer]) -> (f64, Vec<[f64; 2]>) {
        Denoising.loss(example, answers)
    }
}

entry! {
    /// The same answer all along a solution of the probability-flow ODE (Song et al. 2023; Song and Dhariwal 2024).
    ConsistencyTraining {
        slug: "consistency",
        name: "Consistency training",
        summary: "The same answer at two neighbouring levels: sampling in one step, by the solver consistency",
        source: "Song et al. 2023; Song and Dhariwal 2024",
    }
}

/// The pseudo-Huber constant of two dimensions (Song and Dhariwal 2024, section 3.3, has 0.00054·√D for images, whose
/// residuals are larger).
const HUBER: f64 = 0.01;

impl Matching for ConsistencyTraining {
    /// As for images of unit range, whose standard deviation is about a half: in units of twice that of the data.
    fn levels(&self, scale: &Scale) -> Vec<f64> {
        train::levels(scale.ratios.map(|ratio| ratio / (2.0 * scale.std)), scale.step, scale.steps)
    }

    fn level(&self, words: &mut Words, scale: &Scale, levels: &[f64]) -> (f64, Option<f64>) {
        let seed = u64::from(words.word()) << 32 | u64::from(words.word());
        let pair = train::pairs(levels, train::Drawn::LogNormal, seed, 0, 1).into_iter().next();
        let [near, far] = pair.unwrap_or([1.0, 2.0]).map(|level| 2.0 * scale.std * level);
        (far, Some(near))
    }

    fn asks(&self, example: &Example) -> Vec<Ask> {
        let near = example.near.unwrap_or(example.ratio);
        [example.ratio, near].map(|ratio| Ask { x: example.noised(ratio), ratio }).into()
    }

    /// The nearer answer is not differentiated; at the least level it is the point itself.
    fn loss(&self, example: &Example, answers: &[Answer]) -> (f64, Vec<[f64; 2]>) {
        let (far, near) = (answers[0].clean(), answers[1].clean());
        let residual = [0, 1].map(|axis| far[axis] - near[axis]);
        let root = (residual.iter().map(|r| r * r).sum::<f64>() + HUBER * HUBER).sqrt();
        let weight = 1.0 / (example.ratio - answers[1].level()).max(1e-9);
        let slope = residual.map(|r| weight * r / root * answers[0].place.out);
        (weight * (root - HUBER), vec![slope, [0.0; 2]])
    }
}

impl Answer {
    /// σ/α at which it was asked.
    fn level(&self) -> f64 {
        self.place.ratio
    }
}
