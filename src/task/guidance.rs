use super::{ModelRef, Origin, Run, RunError};
use serde::{Deserialize, Serialize};

/// What leads the samples of a run to a class: a classifier of noised images, whose gradient joins the score (Song et al.
/// 2021, section 5; Dhariwal and Nichol 2021).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guidance {
    /// The class by its name, or by its number from 0.
    pub class: String,
    /// What the classifier's gradient is multiplied with, from 0 to [`Guidance::MAX_WEIGHT`]; at 1, samples are those of
    /// the class.
    pub weight: f64,
    /// The classifier: one that ships, or a file.
    pub classifier: ModelRef,
}

impl Guidance {
    /// The name of the classifier that ships, of the kinds of Little Worlds.
    pub const SHIPPED: &str = "worlds-classifier";
    /// Largest weight.
    pub const MAX_WEIGHT: f64 = 1000.0;

    /// Whether the weight is one.
    ///
    /// # Errors
    /// If it is out of range.
    pub fn check(&self) -> Result<(), RunError> {
        let fits = (0.0..=Self::MAX_WEIGHT).contains(&self.weight);
        if fits { Ok(()) } else { Err(RunError::Guidance(self.weight)) }
    }
}

impl Run {
    /// What leads it and its parents, its own first.
    pub fn guidances(&self) -> Vec<&Guidance> {
        let mut all: Vec<&Guidance> = self.guidance.iter().collect();
        if let Origin::Branch { parent, .. } = &self.origin {
            all.extend(parent.guidances());
        }
        all
    }

    /// The models that it names: its own, and the classifiers of what leads it and its parents.
    pub fn models(&self) -> Vec<&ModelRef> {
        let classifiers = self.guidances().into_iter().map(|guidance| &guidance.classifier);
        std::iter::once(&self.model).chain(classifiers).collect()
    }

    /// The same run with other classifiers, its parents too.
    ///
    /// # Errors
    /// What `change` answers.
    pub fn with_classifiers<E>(mut self, change: &mut dyn FnMut(&ModelRef) -> Result<ModelRef, E>) -> Result<Run, E> {
        if let Some(guidance) = &mut self.guidance {
            guidance.classifier = change(&guidance.classifier)?;
        }
        if let Origin::Branch { parent, .. } = &mut self.origin {
            **parent = std::mem::take(&mut **parent).with_classifiers(change)?;
        }
        Ok(self)
    }
}
