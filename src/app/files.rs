//! Files that are opened: what a path holds is looked at beside the window's thread, then a workspace takes it.

use super::Notice;
use super::background::{BROKEN, Background};
use super::consent::Consent;
use crate::checkpoint::{Kind, kind_of, read_run};
use crate::plane::Scene;
use crate::task::{ModelRef, Run};
use crate::text;
use std::collections::HashMap;
use std::mem::{self, Discriminant};
use std::path::{Path, PathBuf};

/// What lies at a path.
#[derive(Clone, Debug)]
pub enum OpenedFile {
    /// Settings of a run file.
    Run(Box<Run>, PathBuf),
    Model(ModelRef),
    /// A scene of the plane.
    Scene(Box<Scene>),
    /// Latents that were saved.
    Latents(PathBuf),
    Picture(PathBuf),
    Refused(Notice),
}

/// Files on their way.
#[derive(Debug, Default)]
pub struct Files {
    threads: Background<(u64, OpenedFile)>,
    asked: u64,
    /// The newest of each kind that has come.
    newest: HashMap<Discriminant<OpenedFile>, u64>,
    /// Runs whose model a person is asked about.
    undecided: Vec<OpenedFile>,
}

impl Files {
    /// What has come since the last call. Of models, runs and photos, which replace each other, nothing older than what
    /// has come already.
    pub fn poll(&mut self, consent: &mut Consent) -> Vec<OpenedFile> {
        let mut opened = Vec::new();
        for (number, file) in self.threads.poll() {
            let newest = self.newest.entry(mem::discriminant(&file)).or_default();
            let late = number < *newest;
            *newest = number.max(*newest);
            if !late || matches!(file, OpenedFile::Latents(_) | OpenedFile::Refused(_)) {
                opened.push(file);
            }
        }
        consent.sift(&mut self.undecided, opened, |file| match file {
            OpenedFile::Run(run, path) => Some((run.models(), path)),
            _ => None,
        })
    }

    /// Looks at what lies at `path` and opens it.
    pub fn open(&mut self, ctx: &egui::Context, path: PathBuf) {
        self.asked += 1;
        let number = self.asked;
        self.threads.spawn(ctx, (number, OpenedFile::Refused(Notice::error(BROKEN))), move || (number, look(path)));
    }
}

/// What a path holds, by its structure; where that is of no kind, whoever reads such names says what is wrong with it.
fn look(path: PathBuf) -> OpenedFile {
    match kind_of(&path) {
        Ok(Kind::Network) => OpenedFile::Model(ModelRef::File(path)),
        Ok(Kind::Latents) => OpenedFile::Latents(path),
        Ok(Kind::Run) => settings(path),
        Ok(Kind::Images) => OpenedFile::Model(ModelRef::Exact(path)),
        Ok(Kind::Image) => OpenedFile::Picture(path),
        Ok(Kind::Other) => by_name(path),
        Err(error) => OpenedFile::Refused(Notice::error(error)),
    }
}

/// A scene of the plane or a run: both are JSON, with a field that says which it is.
fn settings(path: PathBuf) -> OpenedFile {
    let opened = match Scene::is_at(&path) {
        true => Scene::read(&path).map(|scene| OpenedFile::Scene(Box::new(scene))).map_err(Notice::error),
        false => read_run(&path).map(|run| OpenedFile::Run(Box::new(run), path)).map_err(Notice::error),
    };
    opened.unwrap_or_else(OpenedFile::Refused)
}

fn by_name(path: PathBuf) -> OpenedFile {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("json") => settings(path),
        Some("npz") => OpenedFile::Latents(path),
        Some(extension) if CHECKPOINTS.contains(&extension) => OpenedFile::Model(ModelRef::File(path)),
        Some("zip" | "tar") => OpenedFile::Model(ModelRef::Exact(path)),
        _ if is_picture(&path) => OpenedFile::Picture(path),
        _ => OpenedFile::Refused(Notice::error(format!(
            "the file {} cannot be opened; choose a run file (.json), a checkpoint (.safetensors, .pth, \
             .ckpt, .bin), latents (.safetensors, .npz), an image, or a folder, .zip, .tar or .tar.gz of images",
            file_name(&path)
        ))),
    }
}

/// How the names of checkpoints end.
pub const CHECKPOINTS: [&str; 5] = ["safetensors", "pth", "pt", "ckpt", "bin"];
/// How the names of pictures end.
pub const PICTURES: [&str; 6] = ["png", "jpg", "jpeg", "gif", "bmp", "webp"];

/// The last part of a path, as it is shown.
pub fn file_name(path: &Path) -> String {
    text::name(&path.file_name().unwrap_or(path.as_os_str()).to_string_lossy())
}

/// The folders in a place that hold what is looked for, those that changed last first.
pub fn newest_folders(home: &Path, holds: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut all: Vec<PathBuf> = entries.filter(|path| holds(path)).collect();
    let modified = |path: &PathBuf| std::fs::metadata(path).and_then(|about| about.modified()).ok();
    all.sort_by_key(|path| std::cmp::Reverse(modified(path)));
    all
}

/// A folder of this name, or of this name with a number, that is not there yet.
pub fn new_folder(home: &Path, name: &str) -> Option<PathBuf> {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered).map(|name| home.join(name));
    names.find(|folder| !folder.exists())
}

/// Whether a file's name says that it is a picture.
pub fn is_picture(path: &Path) -> bool {
    has_extension(path, &PICTURES)
}

/// Whether a file's name ends so.
pub fn has_extension(path: &Path, any: &[&str]) -> bool {
    path.extension().is_some_and(|extension| any.iter().any(|one| extension.eq_ignore_ascii_case(one)))
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
        Some("json") => "load this run's settings".into(),
        Some("safetensors") => "open this model or these latents".into(),
        Some(extension) if CHECKPOINTS.contains(&extension) => "open this model".into(),
        Some("npz") => "load these latents into slots".into(),
        Some("zip" | "tar") => "use the exact score of these images".into(),
        // Not looked into: this is said anew in every frame.
        None => "open this model, or use the exact score of these images".into(),
        Some(_) if is_picture(path) => "paint on this image".into(),
        Some(other) => format!("try to open this .{other} file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A scene that was saved opens as one wherever it is given, and a run as a run.
    #[test]
    fn scenes_and_runs_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        Scene::default().write(&place("scene.json")).unwrap();
        assert!(matches!(look(place("scene.json")), OpenedFile::Scene(scene) if *scene == Scene::default()));
        crate::checkpoint::write_run(&place("run.json"), &crate::task::Run::default()).unwrap();
        assert!(matches!(look(place("run.json")), OpenedFile::Run(..)));
        for (name, text, expected) in [
            ("odd.json", r#"{"score-explorer-plane": 1, "weather": 3}"#, "weather"),
            ("other.json", "{}", "is not a valid run file"),
        ] {
            std::fs::write(place(name), text).unwrap();
            let OpenedFile::Refused(notice) = look(place(name)) else { panic!("{name} was opened") };
            assert!(format!("{notice:?}").contains(expected), "{notice:?}");
        }
    }

    #[test]
    fn what_is_of_no_kind_goes_to_the_reader_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let words = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, b"words").unwrap();
            look(path)
        };
        for name in ["model.PTH", "last.ckpt", "model.safetensors"] {
            assert!(matches!(words(name), OpenedFile::Model(ModelRef::File(_))), "{name}");
        }
        for name in ["pictures.tar", "pictures.zip"] {
            assert!(matches!(words(name), OpenedFile::Model(ModelRef::Exact(_))), "{name}");
        }
        assert!(matches!(words("photo.JPG"), OpenedFile::Picture(_)));
        assert!(matches!(words("latents.npz"), OpenedFile::Latents(_)));
        let OpenedFile::Refused(notice) = words("notes.txt") else { panic!("a text file was opened") };
        assert!(notice.what.contains("notes.txt") && notice.remedy.contains(".safetensors"), "{notice:?}");
        let OpenedFile::Refused(notice) = look("x/missing.pth".into()) else { panic!("what is missing was opened") };
        assert!(notice.what.contains("cannot be read"), "{notice:?}");
    }
}
