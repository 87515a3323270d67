//! At which noise levels a network is trained: the times of a batch, each a function of (seed, step, image).

mod importance;
mod log_normal;
mod normal;
mod uniform;

pub use importance::Importance;
pub use log_normal::{LogNormal, P_MEAN, P_STD};
pub use uniform::Uniform;

use crate::registry::{Category, Choice, Entry, Parameter, Settings};
use crate::score::Conditioning;
use crate::sde::{Family, LabelConvention};
use crate::solver::{Purpose, Stream};

/// Whether the times of a batch are spread evenly.
pub const STRATIFIED: Parameter = Parameter::flag("stratified", true)
    .named(
        "Stratified",
        "Stratified",
        "One time from each of as many equally likely strata as the batch has images: a loss of less variance",
    )
    .rare();

/// The times at which a network may be trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Path {
    pub family: Family,
    /// The first time of training and the last.
    pub first: f64,
    pub last: f64,
    /// The network knows a few levels only.
    pub discrete: bool,
}

impl Path {
    /// The times of a network.
    pub fn of(conditioning: &Conditioning) -> Path {
        let (first, last) = conditioning.times();
        let description = conditioning.description();
        let discrete = matches!(description.labels, LabelConvention::SmldIndex | LabelConvention::DdpmIndex);
        Path { family: description.family, first, last, discrete }
    }
}

/// A law of times.
pub trait Times: Entry {
    /// The time that a share `u` of all draws lie below, where `u` is in (0, 1).
    fn time(&self, settings: &Settings, path: &Path, u: f64) -> f64;

    /// By what a loss drawn at `t` is multiplied, so that it has the mean that it would have of uniform times; 1 where the
    /// law of times is itself part of what is minimised.
    fn correction(&self, _settings: &Settings, _path: &Path, _t: f64) -> f64 {
        1.0
    }

    /// Whether networks that know a few levels only can be trained at such times.
    fn is_discrete(&self) -> bool {
        false
    }
}

/// The laws of times, in the order in which they are offered.
impl Category for dyn Times {
    const NAME: &'static str = "times";

    fn all() -> &'static [&'static Self] {
        &[&Uniform, &Importance, &LogNormal]
    }
}

/// Times that are not for this network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{times} times are not for this network, which knows discrete noise levels only; choose uniform")]
pub struct TimesError {
    pub times: &'static str,
}

/// When an image is noised, and what its loss is multiplied by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draw {
    pub t: f64,
    pub correction: f64,
}

impl Draw {
    /// At `t`, the loss as it is.
    pub fn at(t: f64) -> Draw {
        Draw { t, correction: 1.0 }
    }
}

impl Choice<dyn Times> {
    /// Whether a network can be trained at such times.
    ///
    /// # Errors
    /// If it knows a few levels only, and these times are continuous.
    pub fn check_for(&self, path: &Path) -> Result<(), TimesError> {
        match path.discrete && !self.entry().is_discrete() {
            true => Err(TimesError { times: self.about().slug }),
            false => Ok(()),
        }
    }
}

/// The times of all images of the batch of a step. A part of the batch has the same as it would have alone.
///
/// Stratified, the images take the strata in a random order, so that no place in the batch has always the same noise.
pub fn draw(times: &Choice<dyn Times>, path: &Path, seed: u64, step: usize, images: usize) -> Vec<Draw> {
    let uniform = |purpose, image: usize| f64::from(Stream::new(seed, purpose, [step as u32, image as u32]).uniform());
    let strata = times.settings().flag(&STRATIFIED).then(|| {
        let mut order: Vec<usize> = (0..images).collect();
        order.sort_by(|&a, &b| uniform(Purpose::Stratum, a).total_cmp(&uniform(Purpose::Stratum, b)));
        order
    });
    let share = |image: usize| {
        let u = uniform(Purpose::Time, image);
        match strata.as_ref().and_then(|order| order.get(image)) {
            Some(&stratum) => (stratum as f64 + u) / images as f64,
            None => u,
        }
    };
    let (entry, settings) = (times.entry(), times.settings());
    let of_share = |u| {
        let t = entry.time(settings, path, u).clamp(path.first, path.last);
        Draw { t, correction: entry.correction(settings, path, t) }
    };
    (0..images).map(share).map(of_share).collect()
}
