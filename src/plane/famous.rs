//! Data sets of the plane that everybody knows, as mixtures of round Gaussians.

use super::Gaussian;
use super::drawing::along;
use crate::registry::{Category, Entry, entry};
use std::f64::consts::{PI, TAU};

/// A data set that is known by its name.
pub trait Famous: Entry {
    /// Its Gaussians, in the square from −1 to 1; classes are counted from 0.
    fn gaussians(&self) -> Vec<Gaussian>;
}

/// The sets, in the order in which they are offered.
impl Category for dyn Famous {
    const NAME: &'static str = "data set";

    fn all() -> &'static [&'static Self] {
        &[
            &TwoMoons,
            &Ring,
            &Grid,
            &SwissRoll,
            &Checkerboard,
            &Spirals,
            &Pinwheel,
            &Rings,
            &Face,
            &Letter,
            &Pair,
            &OneGaussian,
        ]
    }
}

/// A Gaussian of the weight 1.
fn round(at: [f64; 2], std: f64, class: usize) -> Gaussian {
    Gaussian { at, std, weight: 1.0, class }
}

/// A point by its distance from the middle and its angle.
fn polar(radius: f64, angle: f64) -> [f64; 2] {
    [radius * angle.cos(), radius * angle.sin()]
}

/// A curve from 0 to 1 as Gaussians at equal distances along it.
fn curve(at: impl Fn(f64) -> [f64; 2], std: f64, class: usize) -> Vec<Gaussian> {
    let fine: Vec<[f64; 2]> = (0..=400).map(|step| at(f64::from(step) / 400.0)).collect();
    along(&fine, std).0.into_iter().map(|at| round(at, std, class)).collect()
}

entry! {
    /// Two half circles that reach into each other.
    TwoMoons {
        slug: "two-moons",
        name: "Two moons",
        summary: "Two interlocking arcs, one class each",
    }
}

impl Famous for TwoMoons {
    fn gaussians(&self) -> Vec<Gaussian> {
        let moon = |side: f64, class| {
            let at = move |s: f64| [side * (0.6 * (PI * s).cos() - 0.3), side * (0.6 * (PI * s).sin() - 0.15)];
            curve(at, 0.05, class)
        };
        [moon(1.0, 0), moon(-1.0, 1)].concat()
    }
}

entry! {
    /// Eight modes on a circle.
    Ring {
        slug: "ring",
        name: "Ring of modes",
        summary: "8 modes on a circle, one class each",
    }
}

impl Famous for Ring {
    fn gaussians(&self) -> Vec<Gaussian> {
        (0..8).map(|k| round(polar(0.8, TAU * k as f64 / 8.0), 0.06, k)).collect()
    }
}

entry! {
    /// Modes in rows.
    Grid {
        slug: "grid",
        name: "Grid of modes",
        summary: "25 modes in 5 rows of 5",
    }
}

impl Famous for Grid {
    fn gaussians(&self) -> Vec<Gaussian> {
        let place = |k: i32| 0.4 * f64::from(k - 2);
        (0..25).map(|k| round([place(k % 5), place(k / 5)], 0.05, 0)).collect()
    }
}

entry! {
    /// A spiral, as the section of a cake.
    SwissRoll {
        slug: "swiss-roll",
        name: "Swiss roll",
        summary: "A single spiral of one and a half turns",
    }
}

impl Famous for SwissRoll {
    fn gaussians(&self) -> Vec<Gaussian> {
        curve(|s| polar(0.28 + 0.62 * s, PI * (1.5 + 3.0 * s)), 0.035, 0)
    }
}

entry! {
    /// Every other square of a board.
    Checkerboard {
        slug: "checkerboard",
        name: "Checkerboard",
        summary: "Every other square of a board of 4 by 4",
    }
}

impl Famous for Checkerboard {
    fn gaussians(&self) -> Vec<Gaussian> {
        // Each square of the board is 8 by 8 Gaussians, 0.7 of their distance wide: even to a part in 10,000.
        let pitch = 1.8 / 32.0;
        let place = |k: usize| (k as f64 - 15.5) * pitch;
        let filled = (0..32 * 32).map(|k| [k % 32, k / 32]).filter(|[column, row]| (column / 8 + row / 8) % 2 == 0);
        filled.map(|[column, row]| round([place(column), place(row)], 0.7 * pitch, 0)).collect()
    }
}

entry! {
    /// Two spirals in each other.
    Spirals {
        slug: "spirals",
        name: "Two spirals",
        summary: "Two interlocking spirals, one class each",
    }
}

impl Famous for Spirals {
    fn gaussians(&self) -> Vec<Gaussian> {
        let arm = |turn: f64, class| curve(move |s| polar(0.1 + 0.8 * s, turn + 1.5 * PI * s), 0.035, class);
        [arm(0.0, 0), arm(PI, 1)].concat()
    }
}

entry! {
    /// Bent blades around the middle.
    Pinwheel {
        slug: "pinwheel",
        name: "Pinwheel",
        summary: "5 bent blades, one class each",
        source: "Johnson et al. 2016",
    }
}

impl Famous for Pinwheel {
    fn gaussians(&self) -> Vec<Gaussian> {
        let blade = |k: usize| {
            let turn = TAU * k as f64 / 5.0;
            (0..12).map(move |step| {
                let s = f64::from(step) / 11.0;
                let one = round(polar(0.2 + 0.7 * s, turn + 0.9 * s), 0.03 + 0.035 * s, k);
                Gaussian { weight: (-3.0 * (s - 0.5).powi(2)).exp(), ..one }
            })
        };
        (0..5).flat_map(blade).collect()
    }
}

entry! {
    /// Circles about one middle.
    Rings {
        slug: "rings",
        name: "Two rings",
        summary: "Two circles about one middle, one class each",
    }
}

impl Famous for Rings {
    fn gaussians(&self) -> Vec<Gaussian> {
        let circle = |radius: f64, class| curve(move |s| polar(radius, TAU * s), 0.04, class);
        let (inner, outer) = (circle(0.35, 0), circle(0.85, 1));
        // As much in each.
        let share = inner.len() as f64 / outer.len() as f64;
        inner.into_iter().chain(outer.into_iter().map(|one| Gaussian { weight: share, ..one })).collect()
    }
}

entry! {
    /// A face with a smile.
    Face {
        slug: "face",
        name: "Face",
        summary: "A smiling face: thin lines and two dots",
    }
}

impl Famous for Face {
    fn gaussians(&self) -> Vec<Gaussian> {
        let head = curve(|s| polar(0.85, TAU * s), 0.03, 0);
        let smile = curve(|s| polar(0.5, PI * (1.15 + 0.7 * s)), 0.03, 0);
        let eye = |x: f64| Gaussian { weight: 8.0, ..round([x, 0.3], 0.06, 0) };
        [head, smile, vec![eye(-0.3), eye(0.3)]].concat()
    }
}

entry! {
    /// The letter of the score.
    Letter {
        slug: "letter",
        name: "Letter",
        summary: "The letter S, drawn by one stroke",
    }
}

impl Famous for Letter {
    fn gaussians(&self) -> Vec<Gaussian> {
        // Two arcs of three quarters of a circle that meet in the middle.
        let at = |s: f64| match s < 0.5 {
            true => {
                let [x, y] = polar(0.42, PI * (0.05 + 2.9 * s));
                [x, y + 0.42]
            }
            false => {
                let [x, y] = polar(0.42, PI * (0.5 - 2.9 * (s - 0.5)));
                [x, y - 0.42]
            }
        };
        curve(at, 0.05, 0)
    }
}

entry! {
    /// Two unequal modes.
    Pair {
        slug: "pair",
        name: "Two modes",
        summary: "One mode of four fifths and one of a fifth, one class each",
        source: "Song and Ermon 2019, section 3.2",
    }
}

impl Famous for Pair {
    fn gaussians(&self) -> Vec<Gaussian> {
        let mode = |place: f64, weight: f64, class| Gaussian { weight, ..round([place, place], 0.12, class) };
        vec![mode(0.6, 0.8, 0), mode(-0.6, 0.2, 1)]
    }
}

entry! {
    /// The simplest of all.
    OneGaussian {
        slug: "gaussian",
        name: "Gaussian",
        summary: "One round Gaussian, of which every figure is known",
    }
}

impl Famous for OneGaussian {
    fn gaussians(&self) -> Vec<Gaussian> {
        vec![round([0.2, -0.1], 0.3, 0)]
    }
}
