//! How fast a training would go here, measured while it is set up.

use crate::app::Context;
use crate::app::settled::Settled;
use crate::app::widgets::{human_time, thousands};
use crate::engine::{DeviceChoice, End, Options, Rehearse, TaskHandle};
use crate::train::Training;

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
    settings: Settled<Key>,
    task: Option<TaskHandle<Rehearse>>,
    /// Seconds an image takes.
    image: Option<f64>,
}

impl Speed {
    /// Measures what the settings have become, once they rest, and takes in what was measured. Called once a frame.
    pub fn advance(&mut self, training: Option<&Training>, cx: &mut Context) {
        if self.settings.take(training.map(|training| Key::of(training, cx.draft.device))) {
            (self.task, self.image) = (None, None);
        }
        if let Some(end) = self.task.as_ref().and_then(|task| cx.session.ended(task)) {
            self.task = None;
            // What fails here says so when it is begun.
            self.image = if let End::Finished(image) = end { Some(image) } else { None };
        }
        if let Some(Key { training, device }) = self.settings.rested(&cx.egui) {
            self.task = Some(cx.session.begin(Rehearse(training.clone()), Options::on(*device)));
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
            _ if self.task.is_some() || self.settings.is_moving() => "Measuring its speed…".into(),
            _ => String::new(),
        }
    }
}
