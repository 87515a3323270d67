//! Score models: anything that answers ∇ₓ log p(x) for x = α·x(0) + σ·z.
//!
//! A network, an exact mixture of Gaussians, the exact score of a set of images.
//! Each answers at every (α, σ), so each runs in every family.

mod classifier;
mod clipped;
mod conditioning;
mod dense;
mod description;
mod differentiate;
mod gaussians;
mod guidance;
mod image_set;
mod in_range;
mod measurement;
mod mixture;
mod network;
mod operator;
mod predicts;
mod threshold;

pub use classifier::{Accuracy, ClassifierDescription, Classify, NetworkClassifier, class_called};
pub use clipped::Clipped;
pub(crate) use clipped::clip;

pub use conditioning::{Conditioning, Place};
pub use description::Description;
pub(crate) use differentiate::{parts, through_denoiser, vector_jacobian};
pub use guidance::{
    Autoguidance, ByClassifier, ClassifierFree, ClassifierGuidance, Contrast, GuidanceKind, Guided, Lead, Second,
    Strength,
};
pub use image_set::{Comparison, ImageSet};
pub use in_range::InRange;
pub(crate) use measurement::posterior;
pub use measurement::{Condition, Measurement};
pub use mixture::{Component, Mixture, MixtureError};
pub use network::NetworkScore;
pub use operator::{
    ANGLE, Colourisation, CompressedSensing, Denoising, Domain, FACTOR, GaussianBlur, Inpainting, KernelBlur, LENGTH,
    Linear, MotionBlur, Operator, OperatorError, SEED, SHARE, SIZE, SPREAD, SuperResolution, WEIGHTS,
};

pub use predicts::Predicts;
pub use threshold::Threshold;

use crate::Image;
use crate::network::{Sum, Weight};
use crate::sde::{Level, Moments, Range};
use burn::tensor::{Device, Tensor, TensorData, TensorReadError};

/// What a wrapper around `self.model` that changes nothing but the score says of itself.
macro_rules! described_by_its_model {
    () => {
        fn shape(&self) -> [usize; 3] {
            self.model.shape()
        }

        fn range(&self) -> Option<$crate::sde::Range> {
            self.model.range()
        }

        fn ratios(&self) -> Option<(f64, f64)> {
            self.model.ratios()
        }

        fn moments(&self) -> Option<$crate::sde::Moments> {
            self.model.moments()
        }

        fn threshold(&self) -> $crate::score::Threshold {
            self.model.threshold()
        }
    };
}
pub(crate) use described_by_its_model;

/// Why no score could be given.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScoreError {
    /// Not a failure: the listener asked to stop.
    #[error("stopped")]
    Stopped,
    #[error("the score is not finite at σ/α = {ratio:.3e}; choose more steps or a smaller SNR, or check the model")]
    NotFinite { ratio: f64 },
    #[error("the model expects images of shape {expected:?} (channels, height, width), not {found:?}")]
    Shape { expected: [usize; 3], found: [usize; 3] },
    #[error("the input contains values that are not finite; choose other images or latents")]
    Input,
    #[error(
        "the probability-flow ODE is too stiff at t = {t:.3e}: {evaluations} evaluations did not lead past it; choose a \
         larger tolerance, or images that the model covers"
    )]
    Stiff { t: f64, evaluations: usize },
    #[error(
        "the steps became too small at t = {t:.3e} for this tolerance; choose a larger tolerance, or stop at a larger t"
    )]
    StepTooSmall { t: f64 },
    #[error("this model cannot be differentiated; choose another model")]
    NoTrace,
    #[error("this model has no exact posterior; choose another method, or a mixture or a set of images")]
    NoPosterior,
    #[error("an exact posterior in {dimensions} dimensions is too large to compute; choose a method other than exact")]
    TooLarge { dimensions: usize },
    #[error("the device failed: {0}")]
    Device(String),
}

impl From<TensorReadError> for ScoreError {
    fn from(error: TensorReadError) -> Self {
        ScoreError::Device(error.to_string())
    }
}

/// ∇ₓ log p of data noised to any level.
pub trait ScoreModel {
    /// Channels, height and width of one sample.
    fn shape(&self) -> [usize; 3];

    /// The range that the model's data fill; `None` where any will do (exact mixtures).
    fn range(&self) -> Option<Range>;

    /// Smallest and largest σ/α at which the model is valid, in units of its own range;
    /// `None` where it is exact everywhere.
    fn ratios(&self) -> Option<(f64, f64)>;

    /// Moments of the model's data, in its own range, where they are known.
    fn moments(&self) -> Option<Moments>;

    /// How far estimates of x(0) may leave the range, where they are clipped.
    fn threshold(&self) -> Threshold {
        Threshold::Range
    }

    /// Score at `x` (N×C×H×W), noised to `at`: one level for all samples, or one for each.
    ///
    /// # Errors
    /// If the shape is wrong, the device fails, or the caller's wrapper stops the run.
    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError>;

    /// The estimate E[x(0) | x] at `x` (N×C×H×W), noised to `at`. What answers it directly is exact also where α = 0.
    ///
    /// # Errors
    /// As [`ScoreModel::score`].
    fn denoised(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        Ok(denoised(x, &self.score(x, at)?, at))
    }

    /// The score, and the trace of its Jacobian ∂score/∂x (of length N), where that has a closed form.
    fn score_and_trace(&self, _x: &Image, _at: &[Level]) -> Option<ScoreAndTrace> {
        None
    }

    /// The model of those of its data that have a class, where it knows classes, by its number from 0.
    fn of_class(&self, _class: usize) -> Option<Box<dyn ScoreModel + '_>> {
        None
    }

    /// The model of the same data given a measurement of them, where that has a closed form.
    fn given(&self, _measurement: &Measurement) -> Option<Given<'_>> {
        None
    }
}

/// A model of data of which something was measured.
pub type Given<'a> = Result<Box<dyn ScoreModel + 'a>, ScoreError>;

/// ∇ log p and its divergence, N.
pub type ScoreAndTrace = Result<(Image, Tensor<1>), ScoreError>;

/// A pointer to a model is that model.
macro_rules! forwarded {
    ($pointer:ty) => {
        impl<M: ScoreModel + ?Sized> ScoreModel for $pointer {
            fn shape(&self) -> [usize; 3] {
                (**self).shape()
            }

            fn range(&self) -> Option<Range> {
                (**self).range()
            }

            fn ratios(&self) -> Option<(f64, f64)> {
                (**self).ratios()
            }

            fn moments(&self) -> Option<Moments> {
                (**self).moments()
            }

            fn threshold(&self) -> Threshold {
                (**self).threshold()
            }

            fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
                (**self).score(x, at)
            }

            fn denoised(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
                (**self).denoised(x, at)
            }

            fn score_and_trace(&self, x: &Image, at: &[Level]) -> Option<ScoreAndTrace> {
                (**self).score_and_trace(x, at)
            }

            fn of_class(&self, class: usize) -> Option<Box<dyn ScoreModel + '_>> {
                (**self).of_class(class)
            }

            fn given(&self, measurement: &Measurement) -> Option<Given<'_>> {
                (**self).given(measurement)
            }
        }
    };
}
forwarded!(&M);
forwarded!(Box<M>);

/// The estimate of x(0) that a score implies (Tweedie): (x + σ²·score)/α. One level for all samples, or one for each.
pub fn denoised(x: &Image, score: &Image, at: &[Level]) -> Image {
    let variance = weight(at, |level| level.sigma * level.sigma);
    Sum::of(1.0, x).plus(variance, score).times(weight(at, |level| 1.0 / level.alpha)).tensor()
}

/// A weight of each level, or of the one of all samples.
pub(crate) fn weight(at: &[Level], of: impl Fn(Level) -> f64) -> Weight<'static> {
    at.iter().map(|&level| of(level)).collect::<Vec<_>>().into()
}

/// A coefficient of each level as a (1 or N)×1×1×1 tensor, to broadcast over images.
pub fn column(at: &[Level], device: &Device, coefficient: impl Fn(Level) -> f64) -> Image {
    let values: Vec<f32> = at.iter().map(|&level| coefficient(level) as f32).collect();
    Tensor::from_data(TensorData::new(values, [at.len(), 1, 1, 1]), device)
}
