//! The loops: order, counts, breaking off, branching, denoising.

use super::{Counted, line, noise, pc, values};
use crate::choices::{grid, predictors, solver};
use burn::tensor::Tensor;
use score_explorer::Image;
use score_explorer::registry::{Choice, Settings};
use score_explorer::score::{Mixture, ScoreModel, denoised};
use score_explorer::sde::{Family, FamilyKind, Step, Ve};
use score_explorer::solver::{
    self, Ancestral, CORRECTOR, Corrector, Destination, Evaluation, NoCorrector, NoiseSource, Observer, PREDICTOR,
    Predictor, PredictorCorrector, Process, Purpose, SNR, Solver, StepState, Unobserved,
};
use std::cell::Cell;
use std::ops::ControlFlow;

/// Keeps every moment, and breaks off after `limit` of them.
struct Recorder {
    limit: usize,
    moments: Vec<(Step, Image, Image, Image)>,
    accept_rates: usize,
}

impl Recorder {
    fn new(limit: usize) -> Self {
        Recorder { limit, moments: Vec::new(), accept_rates: 0 }
    }
}

impl Observer for Recorder {
    fn observe(&mut self, state: &StepState<'_>) -> ControlFlow<()> {
        self.moments.push((state.step, state.x.clone(), state.denoised.clone(), state.score.clone()));
        self.accept_rates += usize::from(state.corrector.is_some_and(|c| c.accept_rate.is_some()));
        if self.moments.len() < self.limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

const ADJUSTED_HMC: &str = "hmc:0.16:1:3:true";

fn solvers() -> Vec<Choice<dyn Solver>> {
    let mut all: Vec<_> = ["ddim", "heun", "dpm++"].map(solver).into();
    all.extend(predictors().map(|predictor| pc(predictor, "none")));
    all.extend(["langevin", "ald", "hmc", ADJUSTED_HMC].map(|corrector| pc("ancestral", corrector)));
    all.push(pc("none", "hmc:0.16:2:3:true"));
    all
}

/// Six samples of the blocks on a grid of nine steps.
fn scene() -> (Mixture, Vec<Step>, Image) {
    let family = FamilyKind::Vp.published();
    let steps = grid("log-snr").steps(family.sde(), 9, 1.0, family.sde().epsilon());
    (Mixture::named("blocks").unwrap(), steps, noise(6, [3, 4, 4], 4).normal(0, Purpose::Prior))
}

fn solve(solver: &Choice<dyn Solver>, steps: &[Step], denoise: bool, x: Image, observer: &mut dyn Observer) -> Image {
    let family = FamilyKind::Vp.published();
    let noise = noise(6, [3, 4, 4], 4);
    solver.solve(&Process::free(&scene().0, family.sde(), steps, denoise, &noise), x, observer).unwrap()
}

#[test]
fn solvers_ask_the_model_exactly_as_often_as_they_say() {
    let family = FamilyKind::Vp.published();
    let (model, steps, start) = scene();
    let model = Counted { model, calls: Cell::new(0) };
    for solver in solvers() {
        for (n, to) in [(1, Destination::Denoised), (2, Destination::Data), (9, Destination::Denoised)] {
            model.calls.set(0);
            let (steps, denoise) = (&steps[steps.len() - n..], to == Destination::Denoised);
            let noise = noise(6, [3, 4, 4], 4);
            solver
                .solve(&Process::free(&model, family.sde(), steps, denoise, &noise), start.clone(), &mut Unobserved)
                .unwrap();
            assert_eq!(model.calls.get(), solver.evaluations(n, to).unwrap(), "{solver:?} in {n} steps");
        }
    }
}

#[test]
fn a_run_cut_in_two_gives_the_same_bits() {
    let (_, steps, start) = scene();
    // DPM-Solver++ remembers its last step, so that a cut changes it.
    for solver in solvers().iter().filter(|solver| solver.about().slug != "dpm++") {
        let whole = values(solve(solver, &steps, true, start.clone(), &mut Unobserved));
        for k in [1, 4, 8] {
            let middle = solve(solver, &steps[..k], true, start.clone(), &mut Unobserved);
            let found = values(solve(solver, &steps[k..], true, middle, &mut Unobserved));
            assert_eq!(found, whole, "{solver:?} cut at {k}");
        }
    }
}

#[test]
fn breaking_off_returns_the_present_state() {
    let (_, steps, start) = scene();
    for solver in &solvers() {
        let mut all = Recorder::new(usize::MAX);
        let end = solve(solver, &steps, true, start.clone(), &mut all);
        assert_eq!(all.moments.len(), steps.len(), "{solver:?}");
        assert_eq!(values(end), values(all.moments[8].1.clone()), "{solver:?}");
        let mut some = Recorder::new(4);
        let broken = values(solve(solver, &steps, true, start.clone(), &mut some));
        assert_eq!(some.moments.len(), 4, "{solver:?}");
        assert_eq!(broken, values(all.moments[3].1.clone()), "{solver:?}");
    }
}

#[test]
fn observers_see_every_step_and_finite_pictures() {
    let (_, steps, start) = scene();
    for solver in &solvers() {
        let mut seen = Recorder::new(usize::MAX);
        solve(solver, &steps, true, start.clone(), &mut seen);
        for (moment, step) in seen.moments.iter().zip(&steps) {
            assert_eq!(moment.0, *step);
            let images = [&moment.1, &moment.2, &moment.3];
            assert!(images.iter().all(|image| image.dims() == [6, 3, 4, 4]), "{solver:?}");
            assert!(images.iter().all(|image| values((*image).clone()).iter().all(|v| v.is_finite())), "{solver:?}");
        }
        let adjusted = solver.to_string().ends_with(":true");
        assert_eq!(seen.accept_rates, if adjusted { 9 } else { 0 }, "{solver:?}");
    }
}

#[test]
fn only_solvers_that_say_so_have_noise_of_their_own() {
    let (model, steps, start) = scene();
    let family = FamilyKind::Vp.published();
    for solver in solvers() {
        let [one, same, other] = [4, 4, 5].map(|seed| {
            let noise = noise(6, [3, 4, 4], seed);
            let process = Process::free(&model, family.sde(), &steps, false, &noise);
            values(solver.solve(&process, start.clone(), &mut Unobserved).unwrap())
        });
        assert_eq!(one, same, "{solver:?}");
        assert_eq!(one != other, solver.entry().is_stochastic(solver.settings()), "{solver:?}");
    }
}

#[test]
fn the_corrector_runs_before_the_predictor() {
    let (model, steps, start) = scene();
    let family = FamilyKind::Vp.published();
    let (sde, step) = (family.sde(), steps[2]);
    let found = solve(&pc("ancestral", "ald"), &[step], false, start.clone(), &mut Unobserved);
    let noise = noise(6, [3, 4, 4], 4);
    let correct = solve(&pc("none", "ald"), &[step], false, start, &mut Unobserved);
    let score = model.score(&correct, &[sde.level(step.t)]).unwrap();
    let z = noise.normal(step.index, Purpose::Predictor);
    let expected = Ancestral.step(sde, &step).next(&Evaluation { x: correct, score }, &z);
    assert_eq!(values(found), values(expected));
}

#[test]
fn denoising_leaves_out_the_last_noise_only() {
    let (_, steps, start) = scene();
    for solver in &[pc("reverse-diffusion", "none"), pc("none", "langevin")] {
        let run = |denoise| {
            let mut seen = Recorder::new(usize::MAX);
            solve(solver, &steps, denoise, start.clone(), &mut seen);
            seen.moments.into_iter().map(|moment| values(moment.1)).collect::<Vec<_>>()
        };
        let (noisy, clean) = (run(false), run(true));
        assert_eq!(noisy[..8], clean[..8], "{solver:?}");
        assert_ne!(noisy[8], clean[8], "{solver:?}");
    }
    // The whole step to clean data by ancestral sampling is the estimate of x(0).
    let mut seen = Recorder::new(usize::MAX);
    let end = solve(&pc("reverse-diffusion", "none"), &steps, true, start, &mut seen);
    assert!(values(end).iter().all(|x| x.abs() < 2.0));
}

/// The loop of NCSNv2's release (ncsnv2, models/__init__.py): its step size is `step_lr`·(σ/σ_L)², and it denoises last.
#[test]
fn correctors_alone_end_as_ncsnv2_does() {
    let (step_lr, each, levels, count) = (6.2e-6, 5, 12, 4);
    let family = Family::Ve(Ve::new(0.01, 1.0).unwrap());
    let sde = family.sde();
    let times: Vec<f64> = (0..levels).map(|i| 1.0 - i as f64 / (levels - 1) as f64).collect();
    let next = |i: usize| times.get(i + 1).copied().unwrap_or(0.0).max(if i + 1 < levels { 1e-12 } else { 0.0 });
    let steps: Vec<Step> =
        (0..levels).map(|i| Step { index: i, t: times[i].max(1e-12), next: next(i), table: None }).collect();
    // Data: a point. What is left beside it is noise.
    let (model, noise) = (line(0.3, 1e-9), noise(count, [1, 1, 1], 6));
    let start = noise.normal(0, Purpose::Prior);
    let snr = f64::sqrt(step_lr / 2.0) / 0.01;
    assert!((snr - 0.176).abs() < 5e-4, "what the README says: {snr}");
    let solver = solver(&format!("pc:none:ald:{snr}:{each}"));
    let run = |denoise: bool| {
        let process = Process::free(&model, sde, &steps, denoise, &noise);
        values(solver.solve(&process, start.clone(), &mut Unobserved).unwrap())
    };
    let mut x: Vec<f64> = values(start.clone()).iter().map(|&x| f64::from(x)).collect();
    let score = |x: f64, sigma: f64| (0.3 - x) / (sigma * sigma);
    for i in 0..levels {
        let sigma = f64::exp(f64::ln(1.0) + (0.01f64.ln() - f64::ln(1.0)) * i as f64 / (levels - 1) as f64);
        let size = step_lr * (sigma / 0.01).powi(2);
        for k in 0..each {
            let z = values(noise.normal(i, Purpose::Corrector(k)));
            x.iter_mut().zip(z).for_each(|(x, z)| *x += size * score(*x, sigma) + (2.0 * size).sqrt() * f64::from(z));
        }
    }
    let noisy = run(false);
    assert!(noisy.iter().zip(&x).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-5), "{noisy:?} {x:?}");
    // σ_min = 0.01 of pictures in [0, 1] is 2.6 grey levels: denoised, nothing of it is left.
    assert!(noisy.iter().any(|x| (x - 0.3).abs() > 0.003), "{noisy:?}");
    x.iter_mut().for_each(|x| *x += 0.01 * 0.01 * score(*x, 0.01));
    let clean = run(true);
    assert!(clean.iter().zip(&x).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-6), "{clean:?} {x:?}");
    assert!(clean.iter().all(|x| (x - 0.3).abs() < 1e-6), "{clean:?}");
}

#[test]
fn the_estimate_of_clean_data_belongs_to_the_score_beside_it() {
    let (model, steps, start) = scene();
    let family = FamilyKind::Vp.published();
    let level = family.sde().level(steps[0].t);
    let mut seen = Recorder::new(1);
    solve(&pc("ancestral", "none"), &steps, true, start.clone(), &mut seen);
    let score = model.score(&start, &[level]).unwrap();
    assert_eq!(values(seen.moments[0].3.clone()), values(score.clone()));
    assert_eq!(values(seen.moments[0].2.clone()), values(denoised(&start, &score, &[level])));
}

#[test]
fn batches_of_one_agree_with_a_batch_of_six() {
    let (model, steps, start) = scene();
    let family = FamilyKind::Vp.published();
    for corrector in ["none", "langevin:0.16:1:sample", "ald", "hmc:0.16:1:2:false"] {
        let solver = crate::choices::pc("ancestral", corrector);
        let run = |first: usize, count: usize| {
            let noise = solver::Noise { first, ..noise(count, [3, 4, 4], 4) };
            let x = start.clone().narrow(0, first, count);
            solver.solve(&Process::free(&model, family.sde(), &steps, true, &noise), x, &mut Unobserved).unwrap()
        };
        let together = values(run(0, 6));
        let alone = values(Tensor::cat((0..6).map(|i| run(i, 1)).collect(), 0));
        // Sums over coordinates may round differently; nine steps amplify that little.
        let apart = alone.iter().zip(&together).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 1e-4, "{corrector}: {apart}");
    }
}

#[test]
fn a_corrector_that_does_nothing_leaves_everything_as_it_is() {
    let (model, steps, start) = scene();
    let (model, family) = (Counted { model, calls: Cell::new(0) }, FamilyKind::Vp.published());
    let noise = noise(6, [3, 4, 4], 4);
    let process = Process::free(&model, family.sde(), &steps, true, &noise);
    let mut seen = Recorder::new(usize::MAX);
    let end = solver::corrector_only(&NoCorrector, &Settings::default(), &process, start.clone(), &mut seen).unwrap();
    assert_eq!((values(end), seen.moments.len(), model.calls.get()), (values(start), 0, 0));
    // As a solver it cannot be had.
    let nothing: Choice<dyn Solver> = Choice::new(&PredictorCorrector);
    let nothing = nothing.with(&PREDICTOR, "none").with(&CORRECTOR, "none");
    assert_eq!(nothing.evaluations(9, Destination::Denoised), Some(0));
    assert!(nothing.check().unwrap_err().to_string().contains("does nothing"));
    assert!("pc:none".parse::<Choice<dyn Solver>>().is_err() && "pc:none:none".parse::<Choice<dyn Solver>>().is_err());
}

#[test]
fn impossible_corrector_settings_cannot_be_read() {
    let read = |text: &str| serde_json::from_str::<Choice<dyn Solver>>(text);
    let text = serde_json::to_string(&pc("ancestral", ADJUSTED_HMC)).unwrap();
    assert!(read(&text).is_ok(), "{text}");
    for (from, to) in [
        ("\"corrector_steps\":1", "\"corrector_steps\":0"),
        ("\"snr\":0.16", "\"snr\":-1.0"),
        ("\"leapfrog\":3", "\"leapfrog\":0"),
    ] {
        assert!(text.contains(from), "{from} in {text}");
        assert!(read(&text.replace(from, to)).is_err(), "{to}");
    }
    assert!(read(r#"{"solver": "pc", "corrector": {"hmc": {"leapfrog": 0, "adjusted": true}}}"#).is_err());
    for snr in [0.0, -0.16, f64::NAN, f64::INFINITY] {
        let refused = [
            Settings::default().set(&SNR, snr).unwrap_err().to_string(),
            format!("langevin:{snr}").parse::<Choice<dyn Corrector>>().unwrap_err().to_string(),
        ];
        for sentence in refused {
            assert!(sentence.starts_with(&format!("SNR r = {snr} ")), "{sentence}");
            assert!(sentence.ends_with("choose 1e-20 to 1e20"), "{sentence}");
        }
    }
}
