use super::Failure;
use crate::checkpoint::{self, FileError, OpenOptions, OpenedNetwork, ReadProgress, find, open};
use crate::task::ModelRef;
use crate::text;
use clap::builder::{StringValueParser, TypedValueParser, ValueParserFactory};
use clap::error::ErrorKind;
use clap::{Arg, Command};
use std::env;
use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// The folder of imported models, whether or not it exists yet. `None` where the environment has no such place.
pub fn library() -> Option<PathBuf> {
    Some(data_folder()?.join("models"))
}

/// The folder in which the window keeps painted photos, whether or not it exists yet.
pub fn painting() -> Option<PathBuf> {
    Some(data_folder()?.join("painting"))
}

/// The folder in which features of references are kept, whether or not it exists yet.
pub fn statistics() -> Option<PathBuf> {
    checkpoint::statistics(&library()?)
}

/// The weights of Inception-v3: the file given, or the published one among the models.
pub fn inception(given: Option<&Path>) -> Option<PathBuf> {
    given.map(Path::to_owned).or_else(|| checkpoint::inception_weights(&library()?))
}

/// Opens a network: by its name in the library, or a checkpoint with this configuration.
///
/// # Errors
/// If the model is not a network, or cannot be opened.
pub(super) fn network(model: &ModelRef, config: Option<&Path>) -> Result<OpenedNetwork, Failure> {
    let opened = match model {
        ModelRef::Named(name) => find(name, library().as_deref(), &ReadProgress::default()),
        ModelRef::File(path) => file(path, config),
        ModelRef::Exact(_) | ModelRef::Mixture(_) => return Err(not_a_network(model)),
    };
    Ok(opened?)
}

/// The model (or what else it is, as its `option` is called) to use for a file that names one: the `given` one, else the
/// file's own. A path in a file may be a stranger's: it is opened once a person has agreed, by the option or at the terminal.
///
/// # Errors
/// If nobody agrees, with what to write to do so.
pub(super) fn agreed(
    file: &Path,
    named: &ModelRef,
    given: Option<&ModelRef>,
    option: &str,
) -> Result<ModelRef, Failure> {
    let model = given.unwrap_or(named).clone();
    if given.is_some() || !named.is_path() {
        return Ok(model);
    }
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        eprint!("{}", text::line(&format!("{} was made with the {option} {named}. Open it? [y/N] ", file.display())));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
            return Ok(model);
        }
    }
    Err(Failure::Usage(format!(
        "{file:?} names the {option} {named}, a path, which is not opened unasked; to open it, give that path with --{option}"
    )))
}

/// Reads `--model`, also where it names a path that is not UTF-8.
#[derive(Clone, Debug)]
pub struct ModelParser;

impl TypedValueParser for ModelParser {
    type Value = ModelRef;

    fn parse_ref(&self, cmd: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<ModelRef, clap::Error> {
        match value.to_str() {
            Some(_) => StringValueParser::new().try_map(|text| text.parse()).parse_ref(cmd, arg, value),
            None => ModelRef::from_os(value).map_err(|error| cmd.clone().error(ErrorKind::ValueValidation, error)),
        }
    }
}

impl ValueParserFactory for ModelRef {
    type Parser = ModelParser;

    fn value_parser() -> ModelParser {
        ModelParser
    }
}

/// Whether a model can be a network at all, before anything is opened.
pub(super) fn may_be_network(model: &ModelRef) -> Result<(), Failure> {
    match model {
        ModelRef::Named(_) | ModelRef::File(_) => Ok(()),
        ModelRef::Exact(_) | ModelRef::Mixture(_) => Err(not_a_network(model)),
    }
}

fn not_a_network(model: &ModelRef) -> Failure {
    let why = "has an exact score and is not a network; choose a name from `models` or a checkpoint";
    Failure::Usage(format!("{model} {why}"))
}

/// Opens a checkpoint, and says on stderr what a person should know of how it was read.
fn file(path: &Path, config: Option<&Path>) -> Result<OpenedNetwork, FileError> {
    let opened = open(path, &OpenOptions { config, ..OpenOptions::default() })?;
    opened.notes.iter().for_each(|note| remark!("warning: {note}"));
    Ok(opened.network)
}

/// `score-explorer` in the system's folder for a user's data.
fn data_folder() -> Option<PathBuf> {
    // The XDG specification requires that relative paths be ignored.
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
