use super::spacing::SPARE;
use super::{Dynamics, Edm, Grid, Group, Observer, Preset, Process, Purpose, Solver, show};
use crate::Image;
use crate::registry::{Choice, Equation, Settings, entry};
use crate::score::{ScoreError, denoised};
use crate::sde::Family;

entry! {
    /// x̂(0) = f(x; t) of a consistency model, which answers at every t where the trajectory through x ends, then noise of the
    /// next level: x(next) = α′·x̂(0) + σ′·z. One step is one evaluation (Song et al. 2023, algorithm 1). Of a model that
    /// only denoises, samples of few steps are blurred.
    Consistency {
        slug: "consistency",
        name: "Consistency",
        summary: "One to four steps of a consistency model: its answer, and new noise of the next level",
        source: "Song et al. 2023, algorithm 1",
    }
}

impl Solver for Consistency {
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
            x = clean.clone() * target.alpha;
            if target.sigma > 0.0 {
                x = x + process.noise.normal(step.index, Purpose::Predictor) * target.sigma;
            }
            x = process.arrive(step, x)?;
            if show(observer, step, &x, &clean, &score, None).is_break() {
                break;
            }
        }
        Ok(x)
    }

    /// Its answers are where the trajectories of the flow end, whatever noise comes between them.
    fn dynamics(&self, _settings: &Settings) -> Dynamics {
        Dynamics::ProbabilityFlow
    }

    fn is_stochastic(&self, _settings: &Settings) -> bool {
        true
    }

    /// Levels of the published grid. The last one is spare: what is so near to the data is their answer already.
    fn grid(&self) -> Choice<dyn Grid> {
        Choice::<dyn Grid>::new(&Edm).with(&SPARE, 1)
    }

    fn equations(&self, _settings: &Settings, _family: &Family) -> Vec<Equation> {
        let lines = ["x̂₀ = f(x, t) = (x + σ² s(x, t)) / α", "x ← α₋ x̂₀ + σ₋ z"];
        vec![Equation::new("Consistency step", lines)]
    }

    fn presets(&self) -> Vec<Preset> {
        let preset = |steps: usize| Preset {
            name: format!("Consistency {steps}"),
            summary: "Few steps of a consistency model (Song et al. 2023)".into(),
            group: Group::Consistency,
            solver: Choice::new(&Consistency),
            grid: self.grid(),
            steps,
            clip: true,
        };
        [1, 2, 4].map(preset).into()
    }
}
