//! The strip of runs: one tab for each, with its state's colour.

use super::{Command, Entry, Runs};
use crate::app::status::dot;
use crate::app::theme::Theme;
use egui::{Frame, Margin, RichText, Ui};

/// Shows the strip, once there is a run.
pub fn ui(ui: &mut Ui, runs: &Runs, commands: &mut Vec<Command>) {
    if runs.entries.is_empty() {
        return;
    }
    let frame = Frame::new().inner_margin(Margin::symmetric(8, 2)).fill(Theme::of(ui).panel);
    egui::Panel::top("runs").resizable(false).frame(frame).show(ui, |ui| {
        egui::ScrollArea::horizontal().show(ui, |ui| {
            ui.horizontal(|ui| {
                for entry in &runs.entries {
                    ui.push_id(entry.id().0, |ui| tab(ui, entry, runs.shown == Some(entry.id()), commands));
                }
            });
        });
    });
}

fn tab(ui: &mut Ui, entry: &Entry, chosen: bool, commands: &mut Vec<Command>) {
    ui.spacing_mut().item_spacing.x = 4.0;
    let theme = Theme::of(ui);
    dot(ui, entry.view.state.color(theme));
    let run = &entry.view.report.run;
    let tip = format!(
        "{} in {}, {} steps, seed {}, on {}",
        entry.view.report.model.name,
        run.family.kind(),
        run.steps.get(),
        run.seed,
        entry.view.report.device.name
    );
    if ui.selectable_label(chosen, &entry.name).on_hover_text(tip).clicked() {
        commands.push(Command::Select(entry.id()));
    }
    let close = ui.add(egui::Button::new(RichText::new("×").weak()).frame(false));
    let name = format!("Close {}", entry.name);
    if close.on_hover_text("Close this run and free its recording").accessible_name(name).clicked() {
        commands.push(Command::Close(entry.id()));
    }
    ui.add_space(8.0);
}
