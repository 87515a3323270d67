//! What changes the whole mask at once. Takes up to a second on a large photo, so it runs on a thread of its own.

use super::hints::Hints;
use super::history::Step;
use super::mask::Mask;
use super::shape;
use crate::pixels::filter;
use image::RgbImage;
use std::sync::Arc;

/// A change of the whole mask. Lengths are in pixels of the photo.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Every pixel is to be filled.
    FillAll,
    Clear,
    Invert,
    Grow(usize),
    Shrink(usize),
    /// By a Gaussian of this standard deviation.
    Feather(f32),
    /// Lay a shape on the mask, or take it away.
    Lay {
        shape: Shape,
        takes: bool,
    },
    /// Another mask in place of this one.
    Replace(Arc<Vec<u8>>),
}

/// What can be laid on a mask.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Rectangle([[f32; 2]; 2]),
    Lasso(Vec<[f32; 2]>),
    /// The pixels whose channels differ from those at a place by at most this many grey levels.
    Similar {
        at: [usize; 2],
        tolerance: u8,
        connected: bool,
    },
}

/// A change to be made, with what it needs.
#[derive(Clone, Debug)]
pub struct MaskChange {
    pub operation: Operation,
    pub photo: Arc<RgbImage>,
    pub hints: Hints,
    pub mask: Mask,
    /// The mask's generation when it was asked for.
    pub generation: u64,
}

/// A change that was made.
#[derive(Debug)]
pub struct Done {
    pub mask: Mask,
    /// What takes it back; `None` where nothing changed.
    pub step: Option<Step>,
    pub generation: u64,
}

impl MaskChange {
    /// Makes the change.
    pub fn run(self) -> Done {
        let MaskChange { operation, photo, hints, mask, generation } = self;
        if operation == Operation::Invert {
            let mut inverted = mask;
            inverted.invert();
            return Done { mask: inverted, step: Some(Step::Invert), generation };
        }
        let values = changed(&operation, (&photo, &hints), &mask);
        let new = Mask::from_values(mask.size(), values).unwrap_or_else(|| mask.clone());
        Done { step: Step::between(&mask, &new), mask: new, generation }
    }
}

fn changed(operation: &Operation, (photo, hints): (&RgbImage, &Hints), mask: &Mask) -> Vec<u8> {
    let (size, values) = (mask.size(), mask.values());
    match operation {
        Operation::FillAll => vec![255; values.len()],
        Operation::Clear => vec![0; values.len()],
        Operation::Invert => values.iter().map(|value| 255 - value).collect(),
        Operation::Grow(radius) => filter::grow(size, values, *radius),
        Operation::Shrink(radius) => filter::shrink(size, values, *radius),
        Operation::Feather(sigma) => filter::feather(size, values, *sigma),
        Operation::Replace(other) => other.to_vec(),
        Operation::Lay { shape, takes } => {
            let laid = match shape {
                Shape::Rectangle([a, b]) => shape::rectangle(size, *a, *b),
                Shape::Lasso(points) => shape::lasso(size, points),
                Shape::Similar { at, tolerance, connected } => {
                    shape::similar(&hints.over(photo), *at, *tolerance, *connected)
                }
            };
            let lay = |(&old, new): (&u8, u8)| if *takes { old.min(255 - new) } else { old.max(new) };
            values.iter().zip(laid).map(lay).collect()
        }
    }
}
