//! Fields of a configuration that are set by hand, because a file lacks them or has them wrong.

use super::ConfigError;
use serde_json::Value;
use std::collections::BTreeMap;

/// Fields of a published configuration, as `data.centered`, with values that go before those of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides(BTreeMap<String, Value>);

impl Overrides {
    /// Reads `FIELD=VALUE`s; a value is JSON, or else a word.
    ///
    /// # Errors
    /// If one has no `=`, or no field before it.
    pub fn parse<'a>(fields: impl IntoIterator<Item = &'a str>) -> Result<Overrides, ConfigError> {
        let read = |field: &str| {
            let (name, value) = field.split_once('=').filter(|(name, _)| !name.trim().is_empty())?;
            let value = serde_json::from_str(value.trim()).unwrap_or_else(|_| Value::String(value.trim().to_owned()));
            Some((name.trim().to_owned(), value))
        };
        let fields = fields.into_iter().map(|field| read(field).ok_or_else(|| ConfigError::NoField(field.to_owned())));
        fields.collect::<Result<_, _>>().map(Overrides)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value that was given for a field.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field)
    }

    /// Refuses fields that are not `known`.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), ConfigError> {
        match self.0.keys().find(|field| !known.contains(&field.as_str())) {
            Some(field) => Err(ConfigError::NoSuchField { field: field.clone(), known: known.join(", ") }),
            None => Ok(()),
        }
    }

    /// Writes all fields over those of a configuration, which must have fields of these names.
    pub(super) fn apply(&self, configuration: &mut Value) -> Result<(), ConfigError> {
        for (field, value) in &self.0 {
            let place = field.split_once('.').and_then(|(section, name)| {
                let section = configuration.get_mut(section)?.as_object_mut()?;
                section.contains_key(name).then(|| section.get_mut(name)).flatten()
            });
            match place {
                Some(place) => *place = value.clone(),
                None => {
                    let known = fields(configuration).join(", ");
                    return Err(ConfigError::NoSuchField { field: field.clone(), known });
                }
            }
        }
        Ok(())
    }
}

/// Names of all fields of a configuration.
fn fields(configuration: &Value) -> Vec<String> {
    let sections = configuration.as_object().into_iter().flatten();
    let of = |(section, fields): (&String, &Value)| {
        let names = fields.as_object().into_iter().flatten().map(|(name, _)| format!("{section}.{name}"));
        names.collect::<Vec<_>>()
    };
    sections.flat_map(of).collect()
}

/// Something that no shape reveals and that was taken from such published networks.
#[derive(Clone, Debug, PartialEq)]
pub struct Assumption {
    /// The field of the configuration.
    pub field: String,
    /// What was assumed.
    pub value: String,
    /// Why that, in words.
    pub reason: String,
}

impl std::fmt::Display for Assumption {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} = {} ({})", self.field, self.value, self.reason)
    }
}

/// Fills a configuration in from overrides, or else from assumptions, which are kept.
pub(super) struct Completion<'a> {
    pub overrides: &'a Overrides,
    pub assumed: Vec<Assumption>,
}

impl Completion<'_> {
    /// The override of `field`, or `value`, which is assumed for this `reason`.
    pub fn value(&mut self, field: &str, value: impl Into<Value>, reason: &str) -> Value {
        if let Some(given) = self.overrides.get(field) {
            return given.clone();
        }
        let value = value.into();
        let words = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.assumed.push(Assumption { field: field.to_owned(), value: words, reason: reason.to_owned() });
        value
    }
}
