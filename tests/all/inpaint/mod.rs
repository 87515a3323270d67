//! Painting a mask on a photo: what the brush covers, what shapes and filters make, undo, what the model is given,
//! and the way back onto the photo.

mod files;
mod filters;
mod hints;
mod mask;
mod model;
mod speed;

use image::{Rgb, RgbImage};
use score_explorer::app::inpaint::{Brush, Canvas, Photo};

/// A brush of full opacity and hardness.
fn hard(radius: f32) -> Brush {
    Brush { radius, hardness: 1.0, opacity: 1.0, erases: false, colour: None }
}

/// A canvas on a photo that has another colour everywhere.
fn canvas(width: u32, height: u32) -> Canvas {
    let image = RgbImage::from_fn(width, height, |x, y| {
        Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, ((x * 31 + y * 17) % 256) as u8])
    });
    Canvas::new(Photo::pasted("test", image), Default::default())
}

/// Presses, drags along `points`, lifts.
fn stroke(canvas: &mut Canvas, brush: Brush, points: &[[f32; 2]]) {
    canvas.press(brush, points[0], false);
    canvas.drag(&points[1..]);
    canvas.lift();
}

/// Uniform numbers in [0, 1): a linear congruential sequence (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 24) as f32
    }

    fn place(&mut self, size: [usize; 2]) -> [f32; 2] {
        size.map(|side| self.roll() * side as f32)
    }
}
