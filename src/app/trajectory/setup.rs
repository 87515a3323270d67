//! The panel that sets up the next run.

use super::equation::{equations, process, times};
use super::{Command, Runs, class};
use crate::app::card::{self, CardAction};
use crate::app::parameters::family;
use crate::app::solver_panel::SolverPanel;
use crate::app::widgets::icon::{self, Icon};
use crate::app::widgets::{Combo, control_width, fit_sliders, human_time, main_button, named, row, seed_field};
use crate::app::{Context, Draft, RunState, panes};
use crate::solver::Preset;
use crate::task::Run;
use egui::{RichText, Ui, vec2};

/// What the panel shows and changes.
pub struct Setup<'a> {
    pub cx: &'a mut Context,
    pub runs: &'a Runs,
    pub commands: &'a mut Vec<Command>,
}

impl Setup<'_> {
    /// Shows the panel: settings that scroll, and below them the button that never does.
    pub fn ui(&mut self, ui: &mut Ui) {
        let run = self.cx.draft.run();
        egui::Panel::bottom("run").resizable(false).show_separator_line(false).show(ui, |ui| {
            ui.add_space(4.0);
            self.forecast(ui, &run);
            self.run_button(ui, &run);
            ui.add_space(4.0);
        });
        panes::settings(ui, |ui| {
            self.preset(ui);
            let tip = "Score model s(x, t) ≈ ∇ log p_t(x): a trained network or an exact score";
            self.cx.model_row(ui, tip);
            family(ui, &mut self.cx.draft.family, &mut self.cx.draft.families);
            self.problem(ui, &run);
            ui.separator();
            let Draft { solver, grid, steps, denoise, clip, .. } = &mut self.cx.draft;
            SolverPanel { solver, grid, steps, denoise, clip: Some(clip) }.ui(ui);
            ui.separator();
            self.seed(ui);
            self.count(ui);
            class::ui(ui, self.cx);
            let why = self.cx.device_row(ui);
            ui.label(RichText::new(why).small().weak());
            ui.separator();
            self.card(ui, &run);
        });
    }

    fn preset(&mut self, ui: &mut Ui) {
        let tip = "Presets for solver, time grid and steps: fast ones, and those in Table 1 of Song et al. 2021";
        row(ui, "Preset", tip, |ui| {
            let run = self.cx.draft.run().unwrap_or_default();
            let now = run.preset();
            let shown = now.map_or("Custom", |now| &now.name);
            Combo { name: "Preset", tip, width: control_width(ui) }.menu(ui, shown, |ui| {
                for preset in Preset::all() {
                    let button = egui::Button::selectable(now == Some(preset), preset.name.as_str());
                    if ui.add(button).on_hover_text(&preset.summary).clicked() {
                        let mut run = run.clone();
                        run.apply(preset);
                        // The family's parameters may be such as make no run yet: they stay.
                        let (family, families) = (self.cx.draft.family, self.cx.draft.families.clone());
                        self.cx.draft.take(&run);
                        (self.cx.draft.family, self.cx.draft.families) = (family, families);
                    }
                }
            });
        });
    }

    fn problem(&self, ui: &mut Ui, run: &Result<Run, String>) {
        if let Err(why) = run {
            ui.add(egui::Label::new(RichText::new(why).color(ui.visuals().error_fg_color)).wrap());
        }
    }

    fn seed(&mut self, ui: &mut Ui) {
        let tip = "Determines all noise: the same seed gives the same pixels on the same device (R: new seed)";
        row(ui, "Seed", tip, |ui| {
            let width = control_width(ui) - 2.0 * 28.0;
            ui.spacing_mut().item_spacing.x = 4.0;
            seed_field(ui, &mut self.cx.draft.seed, width, tip);
            if icon::quiet_button(ui, Icon::ROLL, true, "New seed", "Choose a new seed (R)").clicked() {
                self.commands.push(Command::NewSeed);
            }
            let (icon, tip) = if self.cx.draft.seed_locked {
                (Icon::LOCKED, "Locked: every run uses this seed. Click to use a new one for each run.")
            } else {
                (Icon::UNLOCKED, "Unlocked: each run uses a new seed. Click to keep this one.")
            };
            if icon::quiet_button(ui, icon, self.cx.draft.seed_locked, "Lock seed", tip).clicked() {
                self.cx.draft.seed_locked = !self.cx.draft.seed_locked;
            }
        });
    }

    fn count(&mut self, ui: &mut Ui) {
        let tip = "Number of samples in a run, 1 to 64";
        row(ui, "Samples", tip, |ui| {
            fit_sliders(ui);
            let slider = egui::Slider::new(&mut self.cx.draft.count, 1..=crate::app::draft::MOST_SAMPLES);
            named(ui.add(slider), "Samples", tip);
        });
    }

    fn card(&mut self, ui: &mut Ui, run: &Result<Run, String>) {
        let Ok(run) = run else { return };
        egui::CollapsingHeader::new("Solver card").default_open(true).show_unindented(ui, |ui| {
            match card::ui(ui, &run.solver, &run.grid, &run.family) {
                Some(CardAction::Convergence) => self.commands.push(Command::Convergence),
                None => {}
            }
        });
        egui::CollapsingHeader::new("Equations").default_open(true).show_unindented(ui, |ui| {
            process(run).iter().for_each(|equation| card::equation(ui, equation));
            card::equation(ui, &times(run));
            let tip = "Copy the equations and the solver's update rule as text";
            if ui.button("Copy as text").on_hover_text(tip).clicked() {
                let text: Vec<String> = equations(run)
                    .iter()
                    .map(|equation| format!("{}\n{}\n", equation.title, equation.text()))
                    .collect();
                ui.ctx().copy_text(text.join("\n"));
            }
        });
    }

    /// "20 evaluations, about 6 s".
    fn forecast(&self, ui: &mut Ui, run: &Result<Run, String>) {
        let Ok(run) = run else { return };
        let time = self.cx.session.forecast(run, self.cx.draft.device);
        let about = time.map(|seconds| format!(", about {}", human_time(seconds))).unwrap_or_default();
        let text = match run.evaluations() {
            Some(evaluations) => format!("{evaluations} evaluations{about}"),
            None => "As many evaluations as the tolerance requires".into(),
        };
        let tip = "Score evaluations per sample (NFE) for the whole run, and the time at this model's speed";
        ui.label(RichText::new(text).small().weak()).on_hover_text(tip);
    }

    fn run_button(&mut self, ui: &mut Ui, run: &Result<Run, String>) {
        let active = self.runs.active().map(|entry| &entry.view.state);
        let stale = self.runs.current().is_some() && is_stale(self.runs, run.as_ref().ok());
        let word = match active {
            Some(RunState::Running) => "Pause",
            Some(_) => "Resume",
            None if stale => "Run again",
            None => "Run",
        };
        let opening = self.runs.pending.is_some();
        let possible = active.is_some() || run.is_ok() && !opening;
        ui.horizontal(|ui| {
            let both = active.is_some() && stale && run.is_ok();
            let width = ui.available_width();
            let width = if both { (width - 8.0) * 0.6 } else { width };
            let word = if opening { "Opening…" } else { word };
            let mut button = main_button(ui, word, "Space", vec2(width, 36.0), possible);
            if let Err(why) = run {
                button = button.on_disabled_hover_text(why);
            }
            if button.clicked() {
                self.commands.push(Command::RunOrPause);
            }
            if both {
                let again = egui::Button::new("Run again").min_size(vec2(ui.available_width(), 36.0));
                let tip = "Settings have changed since this run began. Stop it and start one with the new settings.";
                if ui.add(again).on_hover_text(tip).clicked() {
                    self.commands.push(Command::RunAgain);
                }
            }
        });
    }
}

/// Whether the run that is looked at had other settings than the next one would have.
pub fn is_stale(runs: &Runs, next: Option<&Run>) -> bool {
    let (Some(entry), Some(next)) = (runs.current(), next) else { return false };
    let shown = &entry.view.report.run;
    Run { origin: shown.origin.clone(), ..next.clone() } != *shown
}
