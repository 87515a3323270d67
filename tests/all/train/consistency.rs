//! Consistency models on Gaussians, whose consistency function is known in closed form.

use super::whole::pictures;
use crate::cli::Place;
use burn::tensor::Device;
use score_explorer::Image;
use score_explorer::checkpoint::PictureSet;
use score_explorer::data::{Data, DataSource};
use score_explorer::network::Weights;
use score_explorer::registry::{Choice, Entry, find};
use score_explorer::score::{Component, Conditioning, Mixture, ScoreError, ScoreModel};
use score_explorer::sde::{FamilyKind, Level, Moments, Range, Sde, Ve};
use score_explorer::solver::{Consistency, Noise, NoiseSource, Process, Purpose, Solver, Unobserved};
use score_explorer::train::{
    Answers, ConsistencyDistillation, ConsistencyTraining, Drawn, EdmRecipe, Objective, Recipe, Regression, ScoreSde,
    Size, Tiny, Trainer, Training, heun, levels, pairs,
};

const MEAN: f64 = 0.4;
const STD: f64 = 0.3;

/// f(x; σ) = μ + (x − μ)·s/√(s² + σ²), where the trajectory of a Gaussian through x ends.
struct Exact;

impl ScoreModel for Exact {
    fn shape(&self) -> [usize; 3] {
        [1, 1, 1]
    }

    fn range(&self) -> Option<Range> {
        None
    }

    fn ratios(&self) -> Option<(f64, f64)> {
        None
    }

    fn moments(&self) -> Option<Moments> {
        None
    }

    /// The score that f would imply if it denoised.
    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let sigma = at[0].sigma;
        let answer = (x.clone() - MEAN) * (STD / STD.hypot(sigma)) + MEAN;
        Ok((answer - x.clone()) * (1.0 / (sigma * sigma)))
    }
}

/// Mean and standard deviation of samples in so many steps.
fn sampled(model: &dyn ScoreModel, steps: usize) -> (f64, f64) {
    let (family, count) = (FamilyKind::Ve.published(), 4000);
    let sde = family.sde();
    let noise = Noise { seed: 2, first: 0, count, shape: [1, 1, 1], device: Device::flex() };
    let (grid, wanted) = (Consistency.grid(), steps);
    let steps = grid.steps(sde, wanted, 1.0, grid.entry().last_time(sde));
    assert_eq!(steps.len(), wanted);
    let start = noise.normal(0, Purpose::Prior) * sde.sigma(1.0);
    let process = Process::free(model, sde, &steps, true, &noise);
    let x = Choice::<dyn Solver>::new(&Consistency).solve(&process, start, &mut Unobserved).unwrap();
    let x: Vec<f32> = x.into_data().try_into_vec().unwrap();
    let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / count as f64;
    let square = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count as f64;
    (mean, square.sqrt())
}

/// Nothing is asked where it is known already. σ of images in [−1, 1], twice those in [0, 1]: 0.821 is Song and Dhariwal's
/// 2024 of CIFAR-10, and 1.38 to 4.37 are Song et al.'s 2023, of their grid of 40 levels.
#[test]
fn the_second_of_two_steps_begins_where_published_ones_do() {
    let (family, grid) = (Ve::new(0.001, 40.0).unwrap(), Consistency.grid());
    let steps = grid.steps(&family, 2, 1.0, grid.entry().last_time(&family));
    let sigmas: Vec<f64> = steps.iter().map(|step| 2.0 * family.sigma(step.t)).collect();
    assert!(sigmas.len() == 2 && (sigmas[0] - 80.0).abs() < 1e-9, "{sigmas:?}");
    assert!((0.821..4.37).contains(&sigmas[1]) && steps[1].next == 0.0, "{sigmas:?}");
}

#[test]
fn any_number_of_steps_of_an_exact_consistency_model_samples_its_data() {
    for steps in [1, 2, 3, 4] {
        let (mean, std) = sampled(&Exact, steps);
        println!("{steps} steps: mean {mean:.4}, deviation {std:.4}");
        // Five standard errors; the prior's mean is 0 and not μ, by a part in a hundred of s.
        assert!((mean - MEAN).abs() < 5.0 * STD / 4000_f64.sqrt() + 0.01, "{steps} steps: mean {mean}");
        assert!((std - STD).abs() < 5.0 * STD / 8000_f64.sqrt(), "{steps} steps: deviation {std}");
    }
    // What only denoises answers the mean in one step.
    let gaussian = Mixture::new([1, 1, 1], vec![Component::round(1.0, vec![MEAN], STD)]).unwrap();
    assert!(sampled(&gaussian, 1).1 < 0.05);
}

/// A teacher's step against the trajectory of a Gaussian: of third order in its length.
#[test]
fn a_teachers_step_follows_the_trajectory() {
    let denoised = |x: &[f32], sigmas: &[f64]| {
        let pull = |sigma: &f64| STD * STD / (STD * STD + sigma * sigma);
        Ok(x.iter().zip(sigmas).map(|(x, sigma)| (MEAN + (f64::from(*x) - MEAN) * pull(sigma)) as f32).collect())
    };
    let x = [1.7_f32];
    let error = |ratio: f64| {
        let pair = [0.5, 0.5 * ratio];
        let found = f64::from(heun(denoised, &x, &[pair]).unwrap()[0]);
        let expected = MEAN + (f64::from(x[0]) - MEAN) * STD.hypot(pair[0]) / STD.hypot(pair[1]);
        (found - expected).abs()
    };
    let (long, short) = (error(1.2), error(1.1));
    println!("errors {long:.2e} and {short:.2e}");
    // Twice as long a step is eight times as wrong, nearly.
    assert!(short < 2e-4 && (5.0..10.0).contains(&(long / short)), "{long} and {short}");
}

/// Song and Dhariwal 2024: 10 intervals that double seven times, to 1280, in eight equal parts of a training.
#[test]
fn levels_and_pairs_are_as_published() {
    let counts =
        [0, 49_999, 50_000, 100_000, 350_000, 399_999].map(|step| levels([0.002, 80.0], step, 400_000).len() - 1);
    assert_eq!(counts, [10, 10, 20, 40, 1280, 1280]);
    let all = levels([0.002, 80.0], 399_999, 400_000);
    assert!(all.is_sorted() && (all[0] - 0.002).abs() < 1e-9 && (all[1280] - 80.0).abs() < 1e-6);
    let drawn = pairs(&all, Drawn::LogNormal, 7, 0, 8000);
    assert!(drawn.iter().all(|[near, far]| near < far && all.contains(near) && all.contains(far)));
    // Half of ln σ lie below −1.1, and 16 % below −3.1: five standard errors.
    for (below, share) in [(-1.1_f64, 0.5), (-3.1, 0.1587)] {
        let found = drawn.iter().filter(|[near, _]| *near < below.exp()).count() as f64 / 8000.0;
        assert!((found - share).abs() < 0.03, "{found} lie below {below}, not {share}");
    }
    // The same draws whatever the batch.
    assert_eq!(drawn[100..200], pairs(&all, Drawn::LogNormal, 7, 100, 100));
    // Song et al. 2023: each as often. Half of the intervals lie above the middle one: five standard errors.
    let drawn = pairs(&all, Drawn::Evenly, 7, 0, 8000);
    assert!(drawn.iter().all(|[near, far]| all.windows(2).any(|ends| ends == [*near, *far])));
    let above = drawn.iter().filter(|[near, _]| *near >= all[640]).count() as f64 / 8000.0;
    assert!((above - 0.5).abs() < 0.028, "{above} lie above the middle");
}

#[test]
fn the_slopes_of_the_robust_loss_are_those_of_its_values() {
    let regression = Regression {
        inputs: vec![0.0; 4],
        labels: vec![0.0, 1.0],
        classes: Vec::new(),
        gains: vec![0.7, 1.5],
        offsets: vec![0.3, -0.2, 0.9, 0.1],
        weights: vec![2.0, 0.5],
        huber: Some(0.1),
    };
    let output = [0.4, 0.8, -0.3, 0.6];
    let (losses, slopes) = regression.gradient(&output, 2);
    // 2·(√((0.58² + 0.36²) + 0.01) − 0.1).
    assert!((losses[0] - 2.0 * ((0.58_f64.powi(2) + 0.36_f64.powi(2) + 0.01).sqrt() - 0.1)).abs() < 1e-12);
    let total = |output: &[f64]| regression.losses(output).iter().sum::<f64>() / 2.0;
    for (place, slope) in slopes.iter().enumerate() {
        let moved = |by: f64| {
            let mut output = output;
            output[place] += by;
            total(&output)
        };
        let found = (moved(1e-6) - moved(-1e-6)) / 2e-6;
        assert!((found - slope).abs() < 1e-8, "{place}: {found}, not {slope}");
    }
}

/// Standard deviation of the grey level of pictures of one grey level each.
const SPREAD: f64 = 0.35;
const SIDE: usize = 4;

/// Pictures of one grey level each, which is normal.
fn greys() -> Data {
    let count = 400;
    let mixture = Mixture::new([1, 1, 1], vec![Component::round(1.0, vec![0.0], SPREAD)]).unwrap();
    let noise = Noise { seed: 11, first: 0, count, shape: [1, 1, 1], device: Device::flex() };
    let uniform = noise.uniform(0, Purpose::Prior);
    let levels: Vec<f32> =
        mixture.sample(&noise.normal(0, Purpose::Prior), &uniform).unwrap().into_data().try_into_vec().unwrap();
    // Of exactly this deviation and mean 0.
    let mean = levels.iter().sum::<f32>() / count as f32;
    let std = (levels.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / count as f32).sqrt();
    let grey = |x: &f32| (((x - mean) / std * SPREAD as f32 + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8;
    let values = levels.iter().flat_map(|x| [grey(x); SIDE * SIDE]).collect();
    let names = (0..count).map(|index| index.to_string()).collect();
    Data::set(PictureSet { shape: [1, SIDE, SIDE], values, names, classes: None, warnings: Vec::new() })
}

fn training(recipe: &dyn Recipe, objective: &'static dyn Objective, steps: u64) -> Training {
    let size = Choice::<dyn Size>::new(find::<dyn Size>(Tiny.about().slug).unwrap());
    let network = recipe.description(&size, None, [1, SIDE, SIDE]);
    let source: DataSource = "nowhere/at/all".parse().unwrap();
    let usual = Training::usual(source, network);
    Training { objective: Choice::new(objective), batch: 32, images: 32 * steps, ..usual }
}

fn finished(training: Training, start: Option<Weights>) -> Trainer {
    let mut trainer = Trainer::new(training, greys(), start).unwrap();
    while !trainer.is_done() {
        trainer.step(&Device::flex()).unwrap();
    }
    trainer
}

fn trained(training: Training, start: Option<Weights>) -> Weights {
    finished(training, start).average().clone()
}

/// By how much the mean of a network's answer grows with the mean of its input, at a noise level.
fn slope(training: &Training, weights: &Weights, sigma: f64) -> f64 {
    let (conditioning, device) = (Conditioning::new(training.network.clone()), Device::flex());
    let answers = Answers::new(&training.network.config, weights, &conditioning, &[], &device).unwrap();
    // Noised as its input is, but the mean.
    let count = 64;
    let noise = Noise { seed: 9, first: 0, count, shape: [1, SIDE, SIDE], device: device.clone() };
    let z: Vec<f32> = noise.normal(0, Purpose::Prior).into_data().try_into_vec().unwrap();
    let mean = |level: f32| {
        let noised = |z: &[f32]| {
            let mean = z.iter().sum::<f32>() / z.len() as f32;
            z.iter().map(|z| level + sigma as f32 * (z - mean)).collect::<Vec<f32>>()
        };
        let x: Vec<f32> = z.chunks(SIDE * SIDE).flat_map(noised).collect();
        let answer = answers.denoised(&x, &vec![sigma; count]).unwrap();
        answer.iter().map(|&x| f64::from(x)).sum::<f64>() / answer.len() as f64
    };
    (mean(0.4) - mean(-0.4)) / 0.8
}

/// How near a learnt slope is to its own, where the two kinds' are 0.24 apart.
const NEAR: f64 = 0.1;

/// The mean m of a picture of one grey level, noised, has the variance s² + σ²/16: a denoiser answers m·s²/(s² + σ²/16), and
/// a consistency model m·s/√(s² + σ²/16).
#[test]
fn trainings_and_distillations_learn_the_consistency_function() {
    let sigma = 2.0;
    let noise = sigma / SIDE as f64;
    let (denoiser, exact) = ((SPREAD / SPREAD.hypot(noise)).powi(2), SPREAD / SPREAD.hypot(noise));
    let plain = training(&EdmRecipe, &score_explorer::train::Edm, 500);
    let teacher = trained(plain.clone(), None);
    let of_teacher = slope(&plain, &teacher, sigma);
    println!("denoiser {denoiser:.3}, learnt {of_teacher:.3}; consistency {exact:.3}");
    // Each is far nearer to its own slope than to the other's; what was measured is off by 0.04, 0.01 and 0.06.
    assert!((of_teacher - denoiser).abs() < NEAR, "{of_teacher}, not {denoiser}");

    let by_itself = training(&EdmRecipe, &ConsistencyTraining, 800);
    let found = slope(&by_itself, &trained(by_itself.clone(), None), sigma);
    println!("by training {found:.3}");
    assert!((found - exact).abs() < NEAR, "by training {found}, not {exact}");

    let start = Some("./teacher.safetensors".parse().unwrap());
    let taught = Training { start, ..training(&EdmRecipe, &ConsistencyDistillation, 500) };
    let found = slope(&taught, &trained(taught.clone(), Some(teacher)), sigma);
    println!("by distillation {found:.3}");
    assert!((found - exact).abs() < NEAR, "by distillation {found}, not {exact}");
    assert!(Trainer::new(training(&EdmRecipe, &ConsistencyDistillation, 5), greys(), None).is_err(), "nobody teaches");
}

/// The same of a network that estimates noise on VP's path, as published ones do: its student answers v, so that it also
/// answers pictures where one step begins. There ε̂ would be wrong by an eighth of a deviation at most.
#[test]
fn a_network_that_estimates_noise_is_distilled() {
    let sigma = 2.0;
    let noise = sigma / SIDE as f64;
    let (denoiser, exact) = ((SPREAD / SPREAD.hypot(noise)).powi(2), SPREAD / SPREAD.hypot(noise));
    let plain = training(&ScoreSde, &score_explorer::train::Dsm, 800);
    let teacher = trained(plain.clone(), None);
    let of_teacher = slope(&plain, &teacher, sigma);
    let start = Some("./teacher.safetensors".parse().unwrap());
    let taught = Training { start, ..training(&ScoreSde, &ConsistencyDistillation, 2400) };
    let student = finished(taught, Some(teacher));
    let (taught, weights) = (student.training(), student.average());
    let found = slope(taught, weights, sigma);
    println!("denoiser {denoiser:.3}, learnt {of_teacher:.3}; consistency {exact:.3}, by distillation {found:.3}");
    assert!((of_teacher - denoiser).abs() < NEAR, "{of_teacher}, not {denoiser}");
    assert!((found - exact).abs() < NEAR, "by distillation {found}, not {exact}");

    let (conditioning, device) = (Conditioning::new(taught.network.clone()), Device::flex());
    let answers = Answers::new(&taught.network.config, weights, &conditioning, &[], &device).unwrap();
    let (count, most) = (256, conditioning.ratios().1);
    let noise = Noise { seed: 3, first: 0, count, shape: [1, SIDE, SIDE], device: device.clone() };
    let z: Vec<f32> = noise.normal(0, Purpose::Prior).into_data().try_into_vec().unwrap();
    let x: Vec<f32> = z.iter().map(|z| most as f32 * z).collect();
    let answer = answers.denoised(&x, &vec![most; count]).unwrap();
    let square = answer.iter().map(|x| f64::from(x * x)).sum::<f64>() / answer.len() as f64;
    println!("in one step from σ/α = {most:.0}: deviation {:.3}, data {SPREAD}", square.sqrt());
    assert!((square.sqrt() - SPREAD).abs() < NEAR, "{}", square.sqrt());
}

/// By the command line, going on, and sampled in one and two steps.
#[test]
fn consistency_models_are_trained_and_sampled_by_commands() {
    let place = Place::new();
    pictures(&place, 12);
    let data = "--data pictures --batch 4";
    place.succeeds(&format!("train {data} --size tiny --recipe edm --objective consistency --images 80 --output t"));
    let further = "finetune --model t/model.safetensors --objective consistency-distillation";
    place.succeeds(&format!("{further} {data} --images 40 --dry-run --output u"));
    place.succeeds(&format!("{further} {data} --images 40 --output u"));
    place.succeeds(&format!("{further} {data} --images 80 --output u"));
    place.succeeds(
        "sample --model u/model.safetensors --preset consistency-1 --count 2 --device cpu --tensor a.safetensors",
    );
    place.succeeds("sample --model u/model.safetensors --solver consistency --steps 2 --count 2 --device cpu --tensor b.safetensors");
    assert_ne!(place.bytes("a.safetensors"), place.bytes("b.safetensors"));
    place.fails(
        &format!("train {data} --size tiny --recipe edm --objective consistency-distillation --output v"),
        2,
        "teacher",
    );
    // Networks of another kind, too.
    place.succeeds(&format!("train {data} --size tiny --images 8 --output w"));
    let further = "finetune --model w/model.safetensors --objective consistency-distillation";
    place.succeeds(&format!("{further} {data} --images 8 --output x"));
    place.succeeds("sample --model x/model.safetensors --preset consistency-2 --count 2 --device cpu --output x.png");
}
