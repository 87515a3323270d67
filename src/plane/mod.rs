//! Two dimensions, where everything is exact: data that are drawn, their density and score at every noise level, particles
//! that any solver moves, how far these end from the data, and a small network that learns the same score.
//!
//! A point is an image of shape [2, 1, 1], so that whatever samples images samples the plane. A [`Drawing`] becomes a
//! mixture of round Gaussians, and that mixture is the data ([`Plane`]). A [`Scene`] is the whole state as one value:
//! what a lesson is, what the window edits, and what the command line renders.

mod cloud;
mod distance;
mod drawing;
mod error;
mod exact;
mod famous;
mod field;
mod kernel;
mod learn;
mod lessons;
mod merge;
mod pane;
mod picture;
mod posterior;
mod render;
mod scene;

pub use cloud::{Cloud, Drive, Frame, Start, forward, integrate, noise, noised};
pub use distance::{DIRECTIONS, sliced_wasserstein};
pub use drawing::{Drawing, DrawingError, Gaussian, Ink, Piece, Shape};
pub use error::{Errors, Quality, errors, sweep};
pub use exact::Plane;
pub use famous::Famous;
pub use field::{Arrows, Field, Lines, View, density, marginals, scores};
pub use learn::{
    Answer, Ask, ConsistencyTraining, Denoising, Example, FlowMatching, Form, Implicit, Learned, Learning, LevelError,
    LevelLoss, Losses, Matching, Recipe, RecipeError, Scale, Sliced, against,
};
pub use lessons::{Lesson, lesson, lessons};
pub use pane::{Guide, Pane, PaneError};
pub use picture::{Course, Detail, Fields, Marginals, Probe, fresh, reference};
pub use posterior::{HalfPlane, Known};
pub use render::{Film, FilmError, Look, Panel, RenderError, Shot, csv};
pub use scene::{Layers, Scene, SceneError};

/// Channels, height and width of a point as an image.
pub const SHAPE: [usize; 3] = [2, 1, 1];

/// A point of the plane.
pub type Point = [f32; 2];
