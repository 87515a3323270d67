//! Saving one picture, all samples, an animation, or the run itself.

use super::Entry;
use crate::Pixels;
use crate::app::Context;
use crate::app::saving::{SaveJob, SavePanel, Saver, frame_time, save_buttons};
use crate::app::widgets::{modal, named, row, segmented};
use crate::checkpoint::{Animation, write_animation, write_grid, write_picture, write_run};
use crate::engine::Recorded;
use egui::{Ui, vec2};
use std::sync::Arc;

/// Most frames of an animation; a longer run is thinned evenly.
const FRAMES: usize = 240;

/// What can be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Grid,
    Picture,
    Animation,
    Run,
}

/// Which values are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    State,
    Denoised,
}

impl Of {
    /// x(t), or the estimate of x(0) once there is one.
    fn values(self, moment: &Recorded) -> Pixels<f32> {
        match (self, &moment.denoised) {
            (Of::Denoised, Some(denoised)) => {
                Pixels { shape: denoised.shape, values: denoised.values.iter().map(|value| value.to_f32()).collect() }
            }
            _ => moment.x.clone(),
        }
    }
}

/// The panel that saves.
#[derive(Debug)]
pub struct ExportPanel {
    panel: SavePanel,
    what: What,
    of: Of,
    sample: usize,
}

impl Default for ExportPanel {
    fn default() -> Self {
        ExportPanel { panel: SavePanel::new(4.0), what: What::Grid, of: Of::State, sample: 0 }
    }
}

impl ExportPanel {
    /// Opens the panel; `sample` is the one that is looked at.
    pub fn offer(&mut self, saver: &Saver, sample: Option<usize>, entry: Option<&Entry>) {
        self.panel.open = true;
        self.sample = sample.unwrap_or(self.sample);
        self.suggest(saver, entry);
    }

    /// Whether the panel is shown.
    pub fn is_open(&self) -> bool {
        self.panel.open
    }

    fn suggest(&mut self, saver: &Saver, entry: Option<&Entry>) {
        let run = entry.map_or_else(|| "run".into(), |entry| entry.name.to_lowercase().replace(' ', "-"));
        let name = match (self.what, self.panel.animated_png) {
            (What::Grid, _) => format!("{run}-grid.png"),
            (What::Picture, _) => format!("{run}-sample-{}.png", self.sample + 1),
            (What::Animation, false) => format!("{run}.gif"),
            (What::Animation, true) => format!("{run}-animation.png"),
            (What::Run, _) => format!("{run}.json"),
        };
        self.panel.suggest(saver, &name);
    }

    /// Shows the panel while it is open.
    pub fn ui(&mut self, ui: &Ui, entry: Option<&Entry>, cx: &mut Context) {
        if !self.panel.open {
            return;
        }
        let mut open = true;
        modal(ui, "export", &mut open, 420.0, |ui| {
            ui.heading("Save");
            ui.add_space(4.0);
            self.choices(ui, &cx.saver, entry);
            self.panel.place_row(ui, cx);
            ui.add_space(8.0);
            save_buttons(ui, "Save", self.job(entry), cx)
        });
        self.panel.open = open;
    }

    fn choices(&mut self, ui: &mut Ui, saver: &Saver, entry: Option<&Entry>) {
        let options = [
            (What::Grid, "All samples", None, "All samples at the step shown, in one image"),
            (What::Picture, "One sample", None, "One sample at the step shown"),
            (What::Animation, "Animation", None, "All samples over the recorded steps"),
            (What::Run, "Run file", None, "All settings; `score-explorer run FILE` replays the run, pixel for pixel"),
        ];
        let before = (self.what, self.sample, self.panel.animated_png);
        segmented(ui, &mut self.what, &options);
        if self.what != What::Run {
            let tip = "x(t), or the denoised estimate x̂₀";
            row(ui, "Values", tip, |ui| {
                let options = [(Of::State, "x(t)", None, tip), (Of::Denoised, "denoised", None, tip)];
                segmented(ui, &mut self.of, &options);
            });
            self.panel.zoom_row(ui);
        }
        if self.what == What::Picture {
            let last = entry.map_or(1, |entry| entry.view.report.run.count.get());
            let mut number = self.sample + 1;
            let tip = "Number of the sample, from 1";
            row(ui, "Sample", tip, |ui| {
                let field = egui::DragValue::new(&mut number).range(1..=last);
                named(ui.add_sized(vec2(64.0, 24.0), field), "Sample", tip);
            });
            self.sample = number.saturating_sub(1);
        }
        if self.what == What::Animation {
            self.panel.animation_rows(ui, "Duration of the animation; its last frame is held for one more second");
        }
        if before != (self.what, self.sample, self.panel.animated_png) {
            self.suggest(saver, entry);
        }
    }

    /// The job that the panel describes, or why there is none.
    fn job(&self, entry: Option<&Entry>) -> Result<SaveJob, String> {
        let entry = entry.ok_or("Nothing has run yet. Press Run first.")?;
        let path = self.panel.path()?;
        let shown = || entry.view.shown().0.ok_or("Nothing is recorded yet. Wait for the first step.");
        let (of, range, zoom, sample) = (self.of, entry.view.report.range, self.panel.zoom, self.sample);
        Ok(match self.what {
            What::Run => {
                let run = entry.view.report.run.clone();
                SaveJob::new(path, "saving the run", move |path, _| write_run(path, &run))
            }
            What::Grid => {
                let moment = shown()?;
                SaveJob::new(path, "saving the grid", move |path, _| write_grid(path, &of.values(&moment), range, zoom))
            }
            What::Picture => {
                let moment = shown()?;
                SaveJob::new(path, "saving an image", move |path, _| {
                    write_picture(path, &of.values(&moment), sample, range, zoom)
                })
            }
            What::Animation => {
                shown()?;
                let (moments, seconds) = (thinned(entry.view.timeline()), self.panel.seconds);
                SaveJob::new(path, "saving an animation", move |path, progress| {
                    let frames = moments.iter().map(|moment| of.values(moment)).collect();
                    write_animation(
                        path,
                        &Animation { frames, range, frame_time: frame_time(seconds, moments.len()), zoom },
                        progress,
                    )
                })
            }
        })
    }
}

/// At most [`FRAMES`] of the recorded steps, evenly spread, with the first and the last.
fn thinned(moments: &[Arc<Recorded>]) -> Vec<Arc<Recorded>> {
    let (all, kept) = (moments.len(), moments.len().min(FRAMES));
    let place = |index: usize| if kept > 1 { index * (all - 1) / (kept - 1) } else { 0 };
    (0..kept).filter_map(|index| moments.get(place(index)).cloned()).collect()
}
