//! The panel beside the pictures: what the scene says, and how the solvers compare.

use super::Command;
use super::work::Work;
use crate::app::figure::{Scale, dots, log_marks, power_of_ten, quiet, quiet_axis, section, short};
use crate::app::panes;
use crate::app::theme::{HEADING, Theme, UNIT};
use crate::app::trajectory::solved;
use crate::app::widgets::human_time;
use crate::app::{card, math};
use crate::plane::{Pane, Quality, Scene, lessons};
use crate::registry::Equation;
use egui::{Align, Color32, Frame, Label, Layout, Margin, RichText, Ui};
use egui_plot::{AxisHints, HLine, HoverPosition, Line, LineStyle, PlotPoint, PlotPoints, Points};

/// Points of the figures of a solver and the gaps before them.
const FIGURES: f32 = 176.0;

/// What the panel shows.
pub struct Side<'a> {
    pub scene: &'a Scene,
    pub work: &'a Work,
    pub lesson: Option<usize>,
    /// The pane whose settings are shown.
    pub selected: usize,
    pub commands: &'a mut Vec<Command>,
}

impl Side<'_> {
    /// Shows it.
    pub fn ui(&mut self, ui: &mut Ui) {
        panes::figures(ui, 6, |ui| {
            ui.spacing_mut().item_spacing.y = UNIT;
            self.text(ui);
            if !self.scene.panes.is_empty() {
                self.table(ui);
                self.plot(ui);
            }
            self.work.learner.figures(ui);
            self.equations(ui);
        });
    }

    /// Title, sentences and the thing to try.
    fn text(&mut self, ui: &mut Ui) {
        let Scene { title, text, attempt, .. } = self.scene;
        let theme = Theme::of(ui);
        if let Some(place) = self.lesson {
            ui.label(RichText::new(format!("Lesson {} of {}", place + 1, lessons().len())).small().weak());
        }
        if !title.is_empty() {
            ui.add(Label::new(RichText::new(title).size(HEADING).strong()).wrap());
        }
        for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
            math::prose(ui, paragraph.trim());
            ui.add_space(UNIT);
        }
        if !attempt.is_empty() {
            let frame = Frame::new().fill(theme.raised).corner_radius(6).inner_margin(Margin::same(8));
            frame.show(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.label(RichText::new("Try").small().strong().color(theme.accent));
                math::prose(ui, attempt);
            });
            ui.add_space(UNIT);
        }
        if self.lesson.is_some() {
            ui.horizontal(|ui| {
                for (word, by) in [("Previous", -1), ("Next", 1)] {
                    if ui.button(word).clicked() {
                        self.commands.push(Command::NextLesson(by));
                    }
                }
            });
            ui.separator();
        }
    }

    fn table(&self, ui: &mut Ui) {
        let tip = "Sliced Wasserstein distance W₂ of the particles' end from the data, of guidance from p(x)·p(c | x)ʷ \
                   (128 directions, exact by sorting). \
                   Sample: that of as many exact samples, which none can be below but by chance";
        section(ui, "distance from the data", tip, None, |ui| {
            // Long names wrap in what the figures leave.
            let names = (ui.available_width() - FIGURES).max(56.0);
            egui::Grid::new("solvers").num_columns(4).spacing(egui::vec2(12.0, 2.0)).show(ui, |ui| {
                for title in ["", "NFE", "W₂", "time"] {
                    ui.label(RichText::new(title).small().weak());
                }
                ui.end_row();
                for (index, (pane, shown)) in self.scene.panes.iter().zip(&self.work.shown.panes).enumerate() {
                    let name = format!("{} {}", index + 1, pane.solver.entry().title(pane.solver.settings()));
                    let size = egui::vec2(names, ui.spacing().interact_size.y);
                    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
                        ui.set_min_width(names);
                        ui.add(Label::new(RichText::new(name).small()).wrap()).on_hover_text(pane.title());
                    });
                    let figure = |figure: Option<f64>| figure.map_or_else(|| "–".into(), short);
                    for text in [figure(shown.nfe), figure(shown.distance), human_time(shown.seconds)] {
                        ui.label(RichText::new(text).monospace());
                    }
                    ui.end_row();
                }
                if let Some(floor) = self.floor() {
                    ui.label(RichText::new("Sample").small().weak());
                    ui.label("");
                    ui.label(RichText::new(short(floor)).monospace().weak());
                    ui.end_row();
                }
            });
        });
    }

    fn floor(&self) -> Option<f64> {
        self.work.shown.panes.iter().find_map(|pane| pane.floor)
    }

    /// Distance against evaluations: of the clouds that are shown, and for other numbers of steps where these were swept.
    fn plot(&mut self, ui: &mut Ui) {
        let theme = Theme::of(ui);
        let point = |nfe: f64, distance: f64| {
            (nfe > 0.0 && distance > 0.0).then(|| PlotPoint::new(nfe.log10(), distance.log10()))
        };
        let shown: Vec<Option<PlotPoint>> =
            self.work.shown.panes.iter().map(|pane| point(pane.nfe?, pane.distance?)).collect();
        let (swept, under_way) = self.work.swept();
        let line = |rows: &Vec<Quality>| -> Vec<PlotPoint> {
            rows.iter().filter_map(|row| point(row.nfe, row.distance?)).collect()
        };
        let lines: Vec<Vec<PlotPoint>> = swept.iter().map(line).collect();
        let names: Vec<String> = self.scene.panes.iter().map(Pane::title).collect();
        let floor = self.floor().filter(|floor| *floor > 0.0);
        let tip = "Both axes are logarithmic. Large dots: the solvers as they are set; lines: other numbers of steps";
        section(ui, "W₂ against evaluations", tip, None, |ui| {
            let axes = [AxisHints::new_x(), AxisHints::new_y().min_thickness(36.0)];
            let [x, y] = axes.map(|axis| quiet_axis(ui, axis).formatter(power_of_ten));
            let plot = quiet(ui, "distance against evaluations", Scale::Log, 150.0)
                .custom_x_axes(vec![x])
                .custom_y_axes(vec![y])
                .x_grid_spacer(log_marks)
                .label_formatter(|near: &HoverPosition<'_>| match near {
                    HoverPosition::NearDataPoint { plot_name, position, .. } => {
                        let [nfe, distance] = [position.x, position.y].map(|log| short(10f64.powf(log)));
                        Some(format!("{plot_name}\nW₂ {distance} at {nfe} evaluations"))
                    }
                    HoverPosition::Elsewhere { .. } => None,
                });
            plot.show(ui, |plot| {
                if let Some(floor) = floor {
                    let line = HLine::new("sample", floor.log10()).color(theme.weak).style(LineStyle::dashed_loose());
                    plot.hline(line.allow_hover(false));
                }
                for (index, name) in names.iter().enumerate() {
                    let colour = colour(theme, index);
                    if let Some(line) = lines.get(index).filter(|line| !line.is_empty()) {
                        plot.line(Line::new(name, line.as_slice()).color(colour).width(1.2));
                        dots(plot, name, line, colour);
                    }
                    if let Some(Some(point)) = shown.get(index) {
                        let at = PlotPoints::Borrowed(std::slice::from_ref(point));
                        plot.points(Points::new(name, at).radius(4.5).color(colour));
                    }
                }
            });
            let tip = "Measure these solvers with 2 to 60 steps";
            let button = egui::Button::new(if under_way { "Sweeping…" } else { "Sweep steps" });
            if ui.add_enabled(!under_way, button).on_hover_text(tip).clicked() {
                self.commands.push(Command::Sweep);
            }
        });
    }

    /// What is followed, typeset: terms light up while they are shown.
    fn equations(&self, ui: &mut Ui) {
        let family = self.scene.family;
        section(ui, "equations", "Point at a term to see what it means", None, |ui| {
            card::equation(ui, &Equation::new(format!("Forward SDE, {}", family.kind()), family.sde().forward()));
            if let Some(pane) = self.scene.panes.get(self.selected) {
                card::equation(ui, &solved(&pane.solver, &family));
                let rule = pane.solver.entry().equations(pane.solver.settings(), &family);
                rule.iter().for_each(|equation| card::equation(ui, equation));
            }
        });
    }
}

/// The colour of a solver.
fn colour(theme: &Theme, index: usize) -> Color32 {
    let [a, b, c] = theme.series;
    [theme.accent, a, b, c].get(index).copied().unwrap_or(theme.text)
}
