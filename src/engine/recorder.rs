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
    /// x on the window's own device, only in the newest snapshot of a run computed there.
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
