use super::{CompareError, Comparison};
use crate::checkpoint::{PictureSet, ReadProgress, pictures_of, read_features};
use crate::data::{DataError, DataSource, Place, Taking};
use crate::metric::{FeatureNetwork, Features, Moments, Sample, compares};
use crate::score::{Mixture, ScoreModel};
use crate::solver::{Noise, NoiseSource, Purpose};
use crate::task::ModelRef;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What samples are compared with.
///
/// As text: `model`, or any data that a training reads, statistics (`.npz`) or features (`.safetensors`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Reference {
    /// The data of an exact model themselves: its images, or draws of its mixture.
    Model,
    /// Images, or what was measured of some.
    Data(Place),
}

/// What samples are compared with, in numbers.
#[derive(Clone, Debug)]
pub struct OpenedReference {
    /// What it is, in words.
    pub name: String,
    pub sample: Sample,
    /// One sentence for each thing that a person should know.
    pub warnings: Vec<String>,
}

/// What stands for the model's own data.
const MODEL: &str = "model";
/// Images whose features are found together.
const TOGETHER: usize = 64;
/// Draws of a mixture.
const DRAWS: usize = 4096;

impl Reference {
    /// Reads what it is, for samples of C×H×W. `taking` opens the network of their features, and tells how far it is;
    /// points have none.
    ///
    /// # Errors
    /// If it cannot be read, or its features are not those of the samples, of this `identity` and number.
    pub fn open(
        &self,
        comparison: &Comparison,
        shape: [usize; 3],
        taking: &Taking<'_>,
        identity: &str,
        dims: usize,
    ) -> Result<OpenedReference, CompareError> {
        let opened = match (self, &comparison.model) {
            (Reference::Model, ModelRef::Exact(folder)) => {
                let set = pictures_of(folder, &ReadProgress::default())?;
                let sample = of_images(&set, &*(taking.open)(set.shape)?, taking)?;
                OpenedReference { name: format!("the images of {}", comparison.model), sample, warnings: set.warnings }
            }
            (Reference::Model, ModelRef::Mixture(name)) => {
                OpenedReference { name: format!("the mixture {name}"), sample: of_mixture(name)?, warnings: Vec::new() }
            }
            (Reference::Model, model) => return Err(CompareError::NoOwnData(model.clone())),
            (Reference::Data(place), ModelRef::Mixture(_)) => of_points(place)?,
            (Reference::Data(place), _) => {
                let [channels, height, width] = shape;
                if place.size().is_some_and(|size| [height, width] != [size; 2]) {
                    let wrong =
                        format!("{place} does not compare with samples of {height}×{width}; choose other images");
                    return Err(CompareError::Reference(wrong));
                }
                // The size of little worlds is a part of their name.
                let size = matches!(place, Place::Files { .. }).then_some(height);
                let source = DataSource { place: place.clone(), size, channels: Some(channels) };
                let found = source.features(taking)?;
                if let Some(other) = found.identity.filter(|other| !compares(other, identity)) {
                    let (there, here) = (other, identity.to_owned());
                    return Err(CompareError::OtherFeatures { reference: place.to_string(), there, here });
                }
                OpenedReference { name: place.to_string(), sample: found.sample, warnings: found.warnings }
            }
        };
        match opened.sample.dims() {
            Some(found) if found != dims => Err(CompareError::OtherFeatures {
                reference: opened.name,
                there: format!("{found} features"),
                here: format!("{dims}"),
            }),
            _ => Ok(opened),
        }
    }
}

fn of_images(set: &PictureSet, network: &dyn FeatureNetwork, taking: &Taking<'_>) -> Result<Sample, CompareError> {
    let [c, h, w] = set.shape;
    let (mut features, classes) = (Features::none(network.dims()), network.classes());
    let mut logits = (classes > 0).then(|| Features::none(classes));
    for first in (0..set.len()).step_by(TOGETHER) {
        if !(taking.tell)(first, set.len()) {
            return Err(DataError::Stopped.into());
        }
        let count = TOGETHER.min(set.len() - first);
        let values = (first..first + count).flat_map(|index| set.picture(index)).copied().collect();
        let found = network.extract(&crate::Pixels { shape: [count, c, h, w], values })?;
        features.append(&found.features)?;
        if let (Some(logits), Some(more)) = (&mut logits, &found.logits) {
            logits.append(more)?;
        }
    }
    Ok(Sample::of(features, logits))
}

/// The exact moments of a mixture, and draws of it.
fn of_mixture(name: &str) -> Result<Sample, CompareError> {
    let mixture = Mixture::named(name).map_err(|error| CompareError::Reference(error.to_string()))?;
    let moments = Moments::new(None, mixture.mean(), &mixture.covariance())?;
    let noise = Noise { seed: 0, first: 0, count: DRAWS, shape: mixture.shape(), device: Device::flex() };
    let (z, uniform) = (noise.normal(0, Purpose::World), noise.uniform(1, Purpose::World));
    let drawn = mixture.sample(&z, &uniform).and_then(|x| x.try_into_vec_as::<f32>().map_err(Into::into));
    let values = drawn.map_err(|error| CompareError::Reference(error.to_string()))?;
    let features = Features::new(mixture.dimensions(), values)?;
    Ok(Sample { moments: Some(moments), features: Some(features), logits: None })
}

/// Points that a file has as features.
fn of_points(place: &Place) -> Result<OpenedReference, CompareError> {
    let name = place.to_string();
    let file = match place {
        Place::Files { path, .. } => read_features(path)?,
        Place::Worlds(_) => None,
    };
    let file = file.ok_or_else(|| CompareError::Points(name.clone()))?;
    Ok(OpenedReference { name, sample: file.sample, warnings: Vec::new() })
}

impl FromStr for Reference {
    type Err = CompareError;

    fn from_str(text: &str) -> Result<Self, CompareError> {
        match text.trim() {
            MODEL => Ok(Reference::Model),
            text => text.parse().map(Reference::Data).map_err(CompareError::Data),
        }
    }
}

impl TryFrom<String> for Reference {
    type Error = CompareError;
    fn try_from(text: String) -> Result<Self, CompareError> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> String {
        reference.to_string()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Model => out.write_str(MODEL),
            Reference::Data(place) => place.fmt(out),
        }
    }
}
