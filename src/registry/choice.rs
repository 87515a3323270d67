use super::parameter::listed;
use super::{About, Kind, Parameter, ParameterError, Settings, Value, active};
use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as Json};
use std::fmt;
use std::str::FromStr;

/// Something that can be chosen.
pub trait Entry: Sync {
    /// Names, summary, source and parameters.
    fn about(&self) -> &'static About;

    /// Whether these values fit together.
    ///
    /// # Errors
    /// If they do not: one sentence of why, and after a semicolon what to do.
    fn check(&self, _settings: &Settings) -> Result<(), String> {
        Ok(())
    }
}

/// Declares an entry: a type without fields, and what it says of itself.
macro_rules! entry {
    (
        $(#[$doc:meta])*
        $name:ident {
            slug: $slug:literal,
            name: $title:literal,
            summary: $summary:literal,
            $(source: $source:literal,)?
            $(parameters: [$($parameter:expr),*],)?
            $(check: $check:expr,)?
        }
    ) => {
        $(#[$doc])*
        pub struct $name;

        impl $crate::registry::Entry for $name {
            fn about(&self) -> &'static $crate::registry::About {
                const {
                    &$crate::registry::About {
                        slug: $slug,
                        name: $title,
                        summary: $summary,
                        source: concat!($($source)?),
                        parameters: &[$($($parameter),*)?],
                    }
                }
            }

            $(fn check(&self, settings: &$crate::registry::Settings) -> Result<(), String> {
                $check(settings)
            })?
        }
    };
}
pub(crate) use entry;

/// A kind of entries, such as all solvers.
pub trait Category: Entry + 'static {
    /// What such an entry is called, in files and in sentences.
    const NAME: &'static str;

    /// All of them, in the order in which they are offered.
    fn all() -> &'static [&'static Self];
}

/// A choice that cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ChoiceError {
    #[error("unknown {category} {found:?}; choose {known}")]
    Unknown { category: &'static str, found: String, known: String },
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    #[error("{found:?} does not fit the {category} {slug}; write {usage}")]
    Form { category: &'static str, slug: &'static str, found: String, usage: String },
    #[error("{0}")]
    Unfit(String),
}

/// The entry of this slug.
pub fn find<E: ?Sized + Category>(slug: &str) -> Option<&'static E> {
    E::all().iter().copied().find(|entry| entry.about().slug == slug)
}

/// What all entries say of themselves.
pub fn abouts<E: ?Sized + Category>() -> Vec<&'static About> {
    E::all().iter().map(|entry| entry.about()).collect()
}

/// The entry that is offered first.
pub(super) fn first<E: ?Sized + Category>() -> &'static E {
    E::all()[0]
}

/// An entry with values for its parameters: can be saved, written, compared.
///
/// Values of parameters that do not matter for the entry are kept, so that none is lost by looking at another entry,
/// but they are neither compared nor written.
pub struct Choice<E: ?Sized + 'static> {
    entry: &'static E,
    settings: Settings,
}

impl<E: ?Sized + Category> Choice<E> {
    /// An entry with the usual values.
    pub fn new(entry: &'static E) -> Self {
        Choice { entry, settings: Settings::default() }
    }

    /// An entry with these values.
    pub fn with_settings(entry: &'static E, settings: Settings) -> Self {
        Choice { entry, settings }
    }

    /// What is chosen.
    pub fn entry(&self) -> &'static E {
        self.entry
    }

    /// Names, summary, source.
    pub fn about(&self) -> &'static About {
        self.entry.about()
    }

    /// Whether this entry is chosen.
    pub fn is(&self, entry: &E) -> bool {
        self.about().slug == entry.about().slug
    }

    /// Chooses another entry and keeps all values.
    pub fn choose(&mut self, entry: &'static E) {
        self.entry = entry;
    }

    /// Takes over the entry and the values of another choice.
    pub fn take(&mut self, other: &Self) {
        self.entry = other.entry;
        self.settings.extend(&other.settings);
    }

    /// The values.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The values, to be edited.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// With another value: the nearest that the parameter takes.
    #[must_use]
    pub fn with(mut self, parameter: &Parameter, value: impl Into<Value>) -> Self {
        self.settings.set_nearest(parameter, value);
        self
    }

    /// The parameters that matter.
    pub fn parameters(&self) -> Vec<&'static Parameter> {
        active(self.about().parameters, &self.settings)
    }

    /// Whether the values fit together.
    ///
    /// # Errors
    /// If they do not.
    pub fn check(&self) -> Result<(), ChoiceError> {
        self.entry.check(&self.settings).map_err(ChoiceError::Unfit)
    }

    fn unknown(found: &str) -> ChoiceError {
        let known: Vec<String> = E::all().iter().map(|entry| usage(entry.about())).collect();
        ChoiceError::Unknown { category: E::NAME, found: found.into(), known: listed(&known) }
    }
}

/// How an entry is written: `edm[:rho]`.
fn usage(about: &About) -> String {
    let parts = about.parameters.iter().map(|parameter| {
        let key = parameter.key;
        match parameter.kind {
            _ if parameter.optional => format!("[:{key}]"),
            Kind::Numbers => format!(":{}", key.to_uppercase()),
            _ => format!(":{}", parameter.default()),
        }
    });
    std::iter::once(about.slug.to_owned()).chain(parts).collect()
}

impl<E: ?Sized + Category> FromStr for Choice<E> {
    type Err = ChoiceError;

    /// Reads `slug:value:value`, the values in the order of the parameters.
    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        let text = text.trim();
        let named = E::all().iter().copied().filter_map(|entry| {
            let rest = text.strip_prefix(entry.about().slug)?;
            (rest.is_empty() || rest.starts_with(':')).then_some((entry, rest))
        });
        // A slug may itself hold a colon: the longest is meant.
        let (entry, rest) = named.min_by_key(|(_, rest)| rest.len()).ok_or_else(|| Self::unknown(text))?;
        let mut choice = Choice::new(entry);
        let form = || ChoiceError::Form {
            category: E::NAME,
            slug: entry.about().slug,
            found: text.into(),
            usage: usage(entry.about()),
        };
        let words: Vec<&str> = rest.split(':').skip(1).collect();
        let mut place = 0;
        while let Some(parameter) = choice.parameters().get(place).copied() {
            match words.get(place) {
                Some(word) => {
                    let value = parameter.parse(word)?;
                    choice.settings.0.insert(parameter.key, value);
                }
                None if parameter.optional => {}
                None => return Err(form()),
            }
            place += 1;
        }
        if words.len() > place {
            return Err(form());
        }
        choice.check()?;
        Ok(choice)
    }
}

impl<E: ?Sized + Category> fmt::Display for Choice<E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.about().slug)?;
        let parameters = self.parameters();
        let usual =
            |parameter: &&Parameter| parameter.optional && self.settings.value(parameter) == parameter.default();
        let left_out = parameters.iter().rev().take_while(|parameter| usual(parameter)).count();
        let written = &parameters[..parameters.len() - left_out];
        written.iter().try_for_each(|parameter| write!(out, ":{}", self.settings.value(parameter)))
    }
}

impl<E: ?Sized + Category> Clone for Choice<E> {
    fn clone(&self) -> Self {
        Choice { entry: self.entry, settings: self.settings.clone() }
    }
}

impl<E: ?Sized + Category> PartialEq for Choice<E> {
    fn eq(&self, other: &Self) -> bool {
        let values = |choice: &Self| -> Vec<(&'static str, Value)> {
            let value = |parameter: &Parameter| (parameter.key, choice.settings.value(parameter));
            choice.parameters().into_iter().map(value).collect()
        };
        self.is(other.entry) && values(self) == values(other)
    }
}

impl<E: ?Sized + Category> fmt::Debug for Choice<E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.parameters().into_iter().map(|parameter| (parameter.key, self.settings.value(parameter)));
        write!(out, "{} ", self.about().slug)?;
        out.debug_map().entries(values).finish()
    }
}

impl<E: ?Sized + Category> Serialize for Choice<E> {
    /// As a map, to be flattened into others: the category's name to the slug, and each key to its value.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parameters = self.parameters();
        let mut map = serializer.serialize_map(Some(1 + parameters.len()))?;
        map.serialize_entry(E::NAME, self.about().slug)?;
        for parameter in parameters {
            map.serialize_entry(parameter.key, &self.settings.value(parameter))?;
        }
        map.end()
    }
}

impl<'de, E: ?Sized + Category> Deserialize<'de> for Choice<E> {
    /// From a map that may hold other fields, too.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut map = Map::deserialize(deserializer)?;
        let slug = map.get(E::NAME).and_then(Json::as_str);
        let slug = slug.ok_or_else(|| D::Error::custom(format!("the {} is missing", E::NAME)))?;
        let entry = find::<E>(slug).ok_or_else(|| D::Error::custom(Self::unknown(slug)))?;
        let mut choice = Choice::new(entry);
        let mut place = 0;
        while let Some(parameter) = choice.parameters().get(place).copied() {
            if let Some(json) = map.get(parameter.key).cloned() {
                // Version 0.1.0 wrote `{"corrector": {"hmc": {"leapfrog": 3}}}`: an option with its own parameters.
                let json = match json {
                    Json::Object(option) => option.into_iter().next().map_or(Json::Null, |(slug, values)| {
                        map.extend(values.as_object().cloned().unwrap_or_default());
                        Json::String(slug)
                    }),
                    json => json,
                };
                let value = read(parameter, &json).map_err(D::Error::custom)?;
                choice.settings.0.insert(parameter.key, value);
            }
            place += 1;
        }
        Ok(choice)
    }
}

/// A parameter's value from JSON.
pub(super) fn read(parameter: &Parameter, json: &Json) -> Result<Value, ParameterError> {
    let value = match (&parameter.kind, json) {
        (Kind::Number { .. }, Json::Number(number)) => number.as_f64().map(Value::Number),
        (Kind::Whole { .. } | Kind::Levels { .. }, Json::Number(number)) => number.as_u64().map(Value::Whole),
        (Kind::Flag { .. }, Json::Bool(flag)) => Some(Value::Flag(*flag)),
        (Kind::Choice { .. }, Json::String(slug)) => return parameter.parse(slug),
        (Kind::Numbers, Json::Array(numbers)) => {
            numbers.iter().map(Json::as_f64).collect::<Option<Vec<f64>>>().map(|numbers| Value::Numbers(numbers.into()))
        }
        _ => None,
    };
    match value {
        Some(value) => parameter.admit(value),
        None => parameter.parse(&json.to_string()),
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Number(number) => serializer.serialize_f64(*number),
            Value::Whole(whole) => serializer.serialize_u64(*whole),
            Value::Flag(flag) => serializer.serialize_bool(*flag),
            Value::Option(slug) => serializer.serialize_str(slug),
            Value::Numbers(numbers) => numbers.as_ref().serialize(serializer),
        }
    }
}
