//! F1: all keys, and where to begin.

use super::keys::KeyLine;
use super::widgets::modal;
use egui::{RichText, Ui};

/// Shows the help of a workspace; closes it where it is done with.
pub fn ui(ui: &Ui, open: &mut bool, about: &str, lines: &[KeyLine], drops: bool) {
    modal(ui, "help", open, 460.0, |ui| {
        ui.heading("Score Explorer");
        ui.add_space(4.0);
        ui.label(about);
        ui.add_space(8.0);
        ui.spacing_mut().interact_size.y = 18.0;
        egui::Grid::new("keys").num_columns(2).spacing([16.0, 3.0]).show(ui, |ui| {
            for (key, what) in lines {
                ui.label(RichText::new(*key).monospace().strong());
                ui.label(what);
                ui.end_row();
            }
        });
        ui.add_space(8.0);
        let how = match drops {
            true => "Drop a run file, a checkpoint or a folder of images anywhere to open it.",
            false => "Open a run file, a checkpoint or an image with Ctrl+O; under Wayland, files cannot be dropped.",
        };
        ui.label(RichText::new(how).weak());
        ui.add_space(8.0);
        ui.button("Close").clicked()
    });
}
