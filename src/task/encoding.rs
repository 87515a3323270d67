//! Encoding and decoding by the probability-flow ODE (Song et al. 2021, eq. 13 and section 4.3).

use super::{Decoded, Encoded, Flow, Latents, Steps};
use crate::registry::Choice;
use crate::score::{ScoreError, ScoreModel};
use crate::sde::{Level, Range, Sde, Step};
use crate::solver::{Grid, Noise, OnProgress, Process};
use crate::{Image, Pixels};
use burn::tensor::{Device, TensorData};

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
                "The model covers σ/α up to {highest:.3}, so its latents are at t = {:.4}, not {}.",
                plan.until, flow.until
            ));
        }
        if sde.level(plan.end).ratio() < lowest * (1.0 - 1e-6) {
            plan.end = sde.time_of_ratio(lowest);
            plan.notices.push(format!(
                "The model covers σ/α down to {lowest:.2e}, so the data are at t = {:.2e}, not {:.2e}.",
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
/// If the shape is wrong, the score fails, or `progress` breaks off ([`ScoreError::Stopped`]).
pub fn encode(
    flow: &Flow,
    model: &dyn ScoreModel,
    images: &Pixels<f32>,
    device: &Device,
    progress: OnProgress<'_>,
) -> Result<Encoded, ScoreError> {
    let plan = FlowPlan::new(flow, model);
    let x = data(tensor(images, model, device)?, model.range());
    let (z, nfe) = travel(flow, model, x, plan.end, plan.until, progress)?;
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
    progress: OnProgress<'_>,
) -> Result<Decoded, ScoreError> {
    let plan = FlowPlan::new(flow, model);
    let (x, nfe) = travel(flow, model, tensor(latents, model, device)?, plan.until, plan.end, progress)?;
    Ok(Decoded { pictures: host(&unit(x, model.range()))?, nfe })
}

/// Solves the ODE between two times: the last states and the evaluations of each sample.
fn travel(
    flow: &Flow,
    model: &dyn ScoreModel,
    x: Image,
    from: f64,
    to: f64,
    progress: OnProgress<'_>,
) -> Result<(Image, Vec<usize>), ScoreError> {
    let (sde, [count, ..]) = (flow.family.sde(), x.dims());
    let steps = fixed(&flow.solver.entry().grid(), sde, flow.steps.map_or(1, Steps::get), from, to);
    // Nothing that follows the ODE asks for noise.
    let noise = Noise { seed: 0, first: 0, count, shape: model.shape(), device: x.device() };
    let process = Process::free(model, sde, &steps, false, &noise);
    let (x, evaluations) = flow.solver.entry().integrate(flow.solver.settings(), &process, x, progress)?;
    Ok((finite(x, sde.level(to))?, evaluations))
}

/// `count` steps of a grid between two times, in either direction.
fn fixed(grid: &Choice<dyn Grid>, sde: &dyn Sde, count: usize, from: f64, to: f64) -> Vec<Step> {
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
