//! Likelihoods by the instantaneous change of variables (Song et al. 2021, eq. 39; Chen et al. 2018).

use super::encoding::{self, FlowPlan};
use super::{Estimate, Flow, FlowError, Likelihood};
use crate::score::{ScoreError, ScoreModel, parts, vector_jacobian};
use crate::sde::{Level, Range, Sde};
use crate::solver::{
    Adaptive, Derivative, Noise, NoiseSource, OnProgress, Purpose, State, at_times, covered, drift, images, levels,
    runge_kutta_45, stepping, tolerance,
};
use crate::{Image, Pixels};
use burn::tensor::{Device, Tensor, TensorData};
use std::f64::consts::LN_2;
use std::ops::ControlFlow;

/// Of data with at most so many dimensions the divergence is summed over all of them.
const FEW: usize = 32;

impl Estimate {
    /// Whether it can be made of this flow.
    ///
    /// # Errors
    /// If the flow stops before the prior or has fixed steps, or there are no probes, or too many.
    pub fn check(&self, flow: &Flow) -> Result<(), FlowError> {
        if !flow.solver.is(&Adaptive) {
            return Err(FlowError::FixedSteps(flow.solver.about().slug));
        }
        if flow.until < 1.0 {
            return Err(FlowError::Truncated(flow.until));
        }
        if (1..=Self::MAX_PROBES).contains(&self.probes) { Ok(()) } else { Err(FlowError::Probes(self.probes)) }
    }
}

/// log p of each picture (see [`super::Decoded::pictures`]): the prior's log-density of its latent, and the
/// divergence gathered on the way, d log p/dt = −div. The state of the ODE is N×(D+1), as published.
/// Where the score's divergence has no closed form, `model` must be differentiable (its parameters on an
/// autodiff device). The flow's solver must be the adaptive one ([`Estimate::check`]).
///
/// # Errors
/// As for [`super::encode`].
pub fn likelihood(
    flow: &Flow,
    model: &dyn ScoreModel,
    pictures: &Pixels<f32>,
    estimate: &Estimate,
    device: &Device,
    progress: OnProgress<'_>,
) -> Result<Vec<Likelihood>, ScoreError> {
    let plan = FlowPlan::new(flow, model);
    let (sde, shape) = (flow.family.sde(), model.shape());
    let mut x = encoding::tensor(pictures, model, device)?;
    let count = pictures.shape[0];
    let noise = Noise { seed: estimate.seed, first: estimate.first, count, shape, device: device.clone() };
    if estimate.dequantise && model.range().is_some() {
        x = (x * 255.0 + noise.uniforms(0, Purpose::Dequantise)) * (1.0 / 256.0);
    }
    let x = encoding::data(x, model.range());
    let size = shape.iter().product::<usize>();
    let trace = match estimate.exact {
        true if has_closed_form(model, &x, sde.level(plan.until))? => Trace::Closed,
        true if size <= FEW => Trace::Basis,
        _ => Trace::Probes(Box::new(all_probes(estimate, &noise))),
    };
    measure(flow, model, x, trace, progress)
}

/// [`likelihood`] with given probes, one for each picture.
///
/// # Errors
/// As for [`super::encode`].
pub fn likelihood_along(
    flow: &Flow,
    model: &dyn ScoreModel,
    pictures: &Pixels<f32>,
    probes: &Pixels<f32>,
    device: &Device,
    progress: OnProgress<'_>,
) -> Result<Vec<Likelihood>, ScoreError> {
    let probes = encoding::tensor(probes, model, device)?.flatten(1, 3);
    let x = encoding::tensor(pictures, model, device)?;
    if probes.dims()[0] != x.dims()[0] {
        return Err(ScoreError::Input);
    }
    measure(flow, model, encoding::data(x, model.range()), Trace::Probes(Box::new(probes)), progress)
}

/// Solves the ODE of data `x` (N×C×H×W) and their log p, once for each probe.
fn measure(
    flow: &Flow,
    model: &dyn ScoreModel,
    x: Image,
    trace: Trace,
    progress: OnProgress<'_>,
) -> Result<Vec<Likelihood>, ScoreError> {
    let (plan, sde, [count, c, h, w], device) = (FlowPlan::new(flow, model), flow.family.sde(), x.dims(), x.device());
    let size = c * h * w;
    let (exact, probes) = match &trace {
        Trace::Closed | Trace::Basis => (true, 1),
        Trace::Probes(probes) => (false, probes.dims()[0] / count.max(1)),
    };
    let y = Tensor::cat(vec![x.reshape([count, size]), Tensor::zeros([count, 1], &device)], 1);
    let y = y.repeat_dim(0, probes);
    let settings = flow.solver.settings();
    let mut density = Density { model, sde, trace, way: [plan.end, plan.until], progress };
    let solution = runge_kutta_45(&mut density, y, plan.end, plan.until, tolerance(settings), stepping(settings))?;

    let values = solution.y.try_into_vec_as::<f32>().map_err(|error| ScoreError::Device(error.to_string()))?;
    let prior_std = plan.latent_std(sde);
    let rows: Vec<Row> =
        values.chunks(size + 1).zip(solution.evaluations).map(|(row, nfe)| Row::new(row, prior_std, nfe)).collect();
    // A grey level is 1/256 of the range: log₂(256/span) bits.
    let offset = match model.range() {
        Some(Range::Symmetric) => 7.0,
        Some(Range::Unit) => 8.0,
        None => 0.0,
    };
    (0..count)
        .map(|sample| {
            let estimates: Vec<&Row> = rows.iter().skip(sample).step_by(count.max(1)).collect();
            average(&estimates, size, offset, exact)
        })
        .map(|figure| {
            let finite = figure.bits_per_dim.is_finite();
            if finite { Ok(figure) } else { Err(ScoreError::NotFinite { ratio: sde.level(plan.until).ratio() }) }
        })
        .collect()
}

/// What the ODE gave for one picture and one probe.
struct Row {
    log_prior: f64,
    delta: f64,
    nfe: usize,
}

impl Row {
    fn new(row: &[f32], prior_std: f64, nfe: usize) -> Row {
        let (delta, latent) = row.split_last().map_or((0.0, row), |(&delta, latent)| (f64::from(delta), latent));
        let squares: f64 = latent.iter().map(|&z| f64::from(z).powi(2)).sum();
        let variance = prior_std * prior_std;
        let log_prior = -0.5 * (latent.len() as f64 * (std::f64::consts::TAU * variance).ln() + squares / variance);
        Row { log_prior, delta, nfe }
    }
}

/// The figures of one picture from those of its probes.
fn average(rows: &[&Row], size: usize, offset: f64, exact: bool) -> Likelihood {
    let count = rows.len().max(1) as f64;
    let mean = |of: fn(&Row) -> f64| rows.iter().map(|row| of(row)).sum::<f64>() / count;
    let bits = |row: &Row| -(row.log_prior + row.delta) / (size.max(1) as f64 * LN_2) + offset;
    let bits_per_dim = rows.iter().map(|row| bits(row)).sum::<f64>() / count;
    let spread = rows.iter().map(|row| (bits(row) - bits_per_dim).powi(2)).sum::<f64>();
    let standard_error = match rows.len() {
        _ if exact => Some(0.0),
        1 => None,
        _ => Some((spread / (count - 1.0) / count).sqrt()),
    };
    Likelihood {
        bits_per_dim,
        standard_error,
        log_prior: mean(|row| row.log_prior),
        delta_log_p: mean(|row| row.delta),
        nfe: mean(|row| row.nfe as f64).round() as usize,
    }
}

/// The trace of the score's Jacobian.
enum Trace {
    /// The model's own formula.
    Closed,
    /// Σᵢ eᵢᵀ·J·eᵢ.
    Basis,
    /// εᵀ·J·ε, one ε for each row, which stays the same all the way (Grathwohl et al. 2019): N×D.
    Probes(Box<Tensor<2>>),
}

/// d(x, log p)/dt of rows of pictures.
struct Density<'a, 'b> {
    model: &'a dyn ScoreModel,
    sde: &'a dyn Sde,
    trace: Trace,
    /// First and last time.
    way: [f64; 2],
    progress: OnProgress<'b>,
}

impl Derivative for Density<'_, '_> {
    fn derivative(&mut self, y: &State, times: &[f64], samples: &[usize]) -> Result<State, ScoreError> {
        let [count, width] = y.dims();
        let (shape, size, device) = (self.model.shape(), width - 1, y.device());
        let x = images(&y.clone().narrow(1, 0, size), shape);
        let (score, trace) = self.score_and_trace(&x, times, samples)?;
        // The drift's own divergence is D·f(t), which needs no estimate.
        let linear = at_times(times, &device, |t| size as f64 * self.sde.drift(t)).reshape([count, 1]);
        let half_square = at_times(times, &device, |t| 0.5 * self.sde.diffusion(t).powi(2)).reshape([count, 1]);
        let divergence = linear - trace.reshape([count, 1]) * half_square;
        Ok(Tensor::cat(vec![drift(self.sde, &x, &score, times).reshape([count, size]), divergence], 1))
    }

    fn progress(&mut self, t: f64, y: &State) -> ControlFlow<()> {
        let share = covered(self.sde, self.way, t);
        let x = y.clone().narrow(1, 0, y.dims()[1] - 1);
        (self.progress)(share, &images(&x, self.model.shape()))
    }
}

impl Density<'_, '_> {
    /// The score and the trace of its Jacobian, N.
    fn score_and_trace(&self, x: &Image, times: &[f64], samples: &[usize]) -> Result<(Image, Tensor<1>), ScoreError> {
        let at = levels(self.sde, times);
        let probes = match &self.trace {
            Trace::Closed => {
                let known = self.model.score_and_trace(x, &at);
                return known.unwrap_or(Err(ScoreError::NoTrace));
            }
            Trace::Basis => basis(x),
            Trace::Probes(probes) => {
                let rows: Vec<i32> = samples.iter().map(|&sample| sample as i32).collect();
                let rows = Tensor::from_data(TensorData::new(rows, [samples.len()]), &x.device());
                vec![probes.as_ref().clone().select(0, rows).reshape(x.dims())]
            }
        };
        let [_, c, h, w] = x.dims();
        let (mut scores, mut traces) = (Vec::new(), Vec::new());
        for part in parts(x, &at) {
            let some = part.count;
            let (mut score, mut trace) = (None, Tensor::<1>::zeros([some], &x.device()));
            for probe in &probes {
                let (value, probe, product) = vector_jacobian(self.model, &part.of(x), part.at, |_| part.of(probe))?;
                trace = trace + (product * probe).reshape([some, c * h * w]).sum_dim(1).reshape([some]);
                score = Some(value);
            }
            scores.extend(score);
            traces.push(trace);
        }
        Ok((Tensor::cat(scores, 0), Tensor::cat(traces, 0)))
    }
}

/// The unit vectors, each as a batch like `x`.
fn basis(x: &Image) -> Vec<Image> {
    let size = x.dims()[1..].iter().product::<usize>();
    let one = |place: usize| {
        let values: Vec<f32> = (0..size).map(|i| f32::from(u8::from(i == place))).collect();
        let [_, c, h, w] = x.dims();
        Image::from_data(TensorData::new(values, [1, c, h, w]), &x.device()).expand(x.dims())
    };
    (0..size).map(one).collect()
}

/// Probes of all pictures: (probes·N)×D, all pictures' first ones first.
fn all_probes(estimate: &Estimate, noise: &Noise) -> Tensor<2> {
    let size = noise.shape.iter().product::<usize>();
    let draw = |probe: usize| {
        let purpose = Purpose::Probe(probe as u32);
        let values = if estimate.rademacher { noise.signs(0, purpose) } else { noise.normal(0, purpose) };
        values.reshape([noise.count, size])
    };
    Tensor::cat((0..estimate.probes).map(draw).collect(), 0)
}

/// Whether the model answers with a trace of its own.
fn has_closed_form(model: &dyn ScoreModel, x: &Image, level: Level) -> Result<bool, ScoreError> {
    if x.dims()[0] == 0 {
        return Ok(false);
    }
    model.score_and_trace(&x.clone().narrow(0, 0, 1), &[level]).transpose().map(|known| known.is_some())
}
