use super::encoding::{host, unit};
use crate::Image;
use crate::Pixels;
use crate::score::{Measurement, ScoreError};
use crate::sde::Range;

/// What comes of a restoration.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    /// N×C×H×W, in [0, 1] where the model's data are pictures (not clamped), else the data themselves.
    pub pictures: Pixels<f32>,
    /// (1 or N)×C×H×W: what was measured, as a picture, likewise.
    pub measured: Pixels<f32>,
    /// ‖A·x − y‖ of each sample: root mean square over what was measured, in units of the pictures.
    pub inconsistency: Vec<f64>,
    /// Network evaluations of each sample.
    pub nfe: usize,
    /// How often the observation was exchanged on the way.
    pub exchanges: usize,
}

impl Restored {
    /// Reads back the last states `x` (N×C×H×W in `range`), that were held to `measurement`.
    ///
    /// # Errors
    /// If the device fails, or values are not finite.
    pub fn new(
        x: &Image,
        measurement: &Measurement,
        range: Option<Range>,
        nfe: usize,
        exchanges: usize,
    ) -> Result<Restored, ScoreError> {
        let pictures = host(&unit(x.clone(), range))?;
        if !pictures.values.iter().all(|value| value.is_finite()) {
            return Err(ScoreError::NotFinite { ratio: 0.0 });
        }
        let measured = host(&unit(measurement.picture(), range))?;
        let span = range.map_or(1.0, Range::span);
        let inconsistency = measurement.inconsistency(x).try_into_vec_as::<f32>()?;
        let inconsistency = inconsistency.into_iter().map(|value| f64::from(value) / span).collect();
        Ok(Restored { pictures, measured, inconsistency, nfe, exchanges })
    }
}
