//! Whole restorations: resampling, strength, exchanged observation, independence of the batch.

use super::dense::whole;
use super::{
    confidence, doubles, gaussians, isotropic, measure, noise, normals, observation, pixels, restoration, run,
    sample_moments,
};
use crate::choices::{operator, slugs};
use score_explorer::score::{Condition, Mixture, ScoreModel};
use score_explorer::sde::{FamilyKind, Step};
use score_explorer::solver::{Method, NoiseSource, Observer, StepState, Unobserved};
use score_explorer::task::{Count, Observation, Plan, Resampling, Restoration, Shows, Steps, restore, sample};
use std::cell::Cell;
use std::collections::HashSet;
use std::ops::ControlFlow;

const SHAPE: [usize; 3] = [3, 4, 4];

fn blocks() -> Mixture {
    Mixture::named("blocks").unwrap()
}

fn picture() -> Vec<f64> {
    normals(48, 4).into_iter().map(|z| 0.4 * z).collect()
}

const ANCESTRAL: &str = "pc:ancestral";

/// A short restoration of a few samples.
fn short(method: &str, solver: &str) -> Restoration {
    let mut short = restoration("inpainting", 0.0, method, FamilyKind::Vp, solver);
    short.run.steps = Steps::new(12).unwrap();
    short.run.count = Count::new(4).unwrap();
    short
}

fn largest(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |most, (a, b)| f64::max(most, (a - b).abs()))
}

/// Notes all steps and calls `then` after each.
struct Watching<F> {
    steps: Vec<Step>,
    then: F,
}

impl<F: FnMut(usize) -> ControlFlow<()>> Observer for Watching<F> {
    fn observe(&mut self, state: &StepState<'_>) -> ControlFlow<()> {
        self.steps.push(state.step);
        (self.then)(self.steps.len())
    }
}

#[test]
fn resampling_walks_every_leg_as_often_as_it_says() {
    let model = blocks();
    for solver in [ANCESTRAL, "heun", "dpm++", "ddim"] {
        for (jump, times) in [(1, 3), (4, 2), (5, 3), (12, 2), (50, 1)] {
            let mut restoration = short("projection", solver);
            let plain = restoration.plan(&model).steps;
            restoration.resampling = Some(Resampling::new(jump, times).unwrap());
            let plan = restoration.plan(&model);
            assert_eq!(plan.steps.len(), 12 * times);
            let indices: Vec<usize> = plan.steps.iter().map(|step| step.index).collect();
            assert_eq!(indices, (0..12 * times).collect::<Vec<_>>(), "no step shares its noise with another");
            let mut expected = Vec::new();
            for leg in plain.chunks(jump) {
                (0..times).for_each(|_| expected.extend(leg.iter().map(|step| (step.t, step.next))));
            }
            assert_eq!(plan.steps.iter().map(|step| (step.t, step.next)).collect::<Vec<_>>(), expected);

            let counted = Counted { model: &model, calls: Cell::new(0) };
            let condition = Condition::new(measure(&restoration, &observation(&picture(), SHAPE), &model));
            let (noise, mut watching) =
                (noise(&restoration, SHAPE), Watching { steps: Vec::new(), then: |_| ControlFlow::Continue(()) });
            let start = restoration.first_state(&plan, &model, &observation(&picture(), SHAPE), &noise).unwrap();
            restore(&restoration, &plan, &counted, &condition, start, &noise, &mut watching).unwrap();
            assert_eq!(watching.steps, plan.steps);
            assert_eq!(Some(counted.calls.get()), restoration.evaluations(&plan), "{solver} {jump} {times}");
        }
    }
}

/// A model that counts how often it is asked.
struct Counted<'a> {
    model: &'a Mixture,
    calls: Cell<usize>,
}

impl ScoreModel for Counted<'_> {
    fn shape(&self) -> [usize; 3] {
        self.model.shape()
    }

    fn range(&self) -> Option<score_explorer::sde::Range> {
        None
    }

    fn ratios(&self) -> Option<(f64, f64)> {
        None
    }

    fn moments(&self) -> Option<score_explorer::sde::Moments> {
        self.model.moments()
    }

    fn score(
        &self,
        x: &score_explorer::Image,
        at: &[score_explorer::sde::Level],
    ) -> Result<score_explorer::Image, score_explorer::score::ScoreError> {
        self.calls.set(self.calls.get() + 1);
        self.model.score(x, at)
    }
}

#[test]
fn resampling_leaves_the_distribution_of_free_samples_as_it_is() {
    // Nothing is known: up and down again, samples are those of the model. A wrong noise on the way up would show.
    let model = isotropic(SHAPE, 0.5);
    for &kind in FamilyKind::ALL {
        let mut restoration = restoration("inpainting", 0.0, "projection", kind, "heun");
        restoration.resampling = Some(Resampling::new(15, 3).unwrap());
        let nothing = Observation { confidence: None, ..observation(&picture(), SHAPE) };
        let samples = doubles(run(&restoration, &nothing, &model));
        let found = sample_moments(&samples, 48);
        let n = 1024.0 * 48.0;
        // Heun's own error in legs of 15 steps is up to a fortieth.
        let variance = found.trace() / 48.0;
        assert!((variance / 0.25 - 1.0).abs() < 5.0 * f64::sqrt(2.0 / n) + 0.025, "{kind}: {variance}");
        let mean = found.mean.iter().sum::<f64>() / 48.0;
        assert!((mean - 0.2).abs() < 5.0 * f64::sqrt(0.25 / n) + 2e-3, "{kind}: {mean}");
    }
}

#[test]
fn full_strength_starts_from_the_prior_and_with_nothing_known_is_sampling() {
    let model = blocks();
    for method in ["projection", "null-space", "pigdm", "dps", "exact"] {
        let restoration = short(method, ANCESTRAL);
        let nothing = Observation { confidence: None, ..observation(&picture(), SHAPE) };
        let found = doubles(run(&restoration, &nothing, &model));
        let (plan, noise) = (Plan::new(&restoration.run, &model), noise(&restoration, SHAPE));
        let expected = doubles(sample(&restoration.run, &plan, &model, None, &noise, &mut Unobserved).unwrap());
        // The exact posterior is computed by other sums, and null space takes the score through x̂(0).
        assert!(largest(&found, &expected) < 1e-3, "{method}: {}", largest(&found, &expected));
    }
}

#[test]
fn little_strength_returns_the_picture_and_more_moves_it_further() {
    let model = blocks();
    let moved = |strength: f64, kind: FamilyKind| {
        let mut restoration = short("null-space", ANCESTRAL);
        restoration.run.family = kind.published();
        restoration.run.count = Count::new(64).unwrap();
        restoration.strength = strength;
        let guide = Observation { confidence: None, ..observation(&picture(), SHAPE) };
        let samples = doubles(run(&restoration, &guide, &model));
        let squares = samples.chunks(48).map(|x| x.iter().zip(picture()).map(|(x, y)| (x - y).powi(2)).sum::<f64>());
        (squares.sum::<f64>() / samples.len() as f64).sqrt()
    };
    for &kind in FamilyKind::ALL {
        let sde = kind.published();
        let distances: Vec<f64> = [1e-4, 0.1, 0.3, 0.7, 1.0].map(|strength| moved(strength, kind)).to_vec();
        println!("{kind}: {distances:.3?}");
        // What the noise of that time and its removal can move at all, and a little: the pull is below σ²/std².
        let sigma = sde.sde().level(1e-4).sigma;
        assert!(distances[0] < 2.0 * sigma + 10.0 * sigma * sigma / 0.15, "{kind}: {distances:?}");
        assert!(distances.windows(2).all(|pair| pair[0] < pair[1] * 1.05), "{kind}: {distances:?}");
    }
}

#[test]
fn strength_keeps_the_number_of_steps_and_starts_from_the_noised_picture() {
    let model = blocks();
    let mut restoration = short("null-space", "ddim");
    restoration.strength = 0.4;
    let plan = restoration.plan(&model);
    assert_eq!((plan.steps.len(), plan.steps[0].t), (12, 0.4));
    let noise = noise(&restoration, SHAPE);
    let start = doubles(restoration.first_state(&plan, &model, &observation(&picture(), SHAPE), &noise).unwrap());
    let level = restoration.run.family.sde().level(0.4);
    let z = doubles(noise.normal(0, score_explorer::solver::Purpose::Prior));
    let expected: Vec<f64> =
        z.iter().enumerate().map(|(i, z)| level.alpha * picture()[i % 48] + level.sigma * z).collect();
    assert!(largest(&start, &expected) < 1e-6);
}

#[test]
fn samples_do_not_depend_on_how_many_there_are() {
    let model = blocks();
    for method in slugs::<dyn Method>() {
        let mut few = short(method, ANCESTRAL);
        few.resampling = Some(Resampling::new(4, 2).unwrap());
        let mut many = few.clone();
        many.run.count = Count::new(20).unwrap();
        let few = doubles(run(&few, &observation(&picture(), SHAPE), &model));
        let many = doubles(run(&many, &observation(&picture(), SHAPE), &model));
        assert!(largest(&few, &many[..few.len()]) < 1e-4, "{method}");
        assert!(largest(&few[..48], &few[48..96]) > 0.05, "{method}: samples differ");
    }
}

#[test]
fn each_sample_may_have_a_picture_of_its_own() {
    let model = blocks();
    let pictures: Vec<f64> = (0..4).flat_map(|k| normals(48, 60 + k).into_iter().map(|z| 0.4 * z)).collect();
    for method in ["projection", "null-space", "pigdm", "dps"] {
        for name in ["inpainting", "super-resolution:2", "blur:gaussian:0.7"] {
            let mut restoration = short(method, ANCESTRAL);
            restoration.operator = operator(name);
            let together = doubles(run(&restoration, &observation(&pictures, SHAPE), &model));
            for k in [0, 3] {
                let alone = doubles(run(&restoration, &observation(&pictures[k * 48..(k + 1) * 48], SHAPE), &model));
                let sample = k * 48..(k + 1) * 48;
                assert!(largest(&alone[sample.clone()], &together[sample]) < 1e-3, "{method} {name}");
            }
        }
    }
}

#[test]
fn exchanged_evidence_counts_from_the_next_evaluation_on() {
    let model = blocks();
    let others: Vec<f64> = normals(48, 70).into_iter().map(|z| 0.4 * z).collect();
    let all = pixels(&[1.0; 16], [1, 4, 4]);
    let (first, second) =
        (observation(&picture(), SHAPE), Observation { confidence: Some(all), ..observation(&others, SHAPE) });
    for method in slugs::<dyn Method>() {
        let restoration = short(method, ANCESTRAL);
        let (plan, noise) = (restoration.plan(&model), noise(&restoration, SHAPE));
        let start = restoration.first_state(&plan, &model, &first, &noise).unwrap();
        let with = |plan: &Plan, start, condition: &Condition, observer: &mut dyn Observer| {
            restore(&restoration, plan, &model, condition, start, &noise, observer).unwrap()
        };
        let exchanged_for = |observation: &Observation| {
            let condition = Condition::new(measure(&restoration, &first, &model));
            let mut watching = Watching {
                steps: Vec::new(),
                then: |done| {
                    if done == 5 {
                        condition.exchange(measure(&restoration, observation, &model));
                    }
                    ControlFlow::Continue(())
                },
            };
            doubles(with(&plan, start.clone(), &condition, &mut watching))
        };
        let straight = doubles(run(&restoration, &first, &model));
        assert_eq!(exchanged_for(&first), straight, "{method}: the same observation changes nothing");

        let part = |steps: &[Step]| Plan { steps: steps.to_vec(), ..plan.clone() };
        let of = |observation: &Observation| Condition::new(measure(&restoration, observation, &model));
        let middle = with(&part(&plan.steps[..5]), start.clone(), &of(&first), &mut Unobserved);
        let expected = doubles(with(&part(&plan.steps[5..]), middle, &of(&second), &mut Unobserved));
        let found = exchanged_for(&second);
        assert_eq!(found, expected, "{method}: the run goes on from where it was");
        if matches!(method, "projection" | "null-space") {
            let error = found.chunks(48).map(|sample| largest(sample, &others)).fold(0.0, f64::max);
            assert!(error < 1e-4, "{method}: what is known now comes out, {error:.1e} off");
        }
    }
}

#[test]
fn breaking_off_ends_all_legs() {
    let model = blocks();
    let mut restoration = short("projection", ANCESTRAL);
    restoration.resampling = Some(Resampling::new(3, 2).unwrap());
    let condition = Condition::new(measure(&restoration, &observation(&picture(), SHAPE), &model));
    let (plan, noise) = (restoration.plan(&model), noise(&restoration, SHAPE));
    let start = restoration.first_state(&plan, &model, &observation(&picture(), SHAPE), &noise).unwrap();
    let stop = |done| if done == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let mut watching = Watching { steps: Vec::new(), then: stop };
    restore(&restoration, &plan, &model, &condition, start, &noise, &mut watching).unwrap();
    assert_eq!(watching.steps.len(), 7);
}

#[test]
fn fresh_noise_is_drawn_for_everything_it_is_needed_for() {
    // Two samples of the same leg, gone twice, differ in every draw: known parts, predictor, ascent.
    use score_explorer::solver::Purpose::{Ascent, Corrector, Known, Measurement, Predictor, Prior};
    let noise = noise(&short("projection", ANCESTRAL), SHAPE);
    let mut seen = HashSet::new();
    for step in 0..3 {
        for purpose in [Prior, Predictor, Corrector(0), Corrector(1), Known(0), Known(1), Ascent, Measurement] {
            let first = super::values(noise.normal(step, purpose))[0].to_bits();
            assert!(seen.insert(first), "{purpose:?} at step {step}");
        }
    }
}

#[test]
fn a_shown_measurement_is_taken_as_it_is() {
    // What a measurement looks like, given as such, is that measurement again: nothing is measured or noised twice.
    let model = blocks();
    for operator in super::operators(SHAPE) {
        let restoration = restoration(&operator, 0.2, "null-space", FamilyKind::Vp, "heun");
        let measured = measure(&restoration, &observation(&picture(), SHAPE), &model);
        let shown = Observation {
            picture: pixels(&doubles(measured.picture()), SHAPE),
            confidence: Some(confidence(SHAPE)),
            shows: Shows::Measurement,
        };
        let again = measure(&restoration, &shown, &model);
        assert!(largest(&doubles(again.y().clone()), &doubles(measured.y().clone())) < 1e-5, "{operator}");
        let clean = Restoration { noise: 0.0, ..restoration.clone() };
        let without = measure(&clean, &observation(&picture(), SHAPE), &model);
        assert!(largest(&doubles(without.y().clone()), &doubles(measured.y().clone())) > 0.05, "{operator}");
    }
}

#[test]
fn exact_sampling_of_a_mixture_with_nothing_known_is_the_mixture() {
    let model = blocks();
    let mut restoration = restoration("inpainting", 0.0, "exact", FamilyKind::Vp, "heun");
    restoration.run.steps = Steps::new(40).unwrap();
    let nothing = Observation { confidence: None, ..observation(&picture(), SHAPE) };
    let found = sample_moments(&doubles(run(&restoration, &nothing, &model)), 48);
    let expected = whole(&gaussians(&model));
    // Five standard errors of a mean whose coordinates share their few patterns.
    let limit = 5.0 * (0.5f64 / 1024.0).sqrt() + 0.01;
    assert!(largest(&found.mean, &expected.mean) < limit);
}
