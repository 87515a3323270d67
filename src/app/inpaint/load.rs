//! What takes longer than a frame: photos and masks are read, changed and written on threads of their own.

use super::canvas::{CHANGED, Photo};
use super::fills::{Question, Seen, see};
use super::keep::{Kept, Painted};
use super::operation::{Done, Job};
use super::paste::Paste;
use crate::Pixels;
use crate::app::Notice;
use crate::app::latents::{Crop, Source, pasted_picture, sample_picture, world_picture};
use crate::checkpoint::{OpenedMask, WORKING_SIDE, read_mask, read_photo, reduce_to, write_mask, write_photo};
use crossbeam_channel::{Receiver, Sender};
use egui::ColorImage;
use std::path::PathBuf;
use std::sync::Arc;

/// What a photo is to be made of.
#[derive(Clone, Debug)]
pub enum Wanted {
    File(PathBuf),
    World(usize),
    Pasted(Arc<ColorImage>),
    /// A sample, C×H×W in [0, 1], and its name.
    Sample {
        shape: [usize; 3],
        values: Vec<f32>,
        name: String,
    },
    /// The photo that was kept from the last window, under this name.
    Kept(Source, String),
}

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

/// Threads, and what they have sent.
#[derive(Debug)]
pub struct Loader {
    outbox: Sender<(u64, Loaded)>,
    inbox: Receiver<(u64, Loaded)>,
    /// Photos that were asked for.
    asked: u64,
    /// Whether the last of them has not come yet.
    pub waiting: bool,
}

impl Default for Loader {
    fn default() -> Self {
        let (outbox, inbox) = crossbeam_channel::unbounded();
        Loader { outbox, inbox, asked: 0, waiting: false }
    }
}

impl Loader {
    /// What has come since the last call; of photos only the newest that was asked for.
    pub fn poll(&mut self) -> Vec<Loaded> {
        let mut loaded = Vec::new();
        for (number, next) in self.inbox.try_iter() {
            if let Loaded::Photo { .. } | Loaded::Refused(_) = next {
                if number != self.asked {
                    continue;
                }
                self.waiting = false;
            }
            loaded.push(next);
        }
        loaded
    }

    /// Makes a photo.
    pub fn photo(&mut self, ctx: &egui::Context, wanted: Wanted, crop: Crop) {
        self.photo_as_kept(ctx, wanted, crop, None);
    }

    /// Makes a photo with what was painted on it, as it was kept in a folder.
    pub fn photo_as_kept(&mut self, ctx: &egui::Context, wanted: Wanted, crop: Crop, kept: Option<(PathBuf, Kept)>) {
        self.asked += 1;
        self.waiting = true;
        self.spawn(ctx, move || match make(wanted, kept.as_ref()) {
            Ok(mut photo) => {
                let painted = kept.and_then(|(folder, kept)| {
                    let painted = kept.read_painted(&folder, photo.size());
                    painted.map_err(|error| photo.notes.push(format!("what was painted on it is lost: {error}"))).ok()
                });
                Loaded::Photo { photo: Box::new(photo), crop, painted }
            }
            Err(why) => Loaded::Refused(Notice::error(why)),
        });
    }

    /// Reads a mask for a photo of this size.
    pub fn mask(&self, ctx: &egui::Context, path: PathBuf, size: [usize; 2]) {
        self.spawn(ctx, move || match read_mask(&path, size.map(|side| side as u32)) {
            Ok(mask) => Loaded::Mask(mask),
            Err(error) => Loaded::Told(Notice::error(error)),
        });
    }

    /// Changes a whole mask.
    pub fn change(&self, ctx: &egui::Context, job: Job) {
        self.spawn(ctx, move || Loaded::Changed(Box::new(job.run())));
    }

    /// Writes a mask.
    pub fn save_mask(&self, ctx: &egui::Context, path: PathBuf, size: [usize; 2], values: Arc<Vec<u8>>) {
        self.spawn(ctx, move || {
            let written = write_mask(&path, size.map(|side| side as u32), &values);
            Loaded::Told(written.map_or_else(Notice::error, |()| saved(&path)))
        });
    }

    /// Lays a fill on its photo and writes that.
    pub fn save_filled(&self, ctx: &egui::Context, path: PathBuf, paste: Paste, fill: Pixels<f32>, sample: usize) {
        self.spawn(ctx, move || {
            let written = paste
                .run(&fill, sample)
                .and_then(|photo| write_photo(&path, &photo).map_err(|error| error.to_string()));
            Loaded::Told(written.map_or_else(Notice::error, |()| saved(&path)))
        });
    }

    /// Averages the whole square for a question.
    pub fn see(&self, ctx: &egui::Context, question: Question, square: [u32; 3], side: usize) {
        self.spawn(ctx, move || Loaded::Seen(Box::new(see(question, square, side))));
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
        self.asked += 1;
        self.waiting = true;
        self.spawn(ctx, move || match paste.run(&fill, sample) {
            Ok(image) => {
                let name = if photo.is_changed() { photo.name } else { photo.name + CHANGED };
                let photo = Box::new(Photo::new(photo.source, name, image));
                Loaded::Photo { photo, crop, painted: None }
            }
            Err(why) => Loaded::Refused(Notice::error(why)),
        });
    }

    fn spawn(&self, ctx: &egui::Context, make: impl FnOnce() -> Loaded + Send + 'static) {
        let (outbox, ctx, number) = (self.outbox.clone(), ctx.clone(), self.asked);
        std::thread::spawn(move || {
            // Nobody listens any more only when the window is gone.
            let _ = outbox.send((number, make()));
            ctx.request_repaint();
        });
    }
}

fn saved(path: &std::path::Path) -> Notice {
    Notice::remark(format!("Saved as {}.", path.display()))
}

fn make(wanted: Wanted, kept: Option<&(PathBuf, Kept)>) -> Result<Photo, String> {
    match wanted {
        Wanted::Kept(source, name) => {
            let (folder, kept) = kept.ok_or("nothing was kept from the last window")?;
            kept.read_photo(folder, source, name).map_err(|error| error.to_string())
        }
        Wanted::File(path) => {
            let opened = read_photo(&path, WORKING_SIDE).map_err(|error| error.to_string())?;
            Ok(Photo::of_file(&path, opened))
        }
        Wanted::World(index) => {
            let (index, image) = world_picture(index)?;
            Ok(Photo::new(Source::World(index), format!("world {}", index + 1), image))
        }
        Wanted::Pasted(pasted) => {
            let image = pasted_picture(&pasted)?;
            let (image, note) = reduce_to(image, WORKING_SIDE);
            Ok(Photo { notes: note.into_iter().collect(), ..Photo::pasted("pasted picture", image) })
        }
        Wanted::Sample { shape, values, name } => {
            Ok(Photo::new(Source::Trajectory, name, sample_picture(shape, &values)))
        }
    }
}
