//! The window: one file a workspace, shared widgets, theme. Nothing here computes or waits.
//!
//! Every control only pushes an [`Action`]; [`App`] carries them out once a frame. What the
//! engine does is learnt from its messages, which [`session::Session`] keeps in order.

mod branch;
mod catalogue;
mod draft;
mod equation;
mod export;
mod files;
mod graphics;
mod help;
mod icon;
pub mod inpaint;
mod keys;
pub mod latents;
mod layout;
mod meter;
mod models;
mod notices;
mod parameters;
pub mod picture;
pub mod plots;
mod runs;
mod session;
mod settings;
mod setup;
mod shell;
mod signs;
mod solver_panel;
mod status;
pub mod theme;
pub mod timeline;
mod trajectory;
mod widgets;
mod workspace;

pub use draft::{Draft, Families};
pub use equation::equations;
pub use export::ExportJob;
pub use graphics::{Shared, share, window_graphics};
pub use notices::{Notice, Retry};
pub use runs::{Cursor, RunState, RunView};
pub use session::{Entry, Pending, Session};
pub use settings::{Settings, ThemeChoice};
pub use shell::{App, Start};

use crate::engine::RunId;
use crate::task::ModelRef;
use anyhow::anyhow;
use std::path::PathBuf;

/// What a person asked for, by key, button or drop.
#[derive(Clone, Debug)]
pub enum Action {
    /// Run, pause or resume, whichever is next.
    RunOrPause,
    /// Begin anew with the present settings, whatever is in progress.
    RunAgain,
    /// One step, then hold.
    Step,
    Stop,
    /// Show what a branch from the shown moment would do.
    OfferBranch,
    Branch,
    NewSeed,
    Select(RunId),
    Close(RunId),
    /// Ask for a file and open it.
    ChooseFile,
    /// Ask for a folder of pictures and open it.
    ChooseFolder,
    /// Open whatever lies there: a run file, a checkpoint, pictures.
    Open(PathBuf),
    Model(ModelRef),
    /// Show all models with their cards.
    Models,
    /// Show what can be saved.
    OfferExport,
    Export(Box<ExportJob>),
    StopExport,
    Undo,
    Redo,
    Help,
    Theme(ThemeChoice),
    Retry(Retry),
    /// Something that only the workspace "Latents" knows.
    Latents(latents::Ask),
    /// Something that only the workspace "Inpaint" knows.
    Inpaint(inpaint::Ask),
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

/// Opens the window and serves it until it is closed.
///
/// # Errors
/// If no display or no graphics adapter can be opened: why, without a full stop.
pub fn run_window(options: WindowOptions) -> anyhow::Result<()> {
    let native = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_app_id("score-explorer")
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size([800.0, 520.0]),
        wgpu_options: window_graphics(),
        ..Default::default()
    };
    let opened = eframe::run_native(
        "Score Explorer",
        native,
        Box::new(move |context| {
            let Shared { devices, notice } = share(context.wgpu_render_state.as_ref());
            let start = Start {
                devices,
                storage: context.storage,
                render_state: context.wgpu_render_state.as_ref(),
                library: options.library,
                painting: options.painting,
                notices: notice.into_iter().collect(),
                open: options.open,
            };
            Ok(Box::new(App::new(&context.egui_ctx, start)?))
        }),
    );
    // What the windowing library adds to its errors is for its own developers.
    opened.map_err(|error| match error {
        eframe::Error::Winit(_) | eframe::Error::WinitEventLoop(_) => anyhow!("the display does not answer"),
        eframe::Error::AppCreation(error) => anyhow!("{error}"),
        eframe::Error::Wgpu(error) => anyhow!("no graphics adapter can be used ({error})"),
    })
}
