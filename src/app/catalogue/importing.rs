//! Takes an open checkpoint into the library, in the background, with what a person says of it.

use crate::app::Notice;
use crate::app::files::has_extension;
use crate::app::theme::Theme;
use crate::checkpoint::{About, Assumption, FileError, OpenOptions, Overrides, adopt, open, slug};
use crate::engine::ModelReport;
use crate::task::ModelRef;
use crossbeam_channel::{Receiver, TryRecvError};
use egui::{Grid, RichText, Ui};
use std::path::{Path, PathBuf};

/// What is typed of the checkpoint that is shown, and the import that is under way.
#[derive(Default)]
pub struct Importing {
    typed: Option<Typed>,
    under_way: Option<Receiver<Result<PathBuf, FileError>>>,
}

struct Typed {
    path: PathBuf,
    name: String,
    /// The live weights instead of their average.
    live: bool,
    /// What was assumed, and what is said instead.
    said: Vec<(Assumption, String)>,
}

impl Importing {
    /// A name, a button, and below them all that was assumed, to be corrected.
    pub fn ui(&mut self, ui: &mut Ui, path: &Path, report: Option<&ModelReport>, library: &Path) {
        let assumed = report.map(|report| report.assumed.as_slice()).unwrap_or_default();
        if self.typed.as_ref().is_none_or(|typed| typed.path != path || typed.said.len() != assumed.len()) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let said = assumed.iter().map(|assumption| (assumption.clone(), assumption.value.clone())).collect();
            self.typed = Some(Typed { path: path.into(), name, live: false, said });
        }
        let Some(typed) = &mut self.typed else { return };
        let mut asked = false;
        ui.horizontal(|ui| {
            let field = egui::TextEdit::singleline(&mut typed.name).desired_width(150.0);
            ui.add(field).on_hover_text("Name in the list of models").accessible_name("Name in the model library");
            let ready = self.under_way.is_none() && !slug(&typed.name).is_empty();
            let tip = "Copy it into the model library in half precision, so that it stays listed";
            asked = ui.add_enabled(ready, egui::Button::new("Import")).on_hover_text(tip).clicked();
            if has_extension(path, &["pth", "pt", "ckpt", "bin"]) {
                let tip = "Import the raw weights instead of the EMA";
                ui.checkbox(&mut typed.live, "Raw weights").on_hover_text(tip);
            }
            if self.under_way.is_some() {
                ui.spinner().on_hover_text("Importing…");
            }
        });
        if !typed.said.is_empty() {
            corrections(ui, &mut typed.said);
        }
        if asked {
            self.under_way = Some(start(ui.ctx(), typed, library));
        }
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
                (Notice::remark(format!("Imported into the model library as {stem}.")), stem.parse().ok())
            }
            Ok(Err(error)) => (Notice::error(error), None),
            Err(_) => (Notice::error("the import ended unexpectedly; try again"), None),
        })
    }
}

/// All that was assumed, each with a field to say it better.
fn corrections(ui: &mut Ui, said: &mut [(Assumption, String)]) {
    let theme = Theme::of(ui);
    ui.add_space(6.0);
    let line = "The file does not specify these values, so they were assumed. Correct any that are wrong, then import:";
    ui.label(RichText::new(line).color(theme.warning));
    Grid::new("assumed").num_columns(2).spacing([16.0, 4.0]).show(ui, |ui| {
        for (assumption, value) in said {
            ui.label(RichText::new(&assumption.field).monospace().small()).on_hover_text(&assumption.reason);
            let changed = *value != assumption.value;
            let colour = if changed { theme.accent } else { theme.text };
            let field = egui::TextEdit::singleline(value).desired_width(150.0).text_color(colour);
            ui.add(field).on_hover_text(&assumption.reason).accessible_name(&assumption.field);
            ui.end_row();
        }
    });
}

fn start(ctx: &egui::Context, typed: &Typed, library: &Path) -> Receiver<Result<PathBuf, FileError>> {
    let (outbox, inbox) = crossbeam_channel::bounded(1);
    let (ctx, library, source, live) = (ctx.clone(), library.to_owned(), typed.path.clone(), typed.live);
    let name = typed.name.trim().to_owned();
    let changed = typed.said.iter().filter(|(assumption, value)| *value != assumption.value);
    let told: Vec<String> = changed.map(|(assumption, value)| format!("{}={value}", assumption.field)).collect();
    std::thread::spawn(move || {
        // Nobody listens any more only when the window is gone.
        let _ = outbox.send(take(&source, &library, name, live, &told));
        ctx.request_repaint();
    });
    inbox
}

/// Writes the checkpoint into the library; the file that was made.
fn take(source: &Path, library: &Path, name: String, live: bool, told: &[String]) -> Result<PathBuf, FileError> {
    let unclear = |error| FileError::Config { path: source.into(), source: error };
    let overrides = Overrides::parse(told.iter().map(String::as_str)).map_err(unclear)?;
    let opened = open(source, &OpenOptions { overrides, raw: live, ..OpenOptions::default() })?;
    let unwritten = |error| FileError::Write { path: library.into(), source: error };
    std::fs::create_dir_all(library).map_err(unwritten)?;
    let place = free_place(library, &slug(&name));
    let file = opened.file.as_deref().unwrap_or(source);
    adopt(opened.network, file, &About { name, ..About::default() }, &place)
}

/// A file of this name that is not there yet.
fn free_place(library: &Path, name: &str) -> PathBuf {
    let place = |name: &str| library.join(name).with_extension("safetensors");
    let numbered = (2..).map(|number| place(&format!("{name}-{number}")));
    std::iter::once(place(name)).chain(numbered).find(|path| !path.exists()).unwrap_or_else(|| place(name))
}
