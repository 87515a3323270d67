//! Takes an open checkpoint into the library, in the background.

use crate::app::Notice;
use crate::checkpoint::{About, FileError, import, slug};
use crate::task::ModelRef;
use crossbeam_channel::{Receiver, TryRecvError};
use egui::Ui;
use std::path::{Path, PathBuf};

/// The name that is typed, and the import that is under way.
#[derive(Default)]
pub struct Importing {
    /// The file, and the name of the model.
    named: Option<(PathBuf, String)>,
    under_way: Option<Receiver<Result<PathBuf, FileError>>>,
}

impl Importing {
    /// A field for the name and a button, for the checkpoint at `path`.
    pub fn ui(&mut self, ui: &mut Ui, path: &Path, library: &Path) {
        if self.named.as_ref().is_none_or(|(of, _)| of != path) {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            self.named = Some((path.into(), stem));
        }
        let Some((_, name)) = &mut self.named else { return };
        ui.add_space(8.0);
        let field = egui::TextEdit::singleline(name).desired_width(150.0);
        ui.add(field).on_hover_text("The name that it is listed under").accessible_name("Name in the library");
        let name = name.trim().to_owned();
        let ready = self.under_way.is_none() && !slug(&name).is_empty();
        let tip = "Copies it into the library in half precision, so that it is listed from now on";
        if ui.add_enabled(ready, egui::Button::new("Import")).on_hover_text(tip).clicked() {
            self.start(ui.ctx(), path.into(), name, library);
        }
        if self.under_way.is_some() {
            ui.spinner().on_hover_text("Importing…");
        }
    }

    fn start(&mut self, ctx: &egui::Context, source: PathBuf, name: String, library: &Path) {
        let (outbox, inbox) = crossbeam_channel::bounded(1);
        let (ctx, library) = (ctx.clone(), library.to_owned());
        std::thread::spawn(move || {
            let about = About { name: name.clone(), ..About::default() };
            let made = std::fs::create_dir_all(&library);
            let result = match made {
                Ok(()) => import(&source, None, &about, &free_place(&library, &slug(&name))),
                Err(source) => Err(FileError::Write { path: library, source }),
            };
            // Nobody listens any more only when the window is gone.
            let _ = outbox.send(result);
            ctx.request_repaint();
        });
        self.under_way = Some(inbox);
    }

    /// What has become of it; the model that it made, if it did.
    pub fn poll(&mut self) -> Option<(Notice, Option<ModelRef>)> {
        let result = match self.under_way.as_ref()?.try_recv() {
            Err(TryRecvError::Empty) => return None,
            result => result,
        };
        self.under_way = None;
        Some(match result {
            Ok(Ok(path)) => {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                (Notice::remark(format!("It is in the library now, as {stem}.")), stem.parse().ok())
            }
            Ok(Err(error)) => (Notice::error(error), None),
            Err(_) => (Notice::error("the import ended unexpectedly; try again"), None),
        })
    }
}

/// A file of this name that is not there yet.
fn free_place(library: &Path, name: &str) -> PathBuf {
    let place = |name: &str| library.join(name).with_extension("safetensors");
    let numbered = (2..).map(|number| place(&format!("{name}-{number}")));
    std::iter::once(place(name)).chain(numbered).find(|path| !path.exists()).unwrap_or_else(|| place(name))
}
