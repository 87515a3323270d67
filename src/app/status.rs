//! The status bar: where the run stands, how fast, on what, with how much memory.

use super::latents::JobLine;
use super::meter::Meter;
use super::theme::Theme;
use super::widgets::{human_bytes, human_time};
use super::{Action, Entry, RunState, Session};
use crate::engine::DeviceChoice;
use egui::{Align, Color32, Layout, Response, RichText, Ui, vec2};

/// What the bar shows besides the session.
pub struct Status<'a> {
    pub session: &'a Session,
    pub device: DeviceChoice,
    pub meter: &'a Meter,
    /// Bytes that this process holds in memory.
    pub resident: Option<usize>,
    /// An export in progress: what, and how far (0 to 1).
    pub export: Option<(&'a str, f32)>,
    /// A job of a workspace under way, and what ends it.
    pub job: Option<(JobLine, Action)>,
    /// Whether that workspace is shown, which has a button of its own to stop it.
    pub job_shown: bool,
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
                self.exporting(ui, actions);
                self.working(ui, actions);
            });
        });
    }

    /// The run in progress, else the one that is looked at.
    fn entry(&self) -> Option<&Entry> {
        self.session.active().or_else(|| self.session.current())
    }

    /// A slim line across the window.
    fn progress_line(&self, ui: &mut Ui) {
        let (area, _) = ui.allocate_exact_size(vec2(ui.available_width(), 3.0), egui::Sense::hover());
        let theme = Theme::of(ui);
        ui.painter().rect_filled(area, 0, theme.line);
        let loading = self.session.loading.as_ref().and_then(|loading| loading.fraction);
        let share = loading.or_else(|| {
            let progress = self.entry()?.view.snapshot.as_ref()?.progress;
            (progress.steps > 0).then(|| progress.step as f32 / progress.steps as f32)
        });
        if let Some(share) = share {
            let mut done = area;
            done.set_width(area.width() * share.clamp(0.0, 1.0));
            ui.painter().rect_filled(done, 0, theme.accent);
        }
    }

    fn state(&self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let theme = Theme::of(ui);
        let (color, word) = self.word(theme);
        dot(ui, color);
        text(ui, &word).on_hover_text(self.about_run());
        let active = self.session.active().is_some() || self.session.pending.is_some();
        if let Some(progress) = self.entry().and_then(|entry| entry.view.snapshot.as_ref()).map(|s| s.progress) {
            separator(ui);
            text(ui, &format!("step {}/{}", progress.step, progress.steps))
                .on_hover_text("Steps i of N of the time grid that are done");
            separator(ui);
            text(ui, &format!("{} NFE", progress.nfe))
                .on_hover_text("Number of function evaluations: how often the score s(x, t) was asked for, per sample");
            if progress.evaluations_per_second > 0.0 {
                separator(ui);
                text(ui, &format!("{} evaluations/s", rate(progress.evaluations_per_second)))
                    .on_hover_text("Evaluations of the score of one sample in a second, lately");
            }
            if active && progress.step < progress.steps {
                separator(ui);
                text(ui, &format!("{} left", human_time(progress.left.as_secs_f64())))
                    .on_hover_text("Estimated from the speed lately; pauses are not counted");
            } else {
                separator(ui);
                text(ui, &human_time(progress.elapsed.as_secs_f64())).on_hover_text("Time computing, without pauses");
            }
        }
        let opening = self.session.loading.as_ref().is_some_and(|loading| loading.fraction.is_some());
        let tip = if opening { "Do not open this model" } else { "End this run and keep what it recorded (Esc)" };
        if (active || opening) && ui.button("Stop").on_hover_text(tip).clicked() {
            actions.push(Action::Stop);
        }
    }

    /// The state's colour and word.
    fn word(&self, theme: &Theme) -> (Color32, String) {
        if let Some(loading) = &self.session.loading {
            let name = loading.what.rsplit(['/', '\\']).next().unwrap_or(&loading.what);
            let share = loading.fraction.map(|share| format!(" · {:.0} %", share * 100.0)).unwrap_or_default();
            let left = loading.left().map(|left| format!(" · {} left", human_time(left))).unwrap_or_default();
            return (theme.warning, format!("opening {name}{share}{left}"));
        }
        if let Some(pending) = &self.session.pending {
            return (theme.warning, format!("starting {}", pending.name));
        }
        if self.job.is_some() && self.session.active().is_none() {
            return (theme.accent, "working".into());
        }
        let Some(entry) = self.entry() else { return (theme.weak, "ready".into()) };
        let color = state_color(&entry.view.state, theme);
        let name = &entry.name;
        let word = match &entry.view.state {
            RunState::Running => format!("{name} · sampling"),
            RunState::Paused => format!("{name} · paused"),
            RunState::Finished => format!("{name} · finished"),
            RunState::Stopped => format!("{name} · stopped"),
            RunState::Failed(_) => format!("{name} · failed"),
        };
        (color, word)
    }

    fn about_run(&self) -> String {
        match self.entry() {
            None => "Nothing has run yet. Press Run, or Space.".into(),
            Some(Entry { view, .. }) => match &view.state {
                RunState::Failed(failure) => format!("{} {}", failure.what, failure.remedy),
                _ => format!("{} on {}", view.report.model.name, view.report.device.name),
            },
        }
    }

    fn device(&self, ui: &mut Ui) {
        let running = self.session.active().map(|entry| &entry.view.report.device);
        let device = running.unwrap_or_else(|| self.session.device(self.device));
        text(ui, &device.name).on_hover_text(why_device(self.session, self.device));
    }

    fn memory(&self, ui: &mut Ui) {
        let resident = self.resident.map_or_else(|| "–".into(), human_bytes);
        let recorded: usize = self.session.runs.iter().map(Entry::bytes).sum();
        let ms = |part| self.meter.quantile(part).map_or(0.0, |frame| frame.as_secs_f64() * 1e3);
        let tip = format!(
            "Memory of this process; {} of it are recorded moments.\n\
             Window: half of the last {} frames took under {:.1} ms, 99 % under {:.1} ms.",
            human_bytes(recorded),
            self.meter.len(),
            ms(0.5),
            ms(0.99)
        );
        text(ui, &resident).on_hover_text(tip);
    }

    fn working(&self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let Some((job, stop)) = &self.job else { return };
        separator(ui);
        let tip = "End what this workspace computes; what is done is kept";
        if !self.job_shown && ui.button("Stop job").on_hover_text(tip).clicked() {
            actions.push(stop.clone());
        }
        ui.add(egui::ProgressBar::new(job.share).desired_width(90.0).desired_height(6.0));
        if job.seconds_left.is_finite() {
            text(ui, &format!("{} left", human_time(f64::from(job.seconds_left))));
        }
        text(ui, &job.what);
    }

    fn exporting(&self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let Some((what, share)) = self.export else { return };
        separator(ui);
        if ui.button("Stop export").clicked() {
            actions.push(Action::StopExport);
        }
        ui.add(egui::ProgressBar::new(share).desired_width(90.0).desired_height(6.0));
        text(ui, what);
    }
}

/// Which device computes, and why.
pub fn why_device(session: &Session, choice: DeviceChoice) -> String {
    let chosen = session.device(choice);
    let gpu = session.devices.gpu.as_ref().map(|(_, report)| report);
    let because = match (choice, gpu) {
        (DeviceChoice::Cpu, _) => "you chose the CPU".into(),
        (DeviceChoice::Auto | DeviceChoice::Gpu, None) => "no graphics adapter can be used here".into(),
        (DeviceChoice::Gpu, Some(gpu)) if gpu.software => "you chose it, though it is a software adapter".into(),
        (DeviceChoice::Gpu, Some(_)) => "you chose the graphics adapter".into(),
        (DeviceChoice::Auto, Some(gpu)) if gpu.software => {
            let name = gpu.name.split(" (").next().unwrap_or(&gpu.name);
            format!("the only graphics adapter here is a software one ({name})")
        }
        (DeviceChoice::Auto, Some(_)) => "it is a real graphics adapter, shared with this window".into(),
    };
    format!("{}: {because}", chosen.name)
}

/// The colour of a state, the same in the bar and on the tabs.
pub fn state_color(state: &RunState, theme: &Theme) -> Color32 {
    match state {
        RunState::Running => theme.accent,
        RunState::Paused => theme.warning,
        RunState::Finished => theme.good,
        RunState::Stopped => theme.weak,
        RunState::Failed(_) => theme.bad,
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

/// A speed with two or three digits.
fn rate(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}
