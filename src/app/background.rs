//! Work on threads of their own.

use crossbeam_channel::{Receiver, Sender};

/// What threads are asked to make, and what they have made.
#[derive(Debug)]
pub struct Background<T> {
    outbox: Sender<T>,
    inbox: Receiver<T>,
}

impl<T> Default for Background<T> {
    fn default() -> Self {
        let (outbox, inbox) = crossbeam_channel::unbounded();
        Background { outbox, inbox }
    }
}

impl<T: Send + 'static> Background<T> {
    /// Makes something on a thread of its own.
    pub fn spawn(&self, ctx: &egui::Context, make: impl FnOnce() -> T + Send + 'static) {
        let (outbox, ctx) = (self.outbox.clone(), ctx.clone());
        std::thread::spawn(move || {
            // Nobody listens any more only when the window is gone.
            let _ = outbox.send(make());
            ctx.request_repaint();
        });
    }

    /// What was made since the last call.
    pub fn poll(&self) -> impl Iterator<Item = T> + use<T> {
        self.inbox.try_iter().collect::<Vec<T>>().into_iter()
    }
}
