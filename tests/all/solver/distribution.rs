//! Samples of exact mixtures by every solver against the mixtures' own mean, covariance and mode weights.

use super::recursion::{deterministic_law, published_law};
use super::{noise, values};
use crate::choices::{grid, pc, predictors, solver};
use score_explorer::registry::Choice;
use score_explorer::score::{Component, Mixture, ScoreModel};
use score_explorer::sde::{Family, FamilyKind, Level};
use score_explorer::solver::{Grid, NORMS, NoiseSource, Process, Purpose, Solver, Unobserved};

const COUNT: usize = 4096;

/// How far a solver's finite steps may move each figure, besides chance.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowance {
    /// Of every covariance, in units of the standard deviations of its two coordinates.
    pub covariance: f64,
    /// Of the mean square of (x − mode)/std within the modes.
    pub spread: f64,
}

/// The largest |z| of each kind of figure.
#[derive(Clone, Copy, Debug)]
pub struct Worst {
    mean: f64,
    covariance: f64,
    weight: f64,
    spread: f64,
}

/// Compares `samples` (N×D) with `mixture`. Each figure is the mean over samples of a function whose
/// expectation is known exactly; its standard error is taken from the samples.
pub fn worst_z(mixture: &Mixture, samples: &[f32], allowance: Allowance) -> Worst {
    let dimensions = mixture.dimensions();
    let (mean, covariance) = (mixture.mean(), mixture.covariance());
    let x: Vec<Vec<f64>> =
        samples.chunks(dimensions).map(|x| x.iter().zip(&mean).map(|(&x, m)| f64::from(x) - m).collect()).collect();
    let std: Vec<f64> = (0..dimensions).map(|i| covariance[i * dimensions + i].sqrt()).collect();
    let responsibilities = responsibilities(mixture, samples);
    let z = |expected: f64, allowed: f64, figure: &dyn Fn(usize) -> f64| {
        let n = x.len() as f64;
        let (sum, squares) = (0..x.len()).map(figure).fold((0.0, 0.0), |(s, q), f| (s + f, q + f * f));
        let error = ((squares / n - (sum / n).powi(2)) / n).sqrt();
        ((sum / n - expected).abs() - allowed).max(0.0) / error
    };
    let largest = |all: &mut dyn Iterator<Item = f64>| all.fold(0.0, f64::max);
    let components = mixture.components();
    let modes = components.len();
    let pairs = (0..dimensions).flat_map(|i| (0..=i).map(move |j| (i, j)));
    let spread = |s: usize| {
        let within = |(c, r): (&Component, &f64)| {
            let square = |i: usize| ((x[s][i] + mean[i] - c.mean[i]) / c.std[i]).powi(2);
            r * (0..dimensions).map(square).sum::<f64>() / dimensions as f64
        };
        components.iter().zip(&responsibilities[s * modes..]).map(within).sum()
    };
    Worst {
        mean: largest(&mut (0..dimensions).map(|i| z(0.0, 0.0, &|s| x[s][i]))),
        covariance: largest(&mut pairs.map(|(i, j)| {
            z(covariance[i * dimensions + j], allowance.covariance * std[i] * std[j], &|s| x[s][i] * x[s][j])
        })),
        weight: largest(
            &mut components
                .iter()
                .enumerate()
                .filter(|_| modes > 1)
                .map(|(k, c)| z(c.weight, 0.0, &|s| responsibilities[s * modes + k])),
        ),
        spread: z(1.0, allowance.spread, &spread),
    }
}

fn responsibilities(mixture: &Mixture, samples: &[f32]) -> Vec<f64> {
    let [c, h, w] = mixture.shape();
    let x = super::image(samples.to_vec(), [samples.len() / mixture.dimensions(), c, h, w]);
    values(mixture.responsibilities(&x, &[Level::CLEAN]).unwrap()).into_iter().map(f64::from).collect()
}

/// Fails where a figure is further off than chance allows: over all figures of one comparison a false alarm
/// has at most the probability 1e-5, by the union bound and P(|Z| > z) ≤ exp(−z²/2).
#[track_caller]
pub fn assert_within(mixture: &Mixture, worst: Worst, what: &str) {
    let d = mixture.dimensions();
    let figures = d + d * (d + 1) / 2 + mixture.components().len() + 1;
    let limit = (2.0 * (figures as f64 / 1e-5).ln()).sqrt();
    println!("{what}: {worst:.2?}, limit {limit:.2}");
    let Worst { mean, covariance, weight, spread } = worst;
    assert!([mean, covariance, weight, spread].iter().all(|&z| z < limit), "{what}: {worst:.2?}, limit {limit:.2}");
}

/// Four unequal modes in the plane with their common mean at 0. (Then prior and marginal at t = 1 differ only
/// in the second order of α(1)²/σ(1)²: a Kullback–Leibler divergence below 1e-8 a sample, or 4e-5 of all.)
fn plane() -> Mixture {
    let mode = |weight, mean: [f64; 2], std: [f64; 2]| Component { weight, mean: mean.into(), std: std.into() };
    let modes = vec![
        mode(0.4, [0.5, 0.3], [0.12, 0.14]),
        mode(0.3, [-0.6, 0.2], [0.13, 0.12]),
        mode(0.2, [0.1, -0.7], [0.14, 0.12]),
        mode(0.1, [-0.4, -0.4], [0.12, 0.12]),
    ];
    Mixture::new([2, 1, 1], modes).unwrap()
}

/// The 48-dimensional blocks, moved to the mean 0 for the same reason.
fn pictures() -> Mixture {
    let blocks = Mixture::named("blocks").unwrap();
    let mean = blocks.mean();
    let centred =
        |c: &Component| Component { mean: c.mean.iter().zip(&mean).map(|(m, all)| m - all).collect(), ..c.clone() };
    Mixture::new(blocks.shape(), blocks.components().iter().map(centred).collect()).unwrap()
}

/// What finite steps do to one Gaussian, for the variances that the mixture has within its modes and as a whole,
/// and to the place of its modes: the solver's bias to leading order.
fn allowance(mixture: &Mixture, law: impl Fn(f64, f64) -> super::recursion::Law) -> Allowance {
    let dimensions = mixture.dimensions();
    let covariance = mixture.covariance();
    let bias = |variance: f64| (law(0.0, variance).variance / variance - 1.0).abs();
    let whole = (0..dimensions).map(|i| bias(covariance[i * (dimensions + 1)])).fold(0.0, f64::max);
    let within = |c: &Component| {
        let of = |i: usize| {
            let moved = (law(c.mean[i], c.std[i].powi(2)).mean - c.mean[i]) / c.std[i];
            bias(c.std[i].powi(2)) + moved * moved
        };
        (0..dimensions).map(of).fold(0.0, f64::max)
    };
    let spread = mixture.components().iter().map(within).fold(0.0, f64::max);
    Allowance { covariance: whole.max(spread), spread }
}

fn sample(
    mixture: &Mixture,
    family: Family,
    solver: &Choice<dyn Solver>,
    grid: &Choice<dyn Grid>,
    n: usize,
) -> Vec<f32> {
    let sde = family.sde();
    let steps = grid.steps(sde, n, 1.0, sde.epsilon());
    let noise = noise(COUNT, mixture.shape(), 40);
    let start = noise.normal(0, Purpose::Prior) * sde.prior_std();
    values(solver.solve(&Process::free(mixture, sde, &steps, true, &noise), start, &mut Unobserved).unwrap())
}

/// Predictor and corrector on the published grid, at the presets' SNR.
fn check_published(mixture: &Mixture, predictor: &str, corrector: &str, norms: &'static str, n: usize) {
    // Scaled linear ends with 7 % of the data in x(T), which what has no noise never makes good.
    let kinds = FamilyKind::ALL.iter().copied();
    for kind in kinds.filter(|&kind| kind != FamilyKind::ScaledLinear || predictor == "ancestral") {
        let family = kind.published();
        let law = |mean, variance| published_law(family.sde(), predictor, corrector, n, mean, variance);
        let mut allowance = allowance(mixture, law);
        // The recursion takes drift and diffusion from the family: a family that were wrong shall not excuse itself.
        assert!(n < 1000 || allowance.covariance < 0.1, "{kind} {predictor}: {allowance:?}");
        if corrector == "langevin" && norms == "sample" {
            // What own norms do to a Gaussian (see `solver::SAMPLE`).
            let widening = (1.0 + 2.0 / mixture.dimensions() as f64).powi(2) - 1.0;
            allowance = Allowance { covariance: allowance.covariance + widening, spread: allowance.spread + widening };
        }
        let solver = pc(predictor, corrector).with(&NORMS, norms);
        let worst = worst_z(mixture, &sample(mixture, family, &solver, &grid("uniform"), n), allowance);
        let what = format!("{kind} {predictor} {corrector} {n}, {allowance:.4?}");
        assert_within(mixture, worst, &what);
    }
}

fn check_deterministic(mixture: &Mixture, name: &str, n: usize) {
    for &kind in FamilyKind::ALL {
        let family = kind.published();
        let steps = grid("log-snr").steps(family.sde(), n, 1.0, family.sde().epsilon());
        let law = |mean, variance| deterministic_law(family.sde(), name, &steps, mean, variance);
        let allowance = allowance(mixture, law);
        let mut worst = worst_z(mixture, &sample(mixture, family, &solver(name), &grid("log-snr"), n), allowance);
        let what = format!("{kind} {name} {n}, {allowance:.4?}");
        if n < 50 {
            // Steps of a whole unit of log-SNR are too long for the bend where modes part, which no Gaussian has:
            // such runs are held to the mixture's mean and weights.
            println!("{what}: {worst:.2?}");
            (worst.covariance, worst.spread) = (0.0, 0.0);
        }
        assert_within(mixture, worst, &what);
    }
}

const HMC: &str = "hmc:0.16:1:3:false";
const ADJUSTED_HMC: &str = "hmc:0.16:1:3:true";

// The presets of 1,000 steps in the plane. Those of 2,000 steps differ from them in N alone, and err by half.

#[test]
fn p1000_euler_maruyama_samples_the_plane() {
    check_published(&plane(), "euler-maruyama", "none", "sample", 1000);
}

#[test]
fn p1000_reverse_diffusion_samples_the_plane() {
    check_published(&plane(), "reverse-diffusion", "none", "sample", 1000);
}

#[test]
fn p1000_ancestral_samples_the_plane() {
    check_published(&plane(), "ancestral", "none", "sample", 1000);
}

#[test]
fn p1000_probability_flow_samples_the_plane() {
    check_published(&plane(), "probability-flow", "none", "sample", 1000);
}

// With Langevin's published norms: those of single samples are for pictures, not for the plane.

#[test]
fn c2000_samples_the_plane() {
    check_published(&plane(), "none", "langevin", "batch", 2000);
}

#[test]
fn pc1000_reverse_diffusion_samples_the_plane() {
    check_published(&plane(), "reverse-diffusion", "langevin", "batch", 1000);
}

// In 48 dimensions a step takes ten times as long, and no code differs: fewer steps of the same grids, whose
// larger bias the recursion knows. (Langevin alone follows the levels only where there are 1,000 and more; in
// 48 dimensions it is held to its recursion.)

#[test]
fn predictors_alone_sample_pictures() {
    for predictor in predictors() {
        check_published(&pictures(), predictor, "none", "sample", 60);
    }
}

#[test]
fn ancestral_with_langevin_samples_pictures() {
    check_published(&pictures(), "ancestral", "langevin", "sample", 100);
}

#[test]
fn ancestral_with_annealed_langevin_or_hmc_samples_pictures() {
    for corrector in ["ald", ADJUSTED_HMC] {
        check_published(&pictures(), "ancestral", corrector, "sample", 50);
    }
}

#[test]
fn ancestral_with_annealed_langevin_or_hmc_samples_the_plane() {
    for corrector in ["ald", HMC, ADJUSTED_HMC] {
        check_published(&plane(), "ancestral", corrector, "sample", 100);
    }
}

const DPM: &str = "dpm++";

#[test]
fn deterministic_solvers_sample_the_plane() {
    for (solver, n) in [("ddim", 500), ("heun", 100), (DPM, 50), (DPM, 20), (DPM, 10)] {
        check_deterministic(&plane(), solver, n);
    }
}

#[test]
fn deterministic_solvers_sample_pictures() {
    for (solver, n) in [("ddim", 200), ("heun", 50), (DPM, 50), (DPM, 20), (DPM, 10)] {
        check_deterministic(&pictures(), solver, n);
    }
}
