//! Features of FID.

use super::resize::{Resize, resized};
use super::{Extracted, Extractor, FeatureNetwork, Features, Loaded, Material, MetricError, ON};
use crate::Pixels;
use crate::network::{INCEPTION_CLASSES, INCEPTION_FEATURES, INCEPTION_SIDE, Inception, instructions};
use crate::registry::{About, Parameter, Settings, abouts, entry};
use rayon::prelude::*;

/// How images come to the network's size.
pub const RESIZE: Parameter = Parameter::choice("resize", "pytorch-fid", rules)
    .named(
        "Resize",
        "Resize",
        "How images are brought to 299×299: published programs differ, and so do their distances",
    )
    .optional();

fn rules() -> Vec<&'static About> {
    abouts::<dyn Resize>()
}

/// Images that are in memory at the network's size together.
const TOGETHER: usize = 64;

entry! {
    /// The last means over space of the Inception-v3 network of 2015-12-05, and its logits without their bias.
    InceptionFeatures {
        slug: "inception",
        name: "Inception-v3",
        summary: "The network of FID, 2048 features; its file is yours to download",
        source: "Heusel et al. 2017",
        parameters: [&RESIZE],
    }
}

impl Extractor for InceptionFeatures {
    fn metric(&self) -> &'static str {
        "FID"
    }

    fn material(&self) -> Material {
        Material::Inception
    }

    fn open(
        &self,
        settings: &Settings,
        loaded: Loaded,
        shape: [usize; 3],
    ) -> Result<Box<dyn FeatureNetwork>, MetricError> {
        let Loaded::Inception { weights, checksum } = loaded else {
            return Err(MetricError::Weights("the weights of Inception-v3 are missing; give their file".into()));
        };
        let network = Inception::new(&weights).map_err(|error| MetricError::Weights(error.to_string()))?;
        let rule = settings.entry::<dyn Resize>(&RESIZE);
        Ok(Box::new(Opened { network, rule, checksum, shape }))
    }
}

struct Opened {
    network: Inception,
    rule: &'static dyn Resize,
    checksum: String,
    shape: [usize; 3],
}

impl FeatureNetwork for Opened {
    fn metric(&self) -> &str {
        InceptionFeatures.metric()
    }

    fn dims(&self) -> usize {
        INCEPTION_FEATURES
    }

    fn classes(&self) -> usize {
        INCEPTION_CLASSES
    }

    fn extract(&self, images: &Pixels<u8>) -> Result<Extracted, MetricError> {
        let [count, shape @ ..] = images.shape;
        if shape != self.shape {
            return Err(MetricError::shape(self.shape, shape));
        }
        let (mut features, mut logits) = (Vec::new(), Vec::new());
        let indices: Vec<usize> = (0..count).collect();
        for some in indices.chunks(TOGETHER) {
            let planes: Vec<Vec<f32>> =
                some.par_iter().map(|&index| at_size(self.rule, images.sample(index), self.shape)).collect();
            for output in self.network.forward(&planes.concat()) {
                features.extend(output.features);
                logits.extend(output.logits);
            }
        }
        Ok(Extracted {
            features: Features::new(INCEPTION_FEATURES, features)?,
            logits: Some(Features::new(INCEPTION_CLASSES, logits)?),
        })
    }

    fn identity(&self) -> String {
        let rule = self.rule.about().slug;
        format!("inception {} {rule}{ON}{}", self.checksum, instructions())
    }
}

/// Three planes of the network's size, as it takes them, of grey levels C×H×W.
fn at_size(rule: &dyn Resize, levels: &[u8], [channels, height, width]: [usize; 3]) -> Vec<f32> {
    let (across, down) = (rule.taps(width, INCEPTION_SIDE), rule.taps(height, INCEPTION_SIDE));
    let plane = |levels: &[u8]| -> Vec<f32> {
        resized(levels, width, &across, &down).into_iter().map(|level| rule.scaled(level) as f32).collect()
    };
    let planes: Vec<Vec<f32>> = levels.chunks_exact((height * width).max(1)).map(plane).collect();
    match (channels, &planes[..]) {
        (1, [grey]) => grey.repeat(3),
        _ => planes.concat(),
    }
}
