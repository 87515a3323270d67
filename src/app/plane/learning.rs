//! A small network that learns the score of what is drawn, beside the exact one.

use super::Command;
use crate::app::Session;
use crate::app::draft::sentence;
use crate::app::figure::{Scale, log_marks, power_of_ten, quiet, quiet_axis, section, short};
use crate::app::parameters::{menu, parameters};
use crate::app::status::TaskLine;
use crate::app::theme::Theme;
use crate::app::widgets::{Combo, control_width, fit_sliders, human_time, named, row, segmented};
use crate::engine::{
    DeviceChoice, End, Failure, Network, Options, PlaneLearn, PlaneLearned, PlaneLearning, TaskHandle, Update,
};
use crate::plane::{Drawing, Recipe, Scene};
use egui::{DragValue, Label, ProgressBar, RichText, Slider, Ui, vec2};
use egui_plot::{AxisHints, HoverPosition, Line, PlotPoint};
use serde::{Deserialize, Serialize};

/// Which score is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drawn {
    #[default]
    Exact,
    Learned,
    Difference,
}

/// A learning under way or done.
#[derive(Default)]
pub struct Learner {
    task: Option<TaskHandle<PlaneLearn>>,
    live: Option<PlaneLearning>,
    newest: Option<PlaneLearned>,
    /// What it learned, and of what.
    of: Option<(Recipe, Drawing)>,
}

impl Learner {
    /// Begins anew with the scene's recipe.
    pub fn begin(&mut self, scene: &Scene, session: &Session) {
        let recipe = scene.learning.clone().unwrap_or_default();
        self.of = Some((recipe, scene.drawing.clone()));
        (self.live, self.newest) = (None, None);
        self.task = Some(session.begin(PlaneLearn { scene: scene.clone() }, Options::on(DeviceChoice::Cpu)));
    }

    /// Ends it; the network of the moment stays.
    pub fn stop(&self) {
        if let Some(task) = &self.task {
            task.stop();
        }
    }

    /// Whether it is under way.
    pub fn is_active(&self) -> bool {
        self.task.is_some()
    }

    /// The newest of everything.
    pub fn newest(&self) -> Option<&PlaneLearned> {
        self.newest.as_ref()
    }

    /// The network of the moment.
    pub fn network(&self) -> Option<Network> {
        self.newest.as_ref().map(|newest| -> Network { newest.network.clone() })
    }

    /// Takes in what has come. Why it failed, if it did.
    pub fn poll(&mut self, session: &mut Session) -> Option<Failure> {
        let mut failed = None;
        let Some(task) = &self.task else { return None };
        let mut ended = false;
        for update in session.hear(task) {
            match update {
                Update::Report(live) => self.live = Some(live),
                Update::Ended(end) => {
                    ended = true;
                    match end {
                        End::Finished(last) => self.newest = Some(last),
                        End::Failed(failure) => failed = Some(failure),
                        End::Stopped => {}
                    }
                }
                Update::Notice(_) | Update::Paused | Update::Resumed => {}
            }
        }
        if let (Some(live), false) = (&self.live, ended) {
            // The first is untrained: every layer would be nothing.
            let shown = live.shown();
            if shown.step > 0 && self.newest.as_ref().is_none_or(|newest| newest.step != shown.step) {
                self.newest = Some(shown);
            }
        }
        if ended {
            self.task = None;
        }
        failed
    }

    /// What it works on.
    pub fn line(&self) -> Option<TaskLine> {
        Some(TaskLine::new("learning the score".into(), self.task.as_ref()?.progress(), 0.05))
    }

    /// Shows the settings and the button.
    pub fn ui(&self, ui: &mut Ui, scene: &mut Scene, drawn: &mut Drawn, commands: &mut Vec<Command>) {
        let recipe = scene.learning.get_or_insert_default();
        let tip = "What the network minimises";
        row(ui, "Objective", tip, |ui| {
            let combo = Combo { name: "Objective", tip, width: control_width(ui) };
            menu(ui, &combo, &mut recipe.matching, |_| true, |_| None);
        });
        parameters(ui, &mut recipe.matching);
        let tip = "Number of training steps";
        row(ui, "Steps", tip, |ui| {
            fit_sliders(ui);
            named(ui.add(Slider::new(&mut recipe.steps, 100..=20_000).logarithmic(true)), "Training steps", tip);
        });
        self.points(ui, recipe);
        let stale = self.of.as_ref().is_some_and(|(of, drawing)| of != recipe || *drawing != scene.drawing);
        if let Err(why) = recipe.check() {
            ui.add(Label::new(RichText::new(sentence(why)).color(Theme::of(ui).warning)).wrap());
        }
        ui.horizontal(|ui| match &self.task {
            Some(task) => {
                if ui.add(egui::Button::new("Stop learning").min_size(vec2(110.0, 28.0))).clicked() {
                    commands.push(Command::StopLearning);
                }
                let share = task.progress().share as f32;
                ui.add(ProgressBar::new(share).desired_width(ui.available_width()).show_percentage());
            }
            None => {
                let word = if self.newest.is_some() && !stale { "Learn again" } else { "Learn" };
                let tip = "Train a small network on the data, on the CPU";
                let button = egui::Button::new(word).min_size(vec2(110.0, 28.0));
                if ui.add(button).on_hover_text(tip).clicked() {
                    commands.push(Command::Learn);
                }
                if stale {
                    ui.label(RichText::new("the data or settings have changed").small().weak());
                }
            }
        });
        if self.newest.is_some() {
            let tip = "The score that is drawn: exact, learned, or learned less exact";
            let options = [
                (Drawn::Exact, "Exact", None, tip),
                (Drawn::Learned, "Learned", None, tip),
                (Drawn::Difference, "Difference", None, tip),
            ];
            segmented(ui, drawn, &options);
        }
    }

    fn points(&self, ui: &mut Ui, recipe: &mut Recipe) {
        let tip = "Learn from a few fixed points, which a network can memorise, or from new points in every step";
        let mut few = recipe.points.is_some();
        row(ui, "Points", tip, |ui| {
            if ui.checkbox(&mut few, "Fixed").on_hover_text(tip).changed() {
                recipe.points = few.then_some(50);
            }
            if let Some(points) = &mut recipe.points {
                let field = DragValue::new(points).range(1..=50_000).speed(1.0);
                named(ui.add_sized(vec2(72.0, 24.0), field), "Training points", tip);
            }
        });
    }

    /// Shows how good the network is.
    pub fn figures(&self, ui: &mut Ui) {
        let Some(newest) = &self.newest else { return };
        let theme = Theme::of(ui);
        let history = &newest.losses.history;
        let figure = format!("step {}, {}", newest.step, human_time(newest.seconds));
        section(ui, "loss", "The objective after each step, smoothed", Some(figure), |ui| {
            let (points, scale) = smoothed(history);
            quiet(ui, "loss", scale, 90.0).label_formatter(|_| None).show(ui, |plot| {
                plot.line(Line::new("loss", points).color(theme.accent).width(1.2));
            });
        });
        let tip =
            "√E‖σ·(s − exact)‖² by noise level: 0 is exact. The exact score is known here, so this is no estimate";
        section(ui, "error of the learned score", tip, None, |ui| {
            let place = |ratio: f64, value: f64| PlotPoint::new(ratio.log10(), value.max(1e-6).log10());
            let errors: Vec<PlotPoint> = newest.errors.iter().map(|level| place(level.ratio, level.error)).collect();
            let axes = [AxisHints::new_x(), AxisHints::new_y().min_thickness(36.0)];
            let [x, y] = axes.map(|axis| quiet_axis(ui, axis).formatter(power_of_ten));
            quiet(ui, "error by noise level", Scale::Log, 110.0)
                .custom_x_axes(vec![x.label("σ/α")])
                .custom_y_axes(vec![y])
                .x_grid_spacer(log_marks)
                .label_formatter(|near: &HoverPosition<'_>| match near {
                    HoverPosition::NearDataPoint { position, .. } => {
                        let [ratio, error] = [position.x, position.y].map(|log| short(10f64.powf(log)));
                        Some(format!("error {error}\nσ/α {ratio}"))
                    }
                    HoverPosition::Elsewhere { .. } => None,
                })
                .show(ui, |plot| {
                    plot.line(Line::new("error", errors.as_slice()).color(theme.accent).width(1.5));
                });
        });
    }
}

/// At most this many points of a curve.
const POINTS: usize = 200;

/// The losses, each the mean of its neighbours, as many as can be told apart; log₁₀ of them where all are positive.
fn smoothed(history: &[f32]) -> (Vec<[f64; 2]>, Scale) {
    let stretch = history.len().div_ceil(POINTS).max(1);
    let mean = |part: &[f32]| part.iter().map(|&loss| f64::from(loss)).sum::<f64>() / part.len() as f64;
    let means = history.chunks(stretch).enumerate().map(|(index, part)| [(index * stretch) as f64, mean(part)]);
    let means: Vec<[f64; 2]> = means.collect();
    match means.iter().all(|[_, loss]| *loss > 0.0) {
        true => (means.into_iter().map(|[step, loss]| [step, loss.log10()]).collect(), Scale::Log),
        // Implicit objectives are known up to a constant only.
        false => (means, Scale::Plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_histories_are_averaged_and_negative_losses_stay_as_they_are() {
        assert_eq!(smoothed(&[1.0, 10.0, 100.0]).0, [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]);
        let (long, _) = smoothed(&[4.0; 1001]);
        assert!(long.len() <= POINTS && long.iter().all(|[_, loss]| (loss - 4f64.log10()).abs() < 1e-9));
        assert!(smoothed(&[1.0, -2.0]) == (vec![[0.0, 1.0], [1.0, -2.0]], Scale::Plain));
    }
}
