//! Distances between sets of images, and the networks whose features they compare.
//!
//! One pass over the images gives [`Features`]; an account of their sums ([`Tally`]) gives [`Moments`], which is all that
//! a Fréchet distance needs, the features themselves all others. Which features were taken is part of every result:
//! numbers of two extractors have nothing to do with each other.

mod bootstrap;
mod classifier;
mod extractor;
mod features;
mod frechet;
mod inception;
mod inception_score;
mod infinity;
mod kernel;
mod measure;
mod mind;
mod moments;
mod neighbours;
mod pixels;
mod random;
mod resize;
mod subsets;
mod tally;

pub use bootstrap::{REPLICAS, frechet_error};
pub use classifier::{C10Features, ClassifierFeatures, WorldsFeatures};
use extractor::ON;
pub use extractor::{Bundled, Extracted, Extractor, FeatureNetwork, FeatureRef, Loaded, Material, compares};
pub use features::Features;
pub use frechet::frechet;
pub use inception::{InceptionFeatures, RESIZE};
pub use inception_score::{InceptionScore, SPLITS, inception_score};
pub use infinity::{
    Extrapolated, frechet_infinity, frechet_infinity_of, inception_score_infinity, inception_score_infinity_of,
};
pub use kernel::{KernelDistance, SUBSET_SIZE, SUBSETS, kernel_distance, kernel_distance_of, kernel_distance_over};
pub use measure::{Fd, Figure, Measure, Measured, Needs, Pair, Sample, named};
pub use mind::{DIRECTIONS, mind, mind_of};
pub use moments::Moments;
pub use neighbours::{Edge, NEIGHBOUR, Neighbours, neighbours};
pub use pixels::PixelFeatures;
pub use random::RandomFeatures;
pub use resize::{CleanFid, PytorchFid, Resize, Taps, Tf1, resized};
pub use subsets::{resample, subset};
pub use tally::{BLOCK, Sums, Tally};

use std::ops::Range;

/// Why something cannot be measured.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MetricError {
    #[error("there are no images; give at least {0}")]
    Nothing(u64),
    #[error("{} too few; give at least {least}", if *found == 1 { "one image is".into() } else { format!("{found} images are") })]
    TooFew { found: u64, least: u64 },
    #[error("{values} values are not rows of {dims} features; check how they were saved")]
    Ragged { dims: usize, values: usize },
    #[error("feature {feature} of image {image} is not a finite number; check the images and the weights")]
    NotFinite { image: u64, feature: usize },
    #[error("{a} features of one set do not compare with {b} of the other; use one extractor for both")]
    Dimensions { a: usize, b: usize },
    #[error("images {} to {} are there twice; give each part once", .0.start, .0.end.saturating_sub(1))]
    Overlap(Range<u64>),
    #[error("images {} to {} are missing; give all parts", .0.start, .0.end.saturating_sub(1))]
    Gap(Range<u64>),
    #[error("a part of the sums is damaged: {0}; compute it again")]
    Damaged(&'static str),
    #[error(
        "images of {found} are not those of the features, which need {expected}; choose other features or another size"
    )]
    Shape { expected: String, found: String },
    #[error("{dims} features are more than the limit of {most}; choose `random` features, or smaller images")]
    TooMany { dims: usize, most: usize },
    #[error("the moments are not those of any images: {0}; check the file")]
    Moments(&'static str),
    #[error("the eigenvalues of the covariance do not converge; check the features for extreme values")]
    NotConverged,
    #[error("{0}")]
    Weights(String),
    #[error("the features of the images are not known, only their moments; give the images")]
    NoFeatures,
    #[error("these features have no classes; choose features of a classifier")]
    NoClasses,
    #[error("{what} = {value} is out of range; choose {least} to {most}")]
    Range { what: &'static str, value: u64, least: u64, most: u64 },
}

impl MetricError {
    /// Images of another C×H×W.
    fn shape(expected: [usize; 3], found: [usize; 3]) -> Self {
        let words = |[channels, height, width]: [usize; 3]| format!("{channels}×{height}×{width}");
        MetricError::Shape { expected: words(expected), found: words(found) }
    }
}

/// Makes faer compute each result on one thread: how it cuts work among several changes last bits. Whoever has many results to
/// find does so on several threads.
fn in_order() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| faer::set_global_parallelism(faer::Par::Seq));
}

/// Most features of an image: their covariance then takes half a gigabyte.
pub const MOST_FEATURES: usize = 8192;
