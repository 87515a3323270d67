use super::{Failure, library, painting};
use crate::app::{WindowOptions, run_window};
use std::env;
use std::path::PathBuf;

/// Opens the window, with a file or folder in it, and stays until it is closed.
pub(super) fn open(file: Option<PathBuf>) -> Result<(), Failure> {
    if let Some(missing) = file.as_deref().filter(|file| !file.exists()) {
        return Err(Failure::Usage(format!("unknown command or file {missing:?}; see `score-explorer --help`")));
    }
    if !has_display() {
        return Err(no_window("no display was found"));
    }
    run_window(WindowOptions { library: library(), painting: painting(), open: file }).map_err(|error| {
        let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
        no_window(&causes.join(": "))
    })
}

fn no_window(why: &str) -> Failure {
    Failure::Running(format!(
        "the window cannot open: {why}; to use the command line, see `score-explorer sample --help`"
    ))
}

/// Whether the environment names a display. Only Unix desktops can lack one.
fn has_display() -> bool {
    let named = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(all(unix, not(target_os = "macos")))
        || ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"].into_iter().any(named)
}
