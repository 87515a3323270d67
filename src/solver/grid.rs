//! Time grids: where between noise and data the score is asked for.

use crate::sde::{Sde, Step};
use serde::{Deserialize, Serialize};

/// The exponent ρ of EDM's grid: how strongly steps gather near the data, 0.1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Rho(f64);

/// A number that is no exponent of a grid.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("a ρ of {0} is not possible; choose {min} to {max}, such as 7", min = Rho::MIN, max = Rho::MAX)]
pub struct RhoError(f64);

impl Rho {
    /// Below, nearly all steps lie at the noise end.
    pub const MIN: f64 = 0.1;
    /// Above, the grid is that of equal steps of log-SNR.
    pub const MAX: f64 = 100.0;

    /// # Errors
    /// Outside [`Rho::MIN`] to [`Rho::MAX`].
    pub fn new(rho: f64) -> Result<Self, RhoError> {
        if (Self::MIN..=Self::MAX).contains(&rho) { Ok(Rho(rho)) } else { Err(RhoError(rho)) }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Default for Rho {
    /// 7, as published (Karras et al. 2022).
    fn default() -> Self {
        Rho(7.0)
    }
}

impl TryFrom<f64> for Rho {
    type Error = RhoError;
    fn try_from(rho: f64) -> Result<Self, RhoError> {
        Rho::new(rho)
    }
}

impl From<Rho> for f64 {
    fn from(rho: Rho) -> f64 {
        rho.0
    }
}

/// A discretisation of time, from the noise end to the data end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "grid", rename_all = "kebab-case")]
pub enum Grid {
    /// N equal steps of t. From 1 to the family's ε this is the published grid,
    /// and increments read the published tables of N levels.
    Uniform,
    /// Equal steps of √t: finer near the data.
    Quadratic,
    /// Equal steps of (σ/α)^(1/ρ) (Karras et al. 2022, eq. 5).
    Edm { rho: Rho },
    /// Equal steps of log α²/σ² (Lu et al. 2022).
    LogSnr,
}

impl Grid {
    /// `n` steps that start at `start`, are evaluated last at `end`, and arrive at clean data.
    ///
    /// Times are in (0, 1], strictly decreasing: where two of them round to the same number there are
    /// fewer steps. Of one step, the time is `start`. `end` is at most `start`.
    pub fn steps(&self, sde: &dyn Sde, n: usize, start: f64, end: f64) -> Vec<Step> {
        let end = end.min(start);
        let mut times: Vec<f64> = (0..n)
            .map(|i| if n > 1 { i as f64 / (n - 1) as f64 } else { 0.0 })
            .map(|s| self.time(sde, s, start, end).clamp(end, start))
            .collect();
        times.dedup_by(|later, earlier| *later >= *earlier);
        // Tables are of the whole path: half of it in N steps is not what was published, nor is one level a table.
        let published = *self == Grid::Uniform && start == 1.0 && end == sde.epsilon() && times.len() > 1;
        let table = published.then_some(n);
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
                // In units of the first ratio, so that no power overflows.
                let root = (ratio(end) / ratio(start)).powf(1.0 / rho.get());
                sde.time_of_ratio(ratio(start) * between(1.0, root).powf(rho.get()))
            }
            Grid::LogSnr => sde.time_of_ratio(between(ratio(start).ln(), ratio(end).ln()).exp()),
        }
    }
}
