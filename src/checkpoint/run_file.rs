use super::{FileError, foreign, read_bounded, write_atomically};
use crate::task::{ModelRef, Run};
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

const WHAT: &str = "a valid run file";
/// The field that marks a run file, with its version.
const VERSION_FIELD: &str = "score-explorer-run";
const VERSION: u64 = 1;
/// A run with a hundred branches takes some kilobytes.
const MAX_BYTES: u64 = 16 << 20;

#[derive(Serialize)]
struct RunFile<'a> {
    #[serde(rename = "score-explorer-run")]
    version: u64,
    #[serde(flatten)]
    run: &'a Run,
}

/// Reads a run file (JSON).
///
/// # Errors
/// If the file cannot be read, or holds an invalid run.
pub fn read_run(path: &Path) -> Result<Run, FileError> {
    let wrong = |reason: String| FileError::format(path, WHAT, reason);
    let value = read_json(path, WHAT, VERSION_FIELD, VERSION)?;
    let run: Run = serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
    run.check().map_err(|source| FileError::Run { path: path.into(), source })?;
    Ok(run)
}

/// Reads one of the program's own JSON files, which a field marks with its version.
///
/// # Errors
/// If it cannot be read, or is not such a file.
pub fn read_json(path: &Path, what: &'static str, field: &str, version: u64) -> Result<Value, FileError> {
    let wrong = |reason: String| FileError::format(path, what, reason);
    let mut value = json(path, what)?;
    match value.get(field).map(Value::as_u64) {
        Some(Some(found)) if found == version => {
            value.as_object_mut().map(|fields| fields.remove(field));
            Ok(value)
        }
        Some(Some(newer)) if newer > version => {
            Err(wrong(format!("it has version {newer}, written by a newer Score Explorer; update this one")))
        }
        _ => Err(wrong(format!("it lacks \"{field}\": {version}; choose {what}"))),
    }
}

/// Whether a file is JSON with the field that marks files of a kind, whatever is wrong with the rest.
pub fn is_marked(path: &Path, what: &'static str, field: &str) -> bool {
    json(path, what).is_ok_and(|value| value.get(field).is_some())
}

fn json(path: &Path, what: &'static str) -> Result<Value, FileError> {
    let bytes = read_bounded(path, MAX_BYTES, what)?;
    // Editors on Windows may put a mark of the byte order before UTF-8.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    serde_json::from_slice(bytes).map_err(|error| FileError::format(path, what, no_json(bytes, &error)))
}

/// The model as a file may name it: by an absolute path.
///
/// # Errors
/// If its path is not Unicode, which no text can hold.
pub(super) fn nameable(path: &Path, model: &ModelRef) -> Result<ModelRef, FileError> {
    match model {
        ModelRef::File(place) | ModelRef::Exact(place) if place.to_str().is_none() => Err(FileError::format(
            path,
            WHAT,
            format!("the path of its model, {}, is not Unicode; rename that", place.display()),
        )),
        _ => Ok(model.absolute()),
    }
}

/// Why bytes are not JSON, with the usual reason named.
fn no_json(bytes: &[u8], error: &serde_json::Error) -> String {
    let text = String::from_utf8_lossy(bytes);
    let place = format!("line {}, column {}", error.line(), error.column());
    if bytes.is_empty() {
        "it is empty".into()
    } else if text.trim_start().starts_with('{') && (text.contains("NaN") || text.contains("Infinity")) {
        format!("it contains NaN or Infinity ({place}); all numbers of a run are finite")
    } else if text.trim_start().starts_with(['{', '[', '"']) {
        format!("it is not JSON ({error})")
    } else {
        let other = foreign::named(
            bytes.get(..foreign::START as usize).unwrap_or(bytes),
            "choose a file saved by `--save-run`",
        );
        other.unwrap_or_else(|| format!("it is not JSON ({error})"))
    }
}

/// Writes a run file, all or nothing.
///
/// # Errors
/// If the file cannot be written.
pub fn write_run(path: &Path, run: &Run) -> Result<(), FileError> {
    // The model is found from whatever folder the file is run in.
    let run = run.clone().with_model(&nameable(path, &run.model)?);
    let run = run.with_guide_models(&mut |guide| nameable(path, guide))?;
    write_json(path, WHAT, &RunFile { version: VERSION, run: &run })
}

/// Writes one of the program's own JSON files, all or nothing.
///
/// # Errors
/// If the file cannot be written.
pub fn write_json(path: &Path, what: &'static str, value: &impl Serialize) -> Result<(), FileError> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| FileError::format(path, what, format!("it cannot be written ({error})")))?;
    text.push('\n');
    write_atomically(path, |out| out.write_all(text.as_bytes()))
}
