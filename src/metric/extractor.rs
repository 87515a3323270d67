use super::{
    C10Features, ClassifierFeatures, Features, InceptionFeatures, MetricError, PixelFeatures, RandomFeatures,
    WorldsFeatures,
};
use crate::Pixels;
use crate::network::Weights;
use crate::registry::{Category, Choice, ChoiceError, Entry, Settings};
use crate::score::ClassifierDescription;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A way to describe images by numbers.
pub trait Extractor: Entry {
    /// What the Fréchet distance of these features is called: "FID" of one only.
    fn metric(&self) -> &'static str;

    /// What it is made of, which is in files.
    fn material(&self) -> Material {
        Material::Nothing
    }

    /// The network, for images of C×H×W. `weights` are those that [`Extractor::material`] asks for.
    ///
    /// # Errors
    /// If the weights or the images do not fit.
    fn open(
        &self,
        settings: &Settings,
        weights: Loaded,
        shape: [usize; 3],
    ) -> Result<Box<dyn FeatureNetwork>, MetricError>;
}

/// What an extractor is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Material {
    /// It is complete.
    Nothing,
    /// The published file of Inception-v3.
    Inception,
    /// A classifier that is part of the program.
    Shipped(Bundled),
    /// A classifier's file.
    File,
}

/// A classifier that is part of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bundled {
    Worlds,
    C10,
}

/// What was read for an extractor.
#[derive(Clone, Debug)]
pub enum Loaded {
    Nothing,
    /// The parameters of Inception-v3 by their published names, and the checksum of their file.
    Inception {
        weights: Weights,
        checksum: String,
    },
    /// A classifier and the checksum of its file.
    Classifier {
        description: Box<ClassifierDescription>,
        weights: Weights,
        checksum: String,
    },
}

/// The extractors, in the order in which they are offered: first what suits all images and needs no file.
impl Category for dyn Extractor {
    const NAME: &'static str = "features";

    fn all() -> &'static [&'static Self] {
        &[&PixelFeatures, &RandomFeatures, &C10Features, &WorldsFeatures, &InceptionFeatures]
    }
}

/// Which features: an extractor by its name, or the classifier of a file. As text `worlds`, `inception:clean-fid`, or a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FeatureRef {
    Named(Choice<dyn Extractor>),
    /// A classifier's file.
    File(PathBuf),
}

impl FeatureRef {
    /// The extractor with its settings, and its file.
    pub fn choice(&self) -> (Choice<dyn Extractor>, Option<&Path>) {
        match self {
            FeatureRef::Named(choice) => (choice.clone(), None),
            FeatureRef::File(path) => (Choice::new(&ClassifierFeatures), Some(path)),
        }
    }
}

impl FromStr for FeatureRef {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        let named = text.parse::<Choice<dyn Extractor>>();
        match named {
            // A name without a file's ending or a folder is meant as a name.
            Err(ChoiceError::Unknown { .. }) if text.contains(['.', '/', '\\']) => Ok(FeatureRef::File(text.into())),
            named => named.map(FeatureRef::Named),
        }
    }
}

impl fmt::Display for FeatureRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FeatureRef::Named(choice) => choice.fmt(out),
            FeatureRef::File(path) => path.display().fmt(out),
        }
    }
}

impl TryFrom<String> for FeatureRef {
    type Error = ChoiceError;

    fn try_from(text: String) -> Result<Self, ChoiceError> {
        text.parse()
    }
}

impl From<FeatureRef> for String {
    fn from(features: FeatureRef) -> Self {
        features.to_string()
    }
}

/// An extractor that is ready.
pub trait FeatureNetwork: Send + Sync {
    /// What the Fréchet distance of these features is called.
    fn metric(&self) -> &str;

    /// Number of features.
    fn dims(&self) -> usize;

    /// Number of classes; 0: there are no logits.
    fn classes(&self) -> usize {
        0
    }

    /// The features of images, N×C×H×W, grey levels 0 to 255: the same for each image in whatever company, and for any
    /// number of threads.
    ///
    /// # Errors
    /// If the images are of another shape, or a feature is not finite.
    fn extract(&self, images: &Pixels<u8>) -> Result<Extracted, MetricError>;

    /// What two results must share to be compared or merged: name, checksum of weights, rule of resizing, instructions of
    /// the processor where they change bits.
    fn identity(&self) -> String;
}

/// What stands in an identity between what the features are and the instructions that they were computed with.
pub(super) const ON: &str = " on ";

/// Whether two [`FeatureNetwork::identity`] are the same but for the instructions of the processor, which change last digits:
/// such features compare, though sums of them are not merged.
pub fn compares(a: &str, b: &str) -> bool {
    let kind = |identity: &str| identity.split(ON).next().map(str::to_owned);
    kind(a) == kind(b)
}

/// What was found of some images.
#[derive(Clone, Debug, PartialEq)]
pub struct Extracted {
    /// N×D.
    pub features: Features,
    /// N×classes, of networks that have them.
    pub logits: Option<Features>,
}
