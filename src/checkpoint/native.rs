use super::progress::ReadProgress;
use super::tensors::{self, Encoded};
use super::{FileError, OpenedNetwork};
use crate::network::Array;
use crate::score::Description;
use half::f16;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// The description's key in the metadata.
pub(super) const KEY: &str = "score-explorer";
const WHAT: &str = "a Score Explorer checkpoint";

/// Reads our own format from the bytes of a file: safetensors with the description in its metadata.
///
/// # Errors
/// If the bytes are not such a file. `path` is only for the message.
pub fn read_native(bytes: &[u8], path: &Path) -> Result<OpenedNetwork, FileError> {
    let (metadata, weights) = tensors::parse(bytes, bytes.len() as u64, path)?;
    Ok(OpenedNetwork { description: description(&metadata, path)?, weights })
}

/// Reads our own format from a file.
pub(super) fn read_file(path: &Path, progress: &ReadProgress) -> Result<OpenedNetwork, FileError> {
    // The description first: a file of another kind is not read to its end.
    read_description(path)?;
    let (metadata, weights) = tensors::read(path, progress)?;
    Ok(OpenedNetwork { description: description(&metadata, path)?, weights })
}

/// The description in the bytes of such a file. Decodes no tensor.
pub(super) fn describe(bytes: &[u8], path: &Path) -> Result<Description, FileError> {
    description(&tensors::notes(bytes, path)?, path)
}

/// The description in a file of our own format. Reads no tensor.
pub(super) fn read_description(path: &Path) -> Result<Description, FileError> {
    description(&tensors::read_metadata(path)?, path)
}

fn description(metadata: &HashMap<String, String>, path: &Path) -> Result<Description, FileError> {
    let text = metadata.get(KEY).ok_or_else(|| {
        FileError::format(
            path,
            WHAT,
            "its metadata lack the entry `score-explorer`, which describes the network; \
             import the published .pth with its configuration instead",
        )
    })?;
    // By way of a value, so that what is wrong with a field is said without a place in the text.
    let value: Result<Value, _> = serde_json::from_str(text);
    value.and_then(serde_json::from_value).map_err(|error| {
        FileError::format(path, WHAT, format!("its description is invalid ({error}); import it again"))
    })
}

/// Writes our own format in half precision, all or nothing. What was not trained (the random
/// frequencies of a Fourier embedding) and what half precision cannot hold stay in single precision.
///
/// # Errors
/// If the file cannot be written.
pub fn write_native(path: &Path, network: &OpenedNetwork) -> Result<(), FileError> {
    let text = serde_json::to_string(&network.description)
        .map_err(|error| FileError::format(path, WHAT, format!("the description cannot be written ({error})")))?;
    let trained: BTreeSet<String> = network.description.config.trainable().into_iter().collect();
    let encode = |name: &str, array: &Array| match trained.contains(name) {
        true => halved(array),
        false => Encoded::single(array),
    };
    let encoded = network.weights.iter().map(|(name, array)| (name.as_str(), encode(name, array))).collect();
    tensors::write_encoded(path, encoded, Some(HashMap::from([(KEY.into(), text)])))
}

/// In half precision, if that can hold the values.
pub(super) fn halved(array: &Array) -> Encoded {
    let fits = array.values.iter().all(|&value| value.abs() <= f16::MAX.to_f32());
    if fits { Encoded::half(array) } else { Encoded::single(array) }
}
