use super::estimate::{Estimate, transfer};
use super::ipndm::equal;
use super::{Destination, Grid, Observer, Process, Solver, Uniform};
use crate::Image;
use crate::network::Sum;
use crate::registry::{About, Choice, Equation, Parameter, Settings, entry};
use crate::score::ScoreError;
use crate::sde::{Family, Step};

/// How the first steps are made.
pub const START: Parameter = Parameter::choice("first_steps", "plms", || vec![&PLMS, &PRK])
    .named(
        "First steps",
        "First steps",
        "First steps: one of Heun's (PLMS), or three of Runge and Kutta's with 4 evaluations each",
    )
    .optional();

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

entry! {
    /// Pseudo numerical methods on manifolds: the slopes of Runge and Kutta's and Adams and Bashforth's methods, with
    /// DDIM's step for the line along them (Liu et al. 2022, eqs 11 to 13).
    Pndm {
        slug: "pndm",
        name: "PNDM",
        summary: "Pseudo linear multistep method, one evaluation per step after its first",
        source: "Liu et al. 2022",
        parameters: [&START],
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
        let runge_kutta = settings.option(&START) == PRK.slug;
        let mut past: Vec<Image> = Vec::new();
        for (done, step) in process.steps.iter().enumerate() {
            let (level, target) = process.ends(step);
            let first = process.estimate(&x, level)?;
            past.insert(0, first.noise.clone());
            past.truncate(4);
            let (slope, last) = match done {
                0..RUNGE_KUTTA_STEPS if runge_kutta => runge_kutta_slope(process, step, &x, first)?,
                0 if target.sigma > 0.0 => {
                    let there = process.estimate(&transfer(&x, &first.noise, level, target).tensor(), target)?;
                    (Sum::of(1.0, &first.noise).plus(1.0, &there.noise).times(0.5).tensor(), there)
                }
                _ => {
                    let earlier = equal(past.len()).iter().copied().zip(&past).skip(1);
                    (Sum::of(equal(past.len())[0], &first.noise).plus_all(earlier).tensor(), first)
                }
            };
            x = process.arrive(step, transfer(&x, &slope, level, target).tensor())?;
            if last.show(observer, step, &x).is_break() {
                break;
            }
        }
        Ok(x)
    }

    fn evaluations(&self, settings: &Settings, steps: usize, to: Destination) -> Option<usize> {
        let ends = usize::from(to != Destination::Noise);
        Some(match settings.option(&START) == PRK.slug {
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

/// The mean slope of Runge and Kutta's method of fourth order over a step, and its last estimate. Its middle is that of
/// time. At clean data, where no slope has a value, the last one before them stands for it.
fn runge_kutta_slope(
    process: &Process<'_>,
    step: &Step,
    x: &Image,
    first: Estimate,
) -> Result<(Image, Estimate), ScoreError> {
    let (level, target) = process.ends(step);
    let middle = process.sde.level(0.5 * (step.t + step.next));
    let at = |slope: &Image, to| process.estimate(&transfer(x, slope, level, to).tensor(), to);
    let second = at(&first.noise, middle)?;
    let third = at(&second.noise, middle)?;
    let last = if target.sigma > 0.0 { at(&third.noise, target)? } else { third.clone() };
    let ends = Sum::of(1.0 / 6.0, &first.noise);
    let middles = ends.plus(1.0 / 3.0, &second.noise).plus(1.0 / 3.0, &third.noise);
    Ok((middles.plus(1.0 / 6.0, &last.noise).tensor(), last))
}
