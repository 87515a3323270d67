//! Time grids: where between noise and data the score is asked for.

use super::spacing::{Ays, Leading, Linspace, SPARE, Sigmas, Times, Trailing};
use crate::registry::{Category, Choice, Entry, Parameter, Scale, Settings, entry, number};
use crate::sde::{Sde, Step};

/// A discretisation of time, from the noise end to the data end.
pub trait Grid: Entry {
    /// The times at which `n` steps begin, and last the one at which the last step arrives, 0 for clean data. The first is
    /// `start` and the last evaluation at `end`, unless the grid has times of its own.
    fn times(&self, settings: &Settings, sde: &dyn Sde, n: usize, ends: [f64; 2]) -> Vec<f64>;

    /// The number of steps, of grids that have one of their own.
    fn count(&self, _settings: &Settings) -> Option<usize> {
        None
    }

    /// Whether it covers any stretch of time in any number of steps; else its times are its own.
    fn is_free(&self) -> bool {
        true
    }

    /// Whether its times lie on the path.
    ///
    /// # Errors
    /// If they do not: one sentence of why, and after a semicolon what to do.
    fn fits(&self, _settings: &Settings, _sde: &dyn Sde) -> Result<(), String> {
        Ok(())
    }

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
        &[&Uniform, &Quadratic, &Edm, &LogSnr, &Ays, &Leading, &Trailing, &Linspace, &Sigmas, &Times]
    }
}

impl Choice<dyn Grid> {
    /// `n` steps that start at `start`, are evaluated last at `end`, and arrive at clean data.
    ///
    /// Times are in (0, 1], strictly decreasing: where two of them round to the same number there are
    /// fewer steps. Of one step, the time is `start`. `end` is at most `start`.
    pub fn steps(&self, sde: &dyn Sde, n: usize, start: f64, end: f64) -> Vec<Step> {
        let (end, entry) = (end.min(start), self.entry());
        let mut times = entry.times(self.settings(), sde, n, [start, end]);
        // What a grid of its own has beyond the stretch gives way to the stretch's beginning.
        let beyond = times.iter().take_while(|&&t| t > start).count();
        if beyond > 0 {
            times.splice(..beyond, [start]);
        }
        times.dedup_by(|later, earlier| *later >= *earlier);
        // Tables are of the whole path: half of it in N steps is not what was published, nor is one level a table.
        let whole = start == 1.0 && end == sde.epsilon() && times.len() > 2;
        let table = (entry.reads_tables() && whole).then_some(n);
        let step = |(index, pair): (usize, &[f64])| Step { index, t: pair[0], next: pair[1], table };
        times.windows(2).enumerate().map(step).collect()
    }
}

/// `n` times at equal fractions of the way between two ends, both of them exact: no rounding of an inverse moves them.
pub(super) fn spread(n: usize, [start, end]: [f64; 2], time: impl Fn(f64) -> f64) -> Vec<f64> {
    let place = |i: usize| match i {
        0 => start,
        _ if i + 1 == n => end,
        _ => time(i as f64 / (n - 1) as f64).clamp(end, start),
    };
    (0..n).map(place).chain([0.0]).collect()
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
    fn times(&self, _settings: &Settings, _sde: &dyn Sde, n: usize, [start, end]: [f64; 2]) -> Vec<f64> {
        spread(n, [start, end], |s| between(start, end, s))
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
    fn times(&self, _settings: &Settings, _sde: &dyn Sde, n: usize, [start, end]: [f64; 2]) -> Vec<f64> {
        spread(n, [start, end], |s| between(start.sqrt(), end.sqrt(), s).powi(2))
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
        aliases: ["karras"],
        name: "EDM ρ",
        summary: "Equal steps in (σ/α)^(1/ρ)",
        source: "Karras et al. 2022, eq. 5",
        parameters: [&RHO, &SPARE],
    }
}

impl Grid for Edm {
    fn times(&self, settings: &Settings, sde: &dyn Sde, n: usize, [start, end]: [f64; 2]) -> Vec<f64> {
        let (rho, ratio) = (settings.number(&RHO), |t: f64| sde.level(t).ratio());
        // In units of the first ratio, so that no power overflows.
        let root = (ratio(end) / ratio(start)).powf(1.0 / rho);
        let spare = settings.whole(&SPARE) as usize;
        let time = |s| sde.time_of_ratio(ratio(start) * between(1.0, root, s).powf(rho));
        let mut times = spread(n + spare, [start, end], time);
        times.drain(n..n + spare);
        times
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
        aliases: ["exponential"],
        name: "log-SNR",
        summary: "Equal steps in log α²/σ²",
        source: "Lu et al. 2022",
    }
}

impl Grid for LogSnr {
    fn times(&self, _settings: &Settings, sde: &dyn Sde, n: usize, [start, end]: [f64; 2]) -> Vec<f64> {
        let log_ratio = |t: f64| sde.level(t).ratio().ln();
        spread(n, [start, end], |s| sde.time_of_ratio(between(log_ratio(start), log_ratio(end), s).exp()))
    }

    fn spacing(&self, _settings: &Settings) -> String {
        "equal steps in log α²/σ²".into()
    }
}
