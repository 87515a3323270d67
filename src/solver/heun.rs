use super::estimate::Estimate;
use super::{Destination, Edm, Grid, Observer, Process, Solver, two_a_step};
use crate::Image;
use crate::network::Sum;
use crate::registry::{About, Choice, Equation, Parameter, Settings, entry};
use crate::score::ScoreError;
use crate::sde::{Family, Level};

/// The variable over which a trapezium is laid.
pub const ALONG: Parameter = Parameter::choice("along", "ratio", || vec![&RATIO, &PATH])
    .named(
        "Along",
        "Along",
        "Along: the trapezium rule in σ/α as EDM has it, or along the path itself as flow matching has",
    )
    .optional();

static RATIO: About =
    About { slug: "ratio", name: "σ/α", summary: "In σ/α, as EDM has it", source: "", parameters: &[] };
static PATH: About = About {
    slug: "path",
    name: "Path",
    summary: "In α and σ themselves, as flow matching has it",
    source: "",
    parameters: &[],
};

entry! {
    /// Heun's method on the probability-flow ODE of any path, which in y = x/α and ρ = σ/α reads
    /// dy/dρ = (y − x̂(0))/ρ = −σ·score (Karras et al. 2022, algorithm 1 without churn), or along the path
    /// dx = x̂(0)·dα + ε̂·dσ. Second order; the step that arrives at ρ = 0, where the slope has no value, is Euler's.
    Heun {
        slug: "heun",
        name: "Heun",
        summary: "Deterministic, second order, two evaluations per step",
        source: "Karras et al. 2022",
        parameters: [&ALONG],
    }
}

/// One step and its last estimate: in y = x/α and ρ = σ/α.
pub(super) fn heun_step(
    process: &Process<'_>,
    x: &Image,
    level: Level,
    target: Level,
) -> Result<(Image, Estimate), ScoreError> {
    let here = process.estimate(x, level)?;
    let (carry, drho) = (target.alpha / level.alpha, target.ratio() - level.ratio());
    let euler = Sum::of(carry, x).plus(target.alpha * drho, &here.noise).tensor();
    if target.sigma == 0.0 {
        return Ok((euler, here));
    }
    let there = process.estimate(&euler, target)?;
    let half = 0.5 * target.alpha * drho;
    Ok((Sum::of(carry, x).plus(half, &here.noise).plus(half, &there.noise).tensor(), there))
}

/// One step and its last estimate along the straight line between two levels.
fn path_step(process: &Process<'_>, x: &Image, level: Level, target: Level) -> Result<(Image, Estimate), ScoreError> {
    let here = process.estimate(x, level)?;
    if target.sigma == 0.0 {
        return Ok((here.at(target).tensor(), here));
    }
    let there = process.estimate(&here.at(target).tensor(), target)?;
    let (alpha, sigma) = (0.5 * (target.alpha - level.alpha), 0.5 * (target.sigma - level.sigma));
    let parts = [&here, &there].into_iter().flat_map(|at| [(alpha, &at.clean), (sigma, &at.noise)]);
    Ok((Sum::of(1.0, x).plus_all(parts).tensor(), there))
}

impl Solver for Heun {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        let one = if settings.option(&ALONG) == PATH.slug { path_step } else { heun_step };
        for step in process.steps {
            let (level, target) = process.ends(step);
            let (next, estimate) = one(process, &x, level, target)?;
            x = process.arrive(step, next)?;
            if estimate.show(observer, step, &x).is_break() {
                break;
            }
        }
        Ok(x)
    }

    fn evaluations(&self, _settings: &Settings, steps: usize, to: Destination) -> Option<usize> {
        Some(two_a_step(steps, to))
    }

    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&Edm)
    }

    fn is_invertible(&self) -> bool {
        true
    }

    fn order(&self, _settings: &Settings) -> Option<f64> {
        Some(2.0)
    }

    fn equations(&self, settings: &Settings, _family: &Family) -> Vec<Equation> {
        let lines = if settings.option(&ALONG) == PATH.slug {
            &["x′ = α₋ x̂₀ + σ₋ ε̂", "x ← x + ½ (α₋ − α)(x̂₀ + x̂₀′) + ½ (σ₋ − σ)(ε̂ + ε̂′)"][..]
        } else {
            &[
                "y = x/α,  κ = σ/α,  d = (y − x̂₀) / κ",
                "y′ = y + (κ₋ − κ) d,  d′ = (y′ − x̂₀′) / κ₋",
                "y ← y + (κ₋ − κ) ½ (d + d′)",
            ]
        };
        vec![Equation::new("Heun step", lines.iter().copied())]
    }
}
