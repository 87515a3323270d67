//! A choice with all values that were ever set, also those that do not matter now: for the settings of a window.

use super::{Category, Choice, Parameter, Settings};
use serde::de::Error;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serializer};
use serde_json::{Map, Value as Json};

/// Writes the slug and every value.
///
/// # Errors
/// Whatever the serializer answers.
pub fn serialize<E: ?Sized + Category, S: Serializer>(choice: &Choice<E>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry(E::NAME, choice.about().slug)?;
    for (key, value) in &choice.settings().0 {
        map.serialize_entry(key, value)?;
    }
    map.end()
}

/// Reads it back. Values that are not possible are left out.
///
/// # Errors
/// If the entry is unknown.
pub fn deserialize<'de, E: ?Sized + Category, D: Deserializer<'de>>(deserializer: D) -> Result<Choice<E>, D::Error> {
    let map = Map::deserialize(deserializer)?;
    let entry = map.get(E::NAME).and_then(Json::as_str).and_then(super::find::<E>);
    let entry = entry.ok_or_else(|| D::Error::custom(format!("the {} is unknown", E::NAME)))?;
    let parameters: Vec<_> = E::all().iter().flat_map(|entry| every(entry.about().parameters)).collect();
    Ok(Choice::with_settings(entry, Settings::read(&parameters, &map)))
}

/// The parameters, and those of every option of theirs.
pub fn every(parameters: &[&'static Parameter]) -> Vec<&'static Parameter> {
    let inner = |parameter: &&'static Parameter| {
        let options = parameter.options().into_iter();
        std::iter::once(*parameter).chain(options.flat_map(|about| every(about.parameters))).collect::<Vec<_>>()
    };
    parameters.iter().flat_map(inner).collect()
}
