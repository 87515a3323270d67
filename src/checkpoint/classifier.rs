//! Files of classifiers: safetensors with a description in their metadata.

use super::native::{self, halved};
use super::progress::ReadProgress;
use super::{FileError, tensors};
use crate::network::Weights;
use crate::score::ClassifierDescription;
use crate::task::{Guidance, ModelRef};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// The description's key in the metadata.
pub(super) const KEY: &str = "score-explorer-classifier";
const WHAT: &str = "a classifier";
/// The classifiers that are part of the program, as [`Guidance::SHIPPED`] names them.
const SHIPPED_BYTES: [&[u8]; Guidance::SHIPPED.len()] = [
    include_bytes!("../../checkpoints/worlds-classifier.safetensors"),
    include_bytes!("../../checkpoints/cifar10-classifier.safetensors"),
];

/// A classifier's weights with what must be known of them.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenedClassifier {
    pub description: ClassifierDescription,
    pub weights: Weights,
}

/// Reads a classifier.
///
/// # Errors
/// If the file cannot be read, or is none. Whether the weights fit the description is found when it is built.
pub fn read_classifier(path: &Path, progress: &ReadProgress) -> Result<OpenedClassifier, FileError> {
    // The description first: a file of another kind is not read to its end.
    description(&tensors::read_metadata(path)?, path)?;
    let (notes, weights) = tensors::read(path, progress)?;
    Ok(OpenedClassifier { description: description(&notes, path)?, weights })
}

/// Opens a classifier: one that ships, or a file.
///
/// # Errors
/// If the file cannot be read or is none, or there is no classifier of the name.
pub fn find_classifier(reference: &ModelRef) -> Result<OpenedClassifier, FileError> {
    let names = Guidance::SHIPPED.map(|(name, _)| name);
    let shipped = |wanted: &str| names.iter().zip(SHIPPED_BYTES).find(|(name, _)| **name == wanted);
    let known = if let ModelRef::Named(name) = reference { shipped(name) } else { None };
    match (reference, known) {
        (ModelRef::File(path), _) => read_classifier(path, &ReadProgress::default()),
        (_, Some((name, bytes))) => parse(bytes, Path::new(name)),
        (other, None) => {
            let remedy = format!("choose a file of a classifier, or {}", names.join(" or "));
            Err(FileError::Unknown { name: other.to_string(), remedy })
        }
    }
}

/// A classifier in memory; `path` is what messages call it.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<OpenedClassifier, FileError> {
    let (notes, weights) = tensors::parse(bytes, bytes.len() as u64, path)?;
    Ok(OpenedClassifier { description: description(&notes, path)?, weights })
}

fn description(notes: &tensors::Notes, path: &Path) -> Result<ClassifierDescription, FileError> {
    let text = notes.get(KEY).ok_or_else(|| {
        let holds = if notes.contains_key(native::KEY) { "it holds a score model" } else { "it does not say so" };
        FileError::format(path, WHAT, format!("{holds}; choose a file that `classifier train` wrote"))
    })?;
    // By way of a value, so that what is wrong with a field is said without a place in the text.
    let value: Result<Value, _> = serde_json::from_str(text);
    value.and_then(serde_json::from_value).map_err(|error| {
        FileError::format(path, WHAT, format!("its description is invalid ({error}); train or download it again"))
    })
}

/// Writes a classifier in half precision, all or nothing.
///
/// # Errors
/// If the file cannot be written.
pub fn write_classifier(path: &Path, classifier: &OpenedClassifier) -> Result<(), FileError> {
    let text = serde_json::to_string(&classifier.description)
        .map_err(|error| FileError::format(path, WHAT, format!("the description cannot be written ({error})")))?;
    let encoded = classifier.weights.iter().map(|(name, array)| (name.as_str(), halved(array))).collect();
    tensors::write_encoded(path, encoded, Some(HashMap::from([(KEY.into(), text)])))
}
