//! Convergence orders, on a Gaussian whose probability-flow ODE has a closed solution.

use super::{image, line, noise, values};
use crate::choices::{grid, solver};
use score_explorer::sde::{Family, FamilyKind, Step, Ve, Vp};
use score_explorer::solver::{Process, Unobserved};

const MEAN: f64 = 0.3;
const STD: f64 = 0.5;

/// In y = x/α and ρ = σ/α: y − mean ∝ √(variance + ρ²).
fn closed_form(family: Family, x: f64, steps: &[Step]) -> f64 {
    let (start, end) = (family.sde().level(steps[0].t), family.sde().target(&steps[steps.len() - 1]));
    let spread = |rho: f64| STD.hypot(rho);
    let y = MEAN + (x / start.alpha - MEAN) * spread(end.ratio()) / spread(start.ratio());
    end.alpha * y
}

/// The error after `n` steps to a small but positive time: there the last step is like the others.
fn error(family: Family, method: &str, n: usize) -> f64 {
    let sde = family.sde();
    let mut steps = grid("log-snr").steps(sde, n + 1, 0.8, 0.05);
    steps.truncate(n);
    let x = 1.7 * sde.level(steps[0].t).marginal_std(STD);
    let (model, noise) = (line(MEAN, STD), noise(1, [1; 3], 0));
    let process = Process::free(&model, sde, &steps, true, &noise);
    let found = solver(method).solve(&process, image(vec![x as f32], [1; 4]), &mut Unobserved).unwrap();
    (f64::from(values(found)[0]) - closed_form(family, f64::from(x as f32), &steps)).abs()
}

/// Families whose ratios span alike; each is smooth.
fn families() -> [Family; 3] {
    [Family::Ve(Ve::new(0.05, 10.0).unwrap()), Family::Vp(Vp::default()), FamilyKind::SubVp.published()]
}

#[track_caller]
fn assert_order(method: &str, order: f64, counts: [usize; 2]) {
    for family in families() {
        let [coarse, fine] = counts.map(|n| error(family, method, n));
        let slope = (coarse / fine).log2() / (counts[1] as f64 / counts[0] as f64).log2();
        // The next order's share of the error is about one step's length in log-SNR, a few hundredths.
        let kind = family.kind();
        assert!((slope - order).abs() < 0.15, "{kind} {method}: slope {slope:.3}, errors {coarse:.1e} {fine:.1e}");
        // Well above single precision, or the slope is not the method's.
        assert!(fine > 3e-6, "{kind} {method}: {fine:.1e}");
    }
}

#[test]
fn ddim_is_of_first_order() {
    assert_order("ddim", 1.0, [100, 400]);
}

#[test]
fn heun_is_of_second_order() {
    assert_order("heun", 2.0, [24, 48]);
}

#[test]
fn dpm_solver_plus_plus_is_of_second_order() {
    assert_order("dpm++", 2.0, [48, 96]);
}

#[test]
fn the_step_to_clean_data_is_the_denoised_estimate() {
    // From any time in one step, all deterministic solvers arrive at E[x(0) | x].
    for family in families() {
        let sde = family.sde();
        let step = Step { index: 0, t: 0.6, next: 0.0, table: None };
        let level = sde.level(0.6);
        let x = 0.9;
        let gain = level.alpha * STD * STD / level.marginal_std(STD).powi(2);
        let expected = MEAN + gain * (x - level.alpha * MEAN);
        for method in ["ddim", "heun", "dpm++"] {
            let start = image(vec![x as f32], [1; 4]);
            let noise = noise(1, [1; 3], 0);
            let end = solver(method)
                .solve(&Process::free(&line(MEAN, STD), sde, &[step], true, &noise), start, &mut Unobserved)
                .unwrap();
            let found = f64::from(values(end)[0]);
            assert!((found - expected).abs() < 1e-5, "{} {method}: {found} {expected}", family.kind());
        }
    }
}
