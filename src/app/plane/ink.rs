//! Dots and lines by the thousand: one mesh, whose soft edges come from a texture of a disc.

use super::screen::Screen;
use crate::plane::Point;
use egui::epaint::{Mesh, Vertex};
use egui::{Color32, ColorImage, Context, Painter, Pos2, Rect, Shape, TextureHandle, TextureOptions, Vec2, pos2, vec2};

/// Side of the disc's texture, in pixels.
const SIDE: usize = 32;

/// The texture of a disc, made once.
#[derive(Default)]
pub struct Disc(Option<TextureHandle>);

impl Disc {
    /// Nothing drawn yet.
    pub fn pen(&mut self, ctx: &Context) -> Pen {
        let texture = self.0.get_or_insert_with(|| ctx.load_texture("disc", disc(), TextureOptions::LINEAR));
        Pen { mesh: Mesh::with_texture(texture.id()) }
    }
}

/// White, as much as a soft disc has of each pixel.
fn disc() -> ColorImage {
    let middle = (SIDE as f32 - 1.0) / 2.0;
    let cover = |index: usize| {
        let [x, y] = [index % SIDE, index / SIDE].map(|place| place as f32 - middle);
        // The outer third fades, so that small dots are round, too.
        let inside = 1.0 - (x.hypot(y) / (middle + 0.5));
        (3.0 * inside).clamp(0.0, 1.0)
    };
    let pixels = (0..SIDE * SIDE).map(|index| Color32::from_white_alpha((255.0 * cover(index)) as u8)).collect();
    ColorImage::new([SIDE, SIDE], pixels)
}

/// Draws dots and lines.
pub struct Pen {
    mesh: Mesh,
}

/// The middle of the disc, where it is full.
const FULL: f32 = 0.5;

impl Pen {
    fn quad(&mut self, corners: [Pos2; 4], uv: [Pos2; 4], colours: [Color32; 4]) {
        let first = self.mesh.vertices.len() as u32;
        for ((pos, uv), color) in corners.into_iter().zip(uv).zip(colours) {
            self.mesh.vertices.push(Vertex { pos, uv, color });
        }
        self.mesh.indices.extend([0, 1, 2, 0, 2, 3].map(|corner| first + corner));
    }

    /// A dot.
    pub fn dot(&mut self, at: Pos2, radius: f32, colour: Color32) {
        // The edge fades from within.
        let r = radius * 1.25;
        let corners = [vec2(-r, -r), vec2(r, -r), vec2(r, r), vec2(-r, r)].map(|corner: Vec2| at + corner);
        let uv = [pos2(0.0, 0.0), pos2(1.0, 0.0), pos2(1.0, 1.0), pos2(0.0, 1.0)];
        self.quad(corners, uv, [colour; 4]);
    }

    /// A line from `a` to `b`, whose colour goes from the one to the other.
    pub fn line(&mut self, [a, b]: [Pos2; 2], width: f32, [from, to]: [Color32; 2]) {
        let along = b - a;
        let length = along.length();
        if length < 1e-3 || !length.is_finite() {
            return;
        }
        // The edges fade from within, as those of dots.
        let side = along.rot90() * (0.75 * width / length);
        let corners = [a + side, b + side, b - side, a - side];
        let uv = [pos2(FULL, 0.0), pos2(FULL, 0.0), pos2(FULL, 1.0), pos2(FULL, 1.0)];
        self.quad(corners, uv, [from, to, to, from]);
    }

    /// An arrow from `a` to `b`.
    pub fn arrow(&mut self, [a, b]: [Pos2; 2], width: f32, colour: Color32) {
        let along = b - a;
        let length = along.length();
        if length < 1.0 {
            return;
        }
        self.line([a, b], width, [colour; 2]);
        let back = along * (-(0.38 * length).clamp(2.5, 7.0) / length);
        for turn in [0.5f32, -0.5] {
            let (sin, cos) = turn.sin_cos();
            let barb = vec2(cos * back.x - sin * back.y, sin * back.x + cos * back.y);
            self.line([b, b + barb], width, [colour; 2]);
        }
    }

    /// Dots at points.
    pub fn dots(&mut self, screen: &Screen, points: &[Point], radius: f32, colour: Color32) {
        self.mesh.reserve_vertices(4 * points.len());
        let seen = screen.rect.expand(radius);
        for point in points {
            let at = screen.at(*point);
            if seen.contains(at) {
                self.dot(at, radius, colour);
            }
        }
    }

    /// A line through points.
    pub fn path(
        &mut self,
        screen: &Screen,
        points: impl Iterator<Item = Point>,
        width: f32,
        colour: impl Fn(usize) -> Color32,
    ) {
        let mut before: Option<Pos2> = None;
        for (index, point) in points.enumerate() {
            let at = screen.at(point);
            let near = |at: Pos2| screen.rect.expand(200.0).contains(at);
            if let Some(last) = before.filter(|last| near(*last) && near(at)) {
                self.line([last, at], width, [colour(index.saturating_sub(1)), colour(index)]);
            }
            before = Some(at);
        }
    }

    /// Hands all of it to a painter.
    pub fn paint(self, painter: &Painter) {
        if !self.mesh.is_empty() {
            painter.add(Shape::mesh(self.mesh));
        }
    }

    /// Corners so far.
    #[cfg(test)]
    pub fn corners(&self) -> usize {
        self.mesh.vertices.len()
    }
}

/// A picture over a rectangle.
pub fn picture(painter: &Painter, texture: &TextureHandle, rect: Rect) {
    painter.image(texture.id(), rect, Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)), Color32::WHITE);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plane::View;

    #[test]
    fn a_disc_is_full_in_the_middle_and_nothing_at_the_corners() {
        let disc = disc();
        let alpha = |x: usize, y: usize| disc.pixels[y * SIDE + x].a();
        assert_eq!((alpha(SIDE / 2, SIDE / 2), alpha(0, 0), alpha(SIDE - 1, 0)), (255, 0, 0));
        assert!((0..SIDE / 2 - 1).all(|x| alpha(x, SIDE / 2) <= alpha(x + 1, SIDE / 2)));
    }

    #[test]
    fn dots_outside_of_the_picture_are_not_drawn() {
        let ctx = Context::default();
        let mut corners = 0;
        let _ = ctx.run_ui(egui::RawInput::default(), |ui| {
            let screen =
                Screen { rect: Rect::from_min_size(pos2(0.0, 0.0), vec2(100.0, 100.0)), view: View::default() };
            let mut pen = Disc::default().pen(ui.ctx());
            pen.dots(&screen, &[[0.0, 0.0], [1.4, -1.4], [9.0, 0.0], [f32::NAN, 0.0]], 2.0, Color32::WHITE);
            corners = pen.corners();
        });
        assert_eq!(corners, 8);
    }
}
