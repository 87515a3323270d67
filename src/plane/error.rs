//! How far a solver is from the exact flow, and how that falls with its cost.

use super::{DIRECTIONS, Drive, Pane, Point, integrate, sliced_wasserstein};
use crate::registry::Choice;
use crate::score::ScoreError;
use crate::solver::{ATOL, Adaptive, RTOL, Uniform};
use crate::task::Steps;
use std::ops::ControlFlow;

/// Tolerance of the exact flow: single precision has little more.
const EXACT: f64 = 1e-6;

/// Where a solver ends against the exact flow, from the same starts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Errors {
    pub starts: Vec<Point>,
    /// Ends of the exact probability-flow ODE.
    pub exact: Vec<Point>,
    /// Ends of the solver.
    pub found: Vec<Point>,
}

impl Errors {
    /// Root mean square of the distances of both ends.
    pub fn rms(&self) -> f64 {
        let square = |(a, b): (&Point, &Point)| f64::from(a[0] - b[0]).powi(2) + f64::from(a[1] - b[1]).powi(2);
        let sum: f64 = self.exact.iter().zip(&self.found).map(square).sum();
        (sum / self.exact.len().max(1) as f64).sqrt()
    }
}

/// The error of a pane's solver at each of `starts`; `None` of stochastic solvers, whose ends are no function of the start,
/// and of panes that a method holds to what is known.
///
/// # Errors
/// Whatever the score model answers.
pub fn errors(drive: &Drive<'_>, starts: &[Point]) -> Result<Option<Errors>, ScoreError> {
    let pane = drive.pane;
    if pane.solver.entry().is_stochastic(pane.solver.settings()) || pane.method.is_some() {
        return Ok(None);
    }
    let steps = pane.plan(drive.family, drive.model).steps;
    let Some(last) = steps.last() else { return Ok(None) };
    // One stretch of the exact flow to the time of the last evaluation, and the same last step.
    let exact: Choice<dyn crate::solver::Solver> = Choice::new(&Adaptive);
    let exact = Pane {
        solver: exact.with(&RTOL, EXACT).with(&ATOL, EXACT),
        grid: Choice::new(&Uniform),
        steps: Steps::new(if steps.len() > 1 { 2 } else { 1 }).unwrap_or(pane.steps),
        to: Some(last.t).filter(|to| *to < pane.from),
        ..pane.clone()
    };
    let end = |pane: &Pane| -> Result<Vec<Point>, ScoreError> {
        let cloud =
            integrate(&Drive { pane, ..*drive }, starts.len(), Some(starts), &mut |_| ControlFlow::Continue(()))?;
        Ok(cloud.last().to_vec())
    };
    Ok(Some(Errors { starts: starts.to_vec(), exact: end(&exact)?, found: end(pane)? }))
}

/// How good a solver is for so many steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    pub steps: usize,
    /// Score evaluations of each particle.
    pub nfe: f64,
    /// Sliced Wasserstein distance of its end from the reference; `None` where it is not finite.
    pub distance: Option<f64>,
}

/// The distance of a pane's end from `reference` for each number of steps; `each` is shown every row.
///
/// # Errors
/// Whatever the score model answers but that it is not finite, which is a result.
pub fn sweep(
    drive: &Drive<'_>,
    count: usize,
    reference: &[Point],
    steps: &[Steps],
    each: &mut dyn FnMut(Quality),
) -> Result<(), ScoreError> {
    for &steps in steps {
        let pane = Pane { steps, ..drive.pane.clone() };
        let quality = match integrate(&Drive { pane: &pane, ..*drive }, count, None, &mut |_| ControlFlow::Continue(()))
        {
            Ok(cloud) => {
                let distance = sliced_wasserstein(cloud.last(), reference, DIRECTIONS);
                Quality { steps: steps.get(), nfe: cloud.nfe, distance: Some(distance).filter(|d| d.is_finite()) }
            }
            Err(ScoreError::NotFinite { .. }) => Quality { steps: steps.get(), nfe: 0.0, distance: None },
            Err(error) => return Err(error),
        };
        each(quality);
    }
    Ok(())
}
