//! Grids whose times are their own: tables, the discrete spacings of other programs, and lists.

use super::Grid;
use super::grid::spread;
use crate::registry::{About, Parameter, Settings, entry, number};
use crate::sde::Sde;

/// Whose table it is.
pub const TABLE: Parameter = Parameter::choice("table", "sd15", || vec![&SD15, &SDXL, &SVD])
    .named("Table", "Table", "Table: the model for which the steps were found")
    .optional();

static SD15: About =
    About { slug: "sd15", name: "Stable Diffusion 1.5", summary: "Of images of 512×512", source: "", parameters: &[] };
static SDXL: About =
    About { slug: "sdxl", name: "SDXL", summary: "Of images of 1024×1024", source: "", parameters: &[] };
static SVD: About =
    About { slug: "svd", name: "Stable Video Diffusion", summary: "Of short videos", source: "", parameters: &[] };

/// σ/α of ten steps (Sabour et al. 2024, appendix).
fn table(settings: &Settings) -> [f64; 11] {
    match settings.option(&TABLE) {
        "sdxl" => [14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029],
        "svd" => [700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002],
        _ => [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029],
    }
}

entry! {
    /// Align Your Steps: a published table of ten steps, laid over the stretch of log σ/α and interpolated there for other
    /// numbers of steps, as published.
    Ays {
        slug: "ays",
        name: "Align Your Steps",
        summary: "As a published table of ten steps is spaced in log σ/α",
        source: "Sabour et al. 2024",
        parameters: [&TABLE],
    }
}

impl Grid for Ays {
    fn times(&self, settings: &Settings, sde: &dyn Sde, n: usize, [start, end]: [f64; 2]) -> Vec<f64> {
        let logs = table(settings).map(f64::ln);
        let [first, last] = [start, end].map(|t| sde.level(t).ratio().ln());
        let place = |s: f64| {
            let at = s * 10.0;
            let cell = (at as usize).min(9);
            let log = logs[cell] + (at - cell as f64) * (logs[cell + 1] - logs[cell]);
            (log - logs[0]) / (logs[10] - logs[0])
        };
        spread(n, [start, end], |s| sde.time_of_ratio((first + place(s) * (last - first)).exp()))
    }

    fn spacing(&self, settings: &Settings) -> String {
        format!("as the table of {} is in log σ/α", settings.option(&TABLE))
    }
}

/// Levels of the table that discrete spacings pick from.
pub(super) const LEVELS: usize = 1000;

/// The level of the family's table that is nearest to this σ/α.
pub(super) fn nearest_level(sde: &dyn Sde, ratio: f64) -> usize {
    let (mut low, mut high) = (0, LEVELS - 1);
    // Levels rise: of neighbours, the one whose logarithm is nearer.
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if sde.table_ratio(middle, LEVELS) > ratio { high = middle } else { low = middle }
    }
    let apart = |index| (sde.table_ratio(index, LEVELS) / ratio).ln().abs();
    if apart(low) <= apart(high) { low } else { high }
}

/// What is added to each level.
pub const OFFSET: Parameter = Parameter::whole("offset", 0, 0, 100)
    .named("Offset", "Offset", "Offset: added to each level's number; 1 for Stable Diffusion")
    .rare();

/// Points that are laid and left out.
pub const SPARE: Parameter = Parameter::whole("spare", 0, 0, 1)
    .named(
        "Spare",
        "Spare",
        "Spare: 1 lays one point more and leaves out the last, as for consistency models, DPM-Solver, DEIS and UniPC",
    )
    .rare();

/// The times of these levels of the family's table, and clean data.
fn levels(sde: &dyn Sde, levels: impl Iterator<Item = f64>) -> Vec<f64> {
    let index = |level: f64| (level.max(0.0) as usize).min(LEVELS - 1);
    levels.map(|level| time(sde, sde.table_ratio(index(level), LEVELS))).chain([0.0]).collect()
}

/// The time with a σ/α above 0: a step that arrived at t = 0 itself would arrive at clean data.
fn time(sde: &dyn Sde, ratio: f64) -> f64 {
    sde.time_of_ratio(ratio).max(1e-12)
}

/// A grid of levels of a table of 1000.
macro_rules! discrete {
    ($(#[$doc:meta])* $name:ident, $slug:literal, $title:literal, $summary:literal, $levels:expr) => {
        entry! {
            $(#[$doc])*
            $name {
                slug: $slug,
                name: $title,
                summary: $summary,
                source: "diffusers",
                parameters: [&OFFSET, &SPARE],
            }
        }

        impl Grid for $name {
            fn times(&self, settings: &Settings, sde: &dyn Sde, n: usize, _ends: [f64; 2]) -> Vec<f64> {
                let (spare, offset) = (settings.whole(&SPARE) as usize, settings.number(&OFFSET));
                let all: fn(usize, usize) -> Vec<f64> = $levels;
                let numbers = all(n.clamp(1, LEVELS), spare);
                levels(sde, numbers.into_iter().take(n).map(|level| level + offset))
            }

            fn is_free(&self) -> bool {
                false
            }

            fn spacing(&self, _settings: &Settings) -> String {
                $summary.to_lowercase()
            }
        }
    };
}

discrete! {
    /// Multiples of the whole part of 1000/N: the published grid of DDIM, which does not begin at the last level.
    Leading, "leading", "Leading", "Every ⌊1000/N⌋-th of 1000 levels, from the first on", |n, spare| {
        let stride = (LEVELS / (n + spare)).max(1);
        (spare..n + spare).rev().map(|i| (i * stride) as f64).collect()
    }
}

discrete! {
    /// Steps of 1000/N down from the last level (Lin et al. 2024).
    Trailing, "trailing", "Trailing", "Every 1000/N-th of 1000 levels, from the last on", |n, _spare| {
        let stride = LEVELS as f64 / n as f64;
        (0..n).map(|i| (LEVELS as f64 - i as f64 * stride).round_ties_even() - 1.0).collect()
    }
}

discrete! {
    /// Equal steps between the first level and the last.
    Linspace, "linspace", "Linspace", "Equal steps between the first and the last of 1000 levels", |n, spare| {
        let points = n + spare;
        let last = (LEVELS - 1) as f64;
        let step = if points > 1 { last / (points - 1) as f64 } else { 0.0 };
        (0..points).rev().map(|i| (i as f64 * step).round_ties_even()).collect()
    }
}

/// A list of σ/α.
pub const SIGMAS: Parameter = Parameter::numbers("sigmas").named(
    "σ/α",
    "σ/α",
    "σ/α of each step's beginning, falling, and last where the last step arrives (0: clean data)",
);

/// A list of times.
pub const TIMES: Parameter = Parameter::numbers("times").named(
    "Times",
    "t",
    "Time of each step's beginning, falling, and last where the last step arrives (0: clean data)",
);

/// Whether a list falls from one number to the next, the last of which may be 0.
fn falls(list: &[f64], what: &str) -> Result<(), String> {
    // Where a path begins in noise alone, σ/α is infinite there.
    if list.len() >= 2 && list.windows(2).all(|two| two[0] > two[1]) && list.iter().all(|x| *x >= 0.0) {
        return Ok(());
    }
    Err(format!("the {what} of a grid must fall; give 2 or more, such as 10,1,0.1,0"))
}

entry! {
    /// The levels that a list gives.
    Sigmas {
        slug: "sigmas",
        name: "List of σ/α",
        summary: "At the σ/α of a list",
        parameters: [&SIGMAS],
        check: |settings: &Settings| falls(&settings.numbers(&SIGMAS), "σ/α"),
    }
}

impl Grid for Sigmas {
    fn times(&self, settings: &Settings, sde: &dyn Sde, _n: usize, _ends: [f64; 2]) -> Vec<f64> {
        let place = |&ratio: &f64| if ratio > 0.0 { time(sde, ratio) } else { 0.0 };
        settings.numbers(&SIGMAS).iter().map(place).collect()
    }

    fn count(&self, settings: &Settings) -> Option<usize> {
        Some(settings.numbers(&SIGMAS).len().saturating_sub(1))
    }

    fn is_free(&self) -> bool {
        false
    }

    fn fits(&self, settings: &Settings, sde: &dyn Sde) -> Result<(), String> {
        let (low, high) = (sde.level(0.0).ratio(), sde.level(1.0).ratio());
        let high = if sde.alpha(1.0) < 1e-3 { f64::INFINITY } else { high };
        // Rounding of an inverse, and what is written with few digits.
        let on_path = |ratio: &&f64| **ratio == 0.0 || (low * (1.0 - 1e-6)..=high * (1.0 + 1e-6)).contains(*ratio);
        let list = settings.numbers(&SIGMAS);
        let off = list.iter().find(|ratio| !on_path(ratio));
        off.map_or(Ok(()), |ratio| {
            let [low, high, ratio] = [low, high, *ratio].map(number);
            Err(format!(
                "σ/α = {ratio} is not on this family's path; choose {low} to {high}, or other parameters of the family"
            ))
        })
    }

    fn spacing(&self, _settings: &Settings) -> String {
        "as listed".into()
    }
}

entry! {
    /// The times that a list gives.
    Times {
        slug: "times",
        name: "List of t",
        summary: "At the times of a list",
        parameters: [&TIMES],
        check: |settings: &Settings| falls(&settings.numbers(&TIMES), "times"),
    }
}

impl Grid for Times {
    fn times(&self, settings: &Settings, _sde: &dyn Sde, _n: usize, _ends: [f64; 2]) -> Vec<f64> {
        settings.numbers(&TIMES).to_vec()
    }

    fn count(&self, settings: &Settings) -> Option<usize> {
        Some(settings.numbers(&TIMES).len().saturating_sub(1))
    }

    fn is_free(&self) -> bool {
        false
    }

    fn fits(&self, settings: &Settings, _sde: &dyn Sde) -> Result<(), String> {
        match settings.numbers(&TIMES).iter().find(|t| **t > 1.0) {
            None => Ok(()),
            Some(t) => Err(format!("t = {t} is out of range; choose 0 to 1")),
        }
    }

    fn spacing(&self, _settings: &Settings) -> String {
        "as listed".into()
    }
}
