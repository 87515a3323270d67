//! How fast a training would go here, measured while it is set up.

use crate::app::Context;
use crate::app::widgets::{human_time, thousands};
use crate::engine::{DeviceChoice, End, Options, Rehearse, TaskHandle, Update};
use crate::train::Training;
use std::time::{Duration, Instant};

/// Settings that have not changed for this long are measured.
const REST: Duration = Duration::from_millis(500);

/// What decides the speed: the network, the optimiser, the batch, the device.
#[derive(Clone, Debug, PartialEq)]
struct Key {
    training: Training,
    device: DeviceChoice,
}

impl Key {
    fn of(training: &Training, device: DeviceChoice) -> Key {
        let mut training = Training { images: u64::MAX, seed: 0, start: None, snapshots: 0, ..training.clone() };
        training.network.name.clear();
        Key { training, device }
    }
}

/// The speed of the training that is being set up.
#[derive(Debug, Default)]
pub struct Speed {
    key: Option<Key>,
    changed: Option<Instant>,
    task: Option<TaskHandle<Rehearse>>,
    /// Seconds an image takes.
    image: Option<f64>,
}

impl Speed {
    /// Measures what the settings have become, once they rest, and takes in what was measured. Called once a frame.
    pub fn advance(&mut self, training: Option<&Training>, cx: &mut Context) {
        let key = training.map(|training| Key::of(training, cx.draft.device));
        if self.key != key {
            *self = Speed { key, changed: Some(Instant::now()), ..Speed::default() };
        }
        if let Some(task) = &self.task {
            let ends = cx.session.hear(task).into_iter().find_map(|update| match update {
                Update::Ended(end) => Some(end),
                _ => None,
            });
            if let Some(end) = ends {
                self.task = None;
                // What fails here says so when it is begun.
                self.image = if let End::Finished(image) = end { Some(image) } else { None };
            }
        }
        let (Some(key), Some(changed)) = (&self.key, self.changed) else { return };
        match REST.checked_sub(changed.elapsed()) {
            Some(rest) => cx.egui.request_repaint_after(rest),
            None => {
                self.changed = None;
                self.task = Some(cx.session.begin(Rehearse(key.training.clone()), Options::on(cx.draft.device)));
            }
        }
    }

    /// What it means for a training, in words.
    pub fn words(&self, training: &Training) -> String {
        match self.image {
            Some(image) if image > 0.0 => format!(
                "{} a step, {} images an hour, {} in all",
                human_time(image * training.batch as f64),
                thousands((3600.0 / image) as u64),
                human_time(image * training.images as f64)
            ),
            _ if self.task.is_some() || self.changed.is_some() => "Measuring its speed…".into(),
            _ => String::new(),
        }
    }
}
