//! The workspace "Inpaint": what else could be here?
//!
//! A photo is opened and painted on; what is painted is unknown, and the model is asked what could be there. The
//! mask, the colour hints over the photo and the tools for both (`mask`, `hints`, `brush`, `shape`,
//! `operation`, `history`, `observation`, `paste`, all behind [`Canvas`]) know nothing of the window; the rest is the
//! room.

mod area;
mod brush;
mod canvas;
mod commands;
mod display;
mod draft;
mod fills;
mod gpu;
mod hand;
mod hints;
mod history;
mod inset;
mod keep;
mod load;
mod look;
mod mask;
mod observation;
mod operation;
mod overlay;
mod paste;
mod pyramid;
pub mod shape;
mod stage;
#[cfg(test)]
mod tests;
mod tiles;
mod tools;
mod viewport;

pub use area::Area;
pub use brush::Brush;
pub use canvas::{Canvas, Photo};
pub use draft::{InpaintDraft, Tool};
pub use fills::{FillDraft, Fills, Problem};
pub use hints::Hints;
pub use history::{History, Step};
pub use keep::{Kept, Painted};
pub use mask::Mask;
pub use operation::{MaskChange, Operation, Shape};
pub use paste::Paste;

use super::context::Context;
use super::dialog::{Dialog, PathRequest};
use super::files::{OpenedFile, is_picture};
use super::keys::{self, Keys};
use super::panes::{self, Pane, Panes};
use super::photos::{Crop, Source, WORLD_SIDE, Wanted, any_world, pasted};
use super::saving::SaveJob;
use super::status::TaskLine;
use super::workspace::{Workspace, WorkspaceInfo};
use super::{Action, Draft, Notice, Session, Settings, Start};
use crate::checkpoint::write_mask;
use crate::task::ModelRef;
use commands::{Command, KEYS};
use display::Display;
use egui::Ui;
use hand::Gesture;
use inset::Inset;
use keep::{Keeper, Painting};
use load::{Loaded, Loader};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use viewport::Viewport;

/// What a path was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PathPurpose {
    Photo,
    Mask,
    SaveMask,
    SaveFilled,
}

/// What survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedInpaint {
    pub draft: InpaintDraft,
    pub fills: FillDraft,
    pub layout: Panes,
    pub source: Option<Source>,
    pub crop: Crop,
    pub kept: Kept,
    /// The painting before this one, which gave way to a photo that was asked for when the window opened.
    pub earlier: Option<Painting>,
}

/// The workspace's own state.
pub struct Inpaint {
    pub draft: InpaintDraft,
    panes: Panes,
    request: PathRequest<PathPurpose>,
    pub fills: Fills,
    canvas: Option<Canvas>,
    viewport: Viewport,
    gesture: Gesture,
    display: Display,
    inset: Inset,
    loader: Loader,
    /// A change of the whole mask is under way.
    changing: bool,
    /// The workspace has been looked at: no photo is read before.
    opened: bool,
    /// What is brought back when the workspace is first looked at.
    saved: Option<Painting>,
    earlier: Option<Painting>,
    keeper: Keeper,
    /// Side of the model's pictures.
    side: usize,
    inspected: Option<ModelRef>,
    /// Samples that were taken from other workspaces.
    taken: usize,
    /// What was asked for in this frame.
    commands: Vec<Command>,
}

impl Inpaint {
    /// The workspace as it was saved.
    pub fn new(settings: &Settings, start: &Start<'_>) -> Self {
        let mut saved: SavedInpaint = settings.of("inpaint");
        saved.draft.sanitize();
        saved.layout.sanitize();
        Inpaint {
            draft: saved.draft,
            panes: saved.layout,
            request: PathRequest::default(),
            fills: Fills::new(saved.fills),
            canvas: None,
            viewport: Viewport::default(),
            gesture: Gesture::None,
            display: Display::new(start.render_state),
            inset: Inset::default(),
            loader: Loader::default(),
            changing: false,
            opened: false,
            saved: saved.source.map(|source| Painting { source, crop: saved.crop, kept: saved.kept }),
            earlier: saved.earlier,
            keeper: Keeper::new(start.painting.clone()),
            side: WORLD_SIDE,
            inspected: None,
            taken: 0,
            commands: Vec::new(),
        }
    }

    /// The photo and its mask.
    pub fn canvas(&self) -> Option<&Canvas> {
        self.canvas.as_ref()
    }

    /// The same to ask for observation.
    pub fn canvas_mut(&mut self) -> Option<&mut Canvas> {
        self.canvas.as_mut()
    }

    /// Side of the pictures of the model that is chosen.
    pub fn model_side(&self) -> usize {
        self.side
    }

    /// Whether a change of the whole mask is under way.
    pub fn is_changing(&self) -> bool {
        self.changing
    }

    /// Takes in what threads have said. Never waits.
    fn advance(&mut self, ctx: &egui::Context, session: &mut Session, shared: &Draft) -> Vec<Notice> {
        let loaded = self.loader.poll();
        let mut notices: Vec<Notice> = loaded.into_iter().flat_map(|loaded| self.take(ctx, session, loaded)).collect();
        notices.extend(self.keeper.poll().map(Notice::error));
        notices.extend(self.advance_fills(session));
        if self.opened {
            self.learn_side(session, shared);
        }
        notices
    }

    fn take(&mut self, ctx: &egui::Context, session: &mut Session, loaded: Loaded) -> Vec<Notice> {
        match loaded {
            Loaded::Photo { photo, crop, painted } => {
                let notices = photo.notes.iter().map(|note| Notice::remark(format!("{}: {note}", photo.name)));
                let notices = notices.collect();
                self.canvas = Some(Canvas::new(*photo, crop).with(painted));
                (self.viewport, self.gesture, self.changing) = (Viewport::default(), Gesture::None, false);
                notices
            }
            Loaded::Mask(mask) => {
                let size = mask.size.map(|side| side as usize);
                if self.canvas.as_ref().is_some_and(|canvas| canvas.mask().size() == size) {
                    self.change(ctx, Operation::Replace(Arc::new(mask.values)));
                }
                mask.notes.into_iter().map(Notice::remark).collect()
            }
            Loaded::Changed(done) => {
                self.changing = false;
                if let Some(canvas) = &mut self.canvas {
                    canvas.accept(*done);
                }
                Vec::new()
            }
            Loaded::Seen(seen) => {
                self.seen(session, *seen);
                Vec::new()
            }
            Loaded::Told(notice) | Loaded::Refused(notice) => vec![notice],
        }
    }

    fn learn_side(&mut self, session: &mut Session, shared: &Draft) {
        match session.model(&shared.model) {
            Some(report) => self.side = if report.range.is_some() { report.shape[1].max(1) } else { WORLD_SIDE },
            None if self.inspected.as_ref() != Some(&shared.model) => {
                session.inspect(&shared.model, shared.device);
                self.inspected = Some(shared.model.clone());
            }
            None => {}
        }
    }

    /// Lets go of what is being drawn; where nothing is, ends what the model works on.
    fn let_go_or_stop(&mut self) {
        let drawing = self.canvas.as_ref().is_some_and(Canvas::is_painting) || !matches!(self.gesture, Gesture::None);
        self.cancel();
        if !drawing {
            self.stop_filling();
        }
    }

    fn obey(&mut self, command: Command, cx: &mut Context) {
        let ctx = cx.egui.clone();
        match command {
            Command::Tool(tool) => self.choose(tool),
            Command::Swap => self.draft.swap(),
            Command::Resize(steps) => {
                let size = self.canvas.as_ref().map_or([WORLD_SIDE; 2], |canvas| canvas.photo.size());
                self.draft.resize(steps, size);
            }
            Command::Harden(steps) => self.draft.harden(steps),
            Command::Change(operation) => self.change(&ctx, operation),
            Command::ClearHints => self.rewind(Canvas::clear_hints),
            Command::Undo => self.rewind(Canvas::undo),
            Command::Redo => self.rewind(Canvas::redo),
            Command::Zoom(steps) => self.viewport.step(steps),
            Command::Fit => self.viewport.fit(),
            Command::Actual => self.viewport.actual(),
            Command::World => self.loader.photo(&ctx, any_world(self.side)),
            Command::Sample => {
                self.taken += 1;
                cx.sample(self.taken).into_iter().for_each(|wanted| self.loader.photo(&ctx, wanted));
            }
            Command::Earlier => self.bring_back(&ctx),
            Command::OpenPhoto => self.request.ask(cx, Dialog::OpenPicture, PathPurpose::Photo),
            Command::OpenMask if self.canvas.is_some() => self.request.ask(cx, Dialog::OpenPicture, PathPurpose::Mask),
            Command::SaveMask if self.canvas.is_some() => self.ask_place(cx, "mask", PathPurpose::SaveMask),
            Command::SaveFilled if self.fills.pictures().is_some() => {
                self.ask_place(cx, "filled", PathPurpose::SaveFilled)
            }
            Command::OpenMask | Command::SaveMask | Command::SaveFilled => {}
            Command::FillOrStop => {
                let notice = self.fill_or_stop(&ctx, &cx.session, &cx.draft);
                cx.tell(notice);
            }
            Command::Branch => {
                let notice = self.branch(&cx.session, &cx.draft);
                cx.tell(notice);
            }
            Command::Stop => self.let_go_or_stop(),
            Command::Lay => self.fills.draft.laid = !self.fills.draft.laid,
            Command::Adopt => self.adopt(&ctx),
            Command::GoBack(answer) => self.go_back(&ctx, answer),
        }
    }

    /// Asks where `what` of the photo is to be written.
    fn ask_place(&mut self, cx: &Context, what: &str, purpose: PathPurpose) {
        let name = self.canvas.as_ref().map_or("photo", |canvas| canvas.photo.name.as_str());
        let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{}-{what}.png", stem.replace(' ', "-"));
        self.request.ask(cx, Dialog::Save { name: &name }, purpose);
    }

    /// Takes in a path that was asked for.
    fn take_path(&mut self, cx: &mut Context) {
        let Some((purpose, path)) = self.request.poll() else { return };
        match purpose {
            PathPurpose::Photo => self.open_photo(&cx.egui, &path),
            PathPurpose::Mask => self.open_mask(&cx.egui, &path),
            PathPurpose::SaveMask => {
                let Some(mask) = self.canvas.as_ref().map(Canvas::mask) else { return };
                let (size, values) = (mask.size().map(|side| side as u32), mask.values().clone());
                let job = SaveJob::new(path, "saving the mask", move |path, _| write_mask(path, size, &values));
                cx.saver.start(&cx.egui, job);
            }
            PathPurpose::SaveFilled => {
                let job = self.fills.save_job(path);
                job.into_iter().for_each(|job| cx.saver.start(&cx.egui, job));
            }
        }
    }

    /// Reads a photo and paints on it.
    pub fn open_photo(&mut self, ctx: &egui::Context, path: &Path) {
        self.set_aside();
        self.loader.photo(ctx, Wanted::File(path.into()));
    }

    /// Reads a mask for the photo.
    pub fn open_mask(&mut self, ctx: &egui::Context, path: &Path) {
        if let Some(canvas) = &self.canvas {
            self.loader.mask(ctx, path.into(), canvas.mask().size());
        }
    }

    /// Takes up another tool; what is being drawn is let go.
    fn choose(&mut self, tool: Tool) {
        if self.draft.tool != tool {
            self.cancel();
            self.draft.take_up(tool);
        }
    }

    fn cancel(&mut self) {
        self.gesture = Gesture::None;
        if let Some(canvas) = &mut self.canvas {
            canvas.cancel();
        }
    }

    /// Changes the whole mask, on another thread; one change at a time.
    fn change(&mut self, ctx: &egui::Context, operation: Operation) {
        if let Some(canvas) = self.canvas.as_mut().filter(|_| !self.changing) {
            self.changing = true;
            self.loader.change(ctx, canvas.change(operation));
        }
    }

    fn rewind(&mut self, step: fn(&mut Canvas) -> bool) {
        if let Some(canvas) = self.canvas.as_mut().filter(|_| !self.changing) {
            self.gesture = Gesture::None;
            step(canvas);
        }
    }
}

static INFO: WorkspaceInfo = WorkspaceInfo {
    name: "Inpaint",
    question: "What else could be here?",
    help: "Open a photo and paint over the part to replace. The model fills in the masked area, \
           several samples at once; everything else is kept.",
    keys: || keys::lines(&KEYS),
    picture_drop: Some("paint on this photo, or with Alt use it as the mask"),
    undoes: Some("a stroke or a change to the mask or hints"),
};

impl Workspace for Inpaint {
    fn info(&self) -> &'static WorkspaceInfo {
        &INFO
    }

    fn ui(&mut self, ui: &mut Ui, cx: &mut Context) {
        self.open(ui.ctx());
        pasted(ui).into_iter().for_each(|wanted| self.loader.photo(ui.ctx(), wanted));
        let mut all = std::mem::take(&mut self.panes);
        let begins = !all.is_open(Pane::Plots);
        all.ui(ui, &mut |ui, pane| match pane {
            Pane::Setup => tools::ui(ui, self, cx),
            Pane::Picture => stage::ui(ui, self, cx, begins),
            Pane::Plots => panes::figures(ui, 6, |ui| fills::ui(ui, self, cx)),
        });
        self.panes = all;
        std::mem::take(&mut self.commands).into_iter().for_each(|command| self.obey(command, cx));
    }

    fn panes(&mut self) -> Option<&mut Panes> {
        Some(&mut self.panes)
    }

    fn poll(&mut self, cx: &mut Context) {
        let ctx = cx.egui.clone();
        self.take_path(cx);
        if !self.fills.failed.pressed().is_empty() {
            self.obey(Command::FillOrStop, cx);
        }
        let notices = self.advance(&ctx, &mut cx.session, &cx.draft);
        cx.tell(notices);
    }

    fn keys(&mut self, keys: &Keys<'_>, cx: &mut Context) {
        keys.take(&KEYS).into_iter().for_each(|command| self.obey(command, cx));
    }

    /// Takes a picture; with Alt it becomes the mask.
    fn take_drop(&mut self, path: &Path, cx: &mut Context) -> bool {
        let as_mask = cx.egui.input(|input| input.modifiers.alt);
        let picture = is_picture(path);
        match picture {
            true if as_mask && self.canvas.is_some() => self.open_mask(&cx.egui, path),
            true => self.open_photo(&cx.egui, path),
            false => {}
        }
        picture
    }

    fn take_file(&mut self, opened: &OpenedFile, cx: &mut Context) -> bool {
        let OpenedFile::Picture(path) = opened else { return false };
        cx.actions.push(Action::Show(INFO.name));
        self.open_photo(&cx.egui, path);
        true
    }

    fn undo(&mut self, _cx: &mut Context) {
        self.rewind(Canvas::undo);
    }

    fn redo(&mut self, _cx: &mut Context) {
        self.rewind(Canvas::redo);
    }

    fn task(&self) -> Option<TaskLine> {
        self.fills.line()
    }

    fn stop(&mut self, _cx: &mut Context) {
        self.stop_filling();
    }

    fn save(&mut self) -> Value {
        let (source, crop, kept) = match &self.canvas {
            Some(canvas) => {
                self.keeper.keep(canvas);
                (Some(canvas.photo.source.clone()), canvas.crop(), Kept::of(canvas))
            }
            None => match self.saved.clone() {
                Some(Painting { source, crop, kept }) => (Some(source), crop, kept),
                None => Default::default(),
            },
        };
        let (draft, fills, layout) = (self.draft.clone(), self.fills.draft.clone(), self.panes.clone());
        serde_json::to_value(SavedInpaint { draft, fills, layout, source, crop, kept, earlier: self.earlier.clone() })
            .unwrap_or_default()
    }
}
