//! Runs that are led to a class by the classifier that ships.

use super::{engine, finished, options, pixels, quick, start};
use crate::choices::{grid, solver};
use burn::tensor::{Device, Tensor, TensorData};
use score_explorer::Image;
use score_explorer::checkpoint::find_classifier;
use score_explorer::engine::Sample;
use score_explorer::network::Classifier;
use score_explorer::score::{ClassifierGuidance, Classify, NetworkClassifier};
use score_explorer::sde::{Family, FamilyKind, Level};
use score_explorer::task::{Count, Guidance, ModelRef, Origin, Run, Steps};

fn led(class: &str, weight: f64) -> Option<Guidance> {
    Some(Guidance::new(&ClassifierGuidance, Some(class), weight))
}

fn worlds_classifier(device: &Device) -> NetworkClassifier {
    let opened = find_classifier(&ModelRef::Named("worlds-classifier".into())).unwrap();
    let network = Classifier::new(&opened.description.config, &opened.weights, device).unwrap();
    NetworkClassifier::new(network, opened.description)
}

/// How many clean images, in [−1, 1], a classifier takes for nights.
fn of_night(classifier: &NetworkClassifier, x: &Image) -> usize {
    let night = classifier.description().class("Night").expect("a kind");
    let logits: Vec<f32> = classifier.logits(x, &[Level::CLEAN]).unwrap().into_data().try_into_vec().unwrap();
    let best = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]));
    logits.chunks(6).filter(|row| best(row) == Some(night)).count()
}

fn worlds(guidance: Option<Guidance>) -> Run {
    let run = quick(4);
    let model = ModelRef::Exact(ModelRef::WORLDS.into());
    Run { model, count: Count::new(2).expect("count"), guidance, ..run }
}

#[test]
fn a_branch_replays_its_parent_as_that_was_led_and_clipped() {
    let engine = engine();
    let parent = Run { clip: true, ..worlds(led("sea", 4.0)) };
    let whole = finished(&start(&engine, parent.clone()));
    for (guidance, clip) in [(None, false), (led("night", 2.0), true)] {
        let origin = Origin::Branch { parent: Box::new(parent.clone()), step: 2 };
        let branch = Run { origin, clip, guidance, steps: Steps::new(5).expect("steps"), ..parent.clone() };
        let from = Some(whole.timeline[2].clone());
        let live = finished(&engine.start(Sample { run: branch.clone(), from }, options()));
        let replayed = finished(&start(&engine, branch));
        assert_eq!(pixels(&live.timeline[0]), pixels(&whole.timeline[2]));
        assert_eq!(pixels(&live.newest), pixels(&replayed.newest));
        assert_ne!(pixels(&live.newest), pixels(&whole.newest));
    }
}

#[test]
fn samples_are_led_in_every_family_and_range_of_data() {
    let (engine, device) = (engine(), Device::flex());
    let classifier = worlds_classifier(&device);
    // VE's images are in [0, 1], all others and the classifier's in [−1, 1].
    for kind in FamilyKind::ALL {
        // Scaled linear as published ends with 7 % of the data in x(T), which the prior has not.
        let family = match kind.published() {
            Family::ScaledLinear(sde) => Family::ScaledLinear(sde.ending_in_noise(true)),
            family => family,
        };
        let run = Run {
            family,
            solver: solver("heun"),
            grid: grid("edm"),
            // Paths that end in noise alone have the longer way.
            steps: Steps::new(if family.sde().alpha(1.0) < 1e-3 { 24 } else { 12 }).expect("steps"),
            count: Count::new(8).expect("count"),
            ..worlds(led("night", 2.0))
        };
        let (low, high) = run.family.facts().range.bounds();
        let end = finished(&start(&engine, run)).newest.x.clone();
        let x: Image = Tensor::from_data(TensorData::new(end.values.to_vec(), end.shape), &device);
        let x = (x - low) * (2.0 / (high - low)) - 1.0;
        let right = of_night(&classifier, &x);
        // Of eight unled samples, a sixth would be: six or more with a chance below 0.0005.
        assert!(right >= 6, "{kind:?}: {right} of 8");
    }
}

#[test]
fn a_classifier_reads_larger_images_by_their_means() {
    let device = Device::flex();
    let classifier = worlds_classifier(&device);
    let small: Image = Tensor::random([2, 3, 32, 32], burn::tensor::Distribution::Normal(0.0, 0.7), &device);
    // Noise that the mean of its blocks loses, beside a picture that it keeps.
    let blocks = small.clone().reshape([2, 3, 32, 1, 32, 1]).expand([2, 3, 32, 2, 32, 2]).reshape([2, 3, 64, 64]);
    let checks: Vec<f32> = (0..64 * 64).map(|place| if (place / 64 + place) % 2 == 0 { 0.3 } else { -0.3 }).collect();
    let checks: Image = Tensor::from_data(TensorData::new(checks, [1, 1, 64, 64]), &device);
    let level = |sigma: f64| Level { sigma, ..Level::CLEAN };
    let logits = |x: &Image, sigma: f64| -> Vec<f32> {
        classifier.logits(x, &[level(sigma)]).unwrap().into_data().try_into_vec().unwrap()
    };
    let (expected, found) = (logits(&small, 0.4), logits(&(blocks + checks), 0.8));
    for (expected, found) in expected.iter().zip(&found) {
        // Sums of four in single precision.
        assert!((expected - found).abs() < 1e-4 * expected.abs().max(1.0), "{expected} {found}");
    }
    assert!(classifier.logits(&Tensor::zeros([1, 3, 48, 48], &device), &[level(0.4)]).is_err());
}

#[test]
fn the_bundled_networks_of_all_sizes_are_led_to_a_class() {
    let (engine, device) = (engine(), Device::flex());
    let classifier = worlds_classifier(&device);
    for (name, size) in ModelRef::BUNDLED {
        let run = Run {
            model: ModelRef::Named(name.into()),
            solver: solver("heun"),
            grid: grid("edm"),
            steps: Steps::new(8).expect("steps"),
            count: Count::new(6).expect("count"),
            ..worlds(led("night", 3.0))
        };
        let end = finished(&start(&engine, run)).newest.x.clone();
        assert_eq!(end.shape, [6, 3, size, size]);
        let x: Image = Tensor::from_data(TensorData::new(end.values.to_vec(), end.shape), &device);
        let right = of_night(&classifier, &x);
        // Of six unled samples, a sixth would be: five or more with a chance below 0.0007.
        assert!(right >= 5, "{name}: {right} of 6");
    }
}

#[test]
fn the_classifiers_that_ship_are_found_by_their_classes() {
    for (name, classes) in Guidance::SHIPPED {
        let opened = find_classifier(&ModelRef::Named(name.into())).unwrap();
        assert_eq!(opened.description.classes, classes, "{name}");
        for class in classes {
            assert_eq!(Guidance::knowing(Some(&class.to_uppercase())), name);
        }
    }
    assert_eq!(Guidance::knowing(Some("3")), "worlds-classifier");
    let error = find_classifier(&ModelRef::Named("other".into())).unwrap_err().to_string();
    assert!(error.contains("worlds-classifier or cifar10-classifier"), "{error}");
}
