//! Linear operators A on clean data: what is measured of a picture.
//!
//! An [`Operator`] is chosen by name; over data of a given shape it becomes a [`Linear`] map.

mod blur;
mod colourisation;
mod compressed_sensing;
mod conjugate_gradients;
mod cosine;
mod denoising;
mod inpainting;
mod super_resolution;

pub use blur::{ANGLE, GaussianBlur, KernelBlur, LENGTH, MotionBlur, SIZE, SPREAD, WEIGHTS};
pub use colourisation::Colourisation;
pub use compressed_sensing::{CompressedSensing, SEED, SHARE};
pub(super) use conjugate_gradients::conjugate_gradients;
pub use denoising::Denoising;
pub use inpainting::Inpainting;
pub use super_resolution::{FACTOR, SuperResolution};

use crate::Image;
use crate::registry::{Category, Choice, Entry, Settings};
use burn::tensor::Device;

/// The data that an operator acts on.
#[derive(Clone, Copy, Debug)]
pub struct Domain<'a> {
    /// C, H, W.
    pub shape: [usize; 3],
    /// Inpainting measures where this (1×(1 or C)×H×W) is above 0, and nothing without it; others do not read it.
    pub mask: Option<&'a Image>,
    pub device: &'a Device,
}

/// What is measured of a picture: `inpainting`, `super-resolution:4`, `blur:gaussian:2`.
pub trait Operator: Entry {
    /// A over these data.
    ///
    /// # Errors
    /// If the operator does not fit their shape, or the mask does not.
    fn over(&self, settings: &Settings, domain: Domain<'_>) -> Result<Box<dyn Linear>, OperatorError>;

    /// Whether it degrades a picture, in a way that people may want to undo.
    fn is_degradation(&self) -> bool {
        false
    }
}

/// The operators, in the order in which they are offered.
impl Category for dyn Operator {
    const NAME: &'static str = "operator";

    fn all() -> &'static [&'static Self] {
        &[
            &Inpainting,
            &Colourisation,
            &SuperResolution,
            &GaussianBlur,
            &MotionBlur,
            &KernelBlur,
            &CompressedSensing,
            &Denoising,
        ]
    }
}

impl Choice<dyn Operator> {
    /// [`Operator::over`] with the values of this choice, for data of `shape` (C, H, W).
    ///
    /// # Errors
    /// If the operator does not fit the shape, or the mask does not.
    pub fn over(
        &self,
        shape: [usize; 3],
        mask: Option<&Image>,
        device: &Device,
    ) -> Result<Box<dyn Linear>, OperatorError> {
        self.entry().over(self.settings(), Domain { shape, mask, device })
    }
}

/// An operator that does not fit the data.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OperatorError {
    #[error(
        "{found} weights do not form a {size}×{size} kernel; give an odd size up to {max} and that many finite weights \
         with a positive sum",
        max = blur::LARGEST
    )]
    Weights { size: u64, found: usize },
    #[error("{operator} needs images {needs}, not {channels}×{height}×{width}")]
    Shape { operator: String, needs: String, channels: usize, height: usize, width: usize },
    #[error("a confidence map of shape {found:?} does not fit data of shape {expected:?}; give one value per pixel")]
    Confidence { expected: [usize; 3], found: [usize; 4] },
}

/// A linear map A from pictures N×C×H×W to measurements N×c×h×w, whose Gram matrix AAᵀ is c·I where not said otherwise.
pub trait Linear {
    /// Shape of one measurement.
    fn measured(&self) -> [usize; 3];

    /// A·x.
    fn apply(&self, x: &Image) -> Image;

    /// Aᵀ·y.
    fn adjoint(&self, y: &Image) -> Image;

    /// c where AAᵀ = c·I on all that is measured; `None` where it has no such form.
    fn gram(&self) -> Option<f64>;

    /// Where there is a measurement at all: 1 or 0, to broadcast over measurements; `None` everywhere.
    fn known(&self) -> Option<&Image> {
        None
    }

    /// About (AAᵀ + noise)⁻¹·r, symmetric and positive definite: what conjugate gradients start from where AAᵀ has no
    /// simple form. `noise`: (1 or N)×1×1×1.
    fn precondition(&self, r: &Image, noise: &Image) -> Image {
        let gram = self.gram().unwrap_or(1.0);
        r.clone() / (noise.clone() + gram)
    }

    /// A picture of the measurement y: A⁺·y, what is known of the picture and nothing else.
    fn picture(&self, y: &Image) -> Image {
        let scale = self.gram().map_or(1.0, |gram| 1.0 / gram);
        self.adjoint(y) * scale
    }

    /// The measurement that a picture made by [`Linear::picture`] shows.
    fn read(&self, picture: &Image) -> Image {
        self.apply(picture)
    }
}
