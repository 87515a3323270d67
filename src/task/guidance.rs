use super::{ModelRef, Origin, Run, RunError};
use crate::registry::Choice;
use crate::score::{ClassifierGuidance, GuidanceKind, Second, Strength};
use crate::solver::Destination;
use serde::{Deserialize, Serialize};

/// What leads the samples of a run: to a class, away from a weaker model, or both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Guidance {
    /// By what; by a classifier in files of version 0.1.0.
    #[serde(default = "by_classifier", with = "text")]
    pub kind: Choice<dyn GuidanceKind>,
    /// The class by its name, or by its number from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// From 0 to [`Guidance::MAX_WEIGHT`]: nothing leads at 0; at 1 samples are those of the class, or of the model itself.
    pub weight: f64,
    /// σ/α, in units of data in [−1, 1], between which the weight counts; it is 1 elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// How far scores are brought back to their standard deviation at weight 1, from 0 to 1.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rescale: f64,
    /// The second model: a classifier (one that ships, or a file), the weaker model, or one that is told no class.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "classifier")]
    pub guide_model: Option<ModelRef>,
}

fn by_classifier() -> Choice<dyn GuidanceKind> {
    Choice::new(&ClassifierGuidance)
}

// The form that serde asks for.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// A choice as text.
mod text {
    use crate::registry::{Category, Choice};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer, E: ?Sized + Category>(choice: &Choice<E>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(choice)
    }

    pub fn deserialize<'de, D: Deserializer<'de>, E: ?Sized + Category>(from: D) -> Result<Choice<E>, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl Guidance {
    /// The classifiers of noised images that ship, and their classes: of Little Worlds, and of CIFAR-10.
    pub const SHIPPED: [(&str, &[&str]); 2] = [
        ("worlds-classifier", &["desert", "forest", "mountains", "night", "sea", "village"]),
        (
            "cifar10-classifier",
            &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
        ),
    ];
    /// Largest weight.
    pub const MAX_WEIGHT: f64 = 1000.0;

    /// Of a kind, with this weight at all noise levels.
    pub fn new(kind: &'static dyn GuidanceKind, class: Option<&str>, weight: f64) -> Self {
        let guide_model = (kind.takes() == Second::Classifier).then(|| ModelRef::Named(Self::knowing(class).into()));
        Guidance {
            kind: Choice::new(kind),
            class: class.map(Into::into),
            weight,
            interval: None,
            rescale: 0.0,
            guide_model,
        }
    }

    /// The name of the classifier that ships and knows a class; of the first, where none does or none is named.
    pub fn knowing(class: Option<&str>) -> &'static str {
        let [first, ..] = Self::SHIPPED;
        let known = |(_, classes): &(&str, &[&str])| {
            class.is_some_and(|class| classes.iter().any(|own| own.eq_ignore_ascii_case(class)))
        };
        Self::SHIPPED.into_iter().find(known).unwrap_or(first).0
    }

    /// How strongly it leads.
    pub fn strength(&self) -> Strength {
        Strength { weight: self.weight, interval: self.interval, rescale: self.rescale }
    }

    /// Whether its parts are possible, and fit together.
    ///
    /// # Errors
    /// If one is out of range or missing.
    pub fn check(&self) -> Result<(), RunError> {
        let (kind, slug) = (self.kind.entry(), self.kind.about().slug);
        if !(0.0..=Self::MAX_WEIGHT).contains(&self.weight) {
            return Err(RunError::Guidance(self.weight));
        }
        if let Some([low, high]) = self.interval.filter(|[low, high]| !(*low >= 0.0 && low < high)) {
            return Err(RunError::Interval { low, high });
        }
        if !(0.0..=1.0).contains(&self.rescale) {
            return Err(RunError::Rescale(self.rescale));
        }
        if kind.needs_class() && self.class.is_none() {
            return Err(RunError::NoClass(slug));
        }
        if kind.takes() != Second::MaybeModel && self.guide_model.is_none() {
            return Err(RunError::NoGuide(slug));
        }
        Ok(())
    }

    /// Score evaluations of one guided score; `None` where they depend on the noise level.
    fn evaluations(&self) -> Option<usize> {
        match self.kind.entry().evaluations() {
            1 => Some(1),
            _ if self.weight == 1.0 => Some(1),
            more => self.interval.is_none().then_some(more),
        }
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

    /// Score evaluations of each sample in so many steps that arrive there; `None` where they are not known before.
    pub fn evaluations_in(&self, steps: usize, to: Destination) -> Option<usize> {
        let each = self.guidance.as_ref().map_or(Some(1), Guidance::evaluations)?;
        Some(each * self.solver.evaluations(steps, to)?)
    }

    /// The models that it names: its own, and the second ones of what leads it and its parents.
    pub fn models(&self) -> Vec<&ModelRef> {
        let guides = self.guidances().into_iter().filter_map(|guidance| guidance.guide_model.as_ref());
        std::iter::once(&self.model).chain(guides).collect()
    }

    /// The same run with other second models, its parents too.
    ///
    /// # Errors
    /// What `change` answers.
    pub fn with_guide_models<E>(mut self, change: &mut dyn FnMut(&ModelRef) -> Result<ModelRef, E>) -> Result<Run, E> {
        if let Some(guide) = self.guidance.as_mut().and_then(|guidance| guidance.guide_model.as_mut()) {
            *guide = change(guide)?;
        }
        if let Origin::Branch { parent, .. } = &mut self.origin {
            **parent = std::mem::take(&mut **parent).with_guide_models(change)?;
        }
        Ok(self)
    }
}
