//! The models at hand, and the menu that chooses one.

use super::background::Background;
use super::{Action, Session};
use crate::checkpoint::{self, Entry};
use crate::task::ModelRef;
use egui::{ComboBox, PopupCloseBehavior, RichText, Ui};
use std::path::PathBuf;

/// The catalogue, read in the background, and what is typed into the menu.
#[derive(Debug, Default)]
pub struct Models {
    entries: Vec<(ModelRef, Entry)>,
    incoming: Background<Vec<Entry>>,
    typed: String,
}

impl Models {
    /// Reads the catalogue anew.
    pub fn refresh(&mut self, ctx: &egui::Context, library: Option<PathBuf>) {
        self.incoming.spawn(ctx, Vec::new(), move || checkpoint::catalogue(library.as_deref()));
    }

    /// Takes in a catalogue that has arrived.
    pub fn poll(&mut self) {
        let Some(entries) = self.incoming.poll().last() else { return };
        self.entries = entries.into_iter().filter_map(|entry| Some((entry.reference.parse().ok()?, entry))).collect();
    }

    /// All models at hand.
    pub fn entries(&self) -> &[(ModelRef, Entry)] {
        &self.entries
    }

    /// The name of a model that people read.
    pub fn title(&self, model: &ModelRef) -> String {
        if let Some((_, entry)) = self.entries.iter().find(|(known, _)| known == model) {
            return entry.title.clone();
        }
        model.short()
    }

    /// What is known of a model: its line in the catalogue, and once it was opened its card.
    pub fn card(&self, model: &ModelRef, session: &Session) -> String {
        let summary = self.entries.iter().find(|(known, _)| known == model).map(|(_, entry)| entry.summary.clone());
        let mut lines: Vec<String> = summary.into_iter().filter(|line| !line.is_empty()).collect();
        if let Some(report) = session.model(model) {
            let [channels, height, width] = report.shape;
            let size = match (report.exact, report.size) {
                (true, size) => format!("exact score of {size} samples or components"),
                (false, size) => format!("{:.1} million parameters", size as f64 / 1e6),
            };
            lines.push(format!("{channels}×{height}×{width}, {size}"));
            if let Some(family) = report.family {
                lines.push(format!("trained in {}", family.kind()));
            }
            if let Some((low, high)) = report.ratios {
                lines.push(format!("valid for σ/α from {low:.3e} to {high:.1}"));
            }
            lines.extend(report.card.lines().map(str::to_owned));
        }
        if lines.is_empty() { model.to_string() } else { lines.join("\n") }
    }

    /// The menu that chooses a model. `name` is its accessible name.
    pub fn combo(&mut self, ui: &mut Ui, name: &str, width: f32, model: &ModelRef, out: &mut Out) {
        let tip = format!("Score model s(x, t) ≈ ∇ log p_t(x)\n{}", self.card(model, out.session));
        let shown = ComboBox::from_id_salt(name)
            .selected_text(self.title(model))
            .width(width)
            .truncate()
            .height(440.0)
            .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
            .show_ui(ui, |ui| self.menu(ui, model, out));
        shown.response.on_hover_text(tip).accessible_name(name);
    }

    fn menu(&mut self, ui: &mut Ui, model: &ModelRef, out: &mut Out) {
        ui.set_min_width(260.0);
        for (known, entry) in &self.entries {
            let button = egui::Button::selectable(known == model, &entry.title);
            if ui.add(button).on_hover_text(&entry.summary).clicked() {
                out.actions.push(Action::Model(known.clone()));
                ui.close();
            }
        }
        if !self.entries.iter().any(|(known, _)| known == model) {
            let _ = ui.selectable_label(true, self.title(model)).on_hover_text(model.to_string());
        }
        ui.separator();
        let all = ui.button("All models…").on_hover_text("Details, layers, and how to get published ones (F2)");
        if all.clicked() {
            out.actions.push(Action::Models);
            ui.close();
        }
        let open = ui.button("Open file…").on_hover_text("A checkpoint (.safetensors, .pth) or a run file (.json)");
        if open.clicked() {
            out.actions.push(Action::ChooseFile);
            ui.close();
        }
        let folder = ui.button("Folder of images…").on_hover_text("Use the exact score of the images in a folder");
        if folder.clicked() {
            out.actions.push(Action::ChooseFolder);
            ui.close();
        }
        self.by_name(ui, out);
    }

    /// The same words as the command line's `--model`.
    fn by_name(&mut self, ui: &mut Ui, out: &mut Out) {
        let field = egui::TextEdit::singleline(&mut self.typed)
            .hint_text("path, exact:FOLDER, mixture:NAME")
            .desired_width(f32::INFINITY);
        let response = ui.add(field).accessible_name("Model by name or path");
        let entered = response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        if self.typed.trim().is_empty() {
            return;
        }
        match self.typed.parse::<ModelRef>() {
            Ok(model) if entered => {
                out.actions.push(Action::Model(model));
                self.typed.clear();
                ui.close();
            }
            Ok(_) => {}
            Err(error) => {
                ui.label(RichText::new(error.to_string()).small().color(ui.visuals().error_fg_color));
            }
        }
    }
}

/// What a menu may look at and ask for.
pub struct Out<'a> {
    pub session: &'a Session,
    pub actions: &'a mut Vec<Action>,
}
