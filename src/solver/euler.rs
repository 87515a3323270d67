use super::stochastic::{CHURN, CHURN_MAX, CHURN_MIN, CHURN_NOISE, Detour, ETA, churned};
use super::{Edm, Grid, Observer, Process, Purpose, Solver};
use crate::Image;
use crate::registry::{Choice, Equation, Settings, entry};
use crate::score::ScoreError;
use crate::sde::Family;

entry! {
    /// Euler's method in σ/α, dy/dρ = ε̂ with y = x/α, with the noise that is asked for: S_churn before a step, η after it
    /// (Karras et al. 2022, algorithm 2 without its correction; with η = 1 k-diffusion's ancestral sampler). First order.
    Euler {
        slug: "euler",
        name: "Euler",
        summary: "Euler's method in σ/α, first order; with churn or η stochastic",
        source: "Karras et al. 2022",
        parameters: [&ETA, &CHURN, &CHURN_MIN, &CHURN_MAX, &CHURN_NOISE],
    }
}

impl Solver for Euler {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        for step in process.steps {
            let (noisy, level) = churned(settings, settings.number(&CHURN), process, step, x);
            let estimate = process.estimate(&noisy, level)?;
            let detour = Detour::new(process.sde, level, process.sde.target(step), settings.number(&ETA));
            let z = || process.noise.normal(step.index, Purpose::Predictor);
            x = process.arrive(step, detour.arrive(estimate.at(detour.down), &z))?;
            if estimate.show(observer, step, &x).is_break() {
                break;
            }
        }
        Ok(x)
    }

    fn is_stochastic(&self, settings: &Settings) -> bool {
        settings.number(&ETA) > 0.0 || settings.number(&CHURN) > 0.0
    }

    fn order(&self, settings: &Settings) -> Option<f64> {
        (!self.is_stochastic(settings)).then_some(1.0)
    }

    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&Edm)
    }

    fn equations(&self, _settings: &Settings, _family: &Family) -> Vec<Equation> {
        let lines = [
            "y = x/α,  κ = σ/α,  d = (y − x̂₀) / κ",
            "κ↑² = min(κ₋, η κ₋ √(κ² − κ₋²) / κ)²,  κ↓² = κ₋² − κ↑²",
            "y ← y + (κ↓ − κ) d + κ↑ z",
        ];
        vec![Equation::new("Euler step", lines)]
    }
}
