//! Where the plane is on the screen.

use crate::plane::{Point, View};
use egui::{Pos2, Rect, pos2};

/// A part of the plane in a square of the screen: x to the right, y upwards.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    pub rect: Rect,
    pub view: View,
}

impl Screen {
    /// Points of the screen for one unit of the plane.
    pub fn scale(&self) -> f32 {
        self.rect.width() / (2.0 * self.view.half) as f32
    }

    /// Where a point is.
    pub fn at(&self, [x, y]: Point) -> Pos2 {
        let [cx, cy] = self.view.centre.map(|c| c as f32);
        self.rect.center() + egui::vec2(x - cx, cy - y) * self.scale()
    }

    /// The same of a point in double precision.
    pub fn at_f64(&self, point: [f64; 2]) -> Pos2 {
        self.at(point.map(|x| x as f32))
    }

    /// Which point is there.
    pub fn point(&self, at: Pos2) -> [f64; 2] {
        let off = (at - self.rect.center()) / self.scale();
        [self.view.centre[0] + f64::from(off.x), self.view.centre[1] - f64::from(off.y)]
    }
}

/// So many squares of a rectangle beside and below each other, as large as possible, with room for a title above each.
pub fn tiles(rect: Rect, count: usize, title: f32, gap: f32) -> Vec<Rect> {
    let count = count.max(1);
    let side = |columns: usize| {
        let rows = count.div_ceil(columns);
        let across = (rect.width() - gap * (columns as f32 - 1.0)) / columns as f32;
        let down = (rect.height() - gap * (rows as f32 - 1.0)) / rows as f32 - title;
        across.min(down)
    };
    let columns = (1..=count).max_by(|a, b| side(*a).total_cmp(&side(*b))).unwrap_or(1);
    let (rows, side) = (count.div_ceil(columns), side(columns).max(1.0));
    let size = [
        side * columns as f32 + gap * (columns as f32 - 1.0),
        (side + title) * rows as f32 + gap * (rows as f32 - 1.0),
    ];
    let corner = pos2(rect.center().x - size[0] / 2.0, rect.center().y - size[1] / 2.0);
    let place = |index: usize| {
        let (column, row) = ((index % columns) as f32, (index / columns) as f32);
        let at = corner + egui::vec2(column * (side + gap), row * (side + title + gap) + title);
        Rect::from_min_size(at, egui::vec2(side, side))
    };
    (0..count).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::vec2;

    #[test]
    fn points_of_screen_and_plane_are_inverse_and_y_is_upwards() {
        let screen = Screen {
            rect: Rect::from_min_size(pos2(10.0, 20.0), vec2(200.0, 200.0)),
            view: View { centre: [0.5, -1.0], half: 2.0 },
        };
        assert_eq!(screen.at([0.5, -1.0]), pos2(110.0, 120.0));
        assert!(screen.at([0.5, 0.0]).y < screen.at([0.5, -0.5]).y);
        let [x, y] = screen.point(screen.at([1.25, 0.5]));
        assert!((x - 1.25).abs() < 1e-6 && (y - 0.5).abs() < 1e-6);
    }

    #[test]
    fn tiles_are_square_apart_and_inside() {
        for size in [vec2(700.0, 600.0), vec2(300.0, 260.0), vec2(260.0, 700.0)] {
            let rect = Rect::from_min_size(pos2(5.0, 5.0), size);
            for count in 1..=4 {
                let tiles = tiles(rect, count, 18.0, 6.0);
                assert_eq!(tiles.len(), count);
                for (place, tile) in tiles.iter().enumerate() {
                    assert!((tile.width() - tile.height()).abs() < 1e-3);
                    let whole = Rect::from_min_max(tile.min - vec2(0.0, 18.0), tile.max);
                    assert!(rect.expand(0.01).contains_rect(whole), "{count} in {size:?}: {whole:?}");
                    assert!(tiles[..place].iter().all(|other| !other.intersects(whole)));
                }
            }
        }
        // Four in a wide room stand in two rows only where that makes them larger.
        let tiles = tiles(Rect::from_min_size(pos2(0.0, 0.0), vec2(800.0, 150.0)), 4, 18.0, 6.0);
        assert!(tiles.iter().all(|tile| tile.top() == tiles[0].top()));
    }
}
