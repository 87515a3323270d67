//! Rectangles of whole pixels.

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
