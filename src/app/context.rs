//! What workspaces share: it belongs to none of them.

use super::dialog::Dialogs;
use super::files::Files;
use super::models::Models;
use super::notices::{Notice, Notices};
use super::saving::Saver;
use super::{Action, Draft, Session};
use crate::Pixels;
use crate::sde::Range;

/// What every workspace may look at, change and ask for.
pub struct Context {
    pub egui: egui::Context,
    /// The engine, and what is known of models, devices and speeds.
    pub session: Session,
    /// The settings of the next run; its model, family and device are those that every workspace computes with.
    pub draft: Draft,
    pub models: Models,
    pub dialogs: Dialogs,
    pub files: Files,
    /// Writes files.
    pub saver: Saver,
    pub notices: Notices,
    /// What the window is asked to do at the end of this frame.
    pub actions: Vec<Action>,
    /// What workspaces have for each other now.
    pub offers: Vec<Offer>,
}

impl Context {
    /// Tells a person something.
    pub fn tell(&mut self, notices: impl IntoIterator<Item = Notice>) {
        notices.into_iter().for_each(|notice| self.notices.push(notice));
    }
}

/// Samples of one workspace that others can go on from.
#[derive(Clone, Debug)]
pub struct Offer {
    /// N×C×H×W.
    pub samples: Pixels<f32>,
    /// The values that show as black and white.
    pub range: Range,
}

/// A picture that was made here.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// In [0, 1].
    pub values: Vec<f32>,
    pub name: String,
}

impl Offer {
    /// One of the samples; numbers beyond the last begin anew.
    pub fn sample(&self, number: usize) -> Sample {
        let (low, high) = self.range.bounds();
        let [count, channels, height, width] = self.samples.shape;
        let index = number % count.max(1);
        let unit = |value: &f32| ((f64::from(*value) - low) / (high - low)).clamp(0.0, 1.0) as f32;
        let values = self.samples.sample(index).iter().map(unit).collect();
        Sample { shape: [channels, height, width], values, name: format!("sample {}", index + 1) }
    }
}
