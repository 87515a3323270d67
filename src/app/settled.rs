//! Settings that something is measured of, once no hand is on them any more.

use std::time::{Duration, Instant};

/// Settings that have not changed for this long rest.
const REST: Duration = Duration::from_millis(500);

/// Settings, and since when they are what they are.
#[derive(Debug)]
pub struct Settled<K> {
    of: Option<K>,
    /// When they changed, until they have rested.
    changed: Option<Instant>,
}

impl<K> Default for Settled<K> {
    fn default() -> Self {
        Settled { of: None, changed: None }
    }
}

impl<K: PartialEq> Settled<K> {
    /// Takes in what the settings are now; whether they have changed.
    pub fn take(&mut self, of: Option<K>) -> bool {
        let changes = self.of != of;
        if changes {
            *self = Settled { changed: of.is_some().then(Instant::now), of };
        }
        changes
    }

    /// The settings, once when they have come to rest; before, the window is woken for that.
    pub fn rested(&mut self, ctx: &egui::Context) -> Option<&K> {
        if let Some(rest) = REST.checked_sub(self.changed?.elapsed()) {
            ctx.request_repaint_after(rest);
            return None;
        }
        self.changed = None;
        self.of.as_ref()
    }

    /// Whether they have not rested yet.
    pub fn is_moving(&self) -> bool {
        self.changed.is_some()
    }
}
