//! The command line, through the real program in a folder of its own.

mod asked;
mod bad_input;
mod bench;
mod classifier;
mod comparing;
mod files;
mod grey;
mod metric;
mod models;
mod outputs;
mod pictures;
mod runs;
mod scores;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// An empty folder in which the program works, without display and without imported models.
pub(crate) struct Place(TempDir);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Names of all files in a folder.
    pub(crate) fn files_in(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).expect("the folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Names of all files, to see that nothing half-written is left.
    pub(crate) fn files(&self) -> Vec<String> {
        self.files_in(".")
    }

    /// Runs a command line, split at spaces.
    fn run(&self, line: &str) -> Ended {
        self.run_with(line, &[])
    }

    fn run_with(&self, line: &str, variables: &[(&str, &str)]) -> Ended {
        self.run_words(&line.split_whitespace().collect::<Vec<_>>(), variables)
    }

    pub(crate) fn run_words<W: AsRef<OsStr>>(&self, words: &[W], variables: &[(&str, &str)]) -> Ended {
        let output = Command::new(env!("CARGO_BIN_EXE_score-explorer"))
            .args(words)
            .current_dir(self.0.path())
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("WAYLAND_SOCKET")
            .env("XDG_DATA_HOME", self.path("data"))
            // As over SSH and in containers.
            .env_remove("XDG_RUNTIME_DIR")
            .envs(variables.iter().copied())
            .output()
            .expect("the program starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    pub(crate) fn succeeds(&self, line: &str) -> Ended {
        let ended = self.run(line);
        assert_eq!(ended.code, Some(0), "{line}: {ended:?}");
        ended
    }

    /// The command fails with this code and one sentence that holds `word`; returns the sentence.
    pub(crate) fn fails(&self, line: &str, code: i32, word: &str) -> String {
        let ended = self.run(line);
        assert_eq!(ended.code, Some(code), "{line}: {ended:?}");
        let sentence = ended.stderr.lines().find_map(|line| line.strip_prefix("error: ")).unwrap_or_default();
        assert!(sentence.contains(word), "{line}: {sentence:?} lacks {word:?}");
        assert_eq!(ended.stderr.matches("error: ").count(), 1, "{line}: {}", ended.stderr);
        for noise in ["panicked", "backtrace", "Caused by", "Error {"] {
            assert!(!ended.stderr.contains(noise), "{line}: {}", ended.stderr);
        }
        sentence.into()
    }
}

/// A file of the reference networks that tests share.
fn reference(net: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/nets").join(net).join(file)
}
