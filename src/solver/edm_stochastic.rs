use super::heun::heun_step;
use super::stochastic::{CHURN_MAX, CHURN_MIN, CHURN_NOISE, churn, churned};
use super::{Destination, Edm, Grid, Observer, Process, Solver, two_a_step};
use crate::Image;
use crate::registry::{Choice, Equation, Parameter, Settings, entry};
use crate::score::ScoreError;
use crate::sde::Family;

/// As published for CIFAR-10, unconditional VP.
const CHURN: Parameter = churn(30.0);

entry! {
    /// EDM's stochastic sampler: noise is renewed before each of Heun's steps (Karras et al. 2022, algorithm 2). Without
    /// churn it is Heun's method.
    EdmStochastic {
        slug: "edm-stochastic",
        name: "EDM stochastic",
        summary: "Heun's method with renewed noise (churn)",
        source: "Karras et al. 2022, algorithm 2",
        parameters: [&CHURN, &CHURN_MIN, &CHURN_MAX, &CHURN_NOISE],
    }
}

impl Solver for EdmStochastic {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        for step in process.steps {
            let (noisy, level) = churned(settings, settings.number(&CHURN), process, step, x);
            let (next, estimate) = heun_step(process, &noisy, level, process.sde.target(step))?;
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

    fn is_stochastic(&self, settings: &Settings) -> bool {
        settings.number(&CHURN) > 0.0
    }

    fn order(&self, settings: &Settings) -> Option<f64> {
        (!self.is_stochastic(settings)).then_some(2.0)
    }

    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&Edm)
    }

    fn equations(&self, _settings: &Settings, _family: &Family) -> Vec<Equation> {
        let lines = [
            "y = x/α,  κ = σ/α,  γ = min(S_churn / N, √2 − 1) for S_min ≤ κ ≤ S_max",
            "κ̂ = (1 + γ) κ,  ŷ = y + √(κ̂² − κ²) S_noise z",
            "d = (ŷ − x̂₀) / κ̂,  y′ = ŷ + (κ₋ − κ̂) d,  d′ = (y′ − x̂₀′) / κ₋",
            "y ← ŷ + (κ₋ − κ̂) ½ (d + d′)",
        ];
        vec![Equation::new("Stochastic EDM step", lines)]
    }
}
