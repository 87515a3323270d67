//! Time grids: where between noise and data the score is asked for.

use crate::registry::{Category, Choice, Entry, Parameter, Scale, Settings, entry, number};
use crate::sde::{Sde, Step};

/// A discretisation of time, from the noise end to the data end.
pub trait Grid: Entry {
    /// The time at the fraction `s` (0 to 1, ends excluded) of the way from `start` to `end`.
    fn time(&self, settings: &Settings, sde: &dyn Sde, s: f64, start: f64, end: f64) -> f64;

    /// The time at which the score is last evaluated, where the model allows it: where published samplers stop.
    fn last_time(&self, sde: &dyn Sde) -> f64 {
        sde.epsilon()
    }

    /// Whether increments read the published tables, where the grid is the whole published one.
    fn reads_tables(&self) -> bool {
        false
    }

    /// What its steps are equal in.
    fn spacing(&self, settings: &Settings) -> String;
}

/// The grids, in the order in which they are offered.
impl Category for dyn Grid {
    const NAME: &'static str = "grid";

    fn all() -> &'static [&'static Self] {
        &[&Uniform, &Quadratic, &Edm, &LogSnr]
    }
}

impl Choice<dyn Grid> {
    /// `n` steps that start at `start`, are evaluated last at `end`, and arrive at clean data.
    ///
    /// Times are in (0, 1], strictly decreasing: where two of them round to the same number there are
    /// fewer steps. Of one step, the time is `start`. `end` is at most `start`.
    pub fn steps(&self, sde: &dyn Sde, n: usize, start: f64, end: f64) -> Vec<Step> {
        let end = end.min(start);
        // The ends are exact: no rounding of an inverse moves them.
        let time = |s: f64| match s {
            0.0 => start,
            1.0 => end,
            s => self.entry().time(self.settings(), sde, s, start, end),
        };
        let mut times: Vec<f64> = (0..n)
            .map(|i| if n > 1 { i as f64 / (n - 1) as f64 } else { 0.0 })
            .map(|s| time(s).clamp(end, start))
            .collect();
        times.dedup_by(|later, earlier| *later >= *earlier);
        // Tables are of the whole path: half of it in N steps is not what was published, nor is one level a table.
        let whole = start == 1.0 && end == sde.epsilon() && times.len() > 1;
        let table = (self.entry().reads_tables() && whole).then_some(n);
        let next = |i: usize| times.get(i + 1).copied().unwrap_or(0.0);
        times.iter().enumerate().map(|(index, &t)| Step { index, t, next: next(index), table }).collect()
    }
}

fn between(a: f64, b: f64, s: f64) -> f64 {
    a + s * (b - a)
}

entry! {
    /// N equal steps of t. From 1 to the family's ε this is the published grid,
    /// and increments read the published tables of N levels.
    Uniform {
        slug: "uniform",
        name: "Uniform",
        summary: "Equal steps in t",
        source: "Song et al. 2021",
    }
}

impl Grid for Uniform {
    fn time(&self, _settings: &Settings, _sde: &dyn Sde, s: f64, start: f64, end: f64) -> f64 {
        between(start, end, s)
    }

    fn reads_tables(&self) -> bool {
        true
    }

    fn spacing(&self, _settings: &Settings) -> String {
        "equal steps in t".into()
    }
}

entry! {
    /// Equal steps of √t: finer near the data.
    Quadratic {
        slug: "quadratic",
        name: "Quadratic",
        summary: "Equal steps in √t: finer near the data",
        source: "Song, Meng and Ermon 2021",
    }
}

impl Grid for Quadratic {
    fn time(&self, _settings: &Settings, _sde: &dyn Sde, s: f64, start: f64, end: f64) -> f64 {
        between(start.sqrt(), end.sqrt(), s).powi(2)
    }

    fn spacing(&self, _settings: &Settings) -> String {
        "equal steps in √t".into()
    }
}

/// The exponent ρ of EDM's grid: how strongly steps gather near the data. Below its range nearly all steps lie at the
/// noise end, above it the grid is that of equal steps of log-SNR; 7 as published.
pub const RHO: Parameter = Parameter::number("rho", 7.0, 0.1, 100.0)
    .usual(1.0, 20.0, Scale::Linear(1))
    .named("Rho", "ρ", "ρ: larger values put more steps near the data (Karras et al. 2022, eq. 5)")
    .optional();

entry! {
    /// Equal steps of (σ/α)^(1/ρ) (Karras et al. 2022, eq. 5).
    Edm {
        slug: "edm",
        name: "EDM ρ",
        summary: "Equal steps in (σ/α)^(1/ρ)",
        source: "Karras et al. 2022, eq. 5",
        parameters: [&RHO],
    }
}

impl Grid for Edm {
    fn time(&self, settings: &Settings, sde: &dyn Sde, s: f64, start: f64, end: f64) -> f64 {
        let (rho, ratio) = (settings.number(&RHO), |t: f64| sde.level(t).ratio());
        // In units of the first ratio, so that no power overflows.
        let root = (ratio(end) / ratio(start)).powf(1.0 / rho);
        sde.time_of_ratio(ratio(start) * between(1.0, root, s).powf(rho))
    }

    /// EDM's last σ is σ_min itself. (A step that arrives at t = 0 arrives at clean data.)
    fn last_time(&self, sde: &dyn Sde) -> f64 {
        if sde.sigma(0.0) > 0.0 { 1e-12 } else { sde.epsilon() }
    }

    fn spacing(&self, settings: &Settings) -> String {
        format!("equal steps in (σ/α)^(1/{})", number(settings.number(&RHO)))
    }
}

entry! {
    /// Equal steps of log α²/σ² (Lu et al. 2022).
    LogSnr {
        slug: "log-snr",
        name: "log-SNR",
        summary: "Equal steps in log α²/σ²",
        source: "Lu et al. 2022",
    }
}

impl Grid for LogSnr {
    fn time(&self, _settings: &Settings, sde: &dyn Sde, s: f64, start: f64, end: f64) -> f64 {
        let log_ratio = |t: f64| sde.level(t).ratio().ln();
        sde.time_of_ratio(between(log_ratio(start), log_ratio(end), s).exp())
    }

    fn spacing(&self, _settings: &Settings) -> String {
        "equal steps in log α²/σ²".into()
    }
}
