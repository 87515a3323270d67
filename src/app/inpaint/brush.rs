//! The brush. A stroke is the path of a round dab, taken at most a quarter of its radius at a time.
//!
//! Between two places the dab is swept, not stamped, so that an edge has no scallops and no speed leaves a gap.
//! Within one stroke the strongest dab counts; only then is the stroke laid on what was there before it.

use super::area::{Area, Regions};
use super::history::{Packed, Step};
use super::mask::{Mask, TILE};
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

/// What a stroke knows of a tile.
struct Touched {
    area: Area,
    /// Before the stroke.
    base: Vec<u8>,
    /// The same as undo keeps it, packed at once so that no frame has to pack them all.
    packed: Packed,
    /// The stroke alone.
    layer: Vec<u8>,
}

/// A stroke under way. The mask shows it at once.
pub struct Stroke {
    brush: Brush,
    last: [f32; 2],
    tiles: HashMap<usize, Touched>,
}

impl Stroke {
    /// Sets the brush down.
    pub fn begin(mask: &mut Mask, brush: Brush, at: [f32; 2]) -> (Stroke, Regions) {
        let mut stroke = Stroke { brush, last: at, tiles: HashMap::new() };
        let mut changed = Regions::default();
        changed.add(stroke.sweep(mask, at, at));
        (stroke, changed)
    }

    /// Moves the brush along `points`. Returns what changed.
    pub fn extend(&mut self, mask: &mut Mask, points: &[[f32; 2]]) -> Regions {
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
                changed.add(self.sweep(mask, ends[0], ends[1]));
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
    pub fn finish(self) -> Option<Step> {
        let tiles: Vec<_> = self.tiles.into_iter().map(|(tile, touched)| (tile, touched.packed)).collect();
        (!tiles.is_empty()).then_some(Step::Tiles(tiles))
    }

    /// Takes the stroke back.
    pub fn cancel(self, mask: &mut Mask) -> Area {
        self.tiles.into_values().fold(Area::NONE, |area, touched| {
            mask.put(touched.area, &touched.base);
            area.union(touched.area)
        })
    }

    /// Draws the dab on all places from `a` to `b`.
    fn sweep(&mut self, mask: &mut Mask, a: [f32; 2], b: [f32; 2]) -> Area {
        let reach = self.brush.edge()[1];
        let low = [0, 1].map(|axis| a[axis].min(b[axis]) - reach);
        let high = [0, 1].map(|axis| a[axis].max(b[axis]) + reach);
        let area = Area::around(low, high, mask.size());
        let sweep = Sweep::new(&self.brush, a, b);
        for tile in mask.tiles_of(area) {
            let touched = self.tiles.entry(tile).or_insert_with(|| {
                let area = mask.tile_area(tile);
                let base = mask.copy(area);
                Touched { area, packed: Packed::new(&base), layer: vec![0; base.len()], base }
            });
            draw(mask, touched, area, &sweep, self.brush.erases);
        }
        area
    }
}

/// Draws a swept dab on one tile.
fn draw(mask: &mut Mask, touched: &mut Touched, area: Area, sweep: &Sweep, erases: bool) {
    let part = area.within(touched.area);
    for y in part.top..part.bottom {
        let start = (y - touched.area.top) * touched.area.width() + part.left - touched.area.left;
        let line = start..start + part.width();
        let (Some(layer), Some(base)) = (touched.layer.get_mut(line.clone()), touched.base.get(line)) else { continue };
        // Most of a dab lies where the last one was already, or in a corner of its box.
        let covered = layer.iter().fold(u8::MAX, |least, &value| least.min(value)) >= sweep.most();
        if covered || !sweep.meets([part.left as f32, y as f32 + 0.5], part.width() as f32) {
            continue;
        }
        sweep.lay(layer, [part.left as f32 + 0.5, y as f32 + 0.5]);
        let out = mask.row_mut(y, part.left, part.right);
        let all = out.iter_mut().zip(base).zip(layer);
        if erases {
            all.for_each(|((out, base), stroke)| *out = product(*base, 255 - *stroke));
        } else {
            all.for_each(|((out, base), stroke)| *out = 255 - product(255 - *base, 255 - *stroke));
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

/// The product of two shares of 255, rounded.
fn product(a: u8, b: u8) -> u8 {
    // t/255 to the nearest is (t + t/256)/256 of t + 128, exactly for all products of bytes.
    let t = u16::from(a) * u16::from(b) + 128;
    ((t + (t >> 8)) >> 8) as u8
}

fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)).sqrt()
}
