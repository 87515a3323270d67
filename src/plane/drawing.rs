//! What is drawn, as a value, and the mixture of Gaussians that it is.

use super::merge::merge;
use super::{Famous, Plane};
use crate::luma;
use crate::registry::Choice;
use image::RgbImage;
use serde::{Deserialize, Serialize};

/// Data in the plane: pieces, each with its share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Drawing {
    pub pieces: Vec<Piece>,
}

/// A part of a drawing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    pub shape: Shape,
    /// Share of all the data, in any units: those of all pieces are brought to the sum 1.
    #[serde(default = "one")]
    pub weight: f64,
    /// The class of its points, from 0, by which guidance leads.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub class: usize,
}

/// What a piece looks like. Lengths are in the units of the plane, whose data mostly fill −1 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Shape {
    /// One round Gaussian.
    Gaussian { at: [f64; 2], std: f64 },
    /// A line through these points, drawn by a round brush: its profile is a Gaussian of a quarter of the width.
    Stroke { points: Vec<[f64; 2]>, width: f64 },
    /// Points, each a Gaussian of this standard deviation.
    Points { points: Vec<[f64; 2]>, std: f64 },
    /// A picture whose ink is density.
    Ink(Ink),
    /// A set that is well known.
    Famous(#[serde(with = "crate::registry::text")] Choice<dyn Famous>),
}

/// A small grey picture over the plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ink {
    /// Pixels of a row.
    pub width: usize,
    /// How much ink there is, 0 to 255, row by row from the top.
    pub values: Vec<u8>,
    /// The middle of the picture.
    #[serde(default)]
    pub at: [f64; 2],
    /// Half of its longer side.
    #[serde(default = "one")]
    pub half: f64,
}

/// A round Gaussian of the data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gaussian {
    pub at: [f64; 2],
    pub std: f64,
    /// Its share, in any units.
    pub weight: f64,
    pub class: usize,
}

/// A drawing that is no data.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DrawingError {
    #[error("the drawing is empty, so that there is nothing to sample; draw something, or choose a data set")]
    Empty,
    #[error("{found} pieces are too many; draw up to {most}", most = Drawing::MOST_PIECES)]
    Pieces { found: usize },
    #[error("piece {piece} has {found} points; give 1 to {most}", most = Drawing::MOST_POINTS)]
    Points { piece: usize, found: usize },
    #[error("piece {piece} has {what} = {value}; choose {least} to {most}")]
    Value { piece: usize, what: &'static str, value: f64, least: f64, most: f64 },
    #[error(
        "piece {piece} is a picture of {values} values in rows of {width}; give whole rows, up to {most} a side",
        most = Ink::MOST_SIDE
    )]
    Ink { piece: usize, width: usize, values: usize },
    #[error("piece {piece} is a picture without ink; choose one with dark parts")]
    Blank { piece: usize },
}

impl Drawing {
    /// Gaussians that a drawing has at most: finer ones are merged.
    pub const MOST: usize = 2_000;
    /// Of a drawing.
    pub const MOST_PIECES: usize = 1_000;
    /// Of a piece.
    pub const MOST_POINTS: usize = 50_000;
    /// How far from the middle anything is.
    pub const REACH: f64 = 100.0;
    /// Standard deviations and widths.
    pub const WIDTHS: [f64; 2] = [1e-3, 100.0];
    /// Of a piece.
    pub const WEIGHTS: [f64; 2] = [1e-6, 1e6];
    /// Classes are below this.
    pub const CLASSES: usize = 16;

    /// A drawing of one famous set.
    pub fn famous(set: Choice<dyn Famous>) -> Self {
        Drawing { pieces: vec![Piece::new(Shape::Famous(set))] }
    }

    /// The mixture of at most [`Drawing::MOST`] round Gaussians that it is; weights sum to 1.
    ///
    /// # Errors
    /// If it is empty, or a value is out of range.
    pub fn gaussians(&self) -> Result<Vec<Gaussian>, DrawingError> {
        if self.pieces.is_empty() {
            return Err(DrawingError::Empty);
        }
        if self.pieces.len() > Drawing::MOST_PIECES {
            return Err(DrawingError::Pieces { found: self.pieces.len() });
        }
        let mut all = Vec::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            // No piece needs to be finer than the whole may be: this bounds the work.
            all.extend(merge(piece.gaussians(index + 1)?, Drawing::MOST));
        }
        let mut all = merge(all, Drawing::MOST);
        let total: f64 = all.iter().map(|gaussian| gaussian.weight).sum();
        all.iter_mut().for_each(|gaussian| gaussian.weight /= total);
        Ok(all)
    }

    /// The data whose score is exact.
    ///
    /// # Errors
    /// As [`Drawing::gaussians`].
    pub fn plane(&self) -> Result<Plane, DrawingError> {
        Ok(Plane::new(&self.gaussians()?))
    }
}

impl Shape {
    /// Points of any units, moved and scaled so that they fill the square from −1 to 1, each as wide as suits their number.
    pub fn fitted(points: &[[f64; 2]]) -> Shape {
        let ends = |axis: usize| {
            let values = points.iter().map(|point| point[axis]);
            values.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)))
        };
        let [(left, right), (bottom, top)] = [ends(0), ends(1)];
        let half = (0.5 * (right - left)).max(0.5 * (top - bottom));
        let scale = if half > 0.0 { 1.0 / half } else { 0.0 };
        let middle = [0.5 * (left + right), 0.5 * (bottom + top)];
        let place = |point: &[f64; 2]| [0, 1].map(|axis| (point[axis] - middle[axis]) * scale);
        let points: Vec<[f64; 2]> = points.iter().map(place).collect();
        // Scott's rule for a spread of about a half.
        let std = (0.5 * (points.len() as f64).powf(-1.0 / 6.0) * 0.3).clamp(0.01, 0.2);
        Shape::Points { points, std }
    }
}

impl Piece {
    /// With the weight 1, of the first class.
    pub fn new(shape: Shape) -> Self {
        Piece { shape, weight: 1.0, class: 0 }
    }

    /// Its Gaussians, of this weight together. `piece` is its number, from 1.
    fn gaussians(&self, piece: usize) -> Result<Vec<Gaussian>, DrawingError> {
        let within = |what, value: f64, [least, most]: [f64; 2]| match (least..=most).contains(&value) {
            true => Ok(value),
            false => Err(DrawingError::Value { piece, what, value, least, most }),
        };
        let place = |at: &[f64; 2]| -> Result<(), DrawingError> {
            let reach = [-Drawing::REACH, Drawing::REACH];
            at.iter().try_for_each(|&value| within("a coordinate", value, reach).map(drop))
        };
        let counted = |points: &[[f64; 2]]| -> Result<(), DrawingError> {
            if !(1..=Drawing::MOST_POINTS).contains(&points.len()) {
                return Err(DrawingError::Points { piece, found: points.len() });
            }
            points.iter().try_for_each(place)
        };
        within("the weight", self.weight, Drawing::WEIGHTS)?;
        within("the class", self.class as f64, [0.0, (Drawing::CLASSES - 1) as f64])?;
        let round = |at: [f64; 2], std: f64, weight: f64| Gaussian { at, std, weight, class: self.class };
        let mut all: Vec<Gaussian> = match &self.shape {
            Shape::Gaussian { at, std } => {
                place(at)?;
                vec![round(*at, within("the standard deviation", *std, Drawing::WIDTHS)?, 1.0)]
            }
            Shape::Stroke { points, width } => {
                counted(points)?;
                let std = within("the width", *width, Drawing::WIDTHS)? / 4.0;
                let (places, apart) = along(points, std);
                places.into_iter().map(|at| round(at, std.max(apart), 1.0)).collect()
            }
            Shape::Points { points, std } => {
                counted(points)?;
                let std = within("the standard deviation", *std, Drawing::WIDTHS)?;
                points.iter().map(|&at| round(at, std, 1.0)).collect()
            }
            Shape::Ink(ink) => {
                place(&ink.at)?;
                within("the half side", ink.half, Drawing::WIDTHS)?;
                let dots = ink.dots(piece)?;
                dots.into_iter().map(|(at, std, weight)| round(at, std, weight)).collect()
            }
            Shape::Famous(set) => {
                let ours = set.entry().gaussians().into_iter();
                // A set with classes of its own keeps them, counted from the piece's.
                ours.map(|one| Gaussian { class: (self.class + one.class) % Drawing::CLASSES, ..one }).collect()
            }
        };
        let total: f64 = all.iter().map(|gaussian| gaussian.weight).sum();
        all.iter_mut().for_each(|gaussian| gaussian.weight *= self.weight / total);
        Ok(all)
    }
}

/// Points along a line, at most a standard deviation apart where a drawing may have so many, and how far apart they are.
pub(super) fn along(points: &[[f64; 2]], std: f64) -> (Vec<[f64; 2]>, f64) {
    let length = length(points);
    let count = ((length / std).ceil() as usize).clamp(1, Drawing::MOST - 1);
    let apart = length / count as f64;
    let (mut all, mut passed): (Vec<[f64; 2]>, f64) = (points.first().copied().into_iter().collect(), 0.0);
    for ends in points.windows(2) {
        let piece = distance(ends[0], ends[1]);
        // Rounding is not to lose the last one.
        while piece > 0.0 && all.len() <= count && passed + piece >= apart * (all.len() as f64 - 1e-9) {
            let share = ((apart * all.len() as f64 - passed) / piece).clamp(0.0, 1.0);
            all.push([0, 1].map(|axis| ends[0][axis] + share * (ends[1][axis] - ends[0][axis])));
        }
        passed += piece;
    }
    (all, apart)
}

/// The length of a line through these points.
fn length(points: &[[f64; 2]]) -> f64 {
    points.windows(2).map(|ends| distance(ends[0], ends[1])).sum()
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

impl Ink {
    /// The ink of a picture: what is dark, or what is light where most is dark. `None` where it is all of one grey.
    pub fn of(image: &RgbImage) -> Option<Ink> {
        let grey = image.pixels().map(|pixel| luma(pixel.0.map(|value| f32::from(value) / 255.0)));
        let dark: Vec<f32> = grey.map(|grey| 1.0 - grey).collect();
        let is_negative = dark.iter().sum::<f32>() > 0.5 * dark.len() as f32;
        let ink: Vec<f32> = dark.iter().map(|dark| if is_negative { 1.0 - dark } else { *dark }).collect();
        let (low, high) = ink.iter().fold((f32::MAX, f32::MIN), |(low, high), ink| (low.min(*ink), high.max(*ink)));
        let level = |ink: &f32| ((ink - low) / (high - low) * 255.0).round() as u8;
        let values = ink.iter().map(level).collect();
        (high - low > 1e-3).then(|| Ink { width: image.width() as usize, values, at: [0.0; 2], half: 1.0 })
    }

    /// Pixels of a side at most.
    pub const MOST_SIDE: usize = 256;
    /// Of a Gaussian, in pixels: neighbours of equal ink then make an even density, to a part in 10,000.
    const STD: f64 = 0.7;

    /// Middle, standard deviation and ink of each pixel that has some.
    fn dots(&self, piece: usize) -> Result<Vec<([f64; 2], f64, f64)>, DrawingError> {
        let Ink { width, ref values, at, half } = *self;
        let height = values.len().checked_div(width).unwrap_or(0);
        if height == 0 || height * width != values.len() || width.max(height) > Ink::MOST_SIDE {
            return Err(DrawingError::Ink { piece, width, values: values.len() });
        }
        let pitch = 2.0 * half / width.max(height) as f64;
        let middle = |index: usize| {
            let (row, column) = ((index / width) as f64, (index % width) as f64);
            let right = (column + 0.5 - 0.5 * width as f64) * pitch;
            let down = (row + 0.5 - 0.5 * height as f64) * pitch;
            [at[0] + right, at[1] - down]
        };
        let inked = values.iter().enumerate().filter(|(_, ink)| **ink > 0);
        let dots: Vec<_> =
            inked.map(|(index, &ink)| (middle(index), Ink::STD * pitch, f64::from(ink) / 255.0)).collect();
        if dots.is_empty() { Err(DrawingError::Blank { piece }) } else { Ok(dots) }
    }
}

fn one() -> f64 {
    1.0
}

fn is_zero(class: &usize) -> bool {
    *class == 0
}
