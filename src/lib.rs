//! Score Explorer: watch, steer and measure score-based diffusion models
//! (Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential Equations").
//!
//! A [`task::Run`] is a value; one [`engine::Engine`] turns it into a stream of
//! snapshots; the window ([`app`]) and the command line ([`cli`]) are two listeners.
//!
//! Dependencies between the modules point one way, those of the modules to come included:
//! `cli` → `app` → `engine` → `plane` → `train`, `compare` → `data` → `checkpoint` → `task` → `metric` → `solver` →
//! `score` → `network` → `sde` → `registry`, `pixels`, `text`.

pub mod app;
pub mod checkpoint;
pub mod cli;
pub mod compare;
pub mod data;
pub mod engine;
pub mod metric;
pub mod network;
pub mod pixels;
pub mod plane;
pub mod registry;
pub mod score;
pub mod sde;
pub mod solver;
pub mod task;
mod text;
pub mod train;

pub use pixels::{Pixels, luma};

/// A batch of images (or of plain vectors, as N×D×1×1): N×C×H×W, `f32`.
pub type Image = burn::tensor::Tensor<4>;
