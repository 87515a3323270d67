//! How long the window's own frames take, and how much memory the process holds.

use std::time::{Duration, Instant};

/// As many frames as are kept.
const KEPT: usize = 1024;
/// How often the memory of the process is looked at.
const MEMORY_EVERY: Duration = Duration::from_secs(1);

/// Times of the latest frames on the window's thread: polling, laying out, painting commands.
#[derive(Debug, Default)]
pub struct Meter {
    frames: Vec<Duration>,
    next: usize,
    resident: Option<usize>,
    weighed: Option<Instant>,
}

impl Meter {
    /// Adds one frame.
    pub fn add(&mut self, frame: Duration) {
        if self.frames.len() < KEPT {
            self.frames.push(frame);
        } else {
            self.frames[self.next % KEPT] = frame;
        }
        self.next = (self.next + 1) % KEPT;
    }

    /// The time that the share `part` (0 to 1) of the frames stays within; `None` before the first.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let mut sorted = self.frames.clone();
        sorted.sort_unstable();
        let place = (part * sorted.len().saturating_sub(1) as f64).ceil() as usize;
        sorted.get(place).copied()
    }

    /// Looks at the memory of the process, once in a while.
    pub fn weigh(&mut self) {
        if self.weighed.is_none_or(|at| at.elapsed() > MEMORY_EVERY) {
            self.weighed = Some(Instant::now());
            self.resident = memory_stats::memory_stats().map(|stats| stats.physical_mem);
        }
    }

    /// Bytes that this process holds in memory.
    pub fn resident(&self) -> Option<usize> {
        self.resident
    }

    /// Number of frames that the figures are of.
    pub fn len(&self) -> usize {
        self.frames.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_frames_kept() {
        let mut meter = Meter::default();
        assert_eq!(meter.quantile(0.99), None);
        (1..=100).for_each(|ms| meter.add(Duration::from_millis(ms)));
        assert_eq!(meter.quantile(0.0), Some(Duration::from_millis(1)));
        assert_eq!(meter.quantile(0.5), Some(Duration::from_millis(51)));
        assert_eq!(meter.quantile(1.0), Some(Duration::from_millis(100)));
        (0..KEPT).for_each(|_| meter.add(Duration::from_millis(7)));
        assert_eq!((meter.quantile(1.0), meter.len()), (Some(Duration::from_millis(7)), KEPT));
    }
}
