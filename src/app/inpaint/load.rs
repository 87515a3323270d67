//! What takes longer than a frame: photos and masks are read and changed on threads of their own.

use super::canvas::{CHANGED, Photo};
use super::fills::{Question, Seen, see};
use super::keep::{Kept, Painted};
use super::operation::{Done, MaskChange};
use super::paste::Paste;
use crate::Pixels;
use crate::app::Notice;
use crate::app::background::{BROKEN, Background};
use crate::app::photos::{Crop, Source, Wanted};
use crate::checkpoint::{FileError, OpenedMask, read_mask};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What has become of it.
#[derive(Debug)]
pub enum Loaded {
    /// A photo, where it is the last one that was asked for.
    Photo {
        photo: Box<Photo>,
        crop: Crop,
        /// What was painted on it in the last window.
        painted: Option<Painted>,
    },
    Mask(OpenedMask),
    Changed(Box<Done>),
    /// A question with the whole square at the model's size.
    Seen(Box<Seen>),
    Told(Notice),
    /// A photo cannot be used.
    Refused(Notice),
}

/// What a worker is asked for, and what it has made.
#[derive(Debug, Default)]
pub struct Loader {
    /// `None` where something newer was asked for meanwhile.
    threads: Background<Option<Loaded>>,
    photos: Newest,
    masks: Newest,
    /// Whether the last photo has not come yet.
    pub waiting: bool,
}

/// Counts what replaces each other.
#[derive(Clone, Debug, Default)]
struct Newest(Arc<AtomicU64>);

impl Newest {
    /// Asks for another one; what tells whether it is still the newest.
    fn ask(&self) -> impl Fn() -> bool + Send + 'static {
        let number = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        let newest = self.0.clone();
        move || newest.load(Ordering::Relaxed) == number
    }
}

impl Loader {
    /// What has come since the last call; of photos and masks only the newest that was asked for.
    pub fn poll(&mut self) -> Vec<Loaded> {
        let loaded: Vec<Loaded> = self.threads.poll().flatten().collect();
        self.waiting &= !loaded.iter().any(|next| matches!(next, Loaded::Photo { .. } | Loaded::Refused(_)));
        loaded
    }

    /// Makes a photo.
    pub fn photo(&mut self, ctx: &egui::Context, wanted: Wanted) {
        self.ask(ctx, move || Ok((Photo::made(wanted)?, Crop::default(), None)));
    }

    /// Makes an earlier photo, with what was painted on it: both as they are kept in `folder` once that is `ready`.
    pub fn restore(
        &mut self,
        ctx: &egui::Context,
        source: Source,
        crop: Crop,
        kept: Kept,
        folder: Option<PathBuf>,
        ready: impl FnOnce() -> Result<(), FileError> + Send + 'static,
    ) {
        self.ask(ctx, move || {
            ready().map_err(|error| error.to_string())?;
            let folder = folder.as_deref();
            let mut photo = match (&kept.photo, folder) {
                (Some(name), Some(folder)) => {
                    kept.read_photo(folder, source, name.clone()).map_err(|error| error.to_string())?
                }
                (Some(_), None) => return Err("the photo of the last session was not kept".into()),
                (None, _) => Photo::made(source.again().ok_or("the photo of the last session was not kept")?)?,
            };
            let painted = folder.and_then(|folder| {
                let painted = kept.read_painted(folder, photo.size());
                painted.map_err(|error| photo.notes.push(format!("its mask and hints are lost: {error}"))).ok()
            });
            Ok((photo, crop, painted))
        });
    }

    /// Reads a mask for a photo of this size.
    pub fn mask(&self, ctx: &egui::Context, path: PathBuf, size: [usize; 2]) {
        let wanted = self.masks.ask();
        self.threads.spawn(ctx, Some(Loaded::Refused(Notice::error(BROKEN))), move || {
            let read = wanted().then(|| read_mask(&path, size.map(|side| side as u32)))?;
            wanted().then(|| read.map_or_else(|error| Loaded::Told(Notice::error(error)), Loaded::Mask))
        });
    }

    /// Changes a whole mask.
    pub fn change(&self, ctx: &egui::Context, change: MaskChange) {
        self.threads.spawn(ctx, Some(Loaded::Refused(Notice::error(BROKEN))), move || {
            Some(Loaded::Changed(Box::new(change.run())))
        });
    }

    /// Averages the whole square for a question.
    pub fn see(&self, ctx: &egui::Context, question: Question, square: [u32; 3], side: usize) {
        self.threads.spawn(ctx, Some(Loaded::Refused(Notice::error(BROKEN))), move || {
            Some(Loaded::Seen(Box::new(see(question, square, side))))
        });
    }

    /// Makes a sample part of the photo.
    pub fn adopt(
        &mut self,
        ctx: &egui::Context,
        photo: Photo,
        paste: Paste,
        fill: Pixels<f32>,
        sample: usize,
        crop: Crop,
    ) {
        self.ask(ctx, move || {
            let image = paste.run(&fill, sample)?;
            let name = if photo.is_changed() { photo.name } else { photo.name + CHANGED };
            Ok((Photo::new(photo.source, name, image), crop, None))
        });
    }

    /// Makes the photo that is waited for from now on.
    fn ask(&mut self, ctx: &egui::Context, make: impl FnOnce() -> Result<Made, String> + Send + 'static) {
        self.waiting = true;
        let wanted = self.photos.ask();
        self.threads.spawn(ctx, Some(Loaded::Refused(Notice::error(BROKEN))), move || {
            let made = wanted().then(make)?;
            wanted().then(|| match made {
                Ok((photo, crop, painted)) => Loaded::Photo { photo: Box::new(photo), crop, painted },
                Err(why) => Loaded::Refused(Notice::error(why)),
            })
        });
    }
}

/// A photo, its square, and what was painted on it.
type Made = (Photo, Crop, Option<Painted>);
