//! One update of every predictor and corrector against the published code's.

use super::{correct, image, values};
use burn::tensor::Tensor;
use safetensors::SafeTensors;
use score_explorer::Image;
use score_explorer::score::{Component, Mixture, ScoreModel};
use score_explorer::sde::{Family, FamilyKind, Step};
use score_explorer::solver::{
    self, Ancestral, EulerMaruyama, Evaluation, NoiseSource, Predictor, ProbabilityFlow, Purpose, ReverseDiffusion,
};

/// N of the recorded discretisations.
const LEVELS: usize = 1000;

/// The recorded model: data are N(0, 0.5² I) over 3×4×4.
fn model() -> Mixture {
    Mixture::new([3, 4, 4], vec![Component::round(1.0, vec![0.0; 48], 0.5)]).unwrap()
}

/// One family at one time, with what was recorded there.
struct Case<'a> {
    file: &'a SafeTensors<'a>,
    name: String,
    family: Family,
    step: Step,
}

impl Case<'_> {
    fn recorded(&self, name: &str) -> Option<Image> {
        let view = self.file.tensor(&format!("{}/{name}", self.name)).ok()?;
        let numbers = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        Some(image(numbers, view.shape().try_into().unwrap()))
    }

    fn input(&self, name: &str) -> Image {
        self.recorded(name).unwrap()
    }

    /// Compares a state with the recorded one, relative 1e-4 of the largest value; says whether there was one.
    fn check(&self, part: &str, found: Image) -> bool {
        let Some(expected) = self.recorded(part) else { return false };
        let largest = expected.clone().abs().max().into_scalar::<f32>();
        let error = (found - expected).abs().max().into_scalar::<f32>();
        assert!(error <= 1e-4 * largest, "{} {part}: off by {error} of {largest}", self.name);
        true
    }
}

/// The recorded draws z0, z1, … of a corrector's inner steps.
impl NoiseSource for Case<'_> {
    fn normal(&self, _step: usize, purpose: Purpose) -> Image {
        match purpose {
            Purpose::Corrector(k) => self.input(&format!("z{k}")),
            other => panic!("{other:?} was not recorded"),
        }
    }

    fn uniform(&self, _step: usize, purpose: Purpose) -> Tensor<1> {
        panic!("{purpose:?} was not recorded")
    }
}

/// One draw for every purpose.
struct Same(Image);

impl NoiseSource for Same {
    fn normal(&self, _step: usize, _purpose: Purpose) -> Image {
        self.0.clone()
    }

    fn uniform(&self, _step: usize, purpose: Purpose) -> Tensor<1> {
        panic!("{purpose:?} was not asked for")
    }
}

/// Runs `check` at every recorded family and time, and returns in how many of them it compared something.
fn cases(check: impl Fn(&Case<'_>) -> bool) -> usize {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/steps.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut compared = 0;
    for kind in [FamilyKind::Ve, FamilyKind::Vp, FamilyKind::SubVp] {
        for t in [0.9, 0.31, 0.004] {
            let name = format!("{}/t{t}", serde_json::to_value(kind).unwrap().as_str().unwrap());
            let step = Step { index: 0, t, next: t - 1.0 / LEVELS as f64, table: Some(LEVELS) };
            let case = Case { file: &file, name, family: kind.published(), step };
            compared += usize::from(check(&case));
        }
    }
    compared
}

fn predictor_cases(method: &str, predictor: &dyn Predictor) -> usize {
    cases(|case| {
        let (sde, x) = (case.family.sde(), case.input("x"));
        let score = model().score(&x, &[sde.level(case.step.t)]).unwrap();
        let (update, at) = (predictor.step(sde, &case.step), Evaluation { x, score });
        let next = case.check(&format!("{method}/x"), update.next(&at, &case.input("z0")));
        case.check(&format!("{method}/x_mean"), update.mean(&at).tensor()) || next
    })
}

#[test]
fn euler_maruyama_step_matches_published_figures() {
    assert_eq!(predictor_cases("euler_maruyama", &EulerMaruyama), 9);
}

#[test]
fn reverse_diffusion_step_matches_published_figures() {
    assert_eq!(predictor_cases("reverse_diffusion", &ReverseDiffusion), 9);
}

#[test]
fn ancestral_step_matches_published_figures() {
    // None is published for sub-VP.
    assert_eq!(predictor_cases("ancestral_sampling", &Ancestral), 6);
}

#[test]
fn probability_flow_step_matches_published_figures() {
    assert_eq!(predictor_cases("probability_flow", &ProbabilityFlow), 9);
}

#[test]
fn langevin_step_matches_published_figures() {
    let compared = cases(|case| {
        let (sde, x) = (case.family.sde(), case.input("x"));
        let correction = correct("langevin:0.16:2:batch", &model(), sde, &x, &case.step, case);
        assert_eq!(correction.diagnostics.step_size.dims(), [3]);
        case.check("langevin/x", correction.next)
    });
    assert_eq!(compared, 9);
}

#[test]
fn annealed_langevin_step_matches_published_figures() {
    let compared = cases(|case| {
        let (sde, x) = (case.family.sde(), case.input("x"));
        case.check("ald/x", correct("ald:0.16:2", &model(), sde, &x, &case.step, case).next)
    });
    assert_eq!(compared, 9);
}

#[test]
fn langevin_with_own_norms_treats_each_sample_as_if_alone() {
    let (family, model) = (FamilyKind::Vp.published(), model());
    let sde = family.sde();
    let step = Step { index: 0, t: 0.4, next: 0.399, table: None };
    let noise = super::noise(3, [3, 4, 4], 5);
    let x = noise.normal(0, solver::Purpose::Prior);
    let z = noise.normal(0, solver::Purpose::Predictor);
    let go = |x: &Image, z: &Image| correct("langevin:0.16:1:sample", &model, sde, x, &step, &Same(z.clone())).next;
    let alone = (0..3).map(|i| go(&x.clone().narrow(0, i, 1), &z.clone().narrow(0, i, 1))).collect();
    let together = values(go(&x, &z));
    for (alone, together) in values(Tensor::cat(alone, 0)).into_iter().zip(together) {
        assert!((alone - together).abs() <= 4.0 * f32::EPSILON * together.abs().max(1.0), "{alone} {together}");
    }
}
