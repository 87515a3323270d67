use super::estimate::{Estimate, transfer};
use super::ipndm::equal;
use super::spacing::{LEVELS, nearest_level};
use super::{Destination, Grid, Observer, Process, Solver, Uniform};
use crate::Image;
use crate::network::Sum;
use crate::registry::{About, Choice, Equation, Parameter, Settings, entry};
use crate::score::ScoreError;
use crate::sde::{Family, Level, Sde, Step};

/// How the first steps are made.
pub const START: Parameter = Parameter::choice("first_steps", "plms", || vec![&PLMS, &PRK, &PRK_LEVELS])
    .named(
        "First steps",
        "First steps",
        "First steps: one of Heun's (PLMS), or three of Runge and Kutta's with 4 evaluations each",
    )
    .optional();

/// What past evaluations are mixed as.
pub const MIXED: Parameter = Parameter::choice("mixed", "noise", || vec![&NOISE, &VELOCITY])
    .named(
        "Mixed",
        "Mixed",
        "Past evaluations are mixed as noise, as published, or as velocities, as diffusers does for networks that answer v",
    )
    .rare();

static NOISE: About =
    About { slug: "noise", name: "Noise", summary: "Estimates of the noise", source: "", parameters: &[] };
static VELOCITY: About = About {
    slug: "velocity",
    name: "Velocity",
    summary: "v = α ε̂ − σ x̂₀, made noise again by the state that a step leaves",
    source: "Salimans and Ho 2022",
    parameters: &[],
};

static PLMS: About = About {
    slug: "plms",
    name: "PLMS",
    summary: "One improved Euler step, then the multistep method",
    source: "",
    parameters: &[],
};
static PRK: About = About {
    slug: "prk",
    name: "Runge–Kutta",
    summary: "Three pseudo Runge–Kutta steps, then the multistep method",
    source: "",
    parameters: &[],
};

static PRK_LEVELS: About = About {
    slug: "prk-levels",
    name: "Runge–Kutta at levels",
    summary: "As in diffusers: on 1000 levels, the first middle lies on the one above and is estimated on the one below",
    source: "",
    parameters: &[],
};

entry! {
    /// Pseudo numerical methods on manifolds: the slopes of Runge and Kutta's and Adams and Bashforth's methods, with
    /// DDIM's step for the line along them (Liu et al. 2022, eqs 11 to 13).
    Pndm {
        slug: "pndm",
        name: "PNDM",
        summary: "Pseudo linear multistep method, one evaluation per step after its first",
        source: "Liu et al. 2022",
        parameters: [&START, &MIXED],
    }
}

/// Pseudo Runge–Kutta steps at the start.
const RUNGE_KUTTA_STEPS: usize = 3;

impl Solver for Pndm {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        let mixed = Mixed::of(settings);
        let mut past: Vec<Image> = Vec::new();
        for (done, step) in process.steps.iter().enumerate() {
            let (level, target) = process.ends(step);
            let first = process.estimate(&x, level)?;
            let slope = mixed.part(&first);
            past.insert(0, slope.clone());
            past.truncate(4);
            let (slope, last) = match done {
                0..RUNGE_KUTTA_STEPS if is_runge_kutta(settings) => {
                    runge_kutta_slope(process, step, middle(settings, process.sde, step), mixed, &x, first)?
                }
                0 if target.sigma > 0.0 => {
                    let there = process.estimate(&transfer(&x, &first.noise, level, target).tensor(), target)?;
                    (Sum::of(0.5, &slope).plus(0.5, &mixed.part(&there)).tensor(), there)
                }
                _ => {
                    let earlier = equal(past.len()).iter().copied().zip(&past).skip(1);
                    (Sum::of(equal(past.len())[0], &slope).plus_all(earlier).tensor(), first)
                }
            };
            x = process.arrive(step, transfer(&x, &mixed.noise(slope, &x, level), level, target).tensor())?;
            if last.show(observer, step, &x).is_break() {
                break;
            }
        }
        Ok(x)
    }

    fn evaluations(&self, settings: &Settings, steps: usize, to: Destination) -> Option<usize> {
        let ends = usize::from(to != Destination::Noise);
        Some(match is_runge_kutta(settings) {
            true => steps + 3 * steps.min(RUNGE_KUTTA_STEPS) - ends * usize::from(steps <= RUNGE_KUTTA_STEPS),
            false => steps + usize::from(steps > ends),
        })
    }

    fn order(&self, _settings: &Settings) -> Option<f64> {
        Some(2.0)
    }

    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&Uniform)
    }

    fn equations(&self, _settings: &Settings, _family: &Family) -> Vec<Equation> {
        let lines = ["e = (55 ε̂ − 59 ε̂₁ + 37 ε̂₂ − 9 ε̂₃) / 24", "x ← α₋ (x − σ e) / α + σ₋ e"];
        vec![Equation::new("PLMS step", lines)]
    }
}

fn is_runge_kutta(settings: &Settings) -> bool {
    settings.option(&START) != PLMS.slug
}

/// What past evaluations are mixed as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mixed {
    Noise,
    Velocity,
}

impl Mixed {
    fn of(settings: &Settings) -> Mixed {
        if settings.option(&MIXED) == VELOCITY.slug { Mixed::Velocity } else { Mixed::Noise }
    }

    /// This of an estimate.
    fn part(self, estimate: &Estimate) -> Image {
        match self {
            Mixed::Noise => estimate.noise.clone(),
            Mixed::Velocity => {
                let Level { alpha, sigma, .. } = estimate.level;
                Sum::of(alpha, &estimate.noise).plus(-sigma, &estimate.clean).tensor()
            }
        }
    }

    /// The noise of `x` at a level that a mixture stands for.
    fn noise(self, mixture: Image, x: &Image, level: Level) -> Image {
        match self {
            Mixed::Noise => mixture,
            Mixed::Velocity => {
                let Level { alpha, sigma, .. } = level;
                let share = 1.0 / (alpha * alpha + sigma * sigma);
                Sum::of(alpha * share, &mixture).plus(sigma * share, x).tensor()
            }
        }
    }
}

/// The middle of a step: where its first state goes, and where the second goes and both are estimated.
fn middle(settings: &Settings, sde: &dyn Sde, step: &Step) -> [Level; 2] {
    if settings.option(&START) != PRK_LEVELS.slug {
        return [sde.level(0.5 * (step.t + step.next)); 2];
    }
    let [from, to] = [sde.level(step.t), sde.target(step)].map(|level| nearest_level(sde, level.ratio()));
    let half = from.saturating_sub(to) / 2;
    [from - half, to + half].map(|index| sde.at_ratio(sde.table_ratio(index, LEVELS)))
}

/// The mean slope of Runge and Kutta's method of fourth order over a step, and its last estimate. At clean data, where no
/// slope has a value, the last one before them stands for it.
fn runge_kutta_slope(
    process: &Process<'_>,
    step: &Step,
    [first_middle, middle]: [Level; 2],
    mixed: Mixed,
    x: &Image,
    first: Estimate,
) -> Result<(Image, Estimate), ScoreError> {
    let (level, target) = process.ends(step);
    let at = |slope: Image, to, asked| {
        process.estimate(&transfer(x, &mixed.noise(slope, x, level), level, to).tensor(), asked)
    };
    let start = mixed.part(&first);
    let second = mixed.part(&at(start.clone(), first_middle, middle)?);
    let third = at(second.clone(), middle, middle)?;
    let before_last = mixed.part(&third);
    let last = if target.sigma > 0.0 { at(before_last.clone(), target, target)? } else { third };
    let ends = Sum::of(1.0 / 6.0, &start);
    let slope =
        ends.plus(1.0 / 3.0, &second).plus(1.0 / 3.0, &before_last).plus(1.0 / 6.0, &mixed.part(&last)).tensor();
    Ok((slope, last))
}
