//! Guidance by a classifier that is exact: that of a mixture's components.

use super::{noise, vector};
use burn::tensor::{Device, Tensor};
use score_explorer::Image;
use score_explorer::registry::Choice;
use score_explorer::score::{Classify, Component, Guided, Mixture, ScoreError, ScoreModel};
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
            let guided = Guided::new(mixture(&all), Bayes(mixture(&all)), class, weight);
            let found = vector(&guided.score(&x, &at).unwrap());
            for ((found, whole), own) in found.iter().zip(&whole).zip(of_class) {
                // ∇ log p(x)·p(class | x)ʷ, where p(class | x) = p(class)·p(x | class)/p(x).
                let expected = whole + weight * (own - whole);
                let size = 1.0 + whole.abs() + weight * own.abs();
                assert!((found - expected).abs() < 2e-5 * size, "{class} at {weight}: {found}, not {expected}");
            }
        }
    }
    let guided = Guided::new(mixture(&all), Bayes(mixture(&all)), 2, 1.0);
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
    let guided = Guided::new(mixture(&all), Bayes(mixture(&all)), 1, 1.0);
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
