use super::estimate::{Exponential, Prediction, between};
use super::stochastic::{Detour, eta};
use super::{Destination, Edm, Grid, Observer, Process, Purpose, Solver, two_a_step};
use crate::Image;
use crate::network::Sum;
use crate::registry::{Choice, Equation, Parameter, Settings, entry};
use crate::score::ScoreError;
use crate::sde::{Family, Level};

const ETA: Parameter = eta(1.0);

/// The ODE's step from one estimate of x(0).
fn along<'a>(x: &'a Image, clean: &'a Image, from: Level, to: Level) -> Sum<'a> {
    let exact = Exponential::new(Prediction::Data, from, to, 0.0);
    exact.flow(x, [(exact.weight, clean)])
}

entry! {
    /// DPM-Solver++(2S) with ancestral noise: a singlestep update to less noise than the target, and new noise (k-diffusion's
    /// DPM++ 2S a).
    Ancestral2S {
        slug: "dpm++2s-a",
        name: "DPM++ 2S a",
        summary: "Ancestral, two evaluations per step: DPM-Solver++(2S) and new noise",
        source: "Lu et al. 2022, algorithm 1; k-diffusion",
        parameters: [&ETA],
    }
}

impl Solver for Ancestral2S {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        for step in process.steps {
            let (level, target) = process.ends(step);
            let detour = Detour::new(process.sde, level, target, settings.number(&ETA));
            let mut estimate = process.estimate(&x, level)?;
            if detour.down.sigma > 0.0 {
                let middle = between(process.sde, level, detour.down, 0.5);
                estimate = process.estimate(&along(&x, &estimate.clean, level, middle).tensor(), middle)?;
            }
            let z = || process.noise.normal(step.index, Purpose::Predictor);
            let down = along(&x, &estimate.clean, level, detour.down);
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
        settings.number(&ETA) > 0.0
    }

    fn order(&self, settings: &Settings) -> Option<f64> {
        (!self.is_stochastic(settings)).then_some(2.0)
    }

    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&Edm)
    }

    fn equations(&self, _settings: &Settings, _family: &Family) -> Vec<Equation> {
        let lines = [
            "κ = σ/α,  κ↑ = min(κ₋, η κ₋ √(κ² − κ₋²) / κ),  κ↓² = κ₋² − κ↑²",
            "λ = −log κ,  h = λ↓ − λ,  x̂₀′ at λ + h/2",
            "x ← (σ↓/σ) x + α↓ (1 − exp(−h)) x̂₀′",
            "x ← (α₋/α↓) x + α₋ κ↑ z",
        ];
        vec![Equation::new("Ancestral DPM-Solver++(2S) step", lines)]
    }
}

entry! {
    /// DPM-Solver++ with noise in both halves of its step: k-diffusion's DPM++ SDE.
    AncestralSde {
        slug: "dpm++sde",
        name: "DPM++ SDE",
        summary: "Ancestral noise in both evaluations of a step: k-diffusion's DPM++ SDE",
        source: "Lu et al. 2022; k-diffusion",
        parameters: [&ETA, &MIDDLE],
    }
}

/// Where the second evaluation lies.
pub const MIDDLE: Parameter = Parameter::number("middle", 0.5, 0.05, 1.0)
    .named("Middle", "r", "r: place of the second evaluation in a step of λ, 0.05 to 1")
    .rare();

impl Solver for AncestralSde {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        let (eta, r) = (settings.number(&ETA), settings.number(&MIDDLE));
        for step in process.steps {
            let (level, target) = process.ends(step);
            let go = |clean: &Image, to, purpose| {
                let detour = Detour::new(process.sde, level, to, eta);
                let down = along(&x, clean, level, detour.down);
                detour.arrive(down, &|| process.noise.normal(step.index, purpose))
            };
            let first = process.estimate(&x, level)?;
            let (next, estimate) = if target.sigma > 0.0 {
                let middle = between(process.sde, level, target, r);
                let second = process.estimate(&go(&first.clean, middle, Purpose::Corrector(0)), middle)?;
                let share = 0.5 / r;
                let clean = Sum::of(1.0 - share, &first.clean).plus(share, &second.clean).tensor();
                (go(&clean, target, Purpose::Predictor), second)
            } else {
                (first.at(target).tensor(), first)
            };
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
        settings.number(&ETA) > 0.0
    }

    fn order(&self, settings: &Settings) -> Option<f64> {
        (!self.is_stochastic(settings)).then_some(2.0)
    }

    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&Edm)
    }

    fn equations(&self, _settings: &Settings, _family: &Family) -> Vec<Equation> {
        let lines = [
            "A(x̂₀, λ′): ancestral step from λ to λ′ with this x̂₀ and η",
            "x′ = A(x̂₀, λ + r h),  h = λ₋ − λ",
            "x ← A((1 − 1/(2r)) x̂₀ + 1/(2r) x̂₀′, λ₋)",
        ];
        vec![Equation::new("DPM++ SDE step", lines)]
    }
}
