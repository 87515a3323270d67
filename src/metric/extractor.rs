use super::{Features, MetricError, PixelFeatures, RandomFeatures};
use crate::Pixels;
use crate::network::Weights;
use crate::registry::{Category, Entry, Settings};
use crate::score::ClassifierDescription;

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
}

/// What was read for an extractor.
#[derive(Clone, Debug)]
pub enum Loaded {
    Nothing,
    /// A classifier and the checksum of its file.
    Classifier {
        description: Box<ClassifierDescription>,
        weights: Weights,
        checksum: String,
    },
}

/// The extractors, in the order in which they are offered.
impl Category for dyn Extractor {
    const NAME: &'static str = "features";

    fn all() -> &'static [&'static Self] {
        &[&PixelFeatures, &RandomFeatures]
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

/// What was found of some images.
#[derive(Clone, Debug, PartialEq)]
pub struct Extracted {
    /// N×D.
    pub features: Features,
    /// N×classes, of networks that have them.
    pub logits: Option<Features>,
}
