//! Where the time of an evaluation goes, by kind of layer.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

/// Kinds of layers that are timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// Convolutions of 3×3.
    Convolution,
    /// Convolutions of 1×1: shortcuts, attention's own maps, all of a transformer's.
    Pointwise,
    /// Normalisation with what is told of the noise level, and the nonlinearity.
    Normalisation,
    /// Attention without its normalisation and its maps.
    Attention,
    /// Halving and doubling.
    Resampling,
}

impl LayerKind {
    pub const ALL: [LayerKind; 5] = [
        LayerKind::Convolution,
        LayerKind::Pointwise,
        LayerKind::Normalisation,
        LayerKind::Attention,
        LayerKind::Resampling,
    ];

    /// The name people read.
    pub fn name(self) -> &'static str {
        match self {
            LayerKind::Convolution => "3×3 convolution",
            LayerKind::Pointwise => "1×1 convolution",
            LayerKind::Normalisation => "norm and nonlinearity",
            LayerKind::Attention => "attention",
            LayerKind::Resampling => "resampling",
        }
    }
}

thread_local! {
    static TIMES: RefCell<Option<[Duration; LayerKind::ALL.len()]>> = const { RefCell::new(None) };
    /// Time of the timed layers inside the one that is running, which is not its own.
    static INNER: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Runs `work` and says how long each kind of layer took in it, on this thread. Layers inside
/// layers count once. Devices that compute later (a GPU) show the time of asking only.
pub fn profile(work: impl FnOnce()) -> [(LayerKind, Duration); LayerKind::ALL.len()] {
    TIMES.set(Some(Default::default()));
    work();
    let times = TIMES.take().unwrap_or_default();
    LayerKind::ALL.map(|kind| (kind, times[kind as usize]))
}

/// Whether a profile is being taken on this thread.
pub(super) fn is_taken() -> bool {
    TIMES.with_borrow(Option::is_some)
}

/// Adds time that was measured elsewhere.
pub(super) fn add(kind: LayerKind, time: Duration) {
    TIMES.with_borrow_mut(|times| {
        if let Some(times) = times {
            times[kind as usize] += time;
        }
    });
}

/// Does a layer's work, on the clock where a profile is being taken.
pub(super) fn timed<T>(kind: LayerKind, layer: impl FnOnce() -> T) -> T {
    if !is_taken() {
        return layer();
    }
    let around = INNER.replace(Duration::ZERO);
    let start = Instant::now();
    let result = layer();
    let whole = start.elapsed();
    let own = whole.saturating_sub(INNER.get());
    INNER.set(around + whole);
    add(kind, own);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;

    #[test]
    fn a_layer_inside_a_layer_counts_once() {
        let ms = Duration::from_millis;
        let times = profile(|| {
            timed(LayerKind::Attention, || {
                sleep(ms(20));
                timed(LayerKind::Pointwise, || sleep(ms(40)));
            });
        });
        let of = |kind: LayerKind| times[kind as usize].1;
        assert!(of(LayerKind::Pointwise) >= ms(40) && of(LayerKind::Attention) >= ms(20));
        // Had the inner layer counted twice, the outer one would be the longer.
        assert!(of(LayerKind::Attention) < of(LayerKind::Pointwise));
        assert_eq!(of(LayerKind::Convolution), Duration::ZERO);
    }
}
