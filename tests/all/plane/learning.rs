//! Learned scores against the exact one, and each way to learn against its closed form.

use super::{famous, gaussian};
use burn::tensor::{Device, Tensor, TensorData};
use score_explorer::plane::{Answer, Learning, Matching, Point, Recipe, against};
use score_explorer::registry::{Category, Choice};
use score_explorer::score::ScoreModel;
use score_explorer::sde::Level;

fn recipe(matching: &str, steps: u64) -> Recipe {
    Recipe { width: 32, depth: 2, batch: 128, steps, ..Recipe::new(matching.parse().unwrap()) }
}

fn learned(matching: &str, plane: &score_explorer::plane::Plane, steps: u64) -> Learning {
    let mut learning = Learning::new(recipe(matching, steps), plane.clone()).unwrap();
    while !learning.is_done() {
        learning.advance();
    }
    learning
}

/// On Gaussian data the score is linear, and EDM's preconditioning leaves the network 0 to learn: what it starts with is
/// exact, for one Gaussian of the data's own mean and variance.
#[test]
fn an_untrained_denoiser_has_the_score_of_a_gaussian_with_the_moments_of_the_data() {
    let plane = famous("pinwheel");
    let learning = Learning::new(recipe("denoising", 1), plane.clone()).unwrap();
    let same = gaussian(plane.mean(), plane.std());
    let points: Vec<Point> = vec![[0.1, 0.2], [-1.5, 0.7], [3.0, -2.0]];
    for (alpha, sigma) in [(1.0, 0.05), (0.6, 0.8), (0.01, 1.0)] {
        let level = [Level::new(alpha, sigma)];
        let pairs = learning.learned().scores(&points, &level).into_iter().zip(same.scores(&points, &level));
        for (found, known) in pairs {
            for axis in 0..2 {
                let scale = 1.0 + known[axis].abs();
                assert!((found[axis] - known[axis]).abs() < 1e-4 * scale, "{alpha}: {found:?}, not {known:?}");
            }
        }
    }
}

/// Every way that learns a score comes nearer to the exact one than the best Gaussian, which is where denoising starts.
#[test]
fn every_way_to_learn_comes_nearer_to_the_exact_score() {
    let plane = famous("pair");
    let error = |learning: &Learning| {
        let errors = against(&learning.learned(), &plane, 1);
        // Where data and noise are of a size.
        let middle: Vec<f64> = errors.iter().filter(|e| (0.1..1.0).contains(&e.ratio)).map(|e| e.error).collect();
        middle.iter().sum::<f64>() / middle.len() as f64
    };
    let start = error(&Learning::new(recipe("denoising", 1), plane.clone()).unwrap());
    // Without clean data the gradient is noisier: 0.58 of the error is left after so many steps, of the others 0.38 and less.
    for (matching, steps, left) in
        [("denoising", 300, 0.5), ("implicit", 800, 0.7), ("sliced", 1200, 0.7), ("flow-matching", 300, 0.5)]
    {
        let learning = learned(matching, &plane, steps);
        let found = error(&learning);
        assert!(found < left * start, "{matching}: {found}, at first {start}");
        assert_eq!(learning.losses().history.len(), steps as usize);
        assert!(learning.losses().levels.iter().filter(|level| level.loss.is_some()).count() > 15);
    }
}

/// A consistency model leads from noise to the data in one evaluation: to the modes, of which it knows nothing at first.
#[test]
fn a_consistency_model_leads_to_the_modes_in_one_step() {
    let plane = famous("pair");
    let shares = |learning: &Learning| {
        let noise = score_explorer::plane::noised(
            &gaussian([0.0; 2], 1.0),
            &score_explorer::sde::Ve::new(0.01, 20.0).unwrap(),
            1.0,
            3,
            500,
        );
        let ends = learning.learned().denoised_points(&noise, &[Level::new(1.0, 20.0)]);
        let near = |a: f32| ends.iter().filter(|[x, y]| (x - a).hypot(y - a) < 0.3).count() as f64 / 500.0;
        [near(0.6), near(-0.6)]
    };
    // At first all answers are near the mean, (0.36, 0.36).
    assert_eq!(shares(&Learning::new(recipe("consistency", 1), plane.clone()).unwrap()), [0.0, 0.0]);
    // Of four fifths and one; a small network finds the smaller mode late.
    let [upper, lower] = shares(&learned("consistency", &plane, 800));
    assert!(upper > 0.6 && lower > 0.03 && lower < 0.3, "{upper}, {lower}");
}

/// Losses of one example by their definitions, from scores that are read off a network; and their derivatives by the
/// network's outputs by differences.
#[test]
fn slopes_of_losses_are_their_derivatives() {
    for entry in <dyn Matching>::all() {
        let learning = Learning::new(recipe(entry.about().slug, 10), famous("pair")).unwrap();
        for seed in 0..5 {
            let (example, answers) = learning.example(seed);
            let (_, slopes) = entry.loss(&example, &answers);
            assert_eq!(slopes.len(), answers.len(), "{}", entry.about().slug);
            // Of a consistency model the nearer answer is held.
            let free = if entry.about().slug == "consistency" { 1 } else { answers.len() };
            for index in 0..free {
                for (axis, found) in slopes[index].into_iter().enumerate() {
                    let moved = |by: f64| {
                        let mut answers: Vec<Answer> = answers.clone();
                        answers[index].output[axis] += by;
                        entry.loss(&example, &answers).0
                    };
                    let known = (moved(1e-4) - moved(-1e-4)) / 2e-4;
                    assert!(
                        (found - known).abs() < 1e-4 * (1.0 + known.abs()),
                        "{}: {found}, not {known}",
                        entry.about().slug
                    );
                }
            }
        }
    }
}

/// The losses of implicit and sliced matching are those of `train`, which differentiates by tensors.
#[test]
fn losses_by_the_divergence_are_those_of_the_general_ones() {
    let plane = famous("pair");
    for (slug, sliced) in [("implicit", false), ("sliced", true)] {
        let learning = Learning::new(recipe(slug, 10), plane.clone()).unwrap();
        let model = learning.learned();
        let entry: Choice<dyn Matching> = slug.parse().unwrap();
        for seed in 0..5 {
            let (example, answers) = learning.example(seed);
            let (found, _) = entry.entry().loss(&example, &answers);
            let level = Level::new(1.0, example.ratio);
            let score = |x: Tensor<2>| {
                let n = x.dims()[0];
                let moved = x + tensor(&plane.mean());
                model.score(&moved.reshape([n, 2, 1, 1]), &[level]).unwrap().reshape([n, 2])
            };
            let x = tensor(&answers[0].x);
            let step = 0.3 * example.ratio;
            let loss = match sliced {
                true => score_explorer::train::sliced(score, &x, &tensor(&example.direction), step),
                false => score_explorer::train::implicit(score, &x, step),
            };
            let loss = f64::from(loss.into_scalar::<f32>());
            // The weight that makes all noise levels equally important: σ⁴/out² with out = σ·s/√(σ² + s²).
            let weight = example.ratio.powi(2) * (1.0 + (example.ratio / plane.std()).powi(2));
            let scale = 1.0 + (weight * loss).abs();
            assert!((found - weight * loss).abs() < 2e-3 * scale, "{slug}: {found}, not {}", weight * loss);
        }
    }
}

fn tensor(values: &[f64; 2]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.map(|x| x as f32).to_vec(), [1, 2]), &Device::flex())
}

#[test]
fn a_training_is_the_same_for_any_number_of_threads_and_another_for_another_seed() {
    let plane = famous("pair");
    let after = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut learning = Learning::new(Recipe { seed, ..recipe("denoising", 5) }, plane.clone()).unwrap();
            while !learning.is_done() {
                learning.advance();
            }
            learning.learned()
        })
    };
    assert!(after(1, 1) == after(3, 1));
    assert!(after(1, 1) != after(1, 2));
}

/// From few points a network learns these, not the data: its samples' denoised means come nearer to them.
#[test]
fn few_points_are_remembered() {
    let plane = famous("gaussian");
    let mut learning = Learning::new(Recipe { points: Some(4), ..recipe("denoising", 600) }, plane.clone()).unwrap();
    while !learning.is_done() {
        learning.advance();
    }
    let points = learning.points().to_vec();
    assert_eq!(points.len(), 4);
    let level = [Level::new(1.0, 0.15)];
    let nearest = |answers: Vec<Point>| {
        let apart = |[x, y]: &Point| points.iter().map(|[a, b]| (x - a).hypot(y - b)).fold(f32::MAX, f32::min);
        answers.iter().map(apart).sum::<f32>() / answers.len() as f32
    };
    let noised: Vec<Point> = plane.sample(&score_explorer::plane::noise(3, 300));
    let (found, exact) =
        (nearest(learning.learned().denoised_points(&noised, &level)), nearest(plane.denoised_points(&noised, &level)));
    assert!(found < 0.6 * exact, "{found}, exact {exact}");
}

#[test]
fn impossible_recipes_are_refused() {
    for (recipe, word) in [
        (Recipe { width: 1, ..Recipe::default() }, "width"),
        (Recipe { depth: 99, ..Recipe::default() }, "depth"),
        (Recipe { batch: 0, ..Recipe::default() }, "batch"),
        (Recipe { steps: 0, ..Recipe::default() }, "steps"),
        (Recipe { rate: f64::NAN, ..Recipe::default() }, "rate"),
        (Recipe { points: Some(0), ..Recipe::default() }, "points"),
    ] {
        let sentence = recipe.check().unwrap_err().to_string();
        assert!(sentence.contains(word) && sentence.contains("; "), "{sentence}");
    }
}
