//! What a person asks for: a [`Run`] is a value that can be saved, compared and run again
//! to the same pixels.

mod preset;
mod run;
mod sample;

pub use preset::Preset;
pub use run::{Count, ModelRef, Origin, Run, RunError, Steps};
pub use sample::{Plan, prior, sample};
