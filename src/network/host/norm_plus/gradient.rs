//! The gradient of InstanceNorm++ and the nonlinearity after it.

use super::{NormPlus, parts, statistics};
use crate::network::Nonlinearity;
use crate::network::host::Context;
use crate::network::host::gradients::{Gradients, Leaf, publish_values};
use crate::network::host::maps::{Features, Maps};
use crate::network::host::norm;
use crate::network::host::read::Residual;
use crate::network::host::simd::Lanes;

impl NormPlus {
    /// From the gradient of the activated features to that of the features, plus the residual; and that of the table.
    ///
    /// With x̂ = (x − μ)/s of each channel, n = (μ − ⟨μ⟩)/v of its mean among the C channels', y = γ·(x̂ + α·n) + β and g
    /// the gradient of y, of which Σ are over a map's A pixels, δ = γ·α·Σg is that of n. Then
    /// ∂μ = (δ − ⟨δ⟩ − n·Σ(δ·n)/(C − 1))/v, and ∂x = γ/s·(g − Σg/A − x̂·Σ(g·x̂)/A) + ∂μ/A.
    pub fn back(
        &self,
        context: &Context,
        features: &Features,
        levels: &[usize],
        activation: Option<Nonlinearity>,
        gradient: Maps,
        residual: Option<Residual>,
    ) -> (Maps, Vec<f32>) {
        let affine = self.affine(context, features, levels);
        let (blocks, area) = (features.blocks(), gradient.area() as f32);
        let lines = |moments: &[[Lanes; 2]], sums: &[[Lanes; 2]]| {
            let mut lines = vec![[Lanes::default(); 2]; moments.len()];
            let mut table = vec![0.0; self.table.values.len()];
            let of_images = lines.chunks_mut(blocks).zip(moments.chunks(blocks)).zip(sums.chunks(blocks));
            for (((lines, moments), sums), &level) in of_images.zip(levels.iter().cycle()) {
                let first = if table.len() == self.table.width { 0 } else { level * self.table.width };
                let found = &mut table[first..][..self.table.width];
                lines_of_image(self.table.row(level), moments, sums, area, lines, found);
            }
            (lines, table)
        };
        norm::back(context, features, &affine, activation, gradient, residual, lines)
    }

    /// Records what [`NormPlus::back`] found.
    pub fn record<'n>(&'n self, context: &Context, table: &[f32], into: &mut Gradients<'n>) {
        into.record_values(context, self, &[table]);
    }
}

/// What [`norm::back`] asks of the maps of an image; the gradient of γ, α and β is added to `found`.
fn lines_of_image(
    row: &[f32],
    moments: &[[Lanes; 2]],
    sums: &[[Lanes; 2]],
    area: f32,
    lines: &mut [[Lanes; 2]],
    found: &mut [f32],
) {
    let [gamma, alpha, _] = parts(row);
    let count = gamma.len();
    let of = statistics(moments, count, area);
    let at = |lanes: &[[Lanes; 2]], channel: usize| lanes[channel / Lanes::WIDTH].map(|x| x.0[channel % Lanes::WIDTH]);
    let of_place = |channel: usize| gamma[channel] * alpha[channel] * at(sums, channel)[0];
    let middle = (0..count).map(of_place).sum::<f32>() / count as f32;
    let along = of.channels.iter().enumerate().map(|(channel, of)| of_place(channel) * of.place).sum::<f32>();
    for (channel, statistics) in of.channels.iter().enumerate() {
        let ([plain, centred], place) = (at(sums, channel), statistics.place);
        let product = centred * statistics.inverse;
        found[channel] += product + alpha[channel] * place * plain;
        found[count + channel] += gamma[channel] * place * plain;
        found[2 * count + channel] += plain;
        let of_mean = (of_place(channel) - middle - place * along / (count - 1) as f32) * of.inverse_spread;
        let scale = gamma[channel] * statistics.inverse;
        let slope = -scale * product * statistics.inverse / area;
        let offset = (of_mean - scale * plain) / area - slope * statistics.mean;
        let line = &mut lines[channel / Lanes::WIDTH];
        line.iter_mut().zip([slope, offset]).for_each(|(to, x)| to.0[channel % Lanes::WIDTH] = x);
    }
}

impl Leaf for NormPlus {
    fn slot(&self) -> usize {
        self.slots.iter().copied().min().unwrap_or(0)
    }

    fn publish(&self, gradient: &[Lanes], parameters: &mut [Vec<f32>]) {
        publish_values(gradient, &self.slots, parameters);
    }
}
