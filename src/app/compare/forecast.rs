//! How long the comparison that is being set up would take here, measured meanwhile.

use crate::app::Context;
use crate::compare::{Comparison, Shard};
use crate::engine::{Compare, Estimate, Options, TaskHandle, Update};
use std::path::Path;
use std::time::{Duration, Instant};

/// Settings that have not changed for this long are measured.
const REST: Duration = Duration::from_millis(600);

/// The estimate of what is being set up.
#[derive(Default)]
pub struct Forecast {
    of: Option<Comparison>,
    changed: Option<Instant>,
    task: Option<TaskHandle<Compare>>,
    estimate: Option<Estimate>,
}

impl Forecast {
    /// Measures what the settings have become, once they rest, and takes in what was measured. Called once a frame.
    pub fn advance(&mut self, comparison: Option<Comparison>, inception: Option<&Path>, cx: &mut Context) {
        if self.of != comparison {
            *self = Forecast { of: comparison, changed: Some(Instant::now()), ..Forecast::default() };
        }
        if let Some(task) = &self.task {
            let mut ended = false;
            for update in cx.session.hear(task) {
                match update {
                    Update::Report(report) => self.estimate = Some(report.estimate),
                    // What fails here says so when it is begun.
                    Update::Ended(_) => ended = true,
                    _ => {}
                }
            }
            if ended {
                self.task = None;
            }
        }
        let (Some(comparison), Some(changed)) = (&self.of, self.changed) else { return };
        match REST.checked_sub(changed.elapsed()) {
            Some(rest) => cx.egui.request_repaint_after(rest),
            None => {
                self.changed = None;
                let task = Compare {
                    comparison: comparison.clone(),
                    // Nothing is there, and nothing is written.
                    folder: std::path::PathBuf::from("/nonexistent"),
                    shard: Shard::WHOLE,
                    save_every: Duration::MAX,
                    inception: inception.map(Path::to_owned),
                    rehearse: true,
                };
                self.task = Some(cx.session.begin(task, Options::on(cx.draft.device)));
            }
        }
    }

    /// What was measured.
    pub fn estimate(&self) -> Option<Estimate> {
        self.estimate
    }

    /// Whether it is being measured.
    pub fn is_measuring(&self) -> bool {
        self.task.is_some() || self.changed.is_some()
    }

    /// Lets go of it.
    pub fn stop(&mut self) {
        self.task = None;
    }
}
