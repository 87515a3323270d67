//! The workspace "Train": can it learn mine?
//!
//! A training is set up on the left (`setup`, `draft`), shown in the middle (`centre`): samples of the weights and of
//! their average, and the loss by noise level over time (`strip`); and plotted on the right (`plots`). `course` is one
//! training as the window knows it.

mod averages;
mod centre;
mod course;
mod draft;
mod plots;
mod setup;
mod speed;
mod strip;

use super::background::{BROKEN, Background};
use super::context::Context;
use super::dialog::{Dialog, PathRequest};
use super::files::{file_name, new_folder, newest_folders};
use super::keys::{self, Binding, Keys, plain};
use super::panes::{Pane, Panes};
use super::status::TaskLine;
use super::textures::Textures;
use super::workspace::{Workspace, WorkspaceInfo};
use super::{Action, Notice, RunState, Settings, Start};
use crate::data::Place;
use crate::engine::{Options, Priority};
use crate::task::ModelRef;
use crate::train::{Folder, History};
use course::{Course, Former};
use draft::TrainDraft;
use egui::util::undoer::Undoer;
use egui::{Key, Ui};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use speed::Speed;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use strip::Strip;

/// No more of a training is lost, whatever happens.
const SAVE_EVERY: Duration = Duration::from_secs(120);

/// What a key or a button asks of this workspace.
#[derive(Clone, Debug)]
pub enum Command {
    /// Train, pause or go on, whichever is next.
    TrainOrPause,
    Stop,
    /// Set up another training.
    New,
    /// Set up another that begins with the weights of the one that is shown.
    Branch,
    /// Begin with the weights of a new network after all.
    Anew,
    /// Show the course of this training beside.
    Compare(Option<PathBuf>),
    /// Show the training in this folder.
    Show(PathBuf),
    ChooseFolder,
    ChooseFile,
    /// Compute with the model everywhere.
    Use,
    /// Write the average that is chosen, and compute with it everywhere.
    UseAverage,
}

static KEYS: [Binding<Command>; 3] = [
    plain(Key::Space, "Space", "Train, pause or resume", Command::TrainOrPause),
    plain(Key::Escape, "Esc", "Stop and save", Command::Stop),
    plain(Key::U, "U", "Use the trained model in every workspace", Command::Use),
];

static INFO: WorkspaceInfo = WorkspaceInfo {
    name: "Train",
    question: "Can it learn mine?",
    help: "Choose images, a family and a size on the left, then press Start training. Samples of the network show how far it has \
           come. It is saved all the time: stop, and go on another day.",
    keys: || keys::lines(&KEYS),
    picture_drop: None,
    undoes: Some("a change of settings"),
};

/// What survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    layout: Panes,
    draft: TrainDraft,
    /// The training that is shown.
    shown: Option<PathBuf>,
}

/// What threads have found.
enum Found {
    /// Folders of trainings, the newest first.
    Trainings(Vec<PathBuf>),
    /// A training that is not under way.
    Former(PathBuf, Result<Box<Former>, String>),
    /// The course of one that is compared with.
    Beside(PathBuf, Option<Arc<History>>),
}

/// A training whose course is shown beside.
#[derive(Clone, Debug)]
pub struct Beside {
    pub folder: PathBuf,
    pub history: Option<Arc<History>>,
}

/// The workspace's own state.
pub struct Train {
    /// Where trainings are kept.
    home: Option<PathBuf>,
    draft: TrainDraft,
    history: Undoer<TrainDraft>,
    panes: Panes,
    /// The training that is shown, or under way.
    course: Option<Course>,
    trainings: Vec<PathBuf>,
    beside: Option<Beside>,
    threads: Background<Found>,
    request: PathRequest<()>,
    textures: Textures,
    strip: Strip,
    speed: Speed,
    commands: Vec<Command>,
    looked: bool,
}

impl Train {
    /// The workspace as it was saved.
    pub fn new(settings: &Settings, start: &Start<'_>) -> Self {
        let mut saved = settings.of::<Saved>("train");
        saved.layout.sanitize();
        Train {
            home: start.library.as_ref().map(|library| library.with_file_name("trainings")),
            draft: saved.draft,
            history: Undoer::default(),
            panes: saved.layout,
            course: saved.shown.map(Course::of),
            trainings: Vec::new(),
            beside: None,
            threads: Background::default(),
            request: PathRequest::default(),
            textures: Textures::default(),
            strip: Strip::default(),
            speed: Speed::default(),
            commands: Vec::new(),
            looked: false,
        }
    }

    /// Images that the training which is shown has seen.
    pub fn images(&self) -> u64 {
        self.course.as_ref().map_or(0, Course::images)
    }

    /// Whether it is under way.
    pub fn is_active(&self) -> bool {
        self.course.as_ref().is_some_and(Course::is_active)
    }

    /// Whether it is held.
    pub fn is_paused(&self) -> bool {
        self.course.as_ref().is_some_and(|course| course.state == RunState::Paused)
    }

    /// Whether it shows samples: of its weights, or of the average that was chosen afterwards.
    pub fn has_samples(&self) -> bool {
        let Some(course) = &self.course else { return false };
        let chosen = course.averages.as_ref().is_some_and(|averages| averages.made().is_some());
        chosen || course.shown.as_ref().is_some_and(|shown| shown.samples.is_some())
    }

    /// Folders of the trainings that there are, the newest first.
    pub fn trainings(&self) -> &[PathBuf] {
        &self.trainings
    }

    /// Looks for trainings, and reads the one that is shown.
    fn look(&mut self, ctx: &egui::Context) {
        if let Some(home) = self.home.clone() {
            self.threads.spawn(ctx, Found::Trainings(Vec::new()), move || {
                Found::Trainings(newest_folders(&home, |path| Folder::new(path).holds_training()))
            });
        }
        let shown = self.course.as_ref().filter(|course| !course.is_active()).map(|course| course.folder.clone());
        if let Some(folder) = shown {
            let failed = Found::Former(folder.clone(), Err(BROKEN.into()));
            self.threads.spawn(ctx, failed, move || {
                let read = Former::read(&folder).map(Box::new).map_err(|error| error.to_string());
                Found::Former(folder, read)
            });
        }
    }

    fn obey(&mut self, command: Command, cx: &mut Context) {
        match command {
            Command::TrainOrPause => self.train_or_pause(cx),
            Command::Stop => self.stop(cx),
            Command::New => {
                self.course = None;
                self.obey(Command::Anew, cx);
            }
            Command::Branch => self.branch(cx),
            Command::Anew => {
                self.draft.from = None;
                self.draft.renew();
            }
            Command::Compare(folder) => self.compare(folder, cx),
            Command::Show(folder) => {
                self.course = Some(Course::of(folder));
                self.look(&cx.egui);
            }
            Command::ChooseFolder => self.request.ask(cx, Dialog::OpenFolder, ()),
            Command::ChooseFile => self.request.ask(cx, Dialog::OpenFile, ()),
            Command::Use => {
                if let Some(course) = &self.course {
                    everywhere(Folder::new(&course.folder).model(), cx);
                }
            }
            Command::UseAverage => {
                if let Some(course) = &mut self.course
                    && let Some(averages) = &mut course.averages
                {
                    averages.save(&course.folder, cx);
                }
            }
        }
    }

    fn train_or_pause(&mut self, cx: &mut Context) {
        match self.course.as_mut() {
            Some(course) if course.is_active() => course.pause_or_resume(),
            Some(course) => {
                if let Some(training) = course.training().cloned() {
                    self.begin(training, course_folder(self.course.as_ref()), cx);
                }
            }
            None => match self.draft.training() {
                Ok(training) => {
                    let folder = self.home.as_deref().and_then(|home| new_folder(home, &self.draft.name()));
                    self.begin(training, folder, cx);
                }
                Err(why) => cx.notices.push(Notice::error(why)),
            },
        }
    }

    /// Sets up a training from the averaged weights of the one that is shown, whose course stays beside.
    fn branch(&mut self, cx: &mut Context) {
        let Some(course) = &self.course else { return };
        let Some(training) = course.training() else { return };
        self.draft.branch(training, course.folder.clone());
        let folder = course.folder.clone();
        self.course = None;
        self.compare(Some(folder), cx);
    }

    fn compare(&mut self, folder: Option<PathBuf>, cx: &Context) {
        self.beside = folder.map(|folder| {
            let (read, lost) = (folder.clone(), Found::Beside(folder.clone(), None));
            self.threads.spawn(&cx.egui, lost, move || {
                let history = Former::read(&read).ok().map(|former| former.history);
                Found::Beside(read, history)
            });
            Beside { folder, history: None }
        });
    }

    fn begin(&mut self, training: crate::train::Training, folder: Option<PathBuf>, cx: &mut Context) {
        let Some(folder) = folder else {
            let why = "there is no folder for trainings on this system; use `score-explorer train --output FOLDER`";
            cx.notices.push(Notice::error(why));
            return;
        };
        if let Some(course) = &self.course
            && course.is_active()
        {
            course.stop();
        }
        let task = crate::engine::Train { training, folder: folder.clone(), save_every: SAVE_EVERY, samples: true };
        let options = Options { priority: Priority::Background, ..Options::on(cx.draft.device) };
        let before = self.course.take().filter(|course| course.folder == folder);
        self.course = Some(Course::begun(folder, cx.session.begin(task, options), before));
    }
}

/// Has a model be used in every workspace.
fn everywhere(path: PathBuf, cx: &mut Context) {
    cx.actions.push(Action::Model(ModelRef::File(path)));
    cx.actions.push(Action::Show("Trajectory"));
}

fn course_folder(course: Option<&Course>) -> Option<PathBuf> {
    course.map(|course| course.folder.clone())
}

impl Workspace for Train {
    fn info(&self) -> &'static WorkspaceInfo {
        &INFO
    }

    fn ui(&mut self, ui: &mut Ui, cx: &mut Context) {
        self.textures.begin();
        let training = self.draft.training();
        self.speed.advance(training.as_ref().ok().filter(|_| self.course.is_none()), cx);
        let Train { panes, draft, course, trainings, beside, commands, textures, strip, speed, .. } = self;
        let beside = beside.as_ref();
        panes.ui(ui, &mut |ui, pane| match pane {
            Pane::Setup => {
                let (course, training) = (course.as_ref(), &training);
                setup::Setup { cx, draft, training, course, trainings, beside, speed, commands }.ui(ui)
            }
            Pane::Picture => centre::ui(ui, course.as_mut(), textures, strip, commands),
            Pane::Plots => plots::ui(ui, course.as_ref(), beside),
        });
        if let Some(course) = &mut self.course
            && let Some(averages) = &mut course.averages
        {
            averages.advance(&course.folder, cx);
        }
        std::mem::take(&mut self.commands).into_iter().for_each(|command| self.obey(command, cx));
    }

    fn panes(&mut self) -> Option<&mut Panes> {
        Some(&mut self.panes)
    }

    fn poll(&mut self, cx: &mut Context) {
        if !self.looked {
            self.looked = true;
            self.look(&cx.egui);
        }
        if let Some(((), path)) = self.request.poll() {
            self.draft.place = Place::Files { path, is_test: false };
            self.draft.renew();
        }
        for found in self.threads.poll().collect::<Vec<_>>() {
            match found {
                Found::Trainings(trainings) => self.trainings = trainings,
                Found::Beside(folder, history) => {
                    if let Some(beside) = self.beside.as_mut().filter(|beside| beside.folder == folder) {
                        beside.history = history;
                    }
                }
                Found::Former(folder, read) => {
                    let Some(course) = self.course.as_mut().filter(|course| course.folder == folder) else { continue };
                    match read {
                        Ok(former) => course.stands(*former),
                        Err(why) => {
                            self.course = None;
                            cx.notices.push(Notice::error(why));
                        }
                    }
                }
            }
        }
        let ended = self.course.as_mut().map(|course| course.poll(&mut cx.session)).unwrap_or_default();
        if ended.ended {
            self.look(&cx.egui);
        }
        let averages = self.course.as_mut().and_then(|course| course.averages.as_mut());
        if let Some(path) = averages.and_then(|averages| averages.poll(cx)) {
            everywhere(path, cx);
        }
        cx.tell(ended.notices);
    }

    fn keys(&mut self, keys: &Keys<'_>, cx: &mut Context) {
        keys.take(&KEYS).into_iter().for_each(|command| self.obey(command, cx));
    }

    fn take_drop(&mut self, path: &Path, cx: &mut Context) -> bool {
        let holds_pictures = path.is_dir()
            || path.extension().is_some_and(|end| ["zip", "tar", "gz", "tgz"].iter().any(|known| end == *known));
        if !holds_pictures || self.course.as_ref().is_some_and(Course::is_active) {
            return false;
        }
        self.course = None;
        self.draft.place = Place::Files { path: path.into(), is_test: false };
        self.draft.from = None;
        self.draft.renew();
        cx.notices.push(Notice::remark(format!(
            "{} is the data of the next training; press Start training.",
            file_name(path)
        )));
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
        self.course.as_ref()?.line()
    }

    fn stop(&mut self, _: &mut Context) {
        if let Some(course) = &self.course {
            course.stop();
        }
    }

    fn close(&mut self) {
        if let Some(course) = &self.course {
            course.close();
        }
    }

    fn save(&mut self) -> Value {
        let shown = self.course.as_ref().map(|course| course.folder.clone());
        let saved = Saved { layout: self.panes.clone(), draft: self.draft.clone(), shown };
        serde_json::to_value(saved).unwrap_or_default()
    }
}
