//! Features of classifiers: what the logits are a linear map of.

use super::{Bundled, Extracted, Extractor, FeatureNetwork, Features, Loaded, Material, MetricError, ON};
use crate::network::{Array, Classifier, Weights, instructions};
use crate::registry::{Settings, entry};
use crate::score::{ClassifierDescription, NetworkClassifier};
use crate::{Image, Pixels};
use burn::tensor::{Device, TensorData};

/// Images that go through a classifier together.
const TOGETHER: usize = 256;

entry! {
    /// The classifier of Little Worlds that ships.
    WorldsFeatures {
        slug: "worlds",
        name: "Little Worlds",
        summary: "The bundled classifier of Little Worlds, for colour images of 32×32, or the means of ones 2, 3, … times as large",
    }
}

entry! {
    /// The classifier of CIFAR-10 that ships.
    C10Features {
        slug: "c10",
        name: "CIFAR-10",
        summary: "The bundled classifier of CIFAR-10, for colour images of 32×32, or the means of ones 2, 3, … times as large",
    }
}

entry! {
    /// A classifier of the user's, from its file.
    ClassifierFeatures {
        slug: "classifier",
        name: "Classifier",
        summary: "A classifier that `classifier train` wrote, for images as it was trained on, or the means of larger ones",
    }
}

impl Extractor for WorldsFeatures {
    fn metric(&self) -> &'static str {
        "FD-worlds"
    }

    fn material(&self) -> Material {
        Material::Shipped(Bundled::Worlds)
    }

    fn open(&self, _: &Settings, loaded: Loaded, _: [usize; 3]) -> Result<Box<dyn FeatureNetwork>, MetricError> {
        opened(self.metric().into(), loaded)
    }
}

impl Extractor for C10Features {
    fn metric(&self) -> &'static str {
        "FD-C10"
    }

    fn material(&self) -> Material {
        Material::Shipped(Bundled::C10)
    }

    fn open(&self, _: &Settings, loaded: Loaded, _: [usize; 3]) -> Result<Box<dyn FeatureNetwork>, MetricError> {
        opened(self.metric().into(), loaded)
    }
}

impl Extractor for ClassifierFeatures {
    fn metric(&self) -> &'static str {
        "FD-classifier"
    }

    fn material(&self) -> Material {
        Material::File
    }

    fn open(&self, _: &Settings, loaded: Loaded, _: [usize; 3]) -> Result<Box<dyn FeatureNetwork>, MetricError> {
        opened(self.metric().into(), loaded)
    }
}

fn opened(metric: String, loaded: Loaded) -> Result<Box<dyn FeatureNetwork>, MetricError> {
    let Loaded::Classifier { description, weights, checksum } = loaded else {
        return Err(MetricError::Weights("a classifier is missing; give its file".into()));
    };
    let wrong = |error: &dyn std::fmt::Display| MetricError::Weights(error.to_string());
    let network = Classifier::new(&description.config, &weights, &Device::flex()).map_err(|error| wrong(&error))?;
    let last = Last::of(&description, &weights)?;
    let network = NetworkClassifier::new(network, *description);
    Ok(Box::new(Opened { metric, network, last, checksum }))
}

struct Opened {
    metric: String,
    network: NetworkClassifier,
    last: Last,
    checksum: String,
}

/// The map from features to logits.
struct Last {
    weight: Array,
    bias: Array,
}

impl Last {
    fn of(description: &ClassifierDescription, weights: &Weights) -> Result<Self, MetricError> {
        let (features, classes) = (description.config.features(), description.config.classes);
        let plan = description.config.plan();
        let of = |shape: &[usize]| {
            let last = plan.iter().rev().find(|parameter| parameter.shape == shape)?;
            weights.get(&last.name).cloned()
        };
        let missing = || MetricError::Weights("the classifier's last map is missing; download it again".into());
        let weight = of(&[classes, features]).or_else(|| of(&[classes, features, 1, 1])).ok_or_else(missing)?;
        Ok(Last { weight, bias: of(&[classes]).ok_or_else(missing)? })
    }

    fn logits(&self, features: &Features) -> Result<Features, MetricError> {
        let dims = features.dims();
        let of_row = |row: &[f32]| -> Vec<f32> {
            let product = |weights: &[f32]| weights.iter().zip(row).map(|(w, x)| f64::from(w * x)).sum::<f64>();
            let sums = self.weight.values.chunks_exact(dims).zip(&self.bias.values);
            sums.map(|(weights, bias)| (product(weights) + f64::from(*bias)) as f32).collect()
        };
        Features::new(self.bias.values.len(), features.rows().flat_map(of_row).collect())
    }
}

impl FeatureNetwork for Opened {
    fn metric(&self) -> &str {
        &self.metric
    }

    fn dims(&self) -> usize {
        self.network.description().config.features()
    }

    fn classes(&self) -> usize {
        self.network.description().config.classes
    }

    fn extract(&self, images: &Pixels<u8>) -> Result<Extracted, MetricError> {
        let [count, channels, height, width] = images.shape;
        let expected = self.network.description().config.shape();
        // Grey images are as good as equal colours.
        let repeated = if channels == 1 && expected[0] == 3 { 3 } else { 1 };
        let shape = [channels * repeated, height, width];
        if self.network.description().shrinks(shape).is_none() {
            return Err(MetricError::shape(expected, [channels, height, width]));
        }
        let mut features = Features::none(self.dims());
        for first in (0..count).step_by(TOGETHER) {
            let some = TOGETHER.min(count - first);
            let values: Vec<f32> = (first..first + some)
                .flat_map(|index| std::iter::repeat_n(images.sample(index), repeated).flatten())
                .map(|&level| f32::from(level) / 127.5 - 1.0)
                .collect();
            let [channels, height, width] = shape;
            let x = Image::from_data(TensorData::new(values, [some, channels, height, width]), &Device::flex());
            let wrong = |error: &dyn std::fmt::Display| MetricError::Weights(error.to_string());
            let found = self.network.features(&x).map_err(|error| wrong(&error))?;
            let values = found.try_into_vec_as::<f32>().map_err(|error| wrong(&error))?;
            features.append(&Features::new(self.dims(), values)?)?;
        }
        let logits = self.last.logits(&features)?;
        Ok(Extracted { features, logits: Some(logits) })
    }

    fn identity(&self) -> String {
        format!("classifier {}{ON}{}", self.checksum, instructions())
    }
}
