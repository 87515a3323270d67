//! The workspace "Compare": which sampler is best, and at what cost?
//!
//! A comparison is set up on the left (`setup`, `draft`), measured in the middle (`chart`, `table`), and its presets are
//! looked at side by side on the right (`pictures`, `ways`). `work` is one comparison as the window knows it.

mod chart;
mod draft;
mod export;
mod forecast;
mod pictures;
mod setup;
mod steps;
mod table;
mod view;
mod ways;
mod work;

use super::background::{BROKEN, Background};
use super::context::Context;
use super::dialog::{Dialog, PathRequest};
use super::files::{file_name, new_folder, newest_folders};
use super::keys::{self, Binding, Keys, plain, with};
use super::panes::{Pane, Panes};
use super::saving::SaveJob;
use super::status::TaskLine;
use super::textures::Textures;
use super::workspace::{Workspace, WorkspaceInfo};
use super::{Action, Notice, RunState, Settings, Start};
use crate::compare::{Cell, Comparison, Folder, Reference, read_presets, write_presets};
use crate::data::Place;
use crate::engine::{Options, Priority};
use crate::task::{Count, ModelRef};
use draft::CompareDraft;
use egui::util::undoer::Undoer;
use egui::{Frame, Key, Margin, Modifiers, RichText, Ui};
use export::Export;
use forecast::Forecast;
use pictures::Differences;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use setup::Typed;
use std::path::{Path, PathBuf};
use steps::Steps;
use view::View;
use ways::Ways;
use work::{Held, Work};

/// What a key or a button asks of this workspace.
#[derive(Clone, Debug)]
pub enum Command {
    /// Measure, pause or go on, whichever is next.
    MeasureOrPause,
    Stop,
    /// Set up another comparison.
    New,
    /// Show the comparison in this folder.
    Show(PathBuf),
    ChooseFolder,
    ChooseFile,
    ChooseClassifier,
    ChooseInception,
    /// Another model, whose presets go beside those of the one that is chosen.
    ChooseModel,
    OpenPresets,
    SavePresets,
    /// Put the chosen presets over the values of parameters.
    Sweep,
    Export,
    /// Open the run of a preset in Trajectory.
    OpenRun(usize),
}

static KEYS: [Binding<Command>; 3] = [
    plain(Key::Space, "Space", "Measure, pause or resume", Command::MeasureOrPause),
    plain(Key::Escape, "Esc", "Stop; it can go on later", Command::Stop),
    with(Modifiers::COMMAND, Key::S, "Ctrl+S", "Save the results", Command::Export),
];

static INFO: WorkspaceInfo = WorkspaceInfo {
    name: "Compare",
    question: "Which sampler is best?",
    help: "Choose presets on the left, then press Measure. Each is given the same noise; the chart shows how near its samples \
           come to the reference for what they cost. Click presets to see their images side by side.",
    keys: || keys::lines(&KEYS),
    picture_drop: None,
    undoes: Some("a change of settings"),
};

/// What survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    layout: Panes,
    draft: CompareDraft,
    view: View,
    /// The comparison that is shown.
    shown: Option<PathBuf>,
}

/// What threads have found.
enum Found {
    /// Folders of comparisons, the newest first.
    Comparisons(Vec<PathBuf>),
    /// A comparison in a folder.
    Comparison(PathBuf, Result<Box<Held>, String>),
    /// Presets from a file.
    Presets(PathBuf, Result<Vec<Cell>, String>),
}

/// What a path was asked for.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    Reference,
    Classifier,
    Inception,
    Model,
    OpenPresets,
    SavePresets,
}

/// The workspace's own state.
pub struct Compare {
    /// Where comparisons are kept.
    home: Option<PathBuf>,
    draft: CompareDraft,
    history: Undoer<CompareDraft>,
    typed: Typed,
    steps: Steps,
    panes: Panes,
    /// The comparison that is shown, or under way.
    work: Option<Work>,
    /// The comparison that was shown when the window was closed, until it is read.
    shown: Option<PathBuf>,
    folders: Vec<PathBuf>,
    forecast: Forecast,
    view: View,
    ways: Ways,
    differences: Differences,
    export: Export,
    threads: Background<Found>,
    /// Presets whose models a person is being asked about.
    undecided: Vec<Found>,
    request: PathRequest<Purpose>,
    textures: Textures,
    commands: Vec<Command>,
    looked: bool,
}

impl Compare {
    /// The workspace as it was saved.
    pub fn new(settings: &Settings, start: &Start<'_>) -> Self {
        let mut saved = settings.of::<Saved>("compare");
        saved.layout.sanitize();
        Compare {
            home: start.library.as_ref().map(|library| library.with_file_name("comparisons")),
            draft: saved.draft,
            history: Undoer::default(),
            typed: Typed::default(),
            steps: Steps::default(),
            panes: saved.layout,
            work: None,
            shown: saved.shown,
            folders: Vec::new(),
            forecast: Forecast::default(),
            view: saved.view,
            ways: Ways::default(),
            differences: Differences::default(),
            export: Export::default(),
            threads: Background::default(),
            undecided: Vec::new(),
            request: PathRequest::default(),
            textures: Textures::default(),
            commands: Vec::new(),
            looked: false,
        }
    }

    /// Whether a comparison is under way.
    pub fn is_active(&self) -> bool {
        self.work.as_ref().is_some_and(Work::is_active)
    }

    /// Whether it is held.
    pub fn is_paused(&self) -> bool {
        self.work.as_ref().is_some_and(|work| work.is_active() && work.state == RunState::Paused)
    }

    /// Samples that are there, of all presets.
    pub fn samples(&self) -> u64 {
        self.work.as_ref().map_or(0, |work| work.standing.cells.iter().map(|cell| cell.count).sum())
    }

    /// Distances that are known in the end: one for each preset that has one.
    pub fn distances(&self) -> Vec<f64> {
        let results = self.work.as_ref().and_then(|work| work.results.as_ref());
        results.map_or_else(Vec::new, |results| {
            results.cells.iter().filter_map(|cell| Some(cell.distance?.value)).collect()
        })
    }

    /// Whether the ways of presets that are side by side are recorded.
    pub fn has_ways(&self) -> bool {
        self.ways.ends().is_some() && !self.ways.are_under_way()
    }

    /// The settings of the next comparison.
    pub fn draft(&self) -> &CompareDraft {
        &self.draft
    }

    fn options(cx: &Context) -> Options {
        Options { priority: Priority::Background, ..Options::on(cx.draft.device) }
    }

    /// Looks for comparisons.
    fn look(&mut self, cx: &Context) {
        if let Some(home) = self.home.clone() {
            let failed = Found::Comparisons(Vec::new());
            self.threads.spawn(&cx.egui, failed, move || {
                Found::Comparisons(newest_folders(&home, |path| Folder::new(path).value().is_file()))
            });
        }
    }

    fn read(&self, folder: PathBuf, cx: &Context) {
        let failed = Found::Comparison(folder.clone(), Err(BROKEN.into()));
        self.threads.spawn(&cx.egui, failed, move || {
            let read = match Folder::new(&folder).comparison() {
                Ok(Some(comparison)) => {
                    let results = Folder::new(&folder).read_results(&comparison);
                    Ok(Box::new(Held { comparison, results }))
                }
                Ok(None) => Err(format!("{folder:?} holds no comparison any more; begin another")),
                Err(error) => Err(error.to_string()),
            };
            Found::Comparison(folder, read)
        });
    }

    fn obey(&mut self, command: Command, cx: &mut Context) {
        match command {
            Command::MeasureOrPause => self.measure_or_pause(cx),
            Command::Stop => {
                if let Some(work) = &self.work {
                    work.stop();
                }
            }
            Command::New => self.show(None),
            Command::Show(folder) => self.read(folder, cx),
            Command::ChooseFolder => self.request.ask(cx, Dialog::OpenFolder, Purpose::Reference),
            Command::ChooseFile => self.request.ask(cx, Dialog::OpenFile, Purpose::Reference),
            Command::ChooseClassifier => self.request.ask(cx, Dialog::OpenFile, Purpose::Classifier),
            Command::ChooseInception => self.request.ask(cx, Dialog::OpenFile, Purpose::Inception),
            Command::ChooseModel => self.request.ask(cx, Dialog::OpenFile, Purpose::Model),
            Command::OpenPresets => self.request.ask(cx, Dialog::OpenFile, Purpose::OpenPresets),
            Command::SavePresets => self.request.ask(cx, Dialog::Save { name: "presets.json" }, Purpose::SavePresets),
            Command::Sweep => {
                let [first, second] = &self.typed.axes;
                match self.draft.sweep([first, second]) {
                    Ok(count) => cx.notices.push(Notice::remark(format!("Presets chosen: {count}."))),
                    Err(why) => cx.notices.push(Notice::error(why)),
                }
            }
            Command::Export => {
                if let Some(work) = self.work.as_ref().filter(|work| work.results.is_some()) {
                    self.export.open(work, cx);
                }
            }
            Command::OpenRun(index) => {
                let run = self.work.as_ref().and_then(|work| {
                    let cell = work.comparison.cells.get(index)?;
                    Some((work.comparison.run(cell), cell.name.clone()))
                });
                if let Some((run, name)) = run {
                    let run =
                        crate::task::Run { count: Count::new(run.count.get().min(16)).unwrap_or(run.count), ..run };
                    cx.actions.push(Action::Run(Box::new(run), name));
                }
            }
        }
    }

    /// Shows a comparison, or the settings of the next one.
    fn show(&mut self, work: Option<Work>) {
        // At first the first two are side by side.
        let some = work.as_ref().map_or(0, |work| work.comparison.cells.len().min(2));
        self.view.selected = (0..some).collect();
        self.work = work;
        self.ways.clear();
    }

    fn measure_or_pause(&mut self, cx: &mut Context) {
        let options = Self::options(cx);
        let count = self.draft.count;
        match self.work.as_mut() {
            Some(work) if work.is_active() => work.pause_or_resume(),
            Some(work) => {
                if let Ok(raised) = Count::new(count)
                    && raised > work.comparison.count
                {
                    work.comparison.count = raised;
                }
                work.go_on(&cx.session, options);
            }
            None => match self.draft.comparison(&cx.draft) {
                Ok(comparison) => self.begin(comparison, cx),
                Err(why) => cx.notices.push(Notice::error(why)),
            },
        }
    }

    fn begin(&mut self, comparison: Comparison, cx: &mut Context) {
        let name = crate::checkpoint::slug(&comparison.model.to_string());
        let Some(folder) = self.home.as_deref().and_then(|home| new_folder(home, &name)) else {
            let why = "there is no folder for comparisons on this system; use `score-explorer compare --output FOLDER`";
            cx.notices.push(Notice::error(why));
            return;
        };
        self.forecast.stop();
        let inception = self.draft.inception.clone();
        let work = Work::measure(folder, comparison, inception, &cx.session, Self::options(cx));
        self.show(Some(work));
    }

    fn chosen(&mut self, purpose: Purpose, path: PathBuf, cx: &mut Context) {
        match purpose {
            Purpose::Reference => match path.to_string_lossy().parse::<Reference>() {
                Ok(reference) => self.draft.reference = reference,
                Err(error) => cx.notices.push(Notice::error(error)),
            },
            Purpose::Classifier => self.draft.classifier = Some(path),
            Purpose::Inception => self.draft.inception = Some(path),
            Purpose::Model => {
                let model = ModelRef::File(path);
                cx.consent.agree(&model);
                self.typed.model = Some(model);
            }
            Purpose::OpenPresets => self.open_presets(path, cx),
            Purpose::SavePresets => {
                let cells = self.draft.cells();
                let job = SaveJob::new(path, "saving the presets", move |path: &Path, _| write_presets(path, &cells));
                cx.saver.start(&cx.egui, job);
            }
        }
    }

    fn open_presets(&mut self, path: PathBuf, cx: &Context) {
        let failed = Found::Presets(path.clone(), Err(BROKEN.into()));
        let read = move || {
            let cells = read_presets(&path).map_err(|error| error.to_string());
            Found::Presets(path, cells)
        };
        self.threads.spawn(&cx.egui, failed, read);
    }

    /// Takes in presets of a person's own.
    fn add(&mut self, cells: Vec<Cell>, cx: &mut Context) {
        let count = cells.len();
        self.draft.add(cells);
        cx.notices.push(Notice::remark(format!("Presets added and chosen: {count}.")));
    }

    fn take(&mut self, found: Found, cx: &mut Context) {
        match found {
            Found::Comparisons(folders) => self.folders = folders,
            Found::Comparison(folder, Ok(held)) => {
                // One under way is not let go of.
                if !self.is_active() {
                    self.draft.count = held.comparison.count.get();
                    let inception = self.draft.inception.clone();
                    let work = Work::look(folder, *held, inception, &cx.session, Self::options(cx));
                    self.show(Some(work));
                }
            }
            Found::Presets(_, Ok(cells)) => self.add(cells, cx),
            Found::Comparison(_, Err(why)) | Found::Presets(_, Err(why)) => cx.notices.push(Notice::error(why)),
        }
    }

    /// The middle: the chart over the table.
    fn middle(ui: &mut Ui, work: Option<&Work>, view: &mut View) {
        let margin = Margin::symmetric(12, 8);
        let ground = Frame::new().inner_margin(margin);
        egui::CentralPanel::no_frame().frame(ground).show(ui, |ui| {
            let Some(work) = work else {
                ui.vertical_centered(|ui| {
                    ui.add_space(ui.available_height() * 0.3);
                    ui.label(RichText::new("Find the best sampler for your model").heading());
                    let text = "Choose presets on the left and press Measure. Each samples the same noise; a chart shows how \
                                near its images come to real ones, and what they cost.";
                    ui.label(RichText::new(text).weak());
                });
                return;
            };
            table::title(ui, work, view);
            ui.add_space(4.0);
            let height = (ui.available_height() * 0.52).max(120.0);
            let dots = chart::dots(work, view.cost());
            chart::ui(ui, work, &dots, view, height);
            ui.add_space(4.0);
            table::ui(ui, work, &dots, view);
        });
    }
}

impl Workspace for Compare {
    fn info(&self) -> &'static WorkspaceInfo {
        &INFO
    }

    fn ui(&mut self, ui: &mut Ui, cx: &mut Context) {
        self.textures.begin();
        if let Some(folder) = self.shown.take() {
            self.read(folder, cx);
        }
        let comparison = self.draft.comparison(&cx.draft);
        let next = comparison.as_ref().ok().filter(|_| self.work.is_none());
        self.forecast.advance(next, self.draft.inception.as_deref(), cx);
        if let Some(work) = &self.work {
            let options = Options::on(cx.draft.device);
            self.ways.advance(&work.comparison, &self.view.selected, &mut cx.session, options);
        }
        let Compare {
            panes,
            draft,
            typed,
            steps,
            work,
            folders,
            forecast,
            view,
            ways,
            differences,
            textures,
            commands,
            ..
        } = self;
        let work = work.as_ref();
        panes.ui(ui, &mut |ui, pane| match pane {
            Pane::Setup => {
                let (estimate, measuring) = (forecast.estimate(), forecast.is_measuring());
                let comparison = &comparison;
                setup::Setup { cx, draft, comparison, typed, steps, work, folders, estimate, measuring, commands }
                    .ui(ui);
            }
            Pane::Picture => Self::middle(ui, work, view),
            Pane::Plots => {
                let ground = Frame::new().inner_margin(8);
                egui::CentralPanel::no_frame().frame(ground).show(ui, |ui| match work {
                    Some(work) => pictures::ui(ui, work, view, ways, textures, differences, commands),
                    None => {
                        let text = "Images of presets will be here side by side.";
                        ui.add(egui::Label::new(RichText::new(text).weak()).wrap());
                    }
                });
            }
        });
        std::mem::take(&mut self.commands).into_iter().for_each(|command| self.obey(command, cx));
    }

    fn above(&mut self, ui: &Ui, cx: &mut Context) {
        let chart = (self.view.cost(), self.view.published);
        self.export.ui(ui, self.work.as_ref(), chart, cx);
    }

    fn is_covered(&self) -> bool {
        self.export.is_open()
    }

    fn panes(&mut self) -> Option<&mut Panes> {
        Some(&mut self.panes)
    }

    fn poll(&mut self, cx: &mut Context) {
        if !self.looked {
            self.looked = true;
            self.look(cx);
        }
        if let Some((purpose, path)) = self.request.poll() {
            self.chosen(purpose, path, cx);
        }
        let come: Vec<Found> = self.threads.poll().collect();
        let agreed = cx.consent.sift(&mut self.undecided, come, |found| match found {
            Found::Presets(file, Ok(cells)) => {
                Some((cells.iter().filter_map(|cell| cell.model.as_ref()).collect(), file.as_path()))
            }
            _ => None,
        });
        for found in agreed {
            self.take(found, cx);
        }
        if let Some(cells) = self.steps.poll(cx) {
            self.add(cells, cx);
        }
        let was_active = self.is_active();
        let options = Self::options(cx);
        if let Some(work) = &mut self.work {
            let notices = work.poll(&mut cx.session, options);
            cx.tell(notices);
        }
        if was_active && !self.is_active() {
            self.look(cx);
        }
    }

    fn keys(&mut self, keys: &Keys<'_>, cx: &mut Context) {
        keys.take(&KEYS).into_iter().for_each(|command| self.obey(command, cx));
    }

    fn take_drop(&mut self, path: &Path, cx: &mut Context) -> bool {
        let is_data = path.is_dir()
            || path.extension().is_some_and(|end| ["zip", "tar", "gz", "tgz", "npz"].iter().any(|known| end == *known));
        if !is_data || self.work.is_some() {
            return false;
        }
        self.draft.reference = Reference::Data(Place::Files { path: path.into(), is_test: false });
        cx.notices.push(Notice::remark(format!("Samples will be compared with {}.", file_name(path))));
        true
    }

    fn undo(&mut self, _: &mut Context) {
        if let Some(draft) = self.history.undo(&self.draft) {
            self.draft = draft.clone();
        }
    }

    fn redo(&mut self, _: &mut Context) {
        if let Some(draft) = self.history.redo(&self.draft) {
            self.draft = draft.clone();
        }
    }

    fn settle(&mut self, _: &Context) {
        self.history.add_undo(&self.draft);
    }

    fn task(&self) -> Option<TaskLine> {
        self.work.as_ref()?.line()
    }

    fn stop(&mut self, _: &mut Context) {
        if let Some(work) = &self.work {
            work.stop();
        }
    }

    fn close(&mut self) {
        if let Some(work) = &self.work {
            work.close();
        }
    }

    fn save(&mut self) -> Value {
        let shown = self.work.as_ref().map(|work| work.folder.clone()).or(self.shown.clone());
        let saved = Saved { layout: self.panes.clone(), draft: self.draft.clone(), view: self.view.clone(), shown };
        serde_json::to_value(saved).unwrap_or_default()
    }
}
