use super::{Observer, Process, Solver, show};
use crate::Image;
use crate::registry::{Equation, Settings, entry};
use crate::score::{ScoreError, denoised};
use crate::sde::Family;

entry! {
    /// DDIM with η = 0 on any path: x(next) = α′·x̂(0) + σ′·ẑ, with the x̂(0) and ẑ = −σ·score that the
    /// score implies (Song, Meng and Ermon 2021, eq. 12). First order.
    Ddim {
        slug: "ddim",
        name: "DDIM",
        summary: "Deterministic, first order",
        source: "Song, Meng and Ermon 2021, η = 0",
    }
}

impl Solver for Ddim {
    fn solve(
        &self,
        _settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        for step in process.steps {
            let (level, target) = (process.sde.level(step.t), process.sde.target(step));
            let score = process.model.score(&x, &[level])?;
            let clean = denoised(&x, &score, &[level]);
            x = clean.clone() * target.alpha - score.clone() * (target.sigma * level.sigma);
            x = process.arrive(step, x)?;
            if show(observer, step, &x, &clean, &score, None).is_break() {
                break;
            }
        }
        Ok(x)
    }

    fn is_invertible(&self) -> bool {
        true
    }

    fn equations(&self, _settings: &Settings, _family: &Family) -> Vec<Equation> {
        let lines = ["x̂₀ = (x + σ² s(x, t)) / α", "x ← α₋ x̂₀ + σ₋ (x − α x̂₀) / σ"];
        vec![Equation::new("DDIM step", lines)]
    }
}
