//! The workspace "Latents": what lies between two images?
//!
//! Pictures in slots are encoded to latents along the probability-flow ODE, decoded again, mixed and measured.
//! `work` decides what is computed next, `arrivals` takes in what was, `middle` what the middle of the room shows; the rest is the room.

mod arrivals;
mod board;
mod card;
mod crop;
mod draft;
mod job;
mod measure;
mod middle;
mod original;
mod room;
mod save;
mod setup;
mod strip;
mod work;

pub use board::{Board, SavedSlot};
pub use draft::{LatentsDraft, Mix};
pub use work::Held;

use super::context::Context;
use super::dialog::{Dialog, PathRequest};
use super::files::{OpenedFile, has_extension, is_picture};
use super::keys::{self, Binding, Keys, plain, with};
use super::notices::Retries;
use super::panes::{self, Pane, Panes};
use super::photos::{Crop, Source, WORLD_SIDE, Wanted, any_world, pasted};
use super::status::TaskLine;
use super::textures::Textures;
use super::theme::Theme;
use super::workspace::{Workspace, WorkspaceInfo};
use super::{Action, Settings, Start};
use crate::task::ModelRef;
use board::Slot;
use crop::Cropping;
use egui::util::undoer::Undoer;
use egui::{Key, Modifiers, RichText, Ui};
use measure::Measure;
use middle::Middle;
use original::{Loaded, Originals};
use save::LatentsSavePanel;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use strip::Strip;
use work::Work;

/// What a key or a button asks of this workspace.
#[derive(Clone, Debug)]
pub enum Command {
    /// Play the loop, or hold it.
    Play,
    /// Move the slider by whole frames.
    Move(i32),
    Stop,
    /// Choose a file for a slot; of none, for the focused one.
    Open(Option<usize>),
    /// Choose a folder that likelihoods are compared with.
    ChooseSet,
    OfferSave,
}

static KEYS: [Binding<Command>; 6] = [
    plain(Key::Space, "Space", "Play the loop from A to B and back, or pause it", Command::Play),
    plain(Key::ArrowLeft, "←", "One frame towards A", Command::Move(-1)),
    plain(Key::ArrowRight, "→", "One frame towards B", Command::Move(1)),
    plain(Key::Escape, "Esc", "Stop the task and keep finished parts", Command::Stop),
    with(
        Modifiers::COMMAND,
        Key::O,
        "Ctrl+O",
        "Open an image in the selected slot (Ctrl+V pastes one)",
        Command::Open(None),
    ),
    with(Modifiers::COMMAND, Key::S, "Ctrl+S", "Save the strip, the loop or the latents", Command::OfferSave),
];

/// What a path was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PathPurpose {
    Slot(usize),
    Set,
}

/// What survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SavedLatents {
    pub draft: LatentsDraft,
    pub layout: Panes,
    pub slots: Vec<SavedSlot>,
}

/// The workspace's own state.
pub struct Latents {
    pub draft: LatentsDraft,
    panes: Panes,
    save_panel: LatentsSavePanel,
    request: PathRequest<PathPurpose>,
    board: Board,
    originals: Originals,
    /// Latents whose model a person is asked about.
    undecided: Vec<Loaded>,
    work: Work,
    strip: Option<Strip>,
    middle: Middle,
    measure: Measure,
    textures: Textures,
    cropping: Option<Cropping>,
    history: Undoer<(Vec<Slot>, LatentsDraft)>,
    /// The workspace has been looked at: nothing is computed before.
    opened: bool,
    /// The model's data are no pictures.
    no_pictures: bool,
    inspected: Option<ModelRef>,
    saved: Vec<SavedSlot>,
    /// Samples that were taken from other workspaces.
    taken: usize,
    /// What failed and can be tried again.
    failed: Retries<()>,
    /// What was asked for in this frame.
    commands: Vec<Command>,
}

impl Latents {
    /// The workspace as it was saved.
    pub fn new(settings: &Settings, _start: &Start<'_>) -> Self {
        let mut saved: SavedLatents = settings.of("latents");
        saved.draft.sanitize();
        saved.layout.sanitize();
        let mut board = Board::default();
        for (slot, old) in board.slots.iter_mut().zip(&saved.slots) {
            slot.weight = if old.weight.is_finite() { old.weight } else { 0.5 };
        }
        Latents {
            draft: saved.draft,
            panes: saved.layout,
            save_panel: LatentsSavePanel::default(),
            request: PathRequest::default(),
            board,
            originals: Originals::default(),
            undecided: Vec::new(),
            work: Work::default(),
            strip: None,
            middle: Middle::default(),
            measure: Measure::default(),
            textures: Textures::default(),
            cropping: None,
            history: Undoer::default(),
            opened: false,
            no_pictures: false,
            inspected: None,
            saved: saved.slots,
            taken: 0,
            failed: Retries::default(),
            commands: Vec::new(),
        }
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
        self.middle.shown.as_ref().map(|shown| (self.middle.place, shown.nfe))
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

    /// Puts a picture into a slot.
    fn put(&mut self, ctx: &egui::Context, slot: usize, wanted: Wanted) {
        self.originals.load(ctx, slot, wanted, Crop::default(), false);
    }

    /// Puts a file of latents into slots: into this one and those after it, or where there is room.
    fn put_latents(&mut self, ctx: &egui::Context, slot: Option<usize>, path: PathBuf) {
        // Restored slots come first.
        self.open(ctx);
        self.originals.latents(ctx, slot, path, None);
    }

    fn obey(&mut self, command: Command, cx: &mut Context) {
        match command {
            Command::Play => self.middle.play_or_hold(self.strip.as_ref()),
            Command::Move(frames) => self.middle.step(frames, self.draft.frames),
            Command::Stop => self.stop(cx),
            Command::Open(slot) => {
                let slot = slot.unwrap_or(self.board.focused);
                self.request.ask(cx, Dialog::OpenPicture, PathPurpose::Slot(slot));
            }
            Command::ChooseSet => self.request.ask(cx, Dialog::OpenFolder, PathPurpose::Set),
            Command::OfferSave => self.save_panel.offer(&cx.saver),
        }
    }

    /// Takes in a path that was asked for.
    fn take_path(&mut self, ctx: &egui::Context) {
        match self.request.poll() {
            Some((PathPurpose::Slot(slot), path)) if has_extension(&path, &["safetensors", "npz"]) => {
                self.put_latents(ctx, Some(slot), path);
            }
            Some((PathPurpose::Slot(slot), path)) => self.put(ctx, slot, Wanted::File(path)),
            Some((PathPurpose::Set, path)) => self.measure.folder = Some(path),
            None => {}
        }
    }

    /// Brings back the pictures of the last window, once.
    fn open(&mut self, ctx: &egui::Context) {
        if std::mem::replace(&mut self.opened, true) {
            return;
        }
        for (slot, saved) in std::mem::take(&mut self.saved).into_iter().enumerate().take(board::MOST_SLOTS) {
            let Some(source) = saved.source else { continue };
            if let Source::Latents { path, index } = source {
                self.originals.latents(ctx, Some(slot), path, Some(index));
            } else if let Some(wanted) = source.again() {
                self.originals.load(ctx, slot, wanted, saved.crop, true);
            } else {
                continue;
            }
            self.work.held = Some(Held::Fresh);
        }
    }

    /// Takes a world that nobody chose.
    fn roll(&mut self, ctx: &egui::Context, slot: usize) {
        let side = self.board.shape.map_or(WORLD_SIDE, |[_, height, width]| height.max(width));
        self.put(ctx, slot, any_world(side));
    }

    fn try_two(&mut self, ctx: &egui::Context) {
        self.work.held = None;
        self.draft.mix = Mix::Between;
        for slot in 0..2 {
            self.roll(ctx, slot);
        }
    }
}

static INFO: WorkspaceInfo = WorkspaceInfo {
    name: "Latents",
    question: "What lies between two images?",
    help: "The probability-flow ODE encodes each image to one latent and decodes it again. Add images to A and B; \
           the strip fills with images between them, and the slider decodes any other position. More slots make \
           weighted sums. Likelihoods are on the right.",
    keys: || keys::lines(&KEYS),
    picture_drop: Some("add this image to a slot"),
    undoes: Some("a change to slots or settings"),
};

impl Workspace for Latents {
    fn info(&self) -> &'static WorkspaceInfo {
        &INFO
    }

    fn ui(&mut self, ui: &mut Ui, cx: &mut Context) {
        self.open(ui.ctx());
        self.textures.begin();
        if let Some(wanted) = pasted(ui) {
            self.put(ui.ctx(), self.board.free(), wanted);
        }
        let mut all = std::mem::take(&mut self.panes);
        all.ui(ui, &mut |ui, pane| match pane {
            Pane::Setup => setup::ui(ui, self, cx),
            Pane::Picture => room::ui(ui, self, cx),
            Pane::Plots => panes::figures(ui, 6, |ui| measure::ui(ui, self, cx)),
        });
        self.panes = all;
        crop::ui(ui, self);
        std::mem::take(&mut self.commands).into_iter().for_each(|command| self.obey(command, cx));
    }

    fn above(&mut self, ui: &Ui, cx: &mut Context) {
        self.save_ui(ui, cx);
    }

    fn is_covered(&self) -> bool {
        self.cropping.is_some() || self.save_panel.is_open()
    }

    fn panes(&mut self) -> Option<&mut Panes> {
        Some(&mut self.panes)
    }

    fn poll(&mut self, cx: &mut Context) {
        let ctx = cx.egui.clone();
        self.take_path(&ctx);
        if !self.failed.pressed().is_empty() {
            self.go_on(&cx.draft);
        }
        let notices = self.advance(&ctx, cx);
        cx.tell(notices);
    }

    fn keys(&mut self, keys: &Keys<'_>, cx: &mut Context) {
        keys.take(&KEYS).into_iter().for_each(|command| self.obey(command, cx));
    }

    /// Takes a picture.
    fn take_drop(&mut self, path: &Path, cx: &mut Context) -> bool {
        let picture = is_picture(path);
        if picture {
            let slot = self.board.free();
            self.put(&cx.egui, slot, Wanted::File(path.into()));
            // The next of several files goes to the next slot.
            self.board.focused = (slot + 1) % self.board.slots.len();
        }
        picture
    }

    fn take_file(&mut self, opened: &OpenedFile, cx: &mut Context) -> bool {
        let OpenedFile::Latents(path) = opened else { return false };
        cx.actions.push(Action::Show(INFO.name));
        self.put_latents(&cx.egui, None, path.clone());
        true
    }

    fn undo(&mut self, _cx: &mut Context) {
        let now = (self.board.slots.clone(), self.draft.clone());
        if let Some((slots, draft)) = self.history.undo(&now).cloned() {
            (self.board.slots, self.draft) = (slots, draft);
            self.board.focused = self.board.focused.min(self.board.slots.len().saturating_sub(1));
        }
    }

    fn redo(&mut self, _cx: &mut Context) {
        let now = (self.board.slots.clone(), self.draft.clone());
        if let Some((slots, draft)) = self.history.redo(&now).cloned() {
            (self.board.slots, self.draft) = (slots, draft);
        }
    }

    fn settle(&mut self, _cx: &Context) {
        self.history.add_undo(&(self.board.slots.clone(), self.draft.clone()));
    }

    fn task(&self) -> Option<TaskLine> {
        self.line()
    }

    fn stop(&mut self, _cx: &mut Context) {
        self.stop_work();
    }

    fn save(&mut self) -> Value {
        let slots = if self.opened { self.board.saved() } else { self.saved.clone() };
        let saved = SavedLatents { draft: self.draft.clone(), layout: self.panes.clone(), slots };
        serde_json::to_value(saved).unwrap_or_default()
    }
}

/// A figure with what it means.
fn figure(ui: &mut Ui, text: &str, tip: &str) {
    ui.label(RichText::new(text).color(Theme::of(ui).text)).on_hover_text(tip);
}
