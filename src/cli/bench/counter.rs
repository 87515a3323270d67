//! Counts the calls to wgpu, by its log.

use log::{LevelFilter, Log, Metadata, Record};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counter {
    dispatches: AtomicUsize,
    submissions: AtomicUsize,
}

static COUNTER: Counter = Counter { dispatches: AtomicUsize::new(0), submissions: AtomicUsize::new(0) };

impl Log for Counter {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.target().starts_with("wgpu_core")
    }

    fn log(&self, record: &Record) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let said = record.args().to_string();
        if said.starts_with("ComputePass::dispatch") {
            self.dispatches.fetch_add(1, Ordering::Relaxed);
        } else if said == "Queue::submit" {
            self.submissions.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}

/// Dispatches and submissions during some work.
pub(super) fn count(work: impl FnOnce()) -> [usize; 2] {
    static SET: Once = Once::new();
    // Where another logger was set before, nothing is counted.
    SET.call_once(|| drop(log::set_logger(&COUNTER)));
    let so_far = || [&COUNTER.dispatches, &COUNTER.submissions].map(|count| count.load(Ordering::Relaxed));
    let before = so_far();
    log::set_max_level(LevelFilter::Trace);
    work();
    log::set_max_level(LevelFilter::Off);
    let after = so_far();
    [after[0] - before[0], after[1] - before[1]]
}
