//! A choice as a string in files, such as `super-resolution:4`: for `#[serde(with = "…")]`.

use super::{Category, Choice};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

/// Writes `slug:value:value`.
///
/// # Errors
/// Whatever the serializer answers.
pub fn serialize<E: ?Sized + Category, S: Serializer>(choice: &Choice<E>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(choice)
}

/// Reads it back.
///
/// # Errors
/// If it is not such a string, or the choice cannot be made.
pub fn deserialize<'de, E: ?Sized + Category, D: Deserializer<'de>>(deserializer: D) -> Result<Choice<E>, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}
