//! Networks of DDPM's discrete steps: which step a state is told to be at.

use super::{build, figures, image, open, relative_error, values};
use burn::tensor::Device;
use score_explorer::Image;
use score_explorer::score::{NetworkScore, ScoreError, ScoreModel};
use score_explorer::sde::{FamilyKind, Level, Moments, Range};
use score_explorer::solver::{Noise, NoiseSource, Process, Purpose, Unobserved};
use score_explorer::task::{Flow, FlowPlan, ModelRef, Plan, Run, Steps};
use std::cell::RefCell;

const NET: &str = "ddpm-vp-cifar10-discrete";

/// √ᾱ and √(1 − ᾱ) of a step (Ho et al. 2020): β from 1e-4 to 0.02 in 1000 steps.
fn step(index: usize) -> Level {
    let beta = |i: usize| 1e-4 + (0.02 - 1e-4) * i as f64 / 999.0;
    let product: f64 = (0..=index).map(|i| 1.0 - beta(i)).product();
    Level::new(product.sqrt(), (1.0 - product).sqrt())
}

/// log σ/α at a label, between two steps in a straight line.
fn log_ratio(label: f64) -> f64 {
    let below = (label.floor() as usize).min(998);
    let [low, high] = [below, below + 1].map(|index| step(index).ratio().ln());
    low + (label - below as f64) * (high - low)
}

fn network() -> NetworkScore {
    build(&open(NET), &Device::flex())
}

#[test]
fn a_state_is_told_the_step_whose_ratio_it_has() {
    let model = network();
    for index in [0, 1, 2, 20, 500, 998, 999] {
        let at = step(index);
        // In its own family, and in one without α.
        for at in [at, Level::new(1.0, at.ratio())] {
            assert!((model.label(at) - index as f64).abs() < 1e-6, "{index}: {}", model.label(at));
        }
    }
    // On the family's path, the published label's σ/α is 41% above the state's at 0.001, and 3% at 1.
    let vp = FamilyKind::Vp.published();
    for (t, published) in [(1e-3, 1.41), (0.3, 1.0), (1.0, 1.03)] {
        let at = vp.sde().level(t);
        assert!((log_ratio(model.label(at)) - at.ratio().ln()).abs() < 1e-9, "t = {t}: {}", model.label(at));
        let before = log_ratio(999.0 * t).exp() / at.ratio();
        assert!((before - published).abs() < 0.01, "t = {t}: {before}");
    }
}

#[test]
fn a_score_is_the_answer_over_the_noise_of_its_own_step() {
    let model = network();
    let x = image(&figures(NET)["x"], &Device::flex()).narrow(0, 0, 1);
    for index in [0, 400] {
        let at = step(index);
        let answer = values(model.network().forward(x.clone(), &[index as f64]).unwrap());
        let expected: Vec<f32> = answer.iter().map(|&e| (-f64::from(e) / at.sigma) as f32).collect();
        let error = relative_error(&values(model.score(&x, &[at]).unwrap()), &expected);
        // Labels of single precision are rounded by 2⁻²⁴·400.
        assert!(error < 1e-4, "{index}: off by {error:.1e}");
    }
}

#[test]
fn the_trained_range_is_that_of_the_steps() {
    let model = network();
    let (low, high) = model.ratios().unwrap();
    assert!((low / step(0).ratio() - 1.0).abs() < 1e-9 && (high / step(999).ratio() - 1.0).abs() < 1e-9);
    assert_eq!(model.label(Level::new(1.0, 0.1 * low)), 0.0);
    assert_eq!(model.label(Level::new(1.0, 10.0 * high)), 999.0);
    // A flow from 1e-5 begins below the first step, and says so; up to 1 it stays inside.
    let flow = Flow::new(ModelRef::Named(NET.into()), FamilyKind::Vp.published());
    let plan = FlowPlan::new(&flow, &model);
    assert!((flow.family.sde().level(plan.end).ratio() / low - 1.0).abs() < 1e-6);
    assert!(plan.until == 1.0 && plan.notices.len() == 1, "{:?}", plan.notices);
    assert!(plan.notices[0].contains("down to 1.00e-2"), "{:?}", plan.notices);
}

/// Keeps what it is asked for.
struct Kept<'a> {
    model: &'a NetworkScore,
    levels: RefCell<Vec<Level>>,
}

impl ScoreModel for Kept<'_> {
    fn shape(&self) -> [usize; 3] {
        self.model.shape()
    }

    fn range(&self) -> Option<Range> {
        self.model.range()
    }

    fn ratios(&self) -> Option<(f64, f64)> {
        self.model.ratios()
    }

    fn moments(&self) -> Option<Moments> {
        None
    }

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.levels.borrow_mut().extend(at);
        Ok(x.zeros_like())
    }
}

/// The labels of a run.
fn labels(model: &NetworkScore, solver: &str, grid: &str, steps: usize) -> Vec<f64> {
    let (solver, grid) = (crate::choices::solver(solver), crate::choices::grid(grid));
    let family = FamilyKind::Vp.published();
    let run = Run { family, solver, grid, steps: Steps::new(steps).unwrap(), ..Run::default() };
    let plan = Plan::new(&run, model);
    assert!(plan.notices.is_empty(), "{:?}", plan.notices);
    let noise = Noise { seed: 0, first: 0, count: 1, shape: model.shape(), device: Device::flex() };
    let kept = Kept { model, levels: RefCell::default() };
    let process = Process::free(&kept, family.sde(), &plan.steps, true, &noise);
    run.solver.solve(&process, noise.normal(0, Purpose::Prior), &mut Unobserved).unwrap();
    kept.levels.into_inner().into_iter().map(|at| model.label(at)).collect()
}

#[test]
fn only_a_run_down_the_published_table_is_told_published_labels() {
    let model = network();
    // score_sde: t from 1 to 1e-3 in 1000 equal steps, the label 999·t; corrector and predictor alike.
    let published: Vec<f64> = (0..1000).map(|i| 999.0 - 0.999 * f64::from(i)).collect();
    let alone = labels(&model, "pc:ancestral:none", "uniform", 1000);
    assert!(alone.len() == 1000 && alone.iter().zip(&published).all(|(a, b)| (a - b).abs() < 1e-6));
    let both = labels(&model, "pc:reverse-diffusion:langevin", "uniform", 1000);
    assert!(both.len() == 2000 && both.iter().step_by(2).zip(&published).all(|(a, b)| (a - b).abs() < 1e-6));
    assert!(both.chunks(2).all(|pair| pair[0] == pair[1]));
    // Fewer steps, other grids and solvers leave the table: there, σ/α is what counts.
    let first = FamilyKind::Vp.published().sde().level(1.0).ratio().ln();
    for (solver, grid, steps) in [
        ("pc:ancestral:none", "uniform", 10),
        ("pc:ancestral:none", "log-snr", 10),
        ("heun", "uniform", 10),
        ("ddim", "uniform", 10),
    ] {
        let label = labels(&model, solver, grid, steps)[0];
        assert!((log_ratio(label) - first).abs() < 1e-9, "{solver} {grid} {steps}: {label}");
    }
}
