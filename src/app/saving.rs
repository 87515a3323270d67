//! Saving: files are written on a thread of their own, and what all panels that save have in common.

use super::Context;
use super::dialog::{Dialog, PathRequest};
use super::notices::{Notice, Retries};
use super::theme::Theme;
use super::widgets::{Combo, control_width, named, row};
use crate::checkpoint::FileError;
use crossbeam_channel::{Receiver, TryRecvError};
use egui::{RichText, Ui, vec2};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Is told the share done, 0 to 1, and answers whether to go on.
pub type Progress<'a> = &'a mut dyn FnMut(f32) -> bool;

type Write = dyn Fn(&Path, Progress<'_>) -> Result<(), String> + Send + Sync;

/// A file to be written.
#[derive(Clone)]
pub struct SaveJob {
    path: PathBuf,
    what: &'static str,
    write: Arc<Write>,
}

impl SaveJob {
    /// `what` is said while `write` writes the file: "saving the grid".
    pub fn new<E: std::fmt::Display>(
        path: PathBuf,
        what: &'static str,
        write: impl Fn(&Path, Progress<'_>) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        let write = move |path: &Path, progress: Progress<'_>| write(path, progress).map_err(|error| error.to_string());
        SaveJob { path, what, write: Arc::new(write) }
    }
}

/// How long each of `frames` is shown, where all of them take `seconds`.
pub fn frame_time(seconds: f32, frames: usize) -> Duration {
    Duration::from_secs_f32(seconds / frames.max(1) as f32)
}

/// A job under way.
struct Writing {
    job: SaveJob,
    done: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    result: Receiver<Result<(), String>>,
}

/// Writes one file at a time.
#[derive(Default)]
pub struct Saver {
    /// Where files were last written.
    pub folder: Option<PathBuf>,
    writing: Option<Writing>,
    failed: Retries<SaveJob>,
}

impl Saver {
    /// Nothing under way.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Saver { folder, ..Saver::default() }
    }

    /// What is being written, and how far (0 to 1).
    pub fn progress(&self) -> Option<(&'static str, f32)> {
        let writing = self.writing.as_ref()?;
        Some((writing.job.what, f32::from_bits(writing.done.load(Ordering::Relaxed))))
    }

    /// Asks the job under way to stop; nothing half-written is left.
    pub fn stop(&self) {
        if let Some(writing) = &self.writing {
            writing.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Begins a job; one under way is stopped first.
    pub fn start(&mut self, ctx: &egui::Context, job: SaveJob) {
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
            let _ = outbox.send((thread_job.write)(&thread_job.path, &mut progress));
            ctx.request_repaint();
        });
        self.writing = Some(Writing { job, done, stop, result });
    }

    /// What came of the job, once it is done.
    pub fn poll(&mut self, ctx: &egui::Context) -> Option<Notice> {
        self.failed.pressed().into_iter().for_each(|job| self.start(ctx, job));
        let writing = self.writing.as_ref()?;
        let result = match writing.result.try_recv() {
            Ok(result) => result,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => {
                let path = writing.job.path.clone();
                let source = std::io::Error::other("the writer ended unexpectedly");
                Err(FileError::Write { path, source }.to_string())
            }
        };
        let Writing { job, stop, .. } = self.writing.take()?;
        Some(match result {
            Ok(()) if stop.load(Ordering::Relaxed) => Notice::remark("Export stopped; nothing was written."),
            Ok(()) => Notice::remark(format!("Saved as {}.", job.path.display())),
            Err(error) => self.failed.offer(Notice::error(error), job),
        })
    }
}

/// What every panel that saves has: the place, and how pictures are drawn.
#[derive(Debug)]
pub struct SavePanel {
    pub open: bool,
    pub zoom: usize,
    /// Length of an animation.
    pub seconds: f32,
    pub animated_png: bool,
    /// Full path of the file; follows what is saved until it is edited.
    path: String,
    place: PathRequest<()>,
}

impl SavePanel {
    /// Closed, for animations of this length.
    pub fn new(seconds: f32) -> Self {
        let place = PathRequest::default();
        SavePanel { open: false, zoom: 4, seconds, animated_png: false, path: String::new(), place }
    }

    /// Suggests a file of this name where files were last written.
    pub fn suggest(&mut self, saver: &Saver, name: &str) {
        let home = || std::env::home_dir().unwrap_or_default();
        self.path = saver.folder.clone().unwrap_or_else(home).join(name).display().to_string();
    }

    /// The file's path.
    ///
    /// # Errors
    /// If it has no name.
    pub fn path(&self) -> Result<PathBuf, String> {
        match self.path.trim() {
            "" => Err("Enter a file name.".into()),
            path => Ok(path.into()),
        }
    }

    /// How large pixels are.
    pub fn zoom_row(&mut self, ui: &mut Ui) {
        let tip = "Enlarge each pixel to N×N, without smoothing";
        row(ui, "Zoom", tip, |ui| {
            let field = egui::DragValue::new(&mut self.zoom).range(1..=32).suffix("×").speed(0.1);
            named(ui.add_sized(vec2(64.0, 24.0), field), "Zoom", tip);
        });
    }

    /// Length and format of an animation.
    pub fn animation_rows(&mut self, ui: &mut Ui, tip: &str) {
        row(ui, "Length", tip, |ui| {
            let field = egui::DragValue::new(&mut self.seconds).range(0.5..=60.0).speed(0.1).suffix(" s");
            named(ui.add_sized(vec2(64.0, 24.0), field), "Length", tip);
        });
        let tip = "GIF works everywhere but has 256 colours; animated PNG has all colours";
        row(ui, "Format", tip, |ui| {
            let combo = Combo { name: "Format", tip, width: control_width(ui) };
            let text = |png: &bool| if *png { "Animated PNG" } else { "GIF" }.to_owned();
            combo.show(ui, &mut self.animated_png, &[false, true], text, |_| None);
        });
    }

    /// The file's path, with a dialog that chooses it.
    pub fn place_row(&mut self, ui: &mut Ui, cx: &Context) {
        if let Some(((), path)) = self.place.poll() {
            self.path = path.display().to_string();
        }
        row(ui, "File", "Where the file is saved", |ui| {
            let width = control_width(ui) - 84.0;
            let field = egui::TextEdit::singleline(&mut self.path).desired_width(width);
            ui.add(field).accessible_name("File");
            if ui.button("Choose…").clicked() {
                let name = Path::new(&self.path).file_name().unwrap_or_default().to_string_lossy().into_owned();
                self.place.ask(cx, Dialog::Save { name: &name }, ());
            }
        });
    }
}

/// The end of a panel that saves: why nothing can be saved, a button that saves, and Cancel.
/// Says whether the panel is done with.
pub fn save_buttons(ui: &mut Ui, name: &str, job: Result<SaveJob, String>, cx: &mut Context) -> bool {
    if let Err(why) = &job {
        ui.label(RichText::new(why).color(Theme::of(ui).warning));
    }
    ui.horizontal(|ui| {
        let save = ui.add_enabled(job.is_ok(), egui::Button::new(name));
        if save.clicked()
            && let Ok(job) = job
        {
            cx.saver.start(ui.ctx(), job);
            return true;
        }
        ui.button("Cancel").clicked()
    })
    .inner
}
