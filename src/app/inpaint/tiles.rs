//! A picture in square tiles, row by row: what undo keeps and a stroke touches at once.

use super::area::Area;

/// Side of a tile, in pixels.
pub const TILE: usize = 64;

/// The tiles of a picture of this width and height.
#[derive(Clone, Copy, Debug)]
pub struct Tiles(pub [usize; 2]);

impl Tiles {
    /// The number of tiles across and down.
    pub fn counts(self) -> [usize; 2] {
        self.0.map(|side| side.div_ceil(TILE))
    }

    /// The number of all tiles.
    pub fn count(self) -> usize {
        let [across, down] = self.counts();
        across * down
    }

    /// The pixels of a tile.
    pub fn area(self, tile: usize) -> Area {
        let across = self.counts()[0].max(1);
        let (left, top) = (tile % across * TILE, tile / across * TILE);
        Area { left, top, right: left + TILE, bottom: top + TILE }.within(Area::whole(self.0))
    }

    /// The tiles that an area touches.
    pub fn of(self, area: Area) -> impl Iterator<Item = usize> {
        let area = area.within(Area::whole(self.0));
        let across = self.counts()[0];
        let rows = if area.is_empty() { 0..0 } else { area.top / TILE..area.bottom.div_ceil(TILE) };
        let columns = area.left / TILE..area.right.div_ceil(TILE);
        rows.flat_map(move |row| columns.clone().map(move |column| row * across + column))
    }
}
