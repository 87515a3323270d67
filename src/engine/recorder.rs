//! What is kept of a run so that any moment can be scrubbed back to and branched from.

use crate::Pixels;
use crate::sde::Level;
use half::f16;
use std::sync::Arc;

/// A tensor's own buffer on the device that the window draws with: `f32`, N×C×H×W, contiguous.
#[derive(Clone)]
pub struct GpuPicture {
    pub shape: [usize; 4],
    pub buffer: burn_wgpu::wgpu::Buffer,
    /// Of the first value, in bytes.
    pub offset: u64,
    /// Of all values, in bytes.
    pub size: u64,
    /// Keeps the buffer from being used again while it is shown.
    pub(crate) _tensor: crate::Image,
}

impl std::fmt::Debug for GpuPicture {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "GpuPicture({:?} at byte {})", self.shape, self.offset)
    }
}

/// Figures of one moment, averaged over the samples of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// Root mean square of x.
    pub rms: f64,
    /// Root mean square of the score.
    pub score_rms: f64,
    /// Mean Langevin (or leapfrog) step size ε of the last corrector step.
    pub step_size: Option<f64>,
    /// Share of HMC proposals accepted.
    pub accept_rate: Option<f64>,
}

/// One recorded moment of a run.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Steps done: 0 is the first state.
    pub step: usize,
    /// Time of x, in [0, 1].
    pub t: f64,
    /// α and σ at `t`.
    pub level: Level,
    /// Network evaluations so far.
    pub nfe: usize,
    /// x(t) in full precision, so that a branch starts from the very state.
    pub x: Pixels<f32>,
    /// The estimate of x(0); `None` before the first evaluation.
    pub denoised: Option<Pixels<f16>>,
    /// |score| of every pixel (norm over channels), N×1×H×W; `None` before the first evaluation.
    pub score: Option<Pixels<f16>>,
    pub stats: Stats,
    /// x on the window's own device, only in the newest moment of a run computed there.
    pub on_gpu: Option<GpuPicture>,
}

impl Recorded {
    /// Bytes of host memory.
    pub fn bytes(&self) -> usize {
        let halves = |pixels: &Option<Pixels<f16>>| pixels.as_ref().map_or(0, Pixels::bytes);
        self.x.bytes() + halves(&self.denoised) + halves(&self.score)
    }
}

/// The moments kept of one run, in order of time: always the first and the newest,
/// and the others evenly thinned to the memory limit.
pub type Timeline = Vec<Arc<Recorded>>;

/// Keeps moments within a memory limit by keeping every 2ᵏ-th.
#[derive(Debug)]
pub(super) struct Recorder {
    timeline: Timeline,
    bytes: usize,
    limit: usize,
    stride: usize,
}

impl Recorder {
    /// An empty recorder that holds up to `limit` bytes (but always the first and the newest moment).
    pub(super) fn new(limit: usize) -> Self {
        Recorder { timeline: Vec::new(), bytes: 0, limit, stride: 1 }
    }

    /// Adds the newest moment.
    pub(super) fn push(&mut self, moment: Arc<Recorded>) {
        // A newest moment that is off the stride was kept only for being the newest.
        if let Some(last) = self.timeline.pop_if(|last| !last.step.is_multiple_of(self.stride)) {
            self.bytes -= last.bytes();
        }
        self.bytes += moment.bytes();
        self.timeline.push(moment);
        self.thin();
    }

    /// Changes the limit; a lower one takes effect at once.
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.thin();
    }

    /// Doubles the stride until the limit is met or only the ends are left.
    fn thin(&mut self) {
        while self.bytes > self.limit && self.timeline.len() > 2 {
            self.stride *= 2;
            let newest = self.timeline.last().map_or(0, |last| last.step);
            let stride = self.stride;
            self.timeline.retain(|moment| moment.step.is_multiple_of(stride) || moment.step == newest);
            self.bytes = self.timeline.iter().map(|moment| moment.bytes()).sum();
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The moments kept so far.
    pub(super) fn timeline(&self) -> Arc<Timeline> {
        Arc::new(self.timeline.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(step: usize) -> Arc<Recorded> {
        Arc::new(Recorded {
            step,
            t: 0.0,
            level: Level::CLEAN,
            nfe: step,
            x: Pixels { shape: [1, 1, 1, 250], values: vec![0.0; 250].into() },
            denoised: None,
            score: None,
            stats: Stats::default(),
            on_gpu: None,
        })
    }

    #[test]
    fn recorder_keeps_both_ends_and_an_even_spacing_within_its_limit() {
        let mut recorder = Recorder::new(20_000);
        for step in 0..=1000 {
            recorder.push(moment(step));
            let kept: Vec<usize> = recorder.timeline().iter().map(|m| m.step).collect();
            assert!(recorder.bytes() <= 20_000);
            assert_eq!(recorder.bytes(), kept.len() * 1000);
            assert_eq!((kept[0], kept[kept.len() - 1]), (0, step));
            let gaps: Vec<usize> = kept.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let (last, inner) = gaps.split_last().map_or((0, &[][..]), |(last, inner)| (*last, inner));
            assert!(inner.iter().all(|gap| *gap == inner[0] && *gap >= last), "uneven: {kept:?}");
        }
        assert!(recorder.timeline().len() > 8, "more than half of the limit is in use");
    }

    #[test]
    fn a_lower_limit_takes_effect_at_once() {
        let mut recorder = Recorder::new(usize::MAX);
        (0..100).for_each(|step| recorder.push(moment(step)));
        recorder.set_limit(10_000);
        assert!(recorder.bytes() <= 10_000);
    }
}
