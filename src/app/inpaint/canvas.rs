//! A photo with its hints and its mask: what tools work on, and what the model is given of it. Knows nothing of the window.

use super::area::{Area, Regions};
use super::brush::{Brush, Stroke};
use super::hints::{Hints, laid};
use super::history::{History, Step};
use super::keep::Painted;
use super::mask::Mask;
use super::observation::Observation;
use super::operation::{Done, MaskChange, Operation};
use super::paste::Paste;
use super::pyramid::Pyramid;
use crate::Pixels;
use crate::app::photos::{Crop, Source, Wanted};
use crate::checkpoint::{OpenedPhoto, WORKING_SIDE};
use crate::pixels::Inlay;
use image::RgbImage;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Ends the name of a photo that samples became part of.
pub(super) const CHANGED: &str = "*";

/// Generations of all masks of this window, so that no two are the same.
static GENERATIONS: AtomicU64 = AtomicU64::new(1);

/// A photo before anything is painted on it.
#[derive(Clone, Debug)]
pub struct Photo {
    pub(in crate::app) source: Source,
    pub name: String,
    /// As it is painted on.
    pub image: Arc<RgbImage>,
    /// Width and height in its file.
    pub full: [u32; 2],
    /// One sentence for each thing that is not as it is in the file.
    pub notes: Vec<String>,
    /// The same smaller, for the screen.
    pub(super) smaller: Arc<Pyramid>,
}

impl Photo {
    /// A photo as it is painted on. Takes a moment: not for the window's thread.
    pub(super) fn new(source: Source, name: String, image: RgbImage) -> Photo {
        let full = [image.width(), image.height()];
        let smaller = Arc::new(Pyramid::new(full.map(|side| side as usize), 3, image.as_raw()));
        Photo { source, name, image: Arc::new(image), full, notes: Vec::new(), smaller }
    }

    /// A photo that came from nowhere.
    pub fn pasted(name: &str, image: RgbImage) -> Photo {
        Photo::new(Source::Clipboard, name.into(), image)
    }

    /// A photo that was read from a file.
    pub fn of_file(path: &Path, opened: OpenedPhoto) -> Photo {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Photo::of(Source::File(path.into()), name, opened)
    }

    /// A photo that is read or made now.
    pub(super) fn made(wanted: Wanted) -> Result<Photo, String> {
        let (source, name, opened) = wanted.make(WORKING_SIDE)?;
        Ok(Photo::of(source, name, opened))
    }

    fn of(source: Source, name: String, opened: OpenedPhoto) -> Photo {
        Photo { full: opened.full, notes: opened.notes, ..Photo::new(source, name, opened.image) }
    }

    /// Whether samples became part of it.
    pub(super) fn is_changed(&self) -> bool {
        self.name.ends_with(CHANGED)
    }

    /// Width and height as it is painted on.
    pub fn size(&self) -> [usize; 2] {
        [self.image.width() as usize, self.image.height() as usize]
    }
}

/// The brush is down.
enum Painting {
    Mask(Stroke<Mask>),
    Hints(Stroke<Hints>),
}

/// The photo, its hints and its mask, and the square that the model sees.
pub struct Canvas {
    pub photo: Photo,
    hints: Hints,
    mask: Mask,
    stroke: Option<Painting>,
    history: History,
    crop: Crop,
    generation: u64,
    /// The same of the mask alone.
    painted: u64,
    observation: Option<Observation>,
    /// What the observation does not know yet.
    unseen: Regions,
    /// What the screen does not know yet.
    unshown: Regions,
    /// The last place of the last stroke.
    last: Option<[f32; 2]>,
    /// The share that is painted, and of which mask.
    share: (u64, f64),
}

impl Canvas {
    /// Nothing painted yet.
    pub fn new(photo: Photo, crop: Crop) -> Canvas {
        let size = photo.size();
        Canvas {
            hints: Hints::new(size),
            mask: Mask::new(size),
            crop: crop.inside(photo.image.width(), photo.image.height()),
            photo,
            stroke: None,
            history: History::default(),
            generation: next_generation(),
            painted: 0,
            observation: None,
            unseen: Regions::whole(size),
            unshown: Regions::whole(size),
            last: None,
            share: (0, 0.0),
        }
    }

    /// The same with hints that were painted on this photo before.
    pub(super) fn with_hints(self, hints: Hints) -> Canvas {
        Canvas { hints, ..self }
    }

    /// The same with what was painted on it in the last window; that cannot be undone.
    pub(super) fn with(self, painted: Option<Painted>) -> Canvas {
        let Some(Painted { mask, hints }) = painted else { return self };
        let painted = self.generation;
        Canvas { mask: mask.unwrap_or(self.mask), hints: hints.unwrap_or(self.hints), painted, ..self }
    }

    /// The hints as they are now, with the stroke under way.
    pub fn hints(&self) -> &Hints {
        &self.hints
    }

    /// The photo with its hints. Takes a moment on a large one.
    pub fn hinted(&self) -> Cow<'_, RgbImage> {
        self.hints.over(&self.photo.image)
    }

    /// The colour at a place of the photo with its hints; beside it, that of the nearest pixel.
    pub fn colour_at(&self, place: [f32; 2]) -> [u8; 3] {
        let size = self.photo.size();
        let [x, y] = [0, 1].map(|axis| (place[axis].max(0.0) as usize).min(size[axis].saturating_sub(1)));
        let pixel = self.photo.image.get_pixel_checked(x as u32, y as u32);
        pixel.map_or([0; 3], |pixel| laid(pixel.0, self.hints.at([x, y])))
    }

    /// The mask as it is now, with the stroke under way.
    pub fn mask(&self) -> &Mask {
        &self.mask
    }

    /// Changes whenever the hints, the mask or the square do; no two photos have the same.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The share of the photo that is painted, 0 to 1; counted when no stroke is under way.
    pub fn share(&mut self) -> f64 {
        if self.share.0 != self.painted && self.stroke.is_none() {
            self.share = (self.painted, self.mask.share());
        }
        self.share.1
    }

    /// Whether the brush is down.
    pub fn is_painting(&self) -> bool {
        self.stroke.is_some()
    }

    /// The square of the photo that the model sees.
    pub fn crop(&self) -> Crop {
        self.crop
    }

    /// Moves that square.
    pub fn set_crop(&mut self, crop: Crop) {
        let crop = crop.inside(self.photo.image.width(), self.photo.image.height());
        if crop != self.crop {
            self.crop = crop;
            self.generation = next_generation();
        }
    }

    /// Left, top and side of that square, in pixels.
    pub fn square(&self) -> [u32; 3] {
        self.crop.square(self.photo.image.width(), self.photo.image.height())
    }

    /// What the model is given at its size: 1×3×S×S in [0, 1], the mean of what is known of each pixel's area; and
    /// S×S confidence, 1 − coverage: 1 is known, 0 is to be filled. Averages only what changed since the last call.
    pub fn observation(&mut self, size: usize) -> (Pixels<f32>, Vec<f32>) {
        let (observation, _) = self.renew_evidence(size, usize::MAX);
        let side = observation.side;
        let picture = Pixels { shape: [1, 3, side, side], values: observation.picture.as_slice().into() };
        (picture, observation.confidence.clone())
    }

    /// The same without a copy, after averaging about `most` pixels of the photo, or sixteen times as many while
    /// nothing is known of this square; whether that was all.
    pub(super) fn renew_evidence(&mut self, size: usize, most: usize) -> (&Observation, bool) {
        let (size, square) = (size.max(1), self.square());
        let kept = self.observation.take().filter(|observation| observation.is_of(size, square));
        let mut observation = kept.unwrap_or_else(|| Observation::new(size, square));
        observation.touch(&std::mem::take(&mut self.unseen));
        observation.touch_hints(&self.hints);
        let most = if observation.filled { most } else { most.saturating_mul(16) };
        let all = observation.refresh(&self.photo.image, &self.mask, most);
        (self.observation.insert(observation), all)
    }

    /// What lays a fill of the model's size on the photo; its [`Paste::run`] is for another thread.
    pub fn paste_back(&self, model_size: usize) -> Paste {
        let reduced = self.photo.full != [self.photo.image.width(), self.photo.image.height()];
        let full: Option<PathBuf> = match &self.photo.source {
            Source::File(path) if reduced => Some(path.clone()),
            _ => None,
        };
        Paste {
            photo: self.photo.image.clone(),
            hints: self.hints.clone(),
            full,
            inlay: Inlay::masked(self.mask.size(), self.mask.values().clone(), self.square(), model_size),
        }
    }

    /// Sets the brush down; with `from_last`, at the end of the last stroke, and moves it here.
    pub fn press(&mut self, brush: Brush, at: [f32; 2], from_last: bool) {
        self.lift();
        let start = self.last.filter(|_| from_last).unwrap_or(at);
        if brush.colour.is_some() {
            let (stroke, changed) = Stroke::begin(&mut self.hints, brush, start);
            self.stroke = Some(Painting::Hints(stroke));
            self.touch_hints(&changed);
        } else {
            let (stroke, changed) = Stroke::begin(&mut self.mask, brush, start);
            self.stroke = Some(Painting::Mask(stroke));
            self.touch(&changed);
        }
        self.drag(&[at]);
    }

    /// Moves the brush along `points`.
    pub fn drag(&mut self, points: &[[f32; 2]]) {
        match &mut self.stroke {
            Some(Painting::Mask(stroke)) => {
                let changed = stroke.extend(&mut self.mask, points);
                self.touch(&changed);
            }
            Some(Painting::Hints(stroke)) => {
                let changed = stroke.extend(&mut self.hints, points);
                self.touch_hints(&changed);
            }
            None => {}
        }
    }

    /// Lifts the brush: the stroke becomes one step that can be undone.
    pub fn lift(&mut self) {
        let (last, step) = match self.stroke.take() {
            Some(Painting::Mask(stroke)) => (stroke.last(), stroke.finish(&mut self.mask)),
            Some(Painting::Hints(stroke)) => (stroke.last(), stroke.finish(&mut self.hints)),
            None => return,
        };
        self.last = Some(last);
        self.keep(step);
    }

    /// Takes the stroke under way back; whether there was one.
    pub fn cancel(&mut self) -> bool {
        let area = match self.stroke.take() {
            Some(Painting::Mask(stroke)) => stroke.cancel(&mut self.mask),
            Some(Painting::Hints(stroke)) => {
                stroke.cancel(&mut self.hints);
                Area::NONE
            }
            None => return false,
        };
        self.touch_area(area);
        true
    }

    /// Takes all hints away, as one step that can be undone; whether there were any.
    pub fn clear_hints(&mut self) -> bool {
        self.lift();
        let step = self.hints.clear();
        let any = step.is_some();
        self.keep(step);
        any
    }

    fn keep(&mut self, step: Option<Step>) {
        if let Some(step) = step {
            self.history.push(step);
            self.generation = next_generation();
        }
    }

    /// A change of the whole mask, to be run on another thread and handed to [`Canvas::accept`].
    pub fn change(&mut self, operation: Operation) -> MaskChange {
        self.lift();
        let (photo, hints) = (self.photo.image.clone(), self.hints.clone());
        MaskChange { operation, photo, hints, mask: self.mask.clone(), generation: self.painted }
    }

    /// Takes a change over, unless the mask was changed meanwhile; whether it was taken.
    pub fn accept(&mut self, done: Done) -> bool {
        if done.generation != self.painted || done.mask.size() != self.mask.size() {
            return false;
        }
        if let Some(step) = done.step {
            self.mask = done.mask;
            self.history.push(step);
            self.touch(&Regions::whole(self.mask.size()));
        }
        true
    }

    /// Makes a change at once.
    pub fn apply(&mut self, operation: Operation) {
        let done = self.change(operation).run();
        self.accept(done);
    }

    /// Takes the last step back; whether there was one.
    pub fn undo(&mut self) -> bool {
        self.lift();
        let Some(area) = self.history.undo(&mut self.mask, &mut self.hints) else { return false };
        self.touch_area(area);
        true
    }

    /// Makes it again; whether there was one.
    pub fn redo(&mut self) -> bool {
        self.lift();
        let Some(area) = self.history.redo(&mut self.mask, &mut self.hints) else { return false };
        self.touch_area(area);
        true
    }

    /// The steps that can be undone and made again, and their bytes.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What the screen has not been told of; told now.
    pub fn take_unshown(&mut self) -> Regions {
        std::mem::take(&mut self.unshown)
    }

    /// Hints changed; where, each reader finds for itself.
    fn touch_hints(&mut self, changed: &Regions) {
        if !changed.is_empty() {
            self.generation = next_generation();
        }
    }

    /// The mask changed there.
    fn touch(&mut self, changed: &Regions) {
        if changed.is_empty() {
            return;
        }
        self.generation = next_generation();
        self.painted = self.generation;
        self.unseen.extend(changed);
        self.unshown.extend(changed);
    }

    fn touch_area(&mut self, area: Area) {
        // Where it is empty the hints changed.
        self.generation = next_generation();
        let mut changed = Regions::default();
        changed.add(area);
        self.touch(&changed);
    }
}

fn next_generation() -> u64 {
    GENERATIONS.fetch_add(1, Ordering::Relaxed)
}
