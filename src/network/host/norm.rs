//! Group normalisation and nonlinearities.

mod gradient;

pub(super) use gradient::{back, before, deactivate};

use super::linear::Rows;
use super::maps::{Buffer, Features, Maps, Part, places};
use super::simd::{Kernel, Lanes, Simd};
use super::{Context, for_each};
use crate::network::Nonlinearity;
use crate::network::layers::Pair;
use crate::network::profile::LayerKind;
use rayon::prelude::*;

/// Group normalisation over features in parts.
#[derive(Debug)]
pub(super) struct Norm {
    slot: usize,
    groups: usize,
    epsilon: f32,
    weight: Vec<f32>,
    bias: Vec<f32>,
    /// The channel in each place.
    places: Vec<Option<usize>>,
}

/// How the noise level shifts, or scales and shifts, channels (FiLM, Perez et al. 2018): one row for all images or one for each.
#[derive(Clone, Copy, Debug)]
pub(super) enum Film<'a> {
    Nothing,
    /// Added to the channels before they are normalised.
    Added(&'a Rows),
    /// (scale, shift): normalised channels become h·(1 + scale) + shift.
    Modulated(&'a Rows),
}

/// Scale and shift of every channel of every image, which is all that a normalisation amounts to.
#[derive(Debug)]
pub(super) struct Affine {
    pub blocks: usize,
    /// For each image and block the scale, then the shift.
    pub values: Buffer,
}

impl Affine {
    /// Scale and shift of a map.
    pub fn of(&self, image: usize, block: usize) -> [Lanes; 2] {
        let place = 2 * (image * self.blocks + block);
        [self.values[place], self.values[place + 1]]
    }
}

impl Norm {
    pub fn new(groups: usize, epsilon: f64, of: Pair, parts: &[usize]) -> Self {
        let Pair { slot, weight, bias } = of;
        let (weight, bias) = (weight.to_vec(), bias.to_vec());
        Norm { slot, groups, epsilon: epsilon as f32, weight, bias, places: places(parts) }
    }

    pub fn affine(&self, context: &Context, features: &Features, film: Film) -> Affine {
        let moments = moments_of(context, features);
        let mut stopwatch = context.stopwatch();
        let ([images, height, width], blocks) = (features.size(), features.blocks());
        let mut values = context.pool.take(2 * images * blocks);
        for (image, (values, maps)) in values.chunks_mut(2 * blocks).zip(moments.chunks(blocks)).enumerate() {
            let mut channels = self.channels_of(maps, film, image);
            self.image(&mut channels, (height * width) as f32, film, image);
            for (place, channel) in self.places.iter().enumerate() {
                let Moments { mean: shift, squares: scale } = channel.map_or(Moments::default(), |c| channels[c]);
                let (block, lane) = (place / Lanes::WIDTH, place % Lanes::WIDTH);
                values[2 * block].0[lane] = scale;
                values[2 * block + 1].0[lane] = shift;
            }
        }
        stopwatch.lap(LayerKind::Normalisation);
        Affine { blocks, values }
    }

    /// Mean and summed squares of each channel of an image, with what is added to it.
    fn channels_of(&self, maps: &[[Lanes; 2]], film: Film, image: usize) -> Vec<Moments> {
        let mut channels = vec![Moments::default(); self.weight.len()];
        for (place, channel) in self.places.iter().enumerate() {
            let Some(channel) = *channel else { continue };
            let [mean, squares] = maps[place / Lanes::WIDTH].map(|lanes| lanes.0[place % Lanes::WIDTH]);
            channels[channel] = Moments { mean, squares };
        }
        if let Film::Added(rows) = film {
            channels.iter_mut().zip(rows.row(image)).for_each(|(channel, offset)| channel.mean += offset);
        }
        channels
    }

    /// Mean and inverse standard deviation of a group.
    fn statistics(&self, group: &[Moments], area: f32) -> [f32; 2] {
        let members = group.len() as f32;
        let mean = group.iter().map(|channel| channel.mean).sum::<f32>() / members;
        let around = |channel: &Moments| channel.squares + area * (channel.mean - mean).powi(2);
        let variance = group.iter().map(around).sum::<f32>() / (members * area);
        [mean, (variance + self.epsilon).sqrt().recip()]
    }

    /// From the mean and the summed squares of each channel to its shift and scale.
    fn image(&self, channels: &mut [Moments], area: f32, film: Film, image: usize) {
        let members = channels.len() / self.groups;
        let affine = self.weight.chunks(members).zip(self.bias.chunks(members));
        for (group, (weight, bias)) in channels.chunks_mut(members).zip(affine) {
            let [mean, inverse] = self.statistics(group, area);
            for ((channel, weight), bias) in group.iter_mut().zip(weight).zip(bias) {
                let scale = inverse * weight;
                *channel = Moments { mean: bias - mean * scale, squares: scale };
            }
        }
        match film {
            Film::Nothing => {}
            // The maps themselves have no offset.
            Film::Added(rows) => {
                channels.iter_mut().zip(rows.row(image)).for_each(|(channel, offset)| {
                    channel.mean += offset * channel.squares;
                });
            }
            Film::Modulated(rows) => {
                let (scales, shifts) = rows.row(image).split_at(channels.len());
                for ((channel, scale), shift) in channels.iter_mut().zip(scales).zip(shifts) {
                    let factor = 1.0 + scale;
                    *channel = Moments { mean: channel.mean * factor + shift, squares: channel.squares * factor };
                }
            }
        }
    }
}

/// Mean and summed squares around it of a channel; later its shift and scale.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    mean: f32,
    squares: f32,
}

/// Mean and summed squares around it of every map, computed once.
pub(super) fn moments<'a>(context: &Context, part: &'a Part) -> &'a Buffer {
    part.moments.get_or_init(|| {
        let maps = &part.maps;
        let mut moments = context.pool.take(2 * maps.images * maps.blocks());
        moments.par_chunks_mut(2).zip(maps.lanes.par_chunks(maps.area())).for_each(|(out, map)| {
            let mut stopwatch = context.stopwatch();
            context.isa.run(MapMoments { map, out });
            stopwatch.lap(LayerKind::Normalisation);
        });
        moments
    })
}

/// [`moments`] of all maps, image by image.
pub(super) fn moments_of(context: &Context, features: &Features) -> Vec<[Lanes; 2]> {
    let [images, ..] = features.size();
    let parts: Vec<&[[Lanes; 2]]> = features.0.iter().map(|part| moments(context, part).as_chunks().0).collect();
    let of_image = |image: usize| {
        parts.iter().flat_map(move |part| {
            let each = part.len() / images;
            &part[image * each..][..each]
        })
    };
    (0..images).flat_map(of_image).copied().collect()
}

struct MapMoments<'a> {
    map: &'a [Lanes],
    out: &'a mut [Lanes],
}

impl Kernel for MapMoments<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let share = simd.splat(1.0 / self.map.len() as f32);
        let zero = simd.splat(0.0);
        let mean = simd.mul(squares::<S, false>(simd, self.map, zero), share);
        simd.store(&mut self.out[0], mean);
        simd.store(&mut self.out[1], squares::<S, true>(simd, self.map, mean));
    }
}

/// Σ (x − centre), squared or not: sums of sums, so that large maps lose nothing.
#[inline(always)]
fn squares<S: Simd, const SQUARED: bool>(simd: S, map: &[Lanes], centre: S::V) -> S::V {
    let zero = simd.splat(0.0);
    let mut total = zero;
    for chunk in map.chunks(64) {
        let mut sums = [zero; 4];
        let (fours, rest) = chunk.as_chunks::<4>();
        for four in fours {
            for i in 0..4 {
                let x = simd.sub(simd.load(&four[i]), centre);
                sums[i] = if SQUARED { simd.fma(x, x, sums[i]) } else { simd.add(x, sums[i]) };
            }
        }
        for lanes in rest {
            let x = simd.sub(simd.load(lanes), centre);
            sums[0] = if SQUARED { simd.fma(x, x, sums[0]) } else { simd.add(x, sums[0]) };
        }
        total = simd.add(total, simd.add(simd.add(sums[0], sums[1]), simd.add(sums[2], sums[3])));
    }
    total
}

/// The sum over all pixels of all images, for each sixteen of channels.
pub(super) fn sums_of(context: &Context, features: &Features, sums: &mut [Lanes]) {
    let [images, ..] = features.size();
    let blocks = sums.iter_mut().enumerate().collect();
    for_each(context.alone, blocks, |(block, sum)| {
        let mut stopwatch = context.stopwatch();
        *sum = Lanes::default();
        for map in (0..images).filter_map(|image| features.map(image, block)) {
            context.isa.run(AddSum { map, sum });
        }
        stopwatch.lap(LayerKind::Normalisation);
    });
}

struct AddSum<'a> {
    map: &'a [Lanes],
    sum: &'a mut Lanes,
}

impl Kernel for AddSum<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let sum = squares::<S, false>(simd, self.map, simd.splat(0.0));
        simd.store(self.sum, simd.add(simd.load(self.sum), sum));
    }
}

/// Rows of a map, scaled, shifted and activated.
pub(super) struct Pixelwise<'a> {
    pub from: &'a [Lanes],
    pub width: usize,
    pub to: &'a mut [Lanes],
    /// From row to row of `to`.
    pub pitch: usize,
    pub affine: Option<[Lanes; 2]>,
    pub activation: Option<Nonlinearity>,
}

/// 2·√(2/π).
const TWICE_ROOT: f32 = 1.595_769;
/// Of the Gaussian error linear unit's approximation.
const CUBIC: f32 = 0.044_715;

/// A nonlinearity on sixteen values.
trait Activation {
    fn of<S: Simd>(simd: S, x: S::V) -> S::V;
}

struct Identity;
struct Swish;
struct Elu;
struct Relu;
struct LeakyRelu;
struct Gelu;

impl Activation for Identity {
    #[inline(always)]
    fn of<S: Simd>(_: S, x: S::V) -> S::V {
        x
    }
}

impl Activation for Swish {
    /// x/(1 + e⁻ˣ).
    #[inline(always)]
    fn of<S: Simd>(simd: S, x: S::V) -> S::V {
        let one = simd.splat(1.0);
        simd.mul(x, simd.reciprocal(simd.add(one, exp(simd, simd.sub(simd.splat(0.0), x)))))
    }
}

impl Activation for Elu {
    #[inline(always)]
    fn of<S: Simd>(simd: S, x: S::V) -> S::V {
        let zero = simd.splat(0.0);
        let below = simd.sub(exp(simd, simd.min(zero, x)), simd.splat(1.0));
        simd.add(simd.max(zero, x), below)
    }
}

impl Activation for Relu {
    #[inline(always)]
    fn of<S: Simd>(simd: S, x: S::V) -> S::V {
        simd.max(simd.splat(0.0), x)
    }
}

impl Activation for LeakyRelu {
    #[inline(always)]
    fn of<S: Simd>(simd: S, x: S::V) -> S::V {
        simd.max(simd.mul(simd.splat(0.2), x), x)
    }
}

impl Gelu {
    /// ½·(1 + tanh y) = 1/(1 + e^(−2y)) with y = √(2/π)·(x + 0.044715·x³).
    #[inline(always)]
    fn gate<S: Simd>(simd: S, x: S::V) -> S::V {
        let inner = simd.fma(simd.mul(x, x), simd.splat(-TWICE_ROOT * CUBIC), simd.splat(-TWICE_ROOT));
        simd.reciprocal(simd.add(simd.splat(1.0), exp(simd, simd.mul(x, inner))))
    }
}

impl Activation for Gelu {
    #[inline(always)]
    fn of<S: Simd>(simd: S, x: S::V) -> S::V {
        simd.mul(x, Gelu::gate(simd, x))
    }
}

impl Kernel for Pixelwise<'_> {
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

impl Pixelwise<'_> {
    #[inline(always)]
    fn all<S: Simd, A: Activation>(self, simd: S) {
        let [scale, shift] = self.affine.unwrap_or([Lanes([1.0; 16]), Lanes::default()]);
        let (scale, shift) = (simd.load(&scale), simd.load(&shift));
        for (from, to) in self.from.chunks(self.width).zip(self.to.chunks_mut(self.pitch)) {
            for (from, to) in from.iter().zip(to) {
                simd.store(to, A::of(simd, simd.fma(simd.load(from), scale, shift)));
            }
        }
    }
}

/// Features through a nonlinearity.
pub(super) fn activated(context: &Context, features: &Features, kind: Nonlinearity) -> Features {
    let parts = features.0.iter().flat_map(|part| {
        let maps = &part.maps;
        let mut out = Maps::new(context.pool, maps.images, maps.channels, maps.height, maps.width);
        let width = maps.area();
        out.lanes.par_chunks_mut(width).zip(maps.lanes.par_chunks(width)).for_each(|(to, from)| {
            let mut stopwatch = context.stopwatch();
            context.isa.run(Pixelwise { from, width, to, pitch: width, affine: None, activation: Some(kind) });
            stopwatch.lap(LayerKind::Normalisation);
        });
        Features::from(out).0
    });
    Features(parts.collect())
}

/// eˣ to about two units in the last place for −87 ≤ x ≤ 87, at those ends beyond. x = k·ln 2 + r with |r| ≤ ½ ln 2,
/// and eʳ by its Taylor polynomial.
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: S::V) -> S::V {
    /// Adding and taking away 1.5·2²³ rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    /// −ln 2 in two parts, the first short enough that its product with k is exact.
    const MINUS_LN_2: [f32; 2] = [-0.693_359_4, 2.121_944_4e-4];
    let x = simd.max(simd.splat(-87.0), simd.min(simd.splat(87.0), x));
    let shifted = simd.fma(x, simd.splat(std::f32::consts::LOG2_E), simd.splat(ROUND));
    let k = simd.sub(shifted, simd.splat(ROUND));
    let r = simd.fma(k, simd.splat(MINUS_LN_2[1]), simd.fma(k, simd.splat(MINUS_LN_2[0]), x));
    let mut series = simd.splat(1.0 / 5040.0);
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = simd.fma(series, r, simd.splat(coefficient));
    }
    simd.mul(series, simd.power_of_two(shifted))
}

#[cfg(test)]
mod tests {
    use super::super::simd::Isa;
    use super::*;
    use std::f64::consts::FRAC_2_PI;

    pub const ALL: [Nonlinearity; 5] =
        [Nonlinearity::Swish, Nonlinearity::Elu, Nonlinearity::Relu, Nonlinearity::LeakyRelu, Nonlinearity::Gelu];

    /// A nonlinearity by its definition.
    pub fn exact(kind: Nonlinearity, x: f64) -> f64 {
        match kind {
            Nonlinearity::Swish => x / (1.0 + (-x).exp()),
            Nonlinearity::Elu => x.max(0.0) + x.min(0.0).exp_m1(),
            Nonlinearity::Relu => x.max(0.0),
            Nonlinearity::LeakyRelu => x.max(0.2 * x),
            Nonlinearity::Gelu => x * 0.5 * (1.0 + (FRAC_2_PI.sqrt() * (x + 0.044715 * x.powi(3))).tanh()),
        }
    }

    struct Exp<'a>(&'a mut [Lanes]);

    impl Kernel for Exp<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            for x in self.0 {
                simd.store(x, exp(simd, simd.load(x)));
            }
        }
    }

    #[test]
    fn exponential_is_that_of_the_standard_library() {
        for isa in Isa::all() {
            for first in (-870_000..=869_984).step_by(16) {
                let x: [f32; 16] = std::array::from_fn(|lane| (first + lane as i32) as f32 * 1e-4);
                let mut found = [Lanes(x)];
                isa.run(Exp(&mut found));
                for (x, found) in x.into_iter().zip(found[0].0) {
                    let exact = f64::from(x).exp();
                    assert!((f64::from(found) / exact - 1.0).abs() < 3e-7, "{isa:?}: e^{x} is {exact}, not {found}");
                }
            }
            let mut ends = [Lanes([f32::INFINITY; 16]), Lanes([f32::NEG_INFINITY; 16])];
            isa.run(Exp(&mut ends));
            assert!(ends[0].0[0].is_finite() && ends[1].0[0] > 0.0);
        }
    }

    #[test]
    fn nonlinearities_are_those_of_their_definitions() {
        for isa in Isa::all() {
            for kind in ALL {
                let from: Vec<Lanes> = (0..64).map(|i| Lanes([i as f32 - 32.0; 16])).collect();
                let mut to = vec![Lanes::default(); 64];
                let activation = Some(kind);
                isa.run(Pixelwise { from: &from, width: 64, to: &mut to, pitch: 64, affine: None, activation });
                for (x, y) in from.iter().zip(&to) {
                    let expected = exact(kind, f64::from(x.0[0]));
                    assert!((f64::from(y.0[3]) - expected).abs() <= 3e-7 * expected.abs().max(1.0), "{kind:?}({x:?})");
                }
                let mut lost = [Lanes::default()];
                let from = [Lanes([f32::NAN; 16])];
                isa.run(Pixelwise { from: &from, width: 1, to: &mut lost, pitch: 1, affine: None, activation });
                assert!(lost[0].0.iter().all(|x| x.is_nan()), "{isa:?}: {kind:?} hides what is not a number");
            }
        }
    }
}
