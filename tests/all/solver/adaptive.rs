//! The adaptive solver where steps fail.

use burn::tensor::{Device, Tensor, TensorData};
use score_explorer::score::ScoreError;
use score_explorer::solver::{Derivative, State, Stepping, Tolerance, runge_kutta_45};

/// dy/dt = 1, but not a number beyond y = 1 before the time 0.9: a step that is too long falls off.
struct Cliff;

impl Derivative for Cliff {
    fn derivative(&mut self, y: &State, times: &[f64], _: &[usize]) -> Result<State, ScoreError> {
        let y: Vec<f32> = y.clone().try_into_vec_as().unwrap();
        let slope = y.iter().zip(times).map(|(&y, &t)| if y > 1.0 && t < 0.9 { f32::NAN } else { 1.0 });
        let slope: Vec<f32> = slope.collect();
        let count = slope.len();
        Ok(Tensor::from_data(TensorData::new(slope, [count, 1]), &Device::flex()))
    }
}

fn solve(derivative: &mut dyn Derivative, start: f32) -> Result<f32, ScoreError> {
    let y = Tensor::from_data(TensorData::new(vec![start], [1, 1]), &Device::flex());
    let solution = runge_kutta_45(derivative, y, 0.0, 1.0, Tolerance::default(), Stepping::Sample)?;
    Ok(solution.y.into_scalar())
}

#[test]
fn a_step_that_is_not_finite_is_made_shorter() {
    // y = 0.05 + t crosses 1 at t = 0.95: every stage before 0.9 is finite on the path itself.
    let end = solve(&mut Cliff, 0.05).unwrap();
    assert!((end - 1.05).abs() < 1e-5, "{end}");
}

#[test]
fn what_is_never_finite_is_said_to_be_so() {
    let error = solve(&mut Cliff, 1.5).unwrap_err();
    assert!(matches!(error, ScoreError::NotFinite { .. }), "{error}");
}

/// dy/dt = −10⁷·y: stable only in steps far shorter than any that are needed for accuracy.
struct Stiff;

impl Derivative for Stiff {
    fn derivative(&mut self, y: &State, _: &[f64], _: &[usize]) -> Result<State, ScoreError> {
        Ok(y.clone() * -1e7)
    }
}

#[test]
fn a_stiff_equation_ends_with_a_bound_and_a_sentence() {
    let error = solve(&mut Stiff, 1.0).unwrap_err();
    assert!(matches!(error, ScoreError::Stiff { .. }), "{error}");
    assert!(error.to_string().contains("tolerance"), "{error}");
}
