//! What of a scene is computed to be looked at: at its time, and over the whole of time.

use super::exact::points_of;
use super::field::on_host;
use super::{
    Arrows, Cloud, Drive, Field, HalfPlane, Lines, Pane, Plane, Point, Scene, View, density, integrate, marginals,
    noise, noised, scores,
};
use crate::registry::Choice;
use crate::score::{ScoreError, ScoreModel};
use crate::solver::{Heun, LogSnr, Noise, NoiseSource, Purpose};
use crate::task::Steps;
use std::ops::ControlFlow;

/// How finely things are computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detail {
    /// Cells of the density's side.
    pub density: usize,
    /// Arrows of a side.
    pub arrows: usize,
    /// Streamlines of a side, about.
    pub lines: usize,
}

impl Detail {
    /// For a picture whose panels have so many pixels a side.
    pub fn of_picture(side: u32) -> Self {
        Detail { density: (side as usize / 2).clamp(64, 320), ..Detail::default() }
    }

    /// For a vector graphic, where each cell is a rectangle of its own.
    pub fn of_vectors() -> Self {
        Detail { density: 96, ..Detail::default() }
    }

    /// For a frame of an animation.
    pub fn of_frame() -> Self {
        Detail { density: 128, ..Detail::default() }
    }
}

impl Default for Detail {
    fn default() -> Self {
        Detail { density: 160, arrows: 24, lines: 28 }
    }
}

/// What the layers of a scene need at its time. What is not wanted is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    pub time: f64,
    /// p_t, or up to a factor that of the data given what is known.
    pub density: Option<Field<f32>>,
    /// ∇ log p_t, of a network where one is given.
    pub score: Option<Arrows>,
    /// The network's score less the exact one.
    pub difference: Option<Arrows>,
    pub streamlines: Lines,
    pub flow: Lines,
    /// The data under the noise of this time.
    pub data: Vec<Point>,
}

/// What the layers of a scene need that is not of one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// Solutions of the probability-flow ODE: a cloud whose particles are followed from noise to data.
    pub solutions: Option<Cloud>,
    /// The density of the first coordinate.
    pub marginals: Option<Marginals>,
}

/// The density of the first coordinate over all times.
#[derive(Clone, Debug, PartialEq)]
pub struct Marginals {
    pub times: Vec<f64>,
    pub places: Vec<f64>,
    /// One row a time.
    pub values: Vec<Vec<f64>>,
}

/// Cells of a side of the vectors that streamlines follow.
const FINE: usize = 96;
/// Solutions of a side, and their steps.
const SOLUTIONS: usize = 9;
const SOLUTION_STEPS: usize = 60;
/// Times and places of marginals.
const MARGINALS: [usize; 2] = [160, 240];

impl Fields {
    /// Computes them. `network` takes the place of the exact score where it is given; `gate` is asked on the way whether
    /// to go on.
    ///
    /// # Errors
    /// Whatever the network or the gate answers.
    pub fn of(
        scene: &Scene,
        plane: &Plane,
        network: Option<&dyn ScoreModel>,
        detail: Detail,
        gate: &dyn Fn() -> Result<(), ScoreError>,
    ) -> Result<Fields, ScoreError> {
        let (layers, view, sde) = (scene.layers, scene.view, scene.family.sde());
        let level = sde.level(scene.time);
        let given = scene.posterior(plane);
        let exact = given.as_ref().unwrap_or(plane);
        let half = HalfPlane::of(scene.known.as_ref(), plane);
        let model = drawn(network, half.as_ref(), exact);
        let mut fields = Fields { time: scene.time, ..Fields::default() };
        if layers.density {
            gate()?;
            fields.density = Some(match &half {
                None => density(exact, level, view, detail.density),
                Some(half) => {
                    let logs = half.log_density(&view.cells(detail.density), &[level]);
                    let values = logs.into_iter().map(|log| log.exp() as f32).collect();
                    Field { view, side: detail.density, values }
                }
            });
        }
        if layers.score {
            gate()?;
            let vectors = scores(model, level, view, detail.arrows)?;
            if network.is_some() {
                fields.difference = Some(vectors.less(&scores(exact, level, view, detail.arrows)?));
            }
            fields.score = Some(vectors);
        }
        if layers.streamlines || layers.flow {
            gate()?;
            let (fine, apart) = (scores(model, level, view, FINE)?, 2.0 * view.half / detail.lines.max(1) as f64);
            if layers.streamlines {
                fields.streamlines = fine.streamlines(apart);
            }
            if layers.flow {
                fields.flow = fine.velocities(sde, scene.time).streamlines(apart);
            }
        }
        if layers.data {
            gate()?;
            fields.data = noised(exact, sde, scene.time, scene.seed, scene.count);
        }
        Ok(fields)
    }
}

impl Course {
    /// Computes it, as [`Fields::of`].
    ///
    /// # Errors
    /// Whatever the network or the gate answers.
    pub fn of(
        scene: &Scene,
        plane: &Plane,
        network: Option<&dyn ScoreModel>,
        gate: &dyn Fn() -> Result<(), ScoreError>,
    ) -> Result<Course, ScoreError> {
        let (sde, given) = (scene.family.sde(), scene.posterior(plane));
        let exact = given.as_ref().unwrap_or(plane);
        let mut course = Course::default();
        if scene.layers.solutions {
            // Evenly over where nearly all of the prior is.
            let reach = 2.0 * sde.prior_std() as f32;
            let cells = View { centre: [0.0; 2], half: 1.0 }.cells(SOLUTIONS);
            let starts: Vec<Point> = cells.iter().map(|[x, y]| [reach * x, reach * y]).collect();
            course.solutions = Some(solutions(scene, exact, network.unwrap_or(exact), (1.0, &starts), gate)?);
        }
        if scene.layers.marginals {
            gate()?;
            let [columns, rows] = MARGINALS;
            let times: Vec<f64> = (0..columns).map(|k| k as f64 / (columns - 1) as f64).collect();
            let View { centre, half } = scene.view;
            let place = |k: usize| centre[0] + half * ((k as f64 + 0.5) / rows as f64 * 2.0 - 1.0);
            let places: Vec<f64> = (0..rows).map(place).collect();
            let values = marginals(exact, sde, 0, &times, &places);
            course.marginals = Some(Marginals { times, places, values });
        }
        Ok(course)
    }
}

/// The score that is drawn: a network's where one is given, else that of the data given what is known.
fn drawn<'a>(
    network: Option<&'a dyn ScoreModel>,
    half: Option<&'a HalfPlane<'_>>,
    exact: &'a Plane,
) -> &'a dyn ScoreModel {
    match (network, half) {
        (Some(network), _) => network,
        (None, Some(half)) => half,
        (None, None) => exact,
    }
}

/// What there is to say of a point at a scene's time.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    pub point: Point,
    pub score: Point,
    /// The mean of x(0) given the point.
    pub denoised: Point,
    /// Where the probability-flow ODE leads it, from here to the data.
    pub way: Vec<Point>,
}

impl Probe {
    /// Computes it, of the score that [`Fields::of`] draws.
    ///
    /// # Errors
    /// Whatever the network or the gate answers.
    pub fn of(
        scene: &Scene,
        plane: &Plane,
        network: Option<&dyn ScoreModel>,
        point: Point,
        gate: &dyn Fn() -> Result<(), ScoreError>,
    ) -> Result<Probe, ScoreError> {
        let (sde, given) = (scene.family.sde(), scene.posterior(plane));
        let exact = given.as_ref().unwrap_or(plane);
        let half = HalfPlane::of(scene.known.as_ref(), plane);
        let model = drawn(network, half.as_ref(), exact);
        let time = scene.time.max(sde.epsilon());
        let (x, level) = (on_host(&[point]), sde.level(time));
        let only = |image| Ok::<_, ScoreError>(points_of(&image)?.first().copied().unwrap_or(point));
        gate()?;
        let (score, denoised) = (only(model.score(&x, &[level])?)?, only(model.denoised(&x, &[level])?)?);
        let way = if scene.time > sde.epsilon() {
            let cloud = solutions(scene, exact, model, (time, &[point]), gate)?;
            cloud.frames.iter().filter_map(|frame| frame.points.first().copied()).collect()
        } else {
            vec![point]
        };
        Ok(Probe { point, score, denoised, way })
    }
}

/// Solutions of the probability-flow ODE from these points at the time `from`, above 0, from noise to data.
///
/// # Errors
/// Whatever the model or the gate answers.
pub fn solutions(
    scene: &Scene,
    plane: &Plane,
    model: &dyn ScoreModel,
    (from, starts): (f64, &[Point]),
    gate: &dyn Fn() -> Result<(), ScoreError>,
) -> Result<Cloud, ScoreError> {
    let steps = Steps::new(SOLUTION_STEPS).unwrap_or(Pane::default().steps);
    let pane = Pane { grid: Choice::new(&LogSnr), from, ..Pane::new(Choice::new(&Heun), steps) };
    let drive = Drive { pane: &pane, family: &scene.family, plane, model, known: None, seed: scene.seed, gate };
    integrate(&drive, starts.len(), Some(starts), &mut |_| ControlFlow::Continue(()))
}

/// Points of a sample that stands for the data where distances are measured.
const REFERENCE: usize = 20_000;

/// An exact sample of what a pane is after, that no cloud shares noise with: the data, those of a class, or those given
/// what is known; of guidance with another weight w than 1 the density that it is said to lead to, p(x)·p(c | x)ʷ.
pub fn reference(scene: &Scene, plane: &Plane, pane: &Pane) -> Vec<Point> {
    aimed(scene, plane, pane, scene.seed ^ 0x5eed_0001, REFERENCE)
}

/// Another exact sample, of as many points as the scene has particles.
pub fn fresh(scene: &Scene, plane: &Plane, pane: &Pane) -> Vec<Point> {
    aimed(scene, plane, pane, scene.seed ^ 0x5eed_0002, scene.count)
}

fn aimed(scene: &Scene, plane: &Plane, pane: &Pane, seed: u64, count: usize) -> Vec<Point> {
    let Some(guide) = pane.guidance.filter(|guide| guide.weight != 1.0) else {
        return given(scene, plane, pane, seed, count);
    };
    // Tilted by a power of what guidance follows: p(x)·p(c | x)ʷ, of data that are likely by themselves or, where these
    // can be drawn, given c.
    let draws = guide.class.is_some() || scene.posterior(plane).is_some();
    let (proposals, power) = match guide.weight {
        weight if weight > 1.0 && draws => (given(scene, plane, pane, seed, CHOICE * count), weight - 1.0),
        weight => (plane.sample(&noise(seed, CHOICE * count)), weight),
    };
    let chances = match (guide.class, scene.known) {
        (Some(class), _) => plane.chances(class, &proposals),
        (None, Some(known)) => known.likelihood(&proposals, plane.std()),
        (None, None) => vec![1.0; proposals.len()],
    };
    let weights: Vec<f64> = chances.into_iter().map(|chance| chance.powf(power)).collect();
    chosen(&proposals, &weights, count)
}

/// So many of the points, as often as their weights say, at even steps of the weights' sum.
fn chosen(points: &[Point], weights: &[f64], count: usize) -> Vec<Point> {
    let step = weights.iter().sum::<f64>() / count as f64;
    let (mut all, mut below) = (Vec::with_capacity(count), 0.0);
    for (point, weight) in points.iter().zip(weights) {
        below += weight;
        while all.len() < count && (all.len() as f64 + 0.5) * step < below {
            all.push(*point);
        }
    }
    all
}

/// A sample of the data, of those of a class, or of those given what is known, as far as the pane wants them.
fn given(scene: &Scene, plane: &Plane, pane: &Pane, seed: u64, count: usize) -> Vec<Point> {
    let noise = noise(seed, count);
    let class = pane.guidance.and_then(|guide| guide.class);
    if let Some(class) = class.and_then(|class| plane.class(class)) {
        return class.sample(&noise);
    }
    match (scene.posterior(plane), scene.known) {
        _ if pane.method.is_none() && pane.guidance.is_none() => plane.sample(&noise),
        (Some(posterior), _) => posterior.sample(&noise),
        // Of a half plane: those of a larger sample that it says yes to, by chance.
        (None, Some(known)) => {
            let noise = Noise { count: ACCEPTANCE * count, ..noise };
            let all = plane.sample(&noise);
            let chances = known.likelihood(&all, plane.std());
            let draws = noise.uniform(0, Purpose::Acceptance(0)).try_into_vec_as::<f32>().unwrap_or_default();
            let says_yes = |(chance, draw): (&f64, &f32)| f64::from(*draw) < *chance;
            let accepted = all.iter().zip(chances.iter().zip(&draws)).filter(|(_, pair)| says_yes(*pair));
            accepted.map(|(point, _)| *point).take(count).collect()
        }
        (None, None) => plane.sample(&noise),
    }
}

/// So many times as many points are drawn as are wanted of a half plane.
const ACCEPTANCE: usize = 20;
/// And as are wanted of a tilted density.
const CHOICE: usize = 20;
