//! Time grids: where between noise and data the score is asked for.

use crate::sde::{Sde, Step};
use serde::{Deserialize, Serialize};

/// A discretisation of time, from the noise end to the data end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "grid", rename_all = "kebab-case")]
pub enum Grid {
    /// N equal steps of t, as published; increments read the published tables of N levels.
    Uniform,
    /// Equal steps of √t: finer near the data.
    Quadratic,
    /// Equal steps of (σ/α)^(1/ρ) (Karras et al. 2022, eq. 5).
    Edm { rho: f64 },
    /// Equal steps of log α²/σ² (Lu et al. 2022).
    LogSnr,
}

impl Grid {
    /// `n` steps that start at `start`, are evaluated last at `end`, and arrive at clean data.
    /// Times are in (0, 1], strictly decreasing.
    pub fn steps(&self, sde: &dyn Sde, n: usize, start: f64, end: f64) -> Vec<Step> {
        let times: Vec<f64> = (0..n)
            .map(|i| if n > 1 { i as f64 / (n - 1) as f64 } else { 0.0 })
            .map(|s| self.time(sde, s, start, end).clamp(end, start))
            .collect();
        let table = (*self == Grid::Uniform).then_some(n);
        let next = |i: usize| times.get(i + 1).copied().unwrap_or(0.0);
        times.iter().enumerate().map(|(index, &t)| Step { index, t, next: next(index), table }).collect()
    }

    /// The time at the fraction `s` of the way from `start` to `end`.
    fn time(&self, sde: &dyn Sde, s: f64, start: f64, end: f64) -> f64 {
        let ratio = |t: f64| sde.level(t).ratio();
        let between = |a: f64, b: f64| a + s * (b - a);
        // The ends are exact: no rounding of an inverse moves them.
        if s <= 0.0 {
            return start;
        } else if s >= 1.0 {
            return end;
        }
        match *self {
            Grid::Uniform => between(start, end),
            Grid::Quadratic => between(start.sqrt(), end.sqrt()).powi(2),
            Grid::Edm { rho } => {
                let root = |t: f64| ratio(t).powf(1.0 / rho);
                sde.time_of_ratio(between(root(start), root(end)).powf(rho))
            }
            Grid::LogSnr => sde.time_of_ratio(between(ratio(start).ln(), ratio(end).ln()).exp()),
        }
    }
}
