//! Where the photo lies on the screen: fitted, enlarged, moved.

use egui::{Pos2, Rect, Vec2, vec2};

/// Points of the screen for a pixel of the photo, at most.
const MOST_SCALE: f32 = 64.0;
/// Room around a photo that is fitted, in points.
const MARGIN: f32 = 12.0;
/// Smallest magnification beyond fitting.
const LEAST_ZOOM: f32 = 0.25;
/// What a key magnifies by.
const STEP: f32 = 1.25;

/// The part of the photo that is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Viewport {
    /// Magnification beyond fitting the room.
    zoom: f32,
    /// The place of the photo in the middle, in shares of its width and height.
    centre: Vec2,
    /// What a key asked for; done when the room is known.
    wanted: Option<ZoomRequest>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum ZoomRequest {
    /// Steps closer, about the middle.
    Steps(i32),
    /// A pixel of the photo for each pixel of the screen.
    Actual,
}

impl Default for Viewport {
    fn default() -> Self {
        Viewport { zoom: 1.0, centre: Vec2::splat(0.5), wanted: None }
    }
}

/// A photo on the screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    /// Top left of the photo, in points.
    pub origin: Pos2,
    /// Points for a pixel of the photo.
    pub scale: f32,
}

impl Placed {
    /// The place on the photo, in its pixels.
    pub fn to_photo(self, at: Pos2) -> [f32; 2] {
        ((at - self.origin) / self.scale).into()
    }

    /// The place on the screen.
    pub fn to_screen(self, [x, y]: [f32; 2]) -> Pos2 {
        self.origin + vec2(x, y) * self.scale
    }

    /// A square of the photo on the screen.
    pub fn rect(self, [left, top, side]: [u32; 3]) -> Rect {
        Rect::from_min_size(self.to_screen([left as f32, top as f32]), Vec2::splat(side as f32 * self.scale))
    }
}

impl Viewport {
    /// Where a photo of `size` lies in `pane`.
    pub fn place(&self, pane: Rect, size: [usize; 2]) -> Placed {
        let scale = self.zoom * fit(pane, size);
        let whole = vec2(size[0] as f32, size[1] as f32) * scale;
        Placed { origin: pane.center() - whole * self.centre, scale }
    }

    /// Magnifies by `factor`; what lies under `at` stays there.
    pub fn zoom(&mut self, factor: f32, at: Pos2, pane: Rect, size: [usize; 2]) {
        let before = self.place(pane, size).to_photo(at);
        let most = (MOST_SCALE / fit(pane, size)).max(1.0);
        self.zoom = (self.zoom * factor).clamp(LEAST_ZOOM, most);
        let after = self.place(pane, size).to_screen(before);
        self.pan(at - after, pane, size);
    }

    /// Closer or further away in the next frame.
    pub fn step(&mut self, steps: i32) {
        self.wanted = Some(ZoomRequest::Steps(steps));
    }

    /// A pixel of the photo for each pixel of the screen in the next frame.
    pub fn actual(&mut self) {
        self.wanted = Some(ZoomRequest::Actual);
    }

    /// Does what was asked for between frames. `point`: a pixel of the screen, in points.
    pub fn settle(&mut self, pane: Rect, size: [usize; 2], point: f32) {
        let factor = match self.wanted.take() {
            None => return,
            Some(ZoomRequest::Steps(steps)) => STEP.powi(steps),
            Some(ZoomRequest::Actual) => point / self.place(pane, size).scale,
        };
        self.zoom(factor, pane.center(), pane, size);
    }

    /// Moves the photo by so many points; its middle stays within the room.
    pub fn pan(&mut self, by: Vec2, pane: Rect, size: [usize; 2]) {
        let whole = vec2(size[0] as f32, size[1] as f32) * self.place(pane, size).scale;
        self.centre = (self.centre - by / whole.max(Vec2::splat(1.0))).clamp(Vec2::ZERO, Vec2::splat(1.0));
    }

    /// Everything fits the room again.
    pub fn fit(&mut self) {
        *self = Viewport::default();
    }
}

/// Points for a pixel at which the photo fills the room.
fn fit(pane: Rect, [width, height]: [usize; 2]) -> f32 {
    let room = (pane.size() - Vec2::splat(2.0 * MARGIN)).max(Vec2::splat(16.0));
    (room.x / width.max(1) as f32).min(room.y / height.max(1) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::pos2;

    const PANE: Rect = Rect { min: pos2(100.0, 50.0), max: pos2(900.0, 650.0) };
    const SIZE: [usize; 2] = [4000, 3000];

    #[test]
    fn a_fitted_photo_is_whole_and_centred() {
        let placed = Viewport::default().place(PANE, SIZE);
        let middle = placed.to_screen([2000.0, 1500.0]);
        assert!((middle - PANE.center()).length() < 1e-3);
        assert!(PANE.contains(placed.to_screen([0.0, 0.0])) && PANE.contains(placed.to_screen([4000.0, 3000.0])));
    }

    #[test]
    fn what_is_under_the_pointer_stays_there() {
        let (mut view, at) = (Viewport::default(), pos2(300.0, 200.0));
        let before = view.place(PANE, SIZE).to_photo(at);
        view.zoom(7.0, at, PANE, SIZE);
        let after = view.place(PANE, SIZE).to_photo(at);
        assert!((before[0] - after[0]).abs() < 0.01 && (before[1] - after[1]).abs() < 0.01, "{before:?} {after:?}");
    }

    #[test]
    fn a_pixel_can_be_shown_as_a_point() {
        let mut view = Viewport::default();
        view.actual();
        view.settle(PANE, SIZE, 1.0);
        assert!((view.place(PANE, SIZE).scale - 1.0).abs() < 1e-5);
        view.pan(vec2(1e6, 0.0), PANE, SIZE);
        let placed = view.place(PANE, SIZE);
        assert!(placed.to_screen([0.0, 0.0]).x <= PANE.center().x + 1e-3, "the photo does not leave the room");
    }
}
