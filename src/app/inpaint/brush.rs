//! The brush. A stroke is the path of a round dab, taken at most a quarter of its radius at a time.
//!
//! Between two places the dab is swept, not stamped, so that an edge has no scallops and no speed leaves a gap.
//! Within one stroke the strongest dab counts; only then is the stroke laid on what was there before it.

use super::area::{Area, Regions};
use super::history::Step;
use super::tiles::{TILE, Tiles};
use std::collections::HashMap;

/// A round dab with a soft edge. Lengths are in pixels of the photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Brush {
    pub radius: f32,
    /// Share of the radius that is covered fully, 0 to 1.
    pub hardness: f32,
    /// Coverage in the middle, 0 to 1.
    pub opacity: f32,
    /// Takes coverage away instead.
    pub erases: bool,
    /// The colour of the hints that it paints; `None`: it works on the mask.
    pub colour: Option<[u8; 3]>,
}

impl Brush {
    /// Distances at which the edge begins and ends: at least a pixel apart, so that it is smooth.
    fn edge(&self) -> [f32; 2] {
        let inner = self.radius * self.hardness.clamp(0.0, 1.0);
        if self.radius - inner >= 1.0 { [inner, self.radius] } else { [self.radius - 0.5, self.radius + 0.5] }
    }

    /// Coverage at a distance from the middle, 0 to 1.
    pub fn coverage(&self, distance: f32) -> f32 {
        let [inner, outer] = self.edge();
        let rise = ((outer - distance) / (outer - inner)).clamp(0.0, 1.0);
        self.opacity.clamp(0.0, 1.0) * rise * rise * (3.0 - 2.0 * rise)
    }

    /// How far the dab moves before it is swept again.
    pub fn spacing(&self) -> f32 {
        (self.radius / 4.0).max(0.25)
    }
}

/// What a stroke is laid on, tile by tile: the mask, or the hints.
pub trait Ground {
    /// A tile before the stroke.
    type Before;

    /// Width and height.
    fn size(&self) -> [usize; 2];

    /// A tile as it is.
    fn before(&self, tile: usize) -> Self::Before;

    /// Lays a part of a row of a tile, from `at` to the right, on what was there before the stroke.
    fn lay(&mut self, brush: &Brush, tile: usize, at: [usize; 2], before: &Self::Before, stroke: &[u8]);

    /// Takes the stroke off a tile.
    fn put_back(&mut self, tile: usize, before: Self::Before);

    /// The stroke is over; what undoes it, if it changed anything.
    fn finish(&mut self, tiles: Vec<(usize, Self::Before)>) -> Option<Step>;
}

/// What a stroke knows of a tile.
struct Touched<B> {
    tile: usize,
    area: Area,
    before: B,
    /// The stroke alone.
    layer: Vec<u8>,
}

/// A stroke under way. What it is laid on shows it at once.
pub struct Stroke<G: Ground> {
    brush: Brush,
    last: [f32; 2],
    tiles: HashMap<usize, Touched<G::Before>>,
}

impl<G: Ground> Stroke<G> {
    /// Sets the brush down.
    pub fn begin(ground: &mut G, brush: Brush, at: [f32; 2]) -> (Stroke<G>, Regions) {
        let mut stroke = Stroke { brush, last: at, tiles: HashMap::new() };
        let mut changed = Regions::default();
        changed.add(stroke.sweep(ground, at, at));
        (stroke, changed)
    }

    /// Moves the brush along `points`. Returns what changed.
    pub fn extend(&mut self, ground: &mut G, points: &[[f32; 2]]) -> Regions {
        let mut changed = Regions::default();
        let finite = |point: &&[f32; 2]| point.iter().all(|part| part.is_finite());
        let count = points.len();
        for (index, &point) in points.iter().filter(finite).enumerate() {
            let way = distance(self.last, point);
            // Nearer points are part of the next piece; the last is drawn in any case, for the eye follows it.
            if way < self.brush.spacing() && index + 1 < count || way == 0.0 {
                continue;
            }
            // Pieces as long as the dab is wide keep their boxes small.
            let pieces = (way / (2.0 * self.brush.radius).max(16.0)).ceil().max(1.0);
            let from = self.last;
            let on = |share: f32| [0, 1].map(|axis| from[axis] + share * (point[axis] - from[axis]));
            for piece in 0..pieces as usize {
                let ends = [piece as f32 / pieces, (piece + 1) as f32 / pieces].map(on);
                changed.add(self.sweep(ground, ends[0], ends[1]));
            }
            self.last = point;
        }
        changed
    }

    /// Where the brush is.
    pub fn last(&self) -> [f32; 2] {
        self.last
    }

    /// Ends the stroke; what undoes it, if it touched anything.
    pub fn finish(self, ground: &mut G) -> Option<Step> {
        ground.finish(self.tiles.into_iter().map(|(tile, touched)| (tile, touched.before)).collect())
    }

    /// Takes the stroke back.
    pub fn cancel(self, ground: &mut G) -> Area {
        self.tiles.into_iter().fold(Area::NONE, |area, (tile, touched)| {
            ground.put_back(tile, touched.before);
            area.union(touched.area)
        })
    }

    /// Draws the dab on all places from `a` to `b`.
    fn sweep(&mut self, ground: &mut G, a: [f32; 2], b: [f32; 2]) -> Area {
        let reach = self.brush.edge()[1];
        let low = [0, 1].map(|axis| a[axis].min(b[axis]) - reach);
        let high = [0, 1].map(|axis| a[axis].max(b[axis]) + reach);
        let area = Area::around(low, high, ground.size());
        let (sweep, tiles) = (Sweep::new(&self.brush, a, b), Tiles(ground.size()));
        for tile in tiles.of(area) {
            let touched = self.tiles.entry(tile).or_insert_with(|| {
                let area = tiles.area(tile);
                Touched { tile, area, before: ground.before(tile), layer: vec![0; area.width() * area.height()] }
            });
            touched.draw(ground, &self.brush, &sweep, area);
        }
        area
    }
}

impl<B> Touched<B> {
    /// Draws a swept dab on the tile.
    fn draw<G: Ground<Before = B>>(&mut self, ground: &mut G, brush: &Brush, sweep: &Sweep, area: Area) {
        let part = area.within(self.area);
        for y in part.top..part.bottom {
            let start = (y - self.area.top) * self.area.width() + part.left - self.area.left;
            let Some(layer) = self.layer.get_mut(start..start + part.width()) else { continue };
            // Most of a dab lies where the last one was already, or in a corner of its box.
            let covered = layer.iter().fold(u8::MAX, |least, &value| least.min(value)) >= sweep.most();
            if covered || !sweep.meets([part.left as f32, y as f32 + 0.5], part.width() as f32) {
                continue;
            }
            sweep.lay(layer, [part.left as f32 + 0.5, y as f32 + 0.5]);
            ground.lay(brush, self.tile, [part.left, y], &self.before, layer);
        }
    }
}

/// A dab on its way from `a` to `b`.
struct Sweep {
    a: [f32; 2],
    /// From `a` to `b`, and 1 over the square of its length.
    along: [f32; 2],
    per_square: f32,
    /// Distance at which the edge ends, and 1 over its width.
    outer: f32,
    slope: f32,
    /// Grey levels in the middle.
    level: f32,
}

impl Sweep {
    fn new(brush: &Brush, a: [f32; 2], b: [f32; 2]) -> Sweep {
        let [inner, outer] = brush.edge();
        let along = [b[0] - a[0], b[1] - a[1]];
        let square = along[0] * along[0] + along[1] * along[1];
        Sweep {
            a,
            along,
            per_square: if square > 0.0 { 1.0 / square } else { 0.0 },
            outer,
            slope: 1.0 / (outer - inner),
            level: 255.0 * brush.opacity.clamp(0.0, 1.0),
        }
    }

    /// The strongest coverage, in grey levels.
    fn most(&self) -> u8 {
        (self.level + 0.5) as u8
    }

    /// Distance from a place to the way of the dab's middle.
    #[inline(always)]
    fn distance(&self, [x, y]: [f32; 2]) -> f32 {
        let (right, down) = (x - self.a[0], y - self.a[1]);
        let share = ((right * self.along[0] + down * self.along[1]) * self.per_square).clamp(0.0, 1.0);
        let away = [right - share * self.along[0], down - share * self.along[1]];
        (away[0] * away[0] + away[1] * away[1]).sqrt()
    }

    /// Whether it can touch a row that begins there and is so wide.
    fn meets(&self, [x, y]: [f32; 2], width: f32) -> bool {
        self.distance([x + 0.5 * width, y]) < self.outer + 0.5 * width
    }

    /// Keeps the stronger of what is there and the dab, for pixels from a place to the right. A plain loop, which
    /// compilers turn into wide instructions.
    fn lay(&self, layer: &mut [u8], [x, y]: [f32; 2]) {
        let mut dabs = [0u8; TILE];
        for (step, dab) in dabs.iter_mut().enumerate() {
            let rise = ((self.outer - self.distance([x + step as f32, y])) * self.slope).clamp(0.0, 1.0);
            *dab = (self.level * rise * rise * (3.0 - 2.0 * rise) + 0.5) as u8;
        }
        layer.iter_mut().zip(&dabs).for_each(|(layer, dab)| *layer = (*layer).max(*dab));
    }
}

/// From `a` to `b` by a share of 255, rounded.
#[inline(always)]
pub fn mix(a: u8, b: u8, share: u8) -> u8 {
    // t/255 to the nearest is (t + t/256)/256 of t + 128, exactly for all products of bytes.
    let t = u16::from(a) * u16::from(255 - share) + u16::from(b) * u16::from(share) + 128;
    ((t + (t >> 8)) >> 8) as u8
}

fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)).sqrt()
}
