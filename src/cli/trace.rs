//! Every state of a run as a file, and a first state from one: for comparisons with other programs.

use super::Failure;
use super::drive::Outcome;
use super::output::{check_files, known};
use crate::Pixels;
use crate::checkpoint::{read_tensors, write_tensors};
use crate::engine::{Recorded, Stats};
use crate::network::{Array, Weights};
use crate::sde::Level;
use std::path::Path;

/// Writes all states.
pub(super) struct Trace;

impl Trace {
    /// Looks whether the file can be written.
    ///
    /// # Errors
    /// If its extension is unsupported, or its location cannot be written to.
    pub(super) fn check(file: &Path) -> Result<(), Failure> {
        known(Some(file), &["safetensors"])?;
        check_files([file].into_iter())
    }

    /// Writes the first state of a run and that after each step.
    ///
    /// # Errors
    /// If they were too many to be kept, or the file cannot be written.
    pub(super) fn write(file: &Path, outcome: &Outcome) -> Result<(), Failure> {
        let timeline = &outcome.last.timeline;
        let whole = timeline.iter().enumerate().all(|(place, recorded)| recorded.step == place);
        let Some(first) = timeline.first().filter(|_| whole) else {
            let why = "the states take more than the 512 MiB that are kept of a run; choose fewer samples or steps";
            return Err(Failure::Running(why.into()));
        };
        let count = timeline.len();
        let figures = |of: fn(&Recorded) -> f64| Array {
            shape: vec![count],
            values: timeline.iter().map(|recorded| of(recorded) as f32).collect(),
        };
        let states = Array {
            shape: [&[count], &first.x.shape[..]].concat(),
            values: timeline.iter().flat_map(|recorded| recorded.x.values.iter().copied()).collect(),
        };
        let tensors = [
            ("x", states),
            ("t", figures(|recorded| recorded.t)),
            ("alpha", figures(|recorded| recorded.level.alpha)),
            ("sigma", figures(|recorded| recorded.level.sigma)),
        ];
        let tensors: Weights = tensors.map(|(name, array)| (name.to_owned(), array)).into();
        Ok(write_tensors(file, &tensors)?)
    }
}

/// The state `x` of a file.
///
/// # Errors
/// If there is none, or of another shape than the model's.
pub(super) fn read_start(file: &Path, shape: [usize; 3]) -> Result<Recorded, Failure> {
    let wrong = |why: String| Failure::Input(format!("{file:?} is not a valid first state: {why}"));
    let mut tensors = read_tensors(file)?;
    let x = tensors.remove("x").ok_or_else(|| wrong("the tensor \"x\" is missing; name it so".into()))?;
    let [channels, height, width] = shape;
    let count = match x.shape[..] {
        [count, c, h, w] if [c, h, w] == shape => count,
        // Vectors may be written without their two sides of one pixel.
        [count, c] if [c, 1, 1] == shape => count,
        _ => {
            let found = &x.shape;
            return Err(wrong(format!("x has the shape {found:?}; give N×{channels}×{height}×{width}")));
        }
    };
    if !x.values.iter().all(|value| value.is_finite()) {
        return Err(wrong("it contains values that are not finite; choose another file".into()));
    }
    let x = Pixels { shape: [count, channels, height, width], values: x.values.into() };
    let (level, stats) = (Level::CLEAN, Stats::default());
    Ok(Recorded { step: 0, t: 1.0, level, nfe: 0, x, denoised: None, score: None, stats, on_gpu: None })
}
