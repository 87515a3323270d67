//! Clouds of particles: led from noise to data by a solver, or from data to noise by the SDE.

use super::exact::points_of;
use super::field::on_host;
use super::posterior::Known;
use super::{Guide, HalfPlane, Pane, Plane, Point};
use crate::Image;
use crate::score::{
    Condition, Contrast, Given, Guided, Measurement, ScoreAndTrace, ScoreError, ScoreModel, Strength,
    described_by_its_model,
};
use crate::sde::{Family, Level, Sde, Transition};
use crate::solver::{Noise, NoiseSource, Observer, Purpose, StepState};
use crate::task::{prior, restore, sample};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Where particles start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Start {
    /// At the prior.
    #[default]
    Prior,
    /// Where the forward SDE led the data: the reverse is then a bridge back.
    Forward,
    /// At these points, in units of the prior's standard deviation.
    Points(Vec<[f64; 2]>),
}

/// The particles after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Steps done.
    pub step: usize,
    pub t: f64,
    pub points: Vec<Point>,
}

/// A cloud on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Cloud {
    /// In the order of the steps, the start first and the end last; of very many steps, some.
    pub frames: Vec<Arc<Frame>>,
    /// Score evaluations of each particle.
    pub nfe: f64,
}

/// What moves a cloud.
#[derive(Clone, Copy)]
pub struct Drive<'a> {
    pub pane: &'a Pane,
    pub family: &'a Family,
    /// The data, of which what is known is known.
    pub plane: &'a Plane,
    /// The score that is followed: `plane`, something around it, or a network.
    pub model: &'a dyn ScoreModel,
    pub known: Option<&'a Known>,
    pub seed: u64,
    /// Asked before every evaluation: whether to go on.
    pub gate: &'a dyn Fn() -> Result<(), ScoreError>,
}

impl Cloud {
    /// Frames that are kept at most.
    pub const MOST_FRAMES: usize = 240;

    /// The last particles.
    pub fn last(&self) -> &[Point] {
        self.frames.last().map_or(&[], |frame| &frame.points)
    }

    /// The frame nearest to a time.
    pub fn at(&self, t: f64) -> Option<&Arc<Frame>> {
        let apart = |frame: &&Arc<Frame>| (frame.t - t).abs();
        self.frames.iter().min_by(|a, b| apart(a).total_cmp(&apart(b)))
    }
}

/// The noise of so many particles.
pub fn noise(seed: u64, count: usize) -> Noise {
    Noise { seed, first: 0, count, shape: super::SHAPE, device: Device::flex() }
}

/// Points of the data under noise of the time `t`, each with the same noise at every time: α·x(0) + σ·z.
pub fn noised(plane: &Plane, sde: &dyn Sde, t: f64, seed: u64, count: usize) -> Vec<Point> {
    let noise = noise(seed, count);
    let (clean, level) = (plane.sample(&noise), sde.level(t));
    let z = points_of(&noise.normal(0, Purpose::Training)).unwrap_or_default();
    let mixed = |x: f32, z: f32| (level.alpha * f64::from(x) + level.sigma * f64::from(z)) as f32;
    clean.iter().zip(&z).map(|(x, z)| [mixed(x[0], z[0]), mixed(x[1], z[1])]).collect()
}

/// Paths of the forward SDE from points of the data to the time `to`, in so many steps of equal time, each an exact
/// transition: at every frame the points are a sample of p_t.
pub fn forward(plane: &Plane, sde: &dyn Sde, to: f64, steps: usize, seed: u64, count: usize) -> Cloud {
    let noise = noise(seed, count);
    let time = |step: usize| to * step as f64 / steps.max(1) as f64;
    let mut x = on_host(&plane.sample(&noise));
    let mut level = Level::CLEAN;
    // Where σ(0) is not 0 the path begins with that noise.
    let mut frames = Vec::new();
    for step in 0..=steps {
        let next = sde.level(time(step));
        let Transition { scale, std, .. } = match next.sigma > 0.0 {
            true => Transition::exact(level, next),
            false => Transition { scale: next.alpha / level.alpha, std: 0.0, posterior_std: 0.0 },
        };
        x = x * scale + noise.normal(step, Purpose::Ascent) * std;
        level = next;
        frames.push(Arc::new(Frame { step, t: time(step), points: points_of(&x).unwrap_or_default() }));
    }
    Cloud { frames, nfe: 0.0 }
}

/// Leads particles from `start`, or else from the prior, to the data, and shows `see` every frame that is kept; it may
/// break off. A start has as many particles as it has points.
///
/// # Errors
/// Whatever the score model answers.
pub fn integrate(
    drive: &Drive<'_>,
    count: usize,
    start: Option<&[Point]>,
    see: &mut dyn FnMut(&Arc<Frame>) -> ControlFlow<()>,
) -> Result<Cloud, ScoreError> {
    let Drive { pane, family, .. } = *drive;
    let count = start.map_or(count, <[Point]>::len);
    let (noise, evaluations) = (noise(drive.seed, count), Cell::new(0));
    let model = &*drive.followed(&evaluations);
    let plan = pane.plan(family, model);
    let x = start.map_or_else(|| prior(family.sde(), &plan, &noise), on_host);
    let steps = plan.steps.len();
    let every = steps.div_ceil(Cloud::MOST_FRAMES).max(1);
    let mut seen = Seen { frames: Vec::new(), every, steps, done: 0, see, failed: None };
    // Nobody breaks off before the first step.
    let _ = seen.keep(plan.time_after(0), &x);
    let measurement = drive.known.and_then(|known| known.measurement(drive.plane, &noise.device)).transpose()?;
    match (&pane.method, measurement) {
        (Some(method), Some(measurement)) => {
            let restoration = pane.restoration(family, method.clone());
            let condition = Condition::new(measurement);
            restore(&restoration, &plan, model, &condition, x, &noise, &mut seen)?
        }
        _ => sample(&pane.run(family), &plan, model, Some(x), &noise, &mut seen)?,
    };
    match seen.failed {
        Some(error) => Err(error),
        None => Ok(Cloud { frames: seen.frames, nfe: evaluations.get() as f64 / count.max(1) as f64 }),
    }
}

impl<'a> Drive<'a> {
    /// The score that the pane's solver follows.
    fn followed<'b>(&'b self, evaluations: &'b Cell<usize>) -> Box<dyn ScoreModel + 'b> {
        let gated = |model: Box<dyn ScoreModel + 'b>| Gated { model, gate: self.gate, evaluations };
        let guided = self.pane.guidance.and_then(|Guide { class, weight }| Some((self.aim(class)?, weight)));
        let half = self.pane.method.as_ref().and_then(|_| HalfPlane::of(self.known, self.plane));
        match (guided, half) {
            (Some((to, weight)), _) => {
                let contrast = Contrast::new(gated(Box::new(self.plane)), gated(to));
                Box::new(Guided::new(contrast, Strength::constant(weight)))
            }
            (None, Some(half)) => Box::new(gated(Box::new(half))),
            (None, None) => Box::new(gated(Box::new(self.model))),
        }
    }

    /// What guidance leads to: a class, or the data given what is known.
    fn aim(&self, class: Option<usize>) -> Option<Box<dyn ScoreModel + 'a>> {
        match (class, HalfPlane::of(self.known, self.plane)) {
            (Some(class), _) => Some(Box::new(self.plane.class(class)?)),
            (None, Some(half)) => Some(Box::new(half)),
            (None, None) => Some(Box::new(self.known?.given(self.plane)?)),
        }
    }
}

/// A score model that asks before every evaluation, and counts them.
struct Gated<'a> {
    model: Box<dyn ScoreModel + 'a>,
    gate: &'a dyn Fn() -> Result<(), ScoreError>,
    evaluations: &'a Cell<usize>,
}

impl Gated<'_> {
    fn ask(&self, x: &Image) -> Result<(), ScoreError> {
        (self.gate)()?;
        self.evaluations.set(self.evaluations.get() + x.dims()[0]);
        Ok(())
    }
}

impl ScoreModel for Gated<'_> {
    described_by_its_model!();

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.ask(x)?;
        self.model.score(x, at)
    }

    fn denoised(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.ask(x)?;
        self.model.denoised(x, at)
    }

    fn score_and_trace(&self, x: &Image, at: &[Level]) -> Option<ScoreAndTrace> {
        match self.ask(x) {
            Ok(()) => self.model.score_and_trace(x, at),
            Err(error) => Some(Err(error)),
        }
    }

    fn given(&self, measurement: &Measurement) -> Option<Given<'_>> {
        let Gated { gate, evaluations, .. } = *self;
        Some(
            self.model
                .given(measurement)?
                .map(|model| -> Box<dyn ScoreModel + '_> { Box::new(Gated { model, gate, evaluations }) }),
        )
    }
}

/// Keeps frames, at most so many, and shows them.
struct Seen<'a> {
    frames: Vec<Arc<Frame>>,
    every: usize,
    steps: usize,
    done: usize,
    see: &'a mut dyn FnMut(&Arc<Frame>) -> ControlFlow<()>,
    failed: Option<ScoreError>,
}

impl Seen<'_> {
    fn keep(&mut self, t: f64, x: &Image) -> ControlFlow<()> {
        match points_of(x) {
            Ok(points) => {
                let frame = Arc::new(Frame { step: self.done, t, points });
                self.frames.push(frame.clone());
                (self.see)(&frame)
            }
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

impl Observer for Seen<'_> {
    fn observe(&mut self, state: &StepState<'_>) -> ControlFlow<()> {
        self.done += 1;
        if self.done.is_multiple_of(self.every) || self.done >= self.steps {
            return self.keep(state.step.next, state.x);
        }
        ControlFlow::Continue(())
    }
}
