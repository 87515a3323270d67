use super::{Group, LogSnr, Observer, Preset, Process, Solver, show};
use crate::Image;
use crate::registry::{Choice, Equation, Settings, entry};
use crate::score::{ScoreError, denoised};
use crate::sde::Family;

entry! {
    /// DPM-Solver++(2M): the exponential integrator in λ = log α/σ, with x̂(0) extrapolated from its last two
    /// values (Lu et al. 2022, algorithm 2). Second order; the first step and the one that arrives at clean
    /// data, where λ is infinite, are of first order.
    DpmSolverPlusPlus {
        slug: "dpm++",
        name: "DPM++",
        summary: "Deterministic, second order, one evaluation per step: DPM-Solver++(2M)",
        source: "Lu et al. 2022",
    }
}

impl Solver for DpmSolverPlusPlus {
    fn solve(
        &self,
        _settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        // The last step's length in λ and its estimate of x(0).
        let mut last: Option<(f64, Image)> = None;
        for step in process.steps {
            let (level, target) = (process.sde.level(step.t), process.sde.target(step));
            let h = 0.5 * (target.log_snr() - level.log_snr());
            let score = process.model.score(&x, &[level])?;
            let clean = denoised(&x, &score, &[level]);
            let estimate = match last {
                Some((h_last, before)) if h.is_finite() => {
                    let half_inverse_r = 0.5 * h / h_last;
                    clean.clone() * (1.0 + half_inverse_r) - before * half_inverse_r
                }
                _ => clean.clone(),
            };
            x = x * (target.sigma / level.sigma) - estimate * (target.alpha * (-h).exp_m1());
            x = process.arrive(step, x)?;
            if show(observer, step, &x, &clean, &score, None).is_break() {
                break;
            }
            last = Some((h, clean));
        }
        Ok(x)
    }

    fn is_invertible(&self) -> bool {
        true
    }

    fn equations(&self, _settings: &Settings, _family: &Family) -> Vec<Equation> {
        let lines = [
            "λ = log(α/σ),  h = λ₋ − λ,  r = h₊/h",
            "D = (1 + 1/(2r)) x̂₀ − 1/(2r) x̂₀₊",
            "x ← (σ₋/σ) x − α₋ (exp(−h) − 1) D",
        ];
        vec![Equation::new("DPM-Solver++(2M) step", lines)]
    }

    fn presets(&self) -> Vec<Preset> {
        vec![Preset {
            name: "ODE 20".into(),
            summary: "Probability-flow ODE with DPM-Solver++(2M), x̂₀ clipped to the data range".into(),
            group: Group::Flow,
            solver: Choice::new(&DpmSolverPlusPlus),
            grid: Choice::new(&LogSnr),
            steps: 20,
            clip: true,
        }]
    }
}
