//! What is kept of a task so that any moment can be scrubbed back to and branched from.

use super::Progress;
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

/// One recorded moment.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Steps done: 0 is the first state.
    pub step: usize,
    /// Time of x, in [0, 1].
    pub t: f64,
    /// α and σ at `t`.
    pub level: Level,
    /// Score evaluations so far, per sample.
    pub nfe: usize,
    /// x(t) in full precision, so that a branch starts from the very state.
    pub x: Pixels<f32>,
    /// The estimate of x(0); `None` before the first evaluation.
    pub denoised: Option<Pixels<f16>>,
    /// |score| of every pixel (norm over channels), N×1×H×W; `None` before the first evaluation.
    pub score: Option<Pixels<f16>>,
    pub stats: Stats,
    /// x on the window's own device, only in the newest moment of a task that computes there.
    pub on_gpu: Option<GpuPicture>,
}

impl Recorded {
    /// Bytes of host memory.
    pub fn bytes(&self) -> usize {
        let halves = |pixels: &Option<Pixels<f16>>| pixels.as_ref().map_or(0, Pixels::bytes);
        self.x.bytes() + halves(&self.denoised) + halves(&self.score)
    }
}

/// The moments kept of one task, in the order of its steps: always the first and the newest,
/// and the others evenly thinned to the memory limit. Empty where nothing is recorded.
pub type Timeline = Vec<Arc<Recorded>>;

/// The newest state of a task; older ones that were not looked at in time are skipped.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub progress: Progress,
    /// The newest moment, recorded or not.
    pub newest: Arc<Recorded>,
    /// All moments kept so far, the newest last.
    pub timeline: Arc<Timeline>,
}

/// Keeps moments within a memory limit by keeping every 2ᵏ-th.
#[derive(Debug)]
pub(super) struct Recorder {
    timeline: Timeline,
    bytes: usize,
    limit: usize,
    stride: usize,
}

impl Recorder {
    /// An empty recorder that holds up to `limit` bytes (but always the first and the newest moment); of 0, nothing.
    pub(super) fn new(limit: usize) -> Self {
        Recorder { timeline: Vec::new(), bytes: 0, limit, stride: 1 }
    }

    /// Whether the moment after so many steps will stay, unless thinning takes it out later.
    pub(super) fn wants(&self, step: usize) -> bool {
        self.limit > 0 && step.is_multiple_of(self.stride)
    }

    /// Adds the newest moment.
    pub(super) fn push(&mut self, moment: Arc<Recorded>) {
        if self.limit == 0 {
            return;
        }
        // A newest moment that is off the stride was kept only for being the newest.
        if let Some(last) = self.timeline.pop_if(|last| !last.step.is_multiple_of(self.stride)) {
            self.bytes -= last.bytes();
        }
        self.bytes += moment.bytes();
        self.timeline.push(moment);
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
    fn where_only_what_stays_is_recorded_the_same_stays() {
        let (mut all, mut few) = (Recorder::new(20_000), Recorder::new(20_000));
        for step in 0..=1000 {
            all.push(moment(step));
            if few.wants(step) || step == 1000 {
                few.push(moment(step));
            }
        }
        let steps = |recorder: &Recorder| recorder.timeline().iter().map(|m| m.step).collect::<Vec<_>>();
        assert_eq!(steps(&all), steps(&few));
    }

    #[test]
    fn without_a_limit_to_fill_nothing_is_wanted_or_kept() {
        let mut recorder = Recorder::new(0);
        assert!(!recorder.wants(0));
        recorder.push(moment(0));
        assert_eq!((recorder.timeline().len(), recorder.bytes()), (0, 0));
    }
}
