//! The workspace "Trajectory": how does it get there?
//!
//! Runs are set up on the left (`setup`, `equation`), kept side by side (`runs`), shown in the middle with
//! their timeline, and plotted on the right. A step can be branched from (`branch`) and saved (`export`).

mod branch;
mod class;
mod equation;
mod export;
pub mod plots;
mod runs;
mod setup;
mod standing;
mod strip;

pub use equation::{equations, solved};
pub use runs::{Entry, Pending, Runs};

use super::context::Context;
use super::convergence::ConvergencePanel;
use super::draft::new_seed;
use super::files::OpenedFile;
use super::files::file_name;
use super::keys::{self, Binding, Keys, obeyed_elsewhere, plain, with};
use super::panes::{self, Pane, Panes};
use super::photos::Offer;
use super::picture::{Hovered, PictureSettings, PictureView};
use super::status::Standing;
use super::theme::Theme;
use super::timeline::{self, TimelineAction, TimelineState};
use super::workspace::{Workspace, WorkspaceInfo};
use super::{Action, Draft, Notice, RunState, Settings, Start};
use crate::engine::TaskId;
use crate::score::Description;
use egui::util::undoer::Undoer;
use egui::{Frame, Key, Margin, Modifiers, Ui};
use export::ExportPanel;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use setup::{Setup, is_stale};
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

/// What a key or a button asks of this workspace.
#[derive(Clone, Debug)]
pub enum Command {
    /// Run, pause or resume, whichever is next.
    RunOrPause,
    /// Begin anew with the present settings, whatever is in progress.
    RunAgain,
    /// One step, then hold.
    Step,
    Stop,
    /// Show what a branch from the shown step would do.
    OfferBranch,
    Branch,
    NewSeed,
    Select(TaskId),
    Close(TaskId),
    /// Choose a file to open.
    Open,
    /// Measure the order of the solver that is set up.
    Convergence,
    /// Show what can be saved.
    OfferSave,
}

static KEYS: [Binding<Command>; 11] = [
    plain(Key::Space, "Space", "Run, pause or resume", Command::RunOrPause),
    plain(Key::S, "S", "Take one step, then pause", Command::Step),
    plain(Key::Escape, "Esc", "Stop; from one large sample, back to the grid view", Command::Stop),
    obeyed_elsewhere(Key::ArrowLeft, "← →", "Back or forward by one recorded step; with Shift, by ten"),
    obeyed_elsewhere(Key::Home, "Home End", "To the first or the newest recorded step"),
    plain(Key::B, "B", "Branch from the step shown", Command::OfferBranch),
    obeyed_elsewhere(Key::Num1, "1 2 3 4", "View x(t), denoised, score, change"),
    obeyed_elsewhere(Key::G, "G", "Grid view, or one large sample (Page Up, Page Down: another)"),
    plain(Key::R, "R", "New seed", Command::NewSeed),
    with(Modifiers::COMMAND, Key::O, "Ctrl+O", "Open a model, images or a run file", Command::Open),
    with(Modifiers::COMMAND, Key::S, "Ctrl+S", "Save images, an animation or the run", Command::OfferSave),
];

/// How often a window looks at runs of the window before, whose tasks wake that one.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SavedTrajectory {
    pub layout: Panes,
    pub picture: PictureSettings,
}

/// The workspace's own state.
pub struct Trajectory {
    runs: Runs,
    /// Of the next run's settings.
    history: Undoer<Draft>,
    panes: Panes,
    picture: PictureView,
    timeline: TimelineState,
    /// The sample that is pointed at.
    hovered: Option<Hovered>,
    export: ExportPanel,
    convergence: ConvergencePanel,
    branching: bool,
    /// What was asked for in this frame.
    commands: Vec<Command>,
}

impl Trajectory {
    /// The workspace as it was saved.
    pub fn new(settings: &Settings, start: &Start<'_>) -> Self {
        // 0.1.0 kept these two by themselves.
        let early = SavedTrajectory { layout: settings.of("layout"), picture: settings.of("picture") };
        let mut saved = settings.of::<Option<SavedTrajectory>>("trajectory").unwrap_or(early);
        saved.layout.sanitize();
        let mut picture = PictureView::new(start.render_state);
        picture.settings = saved.picture;
        Trajectory {
            runs: Runs::default(),
            history: Undoer::default(),
            panes: saved.layout,
            picture,
            timeline: TimelineState::default(),
            hovered: None,
            export: ExportPanel::default(),
            convergence: ConvergencePanel::default(),
            branching: false,
            commands: Vec::new(),
        }
    }

    /// The runs that are kept side by side.
    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    /// The panel that measures orders.
    pub fn convergence(&self) -> &ConvergencePanel {
        &self.convergence
    }

    fn obey(&mut self, command: Command, cx: &mut Context) {
        match command {
            Command::RunOrPause => self.run_or_pause(cx),
            Command::RunAgain => self.begin(cx, false),
            Command::Step => self.step(cx),
            Command::Stop => self.stop(cx),
            Command::OfferBranch => self.branching = true,
            Command::Branch => self.branch(cx),
            Command::NewSeed => cx.draft.seed = new_seed(),
            Command::Select(id) => self.runs.shown = Some(id),
            Command::Close(id) => self.runs.close(id),
            Command::Open => cx.actions.push(Action::ChooseFile),
            Command::Convergence => {
                let family = cx.draft.family().unwrap_or_else(|_| cx.draft.family.published());
                self.convergence.offer(&cx.draft.solver, family, &cx.session);
            }
            Command::OfferSave => {
                let sample = self.hovered.as_ref().map(|hovered| hovered.sample);
                self.export.offer(&cx.saver, sample, self.runs.current());
            }
        }
    }

    fn obey_all(&mut self, cx: &mut Context) {
        std::mem::take(&mut self.commands).into_iter().for_each(|command| self.obey(command, cx));
    }

    fn run_or_pause(&mut self, cx: &mut Context) {
        match (self.runs.task(), self.runs.active().map(|entry| &entry.view.state)) {
            _ if self.runs.pending.is_some() => {}
            (Some(task), Some(RunState::Running)) => task.pause(),
            (Some(task), _) => task.resume(),
            (None, _) => self.begin(cx, false),
        }
    }

    fn begin(&mut self, cx: &mut Context, held: bool) {
        if !cx.draft.seed_locked && !self.runs.entries.is_empty() {
            cx.draft.seed = new_seed();
        }
        match cx.draft.run() {
            Ok(run) => self.runs.begin(&cx.session, run, cx.draft.device, held),
            Err(why) => cx.notices.push(Notice::error(why)),
        }
    }

    /// Holds a run after one more step; from nothing, begins one and holds it after its first.
    fn step(&mut self, cx: &mut Context) {
        if self.runs.task().is_none() {
            self.begin(cx, true);
        } else if self.runs.pending.is_some() {
            return;
        }
        self.runs.task().into_iter().for_each(|task| task.step(1));
    }

    fn branch(&mut self, cx: &mut Context) {
        let planned = branch::point(&self.runs)
            .and_then(|point| Ok((point.entry.id(), point.moment.clone(), branch::planned(&point, &cx.draft)?)));
        match planned {
            Ok((parent, moment, run)) => self.runs.branch(&cx.session, parent, moment, run, cx.draft.device),
            Err(why) => cx.notices.push(Notice::error(why)),
        }
    }
}

static INFO: WorkspaceInfo = WorkspaceInfo {
    name: "Trajectory",
    question: "How does it get there?",
    help: "A reverse-time SDE turns noise into images. Choose a model, a family and a solver on the left, then \
           press Run. Rewind to any recorded step or branch from it.",
    keys: || keys::lines(&KEYS),
    picture_drop: None,
    undoes: Some("a change of settings"),
};

impl Workspace for Trajectory {
    fn info(&self) -> &'static WorkspaceInfo {
        &INFO
    }

    fn ui(&mut self, ui: &mut Ui, cx: &mut Context) {
        let Trajectory { panes, picture, timeline, hovered, runs, commands, .. } = self;
        let mut pointed = None;
        panes.ui(ui, &mut |ui, pane| match pane {
            Pane::Setup => Setup { cx, runs, commands }.ui(ui),
            Pane::Picture => pointed = centre(ui, runs, picture, timeline, commands, cx),
            Pane::Plots => plots(ui, runs, hovered.as_ref(), cx),
        });
        self.hovered = pointed;
        self.obey_all(cx);
    }

    fn above(&mut self, ui: &Ui, cx: &mut Context) {
        self.export.ui(ui, self.runs.current(), cx);
        self.convergence.ui(ui, cx);
        branch::ui(ui, &mut self.branching, &self.runs, &cx.draft, &mut self.commands);
        self.obey_all(cx);
    }

    fn is_covered(&self) -> bool {
        self.branching || self.export.is_open() || self.convergence.is_open()
    }

    fn panes(&mut self) -> Option<&mut Panes> {
        Some(&mut self.panes)
    }

    fn poll(&mut self, cx: &mut Context) {
        self.convergence.poll(&mut cx.session);
        let notices = self.runs.poll(&mut cx.session);
        cx.tell(notices);
        if self.runs.wake_another() {
            cx.egui.request_repaint_after(LOOK_EVERY);
        }
    }

    fn leave(&mut self) -> Option<Box<dyn Any>> {
        Some(Box::new(std::mem::take(&mut self.runs)))
    }

    fn take_over(&mut self, left: Box<dyn Any>) {
        if let Ok(runs) = left.downcast::<Runs>() {
            self.runs = runs.taken_over();
        }
    }

    fn keys(&mut self, keys: &Keys<'_>, cx: &mut Context) {
        keys.take(&KEYS).into_iter().for_each(|command| self.obey(command, cx));
    }

    fn takes_escape(&self) -> bool {
        self.picture.takes_escape()
    }

    fn take_file(&mut self, opened: &OpenedFile, cx: &mut Context) -> bool {
        let OpenedFile::Run(run, path) = opened else { return false };
        cx.draft.take(run);
        let name = file_name(path);
        cx.notices.push(Notice::remark(format!("Settings loaded from {name}; press Run.")));
        cx.actions.push(Action::Show(INFO.name));
        true
    }

    fn undo(&mut self, cx: &mut Context) {
        if let Some(draft) = self.history.undo(&cx.draft) {
            cx.draft = draft.clone();
        }
    }

    fn redo(&mut self, cx: &mut Context) {
        if let Some(draft) = self.history.redo(&cx.draft) {
            cx.draft = draft.clone();
        }
    }

    fn settle(&mut self, cx: &Context) {
        self.history.add_undo(&cx.draft);
    }

    fn standing(&self, theme: &Theme) -> Option<Standing> {
        standing::standing(&self.runs, theme)
    }

    fn stop(&mut self, cx: &mut Context) {
        self.runs.stop();
        cx.session.stop_opening();
    }

    fn offer(&self) -> Option<Offer> {
        let entry = self.runs.current()?;
        let samples = entry.view.snapshot.as_ref()?.newest.x.clone();
        Some(Offer { samples, range: entry.view.report.range })
    }

    fn save(&mut self) -> Value {
        let saved = SavedTrajectory { layout: self.panes.clone(), picture: self.picture.settings.clone() };
        serde_json::to_value(saved).unwrap_or_default()
    }
}

/// The strip of runs, the picture, the timeline.
fn centre(
    ui: &mut Ui,
    runs: &mut Runs,
    picture: &mut PictureView,
    timeline: &mut TimelineState,
    commands: &mut Vec<Command>,
    cx: &Context,
) -> Option<Hovered> {
    strip::ui(ui, runs, commands);
    let bar = Frame::new().inner_margin(Margin::symmetric(8, 6));
    timeline.branches = branches(runs);
    if let Some(entry) = runs.current_mut() {
        let asked = egui::Panel::bottom("timeline")
            .resizable(false)
            .frame(bar)
            .show(ui, |ui| timeline::ui(ui, &mut entry.view, timeline))
            .inner;
        commands.extend(match asked {
            TimelineAction::None => None,
            TimelineAction::Branch => Some(Command::OfferBranch),
            TimelineAction::Save => Some(Command::OfferSave),
            TimelineAction::Open(other) => Some(Command::Select(other)),
        });
    }
    let next = cx.draft.run().ok();
    picture.stale = is_stale(runs, next.as_ref());
    let margin = Margin { left: 6, right: 6, top: 4, bottom: 0 };
    let well = Frame::new().inner_margin(margin);
    let shown = egui::CentralPanel::no_frame().frame(well).show(ui, |ui| match runs.current() {
        Some(entry) => picture.ui(ui, &entry.view).hovered,
        None => {
            picture.empty(ui, cx.draft.count);
            None
        }
    });
    shown.inner
}

/// The runs that branched from the one that is looked at, and after how many of its steps.
fn branches(runs: &Runs) -> Vec<(TaskId, usize)> {
    let parent = |entry: &Entry| entry.view.parent.map(|(parent, step)| (parent, entry.id(), step));
    let of_shown = |(parent, id, step)| (Some(parent) == runs.shown).then_some((id, step));
    runs.entries.iter().filter_map(parent).filter_map(of_shown).collect()
}

fn plots(ui: &mut Ui, runs: &Runs, hovered: Option<&Hovered>, cx: &Context) {
    let family = cx.draft.family().unwrap_or_else(|_| cx.draft.family.published());
    let run = runs.current().map(|entry| &entry.view);
    let model = run.map_or(&cx.draft.model, |run| &run.report.run.model);
    let report = cx.session.model(model);
    let trained = report.and_then(|report| report.description.as_ref());
    // In units of the run's data.
    let in_run =
        |network: &Description| trained_ratios(ui, network, family.facts().range.span() / network.range.span());
    let trained = trained.map(in_run);
    let path = plots::Path { family: &family, trained: trained.as_ref().map_or(&[], |trained| &trained.ratios) };
    panes::figures(ui, 4, |ui| plots::ui(ui, run, path, hovered));
}

/// σ/α of the discrete levels of a network, in units that are `scale` of its own.
struct Trained {
    network: Description,
    scale: f64,
    ratios: Vec<f64>,
}

/// These, from the last frame where nothing has changed: there may be many levels.
fn trained_ratios(ui: &Ui, network: &Description, scale: f64) -> Arc<Trained> {
    let id = egui::Id::unique("trained levels");
    let kept = ui.data(|data| data.get_temp::<Arc<Trained>>(id));
    if let Some(kept) = kept.filter(|kept| kept.network == *network && kept.scale == scale) {
        return kept;
    }
    let ratios = network.trained_ratios().into_iter().map(|ratio| ratio * scale).collect();
    let made = Arc::new(Trained { network: network.clone(), scale, ratios });
    ui.data_mut(|data| data.insert_temp(id, made.clone()));
    made
}
