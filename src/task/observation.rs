use super::encoding::data;
use super::{Restoration, RestorationError};
use crate::score::{Inpainting, Linear, Measurement, ScoreModel};
use crate::sde::{Moments, Range};
use crate::solver::{Noise, NoiseSource, Purpose};
use crate::{Image, Pixels};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// What a picture shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shows {
    /// The thing itself, of which the measurement is taken, with its noise.
    #[default]
    Original,
    /// The measurement as [`Measurement::picture`] shows it: grey, blurred, noisy, small and enlarged.
    Measurement,
}

/// What a restoration starts from.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// (1 or N)×C×H×W at the model's size, in [0, 1] (of a model without a range: as they are). A model of grey images
    /// sees the luma of colours. One picture is
    /// shared by all samples; N pictures are those of N samples.
    pub picture: Pixels<f32>,
    /// 1×(1 or C)×H×W in [0, 1]: 1 is known, 0 is unknown. Without it nothing is known. Only inpainting reads it.
    pub confidence: Option<Pixels<f32>>,
    /// What the picture shows.
    pub shows: Shows,
}

impl Observation {
    /// What `restoration` measures of this, in the range of `model`, which is that of the run.
    ///
    /// A confidence m between 0 and 1 counts as a measurement whose noise has the variance v·(1 − m)/m, v being the data's:
    /// of Gaussian data of that variance around μ, the posterior mean is m·y + (1 − m)·μ.
    ///
    /// # Errors
    /// If a shape does not fit, or a value is not one.
    pub fn measure(
        &self,
        restoration: &Restoration,
        model: &dyn ScoreModel,
        device: &Device,
    ) -> Result<Measurement, RestorationError> {
        let (shape, range) = (model.shape(), model.range());
        let x = self.data(shape, range, restoration.run.count.get(), device)?;
        if restoration.method.entry().is_exact() && x.dims()[0] != 1 {
            return Err(RestorationError::Exact(x.dims()[0]));
        }
        let confidence = self.confidence.as_ref().map(|confidence| confident(confidence, device)).transpose()?;
        let linear: Rc<dyn Linear> = restoration.operator.over(shape, confidence.as_ref(), device)?.into();
        let std = restoration.noise * range.map_or(1.0, Range::span);
        let data = model.moments().unwrap_or_else(|| even(range));
        let mut variance = Tensor::full([1; 4], std * std, device);
        if let Some(confidence) = confidence.filter(|_| restoration.operator.is(&Inpainting)) {
            let partial = (confidence.clone().recip() - 1.0) * data.variance();
            variance = partial.mask_fill(confidence.lower_equal_elem(0.0), 0.0) + variance;
        }
        let y = match self.shows {
            Shows::Measurement => linear.read(&x),
            Shows::Original => {
                let (y, noise) = (linear.apply(&x), self.noise(restoration, linear.measured(), device));
                let noise = noise.normal(0, Purpose::Measurement) * std;
                linear.known().map_or(y.clone() + noise.clone(), |known| y + noise * known.clone())
            }
        };
        Ok(Measurement::new(linear, y, variance, data)?)
    }

    /// The picture that SDEdit starts from, in the range of the data: of inpainting the whole picture, unknown parts
    /// as they were painted; else what the measurement shows.
    ///
    /// # Errors
    /// If the shape does not fit, or a value is not one.
    pub fn guide(
        &self,
        restoration: &Restoration,
        model: &dyn ScoreModel,
        device: &Device,
    ) -> Result<Image, RestorationError> {
        if restoration.operator.is(&Inpainting) || self.shows == Shows::Measurement {
            return self.data(model.shape(), model.range(), restoration.run.count.get(), device);
        }
        Ok(self.measure(restoration, model, device)?.picture())
    }

    fn noise(&self, restoration: &Restoration, shape: [usize; 3], device: &Device) -> Noise {
        Noise { seed: restoration.run.seed, first: 0, count: self.picture.shape[0], shape, device: device.clone() }
    }

    /// The picture in the range of the data.
    fn data(
        &self,
        expected: [usize; 3],
        range: Option<Range>,
        samples: usize,
        device: &Device,
    ) -> Result<Image, RestorationError> {
        let size = self.picture.shape.into_iter().try_fold(1usize, usize::checked_mul);
        let whole = size == Some(self.picture.values.len());
        let picture = if whole { self.picture.seen_by(expected[0]) } else { self.picture.clone() };
        let found = picture.shape;
        if found[1..] != expected || !whole {
            return Err(RestorationError::Picture { expected, found });
        }
        if ![1, samples].contains(&found[0]) {
            return Err(RestorationError::Pictures(found[0]));
        }
        if !picture.values.iter().all(|value| value.is_finite()) {
            return Err(RestorationError::Values);
        }
        Ok(data(tensor(&picture, device), range))
    }
}

/// A confidence map, in [0, 1].
fn confident(confidence: &Pixels<f32>, device: &Device) -> Result<Image, RestorationError> {
    let size = confidence.shape.into_iter().try_fold(1usize, usize::checked_mul);
    if size != Some(confidence.values.len()) || !confidence.values.iter().all(|value| (0.0..=1.0).contains(value)) {
        return Err(RestorationError::Values);
    }
    Ok(tensor(confidence, device))
}

fn tensor(pixels: &Pixels<f32>, device: &Device) -> Image {
    Image::from_data(TensorData::new(pixels.values.to_vec(), pixels.shape), device)
}

/// Moments of numbers spread evenly over the range, for data of which nothing is known.
fn even(range: Option<Range>) -> Moments {
    let (low, high) = range.map_or((-0.5, 0.5), Range::bounds);
    let mean = 0.5 * (low + high);
    Moments { mean, mean_square: mean * mean + range.map_or(1.0, Range::span).powi(2) / 12.0 }
}
