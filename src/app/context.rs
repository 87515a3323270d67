//! What workspaces share: it belongs to none of them.

use super::consent::Consent;
use super::device::{device_combo, why_device};
use super::dialog::Dialogs;
use super::files::Files;
use super::models::{Models, Out};
use super::notices::{Notice, Notices};
use super::photos::{Offer, Wanted};
use super::saving::Saver;
use super::widgets::{control_width, row};
use super::{Action, Draft, Session, Settings};
use crate::task::ModelRef;
use egui::{RichText, Ui};

/// What every workspace may look at, change and ask for.
pub struct Context {
    pub egui: egui::Context,
    /// The engine, and what is known of models, devices and speeds.
    pub session: Session,
    /// The model that was chosen last, until its family is known.
    pub chosen: Option<ModelRef>,
    /// The settings of the next run; its model, family and device are those that every workspace computes with.
    pub draft: Draft,
    pub models: Models,
    pub dialogs: Dialogs,
    pub files: Files,
    /// Which models that files name may be opened.
    pub consent: Consent,
    /// Whether files can be dropped on the window.
    pub drops: bool,
    /// Writes files.
    pub saver: Saver,
    pub notices: Notices,
    /// What the window is asked to do at the end of this frame.
    pub actions: Vec<Action>,
    /// What workspaces have for each other now.
    pub offers: Vec<Offer>,
}

impl Context {
    /// With the settings of the last window.
    pub fn new(egui: &egui::Context, session: Session, settings: &Settings, drops: bool) -> Context {
        let mut consent = Consent::default();
        consent.agree(&settings.draft.model);
        Context {
            egui: egui.clone(),
            session,
            chosen: None,
            draft: settings.draft.clone(),
            models: Models::default(),
            dialogs: Dialogs::default(),
            files: Files::default(),
            consent,
            drops,
            saver: Saver::new(settings.folder.clone()),
            notices: Notices::default(),
            actions: Vec::new(),
            offers: Vec::new(),
        }
    }

    /// Computes with another model from now on, in its own family once that is known, as commands do.
    pub fn choose(&mut self, model: ModelRef) {
        self.session.inspect(&model, self.draft.device);
        self.chosen = Some(model.clone());
        self.draft.model = model;
    }

    /// Takes over the family of the model that was chosen, if it has become known.
    pub fn take_own_family(&mut self) {
        let chosen = self.chosen.as_ref().filter(|chosen| **chosen == self.draft.model);
        let Some(report) = chosen.and_then(|model| self.session.model(model)) else { return };
        report.family.iter().for_each(|family| self.draft.take_family(family));
        self.chosen = None;
    }

    /// The menu that chooses the model. `name` is its accessible name.
    pub fn model_combo(&mut self, ui: &mut Ui, name: &str, width: f32) {
        let Context { session, draft, models, actions, .. } = self;
        models.combo(ui, name, width, &draft.model, &mut Out { session, actions });
    }

    /// The same as a row of a panel.
    pub fn model_row(&mut self, ui: &mut Ui, tip: &str) {
        row(ui, "Model", tip, |ui| self.model_combo(ui, "Model", control_width(ui)));
    }

    /// Where someone's own photos are worked on with the bundled model: what it covers, and where others are.
    pub fn coverage(&mut self, ui: &mut Ui) {
        if self.draft.model.bundled().is_none() {
            return;
        }
        let text =
            "This model covers small drawn landscapes only. For faces, rooms or other photos, choose a published one:";
        ui.add(egui::Label::new(RichText::new(text).small().weak()).wrap());
        if ui.link(RichText::new("Models (F2)").small()).clicked() {
            self.actions.push(Action::Models);
        }
    }

    /// The menu that chooses the device. `name` is its accessible name.
    pub fn device_combo(&mut self, ui: &mut Ui, name: &str, width: f32) {
        device_combo(ui, name, width, &mut self.draft.device, &self.session);
    }

    /// The same as a row of a panel; which device it means, and why.
    pub fn device_row(&mut self, ui: &mut Ui) -> String {
        let tip = why_device(&self.session, self.draft.device);
        row(ui, "Device", &tip, |ui| self.device_combo(ui, "Device", control_width(ui)));
        tip
    }

    /// Tells a person something.
    pub fn tell(&mut self, notices: impl IntoIterator<Item = Notice>) {
        notices.into_iter().for_each(|notice| self.notices.push(notice));
    }

    /// One of the samples that another workspace has, if one has any.
    pub fn sample(&self, number: usize) -> Option<Wanted> {
        self.offers.first().map(|offer| offer.sample(number))
    }
}
