//! The mask: how far each pixel of the photo is unknown. Painted is unknown, which is where the model fills in.

use super::area::Area;
use std::sync::Arc;

/// Side of a tile, in pixels: what undo keeps and a stroke touches at once.
pub const TILE: usize = 64;

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

    /// The number of tiles across and down.
    pub fn tiles(&self) -> [usize; 2] {
        self.size.map(|side| side.div_ceil(TILE))
    }

    /// The pixels of a tile.
    pub fn tile_area(&self, tile: usize) -> Area {
        let across = self.tiles()[0].max(1);
        let (left, top) = (tile % across * TILE, tile / across * TILE);
        Area { left, top, right: left + TILE, bottom: top + TILE }.within(Area::whole(self.size))
    }

    /// The tiles that an area touches.
    pub fn tiles_of(&self, area: Area) -> impl Iterator<Item = usize> + use<> {
        let area = area.within(Area::whole(self.size));
        let across = self.tiles()[0];
        let rows = if area.is_empty() { 0..0 } else { area.top / TILE..area.bottom.div_ceil(TILE) };
        let columns = area.left / TILE..area.right.div_ceil(TILE);
        rows.flat_map(move |row| columns.clone().map(move |column| row * across + column))
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
