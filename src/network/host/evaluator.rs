//! What all networks share: a batch is cut into groups of images, which go through the network on all threads.

use super::clock::Clock;
use super::maps::{Features, Maps, Pool};
use super::simd::Isa;
use super::{Context, for_each, wide_awake};
use crate::network::profile;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Values of the widest maps of one group of images, which go through the network together: large enough that the
/// weights are read seldom, small enough that features stay in the outer cache.
const GROUP: usize = 1 << 19;

/// Parameters from which on caches do not hold a network's weights from one evaluation to the next.
const HEAVY: usize = 8 << 20;

/// Images of such networks that go through together, so that weights are read once.
const TOGETHER: usize = 4;

/// Whether a network has so many parameters.
pub(super) fn is_heavy(parameters: usize) -> bool {
    parameters >= HEAVY
}

/// Evaluates a network on batches, and keeps its memory from one evaluation to the next.
#[derive(Debug)]
pub(super) struct Evaluator {
    isa: Isa,
    pool: Pool,
    /// Images of the last evaluation, whose memory the pool holds.
    images: AtomicUsize,
    /// Channels of the widest maps of the highest resolution.
    channels: usize,
    /// Least images of a group, where a batch has as many.
    together: usize,
}

impl Evaluator {
    /// For a network with this many channels in the widest maps of its highest resolution, and parameters.
    pub fn new(channels: usize, parameters: usize) -> Self {
        let together = if is_heavy(parameters) { TOGETHER } else { 1 };
        Evaluator { isa: Isa::best(), pool: Pool::default(), images: AtomicUsize::new(0), channels, together }
    }

    /// For work that is the same for all images, which is not timed.
    pub fn context(&self) -> Context<'_> {
        Context { isa: self.isa, pool: &self.pool, clock: None }
    }

    /// How many images go through together, in a batch of N×C×H×W.
    pub fn group(&self, [n, _, h, w]: [usize; 4]) -> usize {
        let most = (GROUP / (self.channels * h * w).max(1)).clamp(1, 16);
        n.div_ceil(rayon::current_num_threads()).clamp(self.together.min(most), most)
    }

    /// The output for images, N×C×H×W, by a network that is handed a group of them and their places in the batch.
    pub fn evaluate(
        &self,
        x: Vec<f32>,
        [n, c, h, w]: [usize; 4],
        group: usize,
        network: impl Fn(&Context, Maps, Range<usize>) -> Features + Sync,
    ) -> Vec<f32> {
        if self.images.swap(n, Ordering::Relaxed) != n {
            self.pool.clear();
        }
        let mut out = vec![0.0; x.len()];
        let clock = profile::is_taken().then(Clock::default);
        let context = Context { clock: clock.as_ref(), ..self.context() };
        let image = c * h * w;
        let evaluate = |index: usize, out: &mut [f32]| {
            let first = index * group;
            let images = out.len() / image;
            let x = Maps::from_planes(context.pool, &x[first * image..][..images * image], [images, c, h, w]);
            network(&context, x, first..first + images).whole(context.pool).maps.to_planes(out);
        };
        let groups: Vec<_> = out.chunks_mut(group * image).enumerate().collect();
        if groups.len() < rayon::current_num_threads() {
            let groups = Mutex::new(groups);
            wide_awake(|| {
                let groups = std::mem::take(&mut *groups.lock().unwrap_or_else(PoisonError::into_inner));
                for_each(true, groups, |(index, out)| evaluate(index, out));
            });
        } else {
            for_each(true, groups, |(index, out)| evaluate(index, out));
        }
        if let Some(clock) = clock {
            clock.times().into_iter().for_each(|(kind, time)| profile::add(kind, time));
        }
        out
    }
}
