//! Data in the plane, whose density and score are exact at every noise level.

use super::kernel::{Base, Single, Sums, Wanted};
use super::posterior::log_normal_share;
use super::{Gaussian, Point, SHAPE};
use crate::Image;
use crate::score::{Component, Given, Measurement, Mixture, MixtureError, ScoreAndTrace, ScoreError, ScoreModel};
use crate::sde::{Level, Moments, Range};
use crate::solver::{Noise, NoiseSource, Purpose};
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use std::f64::consts::TAU;

/// Points that a thread takes together.
const CHUNK: usize = 128;

/// A mixture of Gaussians in the plane. Single to x = α·x(0) + σ·z it is again one: means α·μ, variances α²·s² + σ².
///
/// Equal to [`Mixture`] within rounding, and some hundred times as fast: 1,000 Gaussians at 5,000 points take a few
/// milliseconds. A posterior is one, too, with axes along those of what was measured.
#[derive(Clone, Debug)]
pub struct Plane {
    gaussians: Vec<Single>,
    /// The same, for the inner loop.
    base: Base,
    classes: Vec<usize>,
    /// Cosine and sine of the angle by which the Gaussians' axes are turned.
    turn: [f64; 2],
    /// Of the data before anything was measured.
    moments: Moments,
    /// Whether every Gaussian is round, so that it has the same form along any axes.
    round: bool,
}

impl Plane {
    /// Data of these Gaussians, of which there is at least one; as [`super::Drawing::gaussians`] makes them.
    pub fn new(gaussians: &[Gaussian]) -> Self {
        let total: f64 = gaussians.iter().map(|gaussian| gaussian.weight).sum();
        let single =
            |one: &Gaussian| Single { mean: one.at, variance: [one.std * one.std; 2], weight: one.weight / total };
        let classes = gaussians.iter().map(|gaussian| gaussian.class).collect();
        Plane::of(gaussians.iter().map(single).collect(), classes, [1.0, 0.0], None)
    }

    fn of(gaussians: Vec<Single>, classes: Vec<usize>, turn: [f64; 2], moments: Option<Moments>) -> Self {
        let average =
            |figure: &dyn Fn(&Single) -> f64| gaussians.iter().map(|one| one.weight * figure(one)).sum::<f64>();
        let own = || Moments {
            mean: 0.5 * average(&|one| one.mean[0] + one.mean[1]),
            mean_square: 0.5 * average(&|one| (0..2).map(|axis| one.mean[axis].powi(2) + one.variance[axis]).sum()),
        };
        let round = gaussians.iter().all(|one| one.variance[0] == one.variance[1]);
        Plane { moments: moments.unwrap_or_else(own), base: Base::new(&gaussians), gaussians, classes, turn, round }
    }

    /// Number of Gaussians.
    pub fn len(&self) -> usize {
        self.gaussians.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.gaussians.is_empty()
    }

    /// The classes that its data have, each once, in order.
    pub fn classes(&self) -> Vec<usize> {
        let mut classes = self.classes.clone();
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    /// Mean of the data.
    pub fn mean(&self) -> [f64; 2] {
        let mean = [0, 1].map(|axis| self.gaussians.iter().map(|one| one.weight * one.mean[axis]).sum());
        self.back(mean)
    }

    /// Root mean square distance of the data from their mean, over √2: their standard deviation along an axis.
    pub fn std(&self) -> f64 {
        let mean = [0, 1].map(|axis| self.gaussians.iter().map(|one| one.weight * one.mean[axis]).sum::<f64>());
        let square = |one: &Single| {
            let axis = |axis: usize| (one.mean[axis] - mean[axis]).powi(2) + one.variance[axis];
            one.weight * 0.5 * (axis(0) + axis(1))
        };
        self.gaussians.iter().map(square).sum::<f64>().sqrt()
    }

    /// The data of one class, where they have it.
    pub fn class(&self, class: usize) -> Option<Plane> {
        let pairs = self.gaussians.iter().zip(&self.classes).filter(|(_, own)| **own == class);
        let (mut gaussians, classes): (Vec<Single>, Vec<usize>) = pairs.map(|(one, own)| (*one, *own)).unzip();
        let total: f64 = gaussians.iter().map(|one| one.weight).sum();
        gaussians.iter_mut().for_each(|one| one.weight /= total);
        (!gaussians.is_empty()).then(|| Plane::of(gaussians, classes, self.turn, None))
    }

    /// p(class | x(0)) at each point.
    pub fn chances(&self, class: usize, points: &[Point]) -> Vec<f64> {
        let own = self.gaussians.iter().zip(&self.classes).filter(|(_, of)| **of == class);
        let share: f64 = own.map(|(one, _)| one.weight).sum();
        let Some(of_class) = self.class(class) else { return vec![0.0; points.len()] };
        let clean = [Level::new(1.0, 0.0)];
        let logs = of_class.log_density(points, &clean).into_iter().zip(self.log_density(points, &clean));
        logs.map(|(own, all)| (share.ln() + own - all).exp().min(1.0)).collect()
    }

    /// The score ∇ log p at each point, noised to `at`: one level for all, or one for each.
    pub fn scores(&self, points: &[Point], at: &[Level]) -> Vec<Point> {
        self.each(points, at, Wanted::Score, |sums| self.turned_back(sums.first.map(|sum| -sum / sums.total)))
    }

    /// The mean of x(0) given each point, noised to `at`.
    pub fn denoised_points(&self, points: &[Point], at: &[Level]) -> Vec<Point> {
        self.each(points, at, Wanted::Clean, |sums| self.turned_back(sums.first.map(|sum| sum / sums.total)))
    }

    /// log p at each point, noised to `at`, in nats.
    pub fn log_density(&self, points: &[Point], at: &[Level]) -> Vec<f64> {
        self.each(points, at, Wanted::Score, |sums| f64::from(sums.total).ln() - 0.5 * f64::from(sums.least) - TAU.ln())
    }

    /// The score at each point and its Jacobian: ∂s_x/∂x, ∂s_x/∂y = ∂s_y/∂x, ∂s_y/∂y.
    pub fn scores_and_jacobians(&self, points: &[Point], at: &[Level]) -> Vec<(Point, [f32; 3])> {
        self.each(points, at, Wanted::Second, |sums| {
            let [qx, qy] = sums.first.map(|sum| sum / sums.total);
            let [xx, xy, yy] = sums.second.map(|sum| sum / sums.total);
            let [px, py] = sums.precision.map(|sum| sum / sums.total);
            let jacobian = [xx - qx * qx - px, xy - qx * qy, yy - qy * qy - py];
            (self.turned_back([-qx, -qy]), self.jacobian_back(jacobian))
        })
    }

    /// Exact clean points of these samples: which Gaussian, and where in it, are functions of the noise's address.
    pub fn sample(&self, noise: &Noise) -> Vec<Point> {
        let normal = points_of(&noise.normal(0, Purpose::World)).unwrap_or_default();
        let uniform = noise.uniform(0, Purpose::Order).try_into_vec_as::<f32>().unwrap_or_default();
        let mut below = 0.0;
        let bounds: Vec<f64> = self
            .gaussians
            .iter()
            .map(|one| {
                below += one.weight;
                below
            })
            .collect();
        let point = |(z, u): (&Point, &f32)| {
            let index = bounds.partition_point(|&bound| bound < f64::from(*u) * below).min(self.len() - 1);
            let one = &self.gaussians[index];
            let place = [0, 1].map(|axis| one.mean[axis] + one.variance[axis].sqrt() * f64::from(z[axis]));
            self.back(place).map(|x| x as f32)
        };
        normal.iter().zip(&uniform).map(point).collect()
    }

    /// The density of one coordinate (0 or 1) at each of `places`, noised to `at`.
    pub fn marginal(&self, axis: usize, places: &[f64], at: Level) -> Vec<f64> {
        let [cos, sin] = self.turn;
        // The axis in the Gaussians' own frame.
        let along = if axis == 0 { [cos, -sin] } else { [sin, cos] };
        let curves: Vec<[f64; 3]> = self
            .gaussians
            .iter()
            .map(|one| {
                let mean = at.alpha * (along[0] * one.mean[0] + along[1] * one.mean[1]);
                let clean = along[0].powi(2) * one.variance[0] + along[1].powi(2) * one.variance[1];
                let variance = at.alpha.powi(2) * clean + at.sigma.powi(2);
                [mean, 0.5 / variance, one.weight / (TAU * variance).sqrt()]
            })
            .collect();
        let density = |x: &f64| curves.iter().map(|[mean, half, peak]| peak * (-(x - mean).powi(2) * half).exp()).sum();
        places.par_iter().map(density).collect()
    }

    /// The same data as a mixture of any number of dimensions.
    ///
    /// # Errors
    /// If it is one with turned axes, which no such mixture has.
    pub fn mixture(&self) -> Result<Mixture, MixtureError> {
        if self.turn != [1.0, 0.0] {
            return Err(MixtureError::Empty);
        }
        let component = |one: &Single| Component {
            weight: one.weight,
            mean: one.mean.to_vec(),
            std: one.variance.iter().map(|variance| variance.sqrt()).collect(),
        };
        Mixture::new(SHAPE, self.gaussians.iter().map(component).collect())
    }

    /// The data given what is known along two orthogonal axes, the first at this angle's cosine and sine: a value, and
    /// one over its variance, 0 where nothing is known. `None` where the Gaussians are not round.
    pub(super) fn given_along(&self, turn: [f64; 2], known: [[f64; 2]; 2]) -> Option<Plane> {
        if !self.round {
            return None;
        }
        let mut posterior: Vec<(f64, Single)> = self
            .gaussians
            .iter()
            .map(|one| {
                let mean = to_frame(turn, self.back(one.mean));
                let mut log = one.weight.ln();
                let mut after = Single { mean, ..*one };
                for axis in 0..2 {
                    let ([value, information], variance) = (known[axis], one.variance[axis]);
                    if information > 0.0 {
                        let kept = 1.0 / (1.0 + variance * information);
                        after.variance[axis] = variance * kept;
                        after.mean[axis] = kept * (mean[axis] + variance * information * value);
                        let spread = variance + 1.0 / information;
                        log -= 0.5 * ((value - mean[axis]).powi(2) / spread + spread.ln());
                    }
                }
                (log, after)
            })
            .collect();
        let highest = posterior.iter().map(|(log, _)| *log).fold(f64::MIN, f64::max);
        posterior.iter_mut().for_each(|(log, one)| one.weight = (*log - highest).exp());
        let total: f64 = posterior.iter().map(|(_, one)| one.weight).sum();
        let gaussians = posterior.into_iter().map(|(_, one)| Single { weight: one.weight / total, ..one }).collect();
        Some(Plane::of(gaussians, self.classes.clone(), turn, Some(self.moments)))
    }

    /// Log density, up to a constant, and score of the data given that their coordinate along `direction` (of length 1) is
    /// above `value`, told apart with this noise: see [`super::HalfPlane`].
    pub(super) fn above(
        &self,
        points: &[Point],
        at: &[Level],
        direction: [f64; 2],
        value: f64,
        noise: f64,
    ) -> Vec<(f64, Point)> {
        let direction = to_frame(self.turn, direction);
        let answer = |(index, &point): (usize, &Point)| {
            let Some(level) = at.get(if at.len() == 1 { 0 } else { index }) else { return (f64::NAN, [f32::NAN; 2]) };
            let x = to_frame(self.turn, point.map(f64::from));
            let (log, score) = self.above_at(x, *level, direction, value, noise);
            (log, self.back(score).map(|x| x as f32))
        };
        points.par_iter().enumerate().map(answer).collect()
    }

    /// The same of one point, all in the Gaussians' own frame.
    fn above_at(&self, x: [f64; 2], level: Level, direction: [f64; 2], value: f64, noise: f64) -> (f64, [f64; 2]) {
        let (mut highest, mut total, mut sums) = (f64::MIN, 0.0, [0.0; 2]);
        for one in &self.gaussians {
            let (mut log, mut mean, mut spread, mut pull, mut gain) =
                (one.weight.ln(), 0.0, noise * noise, [0.0; 2], [0.0; 2]);
            for axis in 0..2 {
                let precision = 1.0 / (level.alpha.powi(2) * one.variance[axis] + level.sigma.powi(2));
                let apart = x[axis] - level.alpha * one.mean[axis];
                pull[axis] = apart * precision;
                log += 0.5 * (precision.ln() - apart * pull[axis]);
                gain[axis] = direction[axis] * level.alpha * one.variance[axis] * precision;
                mean += direction[axis] * (one.mean[axis] + level.alpha * one.variance[axis] * pull[axis]);
                spread += direction[axis].powi(2) * one.variance[axis] * level.sigma.powi(2) * precision;
            }
            let root = spread.sqrt();
            let (log_share, slope) = log_normal_share((mean - value) / root);
            log += log_share;
            // Sums are kept in units of the largest term so far.
            if log > highest {
                let shrink = (highest - log).exp();
                (total, sums, highest) = (total * shrink, sums.map(|sum| sum * shrink), log);
            }
            let e = (log - highest).exp();
            total += e;
            for axis in 0..2 {
                sums[axis] += e * (slope * gain[axis] / root - pull[axis]);
            }
        }
        (highest + total.ln(), sums.map(|sum| sum / total))
    }

    /// Moments of the data before anything was measured.
    pub(super) fn data_moments(&self) -> Moments {
        self.moments
    }

    /// The sums at each point, as `answer` makes something of them.
    fn each<R: Send>(
        &self,
        points: &[Point],
        at: &[Level],
        wanted: Wanted,
        answer: impl Fn(&Sums) -> R + Sync,
    ) -> Vec<R> {
        let common = match at {
            [level] => Some(self.base.at(level.alpha, level.sigma, wanted)),
            _ => None,
        };
        let chunks = points.par_chunks(CHUNK).enumerate();
        let answers = chunks.flat_map_iter(|(chunk, part)| {
            let turned: Vec<Point> = part.iter().map(|&point| self.turned(point)).collect();
            let mut sums = vec![Sums::default(); part.len()];
            match &common {
                Some(table) => table.sums(&turned, wanted, &mut sums),
                None => {
                    let levels = at.iter().skip(chunk * CHUNK).map(|level| [level.alpha, level.sigma]);
                    let each: Vec<(Point, [f64; 2])> = turned.into_iter().zip(levels).collect();
                    self.base.sums_each(&each, wanted, &mut sums);
                }
            }
            let answer = &answer;
            sums.into_iter().map(move |sums| answer(&sums))
        });
        answers.collect()
    }

    /// A point in the Gaussians' own frame.
    fn turned(&self, point: Point) -> Point {
        if self.turn == [1.0, 0.0] { point } else { to_frame(self.turn, point.map(f64::from)).map(|x| x as f32) }
    }

    fn turned_back(&self, point: Point) -> Point {
        if self.turn == [1.0, 0.0] { point } else { self.back(point.map(f64::from)).map(|x| x as f32) }
    }

    /// From the Gaussians' own frame.
    fn back(&self, [a, b]: [f64; 2]) -> [f64; 2] {
        let [cos, sin] = self.turn;
        [cos * a - sin * b, sin * a + cos * b]
    }

    /// A symmetric matrix from that frame.
    fn jacobian_back(&self, [aa, ab, bb]: [f32; 3]) -> [f32; 3] {
        let [cos, sin] = self.turn.map(|x| x as f32);
        [
            cos * cos * aa - 2.0 * cos * sin * ab + sin * sin * bb,
            cos * sin * (aa - bb) + (cos * cos - sin * sin) * ab,
            sin * sin * aa + 2.0 * cos * sin * ab + cos * cos * bb,
        ]
    }
}

/// A point in a frame whose first axis has this cosine and sine.
fn to_frame([cos, sin]: [f64; 2], [x, y]: [f64; 2]) -> [f64; 2] {
    [cos * x + sin * y, cos * y - sin * x]
}

/// Points of a batch of images N×2×1×1.
///
/// # Errors
/// If they are not points, or the device fails.
pub(super) fn points_of(x: &Image) -> Result<Vec<Point>, ScoreError> {
    let [_, channels, height, width] = x.dims();
    let found = [channels, height, width];
    if found != SHAPE {
        return Err(ScoreError::Shape { expected: SHAPE, found });
    }
    let values = x.clone().inner().try_into_vec_as::<f32>()?;
    Ok(values.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect())
}

/// A batch of images N×2×1×1 on the device of another.
pub(super) fn images_of(points: &[Point], like: &Image) -> Image {
    let values: Vec<f32> = points.iter().flatten().copied().collect();
    let data = TensorData::new(values, [points.len(), 2, 1, 1]);
    Tensor::from_data(data, (&like.device().inner(), like.dtype()))
}

/// Scores as a graph that is linear around `x`, whose gradient passes through their Jacobians (each symmetric: xx, xy, yy).
pub(super) fn linear_around(x: &Image, both: &[(Point, [f32; 3])]) -> Image {
    let scores: Vec<Point> = both.iter().map(|(score, _)| *score).collect();
    let rows = |row: [usize; 2]| {
        let rows: Vec<Point> = both.iter().map(|(_, jacobian)| row.map(|entry| jacobian[entry])).collect();
        images_of(&rows, x).autodiff()
    };
    let moved = x.clone() - x.clone().detach();
    let along = |row: [usize; 2]| (rows(row) * moved.clone()).sum_dim(1);
    let change = Tensor::cat(vec![along([0, 1]), along([1, 2])], 1);
    images_of(&scores, x).autodiff() + change
}

impl ScoreModel for Plane {
    fn shape(&self) -> [usize; 3] {
        SHAPE
    }

    fn range(&self) -> Option<Range> {
        None
    }

    fn ratios(&self) -> Option<(f64, f64)> {
        None
    }

    fn moments(&self) -> Option<Moments> {
        Some(self.moments)
    }

    /// Where `x` is differentiated, the score and its exact Jacobian are made into a graph that is linear around `x`.
    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let points = points_of(x)?;
        if !x.is_tracked() {
            return Ok(images_of(&self.scores(&points, at), x));
        }
        Ok(linear_around(x, &self.scores_and_jacobians(&points, at)))
    }

    fn denoised(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        if x.is_tracked() {
            return Ok(crate::score::denoised(x, &self.score(x, at)?, at));
        }
        Ok(images_of(&self.denoised_points(&points_of(x)?, at), x))
    }

    fn score_and_trace(&self, x: &Image, at: &[Level]) -> Option<ScoreAndTrace> {
        let both = points_of(x).map(|points| self.scores_and_jacobians(&points, at));
        Some(both.map(|both| {
            let scores: Vec<Point> = both.iter().map(|(score, _)| *score).collect();
            let traces: Vec<f32> = both.iter().map(|(_, [xx, _, yy])| xx + yy).collect();
            let data = TensorData::new(traces, [both.len()]);
            (images_of(&scores, x), Tensor::from_data(data, (&x.device(), x.dtype())))
        }))
    }

    fn of_class(&self, class: usize) -> Option<Box<dyn ScoreModel + '_>> {
        self.class(class).map(|model| -> Box<dyn ScoreModel + '_> { Box::new(model) })
    }

    /// A mixture again, whose Gaussians are narrower along what was measured.
    fn given(&self, measurement: &Measurement) -> Option<Given<'_>> {
        let (turn, known) = match super::posterior::known(measurement)? {
            Ok(known) => known,
            Err(error) => return Some(Err(error)),
        };
        let posterior = self.given_along(turn, known)?;
        Some(Ok(Box::new(posterior)))
    }
}
