//! Undo and redo of mask and hints in one order: each step keeps the tiles that it changed, as they were; those of the
//! mask packed.

use super::area::Area;
use super::hints::{Hints, Tile};
use super::mask::Mask;
use super::tiles::Tiles;
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes that all steps together may take; the oldest are forgotten first.
const MOST_BYTES: usize = 128 << 20;
/// Steps that are kept.
const MOST_STEPS: usize = 400;

/// Values of a tile: mostly all known or all unknown, so runs of equal values are short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packed {
    /// Length of the run less one, and its value.
    Runs(Box<[[u8; 2]]>),
    Plain(Box<[u8]>),
}

impl Packed {
    pub fn new(values: &[u8]) -> Packed {
        let mut runs: Vec<[u8; 2]> = Vec::new();
        for &value in values {
            if let Some([more, of]) = runs.last_mut()
                && *of == value
                && *more < 255
            {
                *more += 1;
                continue;
            }
            if 2 * runs.len() + 2 > values.len() {
                return Packed::Plain(values.into());
            }
            runs.push([0, value]);
        }
        Packed::Runs(runs.into())
    }

    pub fn values(&self) -> Vec<u8> {
        match self {
            Packed::Plain(values) => values.to_vec(),
            Packed::Runs(runs) => {
                runs.iter().flat_map(|&[more, value]| std::iter::repeat_n(value, usize::from(more) + 1)).collect()
            }
        }
    }

    fn bytes(&self) -> usize {
        size_of::<(usize, Packed)>()
            + match self {
                Packed::Runs(runs) => 2 * runs.len(),
                Packed::Plain(values) => values.len(),
            }
    }
}

/// What takes a change back.
#[derive(Clone, Debug)]
pub enum Step {
    /// Tiles of the mask as they were.
    Tiles(Vec<(usize, Packed)>),
    /// Tiles of the hints as they were, shared with all that still shows them.
    Hints(Vec<(usize, Option<Arc<Tile>>)>),
    /// All of the mask was turned round.
    Invert,
}

impl Step {
    /// The tiles of `old` that differ from `new`; `None` where none does.
    pub fn between(old: &Mask, new: &Mask) -> Option<Step> {
        let tiles = Tiles(old.size());
        let differs = |area: &Area| {
            (area.top..area.bottom).any(|y| old.row(y, area.left, area.right) != new.row(y, area.left, area.right))
        };
        let tiles: Vec<_> = (0..tiles.count())
            .map(|tile| (tile, tiles.area(tile)))
            .filter(|(_, area)| differs(area))
            .map(|(tile, area)| (tile, Packed::new(&old.copy(area))))
            .collect();
        (!tiles.is_empty()).then_some(Step::Tiles(tiles))
    }

    /// Takes the change back; what makes it again, and where in the mask it was.
    fn apply(self, mask: &mut Mask, hints: &mut Hints) -> (Step, Area) {
        match self {
            Step::Invert => {
                mask.invert();
                (Step::Invert, Area::whole(mask.size()))
            }
            Step::Hints(tiles) => (hints.swap(tiles), Area::NONE),
            Step::Tiles(tiles) => {
                let mut changed = Area::NONE;
                let swapped = tiles.into_iter().map(|(tile, packed)| {
                    let area = Tiles(mask.size()).area(tile);
                    changed = changed.union(area);
                    let now = Packed::new(&mask.copy(area));
                    mask.put(area, &packed.values());
                    (tile, now)
                });
                let swapped = swapped.collect();
                (Step::Tiles(swapped), changed)
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Step::Invert => 0,
            Step::Hints(tiles) => tiles.iter().flat_map(|(_, tile)| tile).count() * size_of::<Tile>(),
            Step::Tiles(tiles) => tiles.iter().map(|(_, packed)| packed.bytes()).sum(),
        }
    }
}

/// Steps that were made and that were taken back.
#[derive(Debug, Default)]
pub struct History {
    done: VecDeque<Step>,
    undone: Vec<Step>,
    bytes: usize,
}

impl History {
    /// Keeps a step; what was taken back before is forgotten.
    pub fn push(&mut self, step: Step) {
        self.bytes -= self.undone.drain(..).map(|step| step.bytes()).sum::<usize>();
        self.bytes += step.bytes();
        self.done.push_back(step);
        self.forget();
    }

    /// Takes the newest step back; where the mask changed, which may be nowhere.
    pub fn undo(&mut self, mask: &mut Mask, hints: &mut Hints) -> Option<Area> {
        let step = self.done.pop_back()?;
        self.bytes -= step.bytes();
        let (redo, area) = step.apply(mask, hints);
        self.bytes += redo.bytes();
        self.undone.push(redo);
        self.forget();
        Some(area)
    }

    /// Makes it again.
    pub fn redo(&mut self, mask: &mut Mask, hints: &mut Hints) -> Option<Area> {
        let step = self.undone.pop()?;
        self.bytes -= step.bytes();
        let (undo, area) = step.apply(mask, hints);
        self.bytes += undo.bytes();
        self.done.push_back(undo);
        self.forget();
        Some(area)
    }

    /// How many steps can be taken back, and made again.
    pub fn steps(&self) -> [usize; 2] {
        [self.done.len(), self.undone.len()]
    }

    /// Bytes that all steps take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps to the limits; the newest step stays in any case.
    fn forget(&mut self) {
        while (self.bytes > MOST_BYTES || self.done.len() > MOST_STEPS) && self.done.len() > 1 {
            if let Some(oldest) = self.done.pop_front() {
                self.bytes -= oldest.bytes();
            }
        }
    }
}
