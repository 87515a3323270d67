//! InstanceNorm++ (Song & Ermon 2019, appendix A).

use super::Context;
use super::linear::Rows;
use super::maps::Features;
use super::norm::{Affine, moments};
use super::simd::Lanes;
use crate::network::WeightsError;
use crate::network::layers::Loader;
use crate::network::profile::LayerKind;
use crate::network::refinenet::{RefineNetConfig, norm};

/// Each channel is normalised by itself; as that forgets its mean, α times the place of this mean among those of all
/// channels is added before γ scales and β shifts.
#[derive(Debug)]
pub(super) struct NormPlus {
    /// γ, α and β of all channels, one row for all levels or one for each.
    table: Rows,
}

impl NormPlus {
    pub fn load(loader: &mut Loader<RefineNetConfig>) -> Result<Self, WeightsError> {
        let (values, rows) = norm::rows(loader)?;
        let width = values.len() / rows;
        Ok(NormPlus { table: Rows { values, width } })
    }

    /// `levels`: one for all images or one for each.
    pub fn affine(&self, context: &Context, features: &Features, levels: &[usize]) -> Affine {
        let part = features.whole(context.pool);
        let (maps, moments) = (&part.maps, moments(context, &part));
        let mut stopwatch = context.stopwatch();
        let blocks = maps.blocks();
        let mut values = context.pool.take(2 * maps.images * blocks);
        values.fill(Lanes::default());
        let images = values.chunks_mut(2 * blocks).zip(moments.chunks(2 * blocks));
        for ((values, moments), &level) in images.zip(levels.iter().cycle()) {
            affine_of(self.table.row(level), moments, maps.area() as f32, values);
        }
        stopwatch.lap(LayerKind::Normalisation);
        Affine { blocks, values }
    }
}

/// From the mean and the summed squares of an image's channels to their scale and shift.
fn affine_of(row: &[f32], moments: &[Lanes], area: f32, values: &mut [Lanes]) {
    let epsilon = norm::EPSILON as f32;
    let channels = row.len() / 3;
    let (gamma, rest) = row.split_at(channels);
    let (alpha, beta) = rest.split_at(channels);
    let place_of = |channel: usize| (2 * (channel / Lanes::WIDTH), channel % Lanes::WIDTH);
    let mean_of = |channel: usize| {
        let (place, lane) = place_of(channel);
        moments[place].0[lane]
    };
    let middle = (0..channels).map(mean_of).sum::<f32>() / channels as f32;
    let spread = (0..channels).map(|channel| (mean_of(channel) - middle).powi(2)).sum::<f32>() / (channels - 1) as f32;
    let inverse = (spread + epsilon).sqrt().recip();
    for (channel, ((gamma, alpha), beta)) in gamma.iter().zip(alpha).zip(beta).enumerate() {
        let ((place, lane), mean) = (place_of(channel), mean_of(channel));
        let variance = moments[place + 1].0[lane] / area;
        let scale = gamma * (variance + epsilon).sqrt().recip();
        values[place].0[lane] = scale;
        values[place + 1].0[lane] = gamma * alpha * (mean - middle) * inverse + beta - mean * scale;
    }
}
