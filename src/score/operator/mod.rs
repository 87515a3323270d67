//! Linear operators A on clean data: what is measured of a picture.
//!
//! An [`Operator`] is a value that people name and save; over data of a given shape it becomes a [`Linear`] map.

mod blur;
mod colourisation;
mod compressed_sensing;
mod conjugate_gradients;
mod cosine;
mod denoising;
mod inpainting;
mod name;
mod super_resolution;

pub use blur::{Kernel, Motion, Spread, Weights};
pub use compressed_sensing::Sensing;
pub use super_resolution::Factor;

use crate::Image;
use blur::Blur;
use burn::tensor::Device;
use colourisation::Colourisation;
use compressed_sensing::CompressedSensing;
pub(super) use conjugate_gradients::conjugate_gradients;
use denoising::Denoising;
use inpainting::Inpainting;
use serde::{Deserialize, Serialize};
use super_resolution::SuperResolution;

/// What is measured of a picture, as people write it: `inpainting`, `super-resolution:4`, `blur:gaussian:2`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Operator {
    /// Some pixels, as a trust map says.
    Inpainting,
    /// The grey picture.
    Colourisation,
    /// The means of square blocks of pixels.
    SuperResolution(Factor),
    /// The blurred picture.
    Blur(Kernel),
    /// A share of random orthonormal coordinates.
    CompressedSensing(Sensing),
    /// The picture itself, under noise.
    Denoising,
}

/// A description that is no operator, or one that does not fit the data.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OperatorError {
    #[error(
        "{0:?} names no measurement; choose inpainting, colourisation, super-resolution:4, blur:gaussian:2, \
         blur:motion:9:30, blur:own:SIZE:WEIGHTS, compressed-sensing:0.25 or denoising"
    )]
    Unknown(String),
    #[error("super-resolution by {0} is not possible; choose 2, 4 or 8")]
    Factor(usize),
    #[error("a blur of standard deviation {0} is not possible; choose {min} to {max} pixels", min = Spread::MIN, max = Spread::MAX)]
    Spread(f64),
    #[error("a motion blur of {length} pixels at {angle}° is not possible; choose 1 to {max} pixels", max = Motion::MAX)]
    Motion { length: f64, angle: f64 },
    #[error(
        "{found} weights are no kernel of {size}×{size}; give an odd size up to {max} and that many finite weights \
         with a positive sum",
        max = Weights::MAX
    )]
    Weights { size: usize, found: usize },
    #[error("a share of {0} of all coordinates is not possible; choose a number above 0, up to 1")]
    Share(f64),
    #[error("{operator} needs pictures {needs}, not {channels}×{height}×{width}")]
    Shape { operator: String, needs: String, channels: usize, height: usize, width: usize },
    #[error("a trust map of {found:?} does not fit data of {expected:?}; give one value for each pixel")]
    Trust { expected: [usize; 3], found: [usize; 4] },
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

impl Operator {
    /// One operator of each kind, with common parameters.
    pub fn examples() -> Vec<Operator> {
        vec![
            Operator::Inpainting,
            Operator::Colourisation,
            Operator::SuperResolution(Factor::Four),
            Operator::Blur(Kernel::Gaussian(Spread::default())),
            Operator::Blur(Kernel::Motion(Motion::default())),
            Operator::CompressedSensing(Sensing::default()),
            Operator::Denoising,
        ]
    }

    /// The name people read.
    pub fn name(&self) -> &'static str {
        match self {
            Operator::Inpainting => "Inpainting",
            Operator::Colourisation => "Colourisation",
            Operator::SuperResolution(_) => "Super-resolution",
            Operator::Blur(_) => "Deblurring",
            Operator::CompressedSensing(_) => "Compressed sensing",
            Operator::Denoising => "Denoising",
        }
    }

    /// A over data of `shape` (C, H, W). Inpainting measures where `trust` (1×(1 or C)×H×W) is above 0,
    /// and nothing without it; others do not read it.
    ///
    /// # Errors
    /// If the operator does not fit the shape, or the trust map does not.
    pub fn over(
        &self,
        shape: [usize; 3],
        trust: Option<&Image>,
        device: &Device,
    ) -> Result<Box<dyn Linear>, OperatorError> {
        Ok(match self {
            Operator::Inpainting => Box::new(Inpainting::new(shape, trust, device)?),
            Operator::Colourisation => Box::new(Colourisation::new(shape, device)?),
            Operator::SuperResolution(factor) => Box::new(SuperResolution::new(*factor, shape)?),
            Operator::Blur(kernel) => Box::new(Blur::new(kernel, shape, device)),
            Operator::CompressedSensing(sensing) => Box::new(CompressedSensing::new(*sensing, shape, device)),
            Operator::Denoising => Box::new(Denoising::new(shape)),
        })
    }
}
