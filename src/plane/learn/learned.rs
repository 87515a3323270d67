//! A network that has learned the score of data in the plane.

use super::mlp::Mlp;
use crate::Image;
use crate::plane::exact::{images_of, linear_around, points_of};
use crate::plane::{Point, SHAPE};
use crate::score::{ScoreError, ScoreModel};
use crate::sde::{Level, Moments, Range};
use rayon::prelude::*;

/// Points that a thread takes together.
const CHUNK: usize = 256;

/// A score model by a small network.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    pub(super) network: Mlp,
    pub(super) form: Form,
    pub(super) data: Scaling,
}

/// What the network's output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// EDM's: x̂(0) = keep·x + out·F (Karras et al. 2022, eq. 7).
    Denoiser,
    /// The velocity z − x(0) of the straight path from data to noise (Liu et al. 2022).
    Velocity,
}

/// What is known of the data before they are learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scaling {
    pub mean: [f64; 2],
    /// Along an axis.
    pub std: f64,
    pub moments: Moments,
}

/// Where the network is at a noise level: of x less α times the data's mean, its input is `scale`·x, the score is
/// `skip`·x + `gain`·F and x̂(0), less the mean, `keep`·x + `out`·F.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub scale: f64,
    pub skip: f64,
    pub gain: f64,
    pub keep: f64,
    pub out: f64,
    /// ln of σ/α over the data's standard deviation.
    pub label: f64,
    pub ratio: f64,
}

impl Scaling {
    /// σ/α that are learned, in units of the data's standard deviation.
    pub const RATIOS: [f64; 2] = [0.01, 60.0];

    /// σ/α that are learned.
    pub(super) fn ratios(&self) -> [f64; 2] {
        Scaling::RATIOS.map(|ratio| ratio * self.std)
    }
}

impl Form {
    pub(super) fn place(self, data: &Scaling, level: Level) -> Place {
        let (Level { alpha, sigma, .. }, std) = (level, data.std);
        let [least, most] = data.ratios();
        // Beyond what is learned the network is asked as at the end of it, and clean data as if they had the least noise.
        let sigma = sigma.max(alpha * least);
        let label = ((sigma / alpha).clamp(least, most) / std).ln();
        match self {
            Form::Denoiser => {
                let square = sigma * sigma + (alpha * std).powi(2);
                let root = square.sqrt();
                Place {
                    scale: 1.0 / root,
                    skip: -1.0 / square,
                    gain: alpha * std / (sigma * root),
                    keep: alpha * std * std / square,
                    out: sigma * std / root,
                    label,
                    ratio: sigma / alpha,
                }
            }
            Form::Velocity => {
                // The straight path's times are in units of the data's standard deviation.
                let (alpha, scale) = (alpha * std, 1.0 / (alpha * std + sigma));
                Place {
                    scale,
                    skip: -scale / sigma,
                    gain: -alpha * scale / sigma,
                    keep: std * scale,
                    out: -std * sigma * scale,
                    label,
                    ratio: sigma / alpha,
                }
            }
        }
    }
}

/// Angles per unit of the label, and of the inputs, of which the network sees sine and cosine.
const OF_LABEL: [f64; 6] = [0.25, 0.5, 1.0, 1.6, 2.4, 3.6];
const OF_PLACE: [f64; 3] = [1.5, 3.0, 6.0];
/// Numbers that the network sees of a point and its noise level.
pub(super) const FEATURES: usize = 2 + 4 * OF_PLACE.len() + 1 + 2 * OF_LABEL.len();

/// Appends what the network sees of a scaled point.
pub(super) fn features(point: [f64; 2], label: f64, all: &mut Vec<f32>) {
    all.extend(point.map(|x| x as f32));
    for x in point {
        for frequency in OF_PLACE {
            let (sin, cos) = ((frequency * x) as f32).sin_cos();
            all.extend([sin, cos]);
        }
    }
    all.push((0.25 * label) as f32);
    for frequency in OF_LABEL {
        let (sin, cos) = ((frequency * label) as f32).sin_cos();
        all.extend([sin, cos]);
    }
}

impl Learned {
    /// Number of weights.
    pub fn size(&self) -> usize {
        self.network.weights.len()
    }

    /// x less the mean, the place of its level, and the network's output there.
    fn outputs(&self, points: &[Point], at: &[Level]) -> Vec<([f64; 2], Place, [f64; 2])> {
        let chunks = points.par_chunks(CHUNK).enumerate();
        let answers = chunks.flat_map_iter(|(chunk, points)| {
            let mut seen = Vec::with_capacity(points.len() * FEATURES);
            let places: Vec<([f64; 2], Place)> = points
                .iter()
                .enumerate()
                .map(|(index, point)| {
                    let level = if at.len() == 1 { at.first() } else { at.get(chunk * CHUNK + index) };
                    let level = level.copied().unwrap_or(Level::CLEAN);
                    let place = self.form.place(&self.data, level);
                    let apart = [0, 1].map(|axis| f64::from(point[axis]) - level.alpha * self.data.mean[axis]);
                    features(apart.map(|x| x * place.scale), place.label, &mut seen);
                    (apart, place)
                })
                .collect();
            let pass = self.network.forward(seen, points.len());
            let outputs: Vec<[f64; 2]> =
                pass.output().chunks_exact(2).map(|pair| [pair[0], pair[1]].map(f64::from)).collect();
            places.into_iter().zip(outputs).map(|((apart, place), output)| (apart, place, output))
        });
        answers.collect()
    }

    /// The score at each point, noised to `at`: one level for all, or one for each.
    pub fn scores(&self, points: &[Point], at: &[Level]) -> Vec<Point> {
        let score = |(x, place, f): ([f64; 2], Place, [f64; 2])| {
            [0, 1].map(|axis| (place.skip * x[axis] + place.gain * f[axis]) as f32)
        };
        self.outputs(points, at).into_iter().map(score).collect()
    }

    /// The mean of x(0) given each point, noised to `at`.
    pub fn denoised_points(&self, points: &[Point], at: &[Level]) -> Vec<Point> {
        let mean = self.data.mean;
        let clean = |(x, place, f): ([f64; 2], Place, [f64; 2])| {
            [0, 1].map(|axis| (mean[axis] + place.keep * x[axis] + place.out * f[axis]) as f32)
        };
        self.outputs(points, at).into_iter().map(clean).collect()
    }

    /// The score and its Jacobian at each point, by central differences over a hundredth of the noised data's size.
    fn scores_and_jacobians(&self, points: &[Point], at: &[Level]) -> Vec<(Point, [f32; 3])> {
        let level = |index: usize| if at.len() == 1 { at[0] } else { at[index] };
        let step = |index: usize| (0.01 * level(index).marginal_std(self.data.std)) as f32;
        let moved = |dx: f32, dy: f32| {
            let move_one = |(index, [x, y]): (usize, &Point)| [x + dx * step(index), y + dy * step(index)];
            self.scores(&points.iter().enumerate().map(move_one).collect::<Vec<_>>(), at)
        };
        let (right, left, up, down) = (moved(1.0, 0.0), moved(-1.0, 0.0), moved(0.0, 1.0), moved(0.0, -1.0));
        let one = |(index, score): (usize, Point)| {
            let slope = |a: &[Point], b: &[Point], axis: usize| (a[index][axis] - b[index][axis]) / (2.0 * step(index));
            // A network's Jacobian need not be symmetric: the mean of both sides is taken.
            let cross = 0.5 * (slope(&right, &left, 1) + slope(&up, &down, 0));
            (score, [slope(&right, &left, 0), cross, slope(&up, &down, 1)])
        };
        self.scores(points, at).into_iter().enumerate().map(one).collect()
    }
}

impl ScoreModel for Learned {
    fn shape(&self) -> [usize; 3] {
        SHAPE
    }

    fn range(&self) -> Option<Range> {
        None
    }

    fn ratios(&self) -> Option<(f64, f64)> {
        let [least, most] = self.data.ratios();
        Some((least, most))
    }

    fn moments(&self) -> Option<Moments> {
        Some(self.data.moments)
    }

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let points = points_of(x)?;
        if x.is_tracked() {
            return Ok(linear_around(x, &self.scores_and_jacobians(&points, at)));
        }
        Ok(images_of(&self.scores(&points, at), x))
    }

    fn denoised(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        if x.is_tracked() {
            return Ok(crate::score::denoised(x, &self.score(x, at)?, at));
        }
        Ok(images_of(&self.denoised_points(&points_of(x)?, at), x))
    }
}
