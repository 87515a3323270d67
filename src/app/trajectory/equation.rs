//! The equation in force, written out with a run's own symbols and numbers.

use crate::sde::{Family, FamilyKind};
use crate::solver::{Corrector, Grid, Norms, Predictor, PredictorCorrector, Solver};
use crate::task::Run;

/// One equation with the name of what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equation {
    pub title: String,
    pub lines: Vec<String>,
}

impl Equation {
    fn new<const N: usize>(title: impl Into<String>, lines: [String; N]) -> Self {
        Equation { title: title.into(), lines: lines.into() }
    }
}

/// All that a run computes, from the forward process to the rule of one step, in the order
/// in which it is read: the family, what is solved, how a step is made, and at which times.
pub fn equations(run: &Run) -> Vec<Equation> {
    let mut all = vec![forward(&run.family), solved(run)];
    match &run.solver {
        Solver::Pc(pc) => {
            all.extend(corrector(pc, run.family.kind()));
            all.extend(predictor(pc.predictor, run.family.kind()));
        }
        Solver::Ddim => all.push(ddim()),
        Solver::Heun => all.push(heun()),
        Solver::DpmPlusPlus => all.push(dpm_plus_plus()),
    }
    all.push(times(run));
    all
}

/// A number with as many digits as it needs, at most four after the point.
pub fn number(value: f64) -> String {
    if value != 0.0 && (value.abs() < 1e-3 || value.abs() >= 1e5) {
        return format!("{value:.1e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The forward SDE with its parameters, and its marginal (Song et al. 2021, appendix C).
fn forward(family: &Family) -> Equation {
    let title = format!("Forward, {}", family.kind());
    match family {
        Family::Ve(ve) => Equation::new(
            title,
            [
                "dx = √(dσ²/dt) dw".into(),
                format!("σ(t) = {} · {}^t", number(ve.sigma_min()), number(ve.sigma_max() / ve.sigma_min())),
                "x(t) = x(0) + σ(t) z".into(),
            ],
        ),
        Family::Vp(vp) => Equation::new(
            title,
            [
                "dx = −½ β(t) x dt + √β(t) dw".into(),
                rate(vp.beta_min(), vp.beta_max()),
                ALPHA.into(),
                "x(t) = α(t) x(0) + √(1 − α(t)²) z".into(),
            ],
        ),
        Family::SubVp(sub) => Equation::new(
            title,
            [
                "dx = −½ β(t) x dt + √(β(t) (1 − α(t)⁴)) dw".into(),
                rate(sub.beta_min(), sub.beta_max()),
                ALPHA.into(),
                "x(t) = α(t) x(0) + (1 − α(t)²) z".into(),
            ],
        ),
    }
}

fn rate(min: f64, max: f64) -> String {
    format!("β(t) = {} + {} t", number(min), number(max - min))
}

const ALPHA: &str = "α(t) = exp(−½ ∫β)";

/// The reverse SDE or the probability-flow ODE, with the family's own drift and diffusion.
fn solved(run: &Run) -> Equation {
    let deterministic = match &run.solver {
        Solver::Pc(pc) => pc.predictor == Predictor::ProbabilityFlow,
        Solver::Ddim | Solver::Heun | Solver::DpmPlusPlus => true,
    };
    if matches!(&run.solver, Solver::Pc(pc) if pc.predictor == Predictor::None) {
        let line = "x ∼ p(x, t) at each t, by Markov chains on s ≈ ∇ log p".into();
        return Equation::new("Corrector only", [line]);
    }
    let (drift, squared, noise) = match run.family.kind() {
        FamilyKind::Ve => ("", "dσ²/dt", "√(dσ²/dt)"),
        FamilyKind::Vp => ("−½ β x ", "β", "√β"),
        FamilyKind::SubVp => ("−½ β x ", "β (1 − α⁴)", "√(β (1 − α⁴))"),
    };
    if deterministic {
        let line = format!("dx = [{drift}− ½ {squared} s(x, t)] dt");
        Equation::new("Probability-flow ODE", [line])
    } else {
        let line = format!("dx = [{drift}− {squared} s(x, t)] dt + {noise} dw");
        Equation::new("Reverse SDE", [line])
    }
}

/// One corrector step (Song et al. 2021, algorithms 4 and 5).
fn corrector(pc: &PredictorCorrector, kind: FamilyKind) -> Option<Equation> {
    let snr = number(pc.snr.get());
    let times = if pc.corrector_steps.get() > 1 { format!(", {} times", pc.corrector_steps) } else { String::new() };
    let scale = if kind == FamilyKind::Ve { "" } else { "α_i " };
    let norms = match pc.norms {
        Norms::Sample => "norms of each sample",
        Norms::Batch => "mean norms of the batch",
    };
    Some(match pc.corrector {
        Corrector::None => return None,
        Corrector::Langevin => Equation::new(
            format!("Langevin step{times}"),
            ["x ← x + ε s(x, t) + √(2ε) z".into(), format!("ε = 2 {scale}({snr} ‖z‖ / ‖s‖)²"), format!("({norms})")],
        ),
        Corrector::Ald => Equation::new(
            format!("Annealed Langevin step{times}"),
            ["x ← x + ε s(x, t) + √(2ε) z".into(), format!("ε = 2 {scale}({snr} σ(t))²")],
        ),
        Corrector::Hmc(hmc) => Equation::new(
            format!("Hamiltonian step{times}"),
            [
                "p ∼ N(0, I)".into(),
                format!("{} leapfrog steps: p ← p + ½h s,  x ← x + h p,  p ← p + ½h s", hmc.leapfrog),
                if hmc.adjusted {
                    "accept with min(1, exp(∫s·dx − Δ½‖p‖²))".into()
                } else {
                    "always accepted (unadjusted)".into()
                },
            ],
        ),
    })
}

/// One predictor step, with the increments f and G of the forward discretisation.
fn predictor(predictor: Predictor, kind: FamilyKind) -> Option<Equation> {
    let line = match (predictor, kind) {
        (Predictor::None, _) => return None,
        (Predictor::EulerMaruyama, _) => "x ← x − [f(x, t) − g(t)² s] Δt + g(t) √Δt z",
        (Predictor::ReverseDiffusion, FamilyKind::Ve) => "x ← x + (σ_i² − σ₋²) s + √(σ_i² − σ₋²) z",
        (Predictor::ReverseDiffusion, FamilyKind::Vp) => "x ← (2 − √(1 − β_i)) x + β_i s + √β_i z",
        (Predictor::ReverseDiffusion, FamilyKind::SubVp) => "x ← x − f(x, t) Δt + g(t)² Δt s + g(t) √Δt z",
        (Predictor::Ancestral, FamilyKind::Ve) => "x ← x + (σ_i² − σ₋²) s + √(σ₋² (σ_i² − σ₋²) / σ_i²) z",
        (Predictor::Ancestral, FamilyKind::Vp) => "x ← (x + β_i s) / √(1 − β_i) + √β_i z",
        (Predictor::Ancestral, FamilyKind::SubVp) => "x ∼ p(x₋ | x, x₀),  x₀ = (x + σ² s) / α",
        (Predictor::ProbabilityFlow, FamilyKind::Ve) => "x ← x + ½ (σ_i² − σ₋²) s",
        (Predictor::ProbabilityFlow, FamilyKind::Vp) => "x ← (2 − √(1 − β_i)) x + ½ β_i s",
        (Predictor::ProbabilityFlow, FamilyKind::SubVp) => "x ← x − f(x, t) Δt + ½ g(t)² Δt s",
    };
    Some(Equation::new(format!("{} step", predictor.name()), [line.into()]))
}

fn ddim() -> Equation {
    Equation::new("DDIM step", ["x₀ = (x + σ² s(x, t)) / α".into(), "x ← α₋ x₀ + σ₋ (x − α x₀) / σ".into()])
}

fn heun() -> Equation {
    Equation::new(
        "Heun step",
        [
            "y = x/α,  κ = σ/α,  d = (y − x₀) / κ".into(),
            "y′ = y + (κ₋ − κ) d,  d′ = (y′ − x₀′) / κ₋".into(),
            "y ← y + (κ₋ − κ) ½ (d + d′)".into(),
        ],
    )
}

fn dpm_plus_plus() -> Equation {
    Equation::new(
        "DPM-Solver++(2M) step",
        [
            "λ = log(α/σ),  h = λ₋ − λ,  r = h₊/h".into(),
            "D = (1 + 1/(2r)) x₀ − 1/(2r) x₀₊".into(),
            "x ← (σ₋/σ) x − α₋ (exp(−h) − 1) D".into(),
        ],
    )
}

/// Where in time the score is asked for.
fn times(run: &Run) -> Equation {
    let steps = run.steps.get();
    let spacing = match run.grid {
        Grid::Uniform => "equal steps of t".into(),
        Grid::Quadratic => "equal steps of √t".into(),
        Grid::Edm { rho } => format!("equal steps of (σ/α)^(1/{})", number(rho.get())),
        Grid::LogSnr => "equal steps of log α²/σ²".into(),
    };
    let end = number(run.family.sde().epsilon());
    let last = if run.denoise { "the last step adds no noise" } else { "the last step adds its noise" };
    let clip = if run.clip { "x₀ is kept inside the data's range" } else { "x₀ is not clipped" };
    Equation::new("Times", [format!("{steps} {spacing}, t = 1 … {end}"), format!("{last}; {clip}")])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sde::{Ve, Vp};
    use crate::solver::{Hmc, Snr};
    use crate::task::Preset;

    fn text(run: &Run) -> String {
        let lines: Vec<String> =
            equations(run).into_iter().flat_map(|e| std::iter::once(e.title).chain(e.lines)).collect();
        lines.join("\n")
    }

    fn preset(preset: Preset, family: Family) -> Run {
        let mut run = Run { family, ..Run::default() };
        preset.apply(&mut run);
        run
    }

    #[test]
    fn numbers_show_the_digits_they_have() {
        let shown = [0.1, 19.9, 50.0, 5000.0, 1e-5, 0.0, 0.16, 1.0 / 3.0].map(number);
        assert_eq!(shown, ["0.1", "19.9", "50", "5000", "1.0e-5", "0", "0.16", "0.3333"]);
    }

    #[test]
    fn the_forward_process_shows_the_runs_own_parameters() {
        let run = preset(Preset::Fast20, Family::Vp(Vp::new(0.2, 15.0).unwrap()));
        assert!(text(&run).contains("β(t) = 0.2 + 14.8 t"), "{}", text(&run));
        let run = preset(Preset::Fast20, Family::Ve(Ve::new(0.02, 90.0).unwrap()));
        assert!(text(&run).contains("σ(t) = 0.02 · 4500^t"), "{}", text(&run));
    }

    #[test]
    fn stochastic_predictors_solve_the_reverse_sde_and_the_others_the_ode() {
        for (predictor, expected) in [
            (Predictor::EulerMaruyama, "Reverse SDE"),
            (Predictor::Ancestral, "Reverse SDE"),
            (Predictor::ProbabilityFlow, "Probability-flow ODE"),
        ] {
            let run = preset(Preset::P1000(predictor), FamilyKind::SubVp.published());
            assert!(text(&run).contains(expected), "{predictor:?}");
        }
        let ode = text(&preset(Preset::Ode20, FamilyKind::Vp.published()));
        assert!(ode.contains("Probability-flow ODE") && ode.contains("½ β s(x, t)"), "{ode}");
    }

    #[test]
    fn a_corrector_shows_its_own_snr_and_steps() {
        let mut run = preset(Preset::C2000, FamilyKind::Vp.published());
        if let Solver::Pc(pc) = &mut run.solver {
            pc.snr = Snr::new(0.05).unwrap();
            pc.corrector_steps = 2.try_into().unwrap();
        }
        let shown = text(&run);
        assert!(shown.contains("Langevin step, 2 times") && shown.contains("(0.05 ‖z‖ / ‖s‖)²"), "{shown}");
        assert!(shown.contains("Corrector only"), "{shown}");
        if let Solver::Pc(pc) = &mut run.solver {
            pc.corrector = Corrector::Hmc(Hmc { leapfrog: 5.try_into().unwrap(), adjusted: true });
        }
        assert!(text(&run).contains("5 leapfrog steps") && text(&run).contains("accept with"));
    }

    #[test]
    fn ancestral_sampling_is_written_for_each_family() {
        let of = |kind: FamilyKind| text(&preset(Preset::P1000(Predictor::Ancestral), kind.published()));
        assert!(of(FamilyKind::Ve).contains("σ₋² (σ_i² − σ₋²) / σ_i²"));
        assert!(of(FamilyKind::Vp).contains("(x + β_i s) / √(1 − β_i)"));
        assert!(of(FamilyKind::SubVp).contains("x₀ = (x + σ² s) / α"));
    }
}
