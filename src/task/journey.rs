//! Encoding and decoding by the probability-flow ODE (Song et al. 2021, eq. 13 and section 4.3).

use super::{Decoded, Encoded, Flow, FlowSolver, Latents};
use crate::score::{ScoreError, ScoreModel};
use crate::sde::{Level, Range, Sde, Step};
use crate::solver::{Derivative, Free, Grid, Moment, Observer, Rho, State, dpm_solver_plus_plus, heun, runge_kutta_45};
use crate::{Image, Pixels};
use burn::tensor::{Device, TensorData};
use std::ops::ControlFlow;

/// How far a journey has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Share of time covered by the slowest sample, 0 to 1.
    pub share: f64,
    /// All states, N×C×H×W.
    pub x: &'a Image,
}

/// Is told the progress, and says whether to go on.
pub type Watch<'a> = &'a mut dyn FnMut(Progress<'_>) -> ControlFlow<()>;

/// The part of a flow's time at which a model is valid.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowPlan {
    /// Time of the data.
    pub end: f64,
    /// Time of the latents.
    pub until: f64,
    /// One sentence for each thing that differs from what was asked.
    pub notices: Vec<String>,
}

impl FlowPlan {
    /// Fits a flow to the σ/α that `model` (already in the run's range) knows.
    pub fn new(flow: &Flow, model: &dyn ScoreModel) -> FlowPlan {
        let sde = flow.family.sde();
        let mut plan = FlowPlan { end: flow.end, until: flow.until, notices: Vec::new() };
        let Some((lowest, highest)) = model.ratios() else { return plan };
        // A part in a million is rounding, not a different range.
        if sde.level(plan.until).ratio() > highest * (1.0 + 1e-6) {
            plan.until = sde.time_of_ratio(highest);
            plan.notices.push(format!(
                "The model knows σ/α up to {highest:.3}, so its latents lie at t = {:.4}, not {}.",
                plan.until, flow.until
            ));
        }
        if sde.level(plan.end).ratio() < lowest * (1.0 - 1e-6) {
            plan.end = sde.time_of_ratio(lowest);
            plan.notices.push(format!(
                "The model knows σ/α down to {lowest:.2e}, so the data lie at t = {:.2e}, not {:.2e}.",
                plan.end, flow.end
            ));
        }
        plan.end = plan.end.min(plan.until);
        plan
    }

    /// Standard deviation of the distribution that latents are compared with: the prior's, or where the
    /// model's range ends before it, the noise's there.
    pub fn latent_std(&self, sde: &dyn Sde) -> f64 {
        if self.until >= 1.0 { sde.prior_std() } else { sde.sigma(self.until) }
    }
}

/// Pictures (see [`Decoded::pictures`]) to latents.
///
/// # Errors
/// If the shape is wrong, the score fails, or `watch` breaks off ([`ScoreError::Stopped`]).
pub fn encode(
    flow: &Flow,
    model: &dyn ScoreModel,
    images: &Pixels<f32>,
    device: &Device,
    watch: Watch<'_>,
) -> Result<Encoded, ScoreError> {
    let plan = FlowPlan::new(flow, model);
    let x = data(tensor(images, model, device)?, model.range());
    let (z, nfe) = travel(flow, model, x, plan.end, plan.until, watch)?;
    Ok(Encoded { latents: Latents { pixels: host(&z)?, flow: flow.clone() }, nfe })
}

/// Latents to pictures.
///
/// # Errors
/// As for [`encode`].
pub fn decode(
    flow: &Flow,
    model: &dyn ScoreModel,
    latents: &Pixels<f32>,
    device: &Device,
    watch: Watch<'_>,
) -> Result<Decoded, ScoreError> {
    let plan = FlowPlan::new(flow, model);
    let (x, nfe) = travel(flow, model, tensor(latents, model, device)?, plan.until, plan.end, watch)?;
    Ok(Decoded { pictures: host(&unit(x, model.range()))?, nfe })
}

/// Solves the ODE between two times: the last states and the evaluations of each sample.
fn travel(
    flow: &Flow,
    model: &dyn ScoreModel,
    x: Image,
    from: f64,
    to: f64,
    watch: Watch<'_>,
) -> Result<(Image, Vec<usize>), ScoreError> {
    let (sde, [n, c, h, w]) = (flow.family.sde(), x.dims());
    let (edm, log_snr) = (Grid::Edm { rho: Rho::default() }, Grid::LogSnr);
    let mut observer = Shares { from, to, watch, stopped: false };
    let (x, evaluations) = match flow.solver {
        FlowSolver::Adaptive { tolerance, stepping } => {
            let mut ode = ProbabilityFlow { model, sde, watch: observer.watch };
            let y = x.reshape([n, c * h * w]);
            let solution = runge_kutta_45(&mut ode, y, from, to, tolerance, stepping)?;
            return Ok((finite(solution.y.reshape([n, c, h, w]), sde.level(to))?, solution.evaluations));
        }
        FlowSolver::Heun { steps } => {
            let steps = fixed(edm, sde, steps.get(), from, to);
            (heun(model, sde, &steps, x, &Free, &mut observer)?, 2 * steps.len())
        }
        FlowSolver::DpmPlusPlus { steps } => {
            let steps = fixed(log_snr, sde, steps.get(), from, to);
            (dpm_solver_plus_plus(model, sde, &steps, x, &Free, &mut observer)?, steps.len())
        }
    };
    if observer.stopped {
        return Err(ScoreError::Stopped);
    }
    Ok((finite(x, sde.level(to))?, vec![evaluations; n]))
}

/// `count` steps of a grid between two times, in either direction.
fn fixed(grid: Grid, sde: &dyn Sde, count: usize, from: f64, to: f64) -> Vec<Step> {
    if from == to {
        return Vec::new();
    }
    let mut times: Vec<f64> =
        grid.steps(sde, count + 1, from.max(to), from.min(to)).iter().map(|step| step.t).collect();
    if from < to {
        times.reverse();
    }
    let pairs = times.windows(2).enumerate();
    pairs.map(|(index, pair)| Step { index, t: pair[0], next: pair[1], table: None }).collect()
}

/// dx/dt = f(t)·x − ½g(t)²·∇ log p_t(x) of rows of a batch, each at its own time.
struct ProbabilityFlow<'a, 'b> {
    model: &'a dyn ScoreModel,
    sde: &'a dyn Sde,
    watch: Watch<'b>,
}

impl Derivative for ProbabilityFlow<'_, '_> {
    fn derivative(&mut self, y: &State, times: &[f64], _samples: &[usize]) -> Result<State, ScoreError> {
        let x = images(y, self.model.shape());
        let score = self.model.score(&x, &levels(self.sde, times))?;
        Ok(drift(self.sde, &x, &score, times).reshape(y.dims()))
    }

    fn progress(&mut self, share: f64, y: &State) -> ControlFlow<()> {
        (self.watch)(Progress { share, x: &images(y, self.model.shape()) })
    }
}

/// The right-hand side, given the score.
pub(super) fn drift(sde: &dyn Sde, x: &Image, score: &Image, times: &[f64]) -> Image {
    let device = x.device();
    x.clone() * at_times(times, &device, |t| sde.drift(t))
        - score.clone() * at_times(times, &device, |t| 0.5 * sde.diffusion(t).powi(2))
}

/// A coefficient of each row's time, N×1×1×1.
pub(super) fn at_times(times: &[f64], device: &Device, coefficient: impl Fn(f64) -> f64) -> Image {
    let values: Vec<f32> = times.iter().map(|&t| coefficient(t) as f32).collect();
    Image::from_data(TensorData::new(values, [times.len(), 1, 1, 1]), device)
}

/// The level of each row, or the one of all.
pub(super) fn levels(sde: &dyn Sde, times: &[f64]) -> Vec<Level> {
    let all_at_once = times.windows(2).all(|pair| pair[0] == pair[1]);
    let distinct = if all_at_once { &times[..times.len().min(1)] } else { times };
    distinct.iter().map(|&t| sde.level(t)).collect()
}

pub(super) fn images(y: &State, [c, h, w]: [usize; 3]) -> Image {
    y.clone().reshape([y.dims()[0], c, h, w])
}

/// Tells how far a solver on a fixed grid is.
struct Shares<'a> {
    from: f64,
    to: f64,
    watch: Watch<'a>,
    stopped: bool,
}

impl Observer for Shares<'_> {
    fn observe(&mut self, moment: &Moment<'_>) -> ControlFlow<()> {
        let share = (moment.step.next - self.from) / (self.to - self.from);
        let answer = (self.watch)(Progress { share, x: moment.x });
        self.stopped |= answer.is_break();
        answer
    }
}

/// Pixels of the model's shape on the device.
///
/// # Errors
/// If they have another shape, or are not finite.
pub(super) fn tensor(pixels: &Pixels<f32>, model: &dyn ScoreModel, device: &Device) -> Result<Image, ScoreError> {
    let ([n, c, h, w], expected) = (pixels.shape, model.shape());
    let size = [n, c, h, w].into_iter().try_fold(1usize, usize::checked_mul);
    if [c, h, w] != expected || size != Some(pixels.values.len()) {
        return Err(ScoreError::Shape { expected, found: [c, h, w] });
    }
    if !pixels.values.iter().all(|value| value.is_finite()) {
        return Err(ScoreError::Input);
    }
    Ok(Image::from_data(TensorData::new(pixels.values.to_vec(), pixels.shape), device))
}

/// Clean data in `range` from pictures in [0, 1].
pub(super) fn data(pictures: Image, range: Option<Range>) -> Image {
    let Some((low, high)) = range.map(Range::bounds) else { return pictures };
    pictures * (high - low) + low
}

/// Pictures in [0, 1] from data in `range`.
pub fn unit(x: Image, range: Option<Range>) -> Image {
    let Some((low, high)) = range.map(Range::bounds) else { return x };
    (x - low) * (1.0 / (high - low))
}

/// Reads states back.
///
/// # Errors
/// If the device fails.
pub fn host(x: &Image) -> Result<Pixels<f32>, ScoreError> {
    let values = x.clone().try_into_vec_as::<f32>().map_err(|error| ScoreError::Device(error.to_string()))?;
    Ok(Pixels { shape: x.dims(), values: values.into() })
}

/// The states, if every number is one.
fn finite(x: Image, level: Level) -> Result<Image, ScoreError> {
    let sum = x.clone().abs().mean().try_into_vec_as::<f32>().map_err(|error| ScoreError::Device(error.to_string()))?;
    if sum.iter().all(|sum| sum.is_finite()) { Ok(x) } else { Err(ScoreError::NotFinite { ratio: level.ratio() }) }
}
