//! Parameters of layers, as kernels read them.

use super::device::{Gpu, Precision};
use super::program::ALIGNMENT;
use super::recorder::Bound;
use crate::network::layers::Pair;
use burn_wgpu::wgpu::{self, BufferUsages};
use half::f16;
use std::cell::RefCell;
use std::ops::Range;

/// Networks of more parameters do not take more memory to be faster.
const MOST_AT_POINTS: usize = 100_000_000;
/// Stands for no value: what is there is 0.
pub(super) const NONE: u32 = u32::MAX;
/// Values from where one layer's parameters may begin to where those of the next may.
const STEP: usize = ALIGNMENT / 4;
/// The first slots of a program that learns: all parameters as they are published.
pub(super) const PUBLISHED: usize = 0;
/// Packed for their layers.
pub(super) const PACKED: usize = 1;
/// Packed for the way back.
pub(super) const TURNED: usize = 2;
/// Gradients of the packed ones.
pub(super) const GRADIENTS: usize = 3;
/// The same as they are published.
pub(super) const FOUND: usize = 4;

/// In the order of a published weight.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// Outputs, inputs, taps.
    OutIn,
    /// Inputs, outputs.
    InOut,
}

/// Parameters of a layer, and where those of its way back and their gradients lie, in a network that learns.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    pub bound: Bound,
    pub back: Option<Back>,
}

/// What the way back through a layer needs.
#[derive(Clone, Debug)]
pub(super) struct Back {
    /// Filters from outputs to inputs; nothing where there are none.
    pub turned: Bound,
    /// The first value among the gradients of the packed parameters.
    pub gradient: u32,
}

impl Parameters {
    /// Those of a layer that does not learn.
    pub fn fixed(buffer: wgpu::Buffer) -> Self {
        Parameters { bound: Bound::Buffer(buffer), back: None }
    }
}

/// Puts parameters on a device, or says where they will lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Uploader<'a> {
    pub gpu: &'a Gpu,
    /// In half precision, where a layer reads features.
    pub half: bool,
    /// Convolutions may take more memory to be faster.
    pub points: bool,
    /// The side of matrices that convolutions multiply, where they do.
    pub matrices: Option<u32>,
    /// Of a network that learns.
    pub map: Option<&'a RefCell<Map>>,
}

impl<'a> Uploader<'a> {
    /// For a network of so many parameters that does not learn.
    pub fn new(gpu: &'a Gpu, precision: Precision, parameters: usize) -> Self {
        let half = precision == Precision::Half;
        let matrices = if half { gpu.matrices() } else { None };
        Uploader { gpu, half, points: parameters <= MOST_AT_POINTS, matrices, map: None }
    }

    pub fn singles(&self, values: &[f32]) -> wgpu::Buffer {
        self.gpu.upload(bytemuck::cast_slice(values), BufferUsages::STORAGE)
    }

    /// In the precision of features.
    pub fn features(&self, values: &[f32]) -> wgpu::Buffer {
        if !self.half {
            return self.singles(values);
        }
        self.gpu.upload(bytemuck::cast_slice(&halves(values)), BufferUsages::STORAGE)
    }

    /// Filters in the precision of features, see [`filters`].
    pub fn filters(&self, taps: usize, input: usize, order: Order, parts: &[Pair], biased: bool) -> Parameters {
        let layout = filters(taps, input, order, &widths(parts), biased, 4);
        match self.map {
            Some(map) => {
                let output = widths(parts).iter().sum();
                let turned = turned(&layout, taps, input, output);
                map.borrow_mut().place(&layout, Some(&turned), &of_pairs(parts))
            }
            None => Parameters::fixed(self.features(&packed(&layout, &values(parts)))),
        }
    }

    /// The values of filters, whose inputs and outputs are padded to multiples of a number.
    pub fn packed(
        &self,
        taps: usize,
        input: usize,
        order: Order,
        parts: &[Pair],
        biased: bool,
        multiple: usize,
    ) -> Vec<f32> {
        packed(&filters(taps, input, order, &widths(parts), biased, multiple), &values(parts))
    }

    /// Scales, then shifts, each padded to fours.
    pub fn scales(&self, pair: &Pair) -> Parameters {
        let channels = pair.bias.len();
        let padded = channels.next_multiple_of(4);
        let place = |index: usize| {
            if index % padded < channels { index / padded * channels + index % padded } else { usize::MAX }
        };
        let layout: Vec<u32> = (0..2 * padded).map(|index| u32::try_from(place(index)).unwrap_or(NONE)).collect();
        match self.map {
            Some(map) => map.borrow_mut().place(&layout, None, &of_pairs(&[*pair])),
            None => Parameters::fixed(self.singles(&packed(&layout, &values(&[*pair])))),
        }
    }

    /// A bias by itself, in the precision of features.
    pub fn bias(&self, pair: &Pair) -> Parameters {
        let channels = pair.bias.len();
        let layout: Vec<u32> =
            (0..channels.next_multiple_of(4)).map(|index| if index < channels { index as u32 } else { NONE }).collect();
        match self.map {
            Some(map) => map.borrow_mut().place(&layout, None, &[(pair.slot + 1, channels)]),
            None => Parameters::fixed(self.features(&packed(&layout, pair.bias))),
        }
    }
}

/// Values in half precision.
pub(super) fn halves(values: &[f32]) -> Vec<u16> {
    values.iter().map(|&value| f16::from_f32(value).to_bits()).collect()
}

/// Where the parameters of a network that learns come from and go to.
#[derive(Debug, Default)]
pub(super) struct Map {
    /// The first value of each published parameter, and the number of all.
    starts: Vec<u32>,
    /// The published value at each packed place.
    pub packed: Vec<u32>,
    /// The same for the way back.
    pub turned: Vec<u32>,
}

impl Map {
    /// Of parameters of these sizes.
    pub fn new(sizes: &[usize]) -> Self {
        let mut starts = vec![0];
        starts.extend(sizes.iter().scan(0, |sum, &size| {
            *sum += size as u32;
            Some(*sum)
        }));
        Map { starts, ..Map::default() }
    }

    /// Values of all published parameters.
    pub fn count(&self) -> usize {
        self.starts.last().map_or(0, |&count| count as usize)
    }

    /// The packed place of each published value.
    pub fn published(&self) -> Vec<u32> {
        let mut published = vec![NONE; self.count()];
        for (place, &from) in self.packed.iter().enumerate() {
            if let Some(to) = published.get_mut(from as usize) {
                *to = place as u32;
            }
        }
        published
    }

    /// Finds a place for a layer's parameters: places in published ones, given by their slots and sizes.
    fn place(&mut self, layout: &[u32], turned: Option<&[u32]>, of: &[(usize, usize)]) -> Parameters {
        let published: Vec<u32> = of
            .iter()
            .flat_map(|&(slot, size)| (0..size as u32).map(move |index| (slot, index)))
            .map(|(slot, index)| self.starts.get(slot).map_or(NONE, |start| start + index))
            .collect();
        let range = append(&mut self.packed, layout, &published);
        let gradient = range.start as u32;
        let bound = part(PACKED, range);
        let turned = turned.map_or(Bound::Nothing, |turned| part(TURNED, append(&mut self.turned, turned, &published)));
        Parameters { bound, back: Some(Back { turned, gradient }) }
    }
}

fn part(slot: usize, range: Range<usize>) -> Bound {
    Bound::Part { slot, first: 4 * range.start as u64, bytes: 4 * range.len() as u64 }
}

/// Puts places at the end, from where the next may begin.
fn append(all: &mut Vec<u32>, layout: &[u32], published: &[u32]) -> Range<usize> {
    let first = all.len().next_multiple_of(STEP);
    all.resize(first, NONE);
    all.extend(layout.iter().map(|&place| published.get(place as usize).copied().unwrap_or(NONE)));
    first..all.len()
}

/// Outputs of each.
fn widths(parts: &[Pair]) -> Vec<usize> {
    parts.iter().map(|pair| pair.bias.len()).collect()
}

/// Weight and bias of each, one after another.
fn values(parts: &[Pair]) -> Vec<f32> {
    parts.iter().flat_map(|pair| [pair.weight, pair.bias]).flatten().copied().collect()
}

/// Their slots and sizes.
fn of_pairs(parts: &[Pair]) -> Vec<(usize, usize)> {
    let both = |pair: &Pair| [(pair.slot, pair.weight.len()), (pair.slot + 1, pair.bias.len())];
    parts.iter().flat_map(both).collect()
}

/// The values at these places.
fn packed(layout: &[u32], values: &[f32]) -> Vec<f32> {
    layout.iter().map(|&place| values.get(place as usize).copied().unwrap_or(0.0)).collect()
}

/// Filters tap by tap, for each input a row of outputs, and a last row of biases; inputs and outputs padded to multiples of
/// a number, which is one of fours: the places among weights and biases, one after another, of parts of so many outputs,
/// which lie side by side. Biases are 0 if they are not `biased`.
fn filters(taps: usize, input: usize, order: Order, widths: &[usize], biased: bool, multiple: usize) -> Vec<u32> {
    let outputs: usize = widths.iter().sum();
    let (row, padded) = (outputs.next_multiple_of(multiple), input.next_multiple_of(multiple));
    let mut layout = vec![NONE; (taps * padded + 1) * row];
    let (mut first, mut place) = (0, 0);
    for &own in widths {
        for index in 0..taps * input * own {
            let (tap, from, to) = match order {
                Order::OutIn => (index % taps, index / taps % input, index / (taps * input)),
                Order::InOut => (0, index / own, index % own),
            };
            layout[(tap * padded + from) * row + first + to] = place;
            place += 1;
        }
        for to in 0..own {
            layout[taps * padded * row + first + to] = if biased { place } else { NONE };
            place += 1;
        }
        first += own;
    }
    layout
}

/// The filters of the way back: taps from the last to the first, for each output a row of inputs, and no biases.
fn turned(layout: &[u32], taps: usize, input: usize, output: usize) -> Vec<u32> {
    let [inputs, outputs] = [input, output].map(|count| count.next_multiple_of(4));
    let mut turned = vec![NONE; (taps * outputs + 1) * inputs];
    for (index, &place) in layout.iter().take(taps * inputs * outputs).enumerate() {
        let (tap, from, to) = (index / (inputs * outputs), index / outputs % inputs, index % outputs);
        turned[((taps - 1 - tap) * outputs + to) * inputs + from] = place;
    }
    turned
}
