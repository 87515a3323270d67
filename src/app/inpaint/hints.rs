//! Colour hints: what a person paints over the photo for the model to make a picture of (SDEdit, Meng et al. 2022,
//! "stroke-based editing"). A layer of its own; the photo below stays as it is.
//!
//! Only tiles that were painted on exist, and copies share them. So a copy costs next to nothing, and what changed
//! between two copies is the tiles that they do not share.

use super::area::{Area, Regions};
use super::brush::{Brush, Ground, mix};
use super::history::Step;
use super::tiles::{TILE, Tiles};
use image::RgbImage;
use rayon::prelude::*;
use std::borrow::Cow;
use std::sync::Arc;

/// RGBA, sRGB, the colours multiplied by their coverage; all tiles are of full size.
pub type Tile = [[u8; 4]; TILE * TILE];

/// A tile that nothing was painted on.
static BLANK: Tile = [[0; 4]; TILE * TILE];

/// The layer.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    size: [usize; 2],
    tiles: Vec<Option<Arc<Tile>>>,
}

impl Hints {
    /// Nothing painted on a photo of this size.
    pub fn new(size: [usize; 2]) -> Hints {
        Hints { size, tiles: vec![None; Tiles(size).count()] }
    }

    /// Whether nothing is painted.
    pub fn is_blank(&self) -> bool {
        self.tiles.iter().all(Option::is_none)
    }

    /// Whether both share all tiles.
    pub fn is_same(&self, other: &Hints) -> bool {
        self.size == other.size && self.tiles.iter().zip(&other.tiles).all(|(a, b)| is_same(a, b))
    }

    /// Where this one is not the other: whole tiles.
    pub fn unlike(&self, other: &Hints) -> Regions {
        if self.size != other.size {
            return Regions::whole(self.size);
        }
        let mut regions = Regions::default();
        for (tile, (a, b)) in self.tiles.iter().zip(&other.tiles).enumerate() {
            if !is_same(a, b) {
                regions.add(Tiles(self.size).area(tile));
            }
        }
        regions
    }

    /// Bytes of all tiles.
    pub fn bytes(&self) -> usize {
        self.tiles.iter().flatten().count() * size_of::<Tile>()
    }

    /// The hint at a pixel.
    pub fn at(&self, [x, y]: [usize; 2]) -> [u8; 4] {
        let tile = y / TILE * Tiles(self.size).counts()[0] + x / TILE;
        let tile = self.tiles.get(tile).and_then(Option::as_deref).unwrap_or(&BLANK);
        tile[y % TILE * TILE + x % TILE]
    }

    /// A row of the photo with its hints, from `left` to before `right`, RGB; `mixed` is where it is put together.
    pub fn row<'a>(
        &self,
        photo: &'a RgbImage,
        y: usize,
        [left, right]: [usize; 2],
        mixed: &'a mut Vec<u8>,
    ) -> &'a [u8] {
        let line = y * photo.width() as usize;
        let plain = photo.as_raw().get(3 * (line + left)..3 * (line + right)).unwrap_or_default();
        let columns = left / TILE..right.div_ceil(TILE);
        let first = y / TILE * Tiles(self.size).counts()[0];
        let tiles = self.tiles.get(first + columns.start..first + columns.end).unwrap_or_default();
        if tiles.iter().all(Option::is_none) {
            return plain;
        }
        mixed.clear();
        mixed.extend_from_slice(plain);
        let pixels = mixed.as_chunks_mut::<3>().0;
        for (column, tile) in columns.zip(tiles) {
            let Some(tile) = tile else { continue };
            let (from, to) = ((column * TILE).max(left), ((column + 1) * TILE).min(right));
            let over = &tile[y % TILE * TILE + from % TILE..][..to - from];
            pixels[from - left..to - left].iter_mut().zip(over).for_each(|(pixel, hint)| *pixel = laid(*pixel, *hint));
        }
        mixed
    }

    /// An area of the photo with its hints, RGB.
    pub fn part(&self, photo: &RgbImage, area: Area) -> Vec<u8> {
        let (mut values, mut mixed) = (Vec::with_capacity(3 * area.width() * area.height()), Vec::new());
        for y in area.top..area.bottom {
            values.extend_from_slice(self.row(photo, y, [area.left, area.right], &mut mixed));
        }
        values
    }

    /// The photo with its hints. Takes a while on a large one.
    pub fn over<'a>(&self, photo: &'a RgbImage) -> Cow<'a, RgbImage> {
        if self.is_blank() {
            return Cow::Borrowed(photo);
        }
        let mut hinted = photo.clone();
        self.lay_on(&mut hinted);
        Cow::Owned(hinted)
    }

    /// Lays the hints on the photo, at whatever size: between their pixels they are interpolated.
    pub fn lay_on(&self, photo: &mut RgbImage) {
        let (width, scale) = (photo.width() as usize, photo.width() as f32 / self.size[0].max(1) as f32);
        if self.is_blank() || width == 0 {
            return;
        }
        photo.par_chunks_exact_mut(3 * width).enumerate().for_each(|(y, line)| {
            let at_y = (y as f32 + 0.5) / scale - 0.5;
            for (x, pixel) in line.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                let hint = self.between([(x as f32 + 0.5) / scale - 0.5, at_y]);
                for (level, hint_level) in pixel.iter_mut().zip(hint) {
                    *level = (hint_level + f32::from(*level) * (1.0 - hint[3] / 255.0)).round() as u8;
                }
            }
        });
    }

    /// The hint between pixels, in grey levels.
    fn between(&self, place: [f32; 2]) -> [f32; 4] {
        let most = self.size.map(|side| side.saturating_sub(1));
        let place = [0, 1].map(|axis| place[axis].clamp(0.0, most[axis] as f32));
        let low = place.map(|part| part as usize);
        let high = [0, 1].map(|axis| (low[axis] + 1).min(most[axis]));
        let corners = [low, [high[0], low[1]], [low[0], high[1]], high].map(|corner| self.at(corner));
        let [a, b, c, d] = corners.map(|hint| hint.map(f32::from));
        let line = |from: f32, to: f32, part: f32| from + part * (to - from);
        std::array::from_fn(|channel| {
            let upper = line(a[channel], b[channel], place[0].fract());
            line(upper, line(c[channel], d[channel], place[0].fract()), place[1].fract())
        })
    }

    /// Puts tiles in place of others; what puts those back.
    pub fn swap(&mut self, tiles: Vec<(usize, Option<Arc<Tile>>)>) -> Step {
        let swap = |(index, tile)| {
            let old = self.tiles.get_mut(index).and_then(|place| std::mem::replace(place, tile));
            (index, old)
        };
        Step::Hints(tiles.into_iter().map(swap).collect())
    }

    /// Takes all hints away; what puts them back, if there were any.
    pub fn clear(&mut self) -> Option<Step> {
        let painted = self.tiles.iter().enumerate().filter(|(_, tile)| tile.is_some());
        let painted: Vec<_> = painted.map(|(index, _)| (index, None)).collect();
        (!painted.is_empty()).then(|| self.swap(painted))
    }
}

impl Ground for Hints {
    type Before = Option<Arc<Tile>>;

    fn size(&self) -> [usize; 2] {
        self.size
    }

    fn before(&self, tile: usize) -> Option<Arc<Tile>> {
        self.tiles.get(tile).cloned().flatten()
    }

    fn lay(&mut self, brush: &Brush, tile: usize, [x, y]: [usize; 2], before: &Option<Arc<Tile>>, stroke: &[u8]) {
        let ink = match brush.colour {
            Some([r, g, b]) if !brush.erases => [r, g, b, 255],
            _ if before.is_none() => return,
            _ => [0; 4],
        };
        let Some(now) = self.tiles.get_mut(tile) else { return };
        let now = Arc::make_mut(now.get_or_insert_with(|| Arc::new(BLANK)));
        let start = y % TILE * TILE + x % TILE;
        let base = before.as_deref().unwrap_or(&BLANK)[start..].iter();
        for ((pixel, base), share) in now[start..].iter_mut().zip(base).zip(stroke) {
            *pixel = std::array::from_fn(|channel| mix(base[channel], ink[channel], *share));
        }
    }

    fn put_back(&mut self, tile: usize, before: Option<Arc<Tile>>) {
        if let Some(now) = self.tiles.get_mut(tile) {
            *now = before;
        }
    }

    fn finish(&mut self, mut tiles: Vec<(usize, Option<Arc<Tile>>)>) -> Option<Step> {
        tiles.retain(|(tile, before)| {
            let Some(now) = self.tiles.get_mut(*tile) else { return false };
            // What was erased wholly is gone.
            now.take_if(|now| **now == BLANK);
            !is_same(now, before)
        });
        (!tiles.is_empty()).then_some(Step::Hints(tiles))
    }
}

fn is_same(a: &Option<Arc<Tile>>, b: &Option<Arc<Tile>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}

/// A pixel with a hint over it.
pub fn laid(pixel: [u8; 3], hint: [u8; 4]) -> [u8; 3] {
    std::array::from_fn(|channel| hint[channel] + mix(pixel[channel], 0, hint[3]))
}
