//! The average of the weights, chosen after a training (Karras et al. 2024): a slider, and samples of what it gives.

use super::Command;
use crate::Pixels;
use crate::app::widgets::{named, thousands};
use crate::app::{Context, Notice};
use crate::engine::{Average, Averaged, End, Options, TaskHandle};
use crate::train::Folder;
use egui::{Slider, Ui};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A slider that has not moved for this long rests.
const REST: Duration = Duration::from_millis(250);
/// Where the slider stands at first.
const WIDTH: f64 = 0.05;
/// From where to where it goes.
const WIDTHS: std::ops::RangeInclusive<f64> = 0.01..=0.28;

/// What a task is to find.
#[derive(Debug)]
struct Asked {
    of: Averaged,
    task: TaskHandle<Average>,
}

/// The averages of one training that is not under way.
#[derive(Debug)]
pub struct Averages {
    /// Moments of which averages are stored, in images.
    moments: Vec<u64>,
    sigma_rel: f64,
    /// Which of the moments.
    moment: usize,
    moved: Instant,
    /// Samples of the model as it was trained, and of the average that was chosen.
    trained: Option<Pixels<f32>>,
    made: Option<(Averaged, Pixels<f32>)>,
    asked: Option<Asked>,
    /// What could not be made: it is not tried again.
    failed: Vec<Averaged>,
    saving: Option<(PathBuf, TaskHandle<Average>)>,
}

impl Averages {
    /// Of a training that stored averages at these moments.
    pub fn new(moments: Vec<u64>) -> Self {
        let moment = moments.len().saturating_sub(1);
        let (trained, made, asked, saving) = (None, None, None, None);
        Averages {
            moments,
            sigma_rel: WIDTH,
            moment,
            moved: Instant::now(),
            trained,
            made,
            asked,
            failed: Vec::new(),
            saving,
        }
    }

    /// Whether there is anything to choose.
    pub fn is_choice(&self) -> bool {
        !self.moments.is_empty()
    }

    /// Samples of the model as it was trained.
    pub fn trained(&self) -> Option<&Pixels<f32>> {
        self.trained.as_ref()
    }

    /// Samples of the chosen average, or until they are there of the one before.
    pub fn made(&self) -> Option<&Pixels<f32>> {
        self.made.as_ref().map(|(_, samples)| samples)
    }

    /// The average that the slider stands at.
    fn chosen(&self) -> Option<Averaged> {
        let &images = self.moments.get(self.moment)?;
        Some(Averaged::Posthoc { sigma_rel: self.sigma_rel, images })
    }

    /// What is to be drawn next.
    fn wanted(&self) -> Option<Averaged> {
        let lacks = |of: &Averaged| match of {
            Averaged::Trained => self.trained.is_none(),
            of => self.made.as_ref().is_none_or(|(made, _)| made != of),
        };
        let all = [Some(Averaged::Trained), self.chosen()].into_iter().flatten();
        all.filter(lacks).find(|of| !self.failed.contains(of))
    }

    /// Draws what is shown and not there yet, once the slider rests.
    pub fn advance(&mut self, folder: &Path, cx: &Context) {
        let Some(of) = self.wanted() else { return };
        if self.asked.as_ref().is_some_and(|asked| asked.of == of) {
            return;
        }
        if let Some(rest) = REST.checked_sub(self.moved.elapsed()) {
            cx.egui.request_repaint_after(rest);
            return;
        }
        let task = Average { folder: folder.into(), of, output: None };
        self.asked = Some(Asked { of, task: cx.session.begin(task, Options::on(cx.draft.device)) });
    }

    /// Writes the chosen average beside the training's model, to be used then.
    pub fn save(&mut self, folder: &Path, cx: &Context) {
        let Some(of @ Averaged::Posthoc { sigma_rel, images }) = self.chosen() else { return };
        let path = Folder::new(folder).average(sigma_rel, images);
        let task = Average { folder: folder.into(), of, output: Some(path.clone()) };
        self.saving = Some((path, cx.session.begin(task, Options::on(cx.draft.device))));
    }

    /// Takes in what the tasks have said; the model that was written, if one was.
    pub fn poll(&mut self, cx: &mut Context) -> Option<PathBuf> {
        if let Some(Asked { of, task }) = &self.asked {
            let of = *of;
            if let Some(end) = ended(task, cx) {
                self.asked = None;
                match (end, of) {
                    (Some(Some(samples)), Averaged::Trained) => self.trained = Some(samples),
                    (Some(Some(samples)), of) => self.made = Some((of, samples)),
                    _ => self.failed.push(of),
                }
            }
        }
        let (path, task) = self.saving.as_ref()?;
        let (path, end) = (path.clone(), ended(task, cx)?);
        self.saving = None;
        end.map(|_| path)
    }

    /// The slider.
    pub fn ui(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        ui.horizontal(|ui| {
            let tip = "σ_rel: width of the average of the weights, as a share of the training up to then. Short averages \
                       follow the weights, long ones are smoother; which is best depends on the network and is seen \
                       only afterwards (Karras et al. 2024)";
            ui.label("Average σ_rel").on_hover_text(tip);
            let slider = Slider::new(&mut self.sigma_rel, WIDTHS).logarithmic(true).max_decimals(3);
            let mut moved = named(ui.add(slider), "Width of the average", tip).changed();
            if let Some(last) = self.moments.len().checked_sub(1).filter(|&last| last > 0) {
                let tip = "The moment of the training of which it is the average, in images";
                ui.label("at").on_hover_text(tip);
                let moments = &self.moments;
                let slider = Slider::new(&mut self.moment, 0..=last).custom_formatter(|place, _| {
                    moments.get(place as usize).map_or_else(String::new, |&images| thousands(images))
                });
                moved |= named(ui.add(slider), "Moment of the average", tip).changed();
                ui.label("images");
            }
            if moved {
                self.moved = Instant::now();
            }
            let tip = "Write this average as a model in the training's folder, and use it in every workspace";
            let button = egui::Button::new("Use this average");
            if ui.add_enabled(self.saving.is_none(), button).on_hover_text(tip).clicked() {
                commands.push(Command::UseAverage);
            }
            if self.asked.is_some() || self.saving.is_some() {
                ui.spinner();
            }
        });
    }
}

/// What a task has given, once it has ended; within, nothing where it failed, which is said.
fn ended(task: &TaskHandle<Average>, cx: &mut Context) -> Option<Option<Option<Pixels<f32>>>> {
    cx.session.ended(task).map(|end| match end {
        End::Finished(output) => Some(output),
        End::Stopped => None,
        End::Failed(failure) => {
            cx.notices.push(Notice::problem(failure));
            None
        }
    })
}
