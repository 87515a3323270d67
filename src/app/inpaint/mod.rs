//! The workspace "Inpaint": what else could be here?
//!
//! A photo is opened and painted on; what is painted is unknown, and the model is asked what could be there. The
//! mask, the colour hints over the photo and the tools for both (`mask`, `hints`, `brush`, `shape`, `filter`,
//! `operation`, `history`, `evidence`, `paste`, all behind [`Canvas`]) know nothing of the window; the rest is the
//! room.

mod area;
mod brush;
mod canvas;
mod display;
mod draft;
mod evidence;
mod fills;
pub mod filter;
mod glyph;
mod gpu;
mod hand;
mod hints;
mod history;
mod inset;
mod keep;
mod load;
mod look;
mod mask;
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
mod view;

pub use area::Area;
pub use brush::Brush;
pub use canvas::{Canvas, Photo};
pub use draft::{InpaintDraft, Tool};
pub use fills::{FillDraft, Fills, Problem};
pub use hints::Hints;
pub use history::{History, Step};
pub use keep::{Kept, Painted};
pub use mask::Mask;
pub use operation::{Job, Operation, Shape};
pub use paste::Paste;

use super::latents::{Crop, Source, WORLDS, is_picture};
use super::layout::{Layout, Pane};
use super::trajectory::Desk;
use super::{Draft, Notice, Session};
use crate::task::ModelRef;
use display::Display;
use eframe::egui_wgpu::RenderState;
use egui::{Frame, Margin, ScrollArea, Ui};
use hand::Gesture;
use inset::Inset;
use keep::Keeper;
use load::{Loaded, Loader, Wanted};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use view::View;

/// Side of the pictures of a model that is not known yet.
const USUAL_SIDE: usize = 32;

/// What a key, a drop or a button asks of this workspace.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    Tool(Tool),
    /// Brush and eraser, or adding and taking away, change places.
    Swap,
    /// A larger or smaller brush.
    Resize(i32),
    /// A harder or softer brush.
    Harden(i32),
    Change(Operation),
    /// Take all colour hints away.
    ClearHints,
    Undo,
    Redo,
    /// Let go of what is being drawn.
    Cancel,
    /// Closer, or further away.
    Zoom(i32),
    /// The whole photo.
    Fit,
    /// A pixel of the photo as a pixel of the screen.
    Actual,
    OpenPhoto,
    OpenMask,
    SaveMask,
    /// Paint on one of the worlds that ship.
    World,
    /// Ask the model, or end what it works on.
    FillOrStop,
    /// End what the model works on, or let go of what is being drawn.
    Stop,
    /// Lay the picked sample on the photo, or do not.
    Lay,
    /// The picked sample becomes part of the photo.
    Adopt,
    /// Back to an earlier answer, with its photo and mask.
    GoBack(usize),
    SaveFilled,
}

/// What a dialog was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
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
    pub layout: Layout,
    pub source: Option<Source>,
    pub crop: Crop,
    pub kept: Kept,
}

/// The workspace's own state.
pub struct Inpaint {
    pub draft: InpaintDraft,
    pub layout: Layout,
    /// What the dialog that is open is for.
    pub asking: Option<Asking>,
    pub fills: Fills,
    canvas: Option<Canvas>,
    view: View,
    gesture: Gesture,
    display: Display,
    inset: Inset,
    loader: Loader,
    /// A change of the whole mask is under way.
    changing: bool,
    /// The workspace has been looked at: no photo is read before.
    opened: bool,
    saved: (Option<Source>, Crop, Kept),
    keeper: Keeper,
    /// Side of the model's pictures.
    side: usize,
    inspected: Option<ModelRef>,
    /// Samples that were taken from Trajectory.
    taken: usize,
}

impl Inpaint {
    /// The workspace as it was saved; what is painted is kept in the folder `painting`.
    pub fn new(mut saved: SavedInpaint, state: Option<&RenderState>, painting: Option<PathBuf>) -> Self {
        saved.draft.mend();
        saved.layout.mend();
        Inpaint {
            draft: saved.draft,
            layout: saved.layout,
            asking: None,
            fills: Fills::new(saved.fills),
            canvas: None,
            view: View::default(),
            gesture: Gesture::None,
            display: Display::new(state),
            inset: Inset::default(),
            loader: Loader::default(),
            changing: false,
            opened: false,
            saved: (saved.source, saved.crop, saved.kept),
            keeper: Keeper::new(painting),
            side: USUAL_SIDE,
            inspected: None,
            taken: 0,
        }
    }

    /// What is to be saved.
    pub fn saved(&self) -> SavedInpaint {
        let (source, crop, kept) = match &self.canvas {
            Some(canvas) => (Some(canvas.photo.source.clone()), canvas.crop(), Kept::of(canvas)),
            None => self.saved.clone(),
        };
        let (draft, fills) = (self.draft.clone(), self.fills.draft.clone());
        SavedInpaint { draft, fills, layout: self.layout.clone(), source, crop, kept }
    }

    /// Keeps what is painted, on another thread.
    pub fn keep(&mut self) {
        if let Some(canvas) = &self.canvas {
            self.keeper.keep(canvas);
        }
    }

    /// The photo and its mask.
    pub fn canvas(&self) -> Option<&Canvas> {
        self.canvas.as_ref()
    }

    /// The same to ask for evidence.
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
    pub fn advance(&mut self, ctx: &egui::Context, session: &mut Session, shared: &Draft) -> Vec<Notice> {
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
                (self.view, self.gesture, self.changing) = (View::default(), Gesture::None, false);
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

    fn learn_side(&mut self, session: &Session, shared: &Draft) {
        match session.model(&shared.model) {
            Some(report) => self.side = if report.range.is_some() { report.shape[1].max(1) } else { USUAL_SIDE },
            None if self.inspected.as_ref() != Some(&shared.model) => {
                session.inspect(&shared.model);
                self.inspected = Some(shared.model.clone());
            }
            None => {}
        }
    }

    /// Lets go of what is being drawn; where nothing is, ends what the model works on.
    pub fn stop(&mut self, session: &Session) {
        let drawing = self.canvas.as_ref().is_some_and(Canvas::is_painting) || !matches!(self.gesture, Gesture::None);
        self.cancel();
        if !drawing {
            self.stop_filling(session);
        }
    }

    /// Does what was asked; the dialog that it needs.
    pub fn ask(&mut self, ctx: &egui::Context, ask: Ask) -> Option<Asking> {
        match ask {
            Ask::Tool(tool) => self.choose(tool),
            Ask::Swap => self.draft.swap(),
            Ask::Resize(steps) => {
                let size = self.canvas.as_ref().map_or([USUAL_SIDE; 2], |canvas| canvas.photo.size());
                self.draft.resize(steps, size);
            }
            Ask::Harden(steps) => self.draft.harden(steps),
            Ask::Change(operation) => self.change(ctx, operation),
            Ask::ClearHints => self.rewind(Canvas::clear_hints),
            Ask::Undo => self.rewind(Canvas::undo),
            Ask::Redo => self.rewind(Canvas::redo),
            Ask::Cancel => self.cancel(),
            Ask::Zoom(steps) => self.view.step(steps),
            Ask::Fit => self.view.fit(),
            Ask::Actual => self.view.actual(),
            Ask::World => self.roll(ctx),
            Ask::OpenPhoto => return Some(Asking::Photo),
            Ask::OpenMask => return self.canvas.is_some().then_some(Asking::Mask),
            Ask::SaveMask => return self.canvas.is_some().then_some(Asking::SaveMask),
            Ask::Lay => self.fills.draft.laid = !self.fills.draft.laid,
            Ask::Adopt => self.adopt(ctx),
            Ask::GoBack(answer) => self.go_back(ctx, answer),
            Ask::SaveFilled => return self.fills.answer().map(|_| Asking::SaveFilled),
            // The shell does these: they need the engine.
            Ask::FillOrStop | Ask::Stop => {}
        }
        None
    }

    /// The name that a dialog to save the mask begins with.
    pub fn mask_name(&self) -> String {
        let name = self.canvas.as_ref().map_or("photo", |canvas| canvas.photo.name.as_str());
        let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy();
        format!("{}-mask.png", stem.replace(' ', "-"))
    }

    /// The name that a dialog to save the filled photo begins with.
    pub fn filled_name(&self) -> String {
        self.mask_name().replace("-mask.png", "-filled.png")
    }

    /// Takes a path that was chosen for this workspace; whether it was.
    pub fn take_path(&mut self, ctx: &egui::Context, path: &Path) -> bool {
        match self.asking.take() {
            Some(Asking::Photo) => self.open_photo(ctx, path),
            Some(Asking::Mask) => self.open_mask(ctx, path),
            other => {
                self.asking = other;
                return false;
            }
        }
        true
    }

    /// Takes the place that was chosen for the mask; whether one was asked for.
    pub fn save_to(&mut self, ctx: &egui::Context, path: &Path) -> bool {
        let asked = matches!(self.asking, Some(Asking::SaveMask | Asking::SaveFilled));
        if self.asking == Some(Asking::SaveFilled) {
            self.asking = None;
            self.save_answer(ctx, path);
        } else if asked {
            self.asking = None;
            if let Some(canvas) = &self.canvas {
                let mask = canvas.mask();
                self.loader.save_mask(ctx, path.into(), mask.size(), mask.values().clone());
            }
        }
        asked
    }

    /// Takes a dropped file if it is a picture; whether it is, by its name. `as_mask`: it becomes the mask.
    pub fn take_drop(&mut self, ctx: &egui::Context, path: &Path, as_mask: bool) -> bool {
        let picture = is_picture(path);
        match picture {
            true if as_mask && self.canvas.is_some() => self.open_mask(ctx, path),
            true => self.open_photo(ctx, path),
            false => {}
        }
        picture
    }

    /// Reads a photo and paints on it.
    pub fn open_photo(&mut self, ctx: &egui::Context, path: &Path) {
        self.loader.photo(ctx, Wanted::File(path.into()), Crop::default());
    }

    /// Reads a mask for the photo.
    pub fn open_mask(&mut self, ctx: &egui::Context, path: &Path) {
        if let Some(canvas) = &self.canvas {
            self.loader.mask(ctx, path.into(), canvas.mask().size());
        }
    }

    /// Shows the workspace in all the room there is.
    pub fn ui(&mut self, ui: &mut Ui, desk: &mut Desk<'_>) {
        self.open(ui.ctx());
        self.paste(ui);
        let mut layout = std::mem::take(&mut self.layout);
        let panel = || Frame::new().fill(ui.visuals().panel_fill);
        let (setup, plots) = (panel(), panel().inner_margin(Margin::symmetric(8, 6)));
        layout.ui(ui, &mut |ui, pane| match pane {
            Pane::Setup => {
                setup.show(ui, |ui| tools::ui(ui, self, desk));
            }
            Pane::Picture => stage::ui(ui, self, desk),
            Pane::Plots => {
                plots.show(ui, |ui| {
                    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| fills::ui(ui, self, desk));
                });
            }
        });
        self.layout = layout;
    }

    /// Brings back the photo of the last window, once.
    fn open(&mut self, ctx: &egui::Context) {
        if std::mem::replace(&mut self.opened, true) {
            return;
        }
        let (Some(source), crop, kept) = &self.saved else { return };
        let wanted = match (source, &kept.photo) {
            (source, Some(name)) => Wanted::Kept(source.clone(), name.clone()),
            (Source::World(index), None) => Wanted::World(*index),
            (Source::File(path), None) => Wanted::File(path.clone()),
            (Source::Latents { .. } | Source::Trajectory | Source::Clipboard, None) => return,
        };
        let kept = self.keeper.folder().map(|folder| (folder.to_owned(), kept.clone()));
        self.loader.photo_as_kept(ctx, wanted, *crop, kept);
    }

    fn paste(&mut self, ui: &Ui) {
        let pasted = ui.input(|input| {
            input.events.iter().rev().find_map(|event| match event {
                egui::Event::PasteImage(image) => Some(image.clone()),
                _ => None,
            })
        });
        if let Some(image) = pasted {
            self.loader.photo(ui.ctx(), Wanted::Pasted(image), Crop::default());
        }
    }

    /// Takes a world that nobody chose.
    fn roll(&mut self, ctx: &egui::Context) {
        self.loader.photo(ctx, Wanted::World(fastrand::usize(..WORLDS)), Crop::default());
    }

    /// Takes a sample of the run that is shown in Trajectory, another each time.
    fn take_sample(&mut self, ctx: &egui::Context, session: &Session) {
        let Some(entry) = session.current() else { return };
        let Some(snapshot) = &entry.view.snapshot else { return };
        let x = &snapshot.newest.x;
        let (low, high) = entry.view.report.range.bounds();
        let [count, c, h, w] = x.shape;
        let sample = self.taken % count.max(1);
        self.taken += 1;
        let unit = |value: &f32| ((f64::from(*value) - low) / (high - low)).clamp(0.0, 1.0) as f32;
        let values = x.sample(sample).iter().map(unit).collect();
        let name = format!("sample {}", sample + 1);
        self.loader.photo(ctx, Wanted::Sample { shape: [c, h, w], values, name }, Crop::default());
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
            self.loader.change(ctx, canvas.job(operation));
        }
    }

    fn rewind(&mut self, step: fn(&mut Canvas) -> bool) {
        if let Some(canvas) = self.canvas.as_mut().filter(|_| !self.changing) {
            self.gesture = Gesture::None;
            step(canvas);
        }
    }
}
