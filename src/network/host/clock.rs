//! Time by kind of layer, over all threads.

use crate::network::profile::LayerKind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Adds up the time that threads spend in each kind of layer.
#[derive(Debug, Default)]
pub(super) struct Clock([AtomicU64; LayerKind::ALL.len()]);

impl Clock {
    /// Time of each kind, as if all threads had been at work.
    pub fn times(&self) -> [(LayerKind, Duration); LayerKind::ALL.len()] {
        let threads = rayon::current_num_threads().max(1) as u64;
        LayerKind::ALL.map(|kind| (kind, Duration::from_nanos(self.0[kind as usize].load(Ordering::Relaxed) / threads)))
    }
}

/// Tells a clock what the time since the last call was spent on.
pub(super) struct Stopwatch<'a>(Option<(&'a Clock, Instant)>);

impl<'a> Stopwatch<'a> {
    pub fn new(clock: Option<&'a Clock>) -> Self {
        Stopwatch(clock.map(|clock| (clock, Instant::now())))
    }

    pub fn lap(&mut self, kind: LayerKind) {
        if let Some((clock, since)) = &mut self.0 {
            let now = Instant::now();
            clock.0[kind as usize].fetch_add((now - *since).as_nanos() as u64, Ordering::Relaxed);
            *since = now;
        }
    }
}
