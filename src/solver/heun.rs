use super::{Destination, Edm, Grid, Observer, Process, Solver, show};
use crate::Image;
use crate::registry::{Choice, Equation, Settings, entry};
use crate::score::{ScoreError, denoised};
use crate::sde::Family;

entry! {
    /// Heun's method on the probability-flow ODE of any path, which in y = x/α and ρ = σ/α reads
    /// dy/dρ = (y − x̂(0))/ρ = −σ·score (Karras et al. 2022, algorithm 1 without churn). Second order;
    /// the step that arrives at ρ = 0, where the slope has no value, is Euler's.
    Heun {
        slug: "heun",
        name: "Heun",
        summary: "Deterministic, second order, two evaluations per step",
        source: "Karras et al. 2022",
    }
}

impl Solver for Heun {
    fn solve(
        &self,
        _settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        for step in process.steps {
            let (level, target) = (process.sde.level(step.t), process.sde.target(step));
            let drho = target.ratio() - level.ratio();
            let mut score = process.model.score(&x, &[level])?;
            let mut clean = denoised(&x, &score, &[level]);
            let y = x * (1.0 / level.alpha);
            let slope = score.clone() * -level.sigma;
            x = (y.clone() + slope.clone() * drho) * target.alpha;
            if target.sigma > 0.0 {
                score = process.model.score(&x, &[target])?;
                clean = denoised(&x, &score, &[target]);
                let slope_there = score.clone() * -target.sigma;
                x = (y + (slope + slope_there) * (0.5 * drho)) * target.alpha;
            }
            x = process.arrive(step, x)?;
            if show(observer, step, &x, &clean, &score, None).is_break() {
                break;
            }
        }
        Ok(x)
    }

    fn evaluations(&self, _settings: &Settings, steps: usize, to: Destination) -> Option<usize> {
        Some((2 * steps).saturating_sub(usize::from(to != Destination::Noise)))
    }

    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&Edm)
    }

    fn is_invertible(&self) -> bool {
        true
    }

    fn equations(&self, _settings: &Settings, _family: &Family) -> Vec<Equation> {
        let lines = [
            "y = x/α,  κ = σ/α,  d = (y − x̂₀) / κ",
            "y′ = y + (κ₋ − κ) d,  d′ = (y′ − x̂₀′) / κ₋",
            "y ← y + (κ₋ − κ) ½ (d + d′)",
        ];
        vec![Equation::new("Heun step", lines)]
    }
}
