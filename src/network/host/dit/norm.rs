//! Normalisation of each token over its channels, scaled and shifted by what its image is told.

use super::modulation::{Half, Modulation, Part};
use crate::network::host::Context;
use crate::network::host::maps::{Features, Maps};
use crate::network::host::pointwise::{BAND, bands_of};
use crate::network::host::simd::{Kernel, Lanes, Simd, total};
use crate::network::profile::LayerKind;
use rayon::prelude::*;

/// ε of the normalisation.
const EPSILON: f32 = 1e-6;

/// Tokens whose sums stay in registers.
const TOGETHER: usize = 4;

/// norm(x)·factor + shift.
pub(super) fn normalized(context: &Context, x: &Features, told: Half) -> Maps {
    let ([images, height, width], channels) = (x.size(), told.channels());
    let mut out = Maps::new(context.pool, images, channels, height, width);
    let (area, blocks) = (out.area(), out.blocks());
    out.lanes.par_chunks_mut(blocks * area).enumerate().for_each(|(image, out)| {
        let [shift, factor] = [Part::Shift, Part::Factor].map(|part| told.of(part, image));
        let maps = x.maps_of(image);
        bands_of(out, area).into_par_iter().enumerate().for_each(|(band, mut out)| {
            let mut stopwatch = context.stopwatch();
            let x = Tokens { maps: &from(&maps, band), channels };
            context.isa.run(Normalize { x, shift: &shift, factor: &factor, out: &mut out });
            stopwatch.lap(LayerKind::Normalisation);
        });
    });
    out
}

/// From the gradient of [`normalized`] to that of x, plus the residual; and those of shift and factor.
///
/// With x̂ = (x − μ)/s of a token and g the gradient of x̂: ∂x = (g − ⟨g⟩ − x̂·⟨g·x̂⟩)/s.
pub(super) fn back(
    context: &Context,
    x: &Features,
    told: Half,
    mut gradient: Maps,
    residual: Option<&Maps>,
    of_told: &mut Modulation,
) -> Maps {
    let (area, blocks, channels) = (gradient.area(), gradient.blocks(), told.channels());
    let of_image = |(image, gradient): (usize, &mut [Lanes])| {
        let factor = told.of(Part::Factor, image);
        let maps = x.maps_of(image);
        let added: Vec<&[Lanes]> =
            residual.iter().flat_map(|residual| (0..blocks).map(|block| residual.map(image, block))).collect();
        let of_band = |(band, mut gradient): (usize, Vec<&mut [Lanes]>)| {
            let mut stopwatch = context.stopwatch();
            let mut sums = vec![[Lanes::default(); 2]; blocks];
            let (x, residual) = (Tokens { maps: &from(&maps, band), channels }, &from(&added, band)[..]);
            context.isa.run(Back { x, factor: &factor, gradient: &mut gradient, residual, sums: &mut sums });
            stopwatch.lap(LayerKind::Normalisation);
            sums
        };
        let bands: Vec<_> = bands_of(gradient, area).into_par_iter().enumerate().map(of_band).collect();
        bands.into_iter().reduce(added_up).unwrap_or_default()
    };
    let sums: Vec<_> = gradient.lanes.par_chunks_mut(blocks * area).enumerate().map(of_image).collect();
    for (image, sums) in sums.into_iter().enumerate() {
        for (block, [shift, factor]) in sums.into_iter().enumerate() {
            of_told.put(told.index(), Part::Shift, [image, block], shift);
            of_told.put(told.index(), Part::Factor, [image, block], factor);
        }
    }
    gradient
}

/// All maps from the first token of a band on.
fn from<'a>(maps: &[&'a [Lanes]], band: usize) -> Vec<&'a [Lanes]> {
    maps.iter().map(|map| &map[band * BAND..]).collect()
}

/// The sums of a band and of the one after it.
fn added_up(mut sums: Vec<[Lanes; 2]>, others: Vec<[Lanes; 2]>) -> Vec<[Lanes; 2]> {
    for (sum, other) in sums.iter_mut().flatten().zip(others.iter().flatten()) {
        sum.0.iter_mut().zip(other.0).for_each(|(sum, x)| *sum += x);
    }
    sums
}

/// Tokens of an image.
#[derive(Clone, Copy)]
struct Tokens<'a> {
    /// From the first token on, for each sixteen of channels.
    maps: &'a [&'a [Lanes]],
    channels: usize,
}

impl Tokens<'_> {
    /// 1 for each channel of a sixteen, 0 beyond the last.
    #[inline(always)]
    fn valid(&self, block: usize) -> Lanes {
        let mut valid = Lanes([1.0; Lanes::WIDTH]);
        if block + 1 == self.maps.len() {
            for lane in self.channels - block * Lanes::WIDTH..Lanes::WIDTH {
                valid.0[lane] = 0.0;
            }
        }
        valid
    }

    /// Mean and inverse standard deviation of tokens from `row` on.
    #[inline(always)]
    fn statistics<S: Simd, const T: usize>(&self, simd: S, row: usize) -> [[S::V; T]; 2] {
        let zero = simd.splat(0.0);
        let share = 1.0 / self.channels as f32;
        let mut sums = [zero; T];
        for map in self.maps {
            let map = &map[row..][..T];
            for i in 0..T {
                sums[i] = simd.add(sums[i], simd.load(&map[i]));
            }
        }
        let (mut mean, mut squares) = ([zero; T], [zero; T]);
        for i in 0..T {
            mean[i] = simd.splat(total(simd, sums[i]) * share);
        }
        for (block, map) in self.maps.iter().enumerate() {
            let (map, valid) = (&map[row..][..T], simd.load(&self.valid(block)));
            for i in 0..T {
                let x = simd.mul(simd.sub(simd.load(&map[i]), mean[i]), valid);
                squares[i] = simd.fma(x, x, squares[i]);
            }
        }
        let mut inverse = [zero; T];
        for i in 0..T {
            inverse[i] = simd.splat((total(simd, squares[i]) * share + EPSILON).sqrt().recip());
        }
        [mean, inverse]
    }
}

struct Normalize<'a, 'o> {
    x: Tokens<'a>,
    shift: &'a [Lanes],
    factor: &'a [Lanes],
    out: &'a mut [&'o mut [Lanes]],
}

impl Kernel for Normalize<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let rows = self.out.first().map_or(0, |out| out.len());
        let mut row = 0;
        while row < rows {
            row +=
                if rows - row < TOGETHER { self.tile::<S, 1>(simd, row) } else { self.tile::<S, TOGETHER>(simd, row) };
        }
    }
}

impl Normalize<'_, '_> {
    /// `T` tokens from `row` on. Returns T.
    #[inline(always)]
    fn tile<S: Simd, const T: usize>(&mut self, simd: S, row: usize) -> usize {
        let [mean, inverse] = self.x.statistics::<S, T>(simd, row);
        for (block, out) in self.out.iter_mut().enumerate() {
            let (from, to) = (&self.x.maps[block][row..][..T], &mut out[row..][..T]);
            let (shift, factor) = (simd.load(&self.shift[block]), simd.load(&self.factor[block]));
            for i in 0..T {
                let x = simd.mul(simd.sub(simd.load(&from[i]), mean[i]), inverse[i]);
                simd.store(&mut to[i], simd.fma(x, factor, shift));
            }
        }
        T
    }
}

struct Back<'a, 'o> {
    x: Tokens<'a>,
    factor: &'a [Lanes],
    gradient: &'a mut [&'o mut [Lanes]],
    /// Empty where there is none.
    residual: &'a [&'a [Lanes]],
    /// Of shift and factor, for each sixteen of channels.
    sums: &'a mut [[Lanes; 2]],
}

impl Kernel for Back<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let rows = self.gradient.first().map_or(0, |gradient| gradient.len());
        let mut row = 0;
        while row < rows {
            row +=
                if rows - row < TOGETHER { self.tile::<S, 1>(simd, row) } else { self.tile::<S, TOGETHER>(simd, row) };
        }
    }
}

impl Back<'_, '_> {
    /// `T` tokens from `row` on. Returns T.
    #[inline(always)]
    fn tile<S: Simd, const T: usize>(&mut self, simd: S, row: usize) -> usize {
        let (zero, share) = (simd.splat(0.0), 1.0 / self.x.channels as f32);
        let [mean, inverse] = self.x.statistics::<S, T>(simd, row);
        let (mut plain, mut product) = ([zero; T], [zero; T]);
        for (block, gradient) in self.gradient.iter().enumerate() {
            let (x, gradient, factor) =
                (&self.x.maps[block][row..][..T], &gradient[row..][..T], simd.load(&self.factor[block]));
            let [of_shift, of_factor] = &mut self.sums[block];
            let (mut shifts, mut factors) = (simd.load(of_shift), simd.load(of_factor));
            for i in 0..T {
                let slope = simd.load(&gradient[i]);
                let x = simd.mul(simd.sub(simd.load(&x[i]), mean[i]), inverse[i]);
                shifts = simd.add(shifts, slope);
                factors = simd.fma(slope, x, factors);
                let slope = simd.mul(slope, factor);
                plain[i] = simd.add(plain[i], slope);
                product[i] = simd.fma(slope, x, product[i]);
            }
            simd.store(of_shift, shifts);
            simd.store(of_factor, factors);
        }
        for i in 0..T {
            plain[i] = simd.splat(total(simd, plain[i]) * share);
            product[i] = simd.splat(total(simd, product[i]) * share);
        }
        for (block, gradient) in self.gradient.iter_mut().enumerate() {
            let (x, residual) = (&self.x.maps[block][row..][..T], self.residual.get(block).map(|map| &map[row..][..T]));
            let (gradient, factor) = (&mut gradient[row..][..T], simd.load(&self.factor[block]));
            let valid = simd.load(&self.x.valid(block));
            for i in 0..T {
                let x = simd.mul(simd.sub(simd.load(&x[i]), mean[i]), inverse[i]);
                let slope = simd.sub(simd.mul(simd.load(&gradient[i]), factor), plain[i]);
                let slope = simd.mul(simd.sub(slope, simd.mul(x, product[i])), simd.mul(inverse[i], valid));
                let added = residual.map_or(zero, |residual| simd.load(&residual[i]));
                simd.store(&mut gradient[i], simd.add(slope, added));
            }
        }
        T
    }
}
