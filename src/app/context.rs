//! What workspaces share: it belongs to none of them.

use super::dialog::Dialogs;
use super::files::Files;
use super::models::Models;
use super::notices::{Notice, Notices};
use super::photos::{Offer, Wanted};
use super::saving::Saver;
use super::{Action, Draft, Session};

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

    /// One of the samples that another workspace has, if one has any.
    pub fn sample(&self, number: usize) -> Option<Wanted> {
        self.offers.first().map(|offer| offer.sample(number))
    }
}
