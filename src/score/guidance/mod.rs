//! Guidance: a second opinion that samples are led by.
//!
//! Every kind gives two parts: the score at weight 0, and a direction. At weight w the score is their sum, the direction
//! times w; at w = 1 it is that of what is asked for, and above 1 samples are led beyond it.

mod auto;
mod classifier;
mod free;
mod guided;

pub use auto::Autoguidance;
pub use classifier::{ByClassifier, ClassifierGuidance};
pub use free::{ClassifierFree, Contrast};
pub use guided::{Guided, Lead, Strength};

use crate::registry::{Category, Entry};

/// A kind of guidance.
pub trait GuidanceKind: Entry {
    /// Whether it leads to a class, which must then be given.
    fn needs_class(&self) -> bool;

    /// Whether it takes a second model: a classifier, or a score model.
    fn takes(&self) -> Second;

    /// Score evaluations of one guided score, where its weight is not 1.
    fn evaluations(&self) -> usize;

    /// How the score comes about.
    fn equation(&self) -> &'static str;
}

/// The second model of a kind of guidance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Second {
    /// A classifier of noised images, which must be given.
    Classifier,
    /// A score model, which must be given.
    Model,
    /// A score model, where the model itself is not to take its place.
    MaybeModel,
}

/// The kinds, in the order in which they are offered.
impl Category for dyn GuidanceKind {
    const NAME: &'static str = "guidance-kind";

    fn all() -> &'static [&'static Self] {
        &[&ClassifierGuidance, &ClassifierFree, &Autoguidance]
    }
}
