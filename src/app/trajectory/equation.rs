//! The equation in force, written out with a run's own symbols and numbers.

use crate::registry::{Choice, Equation, number, term};
use crate::sde::Family;
use crate::solver::{Dynamics, Solver};
use crate::task::{Guidance, Run};

/// All that a run computes, from the forward process to the rule of one step, in the order
/// in which it is read: the family, what is solved, how a step is made, and at which times.
pub fn equations(run: &Run) -> Vec<Equation> {
    let mut all = process(run);
    all.extend(run.solver.entry().equations(run.solver.settings(), &run.family));
    all.push(times(run));
    all
}

/// The forward process, what is solved, and what leads it.
pub fn process(run: &Run) -> Vec<Equation> {
    let sde = run.family.sde();
    let mut all =
        vec![Equation::new(format!("Forward SDE, {}", sde.kind()), sde.forward()), solved(&run.solver, &run.family)];
    all.extend(run.guidance.as_ref().map(guided));
    all
}

/// The reverse SDE or the probability-flow ODE, with the family's own drift and diffusion.
pub fn solved(solver: &Choice<dyn Solver>, family: &Family) -> Equation {
    let facts = family.facts();
    let [squared, noise] = facts.diffusion;
    let drift = if facts.drift.is_empty() { String::new() } else { term("drift", facts.drift.trim_end()) + " " };
    match solver.entry().dynamics(solver.settings()) {
        Dynamics::MarkovChains => {
            Equation::new("Corrector only", ["x ∼ p_t(x) at each t, by Markov chains on s(x, t) ≈ ∇ₓ log p_t(x)"])
        }
        Dynamics::ProbabilityFlow => {
            Equation::new("Probability-flow ODE", [format!("dx = [{drift}− ½ {squared} s(x, t)] dt")])
        }
        Dynamics::ReverseSde => {
            let noise = term("noise", &format!("{noise} dw"));
            Equation::new("Reverse SDE", [format!("dx = [{drift}− {squared} s(x, t)] dt + {noise}")])
        }
    }
}

/// What leads the score.
fn guided(guidance: &Guidance) -> Equation {
    let (kind, weight) = (guidance.kind.entry(), number(guidance.weight));
    let mut lines = vec![format!("s ← {}, w = {weight}", kind.equation())];
    lines.extend(guidance.class.as_ref().map(|class| format!("class: {class}")));
    lines.extend(
        guidance.interval.map(|[low, high]| {
            format!("w = 1 outside of {} ≤ σ/α ≤ {} (images in [−1, 1])", number(low), number(high))
        }),
    );
    if guidance.rescale > 0.0 {
        lines.push(format!("brought back to its deviation at w = 1 by φ = {}", number(guidance.rescale)));
    }
    Equation::new(format!("{} guidance", kind.about().name), lines)
}

/// Where in time the score is asked for.
pub fn times(run: &Run) -> Equation {
    let (steps, spacing) = (run.steps.get(), run.grid.entry().spacing(run.grid.settings()));
    let end = number(run.family.sde().epsilon());
    let last = match (run.solver.entry().dynamics(run.solver.settings()), run.denoise) {
        (Dynamics::ProbabilityFlow, _) => None,
        (Dynamics::MarkovChains, true) => Some("the last state is denoised: x ← (x + σ² s) / α"),
        (Dynamics::MarkovChains, false) => Some("the last state keeps its noise"),
        (Dynamics::ReverseSde, true) => Some("the last step adds no noise"),
        (Dynamics::ReverseSde, false) => Some("the last step adds its noise"),
    };
    let clip = if run.clip { "x̂₀ is clipped to the data range" } else { "x̂₀ is not clipped" };
    let grid = format!("{steps} {spacing},  t = 1 … {end}");
    Equation::new("Time grid", [grid].into_iter().chain([last, Some(clip)].into_iter().flatten().map(Into::into)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sde::{Family, FamilyKind, Ve, Vp};
    use crate::solver::{CORRECTOR, CORRECTOR_STEPS, LEAPFROG, METROPOLIS, Preset, SNR};

    fn text(run: &Run) -> String {
        let texts: Vec<String> = equations(run).iter().flat_map(|e| [e.title.clone(), e.text()]).collect();
        texts.join("\n")
    }

    fn preset(slug: &str, family: Family) -> Run {
        let mut run = Run { family, ..Run::default() };
        run.apply(Preset::find(slug).unwrap());
        run
    }

    #[test]
    fn the_forward_process_shows_the_runs_own_parameters() {
        let run = preset("fast-20", Family::Vp(Vp::new(0.2, 15.0).unwrap()));
        assert!(text(&run).contains("β(t) = 0.2 + 14.8 t"), "{}", text(&run));
        let run = preset("fast-20", Family::Ve(Ve::new(0.02, 90.0).unwrap()));
        assert!(text(&run).contains("σ(t) = 0.02 · 4500^t"), "{}", text(&run));
    }

    #[test]
    fn stochastic_predictors_solve_the_reverse_sde_and_the_others_the_ode() {
        for (predictor, expected) in [
            ("p1000-euler-maruyama", "Reverse SDE"),
            ("p1000-ancestral", "Reverse SDE"),
            ("p1000-probability-flow", "Probability-flow ODE"),
        ] {
            let run = preset(predictor, FamilyKind::SubVp.published());
            assert!(text(&run).contains(expected), "{predictor}");
        }
        let ode = text(&preset("ode-20", FamilyKind::Vp.published()));
        assert!(ode.contains("Probability-flow ODE") && ode.contains("½ β s(x, t)"), "{ode}");
    }

    #[test]
    fn a_corrector_shows_its_own_snr_and_steps() {
        let mut run = preset("c2000-langevin", FamilyKind::Vp.published());
        run.solver = run.solver.with(&SNR, 0.05).with(&CORRECTOR_STEPS, 2);
        let shown = text(&run);
        assert!(shown.contains("Langevin step, 2 times") && shown.contains("(0.05 ‖z‖ / ‖s‖)²"), "{shown}");
        assert!(shown.contains("Corrector only"), "{shown}");
        run.solver = run.solver.with(&CORRECTOR, "hmc").with(&LEAPFROG, 5).with(&METROPOLIS, true);
        assert!(text(&run).contains("5 leapfrog steps") && text(&run).contains("accept with"));
        assert!(text(&run).contains("the last state is denoised"));
        run.denoise = false;
        assert!(text(&run).contains("the last state keeps its noise"));
    }

    #[test]
    fn ancestral_sampling_is_written_for_each_family() {
        let of = |kind: FamilyKind| text(&preset("p1000-ancestral", kind.published()));
        assert!(of(FamilyKind::Ve).contains("σ₋² (σ_i² − σ₋²) / σ_i²"));
        assert!(of(FamilyKind::Vp).contains("(x + β_i s) / √(1 − β_i)"));
        assert!(of(FamilyKind::SubVp).contains("x̂₀ = (x + σ² s) / α"));
    }
}
