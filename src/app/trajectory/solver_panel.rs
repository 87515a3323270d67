//! The solver's controls: only those that mean something for the solver that is chosen.

use crate::app::Draft;
use crate::app::parameters::{menu, parameters};
use crate::app::widgets::{Combo, control_width, named, row};
use crate::registry::Settings;
use crate::task::Steps;
use egui::{DragValue, Ui, vec2};

/// Shows solver, steps, grid and last-step denoising.
pub fn ui(ui: &mut Ui, draft: &mut Draft) {
    let about = draft.solver.about();
    let tip = format!("{}\nSource: {}", about.summary, about.source);
    row(ui, "Solver", &tip, |ui| {
        let combo = Combo { name: "Solver", tip: &tip, width: control_width(ui) };
        menu(ui, &combo, &mut draft.solver, |_| true, |_| None);
    });
    parameters(ui, &mut draft.solver);
    steps(ui, draft);
    grid(ui, draft);
    clip(ui, draft);
    denoise(ui, draft);
}

fn steps(ui: &mut Ui, draft: &mut Draft) {
    let tip = "Number of steps N of the time grid, from noise (t = 1) to data (t = 0)";
    row(ui, "Steps N", tip, |ui| {
        let field = DragValue::new(&mut draft.steps).range(1..=Steps::MAX).speed(0.5);
        named(ui.add_sized(vec2(control_width(ui), 24.0), field), "Steps", tip);
    });
}

fn grid(ui: &mut Ui, draft: &mut Draft) {
    let tip = "Spacing of the N time steps: equal in t, quadratic, by ρ of Karras et al. 2022, equal in log-SNR, by a \
               table, or at levels of a table of 1000";
    row(ui, "Time grid", tip, |ui| {
        let combo = Combo { name: "Time grid", tip, width: control_width(ui) };
        // Lists are written in files and on the command line.
        menu(ui, &combo, &mut draft.grid, |grid| grid.count(&Settings::default()).is_none(), |_| None);
    });
    parameters(ui, &mut draft.grid);
}

fn clip(ui: &mut Ui, draft: &mut Draft) {
    let tip = "Clip each denoised estimate x̂₀ to the data range; Song et al. 2021 do not";
    ui.checkbox(&mut draft.clip, "Clip x̂₀ to the data range").on_hover_text(tip).accessible_name("Clip");
}

fn denoise(ui: &mut Ui, draft: &mut Draft) {
    if draft.has_last_noise() {
        let tip = "Omit the noise of the last update, as in Song et al. 2021 (noise_removal). \
                   A corrector alone: denoise the last state by one more evaluation, as NCSNv2 does";
        ui.checkbox(&mut draft.denoise, "Denoise the last step").on_hover_text(tip);
    }
}
