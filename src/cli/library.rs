use std::env;
use std::path::PathBuf;

/// The folder of imported models, whether or not it exists yet. `None` where the environment names no such place.
pub fn library() -> Option<PathBuf> {
    Some(data_folder()?.join("models"))
}

/// The folder in which the window keeps what is painted, whether or not it exists yet.
pub fn painting() -> Option<PathBuf> {
    Some(data_folder()?.join("painting"))
}

/// `score-explorer` in the system's place for a user's data.
fn data_folder() -> Option<PathBuf> {
    // The XDG specification asks that relative paths be ignored.
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = if cfg!(target_os = "windows") {
        folder("APPDATA")
    } else if cfg!(target_os = "macos") {
        folder("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        folder("XDG_DATA_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/share")))
    };
    data.map(|data| data.join("score-explorer"))
}
