//! The workspace "Plane": why does it work?
//!
//! A scene of the plane is set up on the left (`setup`), shown in the middle (`canvas`, whose parts are `layers`, drawn with
//! `ink`; `hand` draws data; `player` moves the time), and explained and measured on the right (`side`). `work` is what the
//! engine computes for it.

mod canvas;
mod export;
mod hand;
mod import;
mod ink;
mod layers;
mod learning;
mod player;
mod screen;
mod setup;
mod side;
mod work;

use super::background::{BROKEN, Background};
use super::context::Context;
use super::convergence::ConvergencePanel;
use super::dialog::{Dialog, PathRequest};
use super::draft::{Families, new_seed};
use super::files::{OpenedFile, PICTURES, has_extension};
use super::keys::{self, Binding, Keys, obeyed_elsewhere, plain, with};
use super::panes::{Pane as Panel, Panes};
use super::status::TaskLine;
use super::workspace::{Workspace, WorkspaceInfo};
use super::{Action, Notice, Settings, Start};
use crate::plane::{Drawing, Famous, Film, Layers, Lesson, Piece, Scene, View, lessons};
use crate::registry::Choice;
use crate::sde::FamilyKind;
use canvas::Canvas;
use egui::util::undoer::Undoer;
use egui::{Frame, Key, Margin, Modifiers, Ui};
use export::ExportPanel;
use hand::{Hand, Tool};
use import::Imported;
use layers::Look;
use learning::{Drawn, Learner};
use player::{Player, Way};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use setup::Setup;
use side::Side;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use work::Work;

/// What a key or a button asks of this workspace.
#[derive(Clone, Debug)]
pub enum Command {
    PlayOrPause,
    Play(Way),
    /// Move the time by this much.
    Scrub(f64),
    Stop,
    Tool(Tool),
    /// Show or hide a layer, by its place.
    Layer(usize),
    NewSeed,
    /// Take these data.
    Famous(Choice<dyn Famous>),
    Clear,
    AddPane,
    RemovePane(usize),
    /// Look at all of the data again.
    Fit,
    Open,
    OfferSave,
    Convergence,
    Learn,
    StopLearning,
    Sweep,
    /// Take the lesson at this place.
    Lesson(usize),
    NextLesson(i32),
}

static KEYS: [Binding<Command>; 24] = [
    plain(Key::Space, "Space", "Play or pause the time", Command::PlayOrPause),
    plain(Key::Escape, "Esc", "Stop", Command::Stop),
    plain(Key::ArrowLeft, "← →", "Towards noise, towards data; with Shift, further", Command::Scrub(0.01)),
    plain(Key::ArrowRight, "", "", Command::Scrub(-0.01)),
    with(Modifiers::SHIFT, Key::ArrowLeft, "", "", Command::Scrub(0.1)),
    with(Modifiers::SHIFT, Key::ArrowRight, "", "", Command::Scrub(-0.1)),
    plain(Key::Home, "Home End", "To t = 1, to t = 0", Command::Scrub(1.0)),
    plain(Key::End, "", "", Command::Scrub(-1.0)),
    plain(Key::V, "V", "Look", Command::Tool(Tool::Look)),
    plain(Key::B, "B", "Brush", Command::Tool(Tool::Brush)),
    plain(Key::N, "N", "Gaussian", Command::Tool(Tool::Gaussian)),
    plain(Key::E, "E", "Eraser", Command::Tool(Tool::Erase)),
    plain(Key::P, "P", "Starting points", Command::Tool(Tool::Start)),
    plain(Key::M, "M", "Measure", Command::Tool(Tool::Measure)),
    obeyed_elsewhere(
        Key::Enter,
        "Tab, arrows, Enter",
        "Go to a picture, move the cross, put the tool down and lift it",
    ),
    plain(Key::Num1, "1 … 9", "Show or hide a layer", Command::Layer(0)),
    plain(Key::R, "R", "New seed", Command::NewSeed),
    plain(Key::L, "L", "Learn the score, or stop learning", Command::Learn),
    plain(Key::PageDown, "Page Up, Page Down", "Previous or next lesson", Command::NextLesson(1)),
    plain(Key::PageUp, "", "", Command::NextLesson(-1)),
    plain(Key::F, "F", "Fit the view to the data", Command::Fit),
    plain(Key::Delete, "Delete", "Remove all data", Command::Clear),
    with(Modifiers::COMMAND, Key::O, "Ctrl+O", "Open a scene, a picture or points", Command::Open),
    with(
        Modifiers::COMMAND,
        Key::S,
        "Ctrl+S",
        "Save the scene, a picture, an animation or the particles",
        Command::OfferSave,
    ),
];

/// The other layers' keys, which the help names with the first.
static LAYER_KEYS: [Binding<Command>; 8] = [
    plain(Key::Num2, "", "", Command::Layer(1)),
    plain(Key::Num3, "", "", Command::Layer(2)),
    plain(Key::Num4, "", "", Command::Layer(3)),
    plain(Key::Num5, "", "", Command::Layer(4)),
    plain(Key::Num6, "", "", Command::Layer(5)),
    plain(Key::Num7, "", "", Command::Layer(6)),
    plain(Key::Num8, "", "", Command::Layer(7)),
    plain(Key::Num9, "", "", Command::Layer(8)),
];

static INFO: WorkspaceInfo = WorkspaceInfo {
    name: "Plane",
    question: "Why does it work?",
    help: "Two dimensions, where everything is exact. Draw data or choose a set, move the time between data and noise, and \
           compare solvers from the same noise. Point at a place to see its score and where the flow leads it.",
    keys: || keys::lines(&KEYS),
    picture_drop: Some("make its ink the data"),
    undoes: Some("a change of the scene"),
};

/// A layer: its switch, what it is called and does, and the term of equations that it shows.
struct Layer<'a> {
    on: &'a mut bool,
    name: &'static str,
    tip: &'static str,
    term: &'static str,
}

/// The layers, in the order of their keys.
fn layers_of(layers: &mut Layers) -> [Layer<'_>; 11] {
    let Layers { density, data, score, streamlines, flow, solutions, particles, trails, marginals, bridge, errors } =
        layers;
    let layer = |on, name, tip, term| Layer { on, name, tip, term };
    [
        layer(density, "Density", "p_t(x), exact (1)", "x"),
        layer(score, "Score", "∇ log p_t(x) as arrows (2)", "score"),
        layer(streamlines, "Streamlines", "Lines along the score (3)", "score"),
        layer(particles, "Particles", "The particles of each solver (4)", "x"),
        layer(trails, "Trails", "Where particles have been (5)", "x"),
        layer(flow, "Flow", "Lines along the probability-flow ODE at this time (6)", "drift"),
        layer(solutions, "Solutions", "Solutions of the probability-flow ODE, from noise to data (7)", "drift"),
        layer(data, "Data", "A sample of the data under the noise of this time (8)", "x"),
        layer(bridge, "Bridge", "The forward SDE's particles beside those of the solvers (9)", "noise"),
        layer(
            errors,
            "Flow error",
            "From where the solver ends to where the exact flow does, for starts all over the prior",
            "drift",
        ),
        layer(marginals, "Paths over time", "Paths beside the whole density: t to the right, x upwards", "t"),
    ]
}

/// What survives a restart.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    layout: Panes,
    scene: Option<Scene>,
    families: Option<Families>,
    hand: Hand,
    follow: Option<bool>,
    /// From one end of time to the other.
    seconds: Option<f64>,
    /// The name of the lesson that is taken.
    lesson: Option<String>,
}

/// The workspace's own state.
pub struct Plane {
    scene: Scene,
    kind: FamilyKind,
    families: Families,
    history: Undoer<Scene>,
    panes: Panes,
    hand: Hand,
    /// Whether the view grows with the noise.
    follow: bool,
    /// The solver whose settings are shown.
    selected: usize,
    player: Player,
    work: Work,
    look: Look,
    /// Which score is drawn.
    drawn: Drawn,
    convergence: ConvergencePanel,
    export: ExportPanel,
    /// The lesson that is taken, by its place.
    lesson: Option<usize>,
    threads: Background<Imported>,
    request: PathRequest<()>,
    commands: Vec<Command>,
}

impl Plane {
    /// The workspace as it was saved.
    pub fn new(settings: &Settings, start: &Start<'_>) -> Self {
        let mut saved = settings.of::<Saved>("plane");
        saved.layout.sanitize();
        saved.hand.sanitize();
        let scene = saved.scene.filter(|scene| scene.plane().is_ok()).unwrap_or_default();
        let families = saved.families.unwrap_or_else(|| vec![scene.family].into());
        Plane {
            kind: scene.family.kind(),
            families,
            history: Undoer::default(),
            panes: saved.layout,
            hand: saved.hand,
            follow: saved.follow.unwrap_or(true),
            selected: 0,
            player: Player::new(saved.seconds),
            work: Work::default(),
            look: Look::new(start.render_state),
            drawn: Drawn::Exact,
            convergence: ConvergencePanel::default(),
            export: ExportPanel::default(),
            lesson: lessons().iter().position(|lesson| Some(lesson.slug) == saved.lesson.as_deref()),
            threads: Background::default(),
            request: PathRequest::default(),
            commands: Vec::new(),
            scene,
        }
    }

    /// What is shown.
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// Whether all that the scene needs is computed.
    pub fn is_done(&self) -> bool {
        self.work.is_done()
    }

    /// How far each solver's particles end from the data, of those that are known.
    pub fn distances(&self) -> Vec<f64> {
        self.work.shown.panes.iter().filter_map(|pane| pane.distance).collect()
    }

    /// Why nothing is computed: one sentence.
    pub fn problem(&self) -> Option<&str> {
        self.work.problem.as_deref()
    }

    /// Steps that the network has learned for, once there is one.
    pub fn learned(&self) -> Option<u64> {
        self.work.learner.newest().map(|newest| newest.step)
    }

    /// Distances of several numbers of steps, one list each of the solvers, once all are swept.
    pub fn swept(&self) -> Option<Vec<Vec<crate::plane::Quality>>> {
        let (swept, under_way) = self.work.swept();
        Some(swept).filter(|swept| !swept.is_empty() && !under_way)
    }

    /// The middle of where a solver's particles ended.
    pub fn particles_mean(&self, pane: usize) -> Option<[f64; 2]> {
        let points = &self.work.shown.panes.get(pane)?.frames.last()?.points;
        let mean = |axis: usize| points.iter().map(|point| f64::from(point[axis])).sum::<f64>() / points.len() as f64;
        Some([mean(0), mean(1)])
    }

    /// Takes another scene: all of it.
    fn take(&mut self, scene: Scene) {
        self.families.set(scene.family.kind(), scene.family.sde().settings());
        self.kind = scene.family.kind();
        self.selected = 0;
        self.player.playing = None;
        self.hand.end();
        self.scene = scene;
    }

    /// The view at the scene's time: as much larger as the data are under noise.
    fn view(&self) -> View {
        view_of(&self.scene, self.work.data.as_deref().filter(|_| self.follow))
    }

    fn obey(&mut self, command: Command, cx: &mut Context) {
        let scene = &mut self.scene;
        match command {
            Command::PlayOrPause => self.player.toggle(scene),
            Command::Play(way) => self.player.play(way, scene),
            Command::Scrub(by) => {
                self.player.playing = None;
                scene.time = (scene.time + by).clamp(0.0, 1.0);
            }
            Command::Stop => {
                self.player.playing = None;
                self.work.stop();
            }
            Command::Tool(tool) => self.hand.tool = tool,
            Command::Layer(place) => {
                if let Some(layer) = layers_of(&mut scene.layers).into_iter().nth(place) {
                    *layer.on = !*layer.on;
                }
            }
            Command::NewSeed => scene.seed = new_seed(),
            Command::Famous(set) => scene.drawing = Drawing::famous(set),
            Command::Clear => {
                scene.drawing = Drawing::default();
                self.hand.tool = if self.hand.tool == Tool::Gaussian { Tool::Gaussian } else { Tool::Brush };
            }
            Command::AddPane => {
                if scene.panes.len() < Scene::MOST_PANES {
                    scene.panes.push(setup::another(scene, self.selected));
                    self.selected = scene.panes.len() - 1;
                }
            }
            Command::RemovePane(index) => {
                if scene.panes.len() > 1 && index < scene.panes.len() {
                    scene.panes.remove(index);
                    self.selected = self.selected.min(scene.panes.len() - 1);
                }
            }
            Command::Fit => scene.view = self.work.data.as_ref().map_or_else(View::default, |data| fitting(data)),
            Command::Open => self.request.ask(cx, Dialog::OpenFile, ()),
            Command::OfferSave => self.export.offer(&cx.saver, cx.egui.global_style().visuals.dark_mode),
            Command::Convergence => {
                if let Some(pane) = scene.panes.get(self.selected) {
                    self.convergence.offer(&pane.solver, scene.family, &cx.session);
                }
            }
            Command::Learn if self.work.learner.is_active() => self.work.learner.stop(),
            Command::Learn => {
                scene.learning.get_or_insert_default();
                self.work.learner.begin(scene, &cx.session);
            }
            Command::StopLearning => self.work.learner.stop(),
            Command::Sweep => self.work.sweep(&cx.session),
            Command::Lesson(place) => self.take_lesson(place, cx),
            Command::NextLesson(by) => {
                let last = lessons().len().saturating_sub(1);
                let next = self.lesson.map_or(0, |now| now.saturating_add_signed(by as isize).min(last));
                self.take_lesson(next, cx);
            }
        }
    }

    /// Takes a scene that stands for itself: what was learned before is none of its own, and what it follows is learned.
    fn take_whole(&mut self, scene: Scene, cx: &Context) {
        self.take(scene);
        self.drawn = Drawn::Exact;
        self.work.learner = Learner::default();
        if self.scene.panes.iter().any(|pane| pane.learned) {
            self.work.learner.begin(&self.scene, &cx.session);
        }
    }

    fn take_lesson(&mut self, place: usize, cx: &mut Context) {
        match lessons().get(place).map(Lesson::scene) {
            Some(Ok(scene)) => {
                self.take_whole(scene, cx);
                self.lesson = Some(place);
            }
            Some(Err(error)) => cx.notices.push(Notice::error(error)),
            None => {}
        }
    }

    /// What is drawn in files.
    fn film(&self) -> Film {
        let (scene, follow, data) = (self.scene.clone(), self.follow, self.work.data.clone());
        let of = scene.clone();
        let views = move |time: f64| view_of(&Scene { time, ..of.clone() }, data.as_deref().filter(|_| follow));
        let panels = self.work.shown.panels(&scene, self.work.errors());
        let course = self.work.course().cloned().unwrap_or_default();
        let network = self.work.learner.network().filter(|_| self.drawn != Drawn::Exact);
        Film { scene, views: Arc::new(views), panels, course, network }
    }

    fn obey_all(&mut self, cx: &mut Context) {
        std::mem::take(&mut self.commands).into_iter().for_each(|command| self.obey(command, cx));
    }

    /// Reads a file beside the window's thread.
    fn open(&self, path: PathBuf, cx: &Context) {
        self.threads.spawn(&cx.egui, Imported::Failed(BROKEN.into()), move || import::read(&path));
    }

    fn take_in(&mut self, imported: Imported, cx: &mut Context) {
        match imported {
            Imported::Scene(scene) => {
                self.take_whole(*scene, cx);
                self.lesson = None;
            }
            Imported::Shape(shape) => {
                self.scene.drawing = Drawing { pieces: vec![Piece::new(shape)] };
                self.scene.view = View::default();
            }
            Imported::Failed(why) => cx.notices.push(Notice::error(why)),
        }
    }

    /// Takes in what was computed for the scene, and begins what it needs now.
    fn compute(&mut self, ui: &Ui, cx: &mut Context) {
        let shown = Scene { view: self.view(), ..self.scene.clone() };
        self.work.drawn = self.drawn;
        self.work.hurries = self.player.playing.is_some() || ui.input(|input| input.pointer.any_down());
        self.work.advance(&shown, ui.ctx(), &mut cx.session);
    }

    /// The pictures over the time.
    fn middle(&mut self, ui: &mut Ui) {
        let bar = Frame::new().inner_margin(Margin::symmetric(8, 6));
        egui::Panel::bottom("time").resizable(false).frame(bar).show(ui, |ui| self.player.ui(ui, &mut self.scene));
        let view = self.view();
        let Plane { scene, work, hand, look, selected, .. } = self;
        let mut pointed = None;
        egui::CentralPanel::no_frame().show(ui, |ui| {
            Canvas { scene, view, work, hand, look, selected, pointed: &mut pointed }.ui(ui);
        });
        work.pointed = pointed;
    }
}

/// The view of a scene at its time; where it follows the data, as much larger as these are under noise.
fn view_of(scene: &Scene, data: Option<&crate::plane::Plane>) -> View {
    let View { centre, half } = scene.view;
    let Some(data) = data else { return scene.view };
    let std = data.std().max(1e-3);
    let grown = (scene.family.sde().level(scene.time).marginal_std(std) / std).max(1.0);
    View { centre: centre.map(|x| (x * grown).clamp(-1000.0, 1000.0)), half: (half * grown).min(1000.0) }
}

/// The view that holds nearly all of the data.
fn fitting(data: &crate::plane::Plane) -> View {
    View { centre: data.mean(), half: (2.6 * data.std()).clamp(0.05, 500.0) }
}

impl Workspace for Plane {
    fn info(&self) -> &'static WorkspaceInfo {
        &INFO
    }

    fn ui(&mut self, ui: &mut Ui, cx: &mut Context) {
        if self.player.playing.is_some() {
            let seconds = f64::from(ui.input(|input| input.stable_dt)).min(0.1);
            self.player.advance(&mut self.scene, seconds);
            ui.ctx().request_repaint();
        }
        // What has come is shown in the frame that it woke, and what is changed in it is begun at once.
        self.compute(ui, cx);
        let classes = self.work.data.as_ref().map(|data| data.classes()).unwrap_or_default();
        let mut panes = std::mem::take(&mut self.panes);
        panes.ui(ui, &mut |ui, pane| match pane {
            Panel::Setup => {
                let plays = self.player.playing.is_some();
                let lesson = self.lesson;
                let Plane { scene, kind, families, hand, follow, selected, work, drawn, commands, .. } = self;
                let (work, classes) = (&*work, &classes);
                Setup { scene, kind, families, hand, follow, selected, plays, work, drawn, lesson, classes, commands }
                    .ui(ui);
            }
            Panel::Picture => self.middle(ui),
            Panel::Plots => {
                let Plane { scene, work, lesson, selected, commands, .. } = self;
                Side { scene, work, lesson: *lesson, selected: *selected, commands }.ui(ui);
            }
        });
        self.panes = panes;
        self.obey_all(cx);
        self.compute(ui, cx);
    }

    fn above(&mut self, ui: &Ui, cx: &mut Context) {
        self.convergence.ui(ui, cx);
        let mut export = std::mem::take(&mut self.export);
        export.ui(ui, cx, || self.film());
        self.export = export;
    }

    fn is_covered(&self) -> bool {
        self.convergence.is_open() || self.export.is_open()
    }

    fn panes(&mut self) -> Option<&mut Panes> {
        Some(&mut self.panes)
    }

    fn poll(&mut self, cx: &mut Context) {
        self.convergence.poll(&mut cx.session);
        if let Some(((), path)) = self.request.poll() {
            self.open(path, cx);
        }
        for imported in self.threads.poll().collect::<Vec<_>>() {
            self.take_in(imported, cx);
        }
    }

    fn keys(&mut self, keys: &Keys<'_>, cx: &mut Context) {
        keys.take(&KEYS).into_iter().chain(keys.take(&LAYER_KEYS)).for_each(|command| self.obey(command, cx));
    }

    fn takes_escape(&self) -> bool {
        false
    }

    fn take_drop(&mut self, path: &Path, cx: &mut Context) -> bool {
        let takes = has_extension(path, &PICTURES) || has_extension(path, &["csv", "tsv", "txt", "json"]);
        if takes {
            self.open(path.to_owned(), cx);
        }
        takes
    }

    fn take_file(&mut self, opened: &OpenedFile, cx: &mut Context) -> bool {
        let OpenedFile::Scene(scene) = opened else { return false };
        self.take_whole((**scene).clone(), cx);
        self.lesson = None;
        cx.actions.push(Action::Show("Plane"));
        true
    }

    fn undo(&mut self, _: &mut Context) {
        if let Some(scene) = self.history.undo(&still(&self.scene)) {
            let scene = Scene { time: self.scene.time, ..scene.clone() };
            self.take(scene);
        }
    }

    fn redo(&mut self, _: &mut Context) {
        if let Some(scene) = self.history.redo(&still(&self.scene)) {
            let scene = Scene { time: self.scene.time, ..scene.clone() };
            self.take(scene);
        }
    }

    fn settle(&mut self, _: &Context) {
        if self.player.playing.is_none() && !self.hand.is_down() {
            self.history.add_undo(&still(&self.scene));
        }
    }

    fn task(&self) -> Option<TaskLine> {
        self.work.line()
    }

    fn stop(&mut self, _: &mut Context) {
        self.work.stop();
    }

    fn save(&mut self) -> Value {
        let saved = Saved {
            layout: self.panes.clone(),
            scene: Some(self.scene.clone()),
            families: Some(self.families.clone()),
            hand: self.hand.clone(),
            follow: Some(self.follow),
            seconds: Some(self.player.seconds),
            lesson: self.lesson.and_then(|place| lessons().get(place)).map(|lesson| lesson.slug.to_owned()),
        };
        serde_json::to_value(saved).unwrap_or_default()
    }
}

/// A scene as undoing sees it: the time that is looked at is no change.
fn still(scene: &Scene) -> Scene {
    Scene { time: 0.0, ..scene.clone() }
}
