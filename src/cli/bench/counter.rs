//! Counts the calls to wgpu, by its log.

use log::{LevelFilter, Log, Metadata, Record};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Dispatches, submissions and copies to the host.
struct Counter([AtomicUsize; 3]);

static COUNTER: Counter = Counter([const { AtomicUsize::new(0) }; 3]);

impl Log for Counter {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.target().starts_with("wgpu_core")
    }

    fn log(&self, record: &Record) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let said = record.args().to_string();
        let counted =
            [said.starts_with("ComputePass::dispatch"), said == "Queue::submit", said.starts_with("Buffer::map_async")];
        for (count, _) in self.0.iter().zip(counted).filter(|(_, is_it)| *is_it) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}

/// Dispatches, submissions and copies to the host during some work.
pub(super) fn count(work: impl FnOnce()) -> [usize; 3] {
    static SET: Once = Once::new();
    // Where another logger was set before, nothing is counted.
    SET.call_once(|| drop(log::set_logger(&COUNTER)));
    let so_far = || COUNTER.0.each_ref().map(|count| count.load(Ordering::Relaxed));
    let before = so_far();
    log::set_max_level(LevelFilter::Trace);
    work();
    log::set_max_level(LevelFilter::Off);
    let after = so_far();
    std::array::from_fn(|place| after[place] - before[place])
}
