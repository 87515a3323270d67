//! Rectangles of whole pixels, and what a fast stroke leaves of them.

/// From `left`, `top` to before `right`, `bottom`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Area {
    pub left: usize,
    pub top: usize,
    pub right: usize,
    pub bottom: usize,
}

impl Area {
    pub const NONE: Area = Area { left: 0, top: 0, right: 0, bottom: 0 };

    /// All pixels of a picture.
    pub fn whole([width, height]: [usize; 2]) -> Area {
        Area { left: 0, top: 0, right: width, bottom: height }
    }

    /// The pixels of a picture that a box of real numbers touches.
    pub fn around(low: [f32; 2], high: [f32; 2], [width, height]: [usize; 2]) -> Area {
        let place = |value: f32, most: usize| (value.max(0.0) as usize).min(most);
        let (left, top) = (place(low[0].floor(), width), place(low[1].floor(), height));
        Area { left, top, right: place(high[0].ceil(), width), bottom: place(high[1].ceil(), height) }
    }

    pub fn is_empty(&self) -> bool {
        self.left >= self.right || self.top >= self.bottom
    }

    pub fn width(&self) -> usize {
        self.right.saturating_sub(self.left)
    }

    pub fn height(&self) -> usize {
        self.bottom.saturating_sub(self.top)
    }

    /// The smallest area that holds both.
    #[must_use]
    pub fn union(&self, other: Area) -> Area {
        match (self.is_empty(), other.is_empty()) {
            (true, _) => other,
            (_, true) => *self,
            _ => Area {
                left: self.left.min(other.left),
                top: self.top.min(other.top),
                right: self.right.max(other.right),
                bottom: self.bottom.max(other.bottom),
            },
        }
    }

    /// What lies in both.
    #[must_use]
    pub fn within(&self, other: Area) -> Area {
        Area {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
    }

    /// Wider by `margin` on all sides, within a picture.
    #[must_use]
    pub fn grown(&self, margin: usize, size: [usize; 2]) -> Area {
        if self.is_empty() {
            return Area::NONE;
        }
        Area {
            left: self.left.saturating_sub(margin),
            top: self.top.saturating_sub(margin),
            right: self.right + margin,
            bottom: self.bottom + margin,
        }
        .within(Area::whole(size))
    }
}

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
