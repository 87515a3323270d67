//! What is painted survives a restart: the mask, the hints, and a photo that can be read nowhere else.

use super::Inpaint;
use super::canvas::{Canvas, Photo};
use super::hints::Hints;
use super::mask::Mask;
use crate::app::photos::{Crop, Source};
use crate::checkpoint::{FileError, read_layer, read_mask, read_photo, write_layer, write_mask, write_photo};
use crossbeam_channel::{Receiver, Sender};
use image::RgbImage;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, ErrorKind};
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

const PHOTO: &str = "photo.png";
const MASK: &str = "mask.png";
const HINTS: &str = "hints.png";
/// Holds the painting before this one.
const EARLIER: &str = "earlier";

/// Which of them are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// Width and height of all of them.
    pub size: [usize; 2],
    /// The name of the photo, where it is kept too.
    pub photo: Option<String>,
    pub mask: bool,
    pub hints: bool,
}

/// A photo of the last window, and what of it is kept in files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Painting {
    pub source: Source,
    pub crop: Crop,
    pub kept: Kept,
}

/// What was painted on a photo.
#[derive(Clone, Debug)]
pub struct Painted {
    pub mask: Option<Mask>,
    pub hints: Option<Hints>,
}

impl Kept {
    /// What is worth keeping.
    pub fn of(canvas: &Canvas) -> Kept {
        let photo = &canvas.photo;
        Kept {
            size: photo.size(),
            photo: is_nowhere(photo).then(|| photo.name.clone()),
            mask: canvas.mask().values().iter().any(|&value| value > 0),
            hints: !canvas.hints().is_blank(),
        }
    }

    /// The photo, as it was kept in `folder`.
    pub fn read_photo(&self, folder: &Path, source: Source, name: String) -> Result<Photo, FileError> {
        let longest = self.size[0].max(self.size[1]) as u32;
        Ok(Photo::new(source, name, read_photo(&folder.join(PHOTO), longest)?.image))
    }

    /// What was painted on a photo of this size.
    pub fn read_painted(&self, folder: &Path, size: [usize; 2]) -> Result<Painted, FileError> {
        let whole = size.map(|side| side as u32);
        let fits = self.size == size;
        let mask = (fits && self.mask).then(|| read_mask(&folder.join(MASK), whole)).transpose()?;
        let hints = (fits && self.hints).then(|| read_layer(&folder.join(HINTS), whole)).transpose()?;
        Ok(Painted {
            mask: mask.and_then(|mask| Mask::from_values(size, mask.values)),
            hints: hints.map(|values| Hints::from_pixels(size, &values)),
        })
    }
}

/// Whether a photo cannot be made again from where it came from.
fn is_nowhere(photo: &Photo) -> bool {
    photo.is_changed() || photo.source.again().is_none()
}

impl Inpaint {
    /// Brings back the photo of the last window, once.
    pub(super) fn open(&mut self, ctx: &egui::Context) {
        if std::mem::replace(&mut self.opened, true) {
            return;
        }
        if let Some(painting) = self.saved.clone() {
            self.restore(ctx, painting, self.keeper.folder().map(Path::to_owned));
        }
    }

    fn restore(&mut self, ctx: &egui::Context, painting: Painting, folder: Option<PathBuf>) {
        let Painting { source, crop, kept } = painting;
        if kept.photo.is_some() || source.again().is_some() {
            self.loader.restore(ctx, source, crop, kept, folder, || Ok(()));
        }
    }

    /// Brings back the painting that was kept aside; the present one takes its place there.
    pub(super) fn bring_back(&mut self, ctx: &egui::Context) {
        let Some(folder) = self.keeper.folder().map(Path::to_owned) else { return };
        let Some(Painting { source, crop, kept }) = self.earlier.take() else { return };
        if let Some(canvas) = &self.canvas {
            self.keeper.keep(canvas);
            self.earlier = Some(Painting::of(canvas)).filter(Painting::is_painted);
        }
        let writer = self.keeper.writer.take();
        let place = folder.clone();
        self.loader.restore(ctx, source, crop, kept, Some(folder), move || {
            // What is being written first becomes whole.
            writer.into_iter().for_each(|writer| drop(writer.join()));
            exchange(&place)
        });
    }

    /// What a person asks for before the last painting is back comes first; that painting is kept aside.
    pub(super) fn set_aside(&mut self) {
        if std::mem::replace(&mut self.opened, true) {
            return;
        }
        let painted = self.saved.take().filter(Painting::is_painted);
        if let (Some(painting), Some(folder)) = (painted, self.keeper.folder()) {
            match set_aside(folder) {
                Ok(()) => self.earlier = Some(painting),
                Err(error) => self.keeper.tell(error),
            }
        }
    }

    /// Whether there is a painting that was kept aside.
    pub fn has_earlier(&self) -> bool {
        self.earlier.is_some()
    }
}

impl Painting {
    /// What is painted on now.
    fn of(canvas: &Canvas) -> Painting {
        Painting { source: canvas.photo.source.clone(), crop: canvas.crop(), kept: Kept::of(canvas) }
    }

    /// Whether there is more to it than a photo that lies in a file.
    fn is_painted(&self) -> bool {
        self.kept.mask || self.kept.hints || self.kept.photo.is_some()
    }
}

/// Moves the painting in `folder` aside. What was there is gone.
fn set_aside(folder: &Path) -> Result<(), FileError> {
    let aside = folder.join(EARLIER);
    let moved = make_private(&aside).and_then(|()| move_files(folder, &aside));
    moved.map_err(|source| FileError::Write { path: aside, source })
}

/// Moves the painting in `folder` aside, and the one that was there back.
fn exchange(folder: &Path) -> Result<(), FileError> {
    let (aside, between) = (folder.join(EARLIER), folder.join(".exchange"));
    let moved = make_private(&between)
        .and_then(|()| move_files(&aside, &between))
        .and_then(|()| move_files(folder, &aside))
        .and_then(|()| move_files(&between, folder))
        .and_then(|()| fs::remove_dir(&between));
    moved.map_err(|source| FileError::Write { path: aside, source })
}

/// Moves a painting's files; of those that there are none of, none are left.
fn move_files(from: &Path, to: &Path) -> io::Result<()> {
    for name in [PHOTO, MASK, HINTS] {
        let (from, to) = (from.join(name), to.join(name));
        let moved = if from.exists() { fs::rename(&from, &to) } else { fs::remove_file(&to) };
        moved.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    }
    Ok(())
}

/// Writes it on a thread of its own; waits for that before it goes.
pub struct Keeper {
    folder: Option<PathBuf>,
    /// The canvas's generation, and the photo, that were written last.
    written: Option<(u64, Arc<RgbImage>)>,
    writer: Option<JoinHandle<()>>,
    outbox: Sender<FileError>,
    inbox: Receiver<FileError>,
}

impl Keeper {
    /// In this folder; nowhere where there is none.
    pub fn new(folder: Option<PathBuf>) -> Keeper {
        let (outbox, inbox) = crossbeam_channel::unbounded();
        Keeper { folder, written: None, writer: None, outbox, inbox }
    }

    /// Where it is kept.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Why something could not be written, if so.
    pub fn poll(&self) -> Option<FileError> {
        self.inbox.try_recv().ok()
    }

    /// Has [`Keeper::poll`] tell this.
    pub fn tell(&self, error: FileError) {
        let _ = self.outbox.send(error);
    }

    /// Writes what changed since the last call.
    pub fn keep(&mut self, canvas: &Canvas) {
        let Some(folder) = self.folder.clone() else { return };
        let (generation, image) = (canvas.generation(), canvas.photo.image.clone());
        let (same, same_photo) = match &self.written {
            Some((before, photo)) => (*before == generation, Arc::ptr_eq(photo, &image)),
            None => (false, false),
        };
        if (same && same_photo) || canvas.is_painting() {
            return;
        }
        let photo = (!same_photo && is_nowhere(&canvas.photo)).then(|| image.clone());
        let (mask, hints) = (canvas.mask().clone(), canvas.hints().clone());
        let (before, outbox) = (self.writer.take(), self.outbox.clone());
        self.writer = Some(std::thread::spawn(move || {
            // One after the other, so that the last is what stays.
            before.into_iter().for_each(|before| drop(before.join()));
            if let Err(error) = write(&folder, photo.as_deref(), &mask, &hints) {
                let _ = outbox.send(error);
            }
        }));
        self.written = Some((generation, image));
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.writer.take().into_iter().for_each(|writer| drop(writer.join()));
    }
}

fn write(folder: &Path, photo: Option<&RgbImage>, mask: &Mask, hints: &Hints) -> Result<(), FileError> {
    make_private(folder).map_err(|source| FileError::Write { path: folder.into(), source })?;
    let size = mask.size().map(|side| side as u32);
    if let Some(photo) = photo {
        protected(&folder.join(PHOTO), |path| write_photo(path, photo))?;
    }
    protected(&folder.join(MASK), |path| write_mask(path, size, mask.values()))?;
    match hints.is_blank() {
        true => Ok(()),
        false => protected(&folder.join(HINTS), |path| write_layer(path, size, &hints.pixels())),
    }
}

/// Writes a file in a private folder, and makes it private, too.
fn protected(path: &Path, write: impl FnOnce(&Path) -> Result<(), FileError>) -> Result<(), FileError> {
    write(path)?;
    #[cfg(unix)]
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .map_err(|source| FileError::Write { path: path.into(), source })?;
    Ok(())
}

/// Makes a folder that only its owner can look into: what people paint on is their own.
fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    #[cfg(unix)]
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    Ok(())
}
