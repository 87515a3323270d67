//! F1: all keys, and where to begin.

use super::keys::{Binding, HELP};
use super::widgets::modal;
use egui::{RichText, Ui};

/// Shows the help of a workspace while `open`.
pub fn ui(ui: &Ui, open: &mut bool, about: &str, bindings: &[Binding]) {
    if !*open {
        return;
    }
    modal(ui, "help", open, 460.0, |ui| {
        ui.heading("Score Explorer");
        ui.add_space(4.0);
        ui.label(about);
        ui.add_space(8.0);
        ui.spacing_mut().interact_size.y = 18.0;
        egui::Grid::new("keys").num_columns(2).spacing([16.0, 3.0]).show(ui, |ui| {
            for binding in bindings.iter().chain(&HELP).filter(|binding| !binding.shown.is_empty()) {
                ui.label(RichText::new(binding.shown).monospace().strong());
                ui.label(binding.what);
                ui.end_row();
            }
        });
        ui.add_space(8.0);
        ui.label(RichText::new("Drop a run file, a checkpoint or a folder of pictures anywhere to open it.").weak());
        ui.add_space(8.0);
        ui.button("Close").clicked()
    });
}
