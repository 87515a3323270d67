//! Files that are chosen or dropped. Dialogs and reading run on threads of their own.

use super::Notice;
use super::latents::is_picture;
use crate::checkpoint::{holds_latents, holds_network, read_run};
use crate::task::{ModelRef, Run};
use crossbeam_channel::{Receiver, Sender};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What came of a file.
#[derive(Clone, Debug)]
pub enum Opened {
    /// Settings of a run file.
    Run(Box<Run>, PathBuf),
    Model(ModelRef),
    /// Latents that were saved.
    Latents(PathBuf),
    /// A picture, to be painted on.
    Picture(PathBuf),
    /// A path was chosen to be opened.
    Path(PathBuf),
    /// A path was chosen to be written.
    SaveTo(PathBuf),
    Refused(Notice),
}

/// Which dialog to show.
#[derive(Clone, Copy, Debug)]
pub enum Dialog<'a> {
    OpenFile,
    /// A picture to work with.
    OpenPicture,
    OpenFolder,
    Save {
        folder: Option<&'a Path>,
        name: &'a str,
    },
}

/// Files on their way.
#[derive(Debug)]
pub struct Files {
    outbox: Sender<Opened>,
    inbox: Receiver<Opened>,
    asking: Arc<AtomicBool>,
}

impl Default for Files {
    fn default() -> Self {
        let (outbox, inbox) = crossbeam_channel::unbounded();
        Files { outbox, inbox, asking: Arc::default() }
    }
}

impl Files {
    /// What has come since the last call.
    pub fn poll(&self) -> Vec<Opened> {
        self.inbox.try_iter().collect()
    }

    /// Shows a dialog, unless one is open.
    pub fn ask(&self, ctx: &egui::Context, dialog: Dialog<'_>) {
        if self.asking.swap(true, Ordering::AcqRel) {
            return;
        }
        let saves = matches!(dialog, Dialog::Save { .. });
        let (prepared, folder) = match dialog {
            Dialog::OpenFile => (open_dialog(), false),
            Dialog::OpenPicture => (picture_dialog(), false),
            Dialog::OpenFolder => (rfd::FileDialog::new().set_title("Open a folder of pictures"), true),
            Dialog::Save { folder, name } => (save_dialog(folder, name), false),
        };
        let (outbox, asking, ctx) = (self.outbox.clone(), self.asking.clone(), ctx.clone());
        std::thread::spawn(move || {
            let chosen = match (saves, folder) {
                (true, _) => prepared.save_file().map(Opened::SaveTo),
                (_, true) => prepared.pick_folder().map(Opened::Path),
                _ => prepared.pick_file().map(Opened::Path),
            };
            asking.store(false, Ordering::Release);
            if let Some(chosen) = chosen {
                let _ = outbox.send(chosen);
                ctx.request_repaint();
            }
        });
    }

    /// Looks at what lies at `path` and opens it.
    pub fn open(&self, ctx: &egui::Context, path: PathBuf) {
        let (outbox, ctx) = (self.outbox.clone(), ctx.clone());
        std::thread::spawn(move || {
            let _ = outbox.send(look(path));
            ctx.request_repaint();
        });
    }
}

fn open_dialog() -> rfd::FileDialog {
    rfd::FileDialog::new()
        .set_title("Open a model, pictures or a run file")
        .add_filter("Everything that can be opened", &["json", "safetensors", "pth", "pt", "zip", "npz"])
        .add_filter("Run files", &["json"])
        .add_filter("Checkpoints", &["safetensors", "pth", "pt"])
        .add_filter("Pictures in an archive", &["zip"])
        .add_filter("Latents", &["safetensors", "npz"])
}

fn picture_dialog() -> rfd::FileDialog {
    rfd::FileDialog::new()
        .set_title("Open a picture or latents")
        .add_filter("Pictures and latents", &["png", "jpg", "jpeg", "gif", "bmp", "webp", "safetensors", "npz"])
}

fn save_dialog(folder: Option<&Path>, name: &str) -> rfd::FileDialog {
    let dialog = rfd::FileDialog::new().set_title("Save").set_file_name(name);
    match folder {
        Some(folder) => dialog.set_directory(folder),
        None => dialog,
    }
}

/// What a path is, by its kind and extension.
fn look(path: PathBuf) -> Opened {
    if path.is_dir() {
        return Opened::Model(if holds_network(&path) { ModelRef::File(path) } else { ModelRef::Exact(path) });
    }
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("json") => match read_run(&path) {
            Ok(run) => Opened::Run(Box::new(run), path),
            Err(error) => Opened::Refused(Notice::error(error)),
        },
        Some("npz") => Opened::Latents(path),
        Some("safetensors") if holds_latents(&path) => Opened::Latents(path),
        Some("safetensors" | "pth" | "pt") => Opened::Model(ModelRef::File(path)),
        Some("zip") => Opened::Model(ModelRef::Exact(path)),
        _ if is_picture(&path) => Opened::Picture(path),
        _ => Opened::Refused(Notice::error(format!(
            "the file {} cannot be opened; choose a run file (.json), a checkpoint (.safetensors, .pth), \
             latents (.safetensors, .npz), a picture, or a folder or .zip of pictures",
            path.file_name().unwrap_or(path.as_os_str()).display()
        ))),
    }
}

/// Dims the window while something is dragged over it, and says what a drop will do.
/// Returns the paths that were dropped. `pictures`: what a drop of a picture does here, if anything of its own.
pub fn dropped(ui: &egui::Ui, pictures: Option<&str>) -> Vec<PathBuf> {
    let (hovered, dropped) = ui.input(|input| {
        let hovered: Vec<PathBuf> = input.raw.hovered_files.iter().filter_map(|file| file.path.clone()).collect();
        let dropped: Vec<PathBuf> = input.raw.dropped_files.iter().map(|file| file.path().to_owned()).collect();
        (hovered, dropped)
    });
    if let Some(first) = hovered.first() {
        let what = pictures.filter(|_| is_picture(first)).map_or_else(|| promise(first), str::to_owned);
        let text = format!("Drop to {what}");
        let layer = egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop"));
        let painter = ui.ctx().layer_painter(layer);
        let area = ui.ctx().content_rect();
        painter.rect_filled(area, 0, egui::Color32::from_black_alpha(190));
        let font = egui::TextStyle::Heading.resolve(ui.style());
        painter.text(area.center(), egui::Align2::CENTER_CENTER, text, font, egui::Color32::WHITE);
    }
    dropped
}

/// What dropping `path` will do, by its name alone.
fn promise(path: &Path) -> String {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("json") => "take over the settings of this run".into(),
        Some("safetensors") => "open this model, or these latents".into(),
        Some("pth" | "pt") => "open this model".into(),
        Some("npz") => "put these latents into slots".into(),
        Some("zip") => "open the exact score of these pictures".into(),
        None if path.is_dir() && holds_network(path) => "open the model in this folder".into(),
        None => "open the exact score of the pictures in this folder".into(),
        Some(_) if is_picture(path) => "paint on this picture".into(),
        Some(other) => format!("see whether a .{other} file can be opened"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_opened_as_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(look(folder.path().into()), Opened::Model(ModelRef::Exact(_))));
        std::fs::write(folder.path().join("config.json"), "{\"_class_name\": \"UNet2DModel\"}").unwrap();
        assert!(matches!(look(folder.path().into()), Opened::Model(ModelRef::File(_))));
        assert!(matches!(look("x/model.PTH".into()), Opened::Model(ModelRef::File(_))));
        assert!(matches!(look("x/pictures.zip".into()), Opened::Model(ModelRef::Exact(_))));
        assert!(matches!(look("x/photo.JPG".into()), Opened::Picture(_)));
        assert!(matches!(look("x/latents.npz".into()), Opened::Latents(_)));
        let Opened::Refused(notice) = look("x/notes.txt".into()) else { panic!("a text file was opened") };
        assert!(notice.what.contains("notes.txt") && notice.remedy.contains(".safetensors"), "{notice:?}");
    }
}
