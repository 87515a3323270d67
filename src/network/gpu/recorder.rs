//! The recording of an evaluation: dispatches and where their features lie, before any memory is asked for.

use super::kernel::Kernel;
use crate::network::LayerKind;
use burn_wgpu::wgpu;
use std::rc::Rc;

/// Memory that a dispatch reads or writes. It is free for others once nobody holds it.
pub(super) type Slot = Rc<usize>;

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
        Rc::ptr_eq(&self.slot, &other.slot) && (self.first, self.channels) == (other.first, other.channels)
    }

    pub fn bound(&self) -> Bound {
        Bound::Slot(*self.slot)
    }
}

/// What is bound to a dispatch.
#[derive(Clone, Debug, Default)]
pub(super) enum Bound {
    #[default]
    Nothing,
    Slot(usize),
    /// Bytes of a slot from the first on, where bindings may begin.
    Part {
        slot: usize,
        first: u64,
        bytes: u64,
    },
    Buffer(wgpu::Buffer),
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
    slots: Vec<(Slot, u64)>,
}

impl Recorder {
    pub fn new(images: u32, half: bool, memory: u32) -> Self {
        Recorder { images, half, memory, dispatches: Vec::new(), slots: Vec::new() }
    }

    /// Memory for so many bytes: free memory that fits best, else the largest free one made larger, else more.
    pub fn slot(&mut self, bytes: u64) -> Slot {
        let free = self.slots.iter_mut().filter(|(slot, _)| Rc::strong_count(slot) == 1);
        let best = free.min_by_key(|(_, size)| if *size >= bytes { (0, *size) } else { (1, u64::MAX - *size) });
        if let Some((slot, size)) = best {
            *size = bytes.max(*size);
            return slot.clone();
        }
        let slot = Rc::new(self.slots.len());
        self.slots.push((slot.clone(), bytes));
        slot
    }

    /// Memory for features of this many channels, height and width.
    pub fn features(&mut self, channels: u32, height: u32, width: u32) -> View {
        let quads = channels.div_ceil(4);
        let four = if self.half { 8 } else { 16 };
        let bytes = u64::from(self.images) * u64::from(height * width) * u64::from(quads) * four;
        View { slot: self.slot(bytes), first: 0, stride: quads, channels, height, width }
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
        assert!(!second.is(&first) && place.slot == second.slot);
        drop(second);
        // A part is held still.
        let third = recorder.features(4, 4, 4);
        assert_eq!(recorder.sizes().len(), 3);
        drop((place, first));
        let larger = recorder.features(64, 4, 4);
        assert_eq!(recorder.sizes().len(), 3);
        assert_ne!(larger.slot, third.slot);
        assert!(recorder.sizes().contains(&(2 * 16 * 16 * 16)));
    }
}
