//! Data from files: a picture whose ink is density, and points.

use crate::checkpoint::read_photo;
use crate::plane::{Drawing, Ink, Piece, Scene, Shape};
use std::path::Path;

/// What a file gives.
#[derive(Debug)]
pub enum Imported {
    Scene(Box<Scene>),
    Piece(Piece),
    Failed(String),
}

/// Pixels of a picture's longer side: as many as make Gaussians of a drawing.
const SIDE: u32 = 64;
/// Ink below this is paper.
const PAPER: u8 = 40;

/// Reads a scene, a table of points or a picture, by its name.
pub fn read(path: &Path) -> Imported {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("json") => match Scene::read(path) {
            Ok(scene) => Imported::Scene(Box::new(scene)),
            Err(error) => Imported::Failed(error.to_string()),
        },
        _ => match picture(path) {
            Ok(ink) => Imported::Piece(Piece::new(Shape::Ink(ink))),
            Err(why) => Imported::Failed(why),
        },
    }
}

/// A picture's ink: what is dark, or on a dark ground what is bright.
fn picture(path: &Path) -> Result<Ink, String> {
    let photo = read_photo(path, SIDE).map_err(|error| error.to_string())?;
    let grey = image::imageops::grayscale(&photo.image);
    let (width, values) = (grey.width() as usize, grey.into_raw());
    let ink = ink(width, values);
    let pieces = vec![Piece::new(Shape::Ink(ink.clone()))];
    // What makes no data says so here.
    Drawing { pieces }.plane().map_err(|error| error.to_string())?;
    Ok(ink)
}

fn ink(width: usize, grey: Vec<u8>) -> Ink {
    let mean = grey.iter().map(|&value| u64::from(value)).sum::<u64>() / grey.len().max(1) as u64;
    let of = |value: u8| if mean > 127 { 255 - value } else { value };
    let values = grey.into_iter().map(of).map(|ink| if ink < PAPER { 0 } else { ink }).collect();
    Ink { width, values, at: [0.0, 0.0], half: 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ink_is_what_stands_out_from_the_paper() {
        assert_eq!(ink(2, vec![255, 250, 10, 255]).values, [0, 0, 245, 0]);
        assert_eq!(ink(2, vec![0, 5, 240, 0]).values, [0, 0, 240, 0]);
    }
}
