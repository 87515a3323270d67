//! A run under observation: what the engine wraps around the score and hangs on the solver.

use super::control::Control;
use super::recorder::{GpuPicture, Recorded, Stats};
use crate::score::{Given, Measurement, ScoreError, ScoreModel};
use crate::sde::{Level, Sde};
use crate::solver::{Moment, Observer};
use crate::{Image, Pixels};
use burn::backend::Flex;
use burn::tensor::Tensor;
use burn_wgpu::{Wgpu, WgpuRuntime};
use cubecl_runtime::runtime::Runtime;
use half::f16;
use half::slice::HalfFloatSliceExt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

/// Values in one network evaluation: more samples than fit are evaluated in turn, which
/// bounds the memory of activations and the time until a command is answered.
const BATCH_VALUES: usize = 64 * 3 * 32 * 32;

/// A score model that answers commands before every evaluation, counts them and keeps their time.
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
            let began = Instant::now();
            let score = self.model.score(x, at)?;
            self.control.spend(|spent| &mut spent.model, began);
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
    pub(super) evaluations: Option<usize>,
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
        self.publish(x, t, self.sde.level(t), None)
    }

    fn record(&self, x: &Image, t: f64, level: Level, moment: Option<&Moment<'_>>) -> Result<Recorded, ScoreError> {
        let (state, squares): (Arc<[f32]>, f64) = with_values(x, |x| (x.into(), sum(x, |x| x * x)))?;
        let root_mean = |sum: f64| (sum / state.len().max(1) as f64).sqrt();
        let mut stats = Stats { rms: root_mean(squares), ..Stats::default() };
        let (mut denoised, mut score) = (None, None);
        if let Some(moment) = moment {
            let squares = moment.score.clone().square().sum_dim(1);
            stats.score_rms = root_mean(with_values(&squares, |x| sum(x, |x| x))?);
            score = Some(halves(&squares.sqrt())?);
            denoised = Some(halves(moment.denoised)?);
            if let Some(figures) = moment.corrector {
                stats.step_size = Some(mean(&figures.step_size)?);
                stats.accept_rate = figures.accept_rate.as_ref().map(mean).transpose()?;
            }
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
            x: Pixels { shape: x.dims(), values: state },
            denoised,
            score,
            stats,
            on_gpu: on_gpu(x),
        })
    }

    /// [`Recording::record`] and shows it, on the clock.
    fn publish(&mut self, x: &Image, t: f64, level: Level, moment: Option<&Moment<'_>>) -> Result<(), ScoreError> {
        let began = Instant::now();
        let recorded = self.record(x, t, level, moment)?;
        self.control.publish(recorded, self.steps, self.evaluations);
        self.control.spend(|spent| &mut spent.recording, began);
        Ok(())
    }
}

impl Observer for Recording<'_> {
    fn observe(&mut self, moment: &Moment<'_>) -> ControlFlow<()> {
        self.done += 1;
        let level = self.sde.target(&moment.step);
        match self.publish(moment.x, moment.step.next, level, Some(moment)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failure = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// What follows from a tensor's values: where they lie in the host's memory, they are not copied.
fn with_values<const D: usize, T>(tensor: &Tensor<D>, work: impl FnOnce(&[f32]) -> T) -> Result<T, ScoreError> {
    if let Ok(host) = tensor.clone().try_into_primitive::<Flex>()
        && host.is_contiguous()
        && let Some(values) = host.storage::<f32>().get(host.layout().start_offset()..)
        && let Some(values) = values.get(..tensor.dims().iter().product())
    {
        return Ok(work(values));
    }
    let values = tensor.clone().try_into_vec_as::<f32>().map_err(|error| ScoreError::Device(error.to_string()))?;
    Ok(work(&values))
}

fn mean<const D: usize>(x: &Tensor<D>) -> Result<f64, ScoreError> {
    with_values(&x.clone().mean(), |mean| mean.first().copied().unwrap_or_default().into())
}

/// Σ term(x), in sixteen interleaved parts so that the compiler may use wide registers.
fn sum(values: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    let of_part = |part: &[f32]| {
        let mut lanes = [0.0_f32; 16];
        for values in part.chunks(lanes.len()) {
            lanes.iter_mut().zip(values).for_each(|(lane, &x)| *lane += term(x));
        }
        lanes.into_iter().map(f64::from).sum::<f64>()
    };
    // In parts, so that large images lose no digits.
    values.chunks(1 << 12).map(of_part).sum()
}

fn halves(x: &Image) -> Result<Pixels<f16>, ScoreError> {
    let values = with_values(x, |values| {
        let mut narrow = vec![f16::ZERO; values.len()];
        narrow.convert_from_f32_slice(values);
        narrow.into()
    })?;
    Ok(Pixels { shape: x.dims(), values })
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
