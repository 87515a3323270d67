//! The window: a frame, shared widgets, and one folder a workspace. Nothing here computes or waits.
//!
//! [`App`] knows workspaces only as [`Workspace`]s, and what they share is the [`Context`]. A control pushes an [`Action`]
//! for the window or a command of its own workspace, which are obeyed once a frame. What the engine does is learnt from
//! its messages, which [`Session`] keeps in order.

mod background;
mod card;
mod catalogue;
pub mod compare;
mod consent;
mod context;
mod convergence;
mod device;
mod dialog;
mod draft;
mod figure;
mod files;
mod graphics;
mod help;
pub mod inpaint;
mod keys;
pub mod latents;
pub mod math;
mod meter;
mod models;
mod notices;
mod panes;
mod parameters;
mod photos;
pub mod picture;
pub mod plane;
mod run_view;
mod saving;
mod session;
mod settings;
mod settled;
mod shell;
mod solver_panel;
mod status;
mod textures;
pub mod theme;
pub mod timeline;
pub mod train;
pub mod trajectory;
mod widgets;
mod workspace;

pub use context::Context;
pub use draft::{Draft, Families};
pub use graphics::{Shared, share, window_graphics};
pub use notices::Notice;
pub use photos::Offer;
pub use run_view::{Cursor, RunState, RunView};
pub use session::Session;
pub use settings::{Settings, ThemeChoice};
pub use shell::App;
pub use workspace::Workspace;

use crate::engine::{Devices, Failure};
use crate::network::DeviceWatch;
use crate::task::{ModelRef, Run};
use anyhow::anyhow;
use compare::Compare;
use eframe::egui_wgpu::RenderState;
use inpaint::Inpaint;
use latents::Latents;
use plane::Plane;
use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use train::Train;
use trajectory::Trajectory;

/// All workspaces, in the order of their tabs. A new one is a folder, and its lines in this file.
fn workspaces(settings: &Settings, start: &Start<'_>) -> Vec<Box<dyn Workspace>> {
    vec![
        Box::new(Trajectory::new(settings, start)),
        Box::new(Latents::new(settings, start)),
        Box::new(Inpaint::new(settings, start)),
        Box::new(Train::new(settings, start)),
        Box::new(Compare::new(settings, start)),
        Box::new(Plane::new(settings, start)),
    ]
}

/// The font of the window's texts, for charts in files.
pub fn chart_font() -> Option<&'static [u8]> {
    static FONT: LazyLock<Option<Vec<u8>>> = LazyLock::new(|| {
        let fonts = egui::FontDefinitions::default();
        let name = fonts.families.get(&egui::FontFamily::Proportional)?.first()?;
        Some((*fonts.font_data.get(name)?.font).as_ref().to_vec())
    });
    FONT.as_deref()
}

/// What a person or a workspace asks of the window.
#[derive(Clone, Debug)]
pub enum Action {
    /// Ask for a file and open it.
    ChooseFile,
    /// Ask for a folder of pictures and open it.
    ChooseFolder,
    Model(ModelRef),
    /// Have a workspace take a run.
    Run(Box<Run>, String),
    /// Show all models with their cards.
    Models,
    /// In the workspace that is shown.
    Undo,
    Redo,
    Help,
    Theme(ThemeChoice),
    /// Show the workspace of this name.
    Show(&'static str),
    /// Stop what the workspace of this name works on.
    Stop(&'static str),
    /// Do not open the model that is being opened.
    StopOpening,
    /// Do not write the file that is being written.
    StopSaving,
}

/// How the window is opened.
#[derive(Clone, Debug, Default)]
pub struct WindowOptions {
    /// Where imported models lie.
    pub library: Option<PathBuf>,
    /// Where what is painted is kept from window to window.
    pub painting: Option<PathBuf>,
    /// A run file, checkpoint, or folder of pictures to open at once.
    pub open: Option<PathBuf>,
}

/// What a window begins with.
pub struct Start<'a> {
    pub devices: Devices,
    pub storage: Option<&'a dyn eframe::Storage>,
    pub render_state: Option<&'a RenderState>,
    /// Where imported models lie.
    pub library: Option<PathBuf>,
    /// Where what is painted is kept from window to window.
    pub painting: Option<PathBuf>,
    pub notices: Vec<Notice>,
    /// A file or folder to open at once.
    pub open: Option<PathBuf>,
    /// Whether files can be dropped on the window: not under Wayland.
    pub drops: bool,
    /// What the window before this one left, and where this one leaves what the next one takes over.
    pub left: Left,
}

/// What workspaces leave, by their names, when their window's graphics device is lost.
pub type Left = Rc<RefCell<Vec<(&'static str, Box<dyn Any>)>>>;

/// Whether the window will be Wayland's, for which the windowing library has no drag and drop.
fn is_wayland() -> bool {
    let named = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(all(unix, not(target_os = "macos"))) && (named("WAYLAND_DISPLAY") || named("WAYLAND_SOCKET"))
}

/// The smallest window in which everything can be reached, in points.
const SMALLEST: [f32; 2] = [640.0, 360.0];

/// The system's wish that the program ends closes the window as a person would: what is long is saved first. The loss of
/// its graphics device wakes it.
fn close_on_signals(window: &egui::Context, watch: Option<Arc<DeviceWatch>>) {
    /// How often it is looked for.
    const EVERY: Duration = Duration::from_millis(250);
    let asked = Arc::new(AtomicBool::new(false));
    for signal in signal_hook::consts::TERM_SIGNALS {
        // Where it cannot be heard, the program ends as before.
        let _ = signal_hook::flag::register(*signal, asked.clone());
    }
    let window = window.clone();
    std::thread::spawn(move || {
        let is_gone = || watch.as_ref().is_some_and(|watch| watch.is_gone());
        while !asked.load(Ordering::Acquire) && !is_gone() {
            std::thread::sleep(EVERY);
        }
        window.send_viewport_cmd(egui::ViewportCommand::Close);
        window.request_repaint();
    });
}

/// Opens the window and serves it until it is closed. Where its graphics device is lost, another takes its place.
///
/// # Errors
/// If no display or no graphics adapter can be opened: why, without a full stop.
pub fn run_window(mut options: WindowOptions) -> anyhow::Result<()> {
    let (left, mut notice) = (Left::default(), None);
    loop {
        let is_lost = open_window(&options, notice.take(), &left)?;
        if !is_lost {
            return Ok(());
        }
        options.open = None;
        notice = Some(Notice::problem(Failure {
            what: "The graphics device was lost, and the window was opened again.".into(),
            remedy: "Runs go on on the CPU; a newer graphics driver may help.".into(),
        }));
    }
}

/// Opens a window and serves it until it is closed, or its graphics device is lost; whether it is.
fn open_window(options: &WindowOptions, notice: Option<Notice>, left: &Left) -> anyhow::Result<bool> {
    let native = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_app_id("score-explorer")
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size(SMALLEST),
        wgpu_options: window_graphics(),
        ..Default::default()
    };
    let watch = Rc::new(RefCell::new(None::<Arc<DeviceWatch>>));
    let (options, left, watched) = (options.clone(), left.clone(), watch.clone());
    let create: eframe::AppCreator<'_> = Box::new(move |context| {
        let shared = share(context.wgpu_render_state.as_ref());
        watched.replace(shared.devices.watch.clone());
        close_on_signals(&context.egui_ctx, shared.devices.watch.clone());
        let start = Start {
            devices: shared.devices,
            storage: context.storage,
            render_state: context.wgpu_render_state.as_ref(),
            library: options.library,
            painting: options.painting,
            notices: notice.into_iter().chain(shared.notice).collect(),
            open: options.open,
            drops: !is_wayland(),
            left,
        };
        Ok(Box::new(App::new(&context.egui_ctx, start)))
    });
    let opened = catch_unwind(AssertUnwindSafe(|| eframe::run_native("Score Explorer", native, create)));
    let is_lost = watch.take().is_some_and(|watch| watch.is_gone());
    let opened = match opened {
        Ok(opened) => opened,
        // egui panics where it draws with a device that is lost in the middle of a frame, and its event loop is no more.
        Err(_) if is_lost => return Err(anyhow!("its graphics device was lost")),
        Err(panic) => resume_unwind(panic),
    };
    // What the windowing library adds to its errors is for its own developers.
    opened.map_err(|error| match error {
        eframe::Error::Winit(_) | eframe::Error::WinitEventLoop(_) => anyhow!("the display does not answer"),
        eframe::Error::AppCreation(error) => anyhow!("{error}"),
        eframe::Error::Wgpu(error) => anyhow!("no graphics adapter can be used ({error})"),
    })?;
    Ok(is_lost)
}
