use super::About;
use std::fmt;
use std::sync::Arc;

/// A parameter that describes itself.
#[derive(Debug)]
pub struct Parameter {
    /// Its key in files.
    pub key: &'static str,
    /// Its option on the command line, without the hyphens, then older spellings; empty: the key with hyphens.
    pub flags: &'static [&'static str],
    /// Its name in the window, for people and for screen readers.
    pub name: &'static str,
    /// The label beside its control, with its symbol.
    pub label: &'static str,
    /// What it means: symbol, effect, range.
    pub tip: &'static str,
    /// Whether it may be left out where the choice is written as text, as in `edm` for `edm:7`.
    pub optional: bool,
    /// Whether the window folds it away.
    pub rare: bool,
    pub kind: Kind,
}

/// What values a parameter takes.
#[derive(Debug)]
pub enum Kind {
    /// A real number.
    Number {
        default: f64,
        /// Smallest and largest possible value.
        possible: (f64, f64),
        /// Where people mostly are: the ends of a slider.
        usual: (f64, f64),
        scale: Scale,
    },
    /// A whole number.
    Whole {
        default: u64,
        possible: (u64, u64),
    },
    /// One of a few whole numbers.
    Levels {
        default: u64,
        levels: &'static [u64],
    },
    Flag {
        default: bool,
    },
    /// One of several entries, each with parameters of its own.
    Choice {
        default: &'static str,
        options: fn() -> Vec<&'static About>,
    },
    /// A list of real numbers.
    Numbers,
}

/// How a number is best moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// In equal steps, shown with so many digits after the point.
    Linear(usize),
    /// In equal ratios.
    Logarithmic,
    /// By its power of ten.
    Exponent,
}

/// A parameter's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number(f64),
    Whole(u64),
    Flag(bool),
    /// The slug of an option.
    Option(&'static str),
    Numbers(Arc<[f64]>),
}

/// A value that a parameter does not take.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ParameterError {
    #[error("{label} = {value} is out of range; choose {low} to {high}")]
    Range { label: &'static str, value: String, low: String, high: String },
    #[error("{label} = {value:?} is not supported; choose {known}")]
    Unknown { label: &'static str, value: String, known: String },
    #[error("{label} = {value:?} is not a {kind}; choose one such as {example}")]
    Kind { label: &'static str, value: String, kind: &'static str, example: String },
}

impl Parameter {
    const fn new(key: &'static str, kind: Kind) -> Self {
        Parameter { key, flags: &[], name: key, label: key, tip: "", optional: false, rare: false, kind }
    }

    /// A real number from `low` to `high`.
    pub const fn number(key: &'static str, default: f64, low: f64, high: f64) -> Self {
        let range = (low, high);
        Parameter::new(key, Kind::Number { default, possible: range, usual: range, scale: Scale::Linear(2) })
    }

    /// A whole number from `low` to `high`.
    pub const fn whole(key: &'static str, default: u64, low: u64, high: u64) -> Self {
        Parameter::new(key, Kind::Whole { default, possible: (low, high) })
    }

    /// One of a few whole numbers.
    pub const fn levels(key: &'static str, default: u64, levels: &'static [u64]) -> Self {
        Parameter::new(key, Kind::Levels { default, levels })
    }

    /// On or off.
    pub const fn flag(key: &'static str, default: bool) -> Self {
        Parameter::new(key, Kind::Flag { default })
    }

    /// One of several entries.
    pub const fn choice(key: &'static str, default: &'static str, options: fn() -> Vec<&'static About>) -> Self {
        Parameter::new(key, Kind::Choice { default, options })
    }

    /// A list of real numbers.
    pub const fn numbers(key: &'static str) -> Self {
        Parameter::new(key, Kind::Numbers)
    }

    /// With its name, the label beside its control, and what it means.
    pub const fn named(mut self, name: &'static str, label: &'static str, tip: &'static str) -> Self {
        (self.name, self.label, self.tip) = (name, label, tip);
        self
    }

    /// With the option's name on the command line, then older spellings.
    pub const fn flags(mut self, flags: &'static [&'static str]) -> Self {
        self.flags = flags;
        self
    }

    /// With the ends of its slider, and how that moves.
    pub const fn usual(mut self, low: f64, high: f64, moved: Scale) -> Self {
        if let Kind::Number { usual, scale, .. } = &mut self.kind {
            (*usual, *scale) = ((low, high), moved);
        }
        self
    }

    /// May be left out in text.
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// May be left out in text, and is folded away in the window: few people need it.
    pub const fn rare(mut self) -> Self {
        self.rare = true;
        self.optional()
    }

    /// The option on the command line, without its hyphens.
    pub fn option(&self) -> String {
        self.flags.first().map_or_else(|| self.key.replace('_', "-"), |flag| (*flag).to_owned())
    }

    /// The value where none is given.
    pub fn default(&self) -> Value {
        match self.kind {
            Kind::Number { default, .. } => Value::Number(default),
            Kind::Whole { default, .. } | Kind::Levels { default, .. } => Value::Whole(default),
            Kind::Flag { default } => Value::Flag(default),
            Kind::Choice { default, .. } => Value::Option(default),
            Kind::Numbers => Value::Numbers([].into()),
        }
    }

    /// Its symbol in equations, as its label has it, such as η or S_churn; without one, its label.
    pub fn symbol(&self) -> &'static str {
        let is_symbol = |word: &&str| word.chars().nth(1).is_none_or(|second| second == '_');
        let word = self.label.split(' ').find(is_symbol).unwrap_or(self.label);
        word.split('_').next().unwrap_or(word)
    }

    /// The options of a choice; none of others.
    pub fn options(&self) -> Vec<&'static About> {
        if let Kind::Choice { options, .. } = self.kind { options() } else { Vec::new() }
    }

    /// A value of this parameter's kind and in its range.
    ///
    /// # Errors
    /// If it is neither.
    pub fn admit(&self, value: Value) -> Result<Value, ParameterError> {
        let range = |low: Value, high: Value| ParameterError::Range {
            label: self.label,
            value: value.to_string(),
            low: low.to_string(),
            high: high.to_string(),
        };
        match (&self.kind, &value) {
            (Kind::Number { possible: (low, high), .. }, Value::Number(number)) => {
                if (*low..=*high).contains(number) {
                    Ok(value)
                } else {
                    Err(range(Value::Number(*low), Value::Number(*high)))
                }
            }
            (Kind::Number { .. }, Value::Whole(whole)) => self.admit(Value::Number(*whole as f64)),
            (Kind::Whole { possible: (low, high), .. }, Value::Whole(whole)) => {
                if (*low..=*high).contains(whole) {
                    Ok(value)
                } else {
                    Err(range(Value::Whole(*low), Value::Whole(*high)))
                }
            }
            (Kind::Levels { levels, .. }, Value::Whole(whole)) if levels.contains(whole) => Ok(value),
            (Kind::Flag { .. }, Value::Flag(_)) | (Kind::Numbers, Value::Numbers(_)) => Ok(value),
            (Kind::Choice { .. }, Value::Option(slug)) => self.option_of(slug),
            _ => Err(self.misfit(&value.to_string())),
        }
    }

    /// The value that a word stands for.
    ///
    /// # Errors
    /// If it is of another kind, or out of range.
    pub fn parse(&self, word: &str) -> Result<Value, ParameterError> {
        let word = word.trim();
        let value = match &self.kind {
            Kind::Number { .. } => word.parse().ok().map(Value::Number),
            Kind::Whole { .. } | Kind::Levels { .. } => word.parse().ok().map(Value::Whole),
            Kind::Flag { .. } => word.parse().ok().map(Value::Flag),
            Kind::Choice { .. } => return self.option_of(word),
            Kind::Numbers => {
                // Infinity as the largest number: files have no other.
                let number = |part: &str| part.trim().parse().ok().map(|x: f64| x.clamp(f64::MIN, f64::MAX));
                let numbers: Option<Vec<f64>> = word.split(',').map(number).collect();
                numbers.map(Value::from)
            }
        };
        self.admit(value.ok_or_else(|| self.misfit(word))?)
    }

    /// The nearest possible value; the default where none is near.
    pub(super) fn nearest(&self, value: Value) -> Value {
        let near = match (&self.kind, value) {
            (Kind::Number { possible: (low, high), .. }, Value::Number(number)) if !number.is_nan() => {
                Value::Number(number.clamp(*low, *high))
            }
            (Kind::Whole { possible: (low, high), .. }, Value::Whole(whole)) => Value::Whole(whole.clamp(*low, *high)),
            (_, value) => value,
        };
        self.admit(near).unwrap_or_else(|_| self.default())
    }

    fn option_of(&self, slug: &str) -> Result<Value, ParameterError> {
        let found = self.options().into_iter().find(|about| about.slug == slug);
        found.map(|about| Value::Option(about.slug)).ok_or_else(|| self.misfit(slug))
    }

    /// Why something that is no value of this kind is refused.
    fn misfit(&self, value: &str) -> ParameterError {
        let (label, value, example) = (self.label, value.to_owned(), self.default().to_string());
        let known: Vec<String> = match &self.kind {
            Kind::Number { .. } => return ParameterError::Kind { label, value, kind: "number", example },
            Kind::Whole { .. } => return ParameterError::Kind { label, value, kind: "whole number", example },
            Kind::Numbers => {
                return ParameterError::Kind { label, value, kind: "list of numbers", example: "1,2,1".into() };
            }
            Kind::Flag { .. } => ["true", "false"].map(Into::into).into(),
            Kind::Levels { levels, .. } => levels.iter().map(u64::to_string).collect(),
            Kind::Choice { options, .. } => options().iter().map(|about| about.slug.into()).collect(),
        };
        ParameterError::Unknown { label, value, known: listed(&known) }
    }
}

/// "a, b or c".
pub(super) fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

impl fmt::Display for Value {
    /// So that [`Parameter::parse`] reads the same value again; very large and very small numbers by powers of ten.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) if *number != 0.0 && !(1e-4..1e9).contains(&number.abs()) => {
                write!(out, "{number:e}")
            }
            Value::Number(number) => write!(out, "{number}"),
            Value::Whole(whole) => write!(out, "{whole}"),
            Value::Flag(flag) => write!(out, "{flag}"),
            Value::Option(slug) => out.write_str(slug),
            Value::Numbers(numbers) => {
                let all: Vec<String> = numbers.iter().map(f64::to_string).collect();
                out.write_str(&all.join(","))
            }
        }
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Value {
        Value::Number(number)
    }
}

impl From<u64> for Value {
    fn from(whole: u64) -> Value {
        Value::Whole(whole)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Value {
        Value::Flag(flag)
    }
}

impl From<&'static str> for Value {
    fn from(slug: &'static str) -> Value {
        Value::Option(slug)
    }
}

impl From<Vec<f64>> for Value {
    fn from(numbers: Vec<f64>) -> Value {
        Value::Numbers(numbers.into())
    }
}
