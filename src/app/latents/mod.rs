//! The workspace "Latents": where does a picture live?
//!
//! Pictures in slots are encoded to latents along the probability-flow ODE, decoded again, mixed and measured.
//! `work` decides what is computed next, `look` what the middle of the room shows; the rest is the room.

mod board;
mod canvas;
mod card;
mod crop;
mod draft;
mod look;
mod measure;
mod photo;
mod room;
mod save;
mod setup;
mod strip;
mod work;

pub use board::{Board, SavedSlot};
pub(super) use canvas::{Canvas as Textures, dashed, frame};
pub use draft::{LatentsDraft, Mix};
pub(super) use photo::{Crop, Source, pasted_picture, sample_picture, world_picture};
pub use work::{Held, JobLine};

use super::layout::{Layout, Pane};
use super::theme::Theme;
use super::trajectory::Desk;
use crate::task::{Flow, ModelRef};
use board::Slot;
use canvas::Canvas;
use crop::Cropping;
use egui::util::undoer::Undoer;
use egui::{Frame, Margin, RichText, ScrollArea, Ui};
use look::Look;
use measure::Measure;
use photo::{Photos, Wanted};
use save::Saver;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use strip::Strip;
use work::Work;

/// Worlds that ship.
pub(super) const WORLDS: usize = 512;

/// What a key, a drop or a menu asks of this workspace.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Play the loop, or hold it.
    Play,
    /// Move the slider by whole frames.
    Move(i32),
    Stop,
    /// Do again what failed.
    GoOn,
    /// Choose a file for a slot; of none, for the focused one.
    Open(Option<usize>),
    /// Choose a folder that likelihoods are compared with.
    ChooseSet,
    OfferSave,
    Undo,
    Redo,
}

/// What a dialog was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    Slot(usize),
    Set,
}

/// What survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SavedLatents {
    pub draft: LatentsDraft,
    pub layout: Layout,
    pub slots: Vec<SavedSlot>,
}

/// The workspace's own state.
pub struct Latents {
    pub draft: LatentsDraft,
    pub layout: Layout,
    pub saver: Saver,
    /// What the dialog that is open is for.
    pub asking: Option<Asking>,
    board: Board,
    photos: Photos,
    work: Work,
    strip: Option<Strip>,
    look: Look,
    measure: Measure,
    canvas: Canvas,
    cropping: Option<Cropping>,
    history: Undoer<(Vec<Slot>, LatentsDraft)>,
    /// The workspace has been looked at: nothing is computed before.
    opened: bool,
    /// The model's data are no pictures.
    no_pictures: bool,
    inspected: Option<ModelRef>,
    told: HashSet<String>,
    saved: Vec<SavedSlot>,
    /// Pictures of the last window that are on their way.
    restoring: usize,
    /// Samples that were taken from Trajectory.
    taken: usize,
}

impl Latents {
    /// The workspace as it was saved.
    pub fn new(mut saved: SavedLatents) -> Self {
        saved.draft.mend();
        saved.layout.mend();
        let mut board = Board::default();
        for (slot, old) in board.slots.iter_mut().zip(&saved.slots) {
            slot.weight = if old.weight.is_finite() { old.weight } else { 0.5 };
        }
        Latents {
            draft: saved.draft,
            layout: saved.layout,
            saver: Saver::default(),
            asking: None,
            board,
            photos: Photos::default(),
            work: Work::default(),
            strip: None,
            look: Look::default(),
            measure: Measure::default(),
            canvas: Canvas::default(),
            cropping: None,
            history: Undoer::default(),
            opened: false,
            no_pictures: false,
            inspected: None,
            told: HashSet::new(),
            saved: saved.slots,
            restoring: 0,
            taken: 0,
        }
    }

    /// What is to be saved.
    pub fn saved(&self) -> SavedLatents {
        let slots = if self.opened { self.board.saved() } else { self.saved.clone() };
        SavedLatents { draft: self.draft.clone(), layout: self.layout.clone(), slots }
    }

    /// Frames of the strip that have a picture, and of how many.
    pub fn filled(&self) -> (usize, usize) {
        let Some(strip) = &self.strip else { return (0, 0) };
        ((0..strip.len()).filter(|&place| strip.best(place).is_some()).count(), strip.len())
    }

    /// Frames of the strip that are as exact as was asked.
    pub fn exact(&self) -> usize {
        self.strip.as_ref().map_or(0, Strip::exact)
    }

    /// Where the slider stands, from A (0) to B (1), and the number of evaluations of the picture there.
    pub fn shown(&self) -> Option<(f64, usize)> {
        self.look.shown.as_ref().map(|shown| (self.look.place, shown.nfe))
    }

    /// From the newest move of the slider to the first picture there.
    pub fn answered(&self) -> Option<Duration> {
        self.work.answered
    }

    /// PSNR in dB of a slot's reconstruction.
    pub fn psnr(&self, slot: usize) -> Option<f64> {
        Some(self.board.encoding_in(slot)?.back.as_ref()?.psnr)
    }

    /// bits/dim of a slot's picture.
    pub fn bits_per_dim(&self, slot: usize) -> Option<f64> {
        Some(self.board.likelihood(&self.board.key(slot)?)?.2.bits_per_dim)
    }

    /// bits/dim of the pictures of the set that are measured.
    pub fn set_bits(&self) -> Vec<f64> {
        self.measure.bits()
    }

    /// Why nothing is begun, if so.
    pub fn held(&self) -> Option<&Held> {
        self.work.held.as_ref()
    }

    /// Whether a panel stands above the room.
    pub fn is_covered(&self) -> bool {
        self.cropping.is_some() || self.saver.is_open()
    }

    /// Puts a file into a slot.
    pub fn put_file(&mut self, ctx: &egui::Context, slot: usize, path: PathBuf) {
        self.photos.load(ctx, slot, Wanted::File(path), Crop::default());
    }

    /// Puts a file of latents into slots: into this one and those after it, or where there is room.
    pub fn put_latents(&mut self, ctx: &egui::Context, slot: Option<usize>, path: PathBuf) {
        // Restored slots come first.
        self.open(ctx);
        self.photos.latents(ctx, slot, path, None);
    }

    /// The journey of latents that were just opened: what the settings should make now.
    pub fn take_journey(&mut self) -> Option<Flow> {
        let flow = self.work.opened.take()?;
        self.draft.take(&flow);
        Some(flow)
    }

    /// Takes a path that was chosen for this workspace; whether it was.
    pub fn take_path(&mut self, ctx: &egui::Context, path: &Path) -> bool {
        match self.asking.take() {
            Some(Asking::Slot(slot)) if has_extension(path, &["safetensors", "npz"]) => {
                self.put_latents(ctx, Some(slot), path.into());
            }
            Some(Asking::Slot(slot)) => self.put_file(ctx, slot, path.into()),
            Some(Asking::Set) => self.measure.folder = Some(path.into()),
            None => return false,
        }
        true
    }

    /// Takes a dropped file if it is a picture; whether it is, by its name.
    pub fn take_drop(&mut self, ctx: &egui::Context, path: &Path) -> bool {
        let picture = is_picture(path);
        if picture {
            let slot = self.board.free();
            self.board.focused = slot;
            self.put_file(ctx, slot, path.into());
            // The next of several files goes to the next slot.
            self.board.focused = (slot + 1) % self.board.slots.len();
        }
        picture
    }

    /// The slot that files go to.
    pub fn focused(&self) -> usize {
        self.board.focused
    }

    /// Moves by a key.
    pub fn play_or_hold(&mut self) {
        self.look.play_or_hold(self.strip.as_ref());
    }

    /// Moves the slider by frames.
    pub fn step(&mut self, frames: i32) {
        self.look.step(frames, self.draft.frames);
    }

    /// Takes back a change of slots or settings.
    pub fn undo(&mut self) {
        let now = (self.board.slots.clone(), self.draft.clone());
        if let Some((slots, draft)) = self.history.undo(&now).cloned() {
            (self.board.slots, self.draft) = (slots, draft);
            self.board.focused = self.board.focused.min(self.board.slots.len().saturating_sub(1));
        }
    }

    /// Makes it again.
    pub fn redo(&mut self) {
        let now = (self.board.slots.clone(), self.draft.clone());
        if let Some((slots, draft)) = self.history.redo(&now).cloned() {
            (self.board.slots, self.draft) = (slots, draft);
        }
    }

    /// What stays as it is for a moment becomes a step that can be undone.
    pub fn remember(&mut self) {
        self.history.add_undo(&(self.board.slots.clone(), self.draft.clone()));
    }

    /// Offers to save the strip, the loop or the latents.
    pub fn offer_save(&mut self, folder: Option<&Path>) {
        self.saver.offer(folder);
    }

    /// Shows the workspace in all the room there is.
    pub fn ui(&mut self, ui: &mut Ui, desk: &mut Desk<'_>) {
        self.open(ui.ctx());
        self.canvas.begin();
        self.paste(ui);
        let mut layout = std::mem::take(&mut self.layout);
        layout.ui(ui, &mut |ui, pane| match pane {
            Pane::Setup => {
                panel(ui).show(ui, |ui| setup::ui(ui, self, desk));
            }
            Pane::Picture => room::ui(ui, self, desk),
            Pane::Plots => {
                panel(ui).inner_margin(Margin::symmetric(8, 6)).show(ui, |ui| {
                    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| measure::ui(ui, self, desk));
                });
            }
        });
        self.layout = layout;
        crop::ui(ui, self);
    }

    /// Brings back the pictures of the last window, once.
    fn open(&mut self, ctx: &egui::Context) {
        if std::mem::replace(&mut self.opened, true) {
            return;
        }
        for (slot, saved) in std::mem::take(&mut self.saved).into_iter().enumerate().take(board::MOST_SLOTS) {
            let wanted = match saved.source {
                Some(Source::World(index)) => Wanted::World(index),
                Some(Source::File(path)) => Wanted::File(path),
                Some(Source::Latents { path, index }) => {
                    self.restoring += 1;
                    self.work.held = Some(Held::Fresh);
                    self.photos.latents(ctx, Some(slot), path, Some(index));
                    continue;
                }
                Some(Source::Trajectory | Source::Clipboard) | None => continue,
            };
            self.restoring += 1;
            self.work.held = Some(Held::Fresh);
            self.photos.load(ctx, slot, wanted, saved.crop);
        }
    }

    fn paste(&mut self, ui: &Ui) {
        let pasted = ui.input(|input| {
            input.events.iter().rev().find_map(|event| match event {
                egui::Event::PasteImage(image) => Some(image.clone()),
                _ => None,
            })
        });
        if let Some(image) = pasted {
            let slot = self.board.free();
            self.photos.load(ui.ctx(), slot, Wanted::Image(image), Crop::default());
        }
    }

    /// Takes a world that nobody chose.
    fn roll(&mut self, ctx: &egui::Context, slot: usize) {
        self.photos.load(ctx, slot, Wanted::World(fastrand::usize(..WORLDS)), Crop::default());
    }

    fn try_two(&mut self, ctx: &egui::Context) {
        self.work.held = None;
        self.draft.mix = Mix::Between;
        for slot in 0..2 {
            self.roll(ctx, slot);
        }
    }
}

/// Whether a file's name says that it is a picture.
pub fn is_picture(path: &Path) -> bool {
    has_extension(path, &["png", "jpg", "jpeg", "gif", "bmp", "webp"])
}

fn has_extension(path: &Path, any: &[&str]) -> bool {
    path.extension().is_some_and(|extension| any.iter().any(|one| extension.eq_ignore_ascii_case(one)))
}

/// The ground of a side pane.
fn panel(ui: &Ui) -> Frame {
    Frame::new().fill(ui.visuals().panel_fill)
}

/// A figure with what it means.
fn figure(ui: &mut Ui, text: &str, tip: &str) {
    ui.label(RichText::new(text).color(Theme::of(ui).text)).on_hover_text(tip);
}
