//! The status bar: where the run stands, how fast, on what, with how much memory.

use super::device::why_device;
use super::meter::Meter;
use super::theme::Theme;
use super::widgets::{human_bytes, human_time};
use super::{Action, Session};
use crate::engine::{DeviceChoice, Progress};
use egui::{Align, Color32, Layout, Response, RichText, Ui, vec2};

/// Where a workspace's newest run stands, while it goes on and after it has ended.
#[derive(Clone, Debug)]
pub struct Standing {
    pub color: Color32,
    pub word: String,
    pub about: String,
    /// Steps that are done, 0 to 1.
    pub share: Option<f32>,
    /// Figures, each with what it means.
    pub figures: Vec<(String, &'static str)>,
    /// It has not ended.
    pub active: bool,
    /// The device that computes it, while it is active.
    pub device: Option<String>,
    /// Bytes that the recorded steps of all runs take.
    pub recorded: usize,
}

/// What a workspace works on.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskLine {
    pub what: String,
    /// 0 to 1.
    pub share: f32,
    /// NaN where that is not known.
    pub seconds_left: f32,
    pub nfe: usize,
}

impl TaskLine {
    /// The line of a task that is so far. The time left is known from this share on.
    pub fn new(what: String, progress: Progress, known: f64) -> Self {
        let left = if progress.share > known { progress.left.as_secs_f32() } else { f32::NAN };
        TaskLine { what, share: progress.share as f32, seconds_left: left, nfe: progress.nfe }
    }
}

/// What the bar shows besides the session. What belongs to a workspace comes with that workspace's name.
pub struct Status<'a> {
    pub session: &'a Session,
    pub device: DeviceChoice,
    pub meter: &'a Meter,
    /// A file that is being written: what, and how far (0 to 1).
    pub saving: Option<(&'a str, f32)>,
    pub standing: Option<(&'static str, Standing)>,
    pub task: Option<(&'static str, TaskLine)>,
    /// The workspace that is shown, which has a button of its own to stop its task.
    pub shown: &'static str,
}

impl Status<'_> {
    /// Shows the bar.
    pub fn ui(&self, ui: &mut Ui, actions: &mut Vec<Action>) {
        self.progress_line(ui);
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            self.state(ui, actions);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                self.memory(ui);
                separator(ui);
                self.device(ui);
                self.saving(ui, actions);
                self.working(ui, actions);
            });
        });
    }

    fn standing(&self) -> Option<&Standing> {
        self.standing.as_ref().map(|(_, standing)| standing)
    }

    /// Whether a run goes on, or is about to.
    pub fn is_active(&self) -> bool {
        self.standing().is_some_and(|standing| standing.active)
    }

    /// A slim line across the window.
    fn progress_line(&self, ui: &mut Ui) {
        let (area, _) = ui.allocate_exact_size(vec2(ui.available_width(), 3.0), egui::Sense::hover());
        let theme = Theme::of(ui);
        ui.painter().rect_filled(area, 0, theme.line);
        let loading = self.session.loading.as_ref().and_then(|loading| loading.fraction);
        if let Some(share) = loading.or_else(|| self.standing()?.share) {
            let mut done = area;
            done.set_width(area.width() * share.clamp(0.0, 1.0));
            ui.painter().rect_filled(done, 0, theme.accent);
        }
    }

    fn state(&self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let (color, word) = self.word(Theme::of(ui));
        dot(ui, color);
        let nothing = "Nothing has run yet. Press Run or Space.";
        text(ui, &word).on_hover_text(self.standing().map_or(nothing, |standing| standing.about.as_str()));
        for (figure, tip) in self.standing().iter().flat_map(|standing| &standing.figures) {
            separator(ui);
            text(ui, figure).on_hover_text(*tip);
        }
        let opening = self.session.loading.as_ref().is_some_and(|loading| loading.fraction.is_some());
        let tip = if opening { "Cancel opening this model" } else { "Stop this run and keep its recording (Esc)" };
        if (self.is_active() || opening) && ui.button("Stop").on_hover_text(tip).clicked() {
            let of = self.standing.as_ref().filter(|_| self.is_active()).map(|(name, _)| *name);
            actions.push(of.map_or(Action::StopOpening, Action::Stop));
        }
    }

    /// The state's colour and word.
    fn word(&self, theme: &Theme) -> (Color32, String) {
        if let Some(loading) = &self.session.loading {
            let name = crate::text::name(loading.what.rsplit(['/', '\\']).next().unwrap_or(&loading.what));
            let share = loading.fraction.map(|share| format!(" · {:.0}%", share * 100.0)).unwrap_or_default();
            let left = loading.left().map(|left| format!(" · {} left", human_time(left))).unwrap_or_default();
            return (theme.warning, format!("opening {name}{share}{left}"));
        }
        if self.task.is_some() && !self.is_active() {
            return (theme.accent, "working".into());
        }
        self.standing().map_or((theme.weak, "ready".into()), |standing| (standing.color, standing.word.clone()))
    }

    fn device(&self, ui: &mut Ui) {
        let running = self.standing().and_then(|standing| standing.device.as_ref());
        let device = running.unwrap_or_else(|| &self.session.device(self.device).name);
        // Names of graphics adapters can be longer than what is left.
        let name = egui::Label::new(RichText::new(device)).truncate();
        ui.add(name).on_hover_text(why_device(self.session, self.device));
    }

    fn memory(&self, ui: &mut Ui) {
        let resident = self.meter.resident().map_or_else(|| "–".into(), human_bytes);
        let recorded = self.standing().map_or(0, |standing| standing.recorded);
        let ms = |part| self.meter.quantile(part).map_or(0.0, |frame| frame.as_secs_f64() * 1e3);
        let tip = format!(
            "Memory used by this process; recorded steps take {}.\n\
             Window: 50% of the last {} frames took under {:.1} ms, 99% under {:.1} ms.",
            human_bytes(recorded),
            self.meter.len(),
            ms(0.5),
            ms(0.99)
        );
        text(ui, &resident).on_hover_text(tip);
    }

    fn working(&self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let Some((workspace, task)) = &self.task else { return };
        separator(ui);
        let tip = "Stop this task; finished parts are kept";
        if *workspace != self.shown && ui.button("Stop task").on_hover_text(tip).clicked() {
            actions.push(Action::Stop(workspace));
        }
        ui.add(egui::ProgressBar::new(task.share).desired_width(90.0).desired_height(6.0));
        if task.seconds_left.is_finite() {
            text(ui, &format!("{} left", human_time(f64::from(task.seconds_left))));
        }
        text(ui, &task.what);
    }

    fn saving(&self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let Some((what, share)) = self.saving else { return };
        separator(ui);
        if ui.button("Stop export").clicked() {
            actions.push(Action::StopSaving);
        }
        ui.add(egui::ProgressBar::new(share).desired_width(90.0).desired_height(6.0));
        text(ui, what);
    }
}

/// A filled circle as high as small text.
pub fn dot(ui: &mut Ui, color: Color32) {
    let (area, _) = ui.allocate_exact_size(vec2(10.0, 10.0), egui::Sense::hover());
    ui.painter().circle_filled(area.center(), 4.0, color);
}

fn text(ui: &mut Ui, text: &str) -> Response {
    ui.label(RichText::new(text))
}

fn separator(ui: &mut Ui) {
    ui.label(RichText::new("·").weak());
}
