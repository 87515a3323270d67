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

/// A place on a picture of this size that nobody chose.
fn place(random: &mut fastrand::Rng, size: [usize; 2]) -> [f32; 2] {
    size.map(|side| random.f32() * side as f32)
}
