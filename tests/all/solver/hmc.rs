//! Hamiltonian Monte Carlo: what it leaves alone, what it biases, how often it accepts.

use super::{correct, noise, values};
use score_explorer::score::{Component, Mixture, ScoreModel};
use score_explorer::sde::{FamilyKind, Step};
use score_explorer::solver::{Correction, NoiseSource, Purpose};

const COUNT: usize = 8192;
const TRAJECTORIES: u32 = 24;

/// Trajectories from exact samples of a one-dimensional Gaussian that is barely wider than the noise,
/// so that the step size is large for it. Returns the correction, h and the variance.
fn run(leapfrog: u32, adjusted: bool, snr: f64) -> (Correction, f64, f64) {
    let family = FamilyKind::Ve.published();
    let (sde, t) = (family.sde(), 0.5);
    let model = Mixture::new([1, 1, 1], vec![Component::round(1.0, vec![0.4], 0.1)]).unwrap();
    let variance = sde.level(t).marginal_std(0.1).powi(2);
    let noise = noise(COUNT, [1, 1, 1], 5);
    let x = noise.normal(0, Purpose::Prior) * variance.sqrt() + 0.4;
    let step = Step { index: 0, t, next: 0.4, table: None };
    let hmc = format!("hmc:{snr}:{TRAJECTORIES}:{leapfrog}:{adjusted}");
    let correction = correct(&hmc, &model, sde, &x, &step, &noise);
    let h = f64::from(values(correction.diagnostics.step_size.clone())[0]);
    (correction, h, variance)
}

fn spread(correction: Correction) -> f64 {
    let x = values(correction.next);
    x.iter().map(|&x| (f64::from(x) - 0.4).powi(2)).sum::<f64>() / x.len() as f64
}

/// |z| ≤ 4.5 of a variance estimate: a false alarm in one of 10⁵.
fn allowed() -> f64 {
    4.5 * (2.0 / COUNT as f64).sqrt()
}

#[test]
fn unadjusted_hmc_widens_a_gaussian_as_leapfrog_theory_says() {
    // Leapfrog on frequency ω = 1/std keeps p²/2 + (1 − h²ω²/4)·ω²x²/2, whatever its number of steps.
    // (Three steps of this length are half an oscillation, which forgets nothing.)
    for leapfrog in [1, 2] {
        let (correction, h, variance) = run(leapfrog, false, 0.5);
        let expected = variance / (1.0 - h * h / variance / 4.0);
        assert!(expected > 1.2 * variance, "the bias is there to be seen");
        let found = spread(correction);
        assert!((found / expected - 1.0).abs() < allowed(), "{leapfrog}: {found} for {expected}, not {variance}");
    }
}

#[test]
fn adjusted_hmc_leaves_a_gaussian_as_it_is() {
    for leapfrog in [1, 2] {
        let (correction, _, variance) = run(leapfrog, true, 0.5);
        let found = spread(correction);
        assert!((found / variance - 1.0).abs() < allowed(), "{leapfrog}: {found} for {variance}");
    }
}

#[test]
fn hmc_accepts_as_often_as_its_energy_error_says() {
    for leapfrog in [1, 2, 3] {
        let (correction, h, variance) = run(leapfrog, true, 0.6);
        let rates: Vec<f64> = values(correction.diagnostics.accept_rate.unwrap()).into_iter().map(f64::from).collect();
        let n = rates.len() as f64;
        let found = rates.iter().sum::<f64>() / n;
        let error = (rates.iter().map(|r| (r - found).powi(2)).sum::<f64>() / n / n).sqrt();
        let expected = accept_rate(h / variance.sqrt(), leapfrog);
        assert!(expected < 0.97, "rejections are there to be seen: {expected}");
        assert!((found - expected).abs() < 4.5 * error + 1e-4, "{leapfrog}: {found} for {expected} ± {error}");
    }
}

/// E min(1, exp(−ΔH)) of a standard normal and leapfrog steps of length `h`, by the midpoint rule, to 1e-4.
fn accept_rate(h: f64, leapfrog: u32) -> f64 {
    let (cells, reach) = (600, 6.0);
    let place = |i: i32| reach * (2.0 * (f64::from(i) + 0.5) / f64::from(cells) - 1.0);
    let energy = |x: f64, p: f64| 0.5 * (x * x + p * p);
    let mut sum = (0.0, 0.0);
    for (i, j) in (0..cells).flat_map(|i| (0..cells).map(move |j| (i, j))) {
        let (start_x, start_p) = (place(i), place(j));
        let (mut x, mut p) = (start_x, start_p);
        for _ in 0..leapfrog {
            p -= 0.5 * h * x;
            x += h * p;
            p -= 0.5 * h * x;
        }
        let density = (-energy(start_x, start_p)).exp();
        sum.0 += density * (energy(start_x, start_p) - energy(x, p)).exp().min(1.0);
        sum.1 += density;
    }
    sum.0 / sum.1
}

#[test]
fn samples_are_accepted_one_by_one() {
    let (correction, _, _) = run(2, true, 0.6);
    let rates = values(correction.diagnostics.accept_rate.unwrap());
    assert!(rates.contains(&1.0) && rates.iter().any(|&rate| rate < 0.9));
}

#[test]
fn one_leapfrog_step_is_an_annealed_langevin_step() {
    // h = √(2ε): x + h²/2·score + h·z.
    for &kind in FamilyKind::ALL {
        let family = kind.published();
        let (sde, model) = (family.sde(), Mixture::named("blocks").unwrap());
        let noise = noise(4, [3, 4, 4], 2);
        let x = noise.normal(0, Purpose::Prior);
        let step = Step { index: 6, t: 0.4, next: 0.39, table: Some(100) };
        let next = |corrector| correct(corrector, &model, sde, &x, &step, &noise).next;
        let (found, expected) = (next("hmc:0.16:1:1:false"), next("ald:0.16:1"));
        let error = (found - expected.clone()).abs().max().into_scalar::<f32>();
        assert!(error < 1e-5 * expected.abs().max().into_scalar::<f32>().max(1.0), "{kind}: {error}");
    }
}

#[test]
fn the_last_score_is_the_score_where_the_chain_stands() {
    let (correction, _, _) = run(2, true, 0.6);
    let family = FamilyKind::Ve.published();
    let model = Mixture::new([1, 1, 1], vec![Component::round(1.0, vec![0.4], 0.1)]).unwrap();
    let expected = model.score(&correction.seen.x, &[family.sde().level(0.5)]).unwrap();
    assert_eq!(values(correction.seen.x), values(correction.next));
    assert_eq!(values(correction.seen.score), values(expected));
}
