//! The window's frame: top bar, workspace, status bar, panels above them; and what each action does.

use super::branch;
use super::catalogue::{Catalogue, Shelf};
use super::draft::Draft;
use super::export::Exporter;
use super::files::{Dialog, Files, Opened, dropped};
use super::inpaint::{self, Inpaint};
use super::latents::{Ask, Asking, Latents};
use super::layout::{Layout, Pane};
use super::meter::Meter;
use super::models::{Models, Out};
use super::notices::{Notice, Notices, Retry};
use super::picture::PictureView;
use super::settings::{Settings, ThemeChoice};
use super::setup::device_combo;
use super::signs::{self, Sign};
use super::status::Status;
use super::trajectory::{Desk, Trajectory};
use super::workspace::Workspace;
use super::{Action, RunState, Session, help, keys, theme};
use crate::engine::{Command, Devices, Wake};
use anyhow::Context as _;
use eframe::egui_wgpu::RenderState;
use egui::util::undoer::Undoer;
use egui::{Frame, Margin, RichText, Ui};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Pictures need not come faster than screens show them.
const FRAME: Duration = Duration::from_millis(16);
/// The same where the CPU draws: each frame takes from the sampler what it costs.
const SOFTWARE_FRAME: Duration = Duration::from_millis(300);
/// How often the memory of the process is looked at.
const MEMORY_EVERY: Duration = Duration::from_secs(1);

/// What a window begins with.
pub struct Start<'a> {
    pub devices: Devices,
    pub storage: Option<&'a dyn eframe::Storage>,
    pub render_state: Option<&'a RenderState>,
    /// Where imported models lie.
    pub library: Option<PathBuf>,
    /// Where what is painted is kept from window to window.
    pub painting: Option<PathBuf>,
    pub notices: Vec<Notice>,
    /// A file or folder to open at once.
    pub open: Option<PathBuf>,
}

/// The whole window.
pub struct App {
    session: Session,
    draft: Draft,
    history: Undoer<Draft>,
    models: Models,
    catalogue: Catalogue,
    library: Option<PathBuf>,
    files: Files,
    exporter: Exporter,
    notices: Notices,
    theme: ThemeChoice,
    workspace: Workspace,
    trajectory: Trajectory,
    latents: Latents,
    inpaint: Inpaint,
    branching: bool,
    help: bool,
    meter: Meter,
    resident: Option<usize>,
    measured: Option<Instant>,
}

impl App {
    /// A window with the settings of the last one.
    ///
    /// # Errors
    /// If the system gives no thread for the engine.
    pub fn new(ctx: &egui::Context, start: Start<'_>) -> anyhow::Result<App> {
        let settings = Settings::load(start.storage);
        theme::install(ctx);
        ctx.set_theme(settings.theme.preference());
        let wake = ctx.clone();
        let drawn_by_cpu = start.devices.gpu.as_ref().is_some_and(|(_, gpu)| gpu.software);
        let session = Session::start(start.devices, start.library.clone(), move |how| match how {
            Wake::Soon if drawn_by_cpu => wake.request_repaint_after(SOFTWARE_FRAME),
            Wake::Now | Wake::Soon => wake.request_repaint_after(FRAME),
        })
        .context("the sampler's thread cannot be started; close other programs and try again")?;
        let mut picture = PictureView::new(start.render_state);
        picture.settings = settings.picture;
        let mut app = App {
            session,
            draft: settings.draft,
            history: Undoer::default(),
            models: Models::default(),
            catalogue: Catalogue::default(),
            library: start.library,
            files: Files::default(),
            exporter: Exporter::new(settings.folder),
            notices: Notices::default(),
            theme: settings.theme,
            workspace: Workspace::Trajectory,
            trajectory: Trajectory::new(settings.layout, picture),
            latents: Latents::new(settings.latents),
            inpaint: Inpaint::new(settings.inpaint, start.render_state, start.painting),
            branching: false,
            help: false,
            meter: Meter::default(),
            resident: None,
            measured: None,
        };
        app.models.refresh(ctx, app.library.clone());
        start.notices.into_iter().for_each(|notice| app.notices.push(notice));
        if let Some(path) = start.open {
            app.files.open(ctx, path);
        }
        Ok(app)
    }

    /// The runs and what is known of models and devices.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The settings of the next run.
    pub fn draft(&self) -> &Draft {
        &self.draft
    }

    /// The workspace "Latents".
    pub fn latents(&self) -> &Latents {
        &self.latents
    }

    /// The workspace "Inpaint".
    pub fn inpaint(&self) -> &Inpaint {
        &self.inpaint
    }

    /// The window's frame times.
    pub fn frame_time(&self, part: f64) -> Option<Duration> {
        self.meter.quantile(part)
    }

    /// The texts of the notices that stand.
    pub fn notices(&self) -> impl Iterator<Item = &str> {
        self.notices.texts()
    }

    fn settings(&self) -> Settings {
        Settings {
            draft: self.draft.clone(),
            theme: self.theme,
            layout: self.trajectory.layout.clone(),
            picture: self.trajectory.picture.settings.clone(),
            latents: self.latents.saved(),
            inpaint: self.inpaint.saved(),
            folder: self.exporter.folder.clone(),
        }
    }

    /// Takes in what engine, dialogs and writers have said.
    fn poll(&mut self, ctx: &egui::Context) {
        for notice in self.session.poll() {
            self.notices.push(notice);
        }
        // Inpaint takes the news of its own job; all others are of the latents.
        let mut notices = self.inpaint.advance(ctx, &mut self.session, &self.draft);
        notices.extend(self.latents.advance(ctx, &mut self.session, &self.draft));
        notices.into_iter().for_each(|notice| self.notices.push(notice));
        if let Some(flow) = self.latents.take_journey() {
            self.session.inspect(&flow.model);
            self.draft.take_journey(&flow);
        }
        self.models.poll();
        if let Some((notice, model)) = self.catalogue.poll() {
            self.notices.push(notice);
            self.models.refresh(ctx, self.library.clone());
            model.into_iter().for_each(|model| self.apply(ctx, Action::Model(model)));
        }
        for opened in self.files.poll() {
            match opened {
                Opened::Run(run, path) => {
                    self.draft.take(&run);
                    let name = path.file_name().unwrap_or(path.as_os_str()).display();
                    self.notices.push(Notice::remark(format!("The settings are now those of {name}; press Run.")));
                }
                Opened::Model(model) => self.apply(ctx, Action::Model(model)),
                Opened::Latents(path) => {
                    self.workspace = Workspace::Latents;
                    self.latents.put_latents(ctx, None, path);
                }
                Opened::Picture(path) => {
                    self.workspace = Workspace::Inpaint;
                    self.inpaint.open_photo(ctx, &path);
                }
                Opened::Path(path) if self.latents.take_path(ctx, &path) => {}
                Opened::Path(path) if self.inpaint.take_path(ctx, &path) => {}
                Opened::Path(path) => self.files.open(ctx, path),
                Opened::SaveTo(path) if self.inpaint.save_to(ctx, &path) => {
                    self.exporter.folder = path.parent().map(PathBuf::from);
                }
                Opened::SaveTo(path) if self.latents.saver.is_open() => self.latents.saver.save_to(&path),
                Opened::SaveTo(path) => self.exporter.save_to(&path),
                Opened::Refused(notice) => self.notices.push(notice),
            }
        }
        if let Some(notice) = self.exporter.poll() {
            self.notices.push(notice);
        }
        if self.measured.is_none_or(|at| at.elapsed() > MEMORY_EVERY) {
            self.measured = Some(Instant::now());
            self.resident = memory_stats::memory_stats().map(|stats| stats.physical_mem);
        }
    }

    fn top_bar(&mut self, ui: &mut Ui, actions: &mut Vec<Action>) {
        ui.horizontal(|ui| {
            ui.label(RichText::new("Score Explorer").strong().size(14.0));
            ui.add_space(8.0);
            for (workspace, name, question) in Workspace::ALL {
                let tab = ui.selectable_label(self.workspace == workspace, name);
                if tab.on_hover_text(question).clicked() {
                    self.workspace = workspace;
                }
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if ui.button("?").on_hover_text("Keys and help (F1)").accessible_name("Help").clicked() {
                    actions.push(Action::Help);
                }
                self.theme_menu(ui, actions);
                ui.spacing_mut().item_spacing.x = 6.0;
                device_combo(ui, "Device menu", 84.0, &mut self.draft.device, &self.session);
                let mut out = Out { session: &self.session, actions };
                self.models.combo(ui, "Model menu", 190.0, &self.draft.model, &mut out);
                let tip = "All models: cards, layers, and how to get published ones (F2)";
                if ui.button("Models").on_hover_text(tip).clicked() {
                    out.actions.push(Action::Models);
                }
                self.pane_toggles(ui);
            });
        });
    }

    fn theme_menu(&self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let sign = match self.theme {
            ThemeChoice::Dark => Sign::Moon,
            ThemeChoice::Light => Sign::Sun,
            ThemeChoice::System => Sign::HalfMoon,
        };
        let button = signs::button(ui, sign, true, "Theme", "Theme: dark, light, or the system's");
        egui::Popup::menu(&button).show(|ui| {
            for theme in ThemeChoice::ALL {
                if ui.selectable_label(self.theme == theme, theme.name()).clicked() {
                    actions.push(Action::Theme(theme));
                }
            }
        });
    }

    /// The panes of the workspace that is shown.
    fn layout(&mut self) -> &mut Layout {
        match self.workspace {
            Workspace::Trajectory => &mut self.trajectory.layout,
            Workspace::Latents => &mut self.latents.layout,
            Workspace::Inpaint => &mut self.inpaint.layout,
        }
    }

    fn pane_toggles(&mut self, ui: &mut Ui) {
        let layout = self.layout();
        for (pane, sign, side) in [(Pane::Plots, Sign::RightPanel, "right"), (Pane::Setup, Sign::LeftPanel, "left")] {
            let open = layout.is_open(pane);
            let verb = if open { "Hide" } else { "Show" };
            let tip = format!("{verb} the panel at the {side}");
            if signs::button(ui, sign, open, &format!("{} panel", pane.name()), &tip).clicked() {
                layout.set_open(pane, !open);
            }
        }
    }

    fn workspace(&mut self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let App { session, draft, models, trajectory, latents, inpaint, .. } = self;
        let mut desk = Desk { session, draft, models, actions };
        match self.workspace {
            Workspace::Trajectory => trajectory.ui(ui, &mut desk),
            Workspace::Latents => latents.ui(ui, &mut desk),
            Workspace::Inpaint => inpaint.ui(ui, &mut desk),
        }
    }

    fn status_bar(&self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let status = Status {
            session: &self.session,
            device: self.draft.device,
            meter: &self.meter,
            resident: self.resident,
            export: self.exporter.progress(),
            job: self.latents.line().map(|line| (line, Action::Latents(Ask::Stop))).or_else(|| {
                let line = self.inpaint.fills.line()?;
                Some((line, Action::Inpaint(inpaint::Ask::Stop)))
            }),
            job_shown: self.workspace != Workspace::Trajectory,
        };
        status.ui(ui, actions);
    }

    fn panels_above(&mut self, ui: &Ui, actions: &mut Vec<Action>) {
        if self.exporter.ui(ui, &self.session, actions) {
            let name = self.exporter.file_name();
            let dialog = Dialog::Save { folder: self.exporter.folder.as_deref(), name: &name };
            self.inpaint.asking = None;
            self.files.ask(ui.ctx(), dialog);
        }
        if self.latents.save_ui(ui, actions) {
            let name = self.latents.saver.file_name();
            let dialog = Dialog::Save { folder: self.exporter.folder.as_deref(), name: &name };
            self.inpaint.asking = None;
            self.files.ask(ui.ctx(), dialog);
        }
        let App { session, models, catalogue, draft, library, .. } = self;
        let mut shelf = Shelf { session, models, model: &draft.model, library: library.as_ref(), actions };
        catalogue.ui(ui, &mut shelf);
        branch::ui(ui, &mut self.branching, &self.session, &self.draft, actions);
        help::ui(ui, &mut self.help, self.workspace.about(), self.workspace.bindings());
        self.notices.ui(ui, actions);
    }

    /// Settings that stay as they are for a moment become a step that can be undone.
    fn remember(&mut self, ctx: &egui::Context) {
        let busy = ctx.input(|input| input.pointer.any_down()) || ctx.text_edit_focused();
        if !busy {
            self.history.add_undo(&self.draft);
            self.latents.remember();
        }
    }

    fn apply(&mut self, ctx: &egui::Context, action: Action) {
        match action {
            Action::RunOrPause => self.run_or_pause(),
            Action::RunAgain => self.begin(),
            Action::Step => self.step(),
            Action::Stop => self.session.send(Command::Stop),
            Action::OfferBranch => self.branching = true,
            Action::Branch => self.branch(),
            Action::NewSeed => self.draft.seed = new_seed(),
            Action::Select(id) => self.session.shown = Some(id),
            Action::Close(id) => self.session.close(id),
            Action::ChooseFile => self.choose(ctx, Dialog::OpenFile, None),
            Action::ChooseFolder => self.choose(ctx, Dialog::OpenFolder, None),
            Action::Open(path) if self.take_drop(ctx, &path) => {}
            Action::Open(path) => self.files.open(ctx, path),
            Action::Model(model) => {
                self.session.inspect(&model);
                self.catalogue.show(&model);
                self.draft.model = model;
            }
            Action::Models => self.catalogue.toggle(&self.draft.model),
            Action::OfferExport => self.exporter.offer(self.trajectory.sample(), self.session.current()),
            Action::Export(job) => self.exporter.start(ctx, job),
            Action::StopExport => self.exporter.stop(),
            Action::Undo => {
                if let Some(draft) = self.history.undo(&self.draft) {
                    self.draft = draft.clone();
                }
            }
            Action::Redo => {
                if let Some(draft) = self.history.redo(&self.draft) {
                    self.draft = draft.clone();
                }
            }
            Action::Help => self.help = !self.help,
            Action::Theme(theme) => {
                self.theme = theme;
                ctx.set_theme(theme.preference());
            }
            Action::Retry(Retry::Run(run, device)) => self.session.begin(*run, device),
            Action::Retry(Retry::Export(job)) => self.exporter.start(ctx, job),
            Action::Retry(Retry::Fill) => self.ask_inpaint(ctx, inpaint::Ask::FillOrStop),
            Action::Retry(Retry::Latents) => self.latents.go_on(&self.draft),
            Action::Latents(ask) => self.ask(ctx, ask),
            Action::Inpaint(ask) => self.ask_inpaint(ctx, ask),
        }
    }

    /// Hands a dropped file to the workspace that is shown; whether it takes it.
    fn take_drop(&mut self, ctx: &egui::Context, path: &Path) -> bool {
        match self.workspace {
            Workspace::Trajectory => false,
            Workspace::Latents => self.latents.take_drop(ctx, path),
            Workspace::Inpaint => self.inpaint.take_drop(ctx, path, ctx.input(|input| input.modifiers.alt)),
        }
    }

    /// What only the workspace "Inpaint" knows.
    fn ask_inpaint(&mut self, ctx: &egui::Context, ask: inpaint::Ask) {
        match ask {
            inpaint::Ask::FillOrStop => {
                let notice = self.inpaint.fill_or_stop(ctx, &mut self.session, &self.draft);
                notice.into_iter().for_each(|notice| self.notices.push(notice));
                return;
            }
            inpaint::Ask::Stop => return self.inpaint.stop(&self.session),
            _ => {}
        }
        let Some(asking) = self.inpaint.ask(ctx, ask) else { return };
        self.latents.asking = None;
        self.inpaint.asking = Some(asking);
        let name = match asking {
            inpaint::Asking::SaveFilled => self.inpaint.filled_name(),
            _ => self.inpaint.mask_name(),
        };
        let dialog = match asking {
            inpaint::Asking::Photo | inpaint::Asking::Mask => Dialog::OpenPicture,
            inpaint::Asking::SaveMask | inpaint::Asking::SaveFilled => {
                Dialog::Save { folder: self.exporter.folder.as_deref(), name: &name }
            }
        };
        self.files.ask(ctx, dialog);
    }

    /// What only the workspace "Latents" knows.
    fn ask(&mut self, ctx: &egui::Context, ask: Ask) {
        let latents = &mut self.latents;
        match ask {
            Ask::Play => latents.play_or_hold(),
            Ask::Move(frames) => latents.step(frames),
            Ask::Stop => latents.stop(&self.session),
            Ask::GoOn => latents.go_on(&self.draft),
            Ask::Open(slot) => {
                let slot = slot.unwrap_or(latents.focused());
                self.choose(ctx, Dialog::OpenPicture, Some(Asking::Slot(slot)));
            }
            Ask::ChooseSet => self.choose(ctx, Dialog::OpenFolder, Some(Asking::Set)),
            Ask::OfferSave => latents.offer_save(self.exporter.folder.as_deref()),
            Ask::Undo => latents.undo(),
            Ask::Redo => latents.redo(),
        }
    }

    /// Shows a dialog; what is chosen in it is for `asking`, or to be opened.
    fn choose(&mut self, ctx: &egui::Context, dialog: Dialog<'_>, asking: Option<Asking>) {
        self.latents.asking = asking;
        self.inpaint.asking = None;
        self.files.ask(ctx, dialog);
    }

    fn run_or_pause(&mut self) {
        match self.session.active().map(|entry| &entry.view.state) {
            Some(RunState::Running) => self.session.send(Command::Pause),
            Some(_) => self.session.send(Command::Resume),
            None if self.session.pending.is_none() => self.begin(),
            None => {}
        }
    }

    fn begin(&mut self) {
        if !self.draft.seed_locked && !self.session.runs.is_empty() {
            self.draft.seed = new_seed();
        }
        match self.draft.run() {
            Ok(run) => self.session.begin(run, self.draft.device),
            Err(why) => self.notices.push(Notice::error(why)),
        }
    }

    /// Holds a run after one more step; from nothing, begins one and holds it after its first.
    fn step(&mut self) {
        let active = self.session.active().map(|entry| entry.view.state.clone());
        if active.is_none() {
            if self.session.pending.is_some() {
                return;
            }
            self.begin();
        }
        if active != Some(RunState::Paused) {
            self.session.send(Command::Pause);
        }
        self.session.send(Command::Step(1));
    }

    fn branch(&mut self) {
        let planned = branch::point(&self.session)
            .and_then(|point| Ok((point.entry.id(), point.moment.clone(), branch::planned(&point, &self.draft)?)));
        match planned {
            Ok((parent, moment, run)) => self.session.branch(parent, moment, run, self.draft.device),
            Err(why) => self.notices.push(Notice::error(why)),
        }
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        self.poll(ctx);
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        let began = Instant::now();
        let ctx = ui.ctx().clone();
        let above = self.branching
            || self.help
            || self.catalogue.is_open()
            || self.exporter.is_open()
            || self.latents.is_covered();
        let escape_taken = self.workspace == Workspace::Trajectory && self.trajectory.picture.takes_escape();
        let bindings = self.workspace.bindings();
        let mut actions = if above { Vec::new() } else { keys::actions(&ctx, bindings, escape_taken) };
        actions.extend(dropped(ui, self.workspace.promise()).into_iter().map(Action::Open));
        let slim = |margin| Frame::new().fill(ui.visuals().panel_fill).inner_margin(margin);
        let (top, bottom) = (slim(Margin::symmetric(12, 5)), slim(Margin { left: 12, right: 12, top: 0, bottom: 4 }));
        egui::Panel::top("top").frame(top).show(ui, |ui| self.top_bar(ui, &mut actions));
        egui::Panel::bottom("status").frame(bottom).show(ui, |ui| self.status_bar(ui, &mut actions));
        egui::CentralPanel::no_frame().show(ui, |ui| self.workspace(ui, &mut actions));
        self.panels_above(ui, &mut actions);
        for action in actions {
            self.apply(&ctx, action);
        }
        self.remember(&ctx);
        if self.session.active().is_some() {
            self.meter.add(began.elapsed());
        }
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        self.inpaint.keep();
        self.settings().save(storage);
    }

    fn auto_save_interval(&self) -> Duration {
        Duration::from_secs(15)
    }
}

/// A seed that nobody chose: short enough to be read out.
pub(super) fn new_seed() -> u64 {
    fastrand::u64(..1 << 20)
}
