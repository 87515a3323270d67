use super::choice::{Category, first, read};
use super::{Kind, Parameter, ParameterError, Value, find};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// Values of parameters by their keys. What is not set has its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Settings(pub(super) BTreeMap<&'static str, Value>);

impl Settings {
    /// These values, as they are.
    pub fn of<V: Into<Value>, const N: usize>(values: [(&'static Parameter, V); N]) -> Self {
        Settings(values.map(|(parameter, value)| (parameter.key, value.into())).into())
    }

    /// The values that a map has of these parameters. What is not possible is left out.
    pub fn read(parameters: &[&'static Parameter], map: &Map<String, Json>) -> Self {
        let value = |parameter: &&'static Parameter| {
            let json = map.get(parameter.key)?;
            Some((parameter.key, read(parameter, json).ok()?))
        };
        Settings(parameters.iter().filter_map(value).collect())
    }

    /// The value of a parameter; where the value is that of another parameter with this key, the nearest that this one takes.
    pub fn value(&self, parameter: &Parameter) -> Value {
        match (self.0.get(parameter.key), &parameter.kind) {
            (None, _) => parameter.default(),
            (Some(value), Kind::Whole { .. } | Kind::Choice { .. }) => parameter.nearest(value.clone()),
            (Some(value), _) => value.clone(),
        }
    }

    /// The value of a real parameter; 0 of others.
    pub fn number(&self, parameter: &Parameter) -> f64 {
        match self.value(parameter) {
            Value::Number(number) => number,
            Value::Whole(whole) => whole as f64,
            _ => 0.0,
        }
    }

    /// The value of a whole parameter; 0 of others.
    pub fn whole(&self, parameter: &Parameter) -> u64 {
        if let Value::Whole(whole) = self.value(parameter) { whole } else { 0 }
    }

    /// Whether a flag is set.
    pub fn flag(&self, parameter: &Parameter) -> bool {
        self.value(parameter) == Value::Flag(true)
    }

    /// The slug of what is chosen; empty of parameters that are no choice.
    pub fn option(&self, parameter: &Parameter) -> &'static str {
        if let Value::Option(slug) = self.value(parameter) { slug } else { "" }
    }

    /// The entry that is chosen.
    pub fn entry<E: ?Sized + Category>(&self, parameter: &Parameter) -> &'static E {
        find(self.option(parameter)).unwrap_or_else(first)
    }

    /// The value of a list; empty of others.
    pub fn numbers(&self, parameter: &Parameter) -> std::sync::Arc<[f64]> {
        if let Value::Numbers(numbers) = self.value(parameter) { numbers } else { [].into() }
    }

    /// Sets a value.
    ///
    /// # Errors
    /// If the parameter does not take it.
    pub fn set(&mut self, parameter: &Parameter, value: impl Into<Value>) -> Result<(), ParameterError> {
        self.0.insert(parameter.key, parameter.admit(value.into())?);
        Ok(())
    }

    /// Sets a value that another parameter with this key took.
    pub(crate) fn set_as_given(&mut self, parameter: &Parameter, value: Value) {
        self.0.insert(parameter.key, value);
    }

    /// Sets the nearest value that the parameter takes.
    pub fn set_nearest(&mut self, parameter: &Parameter, value: impl Into<Value>) {
        self.0.insert(parameter.key, parameter.nearest(value.into()));
    }

    /// Takes over all values of `other`.
    pub fn extend(&mut self, other: &Settings) {
        self.0.extend(other.0.iter().map(|(key, value)| (*key, value.clone())));
    }
}

/// The parameters that matter with these settings: `parameters`, and after each choice those of what is chosen.
pub fn active(parameters: &[&'static Parameter], settings: &Settings) -> Vec<&'static Parameter> {
    let mut all = Vec::new();
    for &parameter in parameters {
        all.push(parameter);
        let chosen = settings.option(parameter);
        if let Some(about) = parameter.options().into_iter().find(|about| about.slug == chosen) {
            all.extend(active(about.parameters, settings));
        }
    }
    all
}
