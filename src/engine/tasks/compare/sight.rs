//! What samples are seen by: the features, the reference, and what tells models apart.

use super::Compare;
use crate::Pixels;
use crate::checkpoint::{ReadProgress, inception_weights, open_features, pictures_of, statistics};
use crate::compare::{CompareError, OpenedReference};
use crate::data::{DataError, Taking};
use crate::engine::tasks::refused;
use crate::engine::{Context, Ending};
use crate::metric::{Extracted, FeatureNetwork, Features, MetricError, PixelFeatures};
use crate::score::Mixture;
use crate::task::ModelRef;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// What finds features.
pub(super) enum Sight {
    Images(Box<dyn FeatureNetwork>),
    /// Of samples that are not images, their coordinates, so many.
    Points(usize),
}

impl Sight {
    /// Opens the features for images of C×H×W, or for points.
    pub fn open(task: &Compare, shape: [usize; 3], context: &Context<Compare>) -> Result<Sight, Ending> {
        let comparison = &task.comparison;
        if matches!(comparison.model, ModelRef::Mixture(_)) {
            let are_pixels = comparison.features.choice().0.is(&PixelFeatures);
            let dims = shape.iter().product();
            return if are_pixels { Ok(Sight::Points(dims)) } else { Err(refused(CompareError::PointFeatures).into()) };
        }
        let network = open_features(&comparison.features, weights(task, context).as_deref(), shape);
        Ok(Sight::Images(network.map_err(refused)?))
    }

    pub fn sees_images(&self) -> bool {
        matches!(self, Sight::Images(_))
    }

    pub fn metric(&self) -> &str {
        match self {
            Sight::Images(network) => network.metric(),
            Sight::Points(_) => "FD-points",
        }
    }

    pub fn dims(&self) -> usize {
        match self {
            Sight::Images(network) => network.dims(),
            Sight::Points(dims) => *dims,
        }
    }

    pub fn classes(&self) -> usize {
        match self {
            Sight::Images(network) => network.classes(),
            Sight::Points(_) => 0,
        }
    }

    pub fn identity(&self) -> String {
        match self {
            Sight::Images(network) => network.identity(),
            Sight::Points(dims) => format!("coordinates {dims}"),
        }
    }

    /// The features of samples: of images in [0, 1], as grey levels, as published.
    pub fn see(&self, samples: &Pixels<f32>) -> Result<Extracted, MetricError> {
        match self {
            Sight::Images(network) => {
                let level = |value: &f32| (255.0 * value.clamp(0.0, 1.0)).round() as u8;
                let levels = samples.values.iter().map(level).collect();
                network.extract(&Pixels { shape: samples.shape, values: levels })
            }
            Sight::Points(dims) => {
                let features = Features::new(*dims, samples.values.to_vec())?;
                Ok(Extracted { features, logits: None })
            }
        }
    }
}

/// The weights of Inception-v3: the file given, or the published one among the models.
fn weights(task: &Compare, context: &Context<Compare>) -> Option<PathBuf> {
    task.inception.clone().or_else(|| inception_weights(context.library()?))
}

/// Opens the reference of a comparison.
pub(super) fn reference(
    task: &Compare,
    sight: &Sight,
    shape: [usize; 3],
    context: &Context<Compare>,
) -> Result<OpenedReference, Ending> {
    let comparison = &task.comparison;
    let what = comparison.reference.to_string();
    let (weights, kept) = (weights(task, context), context.library().and_then(statistics));
    let taking = Taking {
        limit: None,
        open: &|shape| open_features(&comparison.features, weights.as_deref(), shape),
        tell: &|done, of| context.hears(&what, Some(done as f32 / of.max(1) as f32)),
        cache: kept.as_deref(),
    };
    let opened = comparison.reference.open(comparison, shape, &taking, &sight.identity(), sight.dims());
    context.loaded();
    match opened {
        Err(CompareError::Data(DataError::Stopped)) => Err(Ending::Stopped),
        opened => Ok(opened.map_err(refused)?),
    }
}

/// A checksum of what a model's scores are made of.
pub(super) fn fingerprint(model: &ModelRef, context: &Context<Compare>) -> Result<String, Ending> {
    let mut digest = Sha256::new();
    match model {
        ModelRef::Mixture(name) => digest.update(format!("{:?}", Mixture::named(name).map_err(refused)?.components())),
        ModelRef::Exact(folder) => {
            let set = pictures_of(folder, &ReadProgress::default()).map_err(refused)?;
            digest.update(set.checksum());
        }
        ModelRef::Named(_) | ModelRef::File(_) => {
            let network = context.read(model)?.network;
            digest.update(serde_json::to_string(&network.description).unwrap_or_default());
            for (name, array) in &network.weights {
                digest.update(format!("{name} {:?}", array.shape));
                array.values.iter().for_each(|value| digest.update(value.to_le_bytes()));
            }
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
