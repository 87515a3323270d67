//! A run under observation: what the engine wraps around the score and hangs on the solver.

use super::control::Control;
use super::recorder::{GpuPicture, Recorded, Stats};
use crate::score::{Given, Measurement, ScoreError, ScoreModel};
use crate::sde::{Level, Sde};
use crate::solver::{Moment, Observer};
use crate::{Image, Pixels};
use burn::tensor::Tensor;
use burn_wgpu::{Wgpu, WgpuRuntime};
use cubecl_runtime::runtime::Runtime;
use half::f16;
use std::ops::ControlFlow;

/// Values in one network evaluation: more samples than fit are evaluated in turn, which
/// bounds the memory of activations and the time until a command is answered.
const BATCH_VALUES: usize = 64 * 3 * 32 * 32;

/// A score model that answers commands before every evaluation and counts them.
pub(super) struct Watched<'a, M> {
    pub(super) model: M,
    pub(super) control: &'a Control<'a>,
}

impl<M: ScoreModel> ScoreModel for Watched<'_, M> {
    crate::score::described_by_its_model!();

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.control.nfe.set(self.control.nfe.get() + 1);
        batches(x, at, BATCH_VALUES, |x, at| {
            self.control.gate()?;
            let score = self.model.score(x, at)?;
            self.control.image_evaluations.set(self.control.image_evaluations.get() + x.dims()[0]);
            Ok(score)
        })
    }

    fn given(&self, measurement: &Measurement) -> Option<Given<'_>> {
        let posterior = self.model.given(measurement)?;
        Some(posterior.map(|model| -> Box<dyn ScoreModel + '_> { Box::new(Watched { model, control: self.control }) }))
    }
}

/// Evaluates samples in turn, at most `values` values together.
pub(super) fn batches(
    x: &Image,
    at: &[Level],
    values: usize,
    score: impl Fn(&Image, &[Level]) -> Result<Image, ScoreError>,
) -> Result<Image, ScoreError> {
    let [n, c, h, w] = x.dims();
    let batch = (values / (c * h * w).max(1)).max(1);
    let mut parts = Vec::new();
    for first in (0..n).step_by(batch) {
        let count = batch.min(n - first);
        let levels = if at.len() == 1 { at } else { at.get(first..first + count).unwrap_or(at) };
        parts.push(score(&x.clone().narrow(0, first, count), levels)?);
    }
    Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Tensor::cat(parts, 0) })
}

/// Turns a solver's moments into records and snapshots.
pub(super) struct Recording<'a> {
    pub(super) control: &'a Control<'a>,
    pub(super) sde: &'a dyn Sde,
    /// Steps of the run and evaluations that they take.
    pub(super) steps: usize,
    pub(super) evaluations: usize,
    /// Steps done.
    pub(super) done: usize,
    /// The first failure; the solver is told to break off.
    pub(super) failure: Option<ScoreError>,
}

impl Recording<'_> {
    /// Records x(T) before anything is evaluated.
    ///
    /// # Errors
    /// If the device does.
    pub(super) fn first(&mut self, x: &Image, t: f64) -> Result<(), ScoreError> {
        let moment = self.record(x, t, self.sde.level(t), None)?;
        self.control.publish(moment, self.steps, self.evaluations);
        Ok(())
    }

    fn record(&self, x: &Image, t: f64, level: Level, moment: Option<&Moment<'_>>) -> Result<Recorded, ScoreError> {
        let mut stats = Stats { rms: root_mean_square(x)?, ..Stats::default() };
        let (mut denoised, mut score) = (None, None);
        if let Some(moment) = moment {
            stats.score_rms = root_mean_square(moment.score)?;
            if let Some(figures) = moment.corrector {
                stats.step_size = Some(mean(&figures.step_size)?);
                stats.accept_rate = figures.accept_rate.as_ref().map(mean).transpose()?;
            }
            denoised = Some(halves(moment.denoised)?);
            score = Some(halves(&moment.score.clone().square().sum_dim(1).sqrt())?);
        }
        // One figure that is not finite makes its mean so, too.
        if !(stats.rms.is_finite() && stats.score_rms.is_finite()) {
            return Err(ScoreError::NotFinite { ratio: level.ratio() });
        }
        Ok(Recorded {
            step: self.done,
            t,
            level,
            nfe: self.control.nfe.get(),
            x: host(x)?,
            denoised,
            score,
            stats,
            on_gpu: on_gpu(x),
        })
    }
}

impl Observer for Recording<'_> {
    fn observe(&mut self, moment: &Moment<'_>) -> ControlFlow<()> {
        self.done += 1;
        let recorded = self.record(moment.x, moment.step.next, self.sde.target(&moment.step), Some(moment));
        match recorded {
            Ok(recorded) => {
                self.control.publish(recorded, self.steps, self.evaluations);
                ControlFlow::Continue(())
            }
            Err(error) => {
                self.failure = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// Reads a tensor back.
fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ScoreError> {
    tensor.try_into_vec_as::<f32>().map_err(|error| ScoreError::Device(error.to_string()))
}

fn root_mean_square(x: &Image) -> Result<f64, ScoreError> {
    Ok(mean(&x.clone().square())?.sqrt())
}

fn mean<const D: usize>(x: &Tensor<D>) -> Result<f64, ScoreError> {
    Ok(values(x.clone().mean())?.first().copied().unwrap_or_default().into())
}

fn host(x: &Image) -> Result<Pixels<f32>, ScoreError> {
    Ok(Pixels { shape: x.dims(), values: values(x.clone())?.into() })
}

fn halves(x: &Image) -> Result<Pixels<f16>, ScoreError> {
    Ok(Pixels { shape: x.dims(), values: values(x.clone())?.into_iter().map(f16::from_f32).collect() })
}

/// The tensor's own buffer, where it lies on a wgpu device.
fn on_gpu(x: &Image) -> Option<GpuPicture> {
    let tensor = x.clone().try_into_primitive::<Wgpu>().ok()?;
    if !tensor.is_contiguous() {
        return None;
    }
    let client = tensor.client.clone();
    let resource = client.get_resource::<<WgpuRuntime as Runtime>::Server>(tensor.handle.clone()).ok()?;
    let resource = resource.resource();
    Some(GpuPicture {
        shape: x.dims(),
        buffer: resource.buffer.clone(),
        offset: resource.offset,
        size: resource.size,
        _tensor: x.clone(),
    })
}
