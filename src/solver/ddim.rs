use super::estimate::Estimate;
use super::stochastic::{Detour, ETA};
use super::{Observer, Process, Purpose, Solver};
use crate::Image;
use crate::registry::{About, Equation, Parameter, Settings, entry};
use crate::score::{ScoreError, clip};
use crate::sde::{Family, Level};

/// Which variance a step's noise has.
pub const VARIANCE: Parameter = Parameter::choice("variance", "posterior", || vec![&POSTERIOR, &LARGE])
    .named("Variance", "Variance", "Variance of the noise: of the exact posterior, or the larger one of DDPM")
    .rare();

/// Whether x̂(0) is kept inside the data's range in its own term alone.
pub const CLIP_ALONE: Parameter = Parameter::flag("clip_alone", false)
    .named(
        "Clip x̂₀ alone",
        "Clip x̂₀ alone",
        "Keep x̂₀ inside the data's range, and ε̂ as it was estimated (diffusers' clip_sample), not what then is left of x",
    )
    .rare();

static POSTERIOR: About = About {
    slug: "posterior",
    name: "Posterior",
    summary: "That of q(x₋ | x, x̂₀), times η²",
    source: "",
    parameters: &[],
};
static LARGE: About = About {
    slug: "large",
    name: "Large",
    summary: "1 − ᾱ/ᾱ₋ times η², DDPM's larger choice: noise beyond what the step takes away",
    source: "Ho et al. 2020; Song, Meng and Ermon 2021, σ̂",
    parameters: &[],
};

entry! {
    /// DDIM on any path: x(next) = α′·x̂(0) + √(σ′² − s²)·ε̂ + s·z, with the x̂(0) and ε̂ = −σ·score that the score implies,
    /// and s = η times the standard deviation of the exact posterior (Song, Meng and Ermon 2021, eqs 12 and 16). First
    /// order; η = 1 is DDPM, and on a part of its levels its generalisation.
    Ddim {
        slug: "ddim",
        name: "DDIM",
        summary: "First order; deterministic with η = 0, DDPM with η = 1",
        source: "Song, Meng and Ermon 2021",
        parameters: [&ETA, &VARIANCE, &CLIP_ALONE],
    }
}

impl Solver for Ddim {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        let eta = settings.number(&ETA);
        for step in process.steps {
            let (level, target) = process.ends(step);
            let mut estimate = process.estimate(&x, level)?;
            if settings.flag(&CLIP_ALONE) {
                estimate.clean = clip(process.model, estimate.clean);
            }
            let z = || process.noise.normal(step.index, Purpose::Predictor);
            x = process.arrive(step, self.step(settings, eta, process, &estimate, target, &z))?;
            if estimate.show(observer, step, &x).is_break() {
                break;
            }
        }
        Ok(x)
    }

    fn is_stochastic(&self, settings: &Settings) -> bool {
        settings.number(&ETA) > 0.0
    }

    fn is_invertible(&self) -> bool {
        true
    }

    fn order(&self, settings: &Settings) -> Option<f64> {
        (!self.is_stochastic(settings)).then_some(1.0)
    }

    fn equations(&self, settings: &Settings, _family: &Family) -> Vec<Equation> {
        if !self.is_stochastic(settings) {
            let lines = ["x̂₀ = (x + σ² s(x, t)) / α", "x ← α₋ x̂₀ + σ₋ (x − α x̂₀) / σ"];
            return vec![Equation::new("DDIM step", lines)];
        }
        let lines = [
            "x̂₀ = (x + σ² s(x, t)) / α,  ε̂ = (x − α x̂₀) / σ,  κ = σ/α",
            "ς = η σ₋ √(κ² − κ₋²) / κ",
            "x ← α₋ x̂₀ + √(σ₋² − ς²) ε̂ + ς z",
        ];
        vec![Equation::new("DDIM step", lines)]
    }
}

impl Ddim {
    fn step(
        &self,
        settings: &Settings,
        eta: f64,
        process: &Process<'_>,
        estimate: &Estimate,
        target: Level,
        z: &dyn Fn() -> Image,
    ) -> Image {
        let from = estimate.level;
        let detour = Detour::new(process.sde, from, target, eta);
        // 1 − ᾱ/ᾱ₋ is the variance of x given the cleaner state; the other is σ₋²/σ² of it.
        let wider = if settings.option(&VARIANCE) == LARGE.slug { from.sigma / target.sigma } else { 1.0 };
        let detour = Detour { up: if detour.up > 0.0 { detour.up * wider } else { 0.0 }, ..detour };
        detour.arrive(estimate.at(detour.down), z)
    }
}
