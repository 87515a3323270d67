//! How long the comparison that is being set up would take here, measured meanwhile.

use crate::app::Context;
use crate::app::settled::Settled;
use crate::compare::{Comparison, Shard};
use crate::engine::{Compare, DeviceChoice, Estimate, Options, TaskHandle, Update};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What decides how long it takes.
#[derive(PartialEq)]
struct Key {
    comparison: Comparison,
    inception: Option<PathBuf>,
    device: DeviceChoice,
}

/// The estimate of what is being set up.
#[derive(Default)]
pub struct Forecast {
    settings: Settled<Key>,
    task: Option<TaskHandle<Compare>>,
    estimate: Option<Estimate>,
}

impl Forecast {
    /// Measures what the settings have become, once they rest, and takes in what was measured. Called once a frame.
    pub fn advance(&mut self, comparison: Option<&Comparison>, inception: Option<&Path>, cx: &mut Context) {
        let (inception, device) = (inception.map(Path::to_owned), cx.draft.device);
        if self.settings.take(comparison.map(|comparison| Key { comparison: comparison.clone(), inception, device })) {
            (self.task, self.estimate) = (None, None);
        }
        for update in self.task.iter().flat_map(|task| cx.session.hear(task)).collect::<Vec<_>>() {
            match update {
                Update::Report(report) => self.estimate = Some(report.estimate),
                // What fails here says so when it is begun.
                Update::Ended(_) => self.task = None,
                _ => {}
            }
        }
        if let Some(Key { comparison, inception, device }) = self.settings.rested(&cx.egui) {
            let task = Compare {
                comparison: comparison.clone(),
                // Nothing is there, and nothing is written.
                folder: PathBuf::from("/nonexistent"),
                shard: Shard::WHOLE,
                save_every: Duration::MAX,
                inception: inception.clone(),
                rehearse: true,
            };
            self.task = Some(cx.session.begin(task, Options::on(*device)));
        }
    }

    /// What was measured.
    pub fn estimate(&self) -> Option<Estimate> {
        self.estimate
    }

    /// Whether it is being measured.
    pub fn is_measuring(&self) -> bool {
        self.task.is_some() || self.settings.is_moving()
    }

    /// Lets go of it.
    pub fn stop(&mut self) {
        self.task = None;
    }
}
