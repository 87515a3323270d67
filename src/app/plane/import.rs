//! Data from files: a scene, a picture whose ink is density, points.

use crate::checkpoint::{read_photo, read_points};
use crate::plane::{Drawing, Ink, Scene, Shape};
use std::path::Path;

/// What a file gives.
#[derive(Debug)]
pub enum Imported {
    Scene(Box<Scene>),
    Shape(Shape),
    Failed(String),
}

/// Pixels of a picture's longer side.
const SIDE: u32 = 96;

/// Reads a scene, a table of points or a picture, by its name.
pub fn read(path: &Path) -> Imported {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let read = match ending.as_deref() {
        Some("json") => {
            Scene::read(path).map(|scene| Imported::Scene(Box::new(scene))).map_err(|error| error.to_string())
        }
        Some("csv" | "txt" | "tsv") => {
            let points = read_points(path, Drawing::MOST_POINTS).map_err(|error| error.to_string());
            points.map(|points| Imported::Shape(Shape::fitted(&points)))
        }
        _ => picture(path).map(|ink| Imported::Shape(Shape::Ink(ink))),
    };
    read.unwrap_or_else(Imported::Failed)
}

fn picture(path: &Path) -> Result<Ink, String> {
    let photo = read_photo(path, SIDE).map_err(|error| error.to_string())?;
    Ink::of(&photo.image)
        .ok_or_else(|| format!("{path:?} has no ink that stands out; choose a picture with dark parts"))
}
