//! The gradient of group normalisation and the nonlinearity after it.

use super::{Activation, Elu, Identity, LeakyRelu, Norm, Relu, Swish, Told, exp, moments};
use crate::network::Nonlinearity;
use crate::network::host::Context;
use crate::network::host::maps::{Features, Maps};
use crate::network::host::read::Residual;
use crate::network::host::simd::{Kernel, Lanes, Simd};
use crate::network::profile::LayerKind;
use rayon::prelude::*;

/// What the gradient of a channel needs to know of it.
#[derive(Clone, Copy, Debug, Default)]
struct Channel {
    mean: f32,
    /// Summed squares around the mean.
    squares: f32,
    /// Of the gradient after scale and shift, and of its products with the features less their mean.
    sums: [f32; 2],
    /// The gradient of a pixel x has slope·x + offset besides its own part.
    slope: f32,
    offset: f32,
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
        told: Told,
        activation: Option<Nonlinearity>,
        mut gradient: Maps,
        residual: Option<Residual>,
    ) -> Maps {
        let affine = self.affine(context, features, told);
        let (blocks, area) = (features.blocks(), gradient.area());
        let means: Vec<Lanes> = self.moments_of(context, features, 0);
        let mut sums = context.pool.take(2 * gradient.images * blocks);
        gradient.lanes.par_chunks_mut(area).zip(sums.par_chunks_mut(2)).enumerate().for_each(|(index, (map, sums))| {
            let mut watch = context.watch();
            let (image, block) = (index / blocks, index % blocks);
            let Some(x) = features.map(image, block) else { return };
            let (affine, mean) = (affine.of(image, block), &means[index]);
            context.isa.run(Deactivate { x, gradient: map, affine, mean, sums, activation });
            watch.lap(LayerKind::Normalisation);
        });
        let lines = self.lines(context, features, told, &means, &sums);
        gradient.lanes.par_chunks_mut(area).enumerate().for_each(|(index, map)| {
            let mut watch = context.watch();
            let (image, block) = (index / blocks, index % blocks);
            let Some(x) = features.map(image, block) else { return };
            let ([scale, _], [slope, offset]) = (affine.of(image, block), lines[index]);
            let added = residual.map(|residual| (residual.maps.map(image, block), residual.scale));
            context.isa.run(Denormalize { x, gradient: map, line: [scale, slope, offset], added });
            watch.lap(LayerKind::Normalisation);
        });
        gradient
    }

    /// The means (0) or the summed squares (1) of all maps, image by image.
    fn moments_of(&self, context: &Context, features: &Features, which: usize) -> Vec<Lanes> {
        let [images, ..] = features.size();
        let of_image = |image: usize| {
            features.0.iter().flat_map(move |part| {
                let of_part = moments(context, part);
                let each = of_part.len() / images;
                of_part[image * each..][..each].iter().skip(which).step_by(2)
            })
        };
        (0..images).flat_map(of_image).copied().collect()
    }

    /// Slope and offset of every map.
    fn lines(
        &self,
        context: &Context,
        features: &Features,
        told: Told,
        means: &[Lanes],
        sums: &[Lanes],
    ) -> Vec<[Lanes; 2]> {
        let [_, height, width] = features.size();
        let blocks = features.blocks();
        let squares = self.moments_of(context, features, 1);
        let mut lines = vec![[Lanes::default(); 2]; means.len()];
        let mut channels = vec![Channel::default(); self.weight.len()];
        for (image, lines) in lines.chunks_mut(blocks).enumerate() {
            let at = |place: usize| (image * blocks + place / Lanes::WIDTH, place % Lanes::WIDTH);
            for (place, channel) in self.places.iter().enumerate() {
                let Some(channel) = *channel else { continue };
                let (map, lane) = at(place);
                let sums = [2 * map, 2 * map + 1].map(|index| sums[index].0[lane]);
                let (mean, squares) = (means[map].0[lane], squares[map].0[lane]);
                channels[channel] = Channel { mean, squares, sums, slope: 0.0, offset: 0.0 };
            }
            self.lines_of_image(&mut channels, (height * width) as f32, told, image);
            for (place, channel) in self.places.iter().enumerate() {
                let Some(channel) = channel.map(|channel| channels[channel]) else { continue };
                let [slope, offset] = &mut lines[place / Lanes::WIDTH];
                slope.0[place % Lanes::WIDTH] = channel.slope;
                offset.0[place % Lanes::WIDTH] = channel.offset;
            }
        }
        lines
    }

    fn lines_of_image(&self, channels: &mut [Channel], area: f32, told: Told, image: usize) {
        let count = channels.len();
        let members = count / self.groups;
        let told_of = |channel: usize| match told {
            Told::Nothing => [0.0, 1.0],
            Told::Added(rows) => [rows.row(image)[channel], 1.0],
            Told::Modulated(rows) => [0.0, 1.0 + rows.row(image)[channel]],
        };
        for (group, channels) in channels.chunks_mut(members).enumerate() {
            let first = group * members;
            let of = |index: usize| told_of(first + index);
            let mean = channels.iter().enumerate().map(|(i, c)| c.mean + of(i)[0]).sum::<f32>() / members as f32;
            let around = |(i, c): (usize, &Channel)| c.squares + area * (c.mean + of(i)[0] - mean).powi(2);
            let variance = channels.iter().enumerate().map(around).sum::<f32>() / (members as f32 * area);
            let inverse = (variance + self.epsilon).sqrt().recip();
            let (mut plain, mut product) = (0.0, 0.0);
            for (index, channel) in channels.iter().enumerate() {
                let ([offset, factor], [sum, centred]) = (of(index), channel.sums);
                let weight = self.weight[first + index] * factor;
                plain += weight * sum;
                product += weight * inverse * (centred + (channel.mean + offset - mean) * sum);
            }
            let share = (members as f32 * area).recip();
            for (index, channel) in channels.iter_mut().enumerate() {
                channel.slope = -inverse * inverse * product * share;
                channel.offset = (of(index)[0] - mean) * channel.slope - inverse * plain * share;
            }
        }
    }
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

impl Kernel for Deactivate<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match self.activation {
            None => self.all::<S, Identity>(simd),
            Some(Nonlinearity::Swish) => self.all::<S, Swish>(simd),
            Some(Nonlinearity::Elu) => self.all::<S, Elu>(simd),
            Some(Nonlinearity::Relu) => self.all::<S, Relu>(simd),
            Some(Nonlinearity::LeakyRelu) => self.all::<S, LeakyRelu>(simd),
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
    use super::*;
    use crate::network::host::simd::Isa;

    fn exact(kind: Nonlinearity, x: f64) -> f64 {
        match kind {
            Nonlinearity::Swish => x / (1.0 + (-x).exp()),
            Nonlinearity::Elu => x.max(0.0) + x.min(0.0).exp_m1(),
            Nonlinearity::Relu => x.max(0.0),
            Nonlinearity::LeakyRelu => x.max(0.2 * x),
        }
    }

    #[test]
    fn derivatives_are_those_of_differences() {
        let x: Vec<Lanes> =
            (0..80).map(|i| Lanes(std::array::from_fn(|lane| (i * 16 + lane) as f32 / 64.0 - 9.99))).collect();
        let affine = [Lanes([0.5; 16]), Lanes([0.25; 16])];
        for isa in Isa::all() {
            for kind in [Nonlinearity::Swish, Nonlinearity::Elu, Nonlinearity::Relu, Nonlinearity::LeakyRelu] {
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
