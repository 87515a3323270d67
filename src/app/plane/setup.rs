//! The panel that sets the scene up: data, family, layers, solvers, what is known.

use super::hand::{Hand, Tool};
use super::learning::Drawn;
use super::work::Work;
use super::{Command, layers_of};
use crate::app::card::{self, CardAction};
use crate::app::draft::{Families, sentence};
use crate::app::parameters::{family, parameters};
use crate::app::solver_panel::SolverPanel;
use crate::app::theme::{Theme, UNIT};
use crate::app::widgets::icon::{self, Icon};
use crate::app::widgets::{Combo, control_width, fit_sliders, main_button, named, row, seed_field, segmented};
use crate::app::{math, panes};
use crate::plane::{Drawing, Famous, Guide, Known, Lesson, Pane, Scene, Shape, Start, lessons};
use crate::registry::{Category, Choice};
use crate::sde::FamilyKind;
use crate::solver::Method;
use crate::task::Steps;
use egui::{CollapsingHeader, DragValue, Label, RichText, Slider, Ui, vec2};
use std::sync::LazyLock;

/// What the panel shows and changes.
pub struct Setup<'a> {
    pub scene: &'a mut Scene,
    pub kind: &'a mut FamilyKind,
    pub families: &'a mut Families,
    pub hand: &'a mut Hand,
    pub follow: &'a mut bool,
    pub selected: &'a mut usize,
    pub plays: bool,
    pub work: &'a Work,
    pub drawn: &'a mut Drawn,
    /// The lesson that is taken, by its place.
    pub lesson: Option<usize>,
    /// Classes of the data.
    pub classes: &'a [usize],
    pub commands: &'a mut Vec<Command>,
}

impl Setup<'_> {
    /// Shows the panel: settings that scroll, and below them the button that never does.
    pub fn ui(&mut self, ui: &mut Ui) {
        egui::Panel::bottom("play").resizable(false).show_separator_line(false).show(ui, |ui| {
            ui.add_space(4.0);
            let word = if self.plays { "Pause" } else { "Play" };
            ui.horizontal(|ui| {
                if main_button(ui, word, "Space", vec2(ui.available_width(), 36.0), true).clicked() {
                    self.commands.push(Command::PlayOrPause);
                }
            });
            ui.add_space(4.0);
        });
        panes::settings(ui, |ui| {
            self.lesson(ui);
            self.data(ui);
            ui.separator();
            self.family(ui);
            ui.separator();
            self.layers(ui);
            ui.separator();
            self.panes(ui);
            ui.separator();
            self.particles(ui);
            CollapsingHeader::new("Measurement").default_open(self.scene.known.is_some()).show_unindented(ui, |ui| {
                self.known(ui);
            });
            let (learner, scene) = (&self.work.learner, &mut *self.scene);
            let open = learner.newest().is_some() || learner.is_active() || scene.learning.is_some();
            CollapsingHeader::new("Learned score").default_open(open).show_unindented(ui, |ui| {
                learner.ui(ui, scene, self.drawn, self.commands);
            });
            self.card(ui);
        });
    }

    fn lesson(&mut self, ui: &mut Ui) {
        let tip = "Lessons: scenes with a text, in an order to go through them (Page Up, Page Down)";
        row(ui, "Lesson", tip, |ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            let titles = titles();
            let shown = self.lesson.and_then(|place| titles.get(place)).map_or("None", String::as_str);
            Combo { name: "Lesson", tip, width: control_width(ui) - 2.0 * 28.0 }.menu_beside(ui, shown, |ui| {
                for (place, title) in titles.iter().enumerate() {
                    if ui.selectable_label(self.lesson == Some(place), title).clicked() {
                        self.commands.push(Command::Lesson(place));
                    }
                }
            });
            if icon::quiet_button(ui, Icon::BACK, true, "Previous lesson", "Previous lesson (Page Up)").clicked() {
                self.commands.push(Command::NextLesson(-1));
            }
            if icon::quiet_button(ui, Icon::FORWARD, true, "Next lesson", "Next lesson (Page Down)").clicked() {
                self.commands.push(Command::NextLesson(1));
            }
        });
    }

    fn data(&mut self, ui: &mut Ui) {
        let tip = "Data: a famous set, or what you draw. The score of what is drawn is exact at every time";
        row(ui, "Data", tip, |ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            let combo = Combo { name: "Data", tip, width: control_width(ui) - 56.0 };
            combo.menu_beside(ui, &name(&self.scene.drawing), |ui| {
                for set in <dyn Famous>::all() {
                    let about = set.about();
                    if ui.button(about.name).on_hover_text(about.line()).clicked() {
                        self.commands.push(Command::Famous(Choice::new(*set)));
                    }
                }
            });
            if ui.button("Clear").on_hover_text("Remove all data (Delete)").clicked() {
                self.commands.push(Command::Clear);
            }
        });
        for tools in Tool::ALL.chunks(3) {
            let options: Vec<_> = tools.iter().map(|&(tool, name, tip)| (tool, name, None, tip)).collect();
            segmented(ui, &mut self.hand.tool, &options);
        }
        if matches!(self.hand.tool, Tool::Brush | Tool::Gaussian | Tool::Erase) {
            let tip = "Width of the brush, in the units of the plane";
            row(ui, "Width", tip, |ui| {
                fit_sliders(ui);
                let [least, most] = Hand::WIDTHS;
                named(ui.add(Slider::new(&mut self.hand.width, least..=most).logarithmic(true)), "Width", tip);
            });
            let tip = "The class of what is drawn, from 0, to which guidance can lead";
            row(ui, "Class", tip, |ui| {
                let field = DragValue::new(&mut self.hand.class).range(0..=Drawing::CLASSES - 1).speed(0.05);
                named(ui.add_sized(vec2(64.0, 24.0), field), "Class", tip);
            });
        }
        if self.hand.tool == Tool::Start {
            let tip =
                "Where particles start: at the prior, where the forward SDE led the data, or at points of your own";
            row(ui, "From", tip, |ui| {
                let kind = match &self.scene.start {
                    Start::Prior => 0,
                    Start::Forward => 1,
                    Start::Points(_) => 2,
                };
                let mut chosen = kind;
                segmented(
                    ui,
                    &mut chosen,
                    &[(0, "Prior", None, tip), (1, "Forward", None, tip), (2, "Points", None, tip)],
                );
                if chosen != kind {
                    self.scene.start = match chosen {
                        0 => Start::Prior,
                        1 => Start::Forward,
                        _ => Start::Points(vec![[0.0, 0.0]]),
                    };
                }
            });
        }
        ui.horizontal(|ui| {
            let open = ui
                .button("Open…")
                .on_hover_text("A scene (JSON), a picture whose ink becomes density, or points (CSV) (Ctrl+O)");
            if open.clicked() {
                self.commands.push(Command::Open);
            }
            if ui
                .button("Save…")
                .on_hover_text("The scene, a picture, an animation or the particles (Ctrl+S)")
                .clicked()
            {
                self.commands.push(Command::OfferSave);
            }
        });
    }

    fn family(&mut self, ui: &mut Ui) {
        family(ui, self.kind, self.families);
        match self.kind.with(&self.families.of(*self.kind)) {
            Ok(made) => self.scene.family = made,
            Err(error) => {
                let why = RichText::new(sentence(error)).color(ui.visuals().error_fg_color);
                ui.add(Label::new(why).wrap());
            }
        }
        let tip = "The view grows with the noise, so that all particles stay in it";
        ui.checkbox(self.follow, "View follows the noise").on_hover_text(tip);
    }

    fn layers(&mut self, ui: &mut Ui) {
        let width = (ui.available_width() - 8.0) / 2.0;
        egui::Grid::new("layers").num_columns(2).min_col_width(width).spacing(vec2(8.0, 2.0)).show(ui, |ui| {
            for (place, layer) in layers_of(&mut self.scene.layers).into_iter().enumerate() {
                let response = ui.checkbox(layer.on, layer.name).on_hover_text(layer.tip);
                if response.hovered() {
                    math::light(ui.ctx(), layer.term);
                }
                if place % 2 == 1 {
                    ui.end_row();
                }
            }
        });
    }

    fn panes(&mut self, ui: &mut Ui) {
        let count = self.scene.panes.len();
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            ui.label("Solvers");
            for index in 0..count {
                let chosen = index == *self.selected;
                let tab = ui.selectable_label(chosen, format!(" {} ", index + 1));
                if tab
                    .on_hover_text("Settings of this solver")
                    .accessible_name(format!("Solver {}", index + 1))
                    .clicked()
                {
                    *self.selected = index;
                }
            }
            let add = ui.add_enabled(count < Scene::MOST_PANES, egui::Button::new("+"));
            if add.on_hover_text("Another solver beside, from the same noise").accessible_name("Add solver").clicked() {
                self.commands.push(Command::AddPane);
            }
            if count > 1 && icon::quiet_button(ui, Icon::CROSS, true, "Remove solver", "Remove this solver").clicked() {
                self.commands.push(Command::RemovePane(*self.selected));
            }
        });
        let known = self.scene.known;
        let family = self.scene.family;
        let has_recipe = self.scene.learning.is_some();
        let Some(pane) = self.scene.panes.get_mut(*self.selected) else { return };
        let mut steps = pane.steps.get();
        let Pane { solver, grid, denoise, .. } = pane;
        SolverPanel { solver, grid, steps: &mut steps, denoise, clip: None }.ui(ui);
        pane.steps = Steps::new(steps).unwrap_or(pane.steps);
        let tip = "T: the time at which sampling starts, from the prior of that time. Too small a T cuts the noise off";
        row(ui, "Start at T", tip, |ui| {
            fit_sliders(ui);
            named(ui.add(Slider::new(&mut pane.from, 0.05..=1.0).fixed_decimals(2)), "Start at T", tip);
        });
        self::method(ui, pane, known.as_ref());
        self::guide(ui, pane, self.classes, known.as_ref());
        if has_recipe {
            let tip = "The score that the solver follows: the exact one, or that of the learned network";
            row(ui, "Score", tip, |ui| {
                segmented(ui, &mut pane.learned, &[(false, "Exact", None, tip), (true, "Learned", None, tip)]);
            });
        }
        if let Err(why) = pane.check(&family, known.as_ref(), self.classes) {
            ui.add(Label::new(RichText::new(sentence(why)).color(Theme::of(ui).warning)).wrap());
        }
    }

    fn particles(&mut self, ui: &mut Ui) {
        let tip = "Number of particles of each solver";
        row(ui, "Particles", tip, |ui| {
            fit_sliders(ui);
            let slider = Slider::new(&mut self.scene.count, 10..=Scene::MOST_PARTICLES).logarithmic(true);
            named(ui.add(slider), "Particles", tip);
        });
        let tip = "Determines all noise, the same for all solvers (R: new seed)";
        row(ui, "Seed", tip, |ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            let width = control_width(ui) - 28.0;
            seed_field(ui, &mut self.scene.seed, width, tip);
            if icon::quiet_button(ui, Icon::ROLL, true, "New seed", "Choose a new seed (R)").clicked() {
                self.commands.push(Command::NewSeed);
            }
        });
    }

    fn known(&mut self, ui: &mut Ui) {
        let tip = "What is measured of a point; posterior methods then sample what it leaves possible";
        let kind = |known: &Option<Known>| match known {
            None => 0,
            Some(Known::Line { .. }) => 1,
            Some(Known::HalfPlane { .. }) => 2,
            Some(Known::Point { .. }) => 3,
        };
        let before = kind(&self.scene.known);
        let mut chosen = before;
        let options = [(0, "None", None, tip), (1, "Line", None, tip), (2, "Half", None, tip), (3, "Point", None, tip)];
        segmented(ui, &mut chosen, &options);
        if chosen != before {
            let (direction, value, noise) = ([0.0, 1.0], 0.2, 0.1);
            self.scene.known = match chosen {
                0 => None,
                1 => Some(Known::Line { direction, value, noise }),
                2 => Some(Known::HalfPlane { direction, value, noise }),
                _ => Some(Known::Point { at: [0.3, 0.3], noise: 0.2 }),
            };
        }
        let number = |ui: &mut Ui, label: &str, tip: &str, value: &mut f64, range: std::ops::RangeInclusive<f64>| {
            row(ui, label, tip, |ui| {
                fit_sliders(ui);
                let slider = Slider::new(value, range).clamping(egui::SliderClamping::Never).max_decimals(3);
                named(ui.add(slider), label, tip);
            });
        };
        match &mut self.scene.known {
            None => {
                let text = "A line, a half-plane or a noisy point. The Measure tool draws one.";
                ui.add(Label::new(RichText::new(text).small().weak()).wrap());
            }
            Some(Known::Line { direction, value, noise } | Known::HalfPlane { direction, value, noise }) => {
                let mut angle = direction[1].atan2(direction[0]).to_degrees();
                let before = angle;
                number(ui, "Angle", "Direction that is measured, in degrees", &mut angle, -180.0..=180.0);
                if angle != before {
                    let (sin, cos) = angle.to_radians().sin_cos();
                    *direction = [cos, sin];
                }
                number(ui, "Value", "The coordinate y along that direction", value, -2.0..=2.0);
                number(ui, "Noise", "σ_y: standard deviation of the measurement noise", noise, 0.0..=1.0);
            }
            Some(Known::Point { at: [x, y], noise }) => {
                number(ui, "y₁", "First measured coordinate", x, -2.0..=2.0);
                number(ui, "y₂", "Second measured coordinate", y, -2.0..=2.0);
                number(ui, "Noise", "σ_y: standard deviation of the measurement noise", noise, 0.0..=1.0);
            }
        }
    }

    fn card(&mut self, ui: &mut Ui) {
        let Some(pane) = self.scene.panes.get(*self.selected) else { return };
        let family = self.scene.family;
        CollapsingHeader::new("Solver card").show_unindented(ui, |ui| {
            match card::ui(ui, &pane.solver, &pane.grid, &family) {
                Some(CardAction::Convergence) => self.commands.push(Command::Convergence),
                None => {}
            }
        });
        ui.add_space(UNIT);
    }
}

/// The titles of the lessons, in their order.
pub fn titles() -> &'static [String] {
    static TITLES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let title = |lesson: &Lesson| lesson.scene().map_or_else(|_| lesson.slug.to_owned(), |scene| scene.title);
        lessons().iter().enumerate().map(|(place, lesson)| format!("{} {}", place + 1, title(lesson))).collect()
    });
    &TITLES
}

/// How what is known is imposed.
fn method(ui: &mut Ui, pane: &mut Pane, known: Option<&Known>) {
    if known.is_none() && pane.method.is_none() {
        return;
    }
    let tip = "How the measurement is enforced; without a method the prior is sampled";
    row(ui, "Method", tip, |ui| {
        let shown = pane.method.as_ref().map_or("None", |method| method.about().name);
        Combo { name: "Method", tip, width: control_width(ui) }.menu(ui, shown, |ui| {
            if ui.selectable_label(pane.method.is_none(), "None").clicked() {
                (pane.method, pane.resampling) = (None, None);
            }
            for method in <dyn Method>::all() {
                let about = method.about();
                let chosen = pane.method.as_ref().is_some_and(|now| now.about().slug == about.slug);
                if ui.selectable_label(chosen, about.name).on_hover_text(about.line()).clicked() {
                    (pane.method, pane.guidance, pane.to) = (Some(Choice::new(*method)), None, None);
                }
            }
        });
    });
    if let Some(method) = &mut pane.method {
        parameters(ui, method);
    }
}

/// What leads to a class, or to what is known.
fn guide(ui: &mut Ui, pane: &mut Pane, classes: &[usize], known: Option<&Known>) {
    let classes = if classes.len() < 2 { &[] } else { classes };
    let offered: Vec<_> = known.map(|_| None).into_iter().chain(classes.iter().copied().map(Some)).collect();
    if offered.is_empty() && pane.guidance.is_none() || pane.method.is_some() {
        return;
    }
    let name = |class: Option<usize>| class.map_or_else(|| "Measurement".into(), |class| format!("Class {class}"));
    let tip = "Lead particles to the measurement or to one class of the data, by the exact scores with and without it";
    row(ui, "Guidance", tip, |ui| {
        let shown = pane.guidance.map_or_else(|| "None".into(), |guide| name(guide.class));
        Combo { name: "Guidance", tip, width: control_width(ui) }.menu(ui, &shown, |ui| {
            if ui.selectable_label(pane.guidance.is_none(), "None").clicked() {
                pane.guidance = None;
            }
            for class in offered {
                let chosen = pane.guidance.is_some_and(|guide| guide.class == class);
                if ui.selectable_label(chosen, name(class)).clicked() {
                    let weight = pane.guidance.map_or(1.0, |guide| guide.weight);
                    pane.guidance = Some(Guide { class, weight });
                }
            }
        });
    });
    if let Some(guide) = &mut pane.guidance {
        let tip = "Guidance weight w: 0 is without guidance, 1 the class or posterior itself, more leads beyond it";
        row(ui, "Weight w", tip, |ui| {
            fit_sliders(ui);
            let slider = Slider::new(&mut guide.weight, 0.0..=10.0).clamping(egui::SliderClamping::Never);
            let slider = named(ui.add(slider.max_decimals(2)), "Guidance weight", tip);
            if slider.hovered() {
                math::light(ui.ctx(), "w");
            }
            guide.weight = guide.weight.clamp(0.0, Guide::MOST);
        });
    }
}

/// What a drawing is called.
fn name(drawing: &Drawing) -> String {
    match &drawing.pieces[..] {
        [] => "Nothing drawn".into(),
        [piece] => match &piece.shape {
            Shape::Famous(set) => set.about().name.into(),
            Shape::Ink(_) => "A picture".into(),
            Shape::Points { points, .. } => format!("{} points", points.len()),
            Shape::Gaussian { .. } => "1 Gaussian".into(),
            Shape::Stroke { .. } => "1 stroke".into(),
        },
        pieces => format!("{} pieces", pieces.len()),
    }
}

/// The usual settings of another solver beside those that are there.
pub fn another(scene: &Scene, beside: usize) -> Pane {
    let same = scene.panes.get(beside).cloned().unwrap_or_default();
    // One that is not there yet, so that there is something to compare.
    let there = |slug: &str| scene.panes.iter().any(|pane| pane.solver.about().slug == slug);
    let wanted = ["ddim", "pc", "dpm++", "heun", "euler"].into_iter().find(|slug| !there(slug));
    let solver = wanted.and_then(crate::registry::find::<dyn crate::solver::Solver>).map(Choice::new);
    match solver {
        Some(solver) => Pane { grid: solver.entry().grid(), solver, ..same },
        None => same,
    }
}
