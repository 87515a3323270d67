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
        Context { isa: self.isa, pool: &self.pool, clock: None, alone: true }
    }

    /// How many images go through together, in a batch of N×C×H×W.
    pub fn group(&self, dims: [usize; 4]) -> usize {
        let (n, most) = (dims[0], self.most(dims));
        n.div_ceil(rayon::current_num_threads()).clamp(self.together.min(most), most)
    }

    /// How many images go through together at most.
    fn most(&self, [_, _, h, w]: [usize; 4]) -> usize {
        (GROUP / (self.channels * h * w).max(1)).clamp(1, 16)
    }

    /// The output for images, N×C×H×W, which has `size` values for each, by a network that is handed a group of them and
    /// their places in the batch.
    pub fn evaluate(
        &self,
        x: Vec<f32>,
        [n, c, h, w]: [usize; 4],
        size: usize,
        group: usize,
        network: impl Fn(&Context, Maps, Range<usize>) -> Features + Sync,
    ) -> Vec<f32> {
        let mut out = vec![0.0; n * size];
        let image = c * h * w;
        let groups = out.chunks_mut(group * size).enumerate().collect();
        self.each(n, groups, |context, (index, out): (usize, &mut [f32])| {
            let first = index * group;
            let images = out.len() / size;
            let x = Maps::from_planes(context.pool, &x[first * image..][..images * image], [images, c, h, w]);
            network(context, x, first..first + images).whole(context.pool).maps.to_planes(out);
        });
        out
    }

    /// Does something with groups of images of a batch, with the first ones first. They do not depend on the number of
    /// threads.
    pub fn in_turn(&self, dims: [usize; 4], work: impl Fn(&Context, usize, Range<usize>) + Sync) {
        let (n, group) = (dims[0], self.most(dims).max(self.together));
        let (groups, next) = (n.div_ceil(group), AtomicUsize::new(0));
        let workers = (0..groups.min(rayon::current_num_threads())).collect();
        self.each(n, workers, |context, _: usize| {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= groups {
                    break;
                }
                work(context, index, index * group..n.min((index + 1) * group));
            }
        });
    }

    /// Does something with each part of the work on `n` images, on all threads.
    fn each<T: Send>(&self, n: usize, parts: Vec<T>, work: impl Fn(&Context, T) + Send + Sync) {
        if self.images.swap(n, Ordering::Relaxed) != n {
            self.pool.clear();
        }
        let clock = profile::is_taken().then(Clock::default);
        let alone = parts.len() < rayon::current_num_threads();
        let context = Context { clock: clock.as_ref(), alone, ..self.context() };
        if alone {
            let parts = Mutex::new(parts);
            wide_awake(|| {
                let parts = std::mem::take(&mut *parts.lock().unwrap_or_else(PoisonError::into_inner));
                for_each(true, parts, |part| work(&context, part));
            });
        } else {
            for_each(true, parts, |part| work(&context, part));
        }
        if let Some(clock) = clock {
            clock.times().into_iter().for_each(|(kind, time)| profile::add(kind, time));
        }
    }
}
