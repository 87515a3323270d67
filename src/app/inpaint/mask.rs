//! The mask: how far each pixel of the photo is unknown. Painted is unknown, which is where the model fills in.

use super::area::Area;
use super::brush::{Brush, Ground, mix};
use super::history::{Packed, Step};
use super::tiles::Tiles;
use std::sync::Arc;

/// Coverage of each pixel: 0 is known, 255 is to be filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    size: [usize; 2],
    /// Shared with whoever looks at it on another thread; copied when painted on meanwhile.
    values: Arc<Vec<u8>>,
}

impl Mask {
    /// Nothing painted.
    pub fn new(size: [usize; 2]) -> Mask {
        Mask { size, values: Arc::new(vec![0; size[0] * size[1]]) }
    }

    /// A mask of these values, row by row; `None` where they are too few or too many.
    pub fn from_values(size: [usize; 2], values: Vec<u8>) -> Option<Mask> {
        (values.len() == size[0] * size[1]).then(|| Mask { size, values: Arc::new(values) })
    }

    /// Width and height.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Coverage, row by row.
    pub fn values(&self) -> &Arc<Vec<u8>> {
        &self.values
    }

    /// Coverage of a row from `left` to before `right`.
    pub fn row(&self, y: usize, left: usize, right: usize) -> &[u8] {
        let start = y * self.size[0];
        self.values.get(start + left..start + right).unwrap_or_default()
    }

    /// The same to be written to.
    pub fn row_mut(&mut self, y: usize, left: usize, right: usize) -> &mut [u8] {
        let start = y * self.size[0];
        Arc::make_mut(&mut self.values).get_mut(start + left..start + right).unwrap_or_default()
    }

    /// Turns known and unknown round.
    pub fn invert(&mut self) {
        Arc::make_mut(&mut self.values).iter_mut().for_each(|value| *value = 255 - *value);
    }

    /// Share of the photo that is painted, 0 to 1.
    pub fn share(&self) -> f64 {
        let sum: u64 = self.values.iter().map(|&value| u64::from(value)).sum();
        sum as f64 / (255.0 * self.values.len().max(1) as f64)
    }

    /// The values of an area, row by row.
    pub fn copy(&self, area: Area) -> Vec<u8> {
        let mut values = Vec::with_capacity(area.width() * area.height());
        (area.top..area.bottom).for_each(|y| values.extend_from_slice(self.row(y, area.left, area.right)));
        values
    }

    /// Writes what [`Mask::copy`] gave.
    pub fn put(&mut self, area: Area, values: &[u8]) {
        for (y, row) in (area.top..area.bottom).zip(values.chunks_exact(area.width().max(1))) {
            self.row_mut(y, area.left, area.right).copy_from_slice(row);
        }
    }
}

impl Ground for Mask {
    /// The values, and the same as undo keeps them, packed at once so that no frame has to pack them all.
    type Before = (Vec<u8>, Packed);

    fn size(&self) -> [usize; 2] {
        self.size
    }

    fn before(&self, tile: usize) -> (Vec<u8>, Packed) {
        let values = self.copy(Tiles(self.size).area(tile));
        let packed = Packed::new(&values);
        (values, packed)
    }

    fn lay(&mut self, brush: &Brush, tile: usize, [x, y]: [usize; 2], before: &(Vec<u8>, Packed), stroke: &[u8]) {
        let area = Tiles(self.size).area(tile);
        let start = (y - area.top) * area.width() + x - area.left;
        let base = before.0.get(start..).unwrap_or_default();
        let ink = if brush.erases { 0 } else { 255 };
        let row = self.row_mut(y, x, x + stroke.len()).iter_mut();
        row.zip(base).zip(stroke).for_each(|((value, base), share)| *value = mix(*base, ink, *share));
    }

    fn put_back(&mut self, tile: usize, before: (Vec<u8>, Packed)) {
        self.put(Tiles(self.size).area(tile), &before.0);
    }

    fn finish(&mut self, tiles: Vec<(usize, (Vec<u8>, Packed))>) -> Option<Step> {
        let tiles: Vec<_> = tiles.into_iter().map(|(tile, (_, packed))| (tile, packed)).collect();
        (!tiles.is_empty()).then_some(Step::Tiles(tiles))
    }
}
