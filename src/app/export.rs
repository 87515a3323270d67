//! Saving: one picture, the grid, an animation, the run. Written on a thread of its own.

use super::theme::Theme;
use super::widgets::{Combo, control_width, modal, named, row, segmented};
use super::{Action, Entry, Notice, Retry, Session};
use crate::Pixels;
use crate::checkpoint::{Animation, FileError, write_animation, write_grid, write_latents, write_picture, write_run};
use crate::engine::Recorded;
use crate::sde::Range;
use crate::task::{Latents, Run};
use crossbeam_channel::Receiver;
use egui::{RichText, Ui, vec2};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

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

/// What is written.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Picture {
        moment: Arc<Recorded>,
        sample: usize,
    },
    Grid(Arc<Recorded>),
    Animation {
        moments: Vec<Arc<Recorded>>,
        seconds: f32,
    },
    Run(Box<Run>),
    /// One wide picture, in [0, 1].
    Strip(Pixels<f32>),
    /// Pictures in [0, 1] that are played in a loop.
    Loop {
        frames: Vec<Pixels<f32>>,
        seconds: f32,
    },
    Latents(Box<Latents>),
}

/// A file to be written.
#[derive(Clone, Debug)]
pub struct ExportJob {
    pub path: PathBuf,
    content: Content,
    of: Of,
    range: Range,
    zoom: usize,
}

impl ExportJob {
    /// A job for what the workspace "Latents" has.
    pub(super) fn new(path: PathBuf, content: Content, zoom: usize) -> Self {
        ExportJob { path, content, of: Of::State, range: Range::Unit, zoom }
    }

    /// Writes the file. `progress` is told the share done and answers whether to go on.
    fn write(&self, progress: &mut dyn FnMut(f32) -> bool) -> Result<(), FileError> {
        match &self.content {
            Content::Run(run) => write_run(&self.path, run),
            Content::Grid(moment) => write_grid(&self.path, &self.values(moment), self.range, self.zoom),
            Content::Picture { moment, sample } => {
                write_picture(&self.path, &self.values(moment), *sample, self.range, self.zoom)
            }
            Content::Animation { moments, seconds } => {
                let frames: Vec<_> = moments.iter().map(|moment| self.values(moment)).collect();
                self.animate(frames, *seconds, progress)
            }
            Content::Strip(pixels) => write_picture(&self.path, pixels, 0, self.range, self.zoom),
            Content::Loop { frames, seconds } => self.animate(frames.clone(), *seconds, progress),
            Content::Latents(latents) => write_latents(&self.path, latents),
        }
    }

    fn animate(
        &self,
        frames: Vec<Pixels<f32>>,
        seconds: f32,
        progress: &mut dyn FnMut(f32) -> bool,
    ) -> Result<(), FileError> {
        let frame_time = Duration::from_secs_f32(seconds / frames.len().max(1) as f32);
        let animation = Animation { frames, range: self.range, frame_time, zoom: self.zoom };
        write_animation(&self.path, &animation, progress)
    }

    /// x(t), or the estimate of x(0) once there is one.
    fn values(&self, moment: &Recorded) -> Pixels<f32> {
        match (&self.of, &moment.denoised) {
            (Of::Denoised, Some(denoised)) => {
                Pixels { shape: denoised.shape, values: denoised.values.iter().map(|value| value.to_f32()).collect() }
            }
            _ => moment.x.clone(),
        }
    }
}

/// A job under way.
#[derive(Debug)]
struct Writing {
    job: Box<ExportJob>,
    done: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    result: Receiver<Result<(), FileError>>,
}

/// The panel that saves, and the job under way.
#[derive(Debug)]
pub struct Exporter {
    open: bool,
    what: What,
    of: Of,
    zoom: usize,
    seconds: f32,
    animated_png: bool,
    sample: usize,
    /// Full path of the file; follows what is saved until it is edited.
    path: String,
    /// Where files were last written.
    pub folder: Option<PathBuf>,
    writing: Option<Writing>,
}

impl Exporter {
    /// Nothing offered and nothing under way.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Exporter {
            open: false,
            what: What::Grid,
            of: Of::State,
            zoom: 4,
            seconds: 4.0,
            animated_png: false,
            sample: 0,
            path: String::new(),
            folder,
            writing: None,
        }
    }

    /// Opens the panel; `sample` is the one that is looked at.
    pub fn offer(&mut self, sample: Option<usize>, entry: Option<&Entry>) {
        self.open = true;
        self.sample = sample.unwrap_or(self.sample);
        self.path = self.suggested(entry);
    }

    /// Whether the panel is shown.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The name that a save dialog begins with.
    pub fn file_name(&self) -> String {
        Path::new(&self.path).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// A place that was chosen in a dialog.
    pub fn save_to(&mut self, path: &Path) {
        self.path = path.display().to_string();
    }

    /// What is being written, and how far (0 to 1).
    pub fn progress(&self) -> Option<(&'static str, f32)> {
        let writing = self.writing.as_ref()?;
        let what = match writing.job.content {
            Content::Picture { .. } => "saving a picture",
            Content::Grid(_) => "saving the grid",
            Content::Animation { .. } => "saving an animation",
            Content::Run(_) => "saving the run",
            Content::Strip(_) => "saving the strip",
            Content::Loop { .. } => "saving the loop",
            Content::Latents(_) => "saving the latents",
        };
        Some((what, f32::from_bits(writing.done.load(Ordering::Relaxed))))
    }

    /// Asks the job under way to stop; nothing half-written is left.
    pub fn stop(&self) {
        if let Some(writing) = &self.writing {
            writing.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Begins a job; one under way is stopped first.
    pub fn start(&mut self, ctx: &egui::Context, job: Box<ExportJob>) {
        self.stop();
        self.folder = job.path.parent().map(Path::to_owned);
        let (outbox, result) = crossbeam_channel::bounded(1);
        let (done, stop) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let (thread_job, thread_done, thread_stop, ctx) = (job.clone(), done.clone(), stop.clone(), ctx.clone());
        std::thread::spawn(move || {
            let mut progress = |share: f32| {
                thread_done.store(share.to_bits(), Ordering::Relaxed);
                ctx.request_repaint_after(Duration::from_millis(50));
                !thread_stop.load(Ordering::Relaxed)
            };
            let _ = outbox.send(thread_job.write(&mut progress));
            ctx.request_repaint();
        });
        self.writing = Some(Writing { job, done, stop, result });
    }

    /// What came of the job, once it is done.
    pub fn poll(&mut self) -> Option<Notice> {
        use crossbeam_channel::TryRecvError;
        let writing = self.writing.as_ref()?;
        let result = match writing.result.try_recv() {
            Ok(result) => result,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => {
                let path = writing.job.path.clone();
                let source = std::io::Error::other("the writer ended unexpectedly");
                Err(FileError::Write { path, source })
            }
        };
        let writing = self.writing.take()?;
        let stopped = writing.stop.load(Ordering::Relaxed);
        Some(match result {
            Ok(()) if stopped => Notice::remark("The export was stopped; nothing was written."),
            Ok(()) => Notice::remark(format!("Saved as {}.", writing.job.path.display())),
            Err(error) => Notice::error(error).with_retry(Retry::Export(writing.job)),
        })
    }

    fn suggested(&self, entry: Option<&Entry>) -> String {
        let run = entry.map_or_else(|| "run".into(), |entry| entry.name.to_lowercase().replace(' ', "-"));
        let name = match (self.what, self.animated_png) {
            (What::Grid, _) => format!("{run}-grid.png"),
            (What::Picture, _) => format!("{run}-sample-{}.png", self.sample + 1),
            (What::Animation, false) => format!("{run}.gif"),
            (What::Animation, true) => format!("{run}-animation.png"),
            (What::Run, _) => format!("{run}.json"),
        };
        let home = || std::env::home_dir().unwrap_or_default();
        self.folder.clone().unwrap_or_else(home).join(name).display().to_string()
    }

    /// Shows the panel while it is open. Whether a dialog for the place is asked for.
    pub fn ui(&mut self, ui: &Ui, session: &Session, actions: &mut Vec<Action>) -> bool {
        if !self.open {
            return false;
        }
        let (mut choose, mut open) = (false, true);
        modal(ui, "export", &mut open, 420.0, |ui| {
            ui.heading("Save");
            ui.add_space(4.0);
            self.choices(ui, session.current());
            choose = self.place(ui);
            ui.add_space(8.0);
            save_buttons(ui, "Save", self.job(session.current()), actions)
        });
        self.open = open;
        choose
    }

    fn choices(&mut self, ui: &mut Ui, entry: Option<&Entry>) {
        let options = [
            (What::Grid, "All samples", None, "All samples at the moment shown, in one picture"),
            (What::Picture, "One sample", None, "One sample at the moment shown"),
            (What::Animation, "Animation", None, "All samples along the recorded moments"),
            (What::Run, "Run file", None, "All settings; `score-explorer run FILE` gives the same pixels again"),
        ];
        let before = (self.what, self.sample, self.animated_png);
        segmented(ui, &mut self.what, &options);
        if self.what != What::Run {
            let tip = "x(t), or the model's estimate of x(0)";
            row(ui, "Values", tip, |ui| {
                let options = [(Of::State, "x(t)", None, tip), (Of::Denoised, "denoised", None, tip)];
                segmented(ui, &mut self.of, &options);
            });
            let tip = "Screen pixels for each pixel, without smoothing";
            row(ui, "Zoom", tip, |ui| {
                let field = egui::DragValue::new(&mut self.zoom).range(1..=32).suffix("×").speed(0.1);
                named(ui.add_sized(vec2(64.0, 24.0), field), "Zoom", tip);
            });
        }
        if self.what == What::Picture {
            let last = entry.map_or(1, |entry| entry.view.report.run.count.get());
            let mut number = self.sample + 1;
            let tip = "Which sample, from 1";
            row(ui, "Sample", tip, |ui| {
                let field = egui::DragValue::new(&mut number).range(1..=last);
                named(ui.add_sized(vec2(64.0, 24.0), field), "Sample", tip);
            });
            self.sample = number.saturating_sub(1);
        }
        if self.what == What::Animation {
            self.animation(ui);
        }
        if before != (self.what, self.sample, self.animated_png) {
            self.path = self.suggested(entry);
        }
    }

    fn animation(&mut self, ui: &mut Ui) {
        let tip = "How long the animation takes; its last frame is held for a second more";
        row(ui, "Length", tip, |ui| {
            let field = egui::DragValue::new(&mut self.seconds).range(0.5..=60.0).speed(0.1).suffix(" s");
            named(ui.add_sized(vec2(64.0, 24.0), field), "Length", tip);
        });
        let tip = "GIF shows everywhere in 256 colours; animated PNG has all colours";
        row(ui, "Format", tip, |ui| {
            let combo = Combo { name: "Format", tip, width: control_width(ui) };
            let text = |png: &bool| if *png { "Animated PNG" } else { "GIF" }.to_owned();
            combo.show(ui, &mut self.animated_png, &[false, true], text, |_| None);
        });
    }

    /// The file's path; whether a dialog is asked for.
    fn place(&mut self, ui: &mut Ui) -> bool {
        row(ui, "File", "Where it is written", |ui| {
            let width = control_width(ui) - 84.0;
            let field = egui::TextEdit::singleline(&mut self.path).desired_width(width);
            ui.add(field).accessible_name("File");
            ui.button("Choose…").clicked()
        })
    }

    /// The job that the panel describes, or why there is none.
    fn job(&self, entry: Option<&Entry>) -> Result<ExportJob, String> {
        let entry = entry.ok_or("Nothing has run yet. Press Run first.")?;
        if self.path.trim().is_empty() {
            return Err("Give the file a name.".into());
        }
        let shown = || entry.view.shown().0.ok_or("Nothing is recorded yet. Wait for the first step.");
        let content = match self.what {
            What::Run => Content::Run(Box::new(entry.view.report.run.clone())),
            What::Grid => Content::Grid(shown()?),
            What::Picture => Content::Picture { moment: shown()?, sample: self.sample },
            What::Animation => {
                shown()?;
                Content::Animation { moments: thinned(entry.view.timeline()), seconds: self.seconds }
            }
        };
        let range = entry.view.report.range;
        Ok(ExportJob { path: self.path.trim().into(), content, of: self.of, range, zoom: self.zoom })
    }
}

/// At most [`FRAMES`] of the moments, evenly spread, with the first and the last.
fn thinned(moments: &[Arc<Recorded>]) -> Vec<Arc<Recorded>> {
    let (all, kept) = (moments.len(), moments.len().min(FRAMES));
    let place = |index: usize| if kept > 1 { index * (all - 1) / (kept - 1) } else { 0 };
    (0..kept).filter_map(|index| moments.get(place(index)).cloned()).collect()
}

/// The end of a panel that saves: why nothing can be saved, a button that saves, and Cancel.
/// Says whether the panel is done with.
pub(super) fn save_buttons(ui: &mut Ui, name: &str, job: Result<ExportJob, String>, actions: &mut Vec<Action>) -> bool {
    if let Err(why) = &job {
        ui.label(RichText::new(why).color(Theme::of(ui).warning));
    }
    ui.horizontal(|ui| {
        let save = ui.add_enabled(job.is_ok(), egui::Button::new(name));
        if save.clicked()
            && let Ok(job) = job
        {
            actions.push(Action::Export(Box::new(job)));
            return true;
        }
        ui.button("Cancel").clicked()
    })
    .inner
}
