//! Work beside the window's thread.

use crossbeam_channel::{Receiver, Sender};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

type Job = Box<dyn FnOnce() + Send>;

/// Told where a file brings its reader down.
pub const BROKEN: &str = "the file could not be read because of an error in this program; please report it";

/// What one worker is asked to make, the newest first, and what it has made.
///
/// Many files may be dropped at once: each is read in its turn, and what a person asks for next does not wait for them.
pub struct Background<T> {
    /// What waits; `None` while there is no worker.
    waiting: Arc<Mutex<Option<Vec<Job>>>>,
    outbox: Sender<T>,
    inbox: Receiver<T>,
}

impl<T> Default for Background<T> {
    fn default() -> Self {
        let (outbox, inbox) = crossbeam_channel::unbounded();
        Background { waiting: Arc::default(), outbox, inbox }
    }
}

impl<T> fmt::Debug for Background<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Background").finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Background<T> {
    /// Makes something on the worker's thread; `failed` where that brings its maker down.
    pub fn spawn(&self, ctx: &egui::Context, failed: T, make: impl FnOnce() -> T + Send + 'static) {
        let (outbox, ctx) = (self.outbox.clone(), ctx.clone());
        let job: Job = Box::new(move || {
            let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(make));
            // Nobody listens any more only when the window is gone.
            let _ = outbox.send(made.unwrap_or(failed));
            ctx.request_repaint();
        });
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = &mut *waiting {
            waiting.push(job);
            return;
        }
        *waiting = Some(vec![job]);
        let queue = self.waiting.clone();
        std::thread::spawn(move || {
            while let Some(job) = next(&queue) {
                job();
            }
        });
    }

    /// What was made since the last call.
    pub fn poll(&self) -> impl Iterator<Item = T> + use<T> {
        self.inbox.try_iter().collect::<Vec<T>>().into_iter()
    }
}

/// The newest job; where there is none, the worker is gone from now on.
fn next(queue: &Mutex<Option<Vec<Job>>>) -> Option<Job> {
    let mut waiting = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let job = waiting.as_mut().and_then(Vec::pop);
    if job.is_none() {
        *waiting = None;
    }
    job
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::bounded;
    use std::time::Duration;

    #[test]
    fn one_worker_takes_the_newest_first_and_survives_a_panic() {
        let (background, ctx) = (Background::default(), egui::Context::default());
        let (begun, wait) = (bounded::<()>(1), bounded::<()>(0));
        let (begin, go) = (begun.0, wait.1);
        background.spawn(&ctx, -1, move || {
            begin.send(()).unwrap();
            let _ = go.recv();
            0
        });
        begun.1.recv().unwrap();
        for number in 1..=3 {
            background.spawn(&ctx, -number, move || if number == 2 { panic!("on purpose") } else { number });
        }
        assert_eq!(background.poll().count(), 0, "one at a time");
        drop(wait.0);
        let mut made = Vec::new();
        while made.len() < 4 {
            made.push(background.inbox.recv_timeout(Duration::from_secs(20)).unwrap());
        }
        assert_eq!(made, [0, 3, -2, 1]);
    }
}
