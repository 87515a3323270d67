//! Dialogs that ask for a path. Whoever asks keeps a [`PathRequest`] and learns from it what was chosen.

use super::Context;
use super::files::{CHECKPOINTS, PICTURES};
use crossbeam_channel::{Receiver, TryRecvError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Which dialog to show.
#[derive(Clone, Copy, Debug)]
pub enum Dialog<'a> {
    OpenFile,
    /// A picture to work with.
    OpenPicture,
    OpenFolder,
    /// In the folder where files were last written.
    Save {
        name: &'a str,
    },
}

/// Shows dialogs, one at a time, each on a thread of its own.
#[derive(Debug, Default)]
pub struct Dialogs {
    open: Arc<AtomicBool>,
}

impl Dialogs {
    /// Shows a dialog, unless one is open. What is chosen comes through the channel, if anything is.
    fn show(&self, ctx: &egui::Context, dialog: Dialog<'_>, folder: Option<&Path>) -> Option<Receiver<PathBuf>> {
        if self.open.swap(true, Ordering::AcqRel) {
            return None;
        }
        type Choose = fn(rfd::FileDialog) -> Option<PathBuf>;
        let (prepared, choose): (_, Choose) = match dialog {
            Dialog::OpenFile => (open_dialog(), rfd::FileDialog::pick_file),
            Dialog::OpenPicture => (picture_dialog(), rfd::FileDialog::pick_file),
            Dialog::OpenFolder => {
                (rfd::FileDialog::new().set_title("Open a folder of images"), rfd::FileDialog::pick_folder)
            }
            Dialog::Save { name } => (save_dialog(folder, name), rfd::FileDialog::save_file),
        };
        let (outbox, inbox) = crossbeam_channel::bounded(1);
        let (open, ctx) = (self.open.clone(), ctx.clone());
        std::thread::spawn(move || {
            let chosen = choose(prepared);
            open.store(false, Ordering::Release);
            if let Some(path) = chosen {
                // Nobody listens any more only when the window is gone.
                let _ = outbox.send(path);
                ctx.request_repaint();
            }
        });
        Some(inbox)
    }
}

/// A path that its owner asked for, and what for.
#[derive(Debug)]
pub struct PathRequest<T>(Option<(T, Receiver<PathBuf>)>);

impl<T> Default for PathRequest<T> {
    fn default() -> Self {
        PathRequest(None)
    }
}

impl<T> PathRequest<T> {
    /// Shows a dialog, unless one is open.
    pub fn ask(&mut self, cx: &Context, dialog: Dialog<'_>, purpose: T) {
        if let Some(inbox) = cx.dialogs.show(&cx.egui, dialog, cx.saver.folder.as_deref()) {
            self.0 = Some((purpose, inbox));
        }
    }

    /// The path that was chosen since the last call, and what for.
    pub fn poll(&mut self) -> Option<(T, PathBuf)> {
        let chosen = match self.0.as_ref()?.1.try_recv() {
            Ok(path) => Some(path),
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => None,
        };
        self.0.take().map(|(purpose, _)| purpose).zip(chosen)
    }
}

fn open_dialog() -> rfd::FileDialog {
    rfd::FileDialog::new()
        .set_title("Open a model, images or a run file")
        .add_filter("All supported files", &[&["json"][..], &CHECKPOINTS, &["zip", "tar", "npz"]].concat())
        .add_filter("Run files", &["json"])
        .add_filter("Checkpoints", &CHECKPOINTS)
        .add_filter("Image archives", &["zip", "tar"])
        .add_filter("Latents", &["safetensors", "npz"])
}

fn picture_dialog() -> rfd::FileDialog {
    rfd::FileDialog::new()
        .set_title("Open an image or latents")
        .add_filter("Images and latents", &[&PICTURES[..], &["safetensors", "npz"]].concat())
}

fn save_dialog(folder: Option<&Path>, name: &str) -> rfd::FileDialog {
    let dialog = rfd::FileDialog::new().set_title("Save").set_file_name(name);
    match folder {
        Some(folder) => dialog.set_directory(folder),
        None => dialog,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_hears_once_what_was_chosen_and_forgets_a_dialog_that_was_cancelled() {
        let (outbox, inbox) = crossbeam_channel::bounded(1);
        let mut request = PathRequest(Some(("mask", inbox)));
        assert_eq!(request.poll(), None);
        outbox.send(PathBuf::from("mask.png")).unwrap();
        assert_eq!(request.poll(), Some(("mask", PathBuf::from("mask.png"))));
        assert_eq!(request.poll(), None);

        let (outbox, inbox) = crossbeam_channel::bounded(1);
        let mut request = PathRequest(Some(("photo", inbox)));
        drop(outbox);
        assert_eq!(request.poll(), None);
        assert!(request.0.is_none());
    }
}
