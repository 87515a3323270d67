//! A convolution network with random weights that never change.

use super::{Extracted, Extractor, FeatureNetwork, Features, Loaded, MetricError};
use crate::Pixels;
use crate::registry::{Settings, entry};
use crate::solver::{Purpose, Words};
use rayon::prelude::*;

/// Channels of the layers, each of half the size of the one before.
const CHANNELS: [usize; 4] = [32, 64, 128, 256];
/// What the weights are drawn with.
const SEED: u64 = 0;

entry! {
    /// Four 3×3 convolutions of stride 2 with rectifiers, whose weights are normal with variance 2/fan-in (He et al. 2015),
    /// drawn once and for all; the features are the means over space of all four layers.
    RandomFeatures {
        slug: "random",
        name: "Random network",
        summary: "A small convolution network with fixed random weights: for images of any kind and size",
    }
}

impl Extractor for RandomFeatures {
    fn metric(&self) -> &'static str {
        "FD-random"
    }

    fn open(
        &self,
        _settings: &Settings,
        _weights: Loaded,
        _shape: [usize; 3],
    ) -> Result<Box<dyn FeatureNetwork>, MetricError> {
        Ok(Box::new(Opened { layers: layers() }))
    }
}

/// The network with its weights. Plain arithmetic in a fixed order: every processor gives the same bits.
struct Opened {
    layers: Vec<Layer>,
}

struct Layer {
    inputs: usize,
    outputs: usize,
    /// Inputs × 3 × 3 × outputs.
    weights: Vec<f32>,
}

fn layers() -> Vec<Layer> {
    let mut inputs = 3;
    let layer = |(number, outputs): (usize, usize)| {
        let (mut words, std) = (Words::new(SEED, Purpose::Features, number as u64), (2.0 / (9 * inputs) as f64).sqrt());
        let weights = (0..inputs * 9 * outputs).map(|_| (std * words.normal()) as f32).collect();
        Layer { inputs: std::mem::replace(&mut inputs, outputs), outputs, weights }
    };
    CHANNELS.into_iter().enumerate().map(layer).collect()
}

impl FeatureNetwork for Opened {
    fn metric(&self) -> &str {
        RandomFeatures.metric()
    }

    fn dims(&self) -> usize {
        CHANNELS.iter().sum()
    }

    fn extract(&self, images: &Pixels<u8>) -> Result<Extracted, MetricError> {
        let [count, channels, height, width] = images.shape;
        if ![1, 3].contains(&channels) || height == 0 || width == 0 {
            let found = format!("{channels} channels and {height}×{width} pixels");
            return Err(MetricError::Shape { expected: "grey or colours".into(), found });
        }
        let rows: Vec<Vec<f32>> = (0..count)
            .into_par_iter()
            .map(|index| self.features(images.sample(index), [channels, height, width]))
            .collect();
        Ok(Extracted { features: Features::new(self.dims(), rows.concat())?, logits: None })
    }

    fn identity(&self) -> String {
        "random 1".into()
    }
}

impl Opened {
    /// The features of one image.
    fn features(&self, levels: &[u8], [channels, mut height, mut width]: [usize; 3]) -> Vec<f32> {
        let area = height * width;
        let value = |place: usize, channel: usize| levels[channel.min(channels - 1) * area + place];
        let mut x: Vec<f32> = (0..area)
            .flat_map(|place| [0, 1, 2].map(|channel| f32::from(value(place, channel)) / 127.5 - 1.0))
            .collect();
        let mut features = Vec::with_capacity(self.dims());
        for layer in &self.layers {
            x = layer.forward(&x, height, width);
            (height, width) = (height.div_ceil(2), width.div_ceil(2));
            let mut sums = vec![0.0f64; layer.outputs];
            for pixel in x.chunks_exact(layer.outputs) {
                sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += f64::from(value));
            }
            features.extend(sums.into_iter().map(|sum| (sum / (height * width) as f64) as f32));
        }
        features
    }
}

impl Layer {
    /// From H×W×inputs to ⌈H/2⌉×⌈W/2⌉×outputs, with zeros around; rectified.
    fn forward(&self, x: &[f32], height: usize, width: usize) -> Vec<f32> {
        let (down, across) = (height.div_ceil(2), width.div_ceil(2));
        let mut out = vec![0.0f32; down * across * self.outputs];
        for (place, sums) in out.chunks_exact_mut(self.outputs).enumerate() {
            let (top, left) = (place / across * 2, place % across * 2);
            for tap in 0..9 {
                // One beyond the border on each side.
                let (y, x_place) = (top + tap / 3, left + tap % 3);
                if y == 0 || x_place == 0 || y > height || x_place > width {
                    continue;
                }
                let pixel = &x[((y - 1) * width + x_place - 1) * self.inputs..][..self.inputs];
                for (input, &value) in pixel.iter().enumerate() {
                    let weights = &self.weights[(input * 9 + tap) * self.outputs..][..self.outputs];
                    sums.iter_mut().zip(weights).for_each(|(sum, &weight)| *sum += weight * value);
                }
            }
            sums.iter_mut().for_each(|sum| *sum = sum.max(0.0));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(shape: [usize; 4]) -> Pixels<u8> {
        let values = (0..shape.iter().product::<usize>()).map(|place| (place * 37 % 251) as u8).collect();
        Pixels { shape, values }
    }

    /// Features of files that people keep: these may never change.
    #[test]
    fn the_random_network_is_the_same_for_ever() {
        let network = RandomFeatures.open(&Settings::default(), Loaded::Nothing, [3, 9, 7]).unwrap();
        let found = network.extract(&picture([1, 3, 9, 7])).unwrap().features;
        assert_eq!(found.dims(), 480);
        let some = [0, 40, 300, 479].map(|place| found.values()[place]);
        assert_eq!(some, [0.4560341, 0.5019107, 0.09223783, 0.20156668]);
    }

    #[test]
    fn an_image_has_its_features_in_any_company_and_grey_is_equal_colours() {
        let network = RandomFeatures.open(&Settings::default(), Loaded::Nothing, [1, 6, 5]).unwrap();
        let grey = picture([3, 1, 6, 5]);
        let together = network.extract(&grey).unwrap().features;
        for index in 0..3 {
            let alone = network.extract(&grey.one(index)).unwrap().features;
            assert_eq!(alone.values(), together.row(index));
            let values = [0; 3].iter().flat_map(|_| grey.sample(index)).copied().collect();
            let colour = Pixels { shape: [1, 3, 6, 5], values };
            assert_eq!(network.extract(&colour).unwrap().features, alone);
        }
    }
}
