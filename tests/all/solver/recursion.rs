//! What each solver does to a Gaussian, in scalars and written down independently: its score is linear,
//! so mean and variance go through a recursion that needs no samples.

use super::{line, noise, pc, values};
use crate::choices::{corrector, grid, predictors, solver};
use score_explorer::registry::Choice;
use score_explorer::score::{Component, Mixture};
use score_explorer::sde::{Family, FamilyKind, Sde, Step};
use score_explorer::solver::{LEAPFROG, METROPOLIS, NoiseSource, Process, Purpose, Solver, Unobserved};

/// Mean and variance of a solver's samples.
#[derive(Clone, Copy, Debug)]
pub struct Law {
    pub mean: f64,
    pub variance: f64,
}

/// One update x′ = a·x + b·score + c·z.
type Coefficients = (f64, f64, f64);

fn published_coefficients(sde: &dyn Sde, predictor: &str, n: usize, t: f64, next: f64) -> Coefficients {
    let (dt, index) = (1.0 / n as f64, (t as f32 * (n - 1) as f32) as usize);
    let (drift, g2) = (sde.drift(t), sde.diffusion(t).powi(2));
    let euler = |half: f64| (1.0 - drift * dt, half * g2 * dt, (g2 * dt).sqrt());
    let place = |i: usize| i as f64 / (n - 1) as f64;
    let beta = table_beta(sde, index, n);
    let sigma2 = sde.sigma(place(index)).powi(2);
    let below2 = if index == 0 { 0.0 } else { sde.sigma(place(index - 1)).powi(2) };
    match (predictor, sde.kind()) {
        // Correctors alone: after the last level the denoised estimate.
        ("none", _) if next > 0.0 => (1.0, 0.0, 0.0),
        ("none", _) => (1.0 / sde.alpha(t), sde.sigma(t).powi(2) / sde.alpha(t), 0.0),
        ("euler-maruyama", _) | ("reverse-diffusion", FamilyKind::SubVp) => euler(1.0),
        ("probability-flow", FamilyKind::SubVp) => (euler(0.5).0, euler(0.5).1, 0.0),
        ("reverse-diffusion", FamilyKind::Vp | FamilyKind::Cosine | FamilyKind::ScaledLinear) => {
            (2.0 - (1.0 - beta).sqrt(), beta, beta.sqrt())
        }
        ("reverse-diffusion", FamilyKind::Ve) => (1.0, sigma2 - below2, (sigma2 - below2).sqrt()),
        ("probability-flow", FamilyKind::Vp | FamilyKind::ScaledLinear) => (2.0 - (1.0 - beta).sqrt(), beta / 2.0, 0.0),
        ("probability-flow", FamilyKind::Ve) => (1.0, (sigma2 - below2) / 2.0, 0.0),
        ("ancestral", FamilyKind::Vp | FamilyKind::Cosine | FamilyKind::ScaledLinear) => {
            (1.0 / (1.0 - beta).sqrt(), beta / (1.0 - beta).sqrt(), beta.sqrt())
        }
        ("ancestral", FamilyKind::Ve) => (1.0, sigma2 - below2, (below2 * (sigma2 - below2) / sigma2).sqrt()),
        (way, FamilyKind::SubVp | FamilyKind::Flow | FamilyKind::Cosine) => {
            // The posterior as a product of two Gaussians in x_s; after the last step x_s is clean.
            let (alpha, sigma) = if next > 0.0 { (sde.alpha(next), sde.sigma(next)) } else { (1.0, 0.0) };
            let (alpha_t, sigma_t) = (sde.alpha(t), sde.sigma(t));
            let scale = alpha_t / alpha;
            let kernel2 = sigma_t.powi(2) - (scale * sigma).powi(2);
            match way {
                "reverse-diffusion" => (2.0 - scale, kernel2, kernel2.sqrt()),
                "ancestral" => (1.0 / scale, kernel2 / scale, sigma * kernel2.sqrt() / sigma_t),
                // Euler's step along the line: α_s·x̂(0) + σ_s·ε̂.
                _ => (1.0 / scale, sigma_t.powi(2) / scale - sigma * sigma_t, 0.0),
            }
        }
        (other, _) => panic!("{other} has no recursion"),
    }
}

/// β_i of DDPM's table of `n` levels.
fn table_beta(sde: &dyn Sde, index: usize, n: usize) -> f64 {
    let beta = match sde.kind() {
        // Nichol and Dhariwal 2021, eq. 17 and below it.
        FamilyKind::Cosine => {
            let bar = |i: usize| ((i as f64 / n as f64 + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
            1.0 - bar(index + 1) / bar(index)
        }
        _ => sde.beta(index as f64 / (n - 1) as f64) / n as f64,
    };
    beta.min(0.999)
}

/// Predictor and corrector (one step, SNR 0.16, published norms) on the published grid of `n` levels,
/// for data N(mean, variance), from the prior and with the last noise left out.
pub fn published_law(sde: &dyn Sde, predictor: &str, correction: &str, n: usize, mean: f64, variance: f64) -> Law {
    let correction = corrector(correction);
    let mut law = Law { mean: 0.0, variance: sde.prior_std().powi(2) };
    for i in 0..n {
        let time = |i: usize| 1.0 + (sde.epsilon() - 1.0) * i as f64 / (n - 1) as f64;
        let (t, next) = (time(i), if i + 1 < n { time(i + 1) } else { 0.0 });
        let marginal = sde.alpha(t).powi(2) * variance + sde.sigma(t).powi(2);
        let centre = sde.alpha(t) * mean;
        let update = |law: Law, (a, b, c): Coefficients| Law {
            mean: a * law.mean - b * (law.mean - centre) / marginal,
            variance: (a - b / marginal).powi(2) * law.variance + c * c,
        };
        let last = i + 1 == n;
        let index = (t as f32 * (n - 1) as f32) as usize;
        let scale = match sde.kind() {
            FamilyKind::Ve => 1.0,
            FamilyKind::Flow => (sde.alpha(t) / if last { 1.0 } else { sde.alpha(next) }).powi(2),
            _ => 1.0 - table_beta(sde, index, n),
        };
        let langevin = |epsilon: f64| (1.0, epsilon, (2.0 * epsilon).sqrt());
        match correction.about().slug {
            // ‖z‖/‖score‖ where x has the law's variance.
            "langevin" => {
                let epsilon = 2.0 * scale * 0.16f64.powi(2) * marginal.powi(2) / law.variance;
                law = update(law, langevin(epsilon));
            }
            "ald" => law = update(law, langevin(2.0 * scale * (0.16 * sde.sigma(t)).powi(2))),
            "hmc" => {
                // Leapfrog turns by φ a step, cos φ = 1 − h²/2V: in L steps x → cos(Lφ)·x + sin(Lφ)·reach·p.
                // Adjustment at an accept rate near 1 takes the bias off and leaves the rest.
                let h2 = 4.0 * scale * (0.16 * sde.sigma(t)).powi(2);
                let angle = (1.0 - h2 / marginal / 2.0).acos() * correction.settings().whole(&LEAPFROG) as f64;
                let reach2 = if correction.settings().flag(&METROPOLIS) {
                    marginal
                } else {
                    marginal / (1.0 - h2 / marginal / 4.0)
                };
                law.mean = centre + angle.cos() * (law.mean - centre);
                law.variance = angle.cos().powi(2) * law.variance + angle.sin().powi(2) * reach2;
            }
            "none" => {}
            other => panic!("{other} has no recursion"),
        }
        let (a, b, c) = published_coefficients(sde, predictor, n, t, next);
        law = update(law, (a, b, if last { 0.0 } else { c }));
    }
    law
}

/// A deterministic solver over `steps`, for data N(mean, variance): in y = x/α and ρ = σ/α the distance
/// u = y − mean obeys du/dρ = u·ρ/(variance + ρ²), and x̂(0) − mean is u·variance/(variance + ρ²).
pub fn deterministic_law(sde: &dyn Sde, solver: &str, steps: &[Step], mean: f64, variance: f64) -> Law {
    let (mut factor, mut last) = (1.0, None);
    for step in steps {
        let rho = sde.level(step.t).ratio();
        let next = sde.target(step).ratio();
        let slope = |rho: f64| rho / (variance + rho * rho);
        let shrunk = factor * variance / (variance + rho * rho);
        let euler = factor + (next - rho) * slope(rho) * factor;
        factor = match (solver, last) {
            ("heun", _) if next > 0.0 => factor + (next - rho) * 0.5 * (slope(rho) * factor + slope(next) * euler),
            ("dpm++", Some((h_last, before))) if next > 0.0 => {
                let h: f64 = (rho / next).ln();
                let extrapolated = shrunk + (shrunk - before) * h / (2.0 * h_last);
                next / rho * factor + (1.0 - next / rho) * extrapolated
            }
            _ => euler,
        };
        last = Some(((rho / next).ln(), shrunk));
    }
    let prior = sde.prior_std() / sde.alpha(steps[0].t);
    Law { mean: mean - factor * mean, variance: (factor * prior).powi(2) }
}

/// Mean and variance over all coordinates of 1,024 samples of a 48-dimensional Gaussian.
fn sampled_law(family: Family, solver: &Choice<dyn Solver>, steps: &[Step], mean: f64, std: f64) -> (Law, usize) {
    let model = Mixture::new([48, 1, 1], vec![Component::round(1.0, vec![mean; 48], std)]).unwrap();
    let (sde, noise) = (family.sde(), noise(1024, [48, 1, 1], 17));
    let start = noise.normal(0, Purpose::Prior) * sde.prior_std();
    let end = values(solver.solve(&Process::free(&model, sde, steps, true, &noise), start, &mut Unobserved).unwrap());
    let n = end.len() as f64;
    let mean = end.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let variance = end.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
    (Law { mean, variance }, end.len())
}

/// |z| ≤ 5 in mean and variance: a false alarm in one of 10⁶ comparisons.
#[track_caller]
fn assert_law(found: (Law, usize), expected: Law, what: &str) {
    let (found, n) = (found.0, found.1 as f64);
    let mean = (found.mean - expected.mean) / (expected.variance / n).sqrt();
    let variance = (found.variance / expected.variance - 1.0) / (2.0 / n).sqrt();
    assert!(mean.abs() < 5.0 && variance.abs() < 5.0, "{what}: z {mean:.2} {variance:.2}: {found:?} for {expected:?}");
}

/// Few enough steps that the solvers err by different, visible amounts.
const COARSE: usize = 60;

#[test]
fn predictors_follow_their_recursions_on_a_gaussian() {
    for &kind in FamilyKind::ALL {
        let family = kind.published();
        let sde = family.sde();
        let steps = grid("uniform").steps(sde, COARSE, 1.0, sde.epsilon());
        for predictor in predictors() {
            let expected = published_law(sde, predictor, "none", COARSE, 0.3, 0.25);
            let found = sampled_law(family, &pc(predictor, "none"), &steps, 0.3, 0.5);
            assert_law(found, expected, &format!("{kind} {predictor}"));
        }
    }
}

#[test]
fn correctors_follow_their_recursions_on_a_gaussian() {
    for &kind in FamilyKind::ALL {
        let family = kind.published();
        let sde = family.sde();
        let steps = grid("uniform").steps(sde, COARSE, 1.0, sde.epsilon());
        for corrector in ["langevin", "ald", "hmc:0.16:1:3:false"] {
            for predictor in ["reverse-diffusion", "none"] {
                // Centred data: the norm of the score is then the variance's alone.
                let expected = published_law(sde, predictor, corrector, COARSE, 0.0, 0.25);
                let found = sampled_law(family, &pc(predictor, corrector), &steps, 0.0, 0.5);
                assert_law(found, expected, &format!("{kind} {predictor} {corrector}"));
            }
        }
    }
}

#[test]
fn deterministic_solvers_follow_their_recursions_on_a_gaussian() {
    for &kind in FamilyKind::ALL {
        let family = kind.published();
        let sde = family.sde();
        for name in ["ddim", "heun", "dpm++"] {
            let steps = grid("log-snr").steps(sde, 20, 1.0, sde.epsilon());
            let expected = deterministic_law(sde, name, &steps, 0.3, 0.25);
            let found = sampled_law(family, &solver(name), &steps, 0.3, 0.5);
            assert_law(found, expected, &format!("{kind} {name}"));
        }
    }
}

#[test]
fn own_norms_widen_a_gaussian_as_their_docstring_says() {
    // With ε = c‖z‖²/‖score‖² the noise √(2ε)·z has (D+2)/D times the variance that goes with the mean drift, as
    // E‖z‖²zzᵀ = (D+2)·I; and a small ε(x) settles in p/ε ∝ p·‖x‖², whose variance is (D+2)/D times that of p.
    let family = FamilyKind::Vp.published();
    let sde = family.sde();
    let dimensions = 48;
    let model = Mixture::new([dimensions, 1, 1], vec![Component::round(1.0, vec![0.0; dimensions], 1.0)]).unwrap();
    // VP keeps unit variance, so that one level serves for ever.
    let steps: Vec<Step> = (0..200).map(|index| Step { index, t: 0.5, next: 0.4999, table: None }).collect();
    let law = |norms: &str| {
        let solver = crate::choices::pc("none", &format!("langevin:0.1:1:{norms}"));
        let noise = noise(2048, [dimensions, 1, 1], 3);
        let start = noise.normal(0, Purpose::Prior);
        let end =
            values(solver.solve(&Process::free(&model, sde, &steps, false, &noise), start, &mut Unobserved).unwrap());
        end.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / end.len() as f64
    };
    // Euler's own error: ε = 2·0.01, variance 1/(1 − ε/2). Standard error of the variance: √(2/98304).
    let euler = 1.0 / (1.0 - 0.01);
    let error = (2.0 / (2048.0 * dimensions as f64)).sqrt();
    let (own, batch) = (law("sample") / euler, law("batch") / euler);
    assert!((batch - 1.0).abs() < 5.0 * error, "batch {batch}");
    let expected = (1.0 + 2.0 / dimensions as f64).powi(2);
    assert!((own - expected).abs() < 5.0 * error, "own {own} for {expected}");
}

#[test]
fn recursions_approach_the_data_as_steps_shrink() {
    // Guards the recursions themselves: ten times the steps leave a tenth of the error, but for the noise σ(ε)² at
    // which they stop and for the published step 1/N, which is longer than the grid's by the share ε.
    let model = line(0.3, 0.5);
    let variance = model.covariance()[0];
    for &kind in FamilyKind::ALL {
        let family = kind.published();
        let sde = family.sde();
        for predictor in ["euler-maruyama", "reverse-diffusion", "ancestral"] {
            let error = |n| (published_law(sde, predictor, "none", n, 0.3, variance).variance - variance).abs();
            let floor = sde.sigma(sde.epsilon()).powi(2) + sde.epsilon() * variance;
            assert!(error(20_000) < 0.15 * error(2000) + 2.0 * floor, "{kind} {predictor}");
        }
    }
}
