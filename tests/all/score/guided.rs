//! Guidance by a classifier that is exact: that of a mixture's components.

use super::{noise, vector};
use burn::tensor::{Device, Tensor};
use score_explorer::Image;
use score_explorer::registry::Choice;
use score_explorer::score::{
    ByClassifier, Classify, Component, Contrast, Guided, Mixture, ScoreError, ScoreModel, Strength,
};
use score_explorer::sde::{FamilyKind, Level};
use score_explorer::solver::{Edm, Grid, Heun, Noise, NoiseSource, Process, Purpose, Solver, Unobserved};

/// Components that reach into each other, the first two of one class, the third of another.
fn components() -> [Component; 3] {
    [
        Component::round(0.2, vec![-0.5, 0.1], 0.3),
        Component::round(0.3, vec![0.4, 0.6], 0.2),
        Component::round(0.5, vec![0.5, -0.4], 0.4),
    ]
}

fn mixture(components: &[Component]) -> Mixture {
    Mixture::new([2, 1, 1], components.to_vec()).unwrap()
}

/// p(class | x) by Bayes' rule.
struct Bayes(Mixture);

impl Classify for Bayes {
    fn logits(&self, x: &Image, at: &[Level]) -> Result<Tensor<2>, ScoreError> {
        let shares = self.0.responsibilities(x, at)?;
        let class = |first, count| shares.clone().narrow(1, first, count).sum_dim(1);
        Ok(Tensor::cat(vec![class(0, 2), class(2, 1)], 1).log())
    }
}

/// Led to a class by the exact classifier.
fn led(all: &[Component], class: usize, weight: f64) -> Guided<ByClassifier<Mixture, Bayes>> {
    Guided::new(ByClassifier::new(mixture(all), Bayes(mixture(all)), class), Strength::constant(weight))
}

/// α and σ of a few levels, one for each sample.
fn levels() -> Vec<Level> {
    [(1.0, 0.1), (0.8, 0.6), (0.3, 0.9), (1.0, 3.0), (0.5, 0.2)].map(|(alpha, sigma)| Level::new(alpha, sigma)).to_vec()
}

fn points() -> Image {
    let mut noise = noise(5);
    noise.shape = [2, 1, 1];
    noise.normal(0, Purpose::Prior)
}

#[test]
fn an_exact_classifier_makes_the_score_of_the_tilted_density() {
    let (all, at, x) = (components(), levels(), points());
    let whole = vector(&mixture(&all).score(&x, &at).unwrap());
    let of_class = [mixture(&all[..2]), mixture(&all[2..])].map(|class| vector(&class.score(&x, &at).unwrap()));
    for (class, of_class) in of_class.iter().enumerate() {
        for weight in [0.0, 1.0, 2.5] {
            let guided = led(&all, class, weight);
            let found = vector(&guided.score(&x, &at).unwrap());
            for ((found, whole), own) in found.iter().zip(&whole).zip(of_class) {
                // ∇ log p(x)·p(class | x)ʷ, where p(class | x) = p(class)·p(x | class)/p(x).
                let expected = whole + weight * (own - whole);
                let size = 1.0 + whole.abs() + weight * own.abs();
                assert!((found - expected).abs() < 2e-5 * size, "{class} at {weight}: {found}, not {expected}");
            }
        }
    }
    let guided = led(&all, 2, 1.0);
    assert!(guided.score(&x, &at).is_err(), "there is no third class");
}

#[test]
fn guided_samples_are_of_the_class() {
    let all = components();
    let family = FamilyKind::Vp.published();
    let sde = family.sde();
    let count = 2000;
    let noise = Noise { seed: 1, first: 0, count, shape: [2, 1, 1], device: Device::flex() };
    let grid = Choice::<dyn Grid>::new(&Edm);
    let steps = grid.steps(sde, 30, 1.0, 1e-3);
    let solver = Choice::<dyn Solver>::new(&Heun);
    let guided = led(&all, 1, 1.0);
    let start = noise.normal(0, Purpose::Prior);
    let process = Process::free(&guided, sde, &steps, true, &noise);
    let samples = vector(&solver.solve(&process, start, &mut Unobserved).unwrap());
    for (axis, mean) in [0.5, -0.4].into_iter().enumerate() {
        let values: Vec<f64> = samples.iter().skip(axis).step_by(2).copied().collect();
        let found = values.iter().sum::<f64>() / count as f64;
        let std = (values.iter().map(|x| (x - found).powi(2)).sum::<f64>() / count as f64).sqrt();
        // Five standard errors; the solver's own error is far below.
        assert!((found - mean).abs() < 5.0 * 0.4 / (count as f64).sqrt() + 0.005, "mean {found}, not {mean}");
        assert!((std - 0.4).abs() < 5.0 * 0.4 / (2.0 * count as f64).sqrt() + 0.01, "deviation {std}");
    }
}

/// Between two exact scores it is led as by an exact classifier: p(class | x) = p(class)·p(x | class)/p(x).
#[test]
fn classifier_free_guidance_is_that_of_the_exact_classifier() {
    let (all, at, x) = (components(), levels(), points());
    for weight in [0.0, 0.5, 1.0, 3.0] {
        let by_classifier = vector(&led(&all, 1, weight).score(&x, &at).unwrap());
        let contrast = Contrast::new(mixture(&all), mixture(&all[2..]));
        let free = vector(&Guided::new(contrast, Strength::constant(weight)).score(&x, &at).unwrap());
        for (free, other) in free.iter().zip(&by_classifier) {
            assert!((free - other).abs() < 1e-4 * (1.0 + other.abs()), "at {weight}: {free}, not {other}");
        }
    }
}

#[test]
fn outside_of_an_interval_the_weight_is_one() {
    let (all, at, x) = (components(), levels(), points());
    // σ/α: 0.1, 0.75, 3, 3 and 0.4.
    let strength = Strength { interval: Some([0.2, 1.0]), ..Strength::constant(4.0) };
    let of = |strength| {
        let contrast = Contrast::new(mixture(&all), mixture(&all[2..]));
        vector(&Guided::new(contrast, strength).score(&x, &at).unwrap())
    };
    let (limited, strong, plain) = (of(strength), of(Strength::constant(4.0)), of(Strength::constant(1.0)));
    for (sample, inside) in [false, true, false, false, true].into_iter().enumerate() {
        let expected = if inside { &strong } else { &plain };
        let range = 2 * sample..2 * sample + 2;
        for (found, expected) in limited[range.clone()].iter().zip(&expected[range]) {
            assert!(
                (found - expected).abs() < 1e-5 * (1.0 + expected.abs()),
                "sample {sample}: {found}, not {expected}"
            );
        }
    }
}

#[test]
fn rescaling_brings_the_spread_of_each_score_back() {
    let (all, at, x) = (components(), levels(), points());
    let std = |pair: &[f64]| (pair[0] - pair[1]).abs() / 2.0;
    let of = |weight: f64, rescale: f64| {
        let contrast = Contrast::new(mixture(&all), mixture(&all[2..]));
        let strength = Strength { rescale, ..Strength::constant(weight) };
        vector(&Guided::new(contrast, strength).score(&x, &at).unwrap())
    };
    let (plain, strong, half, whole) = (of(1.0, 0.0), of(4.0, 0.0), of(4.0, 0.5), of(4.0, 1.0));
    for sample in 0..5 {
        let at = |all: &[f64]| std(&all[2 * sample..2 * sample + 2]);
        let (low, high) = (at(&plain), at(&strong));
        assert!((at(&whole) / low - 1.0).abs() < 1e-3, "sample {sample}: {} and {low}", at(&whole));
        assert!((at(&half) / (0.5 * (low + high)) - 1.0).abs() < 1e-3, "sample {sample}");
    }
}

/// Where the density of a class and that of everything are Gaussians around m and 0 with standard deviations s and τ, the
/// guided probability-flow ODE is linear: dx/dσ = σ·(w·(x − m)/(s² + σ²) + (1 − w)·x/(τ² + σ²)). Down from far above, x
/// shrinks by sʷ·τ¹⁻ʷ, not to the width of the tilted density p_class^w·p^(1−w), which is (w/s² + (1−w)/τ²)^−½: nobody
/// samples that by guidance.
#[test]
fn guided_gaussians_have_the_width_of_theory_and_not_that_of_the_tilted_density() {
    let (s, tau, count) = (0.3_f64, 1.0_f64, 4000);
    let family = FamilyKind::Ve.published();
    let sde = family.sde();
    let noise = Noise { seed: 5, first: 0, count, shape: [2, 1, 1], device: Device::flex() };
    let steps = Choice::<dyn Grid>::new(&Edm).steps(sde, 60, 1.0, 0.0);
    let largest = sde.sigma(1.0);
    for weight in [0.0, 1.0, 1.5, 2.5] {
        let round = |std| mixture(&[Component::round(1.0, vec![0.0, 0.0], std)]);
        let guided = Guided::new(Contrast::new(round(tau), round(s)), Strength::constant(weight));
        let start = noise.normal(0, Purpose::Prior) * largest;
        let process = Process::free(&guided, sde, &steps, true, &noise);
        let samples = vector(&Choice::<dyn Solver>::new(&Heun).solve(&process, start, &mut Unobserved).unwrap());
        let found = (samples.iter().map(|x| x * x).sum::<f64>() / samples.len() as f64).sqrt();
        // From σ to σ′ each factor is ((a² + σ′²)/(a² + σ²))^(half its weight).
        let end = sde.sigma(steps.last().map_or(0.0, |last| last.next));
        let shrink = |a: f64, share: f64| ((a * a + end * end) / (a * a + largest * largest)).powf(share / 2.0);
        let expected = largest * shrink(s, weight) * shrink(tau, 1.0 - weight);
        let tilted = (weight / (s * s) + (1.0 - weight) / (tau * tau)).powf(-0.5);
        println!("w = {weight}: width {found:.4}, theory {expected:.4}, tilted density {tilted:.4}");
        // Five standard errors, and a hundredth for 60 steps.
        let bound = 5.0 / (2.0 * 2.0 * count as f64).sqrt() + 0.01;
        assert!((found / expected - 1.0).abs() < bound, "w = {weight}: {found}, not {expected}");
        // The tilted density is met where nothing is weighed.
        assert_eq!(weight == 0.0 || weight == 1.0, (expected / tilted - 1.0).abs() < 0.01, "w = {weight}");
    }
}
