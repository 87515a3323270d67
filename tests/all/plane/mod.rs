//! The plane: data that are drawn, exact densities and scores, clouds, distances.

mod clouds;
mod command_line;
mod distances;
mod drawings;
mod errors;
mod exact;
mod learning;
mod rendering;
mod scenes;
mod tasks;

use score_explorer::plane::{Drawing, Famous, Gaussian, Plane};
use score_explorer::registry::{Category, Choice, find};

/// A data set by its name.
fn famous(slug: &str) -> Plane {
    Drawing::famous(Choice::new(find::<dyn Famous>(slug).unwrap())).plane().unwrap()
}

/// All data sets.
fn all() -> Vec<(&'static str, Plane)> {
    <dyn Famous>::all().iter().map(|set| (set.about().slug, famous(set.about().slug))).collect()
}

/// One round Gaussian.
fn gaussian(at: [f64; 2], std: f64) -> Plane {
    Plane::new(&[Gaussian { at, std, weight: 1.0, class: 0 }])
}
