use super::estimate::{between, transfer};
use super::stochastic::{CHURN, CHURN_MAX, CHURN_MIN, CHURN_NOISE, Detour, ETA, churned};
use super::{Destination, Edm, Grid, Observer, Process, Purpose, Solver, two_a_step};
use crate::Image;
use crate::registry::{Choice, Equation, Settings, entry};
use crate::score::ScoreError;
use crate::sde::Family;

entry! {
    /// DPM-Solver-2 in σ/α, as k-diffusion has it: the slope in the middle of a step, in log σ/α, is that of the whole
    /// step; with the noise that is asked for. Second order; the step that arrives at clean data is Euler's.
    Dpm2 {
        slug: "dpm-2",
        name: "DPM2",
        summary: "The midpoint rule in σ/α, second order; with churn or η stochastic",
        source: "Lu et al. 2022a, DPM-Solver-2; k-diffusion",
        parameters: [&ETA, &CHURN, &CHURN_MIN, &CHURN_MAX, &CHURN_NOISE],
    }
}

impl Solver for Dpm2 {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        for step in process.steps {
            let (noisy, level) = churned(settings, settings.number(&CHURN), process, step, x);
            let detour = Detour::new(process.sde, level, process.sde.target(step), settings.number(&ETA));
            let mut estimate = process.estimate(&noisy, level)?;
            if detour.down.sigma > 0.0 {
                let middle = between(process.sde, level, detour.down, 0.5);
                estimate = process.estimate(&transfer(&noisy, &estimate.noise, level, middle).tensor(), middle)?;
            }
            let z = || process.noise.normal(step.index, Purpose::Predictor);
            let down = transfer(&noisy, &estimate.noise, level, detour.down);
            x = process.arrive(step, detour.arrive(down, &z))?;
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
        settings.number(&ETA) > 0.0 || settings.number(&CHURN) > 0.0
    }

    fn order(&self, settings: &Settings) -> Option<f64> {
        (!self.is_stochastic(settings)).then_some(2.0)
    }

    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&Edm)
    }

    fn equations(&self, _settings: &Settings, _family: &Family) -> Vec<Equation> {
        let lines = [
            "y = x/α,  κ = σ/α,  d = (y − x̂₀) / κ",
            "κ′ = √(κ κ↓),  y′ = y + (κ′ − κ) d,  d′ = (y′ − x̂₀′) / κ′",
            "y ← y + (κ↓ − κ) d′ + κ↑ z",
        ];
        vec![Equation::new("DPM-Solver-2 step", lines)]
    }
}
