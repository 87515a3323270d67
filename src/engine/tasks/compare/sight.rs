//! What samples are seen by: the features, the reference, and what tells models apart.

use super::Compare;
use crate::Pixels;
use crate::checkpoint::{FeatureFile, PictureSet, ReadProgress, load_extractor, pictures_of, read_features};
use crate::compare::{Comparison, Measured, Reference};
use crate::data::DataSource;
use crate::engine::tasks::refused;
use crate::engine::{Context, Ending, Failure};
use crate::metric::{Extracted, Extractor, FeatureNetwork, Features, MetricError, Moments, compares};
use crate::registry::Choice;
use crate::score::Mixture;
use crate::solver::{Noise, NoiseSource, Purpose};
use crate::task::ModelRef;
use burn::tensor::Device;
use sha2::{Digest, Sha256};
use std::path::Path;

/// Images whose features are found together.
const TOGETHER: usize = 64;
/// Images of a reference that has no end.
const OF_WORLDS: usize = 10_000;
/// Most images of a reference.
const MOST: usize = 100_000;
/// Draws of a mixture.
const DRAWS: usize = 4096;

/// What finds features.
pub(super) enum Sight {
    Images(Box<dyn FeatureNetwork>),
    /// Of samples that are not images, their coordinates, so many.
    Points(usize),
}

impl Sight {
    /// Opens the features for images of C×H×W, or for points.
    pub fn open(features: &Choice<dyn Extractor>, shape: [usize; 3], points: bool) -> Result<Sight, Ending> {
        if points {
            return match features.about().slug {
                "pixels" => Ok(Sight::Points(shape.iter().product())),
                _ => Err(Failure::from_sentence(
                    "The samples of a mixture are points, not images",
                    "choose --features pixels, which are their coordinates",
                )
                .into()),
            };
        }
        let loaded = load_extractor(features.entry(), None).map_err(refused)?;
        let network = features.entry().open(features.settings(), loaded, shape).map_err(refused)?;
        Ok(Sight::Images(network))
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

/// Opens the reference of a comparison.
pub(super) fn reference(
    comparison: &Comparison,
    sight: &Sight,
    context: &Context<Compare>,
) -> Result<Measured, Ending> {
    let what = comparison.reference.to_string();
    let tell = |share| context.hears(&what, Some(share));
    let progress = ReadProgress::new(&tell);
    let opened = match (&comparison.reference, &comparison.model) {
        (Reference::Model, ModelRef::Exact(folder)) => {
            let set = pictures_of(folder, &progress).map_err(refused)?;
            of_images(&set, &format!("the images of {}", comparison.model), sight, context)
        }
        (Reference::Model, ModelRef::Mixture(name)) => of_mixture(name),
        (Reference::Model, model) => Err(Failure::from_sentence(
            &format!("{model} is a network, which does not hold its images"),
            "give images or their statistics with --reference",
        )
        .into()),
        (Reference::Images(place), _) => {
            let source = DataSource { place: place.clone(), size: None, channels: None };
            let data = source.open(&progress).map_err(refused)?;
            let set = data.first(data.len().map_or(OF_WORLDS, |_| MOST));
            of_images(&set, &what, sight, context)
        }
        (Reference::Statistics(path), _) => of_statistics(path, &what, sight),
    };
    context.loaded();
    opened
}

fn of_images(set: &PictureSet, name: &str, sight: &Sight, context: &Context<Compare>) -> Result<Measured, Ending> {
    let Sight::Images(network) = sight else {
        return Err(Failure::from_sentence("Points do not compare with images", "choose the reference `model`").into());
    };
    let [c, h, w] = set.shape;
    let mut features = Features::none(network.dims());
    for first in (0..set.len()).step_by(TOGETHER) {
        if !context.hears(name, Some(first as f32 / set.len() as f32)) {
            return Err(Ending::Stopped);
        }
        let count = TOGETHER.min(set.len() - first);
        let values = (first..first + count).flat_map(|index| set.picture(index)).copied().collect();
        let found = network.extract(&Pixels { shape: [count, c, h, w], values }).map_err(refused)?;
        features.append(&found.features).map_err(refused)?;
    }
    let moments = Moments::of_features(&features).map_err(refused)?;
    Ok(Measured { name: name.into(), count: Some(set.len() as u64), moments, features: Some(features) })
}

/// The exact moments of a mixture, and draws of it.
fn of_mixture(name: &str) -> Result<Measured, Ending> {
    let mixture = Mixture::named(name).map_err(refused)?;
    let moments = Moments::new(None, mixture.mean(), &mixture.covariance()).map_err(refused)?;
    let shape = crate::score::ScoreModel::shape(&mixture);
    let noise = Noise { seed: 0, first: 0, count: DRAWS, shape, device: Device::flex() };
    let (z, uniform) = (noise.normal(0, Purpose::World), noise.uniform(1, Purpose::World));
    let values: Vec<f32> =
        mixture.sample(&z, &uniform).and_then(|x| x.try_into_vec_as().map_err(Into::into)).map_err(refused)?;
    let features = Features::new(mixture.dimensions(), values).map_err(refused)?;
    Ok(Measured { name: format!("the mixture {name}"), count: None, moments, features: Some(features) })
}

/// What a file of features or of their moments holds.
fn of_statistics(path: &Path, name: &str, sight: &Sight) -> Result<Measured, Ending> {
    let file = read_features(path).map_err(refused)?;
    let none = || refused(crate::compare::CompareError::Reference(path.display().to_string()));
    let FeatureFile { sample, identity, .. } = file.ok_or_else(none)?;
    if let Some(other) = identity.filter(|identity| !compares(identity, &sight.identity())) {
        return Err(Failure::from_sentence(
            &format!("{name} has the features {other:?}"),
            &format!("give those of {:?}", sight.identity()),
        )
        .into());
    }
    let count = sample.count();
    let moments = sample.moments.ok_or_else(none)?;
    Ok(Measured { name: name.into(), count, moments, features: sample.features })
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
