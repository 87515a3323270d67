use super::{Extracted, Extractor, FeatureNetwork, Features, Loaded, MOST_FEATURES, MetricError};
use crate::Pixels;
use crate::registry::{Settings, entry};

entry! {
    /// The pixels themselves, in [0, 1].
    PixelFeatures {
        slug: "pixels",
        name: "Pixels",
        summary: "The pixels themselves: no network, blind to anything but colour and position",
    }
}

impl Extractor for PixelFeatures {
    fn metric(&self) -> &'static str {
        "FD-pixels"
    }

    fn open(
        &self,
        _settings: &Settings,
        _weights: Loaded,
        shape: [usize; 3],
    ) -> Result<Box<dyn FeatureNetwork>, MetricError> {
        let dims = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size)).unwrap_or(usize::MAX);
        match dims {
            1..=MOST_FEATURES => Ok(Box::new(Opened(shape))),
            _ => Err(MetricError::TooMany { dims, most: MOST_FEATURES }),
        }
    }
}

/// For images of this shape.
struct Opened([usize; 3]);

impl FeatureNetwork for Opened {
    fn metric(&self) -> &str {
        PixelFeatures.metric()
    }

    fn dims(&self) -> usize {
        self.0.iter().product()
    }

    fn extract(&self, images: &Pixels<u8>) -> Result<Extracted, MetricError> {
        let [_, shape @ ..] = images.shape;
        if shape != self.0 {
            return Err(MetricError::shape(self.0, shape));
        }
        let values = images.values.iter().map(|&level| f32::from(level) / 255.0).collect();
        Ok(Extracted { features: Features::new(self.dims(), values)?, logits: None })
    }

    fn identity(&self) -> String {
        let [channels, height, width] = self.0;
        format!("pixels {channels}×{height}×{width}")
    }
}
