//! The recording of an evaluation: dispatches and where their features lie, before any memory is asked for.

use super::kernel::Kernel;
use crate::network::{Demand, LayerKind};
use burn_wgpu::wgpu;
use std::rc::Rc;

/// Memory that a dispatch reads or writes. It is free for others once nobody holds it.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    place: Rc<usize>,
    /// That were asked for; the memory may be larger.
    bytes: u64,
}

impl Slot {
    /// Its place among all slots.
    pub fn place(&self) -> usize {
        *self.place
    }

    /// All of it.
    pub fn bound(&self) -> Bound {
        self.bound_in_part(self.bytes)
    }

    /// So many bytes of it.
    pub fn bound_in_part(&self, bytes: u64) -> Bound {
        Bound::Slot { place: self.place(), bytes }
    }
}

/// Features of all images: at each pixel fours of channels, which may lie beside others.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub slot: Slot,
    /// The first four, and the fours from pixel to pixel.
    pub first: u32,
    pub stride: u32,
    pub channels: u32,
    pub height: u32,
    pub width: u32,
}

impl View {
    /// Fours of channels.
    pub fn quads(&self) -> u32 {
        self.channels.div_ceil(4)
    }

    pub fn pixels(&self) -> u32 {
        self.height * self.width
    }

    /// Some of the channels; the first is the first of a four.
    pub fn part(&self, first: u32, channels: u32) -> View {
        View { first: self.first + first / 4, channels, ..self.clone() }
    }

    /// Whether they lie at the same place.
    pub fn is(&self, other: &View) -> bool {
        Rc::ptr_eq(&self.slot.place, &other.slot.place) && (self.first, self.channels) == (other.first, other.channels)
    }
}

/// What is bound to a dispatch.
#[derive(Clone, Debug, Default)]
pub(super) enum Bound {
    #[default]
    Nothing,
    /// A slot, and the bytes of it that are read or written.
    Slot {
        place: usize,
        bytes: u64,
    },
    /// Bytes of a slot from the first on, where bindings may begin.
    Part {
        slot: usize,
        first: u64,
        bytes: u64,
    },
    Buffer(wgpu::Buffer),
}

impl Bound {
    fn bytes(&self) -> u64 {
        match self {
            Bound::Nothing => 0,
            Bound::Slot { bytes, .. } | Bound::Part { bytes, .. } => *bytes,
            Bound::Buffer(buffer) => buffer.size(),
        }
    }
}

/// The buffers of a dispatch, as `shaders/network/common.wgsl` names them.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    pub source: Bound,
    pub weights: Bound,
    pub output: Bound,
    pub affine: Bound,
    pub rows: Bound,
    pub residual: Bound,
}

/// A kernel, and what it is told.
#[derive(Debug)]
pub(super) struct Dispatch {
    pub kernel: Kernel,
    pub kind: Option<LayerKind>,
    /// As the kernel's `Params`.
    pub params: Vec<u32>,
    pub bindings: Bindings,
    pub workgroups: [u32; 3],
    /// Multiplications and additions in sums of products.
    pub operations: u64,
}

impl Dispatch {
    /// What it asks of the device.
    pub fn demand(&self) -> Demand {
        let Bindings { source, weights, output, affine, rows, residual } = &self.bindings;
        let read = [source, weights, affine, rows, residual].into_iter().map(Bound::bytes).sum();
        Demand { read, written: output.bytes(), operations: self.operations }
    }
}

/// Takes down the dispatches of an evaluation of so many images.
#[derive(Debug)]
pub(super) struct Recorder {
    pub images: u32,
    /// Features are of half precision.
    pub half: bool,
    /// Bytes of a workgroup's own memory.
    pub memory: u32,
    pub dispatches: Vec<Dispatch>,
    /// Each with its bytes.
    slots: Vec<(Rc<usize>, u64)>,
}

impl Recorder {
    pub fn new(images: u32, half: bool, memory: u32) -> Self {
        Recorder { images, half, memory, dispatches: Vec::new(), slots: Vec::new() }
    }

    /// Memory for so many bytes: free memory that fits best, else the largest free one made larger, else more.
    pub fn slot(&mut self, bytes: u64) -> Slot {
        let free = self.slots.iter_mut().filter(|(place, _)| Rc::strong_count(place) == 1);
        let best = free.min_by_key(|(_, size)| if *size >= bytes { (0, *size) } else { (1, u64::MAX - *size) });
        if let Some((place, size)) = best {
            *size = bytes.max(*size);
            return Slot { place: place.clone(), bytes };
        }
        let place = Rc::new(self.slots.len());
        self.slots.push((place.clone(), bytes));
        Slot { place, bytes }
    }

    /// Memory for images, plane by plane, of this many channels, height and width.
    pub fn image(&mut self, size: [u32; 3]) -> Slot {
        self.slot(u64::from(self.images) * size.map(u64::from).iter().product::<u64>() * 4)
    }

    /// Memory for features of this many channels, height and width.
    pub fn features(&mut self, channels: u32, height: u32, width: u32) -> View {
        let quads = channels.div_ceil(4);
        let slot = self.slot(self.bytes(quads, height * width));
        View { slot, first: 0, stride: quads, channels, height, width }
    }

    /// Bytes of so many fours of channels at so many pixels of each image.
    fn bytes(&self, quads: u32, pixels: u32) -> u64 {
        let four = if self.half { 8 } else { 16 };
        u64::from(self.images) * u64::from(quads) * u64::from(pixels) * four
    }

    /// All of a view's features.
    pub fn bound(&self, view: &View) -> Bound {
        self.bound_at(view, view.pixels())
    }

    /// A view's features at so many of its pixels.
    pub fn bound_at(&self, view: &View, pixels: u32) -> Bound {
        view.slot.bound_in_part(self.bytes(view.quads(), pixels))
    }

    pub fn dispatch(&mut self, dispatch: Dispatch) {
        self.dispatches.push(dispatch);
    }

    /// The bytes of each slot.
    pub fn sizes(&self) -> Vec<u64> {
        self.slots.iter().map(|&(_, size)| size).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_shared_by_what_is_not_there_at_the_same_time() {
        let mut recorder = Recorder::new(2, false, 16 << 10);
        let first = recorder.features(8, 4, 4);
        let second = recorder.features(8, 4, 4);
        let place = second.part(4, 4);
        assert!(!second.is(&first) && place.slot.place() == second.slot.place());
        drop(second);
        // A part is held still.
        let third = recorder.features(4, 4, 4);
        assert_eq!(recorder.sizes().len(), 3);
        drop((place, first));
        let larger = recorder.features(64, 4, 4);
        assert_eq!(recorder.sizes().len(), 3);
        assert_ne!(larger.slot.place(), third.slot.place());
        assert!(recorder.sizes().contains(&(2 * 16 * 16 * 16)));
    }
}
