//! Saving the scene, a picture or an animation of it, or its particles.

use crate::app::saving::{SaveJob, SavePanel, Saver, save_buttons};
use crate::app::widgets::{modal, named, row, segmented};
use crate::app::{Context, chart_font};
use crate::checkpoint::{Animation, FileError, write_animation, write_atomically, write_photo};
use crate::compare::Font;
use crate::engine::Network;
use crate::plane::{Course, Detail, Fields, Look, Panel, RenderError, Scene, SceneError, Shot, csv, pixels};
use crate::score::{ScoreError, ScoreModel};
use crate::sde::Range;
use egui::Ui;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

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

/// What is drawn.
#[derive(Clone)]
pub struct Source {
    pub scene: Scene,
    /// The view at a time, where it grows with the noise.
    pub views: Arc<dyn Fn(f64) -> crate::plane::View + Send + Sync>,
    pub panels: Vec<Panel>,
    pub course: Arc<Course>,
    pub network: Option<Network>,
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
    Scene(#[from] SceneError),
    #[error(transparent)]
    Score(#[from] ScoreError),
    #[error(transparent)]
    Render(#[from] RenderError),
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

    /// Shows the panel while it is open. `source` gives what is drawn.
    pub fn ui(&mut self, ui: &Ui, cx: &mut Context, source: impl FnOnce() -> Source) {
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
            let job = self.job(source());
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
    fn job(&self, source: Source) -> Result<SaveJob, String> {
        let path = self.panel.path()?;
        let font = Font(chart_font().ok_or("The font is missing.")?);
        let look = Look { side: self.side, dark: self.dark, font };
        Ok(match self.what {
            What::Scene => SaveJob::new(path, "saving the scene", move |path, _| source.scene.write(path)),
            What::Particles => SaveJob::new(path, "saving the particles", move |path, _| {
                write_text(path, &csv(&source.panels, source.scene.time))
            }),
            What::Vector => SaveJob::new(path, "saving a picture", move |path, _| -> Result<(), ExportError> {
                let svg = source.shot(source.scene.time, Detail::of_vectors(), |shot| shot.svg(&look))?;
                Ok(write_text(path, &svg)?)
            }),
            What::Picture => SaveJob::new(path, "saving a picture", move |path, _| -> Result<(), ExportError> {
                let detail = Detail::of_picture(look.side);
                let image = source.shot(source.scene.time, detail, |shot| shot.image(&look))?;
                Ok(write_photo(path, &image)?)
            }),
            What::Animation => {
                let (frames, seconds) = (self.frames, self.panel.seconds);
                SaveJob::new(path, "saving an animation", move |path, progress| {
                    source.animate(path, &look, frames, seconds, progress)
                })
            }
        })
    }
}

fn write_text(path: &Path, text: &str) -> Result<(), FileError> {
    write_atomically(path, |out| out.write_all(text.as_bytes()))
}

impl Source {
    /// The scene at a time, drawn.
    fn shot<R>(
        &self,
        time: f64,
        detail: Detail,
        draw: impl FnOnce(&Shot<'_>) -> Result<R, RenderError>,
    ) -> Result<R, ExportError> {
        let scene = Scene { time, view: (self.views)(time), ..self.scene.clone() };
        let plane = scene.plane()?;
        let network = self.network.as_deref().map(|network| -> &dyn ScoreModel { network });
        let fields = Fields::of(&scene, &plane, network, detail, &|| Ok(()))?;
        Ok(draw(&Shot { scene: &scene, fields: &fields, course: &self.course, panels: &self.panels })?)
    }

    /// From noise to data.
    fn animate(
        &self,
        path: &Path,
        look: &Look,
        count: usize,
        seconds: f32,
        progress: &mut dyn FnMut(f32) -> bool,
    ) -> Result<(), ExportError> {
        let mut frames = Vec::with_capacity(count);
        for index in 0..count {
            let share = index as f32 / (count - 1).max(1) as f32;
            frames.push(pixels(&self.shot(1.0 - f64::from(share), Detail::of_frame(), |shot| shot.image(look))?));
            if !progress(0.8 * share) {
                return Ok(());
            }
        }
        let frame_time = Duration::from_secs_f32(seconds / count.max(1) as f32);
        let animation = Animation { frames, range: Range::Unit, frame_time, zoom: 1 };
        Ok(write_animation(path, &animation, &mut |share| progress(0.8 + 0.2 * share))?)
    }
}
