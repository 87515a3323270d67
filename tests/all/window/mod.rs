//! The window, driven by the accessible names that people with screen readers hear too.

mod compare;
mod equations;
mod inpaint;
mod latents;
mod lost;
mod models;
mod plane;
mod runs;
mod settings;
mod small;
mod train;

use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use egui_kittest::{Harness, HarnessBuilder};
use score_explorer::app::inpaint::Inpaint;
use score_explorer::app::latents::Latents;
use score_explorer::app::trajectory::{Runs, Trajectory};
use score_explorer::app::{App, Draft, Left, Settings, Start};
use score_explorer::engine::Devices;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A file let go over the window.
#[derive(Debug)]
pub struct Dropped(pub PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|error| error.to_string())
    }
}

/// What eframe would keep in a file.
#[derive(Default)]
pub struct Storage(HashMap<String, String>);

impl eframe::Storage for Storage {
    fn get_string(&self, key: &str) -> Option<String> {
        self.0.get(key).cloned()
    }
    fn set_string(&mut self, key: &str, value: String) {
        self.0.insert(key.into(), value);
    }
    fn remove_string(&mut self, key: &str) {
        self.0.remove(key);
    }
    fn flush(&mut self) {}
}

/// The window with what an earlier one stored.
pub fn open(storage: &Storage) -> Harness<'static, App> {
    build(Harness::builder().with_size([1280.0, 800.0]), storage)
}

/// The same, with a harness of one's own.
pub fn build(builder: HarnessBuilder<App>, storage: &Storage) -> Harness<'static, App> {
    start(builder, storage, true, Folders::default())
}

/// The same, where no graphics device can be used by the program itself.
pub fn build_without_device(builder: HarnessBuilder<App>, storage: &Storage) -> Harness<'static, App> {
    start(builder, storage, false, Folders::default())
}

/// Where a window keeps files, and what others left there.
#[derive(Default)]
pub struct Folders {
    pub painting: Option<PathBuf>,
    pub library: Option<PathBuf>,
    /// What is opened at once.
    pub open: Option<PathBuf>,
    /// What the window before left.
    pub left: Left,
}

/// The window with what an earlier one stored, and files in folders.
pub fn open_in(storage: &Storage, folders: Folders) -> Harness<'static, App> {
    start(Harness::builder().with_size([1280.0, 800.0]), storage, true, folders)
}

fn start(
    builder: HarnessBuilder<App>,
    storage: &Storage,
    shares_device: bool,
    folders: Folders,
) -> Harness<'static, App> {
    let mut harness = builder.with_step_dt(1.0 / 60.0).with_max_steps(30).build_eframe(|context| {
        let start = Start {
            devices: Devices::cpu_only(),
            storage: Some(storage),
            render_state: context.wgpu_render_state.as_ref().filter(|_| shares_device),
            library: folders.library,
            painting: folders.painting,
            notices: Vec::new(),
            open: folders.open,
            drops: true,
            left: folders.left,
        };
        App::new(&context.egui_ctx, start)
    });
    harness.run_steps(3);
    harness
}

/// The window with these settings for the next run.
pub fn open_with(draft: Draft) -> Harness<'static, App> {
    open(&stored(draft))
}

pub fn stored(draft: Draft) -> Storage {
    let mut storage = Storage::default();
    Settings { draft, ..Settings::default() }.save(&mut storage);
    storage
}

/// Settings that need no network: the exact score of the pictures that ship, few samples.
pub fn quick(steps: usize) -> Draft {
    let model = "exact:worlds".parse().expect("a model");
    Draft { model, steps, count: 4, ..Draft::default() }
}

/// Lets the window and the engine go on until something is so.
#[track_caller]
pub fn wait_until(harness: &mut Harness<'static, App>, what: &str, done: impl Fn(&App) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done(harness.state()) {
        let notices: Vec<_> = harness.state().notices().map(str::to_owned).collect();
        assert!(Instant::now() < deadline, "{what} did not come; notices: {notices:?}");
        std::thread::sleep(Duration::from_millis(4));
        harness.step();
    }
    harness.run_steps(2);
}

/// The runs that the window keeps.
pub fn runs(app: &App) -> &Runs {
    app.workspace::<Trajectory>().expect("the workspace").runs()
}

pub fn latents(app: &App) -> &Latents {
    app.workspace().expect("the workspace")
}

pub fn inpaint(app: &App) -> &Inpaint {
    app.workspace().expect("the workspace")
}

/// Clicks what has this name.
#[track_caller]
pub fn click(harness: &mut Harness<'static, App>, name: &str) {
    harness.get_by_label(name).click();
    harness.run_steps(4);
}

/// Whether what has this name can be used.
#[track_caller]
pub fn is_enabled(harness: &Harness<'static, App>, name: &str) -> bool {
    !harness.get_by_label(name).accesskit_node().is_disabled()
}

/// Saves `what` to `path` by the panel that Ctrl+S opens, whose last button is named `button`.
pub fn save_as(harness: &mut Harness<'static, App>, what: &str, path: &Path, button: &str) {
    harness.key_press_modifiers(Modifiers::COMMAND, Key::S);
    harness.run_steps(3);
    harness.get_by_role_and_label(egui::accesskit::Role::RadioButton, what).click();
    harness.run_steps(3);
    harness.get_by_label("File").focus();
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run_steps(2);
    harness.get_by_label("File").type_text(&path.display().to_string());
    harness.run_steps(2);
    harness.get_all_by_label(button).last().unwrap().click();
    harness.run_steps(3);
}
