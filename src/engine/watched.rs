//! What a task wraps around its score model.

use super::{Context, Task};
use crate::Image;
use crate::score::{Given, Measurement, ScoreAndTrace, ScoreError, ScoreModel};
use crate::sde::Level;
use burn::tensor::Tensor;
use std::time::Instant;

/// A score model that waits for the task's turn before every evaluation, counts evaluations and keeps their time.
pub(super) struct Watched<'a, T: Task, M> {
    model: M,
    context: &'a Context<T>,
    /// Values in one evaluation: more samples than fit are evaluated in turn, which bounds the memory of activations
    /// and the time until a command is answered.
    batch: usize,
}

impl<'a, T: Task, M: ScoreModel> Watched<'a, T, M> {
    /// Watches `model`, and evaluates at most so many samples of 3×32×32 at once.
    pub(super) fn new(model: M, context: &'a Context<T>, samples: usize) -> Self {
        Watched { model, context, batch: samples * 3 * 32 * 32 }
    }

    /// What the model answers, in its turn, counted and timed.
    fn evaluated(
        &self,
        x: &Image,
        at: &[Level],
        answer: impl Fn(&Image, &[Level]) -> Result<Image, ScoreError>,
    ) -> Result<Image, ScoreError> {
        batches(x, at, self.batch, |x, at| {
            self.context.gate()?;
            let began = Instant::now();
            let answer = answer(x, at)?;
            self.context.evaluated(x.dims()[0], began.elapsed());
            Ok(answer)
        })
    }
}

impl<T: Task, M: ScoreModel> ScoreModel for Watched<'_, T, M> {
    crate::score::described_by_its_model!();

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.evaluated(x, at, |x, at| self.model.score(x, at))
    }

    fn denoised(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.evaluated(x, at, |x, at| self.model.denoised(x, at))
    }

    fn score_and_trace(&self, x: &Image, at: &[Level]) -> Option<ScoreAndTrace> {
        if let Err(error) = self.context.gate() {
            return Some(Err(error));
        }
        let began = Instant::now();
        let answer = self.model.score_and_trace(x, at)?;
        self.context.evaluated(x.dims()[0], began.elapsed());
        Some(answer)
    }

    fn given(&self, measurement: &Measurement) -> Option<Given<'_>> {
        let posterior = self.model.given(measurement)?;
        let Watched { context, batch, .. } = *self;
        Some(posterior.map(|model| -> Box<dyn ScoreModel + '_> { Box::new(Watched { model, context, batch }) }))
    }
}

/// Evaluates samples in turn, at most `values` values together.
fn batches(
    x: &Image,
    at: &[Level],
    values: usize,
    answer: impl Fn(&Image, &[Level]) -> Result<Image, ScoreError>,
) -> Result<Image, ScoreError> {
    let [n, c, h, w] = x.dims();
    let batch = (values / (c * h * w).max(1)).max(1);
    let mut parts = Vec::new();
    for first in (0..n).step_by(batch) {
        let count = batch.min(n - first);
        let levels = if at.len() == 1 { at } else { at.get(first..first + count).unwrap_or(at) };
        parts.push(answer(&x.clone().narrow(0, first, count), levels)?);
    }
    Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Tensor::cat(parts, 0) })
}
