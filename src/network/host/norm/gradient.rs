//! The gradient of group normalisation and the nonlinearity after it.

use super::{
    Activation, Affine, CUBIC, Elu, Film, Gelu, Identity, LeakyRelu, Moments, Norm, Relu, Swish, TWICE_ROOT, exp,
    moments_of,
};
use crate::network::Nonlinearity;
use crate::network::host::Context;
use crate::network::host::gemm::blocks_of;
use crate::network::host::gradients::{Gradients, Leaf, publish_values};
use crate::network::host::maps::{Buffer, Features, Maps};
use crate::network::host::read::Residual;
use crate::network::host::simd::{Kernel, Lanes, Simd};
use crate::network::profile::LayerKind;
use rayon::prelude::*;

/// The gradients of a normalisation's parameters, and of what the noise level makes of it.
#[derive(Debug)]
pub(in crate::network::host) struct Found {
    weight: Vec<f32>,
    bias: Vec<f32>,
    /// Of the [`Film`], a row for each image; empty where there is none.
    pub film: Vec<f32>,
}

impl Norm {
    /// From the gradient of the activated features to that of the features, plus the residual. Gradients lie in the
    /// places of the features' parts.
    ///
    /// With x̂ = (x − μ)/s, μ and s of a group, and g the gradient of x̂: ∂x = (g − ⟨g⟩ − x̂·⟨g·x̂⟩)/s.
    pub fn back(
        &self,
        context: &Context,
        features: &Features,
        film: Film,
        activation: Option<Nonlinearity>,
        gradient: Maps,
        residual: Option<Residual>,
    ) -> (Maps, Found) {
        let affine = self.affine(context, features, film);
        let (blocks, area) = (features.blocks(), gradient.area() as f32);
        let lines = |moments: &[_], sums: &[_]| self.lines(moments, sums, blocks, area, film);
        back(context, features, &affine, activation, gradient, residual, lines)
    }

    /// Records what [`Norm::back`] found.
    pub fn record<'n>(&'n self, context: &Context, found: &Found, into: &mut Gradients<'n>) {
        into.record_values(context, self, &[&found.weight, &found.bias]);
    }

    /// What [`back`] asks of every map.
    fn lines(
        &self,
        moments: &[[Lanes; 2]],
        sums: &[[Lanes; 2]],
        blocks: usize,
        area: f32,
        film: Film,
    ) -> (Vec<[Lanes; 2]>, Found) {
        let mut lines = vec![[Lanes::default(); 2]; moments.len()];
        let zeros = vec![0.0; self.weight.len()];
        let mut found = Found { weight: zeros.clone(), bias: zeros, film: Vec::new() };
        let images = lines.chunks_mut(blocks).zip(moments.chunks(blocks)).zip(sums.chunks(blocks));
        for (image, ((lines, moments), sums)) in images.enumerate() {
            let channels = self.channels_of(moments, film, image);
            let mut of_channels = vec![[0.0; 2]; channels.len()];
            for (place, channel) in self.places.iter().enumerate() {
                let Some(channel) = *channel else { continue };
                of_channels[channel] = sums[place / Lanes::WIDTH].map(|lanes| lanes.0[place % Lanes::WIDTH]);
            }
            self.lines_of_image(&channels, &mut of_channels, area, film, image, &mut found);
            for (place, channel) in self.places.iter().enumerate() {
                let Some(channel) = *channel else { continue };
                let line = &mut lines[place / Lanes::WIDTH];
                line.iter_mut().zip(of_channels[channel]).for_each(|(to, x)| to.0[place % Lanes::WIDTH] = x);
            }
        }
        (lines, found)
    }

    /// From the sums of each channel to its slope and offset.
    fn lines_of_image(
        &self,
        channels: &[Moments],
        sums: &mut [[f32; 2]],
        area: f32,
        film: Film,
        image: usize,
        found: &mut Found,
    ) {
        let members = channels.len() / self.groups;
        let added = |channel: usize| if let Film::Added(rows) = film { rows.row(image)[channel] } else { 0.0 };
        let factor =
            |channel: usize| if let Film::Modulated(rows) = film { 1.0 + rows.row(image)[channel] } else { 1.0 };
        let row = found.film.len();
        found.film.resize(row + film.width(channels.len()), 0.0);
        for (group, (channels_of, sums)) in channels.chunks(members).zip(sums.chunks_mut(members)).enumerate() {
            let first = group * members;
            let [mean, inverse] = self.statistics(channels_of, area);
            let (mut plain, mut product) = (0.0, 0.0);
            for (index, (channel, [sum, centred])) in channels_of.iter().zip(&*sums).enumerate() {
                let (place, factor) = (first + index, factor(first + index));
                // The sum of the gradients' products with x̂.
                let normal = inverse * (centred + (channel.mean - mean) * sum);
                plain += self.weight[place] * factor * sum;
                product += self.weight[place] * factor * normal;
                found.weight[place] += factor * normal;
                found.bias[place] += factor * sum;
                if let Film::Modulated(_) = film {
                    found.film[row + place] = self.weight[place] * normal + self.bias[place] * sum;
                    found.film[row + channels.len() + place] = *sum;
                }
            }
            let share = (members as f32 * area).recip();
            let slope = -inverse * inverse * product * share;
            for (index, (line, channel)) in sums.iter_mut().zip(channels_of).enumerate() {
                let place = first + index;
                if let Film::Added(_) = film {
                    let normal = inverse * (channel.mean - mean) * area;
                    found.film[row + place] =
                        inverse * (self.weight[place] * line[0] - (plain * area + product * normal) * share);
                }
                *line = [slope, (added(place) - mean) * slope - inverse * plain * share];
            }
        }
    }
}

impl Film<'_> {
    /// Values of a row for so many channels.
    fn width(self, channels: usize) -> usize {
        match self {
            Film::Nothing => 0,
            Film::Added(_) => channels,
            Film::Modulated(_) => 2 * channels,
        }
    }
}

impl Leaf for Norm {
    fn slot(&self) -> usize {
        self.slot
    }

    fn publish(&self, gradient: &[Lanes], parameters: &mut [Vec<f32>]) {
        publish_values(gradient, &[self.slot, self.slot + 1], parameters);
    }
}

/// From the gradient of features that were scaled, shifted and activated to that of the features, plus the residual.
///
/// Scale and shift follow from the features' moments, so that a pixel x has slope·x + offset besides its own part:
/// `lines` says both, of every map, from the maps' moments, and from the sums of each map's gradient after scale and
/// shift and of its products with the features less their mean.
pub(in crate::network::host) fn back<F>(
    context: &Context,
    features: &Features,
    affine: &Affine,
    activation: Option<Nonlinearity>,
    mut gradient: Maps,
    residual: Option<Residual>,
    lines: impl FnOnce(&[[Lanes; 2]], &[[Lanes; 2]]) -> (Vec<[Lanes; 2]>, F),
) -> (Maps, F) {
    let moments = moments_of(context, features);
    let sums = deactivate(context, features, Some((affine, &moments)), activation, &mut gradient);
    let (lines, found) = lines(&moments, sums.as_chunks().0);
    let (blocks, area) = (features.blocks(), gradient.area());
    gradient.lanes.par_chunks_mut(area).enumerate().for_each(|(index, map)| {
        let mut stopwatch = context.stopwatch();
        let (image, block) = (index / blocks, index % blocks);
        let Some(x) = features.map(image, block) else { return };
        let ([scale, _], [slope, offset]) = (affine.of(image, block), lines[index]);
        let added = residual.map(|residual| (residual.maps.map(image, block), residual.scale));
        context.isa.run(Denormalize { x, gradient: map, line: [scale, slope, offset], added });
        stopwatch.lap(LayerKind::Normalisation);
    });
    (gradient, found)
}

/// Brings the gradient of activated features before the nonlinearity, where the features were scaled and shifted if
/// they were normalised; and the two sums of each map that [`back`] needs.
pub(in crate::network::host) fn deactivate(
    context: &Context,
    features: &Features,
    normal: Option<(&Affine, &[[Lanes; 2]])>,
    activation: Option<Nonlinearity>,
    gradient: &mut Maps,
) -> Buffer {
    let (blocks, area) = (features.blocks(), gradient.area());
    let mut sums = context.pool.take(2 * gradient.images * blocks);
    gradient.lanes.par_chunks_mut(area).zip(sums.par_chunks_mut(2)).enumerate().for_each(|(index, (map, sums))| {
        let mut stopwatch = context.stopwatch();
        let (image, block) = (index / blocks, index % blocks);
        let Some(x) = features.map(image, block) else { return };
        let affine = normal.map_or(AS_THEY_ARE, |(affine, _)| affine.of(image, block));
        let mean = &normal.map_or(Lanes::default(), |(_, moments)| moments[index][0]);
        context.isa.run(Deactivate { x, gradient: map, affine, mean, sums, activation });
        stopwatch.lap(LayerKind::Normalisation);
    });
    sums
}

/// The scale and the shift of what is not normalised.
const AS_THEY_ARE: [Lanes; 2] = [Lanes([1.0; 16]), Lanes([0.0; 16])];

/// The gradient of values before a nonlinearity, from that after it.
pub(in crate::network::host) fn before(context: &Context, x: &[f32], kind: Nonlinearity, gradient: &mut [f32]) {
    let lanes = |values: &[f32]| blocks_of(1, values.len(), |_, column| values[column]);
    let (x, mut slopes) = (lanes(x), lanes(gradient));
    let (affine, mean) = (AS_THEY_ARE, &Lanes::default());
    let (activation, mut sums) = (Some(kind), [Lanes::default(); 2]);
    context.isa.run(Deactivate { x: &x, gradient: &mut slopes, affine, mean, sums: &mut sums, activation });
    gradient.iter_mut().zip(slopes.iter().flat_map(|lanes| lanes.0)).for_each(|(to, slope)| *to = slope);
}

/// Brings the gradient of one activated map before the nonlinearity, and sums it.
struct Deactivate<'a> {
    x: &'a [Lanes],
    gradient: &'a mut [Lanes],
    affine: [Lanes; 2],
    mean: &'a Lanes,
    sums: &'a mut [Lanes],
    activation: Option<Nonlinearity>,
}

/// The derivative of a nonlinearity.
trait Derivative: Activation {
    fn derivative<S: Simd>(simd: S, x: S::V) -> S::V;
}

impl Derivative for Identity {
    #[inline(always)]
    fn derivative<S: Simd>(simd: S, _: S::V) -> S::V {
        simd.splat(1.0)
    }
}

impl Derivative for Swish {
    /// s·(1 + x·(1 − s)) with s = 1/(1 + e⁻ˣ).
    #[inline(always)]
    fn derivative<S: Simd>(simd: S, x: S::V) -> S::V {
        let one = simd.splat(1.0);
        let s = simd.reciprocal(simd.add(one, exp(simd, simd.sub(simd.splat(0.0), x))));
        simd.mul(s, simd.fma(x, simd.sub(one, s), one))
    }
}

impl Derivative for Elu {
    #[inline(always)]
    fn derivative<S: Simd>(simd: S, x: S::V) -> S::V {
        exp(simd, simd.min(simd.splat(0.0), x))
    }
}

impl Derivative for Relu {
    #[inline(always)]
    fn derivative<S: Simd>(simd: S, x: S::V) -> S::V {
        simd.positive(x)
    }
}

impl Derivative for LeakyRelu {
    #[inline(always)]
    fn derivative<S: Simd>(simd: S, x: S::V) -> S::V {
        simd.fma(simd.splat(0.8), simd.positive(x), simd.splat(0.2))
    }
}

impl Derivative for Gelu {
    /// s·(1 + x·(1 − s)·2y′) with s = ½·(1 + tanh y).
    #[inline(always)]
    fn derivative<S: Simd>(simd: S, x: S::V) -> S::V {
        let (one, s) = (simd.splat(1.0), Gelu::gate(simd, x));
        let slope = simd.fma(simd.mul(x, x), simd.splat(3.0 * TWICE_ROOT * CUBIC), simd.splat(TWICE_ROOT));
        simd.mul(s, simd.fma(simd.mul(x, simd.sub(one, s)), slope, one))
    }
}

impl Kernel for Deactivate<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match self.activation {
            None => self.all::<S, Identity>(simd),
            Some(Nonlinearity::Swish) => self.all::<S, Swish>(simd),
            Some(Nonlinearity::Elu) => self.all::<S, Elu>(simd),
            Some(Nonlinearity::Relu) => self.all::<S, Relu>(simd),
            Some(Nonlinearity::LeakyRelu) => self.all::<S, LeakyRelu>(simd),
            Some(Nonlinearity::Gelu) => self.all::<S, Gelu>(simd),
        }
    }
}

impl Deactivate<'_> {
    #[inline(always)]
    fn all<S: Simd, A: Derivative>(self, simd: S) {
        let (scale, shift) = (simd.load(&self.affine[0]), simd.load(&self.affine[1]));
        let (mean, zero) = (simd.load(self.mean), simd.splat(0.0));
        let (mut plain, mut centred) = (zero, zero);
        // Sums of sums, so that large maps lose nothing.
        for (gradient, x) in self.gradient.chunks_mut(64).zip(self.x.chunks(64)) {
            let (mut some, mut products) = (zero, zero);
            for (gradient, x) in gradient.iter_mut().zip(x) {
                let x = simd.load(x);
                let slope = A::derivative(simd, simd.fma(x, scale, shift));
                let value = simd.mul(simd.load(gradient), slope);
                simd.store(gradient, value);
                some = simd.add(some, value);
                products = simd.fma(value, simd.sub(x, mean), products);
            }
            plain = simd.add(plain, some);
            centred = simd.add(centred, products);
        }
        simd.store(&mut self.sums[0], plain);
        simd.store(&mut self.sums[1], centred);
    }
}

/// scale·gradient + slope·x + offset, plus what is added.
struct Denormalize<'a> {
    x: &'a [Lanes],
    gradient: &'a mut [Lanes],
    line: [Lanes; 3],
    added: Option<(&'a [Lanes], f32)>,
}

impl Kernel for Denormalize<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let [scale, slope, offset] = &self.line;
        let (scale, slope, offset) = (simd.load(scale), simd.load(slope), simd.load(offset));
        for (index, (gradient, x)) in self.gradient.iter_mut().zip(self.x).enumerate() {
            let mut value = simd.fma(simd.load(gradient), scale, simd.fma(simd.load(x), slope, offset));
            if let Some((added, factor)) = self.added {
                value = simd.fma(simd.load(&added[index]), simd.splat(factor), value);
            }
            simd.store(gradient, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ALL, exact};
    use super::*;
    use crate::network::host::simd::Isa;

    #[test]
    fn derivatives_are_those_of_differences() {
        let x: Vec<Lanes> =
            (0..80).map(|i| Lanes(std::array::from_fn(|lane| (i * 16 + lane) as f32 / 64.0 - 9.99))).collect();
        let affine = [Lanes([0.5; 16]), Lanes([0.25; 16])];
        for isa in Isa::all() {
            for kind in ALL {
                let (mut gradient, mut sums) = (vec![Lanes([2.0; 16]); x.len()], [Lanes::default(); 2]);
                let mean = &Lanes([1.0; 16]);
                let activation = Some(kind);
                isa.run(Deactivate { x: &x, gradient: &mut gradient, affine, mean, sums: &mut sums, activation });
                let mut expected = [0.0; 2];
                for (x, found) in x.iter().zip(&gradient) {
                    let at = |x: f64| exact(kind, 0.5 * x + 0.25);
                    for (lane, (x, found)) in x.0.iter().zip(found.0).enumerate() {
                        let x = f64::from(*x);
                        // With respect to what comes out of scale and shift.
                        let slope = 2.0 * (at(x + 1e-5) - at(x - 1e-5)) / 1e-5;
                        assert!(
                            (f64::from(found) - slope).abs() < 1e-5,
                            "{isa:?}: {kind:?} at {x}: {found}, not {slope}"
                        );
                        if lane == 3 {
                            expected = [expected[0] + slope, expected[1] + slope * (x - 1.0)];
                        }
                    }
                }
                for (found, expected) in sums.iter().zip(expected) {
                    assert!(
                        (f64::from(found.0[3]) - expected).abs() < 1e-4 * expected.abs().max(1.0),
                        "{isa:?}: {kind:?}"
                    );
                }
            }
        }
    }
}
