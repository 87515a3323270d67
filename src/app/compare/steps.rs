//! Steps that are found for the model meanwhile, and become presets.

use crate::app::widgets::human_time;
use crate::app::{Context, Draft, Notice};
use crate::compare::Cell;
use crate::engine::{End, FindSteps, Options, TaskHandle};
use crate::task::{Count, Run, StepSearch};
use egui::{RichText, Ui};

/// Numbers of steps that are found.
const WANTED: [usize; 4] = [5, 8, 10, 20];
/// Trajectories: fewer than on the command line, as a person waits.
const COUNT: usize = 64;

/// The search, if one is under way.
#[derive(Default)]
pub struct Steps {
    task: Option<(TaskHandle<FindSteps>, Run)>,
}

impl Steps {
    /// Begins one for the solver that is chosen in Trajectory.
    fn begin(&mut self, cx: &mut Context) {
        let run = cx.draft.run().map_err(|error| error.to_string());
        match run.and_then(|run| Ok(Run { count: Count::new(COUNT).map_err(|error| error.to_string())?, ..run })) {
            Ok(run) => {
                let search = StepSearch { run: run.clone(), wanted: WANTED.into() };
                self.task = Some((cx.session.begin(FindSteps(search), Options::on(cx.draft.device)), run));
            }
            Err(why) => cx.notices.push(Notice::error(why)),
        }
    }

    /// The presets that were found, once they are.
    pub fn poll(&mut self, cx: &mut Context) -> Option<Vec<Cell>> {
        let (task, run) = self.task.take()?;
        match cx.session.ended(&task) {
            None => {
                self.task = Some((task, run));
                None
            }
            Some(End::Finished(found)) => {
                Some(found.iter().filter_map(|(steps, ratios)| Cell::found(&run, *steps, ratios).ok()).collect())
            }
            Some(End::Stopped) => None,
            Some(End::Failed(failure)) => {
                cx.notices.push(Notice::error(failure.to_string()));
                None
            }
        }
    }

    /// The button that begins, or how far it has come and the one that ends it.
    pub fn ui(&mut self, ui: &mut Ui, cx: &mut Context) {
        let Some((task, _)) = &self.task else {
            let tip = "Levels for 5, 8, 10 and 20 steps that lose the least of this model's own trajectories, found by \
                       dynamic programming (GITS, Chen et al. 2024). They become presets of the solver in Trajectory";
            let word = format!("Find steps for {}", title(&cx.draft));
            if ui.button(word).on_hover_text(tip).clicked() {
                self.begin(cx);
            }
            return;
        };
        let progress = task.progress();
        ui.horizontal(|ui| {
            let left = if progress.left.is_zero() {
                String::new()
            } else {
                format!(", {} left", human_time(progress.left.as_secs_f64()))
            };
            ui.label(RichText::new(format!("Finding steps: {:.0} %{left}", 100.0 * progress.share)).small().weak());
            if ui.small_button("Stop").on_hover_text("Look for no steps").clicked() {
                task.stop();
            }
        });
    }
}

/// What the solver in Trajectory is called.
fn title(draft: &Draft) -> String {
    draft.solver.entry().title(draft.solver.settings())
}
