//! Ctrl-C and the system's wish that the program ends: what is long saves first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

static ASKED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on the first signal that ends the program only sets a flag; a second one ends it at once.
pub(super) fn on_signals() {
    let asked = ASKED.get_or_init(Arc::default);
    for signal in signal_hook::consts::TERM_SIGNALS {
        // Where it cannot be set, signals end the program as before: what was saved is kept.
        let _ = signal_hook::flag::register_conditional_shutdown(*signal, 130, asked.clone());
        let _ = signal_hook::flag::register(*signal, asked.clone());
    }
}

/// Whether the program was asked to end.
pub(super) fn is_asked() -> bool {
    ASKED.get().is_some_and(|asked| asked.load(Ordering::Acquire))
}
