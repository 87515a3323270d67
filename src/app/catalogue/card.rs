//! The card of one model.

use super::{Catalogue, Shelf, diagram};
use crate::app::Action;
use crate::app::theme::Theme;
use crate::checkpoint::{ASSUMED, Fact, Published, count};
use crate::task::ModelRef;
use egui::{Grid, RichText, Ui};

impl Catalogue {
    pub(super) fn model_card(&mut self, ui: &mut Ui, model: &ModelRef, shelf: &mut Shelf<'_>) {
        ui.heading(shelf.models.title(model));
        let entry = shelf.models.entries().iter().find(|(known, _)| known == model).map(|(_, entry)| entry);
        let report = shelf.session.model(model);
        let card = report.map(|report| report.card.clone()).or_else(|| Some(entry?.description.as_ref()?.card.clone()));
        let summary = entry.map(|entry| entry.summary.clone());
        let text = card.filter(|card| !card.trim().is_empty()).or(summary).unwrap_or_default();
        ui.add_space(4.0);
        self.buttons(ui, model, shelf);
        ui.add_space(8.0);
        // What was assumed is shown above, to be corrected.
        let assumed = report.is_some_and(|report| !report.assumed.is_empty());
        let told: Vec<&str> = text.lines().filter(|line| !(assumed && line.starts_with(ASSUMED))).collect();
        prose(ui, &told.join("\n"));
        let described = report.and_then(|report| report.description.as_ref());
        let described = described.or_else(|| entry.and_then(|entry| entry.description.as_ref()));
        let Some(description) = described else {
            if report.is_none() && entry.is_none() {
                let opening = shelf.session.loading.is_some();
                let line = if opening { "Opening…" } else { "This model is not open; select it again to open it." };
                ui.label(RichText::new(line).weak());
            }
            return;
        };
        ui.add_space(6.0);
        self.drawn.learn(model, description);
        table(ui, self.drawn.facts(), report.and_then(|report| report.ratios));
        if let Some(path) = entry.and_then(|entry| entry.path.as_ref()) {
            ui.label(RichText::new(path.display().to_string()).small().weak());
        }
        ui.add_space(10.0);
        self.layers(ui);
    }

    fn buttons(&mut self, ui: &mut Ui, model: &ModelRef, shelf: &mut Shelf<'_>) {
        let used = model == shelf.model;
        ui.horizontal(|ui| {
            let button = egui::Button::new(if used { "In use" } else { "Use this model" }).selected(!used);
            let tip = "Use it for the next run, for latents and for inpainting";
            if ui.add_enabled(!used, button).on_hover_text(tip).clicked() {
                shelf.actions.push(Action::Model(model.clone()));
            }
        });
        if let (ModelRef::File(path), Some(library)) = (model, shelf.library) {
            ui.add_space(4.0);
            self.importing.ui(ui, path, shelf.session.model(model).map(|report| &**report), library);
        }
    }

    /// The diagram, and the table of layers or tensors.
    fn layers(&mut self, ui: &mut Ui) {
        if !self.drawn.stages().is_empty() {
            diagram::ui(ui, self.drawn.stages());
            ui.add_space(6.0);
        }
        ui.horizontal(|ui| {
            let tip = "Layers, in the order of computation";
            if !self.drawn.stages().is_empty()
                && ui.selectable_label(!self.tensors, "Layers").on_hover_text(tip).clicked()
            {
                self.tensors = false;
            }
            let tip = "Every parameter, by its name in published checkpoints";
            if ui.selectable_label(self.tensors, "Tensors").on_hover_text(tip).clicked() {
                self.tensors = true;
            }
        });
        if self.tensors || self.drawn.stages().is_empty() {
            diagram::tensors(ui, self.drawn.tensors());
        } else {
            diagram::layers(ui, self.drawn.stages());
        }
    }
}

/// What the description says, line by line.
fn table(ui: &mut Ui, facts: &[Fact], ratios: Option<(f64, f64)>) {
    ui.spacing_mut().interact_size.y = 18.0;
    Grid::new("facts").num_columns(2).spacing([16.0, 4.0]).show(ui, |ui| {
        for fact in facts {
            ui.label(RichText::new(fact.what).weak()).on_hover_text(fact.tip);
            ui.label(&fact.value).on_hover_text(fact.tip);
            ui.end_row();
        }
        if let Some((low, high)) = ratios {
            let tip = "Noise relative to the data, σ(t)/α(t): the range that the model covers, in any family";
            ui.label(RichText::new("σ/α").weak()).on_hover_text(tip);
            ui.label(format!("{low:.3e} to {high:.4}")).on_hover_text(tip);
            ui.end_row();
        }
    });
}

/// A card's text: lines that begin with # are headings.
fn prose(ui: &mut Ui, text: &str) {
    for line in text.lines() {
        match line.trim_start_matches('#') {
            "" => ui.add_space(4.0),
            heading if line.starts_with('#') => {
                ui.strong(heading.trim());
            }
            plain => {
                ui.add(egui::Label::new(plain).wrap());
            }
        }
    }
}

/// A checkpoint that others publish, and what to do to get it.
pub(super) fn published(ui: &mut Ui, published: &Published, actions: &mut Vec<Action>) {
    ui.heading(published.name);
    ui.label(RichText::new(published.release.name()).color(Theme::of(ui).weak));
    ui.add_space(8.0);
    let parameters = match published.millions {
        0.0 => "–".into(),
        millions => count((millions * 1e6) as usize),
    };
    let lines = [
        ("Data", format!("{}, {1}×{1}", published.data, published.side)),
        ("Network", published.network.into()),
        ("Parameters", parameters),
        ("Licence", published.release.licence().into()),
        ("Open", published.file()),
    ];
    ui.spacing_mut().interact_size.y = 18.0;
    Grid::new("published").num_columns(2).spacing([16.0, 4.0]).show(ui, |ui| {
        for (what, value) in lines {
            ui.label(RichText::new(what).weak());
            ui.label(value);
            ui.end_row();
        }
        ui.label(RichText::new("Web page").weak());
        ui.horizontal(|ui| {
            ui.hyperlink(published.page()).on_hover_text("Open in the browser");
            copy_button(ui, "Copy address", &published.page());
        });
        ui.end_row();
    });
    ui.add_space(10.0);
    ui.strong("How to get it");
    for (number, step) in (1..).zip(published.steps()) {
        ui.horizontal_top(|ui| {
            ui.label(format!("{number}."));
            ui.vertical(|ui| {
                let (plain, code) = in_backticks(&step);
                ui.add(egui::Label::new(plain).wrap());
                for code in code {
                    ui.horizontal_top(|ui| {
                        copy_button(ui, &format!("Copy command {number}"), &code);
                        ui.add(egui::Label::new(RichText::new(code).monospace().small()).wrap());
                    });
                }
            });
        });
        ui.add_space(2.0);
    }
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        if ui.button("Open file…").on_hover_text("Choose the downloaded file").clicked() {
            actions.push(Action::ChooseFile);
        }
        if ui.button("Open folder…").on_hover_text("Choose the downloaded folder").clicked() {
            actions.push(Action::ChooseFolder);
        }
    });
}

/// Copies `text` to the clipboard.
fn copy_button(ui: &mut Ui, name: &str, text: &str) {
    if ui.small_button("Copy").on_hover_text("Copy to the clipboard").accessible_name(name).clicked() {
        ui.ctx().copy_text(text.into());
    }
}

/// A sentence without its commands, and the commands.
fn in_backticks(text: &str) -> (String, Vec<String>) {
    let (mut plain, mut code) = (String::new(), Vec::new());
    for (place, part) in text.split('`').enumerate() {
        match place % 2 {
            0 => plain.push_str(part),
            _ => {
                plain.push_str("the command below");
                code.push(part.into());
            }
        }
    }
    (plain, code)
}
