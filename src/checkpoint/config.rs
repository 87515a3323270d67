//! Published configurations: JSON, read section by section and field by field.

use super::foreign;
use crate::network::InvalidConfig;
use crate::sde::FamilyError;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why a published configuration cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration lacks {0}; give the published configuration of this checkpoint")]
    Missing(String),
    #[error("{field} = {value} is not supported; use {known}")]
    Unknown { field: String, value: String, known: &'static str },
    #[error(transparent)]
    Invalid(#[from] InvalidConfig),
    #[error("the configuration is not JSON: {0}")]
    Json(String),
    #[error("{0:?} is not FIELD=VALUE; write it as data.centered=true")]
    NoField(String),
    #[error("unknown field {field}; choose one of {known}")]
    NoSuchField { field: String, known: String },
    #[error("this network is not supported: {0}; choose another")]
    Foreign(&'static str),
    #[error(
        "its names and shapes do not match a published ncsnpp or ddpm network ({0}); \
         give its published configuration (a JSON file)"
    )]
    NotInferred(&'static str),
}

impl ConfigError {
    /// A field that must be something else.
    pub(super) fn invalid(field: &str, value: impl std::fmt::Display, rule: &str) -> Self {
        InvalidConfig::new(field, value, rule).into()
    }
}

/// One section of a configuration.
pub(super) struct Section<'a> {
    name: &'static str,
    fields: &'a Value,
}

impl<'a> Section<'a> {
    /// The section `name` of a whole configuration.
    pub fn of(root: &'a Value, name: &'static str) -> Result<Self, ConfigError> {
        let fields = root.get(name).filter(|fields| fields.is_object());
        Ok(Section { name, fields: fields.ok_or_else(|| ConfigError::Missing(name.to_owned()))? })
    }

    /// A whole configuration, called `name` where it is wrong.
    pub fn whole(root: &'a Value, name: &'static str) -> Self {
        Section { name, fields: root }
    }

    /// The field `name`, or `default`; `known` lists what it may be.
    pub fn or<T: DeserializeOwned>(&self, name: &str, known: &'static str, default: T) -> Result<T, ConfigError> {
        let Some(value) = self.fields.get(name).filter(|value| !value.is_null()) else { return Ok(default) };
        T::deserialize(value).map_err(|_| self.unknown(name, value, known))
    }

    /// The field `name`, or `default` where it is missing; null is a value.
    pub fn or_null(
        &self,
        name: &str,
        known: &'static str,
        default: Option<usize>,
    ) -> Result<Option<usize>, ConfigError> {
        if self.fields.get(name).is_some() { self.or(name, known, None) } else { Ok(default) }
    }

    /// The field `name`, which must be there.
    pub fn get<T: DeserializeOwned>(&self, name: &str, known: &'static str) -> Result<T, ConfigError> {
        let missing = || ConfigError::Missing(format!("{}.{name}", self.name));
        self.or(name, known, None)?.ok_or_else(missing)
    }

    /// Refuses the field `name` where it is there and is not `only`.
    pub fn must(&self, name: &str, only: impl Into<Value>, known: &'static str) -> Result<(), ConfigError> {
        match self.fields.get(name) {
            Some(value) if *value != only.into() => Err(self.unknown(name, value, known)),
            _ => Ok(()),
        }
    }

    /// Refuses the field `name` where it is anything but null.
    pub fn without(&self, name: &str) -> Result<(), ConfigError> {
        match self.fields.get(name).filter(|value| !value.is_null()) {
            Some(value) => Err(self.unknown(name, value, "null")),
            None => Ok(()),
        }
    }

    /// Whether the field `name` is there, and not null.
    pub fn is_given(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|value| !value.is_null())
    }

    /// The field `name` has an unknown value.
    pub fn unknown(&self, name: &str, value: &Value, known: &'static str) -> ConfigError {
        ConfigError::Unknown { field: format!("{}.{name}", self.name), value: shorten(value), known }
    }

    /// The field `name` must be something else.
    pub fn invalid(&self, name: &str, value: impl std::fmt::Display, rule: &str) -> ConfigError {
        ConfigError::invalid(&format!("{}.{name}", self.name), value, rule)
    }
}

/// A whole configuration.
pub(super) fn parse(json: &str) -> Result<Value, ConfigError> {
    serde_json::from_str(json.trim_start_matches('\u{feff}'))
        .map_err(|error| ConfigError::Json(foreign::no_settings(json.as_bytes()).unwrap_or_else(|| error.to_string())))
}

/// Two ends of a range that make no process.
pub(super) fn disordered(field: &str, error: &FamilyError) -> ConfigError {
    match error {
        FamilyError::Sigma { min, max } | FamilyError::Beta { min, max } => {
            ConfigError::invalid(field, format!("{min} to {max}"), "positive and increasing")
        }
        FamilyError::Extreme { value, least, most, .. } => {
            ConfigError::invalid(field, format!("{value:?}"), &format!("within {least:?} to {most:?}"))
        }
    }
}

/// A value as part of a sentence.
pub(super) fn shorten(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

pub(super) const WHOLE: &str = "a whole number";
pub(super) const WHOLES: &str = "a list of whole numbers";
pub(super) const NUMBER: &str = "a number";
pub(super) const NUMBERS: &str = "a list of numbers";
pub(super) const FLAG: &str = "true or false";
