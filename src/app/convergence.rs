//! How fast a solver's error falls with its steps, measured in the window, beside the order that it promises.

use super::Session;
use super::context::Context;
use super::figure::{Scale, dots, log_marks, power_of_ten, quiet, quiet_axis, short};
use super::parameters::{menu, parameters};
use super::theme::{Theme, UNIT};
use super::widgets::{Combo, control_width, main_button, modal, row};
use crate::engine::{Converge, DeviceChoice, End, Options, TaskHandle, Update};
use crate::registry::Choice;
use crate::score::Mixture;
use crate::sde::Family;
use crate::solver::{Dpm2, Solver};
use crate::task::{Convergence, Measured, MeasuredOrder};
use egui::{Label, ProgressBar, RichText, Ui, vec2};
use egui_plot::{AxisHints, HoverPosition, Line, LineStyle, PlotPoint};

/// Points of the panel.
const WIDTH: f32 = 560.0;

/// The panel, and the measurement that it shows.
pub struct ConvergencePanel {
    open: bool,
    solver: Choice<dyn Solver>,
    family: Family,
    data: &'static str,
    shown: Option<Shown>,
}

/// A measurement under way or done.
struct Shown {
    solver: Choice<dyn Solver>,
    data: &'static str,
    family: Family,
    task: Option<TaskHandle<Converge>>,
    rows: Vec<Measured>,
    end: Option<Result<MeasuredOrder, String>>,
}

impl Default for ConvergencePanel {
    fn default() -> Self {
        let family = crate::sde::FamilyKind::Vp.published();
        ConvergencePanel { open: false, solver: Choice::new(&Dpm2), family, data: "gaussian", shown: None }
    }
}

impl ConvergencePanel {
    /// Opens it for a solver in a family, and measures that.
    pub fn offer(&mut self, solver: &Choice<dyn Solver>, family: Family, session: &Session) {
        (self.open, self.solver, self.family) = (true, solver.clone(), family);
        self.measure(session);
    }

    /// Whether it is shown.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// What was measured, once it is.
    pub fn measured(&self) -> Option<&MeasuredOrder> {
        self.shown.as_ref()?.end.as_ref()?.as_ref().ok()
    }

    fn measure(&mut self, session: &Session) {
        let Ok(mixture) = Mixture::named(self.data) else { return };
        let task = Converge(Convergence::new(self.solver.clone(), self.family, mixture));
        let task = session.begin(task, Options::on(DeviceChoice::Cpu));
        let (solver, data, family) = (self.solver.clone(), self.data, self.family);
        self.shown = Some(Shown { solver, data, family, task: Some(task), rows: Vec::new(), end: None });
    }

    /// Takes in what the measurement has said.
    pub fn poll(&mut self, session: &mut Session) {
        let Some(shown) = &mut self.shown else { return };
        let Some(task) = &shown.task else { return };
        for update in session.hear(task) {
            match update {
                Update::Report(rows) => shown.rows = rows,
                Update::Ended(end) => {
                    shown.end = Some(match end {
                        End::Finished(measured) => Ok(measured),
                        End::Stopped => Err("Stopped.".into()),
                        End::Failed(failure) => Err(format!("{} {}", failure.what, failure.remedy)),
                    });
                }
                Update::Notice(_) | Update::Paused | Update::Resumed => {}
            }
        }
        if shown.end.is_some() {
            shown.task = None;
        }
    }

    /// Shows the panel while it is open.
    pub fn ui(&mut self, ui: &Ui, cx: &Context) {
        if !self.open {
            return;
        }
        let mut open = true;
        modal(ui, "convergence", &mut open, WIDTH, |ui| self.content(ui, &cx.session));
        if !open {
            self.open = false;
            // Nobody looks any more.
            self.shown.iter().filter_map(|shown| shown.task.as_ref()).for_each(TaskHandle::stop);
        }
    }

    /// Whether it is done with.
    fn content(&mut self, ui: &mut Ui, session: &Session) -> bool {
        ui.heading("Convergence");
        let about = "Error against steps, on data whose score is exact: the slope in logarithms is the order.";
        ui.add(Label::new(RichText::new(about).small().weak()).wrap());
        ui.add_space(UNIT);
        let tip = "The solver whose order is measured, with its parameters";
        row(ui, "Solver", tip, |ui| {
            let combo = Combo { name: "Solver to measure", tip, width: control_width(ui) };
            menu(ui, &combo, &mut self.solver, |_| true, |_| None);
        });
        parameters(ui, &mut self.solver);
        self.data(ui);
        ui.add_space(UNIT);
        let close = ui.horizontal(|ui| self.buttons(ui, session)).inner;
        ui.add_space(UNIT);
        match &self.shown {
            Some(shown) => shown.ui(ui),
            None => drop(ui.label("Press Measure.")),
        }
        close
    }

    fn data(&mut self, ui: &mut Ui) {
        let tip =
            "The exact mixture that deterministic solvers follow; of stochastic ones, the law of samples of a Gaussian";
        row(ui, "Data", tip, |ui| {
            let in_plane: Vec<&'static str> = Mixture::names().iter().map(|(name, _)| *name).collect();
            let combo = Combo { name: "Data", tip, width: control_width(ui) };
            combo.show(ui, &mut self.data, &in_plane, |name| (*name).replace('-', " "), |_| None);
        });
    }

    /// Whether the panel is done with.
    fn buttons(&mut self, ui: &mut Ui, session: &Session) -> bool {
        let running = self.shown.as_ref().and_then(|shown| shown.task.as_ref());
        if let Some(task) = running {
            if ui.add(egui::Button::new("Stop").min_size(vec2(96.0, 28.0))).clicked() {
                task.stop();
            }
            let share = task.progress().share as f32;
            ui.add(ProgressBar::new(share).desired_width(ui.available_width() - 80.0).show_percentage());
        } else if main_button(ui, "Measure order", "", vec2(140.0, 28.0), true).clicked() {
            self.measure(session);
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| ui.button("Close").clicked()).inner
    }
}

impl Shown {
    fn ui(&self, ui: &mut Ui) {
        let theme = Theme::of(ui);
        match &self.end {
            Some(Err(why)) => {
                ui.add(Label::new(RichText::new(why).color(theme.bad)).wrap());
            }
            Some(Ok(measured)) => {
                ui.add(Label::new(RichText::new(said(&self.solver, measured)).strong()).wrap());
            }
            None => {
                ui.label(RichText::new("Measuring…").weak());
            }
        }
        if self.rows.is_empty() {
            return;
        }
        self.plot(ui);
        self.table(ui);
        let of_law = self.solver.entry().is_stochastic(self.solver.settings());
        let data = if of_law { "one Gaussian".to_owned() } else { self.data.replace('-', " ") };
        let what = format!("{data} · {} · σ/α from 10 to 0.05", self.family.kind());
        ui.label(RichText::new(what).small().weak());
    }

    fn plot(&self, ui: &mut Ui) {
        let theme = Theme::of(ui);
        let points: Vec<PlotPoint> =
            self.rows.iter().filter(|row| row.error > 0.0).map(|row| point(row.steps, row.error)).collect();
        let promised = self.solver.entry().order(self.solver.settings());
        let slope = promised.and_then(|order| Some(through(points.last()?, points.first()?.x, order)));
        let axes = [AxisHints::new_x(), AxisHints::new_y().min_thickness(44.0)];
        let [x, y] = axes.map(|axis| quiet_axis(ui, axis).formatter(power_of_ten));
        quiet(ui, "convergence plot", Scale::Log, 220.0)
            .custom_x_axes(vec![x.label("steps")])
            .custom_y_axes(vec![y])
            .x_grid_spacer(log_marks)
            .label_formatter(|near: &HoverPosition<'_>| match near {
                HoverPosition::NearDataPoint { plot_name, position, .. } => {
                    let [steps, error] = [position.x, position.y].map(|log| short(10f64.powf(log)));
                    Some(format!("{plot_name} error {error}\n{steps} steps"))
                }
                HoverPosition::Elsewhere { .. } => None,
            })
            .show(ui, |plot| {
                if let Some(slope) = &slope {
                    let style = LineStyle::dashed_loose();
                    plot.line(Line::new("promised", slope.as_slice()).color(theme.weak).style(style));
                }
                plot.line(Line::new("measured", points.as_slice()).color(theme.accent).width(1.5));
                dots(plot, "measured", &points, theme.accent);
            });
    }

    fn table(&self, ui: &mut Ui) {
        egui::Grid::new("measured errors").num_columns(4).spacing(vec2(24.0, 2.0)).show(ui, |ui| {
            for title in ["Steps", "Evaluations", "Error", "Order"] {
                ui.label(RichText::new(title).small().weak());
            }
            ui.end_row();
            for row in &self.rows {
                let order = row.order.map_or_else(|| "–".into(), |order| format!("{order:.2}"));
                for figure in [row.steps.to_string(), row.nfe.to_string(), short(row.error), order] {
                    ui.label(RichText::new(figure).monospace());
                }
                ui.end_row();
            }
        });
    }
}

fn point(steps: usize, error: f64) -> PlotPoint {
    PlotPoint::new((steps as f64).log10(), error.log10())
}

/// The line of a slope of −`order` through a point, back to `from`.
fn through(at: &PlotPoint, from: f64, order: f64) -> [PlotPoint; 2] {
    [PlotPoint::new(from, at.y + order * (at.x - from)), *at]
}

/// "Order measured 1.98, promised 2".
fn said(solver: &Choice<dyn Solver>, measured: &MeasuredOrder) -> String {
    let seen = measured.rows.last().and_then(|row| row.order);
    let seen = seen.map_or_else(|| "unknown".into(), |order| format!("{order:.2}"));
    let promised = match measured.promised {
        Some(order) => format!("promised: {order}"),
        None => "none is promised".into(),
    };
    let what = if measured.of_law { " (law of the samples)" } else { "" };
    format!("{}: order measured: {seen}, {promised}{what}", solver.entry().title(solver.settings()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_of_second_order_falls_a_hundredfold_over_a_decade() {
        let [from, to] = through(&point(100, 1e-6), 1.0, 2.0);
        assert!((10f64.powf(from.y) / 10f64.powf(to.y) - 100.0).abs() < 1e-6);
        assert_eq!((from.x, to.x), (1.0, 2.0));
    }
}
