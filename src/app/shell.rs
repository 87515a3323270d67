//! The window's frame: top bar, workspace, status bar, panels above them; and what each action does.

use super::catalogue::{Catalogue, Shelf};
use super::dialog::{Dialog, PathRequest};
use super::files::{OpenedFile, dropped};
use super::graphics::target_colour;
use super::keys::{self, Keys};
use super::meter::Meter;
use super::settings::{Settings, ThemeChoice};
use super::status::Status;
use super::theme::Theme;
use super::workspace::Workspace;
use super::{Action, Context, Draft, Left, Notice, Session, Start, help, theme};
use egui::{Frame, Margin, RichText, Ui};
use std::any::Any;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The whole window.
pub struct App {
    cx: Context,
    workspaces: Vec<Box<dyn Workspace>>,
    /// Place of the workspace that is shown.
    shown: usize,
    catalogue: Catalogue,
    library: Option<PathBuf>,
    /// A file or folder to open.
    request: PathRequest<()>,
    theme: ThemeChoice,
    help: bool,
    meter: Meter,
    /// Whether something may have changed since all was saved.
    unsaved: bool,
    /// Whether the window takes linear light.
    linear_target: bool,
    /// For the window that takes its place, where its graphics device is lost.
    left: Left,
}

/// What a person changes is saved within this time, also where the window then has nothing to draw.
const SAVED_WITHIN: Duration = Duration::from_secs(10);

impl App {
    /// A window with the settings of the last one.
    pub fn new(ctx: &egui::Context, start: Start<'_>) -> App {
        let settings = Settings::load(start.storage);
        theme::install(ctx);
        ctx.set_theme(settings.theme.preference());
        let mut workspaces = super::workspaces(&settings, &start);
        let session = Session::new(ctx, start.devices, start.library.clone());
        let mut cx = Context::new(ctx, session, &settings, start.drops);
        cx.models.refresh(ctx, start.library.clone());
        cx.tell(start.notices);
        // What is asked for decides what is shown, before what was shown last.
        let last = settings.shown.as_str();
        let last = workspaces.iter().position(|workspace| start.open.is_none() && workspace.info().name == last);
        start.open.into_iter().for_each(|path| cx.files.open(ctx, path));
        for (name, left) in start.left.take() {
            if let Some(workspace) = workspaces.iter_mut().find(|workspace| workspace.info().name == name) {
                workspace.take_over(left);
            }
        }
        App {
            cx,
            shown: last.unwrap_or_default(),
            workspaces,
            catalogue: Catalogue::default(),
            library: start.library,
            request: PathRequest::default(),
            theme: settings.theme,
            help: false,
            meter: Meter::default(),
            unsaved: false,
            linear_target: start.render_state.is_some_and(|state| state.target_format.is_srgb()),
            left: start.left,
        }
    }

    /// Leaves what goes on to the next window, if the graphics device of this one is lost; whether it is.
    fn is_left(&mut self) -> bool {
        let is_lost = self.cx.session.devices().gpu_is_gone();
        if is_lost && self.left.borrow().is_empty() {
            let leave = |workspace: &mut Box<dyn Workspace>| Some((workspace.info().name, workspace.leave()?));
            self.left.replace(self.workspaces.iter_mut().filter_map(leave).collect());
        }
        is_lost
    }

    /// What is known of models and devices.
    pub fn session(&self) -> &Session {
        &self.cx.session
    }

    /// The settings of the next run.
    pub fn draft(&self) -> &Draft {
        &self.cx.draft
    }

    /// A workspace by its type.
    pub fn workspace<W: Workspace>(&self) -> Option<&W> {
        self.workspaces.iter().find_map(|workspace| (&**workspace as &dyn Any).downcast_ref())
    }

    /// The texts of the notices that stand.
    pub fn notices(&self) -> impl Iterator<Item = &str> {
        self.cx.notices.texts()
    }

    /// The workspace that is shown, and what it may use.
    fn shown(&mut self) -> Option<(&mut dyn Workspace, &mut Context)> {
        Some((&mut **self.workspaces.get_mut(self.shown)?, &mut self.cx))
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.workspaces.iter().position(|workspace| workspace.info().name == name)
    }

    /// Takes in what engine, threads and dialogs have said.
    fn poll(&mut self) {
        let App { cx, workspaces, catalogue, library, .. } = self;
        let error = cx.session.devices().watch.as_ref().and_then(|watch| watch.take_of_drawing());
        cx.tell(error.map(|error| Notice::error(format!("{error} while it drew; a newer graphics driver may help"))));
        let notices = cx.session.poll();
        cx.tell(notices);
        cx.take_own_family();
        workspaces.iter_mut().for_each(|workspace| workspace.poll(cx));
        cx.models.poll();
        if let Some((notice, model)) = catalogue.poll() {
            cx.notices.push(notice);
            cx.models.refresh(&cx.egui, library.clone());
            cx.actions.extend(model.map(Action::Model));
        }
        if let Some(((), path)) = self.request.poll() {
            cx.files.open(&cx.egui, path);
        }
        for opened in cx.files.poll(&mut cx.consent) {
            match opened {
                OpenedFile::Model(model) => cx.actions.push(Action::Model(model)),
                OpenedFile::Refused(notice) => cx.notices.push(notice),
                opened => drop(workspaces.iter_mut().any(|workspace| workspace.take_file(&opened, cx))),
            }
        }
        let saved = cx.saver.poll(&cx.egui);
        cx.tell(saved);
        cx.offers = workspaces.iter().filter_map(|workspace| workspace.offer()).collect();
        self.meter.weigh();
        self.obey();
    }

    fn top_bar(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            // Where room is short, what can be done without goes first.
            let width = ui.available_width();
            if width >= 1000.0 {
                ui.label(RichText::new("Score Explorer").strong().size(14.0));
                ui.add_space(8.0);
            }
            let (narrow, tight) = (width < 700.0, width < 660.0);
            if narrow {
                ui.spacing_mut().item_spacing.x = 2.0;
                ui.spacing_mut().button_padding.x = 5.0;
            }
            if tight {
                (ui.spacing_mut().item_spacing.x, ui.spacing_mut().button_padding.x) = (1.0, 3.0);
            }
            for (place, workspace) in self.workspaces.iter().enumerate() {
                let name = RichText::new(workspace.info().name);
                let name = if tight { name.small() } else { name };
                let tab = ui.selectable_label(self.shown == place, name);
                if tab.on_hover_text(workspace.info().question).clicked() {
                    self.shown = place;
                }
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if ui.button("?").on_hover_text("Keys and help (F1)").accessible_name("Help").clicked() {
                    self.cx.actions.push(Action::Help);
                }
                self.cx.actions.extend(self.theme.menu(ui).map(Action::Theme));
                ui.spacing_mut().item_spacing.x = if narrow { 3.0 } else { 6.0 };
                self.cx.device_combo(ui, "Device menu", if narrow { 56.0 } else { 84.0 });
                let toggles = 64.0;
                self.cx.model_combo(ui, "Model menu", (ui.available_width() - toggles).clamp(56.0, 190.0));
                let tip = "All models: details, layers, and how to get published ones (F2)";
                // They are the last item of the model's menu, too.
                if width >= 800.0 && ui.button("Models").on_hover_text(tip).clicked() {
                    self.cx.actions.push(Action::Models);
                }
                let panes = self.shown().and_then(|(workspace, _)| workspace.panes());
                panes.into_iter().for_each(|panes| panes.toggles(ui));
            });
        });
    }

    /// Shows the status bar. Whether a run goes on.
    fn status_bar(&mut self, ui: &mut Ui) -> bool {
        let theme = Theme::of(ui);
        let all = || self.workspaces.iter();
        let status = Status {
            session: &self.cx.session,
            device: self.cx.draft.device,
            meter: &self.meter,
            saving: self.cx.saver.progress(),
            standing: all().find_map(|workspace| Some((workspace.info().name, workspace.standing(theme)?))),
            task: all().find_map(|workspace| Some((workspace.info().name, workspace.task()?))),
            shown: all().nth(self.shown).map_or("", |workspace| workspace.info().name),
        };
        let mut actions = Vec::new();
        status.ui(ui, &mut actions);
        let active = status.is_active();
        self.cx.actions.extend(actions);
        active
    }

    fn panels_above(&mut self, ui: &Ui) {
        let App { cx, catalogue, library, .. } = self;
        let Context { session, models, draft, actions, .. } = cx;
        catalogue.ui(ui, &mut Shelf { session, models, model: &draft.model, library: library.as_ref(), actions });
        let drops = cx.drops;
        if self.help
            && let Some((workspace, _)) = self.shown()
        {
            let info = workspace.info();
            let lines = [(info.keys)(), keys::undo_lines(info.undoes), keys::lines(&keys::WINDOW)].concat();
            help::ui(ui, &mut self.help, info.help, &lines, drops);
        }
        self.cx.consent.ui(ui);
        self.cx.notices.ui(ui);
    }

    /// Obeys keys and takes in files that were dropped.
    fn input(&mut self, ui: &Ui) {
        let covered = self.help || self.catalogue.is_open() || self.cx.consent.is_asking();
        let Some((workspace, cx)) = self.shown() else { return };
        if !covered && !workspace.is_covered() {
            let keys = Keys::new(ui.ctx(), workspace.takes_escape());
            workspace.keys(&keys, cx);
            if workspace.info().undoes.is_some() {
                cx.actions.extend(keys.take(&keys::UNDO));
            }
            cx.actions.extend(keys.take(&keys::WINDOW));
        }
        for path in dropped(ui, workspace.info().picture_drop) {
            if !workspace.take_drop(&path, cx) {
                cx.files.open(ui.ctx(), path);
            }
        }
    }

    /// Does what was asked of the window.
    fn obey(&mut self) {
        // What is done may ask for more.
        while !self.cx.actions.is_empty() {
            match self.cx.actions.remove(0) {
                Action::ChooseFile => self.request.ask(&self.cx, Dialog::OpenFile, ()),
                Action::ChooseFolder => self.request.ask(&self.cx, Dialog::OpenFolder, ()),
                Action::Model(model) => {
                    self.cx.consent.agree(&model);
                    self.catalogue.show(&model);
                    self.cx.choose(model);
                }
                Action::Run(run, name) => {
                    let opened = OpenedFile::Run(run, name.into());
                    let (workspaces, cx) = (&mut self.workspaces, &mut self.cx);
                    let _ = workspaces.iter_mut().any(|workspace| workspace.take_file(&opened, cx));
                }
                Action::Models => self.catalogue.toggle(&self.cx.draft.model),
                Action::Undo => self.shown().into_iter().for_each(|(workspace, cx)| workspace.undo(cx)),
                Action::Redo => self.shown().into_iter().for_each(|(workspace, cx)| workspace.redo(cx)),
                Action::Help => self.help = !self.help,
                Action::Theme(theme) => {
                    self.theme = theme;
                    self.cx.egui.set_theme(theme.preference());
                }
                Action::Show(name) => self.shown = self.place(name).unwrap_or(self.shown),
                Action::Stop(name) => {
                    let place = self.place(name).and_then(|place| self.workspaces.get_mut(place));
                    place.into_iter().for_each(|workspace| workspace.stop(&mut self.cx));
                }
                Action::StopOpening if self.cx.session.stop_opening() => {}
                Action::StopOpening => {
                    let busy = self.workspaces.iter_mut().filter(|workspace| workspace.task().is_some());
                    busy.for_each(|workspace| workspace.stop(&mut self.cx));
                }
                Action::StopSaving => self.cx.saver.stop(),
            }
        }
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        if self.is_left() {
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        } else {
            self.poll();
        }
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        if self.is_left() {
            // A frame without anything in it is all that can be drawn without the device.
            return;
        }
        let began = Instant::now();
        self.input(ui);
        let slim = |margin| Frame::new().inner_margin(margin);
        let (top, bottom) = (slim(Margin::symmetric(12, 5)), slim(Margin { left: 12, right: 12, top: 0, bottom: 4 }));
        egui::Panel::top("top").frame(top).show(ui, |ui| self.top_bar(ui));
        let active = egui::Panel::bottom("status").frame(bottom).show(ui, |ui| self.status_bar(ui)).inner;
        if let Some((workspace, cx)) = self.shown() {
            egui::CentralPanel::no_frame().show(ui, |ui| workspace.ui(ui, cx));
            workspace.above(ui, cx);
        }
        self.panels_above(ui);
        self.obey();
        let busy = ui.input(|input| input.pointer.any_down()) || ui.ctx().text_edit_focused();
        if !busy {
            self.workspaces.iter_mut().for_each(|workspace| workspace.settle(&self.cx));
        }
        if active {
            self.meter.add(began.elapsed());
        }
        // Saving comes after a frame that is drawn, and an idle window draws none.
        self.unsaved |= ui.input(|input| !input.events.is_empty());
        if self.unsaved {
            ui.ctx().request_repaint_after(SAVED_WITHIN);
        }
    }

    // The ground of all panels, which none of them fills: each fill costs a software rasteriser as much as the rest.
    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        target_colour(visuals.panel_fill, self.linear_target)
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        let Context { draft, saver, .. } = &self.cx;
        let (draft, folder) = (draft.clone(), saver.folder.clone());
        let shown = self.workspaces.get(self.shown).map_or("", |workspace| workspace.info().name).to_owned();
        let mut settings = Settings { draft, theme: self.theme, folder, shown, ..Settings::default() };
        for workspace in &mut self.workspaces {
            settings = settings.with(&workspace.info().name.to_lowercase(), workspace.save());
        }
        settings.save(storage);
        self.unsaved = false;
    }

    fn on_exit(&mut self) {
        self.workspaces.iter_mut().for_each(|workspace| workspace.close());
    }

    fn auto_save_interval(&self) -> Duration {
        SAVED_WITHIN / 2
    }
}
