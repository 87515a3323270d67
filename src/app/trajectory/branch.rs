//! What a branch from the shown step will do, before it does it.

use super::{Command, Entry, Runs};
use crate::app::Draft;
use crate::app::widgets::modal;
use crate::engine::Recorded;
use crate::registry::number;
use crate::task::Run;
use crate::text::counted;
use std::sync::Arc;

/// A recorded step of a run that can be branched from.
pub struct Point<'a> {
    pub entry: &'a Entry,
    pub moment: Arc<Recorded>,
}

/// The shown step, or one sentence of why it cannot be branched from.
///
/// # Errors
/// If nothing is shown, or it is the first or the last state.
pub fn point(runs: &Runs) -> Result<Point<'_>, String> {
    let nothing = || "Run first: a branch continues a recorded run.".to_owned();
    let entry = runs.current().ok_or_else(nothing)?;
    let moment = entry.view.shown().0.ok_or_else(nothing)?;
    let steps = entry.view.report.times.len().saturating_sub(1);
    if moment.step == 0 {
        return Err("This is the first state; a branch here would be a new run. Choose a later step.".into());
    }
    if moment.step >= steps {
        return Err("This is the last state; go back to an earlier step.".into());
    }
    Ok(Point { entry, moment })
}

/// The run that a branch at `point` will be: the present settings with the parent's model, family and count.
pub fn planned(point: &Point<'_>, draft: &Draft) -> Result<Run, String> {
    let parent = &point.entry.view.report.run;
    let run = draft.run()?;
    Ok(Run { model: parent.model.clone(), family: parent.family, count: parent.count, ..run })
}

/// Shows the panel while `open`; its button asks for the branch.
pub fn ui(ui: &egui::Ui, open: &mut bool, runs: &Runs, draft: &Draft, commands: &mut Vec<Command>) {
    if !*open {
        return;
    }
    modal(ui, "branch", open, 360.0, |ui| {
        ui.heading("Branch");
        ui.add_space(4.0);
        match point(runs) {
            Ok(point) => content(ui, &point, draft, commands),
            Err(why) => {
                ui.label(why);
                ui.add_space(8.0);
                ui.button("Close").clicked()
            }
        }
    });
}

/// Whether the panel is done with.
fn content(ui: &mut egui::Ui, point: &Point<'_>, draft: &Draft, commands: &mut Vec<Command>) -> bool {
    let Point { entry, moment } = point;
    let report = &entry.view.report;
    let steps = report.times.len().saturating_sub(1);
    let (name, step, t) = (&entry.name, moment.step, number(moment.t));
    ui.label(format!("{name} is kept. A new run continues from its state after step {step} of {steps}, t = {t}."));
    ui.add_space(4.0);
    let planned = planned(point, draft);
    match &planned {
        Ok(run) => {
            let solver = run.solver.entry().title(run.solver.settings());
            let (grid, seed) = (run.grid.about().name, run.seed);
            ui.label(format!("With {solver}, the rest of {} ({grid}), seed {seed}", counted(run.steps.get(), "step")));
            let (family, count) = (run.family.kind(), run.count.get());
            ui.label(format!("Unchanged: model, family ({family}) and {}", counted(count, "sample")));
            let parent = &report.run;
            let same = (&run.solver, &run.grid, run.steps, run.seed, run.denoise, run.clip)
                == (&parent.solver, &parent.grid, parent.steps, parent.seed, parent.denoise, parent.clip);
            if same {
                let text = "Settings and seed are unchanged, so the branch would retrace the same path. \
                            Change the solver, steps or seed (R) first.";
                ui.label(egui::RichText::new(text).color(ui.visuals().warn_fg_color));
            }
        }
        Err(why) => {
            ui.label(egui::RichText::new(why).color(ui.visuals().error_fg_color));
        }
    }
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        let start = ui.add_enabled(planned.is_ok(), egui::Button::new("Start branch"));
        if start.clicked() || planned.is_ok() && ui.input(|input| input.key_pressed(egui::Key::Enter)) {
            commands.push(Command::Branch);
            return true;
        }
        ui.button("Cancel").clicked()
    })
    .inner
}
