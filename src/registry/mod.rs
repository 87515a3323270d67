//! How a choice describes itself.
//!
//! Whatever people choose among (solvers, predictors, correctors, grids, posterior methods, operators) is an entry
//! beside its algorithm: an [`About`] with the parameters that it takes. A [`Choice`] is an entry with values for
//! them. The window, the command line, run files and help read these; none of them lists choices of its own.

mod choice;
mod equation;
mod parameter;
mod settings;
pub mod text;
pub mod whole;

pub(crate) use choice::entry;
pub use choice::{Category, Choice, ChoiceError, Entry, abouts, find};
pub use equation::{Equation, TERM, meaning, number, term, without_terms};
pub use parameter::{Kind, Parameter, ParameterError, Scale, Value};
pub use settings::{Settings, active};

/// What an entry says of itself.
#[derive(Debug)]
pub struct About {
    /// Its name in files and on the command line, such as `dpm++`.
    pub slug: &'static str,
    /// Its name in the window.
    pub name: &'static str,
    /// One line about it, without a full stop.
    pub summary: &'static str,
    /// Where it is published; empty where it goes without saying.
    pub source: &'static str,
    /// What can be set, in the order in which it is written and shown.
    pub parameters: &'static [&'static Parameter],
}

impl About {
    /// Summary and source as one line.
    pub fn line(&self) -> String {
        if self.source.is_empty() { self.summary.into() } else { format!("{} ({})", self.summary, self.source) }
    }
}
