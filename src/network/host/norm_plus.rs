//! InstanceNorm++ (Song & Ermon 2019, appendix A).

mod gradient;

use super::Context;
use super::linear::Rows;
use super::maps::Features;
use super::norm::{Affine, moments_of};
use super::simd::Lanes;
use crate::network::WeightsError;
use crate::network::layers::Loader;
use crate::network::profile::LayerKind;
use crate::network::refinenet::RefineNetConfig;
use crate::network::refinenet::norm::{EPSILON, Table};

/// Each channel is normalised by itself; as that forgets its mean, α times the place of this mean among those of all
/// channels is added before γ scales and β shifts.
#[derive(Debug)]
pub(super) struct NormPlus {
    /// γ, α and β of all channels, one row for all levels or one for each.
    table: Rows,
    /// Of the parameters that make up the table.
    slots: Vec<usize>,
}

impl NormPlus {
    pub fn load(loader: &mut Loader<RefineNetConfig>) -> Result<Self, WeightsError> {
        let Table { values, rows, slots } = Table::load(loader)?;
        let width = values.len() / rows;
        Ok(NormPlus { table: Rows { values, width }, slots })
    }

    /// `levels`: one for all images or one for each.
    pub fn affine(&self, context: &Context, features: &Features, levels: &[usize]) -> Affine {
        let moments = moments_of(context, features);
        let mut stopwatch = context.stopwatch();
        let ([images, height, width], blocks) = (features.size(), features.blocks());
        let mut values = context.pool.take(2 * images * blocks);
        values.fill(Lanes::default());
        let of_images = values.chunks_mut(2 * blocks).zip(moments.chunks(blocks));
        for ((values, moments), &level) in of_images.zip(levels.iter().cycle()) {
            let [gamma, alpha, beta] = parts(self.table.row(level));
            for (channel, of) in statistics(moments, gamma.len(), (height * width) as f32).channels.iter().enumerate() {
                let (block, lane) = (channel / Lanes::WIDTH, channel % Lanes::WIDTH);
                let scale = gamma[channel] * of.inverse;
                values[2 * block].0[lane] = scale;
                values[2 * block + 1].0[lane] =
                    gamma[channel] * alpha[channel] * of.place + beta[channel] - of.mean * scale;
            }
        }
        stopwatch.lap(LayerKind::Normalisation);
        Affine { blocks, values }
    }
}

/// γ, α and β.
fn parts(row: &[f32]) -> [&[f32]; 3] {
    let (gamma, rest) = row.split_at(row.len() / 3);
    let (alpha, beta) = rest.split_at(row.len() / 3);
    [gamma, alpha, beta]
}

/// What is normalised with, of an image.
struct Statistics {
    channels: Vec<Channel>,
    /// 1/v, of the standard deviation of the channels' means.
    inverse_spread: f32,
}

struct Channel {
    mean: f32,
    /// 1/s, of the standard deviation.
    inverse: f32,
    /// Of the mean among those of all channels, (μ − ⟨μ⟩)/v.
    place: f32,
}

/// From the mean and the summed squares of an image's maps.
fn statistics(moments: &[[Lanes; 2]], channels: usize, area: f32) -> Statistics {
    let epsilon = EPSILON as f32;
    let of_channel = |channel: usize| {
        let [mean, squares] = moments[channel / Lanes::WIDTH].map(|lanes| lanes.0[channel % Lanes::WIDTH]);
        Channel { mean, inverse: (squares / area + epsilon).sqrt().recip(), place: 0.0 }
    };
    let mut channels: Vec<Channel> = (0..channels).map(of_channel).collect();
    let count = channels.len() as f32;
    let middle = channels.iter().map(|channel| channel.mean).sum::<f32>() / count;
    let spread = channels.iter().map(|channel| (channel.mean - middle).powi(2)).sum::<f32>() / (count - 1.0);
    let inverse_spread = (spread + epsilon).sqrt().recip();
    channels.iter_mut().for_each(|channel| channel.place = (channel.mean - middle) * inverse_spread);
    Statistics { channels, inverse_spread }
}
