//! Saving the scene, a picture or an animation of it, or its particles.

use crate::app::saving::{SaveJob, SavePanel, Saver, frame_time, save_buttons};
use crate::app::widgets::{modal, named, row, segmented};
use crate::app::{Context, chart_font};
use crate::checkpoint::{Animation, FileError, write_animation, write_atomically, write_photo};
use crate::compare::Font;
use crate::plane::{Film, FilmError, Look, csv};
use crate::sde::Range;
use egui::Ui;
use std::path::Path;

/// What can be saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum What {
    #[default]
    Picture,
    Vector,
    Animation,
    Particles,
    Scene,
}

/// How an animation is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Form {
    #[default]
    Gif,
    Apng,
    WebP,
}

impl Form {
    fn ending(self) -> &'static str {
        match self {
            Form::Gif => "gif",
            Form::Apng => "apng",
            Form::WebP => "webp",
        }
    }
}

/// The panel that saves.
#[derive(Debug)]
pub struct ExportPanel {
    panel: SavePanel,
    what: What,
    form: Form,
    /// Pixels of a picture's side.
    side: u32,
    dark: bool,
    frames: usize,
}

impl Default for ExportPanel {
    fn default() -> Self {
        ExportPanel {
            panel: SavePanel::new(6.0),
            what: What::Picture,
            form: Form::Gif,
            side: 720,
            dark: false,
            frames: 60,
        }
    }
}

/// What stops a file from being written.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Film(#[from] FilmError),
}

impl ExportPanel {
    /// Opens it.
    pub fn offer(&mut self, saver: &Saver, dark: bool) {
        (self.panel.open, self.dark) = (true, dark);
        self.suggest(saver);
    }

    /// Whether it is shown.
    pub fn is_open(&self) -> bool {
        self.panel.open
    }

    fn suggest(&mut self, saver: &Saver) {
        let ending = match self.what {
            What::Picture => "png",
            What::Vector => "svg",
            What::Animation => self.form.ending(),
            What::Particles => "csv",
            What::Scene => "json",
        };
        self.panel.suggest(saver, &format!("plane.{ending}"));
    }

    /// Shows the panel while it is open. `film` gives what is drawn.
    pub fn ui(&mut self, ui: &Ui, cx: &mut Context, film: impl FnOnce() -> Film) {
        if !self.panel.open {
            return;
        }
        let mut open = true;
        modal(ui, "save plane", &mut open, 440.0, |ui| {
            ui.heading("Save");
            ui.add_space(4.0);
            self.choices(ui, &cx.saver);
            self.panel.place_row(ui, cx);
            ui.add_space(8.0);
            let job = self.job(film());
            save_buttons(ui, "Save", job, cx)
        });
        self.panel.open = open;
    }

    fn choices(&mut self, ui: &mut Ui, saver: &Saver) {
        let before = (self.what, self.form);
        let options = [
            (What::Picture, "PNG", None, "A picture of what is shown"),
            (What::Vector, "SVG", None, "The same as a vector graphic"),
            (What::Animation, "Animation", None, "From noise to data"),
            (What::Particles, "CSV", None, "The particles of each solver at the time that is shown"),
            (What::Scene, "Scene", None, "All settings; `score-explorer plane FILE` renders them without a window"),
        ];
        segmented(ui, &mut self.what, &options);
        if matches!(self.what, What::Picture | What::Vector | What::Animation) {
            let tip = "Pixels of each picture's side";
            row(ui, "Size", tip, |ui| {
                let [least, most] = Look::SIDES;
                let field = egui::DragValue::new(&mut self.side).range(least..=most).suffix(" px");
                named(ui.add_sized(egui::vec2(88.0, 24.0), field), "Size", tip);
                ui.checkbox(&mut self.dark, "Dark").on_hover_text("Draw on a dark ground");
            });
        }
        if self.what == What::Animation {
            let tip = "GIF works everywhere but has 256 colours; animated PNG and WebP have all";
            row(ui, "Format", tip, |ui| {
                let options =
                    [(Form::Gif, "GIF", None, tip), (Form::Apng, "APNG", None, tip), (Form::WebP, "WebP", None, tip)];
                segmented(ui, &mut self.form, &options);
            });
            let tip = "Length of the animation and its number of frames";
            row(ui, "Length", tip, |ui| {
                let field = egui::DragValue::new(&mut self.panel.seconds).range(0.5..=60.0).speed(0.1).suffix(" s");
                named(ui.add_sized(egui::vec2(72.0, 24.0), field), "Length", tip);
                let field = egui::DragValue::new(&mut self.frames).range(2..=600).suffix(" frames");
                named(ui.add_sized(egui::vec2(96.0, 24.0), field), "Frames", tip);
            });
        }
        if before != (self.what, self.form) {
            self.suggest(saver);
        }
    }

    /// The job that the panel describes.
    fn job(&self, film: Film) -> Result<SaveJob, String> {
        let path = self.panel.path()?;
        let font = Font(chart_font().ok_or("The font is missing.")?);
        let look = Look { side: self.side, dark: self.dark, font };
        Ok(match self.what {
            What::Scene => SaveJob::new(path, "saving the scene", move |path, _| film.scene.write(path)),
            What::Particles => SaveJob::new(path, "saving the particles", move |path, _| {
                write_text(path, &csv(&film.panels, film.scene.time))
            }),
            What::Vector => SaveJob::new(path, "saving a picture", move |path, _| -> Result<(), ExportError> {
                Ok(write_text(path, &film.svg(&look)?)?)
            }),
            What::Picture => SaveJob::new(path, "saving a picture", move |path, _| -> Result<(), ExportError> {
                Ok(write_photo(path, &film.image(&look)?)?)
            }),
            What::Animation => {
                let (count, frame_time) = (self.frames, frame_time(self.panel.seconds, self.frames));
                SaveJob::new(path, "saving an animation", move |path, progress| -> Result<(), ExportError> {
                    let Some(frames) = film.frames(&look, count, &mut |share| progress(0.8 * share))? else {
                        return Ok(());
                    };
                    let animation = Animation { frames, range: Range::Unit, frame_time, zoom: 1 };
                    Ok(write_animation(path, &animation, &mut |share| progress(0.8 + 0.2 * share))?)
                })
            }
        })
    }
}

fn write_text(path: &Path, text: &str) -> Result<(), FileError> {
    write_atomically(path, |out| out.write_all(text.as_bytes()))
}
