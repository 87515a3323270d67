//! What a view of one moment shows: values, their range, and a colour map.

use super::View;
use super::colour::{ColourMap, DIVERGING, VIRIDIS};
use crate::Pixels;
use crate::engine::{GpuPicture, Recorded};
use crate::sde::Range;
use half::f16;
use std::sync::Arc;

/// The most pictures that are drawn at once.
pub const MOST: usize = 64;

/// Values ready to be drawn.
#[derive(Clone, Debug)]
pub struct Field {
    /// N, C, H, W.
    pub shape: [usize; 4],
    /// All values on the host, in that order.
    pub values: Arc<[f32]>,
    /// Shown as black, or as the map's first colour.
    pub low: f32,
    /// Shown as white, or as the map's last colour.
    pub high: f32,
    /// Colours of a single channel; without one the channels are sRGB.
    pub map: Option<&'static ColourMap>,
    /// The same values on the window's own device.
    pub gpu: Option<GpuPicture>,
}

impl Field {
    /// What `view` shows of a moment; `None` where the moment does not have it.
    /// `normalised` widens the range of x(t) to that of its noise, so that nothing is clipped.
    pub fn new(
        view: View,
        shown: &Recorded,
        before: Option<&Recorded>,
        range: Range,
        normalised: bool,
    ) -> Option<Field> {
        match view {
            View::State => Some(Field::state(shown, range, normalised)),
            View::Denoised => shown.denoised.as_ref().map(|pixels| Field::denoised(pixels, range)),
            View::Score => shown.score.as_ref().map(Field::score),
            View::Change => before.and_then(|before| Field::change(&shown.x, &before.x)),
        }
    }

    fn state(shown: &Recorded, range: Range, normalised: bool) -> Field {
        let (low, high) = state_bounds(shown, range, normalised);
        let Pixels { shape, values } = shown.x.clone();
        Field { shape, values, low, high, map: None, gpu: shown.on_gpu.clone() }
    }

    fn denoised(pixels: &Pixels<f16>, range: Range) -> Field {
        let (low, high) = range.bounds();
        Field {
            shape: pixels.shape,
            values: widen(&pixels.values),
            low: low as f32,
            high: high as f32,
            map: None,
            gpu: None,
        }
    }

    fn score(pixels: &Pixels<f16>) -> Field {
        let values = widen(&pixels.values);
        let high = robust_maximum(&values);
        Field { shape: pixels.shape, values, low: 0.0, high, map: Some(&VIRIDIS), gpu: None }
    }

    /// x(shown) − x(before), mean over channels; `None` where the two are not alike.
    fn change(shown: &Pixels<f32>, before: &Pixels<f32>) -> Option<Field> {
        let [samples, channels, height, width] = shown.shape;
        if before.shape != shown.shape || channels == 0 {
            return None;
        }
        let plane = height * width;
        let mut values = vec![0.0; samples * plane];
        for (index, sum) in values.chunks_exact_mut(plane.max(1)).enumerate() {
            let (new, old) = (shown.sample(index), before.sample(index));
            for (new, old) in new.chunks_exact(plane).zip(old.chunks_exact(plane)) {
                for ((sum, new), old) in sum.iter_mut().zip(new).zip(old) {
                    *sum += (new - old) / channels as f32;
                }
            }
        }
        let reach = robust_maximum(&values);
        let shape = [samples, 1, height, width];
        Some(Field { shape, values: values.into(), low: -reach, high: reach, map: Some(&DIVERGING), gpu: None })
    }

    /// Vectors (N×D×1×1) as one strip of colours: a row for each sample, a column for each coordinate.
    pub fn strip(mut self) -> Field {
        let [samples, dimensions, ..] = self.shape;
        if self.map.is_none() {
            let reach = robust_maximum(&self.values);
            (self.low, self.high, self.map) = (-reach, reach, Some(&DIVERGING));
        }
        self.shape = [1, 1, samples, dimensions];
        // The values lie in the same order; only what they are called has changed.
        if let Some(gpu) = &mut self.gpu {
            gpu.shape = self.shape;
        }
        self
    }

    /// Pictures that are drawn.
    pub fn samples(&self) -> usize {
        self.shape[0].min(MOST)
    }
}

/// The values of x(t) that show as black and white. Normalised: black and white data at α, and as far
/// beyond as a standard deviation of noise carries, so that VE looks as VP does.
fn state_bounds(shown: &Recorded, range: Range, normalised: bool) -> (f32, f32) {
    let (low, high) = range.bounds();
    if !normalised {
        return (low as f32, high as f32);
    }
    let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
    let reach = shown.level.marginal_std(half);
    ((shown.level.alpha * middle - reach) as f32, (shown.level.alpha * middle + reach) as f32)
}

fn widen(values: &[f16]) -> Arc<[f32]> {
    values.iter().map(|value| value.to_f32()).collect()
}

/// The magnitude that all but one in a hundred values stay below: one outlier does not darken a heat map.
/// Positive, whatever the values are.
pub fn robust_maximum(values: &[f32]) -> f32 {
    // A few ten thousand values tell the quantile well enough.
    let stride = (values.len() / 50_000).max(1);
    let finite = values.iter().step_by(stride).map(|value| value.abs()).filter(|value| value.is_finite());
    let mut magnitudes: Vec<f32> = finite.collect();
    let place = (magnitudes.len() * 99 / 100).min(magnitudes.len().saturating_sub(1));
    if magnitudes.is_empty() {
        return 1.0;
    }
    let (_, found, _) = magnitudes.select_nth_unstable_by(place, f32::total_cmp);
    if *found > 0.0 { *found } else { 1e-6 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sde::Level;

    fn moment(values: &[f32], shape: [usize; 4], level: Level) -> Recorded {
        Recorded {
            step: 0,
            t: 1.0,
            level,
            nfe: 0,
            x: Pixels { shape, values: values.into() },
            denoised: None,
            score: None,
            stats: Default::default(),
            on_gpu: None,
        }
    }

    #[test]
    fn change_is_the_mean_difference_over_channels() {
        let before = moment(&[1.0, 2.0, 3.0, 4.0], [1, 2, 1, 2], Level::CLEAN);
        let shown = moment(&[2.0, 2.0, 3.0, 8.0], [1, 2, 1, 2], Level::CLEAN);
        let field = Field::new(View::Change, &shown, Some(&before), Range::Unit, false).unwrap();
        assert_eq!(field.shape, [1, 1, 1, 2]);
        assert_eq!(*field.values, [0.5, 2.0]);
        assert_eq!(field.low, -field.high, "centred at zero");
    }

    #[test]
    fn a_moment_without_evaluation_has_neither_estimate_nor_score() {
        let shown = moment(&[0.0; 4], [1, 1, 2, 2], Level::CLEAN);
        for view in [View::Denoised, View::Score, View::Change] {
            assert!(Field::new(view, &shown, None, Range::Unit, false).is_none(), "{view:?}");
        }
    }

    #[test]
    fn one_outlier_does_not_set_the_scale() {
        let mut values = vec![1.0; 1000];
        values[7] = 1e6;
        values[8] = f32::NAN;
        assert_eq!(robust_maximum(&values), 1.0);
    }

    #[test]
    fn normalised_bounds_are_the_plain_ones_for_clean_data_and_for_vp() {
        let at = |range, level| state_bounds(&moment(&[0.0], [1, 1, 1, 1], level), range, true);
        assert_eq!(at(Range::Unit, Level::CLEAN), (0.0, 1.0));
        assert_eq!(at(Range::Symmetric, Level::new(0.6, 0.8)), (-1.0, 1.0));
        // VE at σ = 50 in [0, 1]: 0.5 ± 50.0025
        let (low, high) = at(Range::Unit, Level::new(1.0, 50.0));
        assert!((low + 49.5025).abs() < 1e-3 && (high - 50.5025).abs() < 1e-3, "{low} {high}");
    }

    #[test]
    fn a_strip_has_a_row_for_each_vector() {
        let shown = moment(&[1.0, -2.0, 3.0, 4.0, 5.0, 6.0], [2, 3, 1, 1], Level::CLEAN);
        let field = Field::new(View::State, &shown, None, Range::Symmetric, false).unwrap().strip();
        assert_eq!((field.shape, field.low, field.high), ([1, 1, 2, 3], -6.0, 6.0));
    }
}
