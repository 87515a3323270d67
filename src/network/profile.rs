//! Where the time of an evaluation goes, and what it asks of a graphics device, by kind of layer.

use std::cell::{Cell, RefCell};
use std::ops::AddAssign;
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

/// What dispatches ask of a graphics device. A lower bound: each value that one reads or writes counts once, however often
/// it is fetched, and of arithmetic only the sums of products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Bytes of features and parameters.
    pub read: u64,
    pub written: u64,
    /// Multiplications and additions in convolutions, maps and attention; of convolutions by products at points
    /// (Winograd) those of the products, a quarter of what they are by taps.
    pub operations: u64,
}

impl AddAssign for Demand {
    fn add_assign(&mut self, other: Demand) {
        self.read += other.read;
        self.written += other.written;
        self.operations += other.operations;
    }
}

/// What layers took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Profile {
    times: [Duration; LayerKind::ALL.len()],
    demands: [Demand; LayerKind::ALL.len()],
    whole: Demand,
}

impl Profile {
    /// The time of layers of this kind. Layers inside layers count once.
    pub fn time(&self, kind: LayerKind) -> Duration {
        self.times[kind as usize]
    }

    /// What layers of this kind asked of a graphics device that computes them by kernels of the program's own; 0 elsewhere.
    pub fn demand(&self, kind: LayerKind) -> Demand {
        self.demands[kind as usize]
    }

    /// The same of all layers, with what is of no kind: the embedding of the noise level, and images on their way in and
    /// out.
    pub fn whole(&self) -> Demand {
        self.whole
    }
}

thread_local! {
    static TAKEN: RefCell<Option<Profile>> = const { RefCell::new(None) };
    /// Time of the timed layers inside the one that is running, which is not its own.
    static INNER: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Runs `work` and says what each kind of layer took in it, on this thread. Tensor operations on devices that compute later
/// (a GPU) show the time of asking only.
pub fn profile(work: impl FnOnce()) -> Profile {
    TAKEN.set(Some(Profile::default()));
    work();
    TAKEN.take().unwrap_or_default()
}

/// Whether a profile is being taken on this thread.
pub(super) fn is_taken() -> bool {
    TAKEN.with_borrow(Option::is_some)
}

/// Adds time that was measured elsewhere.
pub(super) fn add(kind: LayerKind, time: Duration) {
    with_taken(|taken| taken.times[kind as usize] += time);
}

/// Adds what was asked of a graphics device.
pub(super) fn ask(kind: Option<LayerKind>, demand: Demand) {
    with_taken(|taken| {
        taken.whole += demand;
        kind.into_iter().for_each(|kind| taken.demands[kind as usize] += demand);
    });
}

fn with_taken(change: impl FnOnce(&mut Profile)) {
    TAKEN.with_borrow_mut(|taken| taken.as_mut().map(change));
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
        let taken = profile(|| {
            timed(LayerKind::Attention, || {
                sleep(ms(20));
                timed(LayerKind::Pointwise, || sleep(ms(40)));
            });
        });
        let of = |kind| taken.time(kind);
        assert!(of(LayerKind::Pointwise) >= ms(40) && of(LayerKind::Attention) >= ms(20));
        // Had the inner layer counted twice, the outer one would be the longer.
        assert!(of(LayerKind::Attention) < of(LayerKind::Pointwise));
        assert_eq!(of(LayerKind::Convolution), Duration::ZERO);
    }
}
