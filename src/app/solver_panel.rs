//! The solver's controls: only those that mean something for the solver that is chosen.

use super::parameters::{menu, parameters};
use super::widgets::{Combo, control_width, named, row};
use crate::registry::{Choice, Settings};
use crate::solver::{Dynamics, Grid, Solver};
use crate::task::Steps;
use egui::{DragValue, Ui, vec2};

/// What the controls change.
pub struct SolverPanel<'a> {
    pub solver: &'a mut Choice<dyn Solver>,
    pub grid: &'a mut Choice<dyn Grid>,
    pub steps: &'a mut usize,
    pub denoise: &'a mut bool,
    /// Where estimates can be clipped.
    pub clip: Option<&'a mut bool>,
}

impl SolverPanel<'_> {
    /// Shows solver, steps, grid and last-step denoising.
    pub fn ui(&mut self, ui: &mut Ui) {
        let about = self.solver.about();
        let tip = format!("{}\nSource: {}", about.summary, about.source);
        row(ui, "Solver", &tip, |ui| {
            let combo = Combo { name: "Solver", tip: &tip, width: control_width(ui) };
            menu(ui, &combo, self.solver, |_| true, |_| None);
        });
        parameters(ui, self.solver);
        self.step_count(ui);
        self.time_grid(ui);
        if let Some(clip) = self.clip.as_deref_mut() {
            let tip = "Clip each denoised estimate x̂₀ to the data range; Song et al. 2021 do not";
            ui.checkbox(clip, "Clip x̂₀ to the data range").on_hover_text(tip).accessible_name("Clip");
        }
        if has_last_noise(self.solver) {
            let tip = "Omit the noise of the last update, as in Song et al. 2021 (noise_removal). \
                       A corrector alone: denoise the last state by one more evaluation, as NCSNv2 does";
            ui.checkbox(self.denoise, "Denoise the last step").on_hover_text(tip);
        }
    }

    fn step_count(&mut self, ui: &mut Ui) {
        let tip = "Number of steps N of the time grid, from noise (t = 1) to data (t = 0)";
        row(ui, "Steps N", tip, |ui| {
            let field = DragValue::new(self.steps).range(1..=Steps::MAX).speed(0.5);
            named(ui.add_sized(vec2(control_width(ui), 24.0), field), "Steps", tip);
        });
    }

    fn time_grid(&mut self, ui: &mut Ui) {
        let tip = "Spacing of the N time steps: equal in t, quadratic, by ρ of Karras et al. 2022, equal in log-SNR, by a \
                   table, or at levels of a table of 1000";
        row(ui, "Time grid", tip, |ui| {
            let combo = Combo { name: "Time grid", tip, width: control_width(ui) };
            // Lists are written in files and on the command line.
            menu(ui, &combo, self.grid, |grid| grid.count(&Settings::default()).is_none(), |_| None);
        });
        parameters(ui, self.grid);
    }
}

/// Whether a solver has noise that the last step may leave out.
pub fn has_last_noise(solver: &Choice<dyn Solver>) -> bool {
    solver.entry().dynamics(solver.settings()) != Dynamics::ProbabilityFlow
}
