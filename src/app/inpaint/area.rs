//! What a fast stroke leaves of a picture: rectangles of whole pixels.

pub use crate::pixels::Area;

/// The values of an area of a picture, row by row.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    pub area: Area,
    pub values: &'a [u8],
}

impl<'a> Part<'a> {
    /// All of a picture.
    pub fn whole(size: [usize; 2], values: &'a [u8]) -> Part<'a> {
        Part { area: Area::whole(size), values }
    }
}

/// Areas that are kept apart.
const MOST_AREAS: usize = 24;

/// What changed, as few areas that together are hardly larger: a fast stroke's bounding box is mostly empty.
#[derive(Clone, Debug, Default)]
pub struct Regions {
    areas: Vec<Area>,
}

impl Regions {
    /// All pixels of a picture.
    pub fn whole(size: [usize; 2]) -> Regions {
        Regions { areas: vec![Area::whole(size)] }
    }

    /// Adds an area: to the last one where both together are no larger than the two.
    pub fn add(&mut self, area: Area) {
        if area.is_empty() {
            return;
        }
        let pixels = |area: &Area| area.width() * area.height();
        if let Some(last) = self.areas.last_mut() {
            let both = last.union(area);
            if pixels(&both) <= pixels(last) + pixels(&area) {
                *last = both;
                return;
            }
        }
        self.areas.push(area);
        if self.areas.len() > MOST_AREAS {
            self.areas = vec![self.areas.iter().fold(Area::NONE, |all, area| all.union(*area))];
        }
    }

    /// Adds all areas of another one.
    pub fn extend(&mut self, other: &Regions) {
        other.areas.iter().for_each(|area| self.add(*area));
    }

    pub fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = Area> + '_ {
        self.areas.iter().copied()
    }
}
