//! Options of the command line, derived from how choices describe themselves.

use super::Failure;
use crate::registry::{About, Category, Choice, Kind, Parameter, Settings, Value, active, whole::every};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command};

/// More entries than this are many.
const MANY: usize = 3;

/// The options of one kind of choice.
pub(super) struct Options {
    /// What is chosen, as the option is called.
    pub(super) name: &'static str,
    /// One line about the option itself, and about its default.
    pub(super) help: &'static str,
    pub(super) entries: Vec<&'static About>,
    pub(super) heading: &'static str,
    /// What comes before the parameters' own defaults, as help puts it.
    pub(super) inherited: &'static str,
}

/// What was given of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    slug: Option<&'static str>,
    values: Vec<(&'static Parameter, Value)>,
}

impl Options {
    /// Of all entries of a category.
    pub(super) fn of<E: ?Sized + Category>(
        help: &'static str,
        heading: &'static str,
        offered: impl Fn(&E) -> bool,
    ) -> Options {
        let entries = E::all().iter().filter(|entry| offered(entry)).map(|entry| entry.about()).collect();
        Options { name: E::NAME, help, entries, heading, inherited: "" }
    }

    /// The parameters of all entries, each once.
    fn parameters(&self) -> Vec<&'static Parameter> {
        let mut all: Vec<&'static Parameter> = Vec::new();
        for parameter in self.entries.iter().flat_map(|about| every(about.parameters)) {
            if !all.iter().any(|known| known.key == parameter.key) {
                all.push(parameter);
            }
        }
        all
    }

    /// Adds an option for the choice, and one for each parameter.
    pub(super) fn add(&self, command: Command) -> Command {
        let values = self.entries.iter().map(|about| PossibleValue::new(about.slug).help(about.line()));
        let choice = Arg::new(self.name)
            .long(self.name)
            .value_name(self.name.to_uppercase())
            .value_parser(PossibleValuesParser::new(values))
            .help(self.help)
            .help_heading(self.heading);
        let parameters =
            self.parameters().into_iter().map(|parameter| self.option(parameter).help_heading(self.heading));
        command.arg(choice).args(parameters)
    }

    /// The parameters of all entries that share this one's key, each once: their ranges and usual values may differ.
    fn alike(&self, parameter: &Parameter) -> Vec<&'static Parameter> {
        let all = self.entries.iter().flat_map(|about| every(about.parameters));
        all.filter(|other| other.key == parameter.key).collect()
    }

    /// A parameter as an option.
    fn option(&self, parameter: &'static Parameter) -> Arg {
        let alike = self.alike(parameter);
        let default = match parameter.default() {
            default if alike.iter().any(|other| other.default() != default) => {
                format!(" [default: {}each {}'s own]", self.inherited, self.name)
            }
            Value::Flag(_) => String::new(),
            Value::Number(small) if small > 0.0 && small < 1e-3 => format!(" [default: {}{small:e}]", self.inherited),
            value => format!(" [default: {}{value}]", self.inherited),
        };
        let owners =
            self.entries.iter().filter(|about| every(about.parameters).iter().any(|own| own.key == parameter.key));
        let owners: Vec<&str> = owners.map(|about| about.slug).collect();
        // Among many entries it is not seen at once whose a parameter is.
        let of = match self.entries.len() > MANY && owners.len() < self.entries.len() {
            true => format!(" [of: {}]", owners.join(", ")),
            false => String::new(),
        };
        let arg = Arg::new(parameter.key).long(parameter.option()).help(format!("{}{of}{default}", parameter.tip));
        let arg = parameter.flags.iter().skip(1).fold(arg, |arg, older| arg.alias(*older));
        match parameter.kind {
            Kind::Flag { .. } => arg.action(ArgAction::SetTrue),
            Kind::Choice { .. } => {
                let mut options: Vec<&'static About> = Vec::new();
                for about in alike.iter().flat_map(|parameter| parameter.options()) {
                    if !options.iter().any(|known| known.slug == about.slug) {
                        options.push(about);
                    }
                }
                let values = options.into_iter().map(|about| PossibleValue::new(about.slug).help(about.line()));
                let read = move |slug: String| {
                    alike.iter().find_map(|own| own.parse(&slug).ok()).unwrap_or_else(|| parameter.default())
                };
                arg.value_name(parameter.key.to_uppercase()).value_parser(PossibleValuesParser::new(values).map(read))
            }
            _ => arg.value_name(symbol(parameter)).allow_negative_numbers(true).value_parser(move |word: &str| {
                let found = alike.iter().find_map(|own| own.parse(word).ok());
                found.map_or_else(|| parameter.parse(word), Ok)
            }),
        }
    }

    /// What was given.
    pub(super) fn read(&self, matches: &ArgMatches) -> Given {
        let slug = matches.get_one::<String>(self.name);
        let slug = slug.and_then(|slug| self.entries.iter().map(|about| about.slug).find(|known| known == slug));
        let given = self.parameters().into_iter().filter_map(|parameter| {
            let value = match parameter.kind {
                Kind::Flag { .. } => matches.get_flag(parameter.key).then_some(Value::Flag(true)),
                _ => matches.get_one::<Value>(parameter.key).cloned(),
            };
            value.map(|value| (parameter, value))
        });
        Given { slug, values: given.collect() }
    }

    /// The entries with a parameter: `--corrector langevin, ald or hmc`.
    fn owners(&self, parameter: &Parameter) -> String {
        let (mut option, mut slugs) = (self.name.to_owned(), Vec::new());
        let mut look = |name: String, entries: &[&'static About]| {
            for about in entries.iter().filter(|about| about.parameters.iter().any(|own| own.key == parameter.key)) {
                option.clone_from(&name);
                slugs.push(about.slug);
            }
        };
        look(self.name.to_owned(), &self.entries);
        for choice in self.parameters() {
            look(choice.option(), &choice.options());
        }
        let (last, first) = slugs.split_last().map_or(("", &[][..]), |(last, first)| (*last, first));
        let slugs = if first.is_empty() { last.to_owned() } else { format!("{} or {last}", first.join(", ")) };
        format!("--{option} {slugs}")
    }

    /// The entry that what was given belongs to, where it was not named and only one has such parameters.
    pub(super) fn implied(&self, given: &Given) -> Option<&'static str> {
        given.values.iter().find_map(|(parameter, _)| {
            let has = |about: &&&'static About| every(about.parameters).iter().any(|own| own.key == parameter.key);
            let mut owners = self.entries.iter().filter(has);
            owners.next().filter(|_| owners.next().is_none()).map(|about| about.slug)
        })
    }

    /// Sets what was given of the parameters of an entry.
    ///
    /// # Errors
    /// If a parameter is not one of this entry, or does not take its value.
    pub(super) fn apply(&self, given: &Given, about: &'static About, settings: &mut Settings) -> Result<(), Failure> {
        // The value of a choice says which parameters there are.
        for (parameter, value) in &given.values {
            settings.set_as_given(parameter, value.clone());
        }
        let own = active(about.parameters, settings);
        for (parameter, value) in &given.values {
            if let Some(own) = own.iter().find(|own| own.key == parameter.key) {
                settings.set(own, value.clone())?;
            }
        }
        match given.values.iter().find(|(parameter, _)| !own.iter().any(|own| own.key == parameter.key)) {
            None => Ok(()),
            Some((parameter, _)) => {
                let takes: Vec<String> = own.iter().map(|own| format!("--{}", own.option())).collect();
                let takes =
                    if takes.is_empty() { String::new() } else { format!(", which takes {}", takes.join(" and ")) };
                Err(Failure::Usage(format!(
                    "--{} has no effect on {}{takes}; it belongs to {}",
                    parameter.option(),
                    about.slug,
                    self.owners(parameter)
                )))
            }
        }
    }
}

impl Given {
    /// The slug of what was chosen.
    pub(super) fn slug(&self) -> Option<&'static str> {
        self.slug
    }

    /// Whether anything was given.
    pub(super) fn is_given(&self) -> bool {
        self.slug.is_some() || !self.values.is_empty()
    }

    /// Whether one of these parameters was given.
    pub(super) fn has(&self, parameters: &[&Parameter]) -> bool {
        self.values.iter().any(|(given, _)| parameters.iter().any(|parameter| parameter.key == given.key))
    }
}

/// Options of this struct, which holds what was given, among those of a command.
macro_rules! flattened {
    ($holder:ident, $options:expr) => {
        impl clap::FromArgMatches for $holder {
            fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
                Ok($holder($options.read(matches)))
            }

            fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
                self.0 = $options.read(matches);
                Ok(())
            }
        }

        impl clap::Args for $holder {
            fn augment_args(command: clap::Command) -> clap::Command {
                $options.add(command)
            }

            fn augment_args_for_update(command: clap::Command) -> clap::Command {
                $options.add(command)
            }
        }
    };
}
pub(super) use flattened;

/// The option with another default in its help.
pub(super) fn defaulting(arg: Arg, default: &str) -> Arg {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let text = help.split(" [default: ").next().unwrap_or_default();
    let help = format!("{text} [default: {default}]");
    arg.help(help)
}

/// The symbol of a parameter, which its label ends in: `r` for "SNR r".
fn symbol(parameter: &'static Parameter) -> &'static str {
    match (parameter.label.rsplit_once(' '), &parameter.kind) {
        (Some((_, symbol)), _) => symbol,
        (None, Kind::Whole { .. }) => "N",
        (None, _) => parameter.label,
    }
}

/// A choice written as text; the error lists the entries.
pub(super) fn choice<E: ?Sized + Category>(text: &str) -> Result<Choice<E>, String> {
    text.parse().map_err(|error: crate::registry::ChoiceError| error.to_string())
}
