use crate::Image;
use crate::sde::Range;
use serde::{Deserialize, Serialize};

/// How far estimates of x(0) may leave the range of data, for models whose files say so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Threshold {
    /// Not at all: each value is kept inside the range.
    #[default]
    Range,
    /// So many times as far from the middle of the range (diffusers' `clip_sample_range`).
    Wider(f64),
    /// Dynamic thresholding (Saharia et al. 2022, section 2.3): values of an image are kept within the distance from the
    /// middle that the share `ratio` of them has, which is at least that of the range and at most `most` times it; then
    /// the image is brought back into the range.
    Dynamic { ratio: f64, most: f64 },
}

impl Threshold {
    /// Whether its numbers are possible.
    pub fn is_valid(self) -> bool {
        match self {
            Threshold::Range => true,
            Threshold::Wider(times) => times > 0.0 && times.is_finite(),
            Threshold::Dynamic { ratio, most } => (0.0..=1.0).contains(&ratio) && most >= 1.0 && most.is_finite(),
        }
    }

    /// `clean` (N×C×H×W) with this done to it.
    pub(super) fn apply(self, clean: Image, range: Range) -> Image {
        let (low, high) = range.bounds();
        let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
        match self {
            Threshold::Range => clean.clamp(low, high),
            Threshold::Wider(times) => clean.clamp(middle - times * half, middle + times * half),
            Threshold::Dynamic { ratio, most } => {
                let from_middle = (clean - middle) * (1.0 / half);
                let reach = reach(&from_middle, ratio).clamp(1.0, most);
                let kept = from_middle.max_pair(-reach.clone()).min_pair(reach.clone());
                kept / reach * half + middle
            }
        }
    }
}

/// The distance from 0 within which the share `ratio` of each image's values lie, N×1×1×1: a quantile, linear between the
/// two nearest values (torch.quantile).
fn reach(values: &Image, ratio: f64) -> Image {
    let [n, c, h, w] = values.dims();
    let size = c * h * w;
    let sorted = values.clone().abs().reshape([n, size]).sort(1);
    let place = ratio * (size - 1) as f64;
    let below = (place.floor() as usize).min(size - 1);
    let above = (below + 1).min(size - 1);
    let value = |at: usize| sorted.clone().slice([0..n, at..at + 1]);
    let between = place - below as f64;
    (value(below) * (1.0 - between) + value(above) * between).reshape([n, 1, 1, 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn applied(threshold: Threshold, values: &[f32], range: Range) -> Vec<f32> {
        let image = Image::from_data(TensorData::new(values.to_vec(), [1, 1, 1, values.len()]), &Device::flex());
        threshold.apply(image, range).to_data().try_to_vec().unwrap()
    }

    #[test]
    fn estimates_are_kept_within_their_threshold() {
        let values = [-3.0, -0.5, 0.25, 2.0, 1.0];
        assert_eq!(applied(Threshold::Range, &values, Range::Symmetric), [-1.0, -0.5, 0.25, 1.0, 1.0]);
        assert_eq!(applied(Threshold::Wider(1.5), &values, Range::Symmetric), [-1.5, -0.5, 0.25, 1.5, 1.0]);
        // Distances from the middle in order: 0.25, 0.5, 1, 2, 3; a share of 0.875 lies within 2 + ½.
        let dynamic = Threshold::Dynamic { ratio: 0.875, most: 10.0 };
        assert_eq!(applied(dynamic, &values, Range::Symmetric), [-1.0, -0.2, 0.1, 0.8, 0.4]);
        // Never wider than `most`, never narrower than the range.
        let bounded = Threshold::Dynamic { ratio: 1.0, most: 2.0 };
        assert_eq!(applied(bounded, &values, Range::Symmetric), [-1.0, -0.25, 0.125, 1.0, 0.5]);
        let narrow = Threshold::Dynamic { ratio: 0.0, most: 2.0 };
        assert_eq!(applied(narrow, &values, Range::Symmetric), applied(Threshold::Range, &values, Range::Symmetric));
        // The same of images in [0, 1].
        let unit: Vec<f32> = values.iter().map(|value| 0.5 * (value + 1.0)).collect();
        let brought: Vec<f32> = applied(dynamic, &unit, Range::Unit).iter().map(|value| 2.0 * value - 1.0).collect();
        for (found, expected) in brought.iter().zip([-1.0, -0.2, 0.1, 0.8, 0.4]) {
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
    }
}
