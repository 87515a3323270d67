//! Losses against published code, and against what a network's score says when it is used.

use super::{Told, data, figures, number, numbers, relative_error};
use burn::tensor::{Device, TensorData};
use score_explorer::Image;
use score_explorer::checkpoint::open_network;
use score_explorer::network::Network;
use score_explorer::registry::Choice;
use score_explorer::score::{Conditioning, Description, NetworkScore, ScoreModel};
use score_explorer::sde::{FamilyKind, Level};
use score_explorer::train::{
    Ddpm, Draw, Dsm, Edm, Objective, Path, REDUCTION, Regression, Smld, WEIGHTING, uncertain, usual,
};
use serde_json::Value;

/// As close as the reference asks.
const CLOSE: f64 = 1e-9;

/// The recorded function in the network's place: p·x + s·λ + q·tanh(r·x + u·λ + v[channel]) + w[channel], λ = asinh(label).
fn answer(function: &Value, regression: &Regression<f64>) -> Vec<f64> {
    let [p, s, q, r, u] = ["p", "s", "q", "r", "u"].map(|key| number(&function[key]));
    let [v, w] = ["v", "w"].map(|key| numbers(&function[key]));
    let (size, channels) = (regression.size(), v.len());
    let value = |(place, &x): (usize, &f64)| {
        let (channel, label) = (place % size / (size / channels), regression.labels[place / size].asinh());
        p * x + s * label + q * (r * x + u * label + v[channel]).tanh() + w[channel]
    };
    regression.inputs.iter().enumerate().map(value).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Holds the losses of a recorded case.
fn holds(all: &Value, case: &Value, regression: &Regression<f64>, name: &str, of_each: &str, of_all: &str) {
    let output = answer(&all["functions"][case["function"].as_str().unwrap()], regression);
    let losses = regression.losses(&output);
    let error = relative_error(&losses, &numbers(&case[of_each]));
    assert!(error < CLOSE, "{name}: off by {error:.1e}");
    let error = (mean(&losses) / number(&case[of_all]) - 1.0).abs();
    assert!(error < CLOSE, "{name}: the mean is off by {error:.1e}");
}

fn reduction(case: &Value) -> &'static str {
    if case["reduce_mean"] == true { "mean" } else { "half-sum" }
}

#[test]
fn continuous_losses_are_the_published_ones() {
    let all = figures("losses.json");
    let z = numbers(&all["z"]);
    for kind in [FamilyKind::Ve, FamilyKind::Vp, FamilyKind::SubVp] {
        let recorded = &all["continuous"][kind.about().slug];
        let conditioning = Told::Continuous(kind).conditioning();
        let clean = numbers(&all[if recorded["data"] == "unit" { "data_unit" } else { "data_centred" }]);
        let draws: Vec<Draw> = numbers(&recorded["t"]).into_iter().map(Draw::at).collect();
        for case in recorded["cases"].as_array().unwrap() {
            let weighting = if case["likelihood_weighting"] == true { "likelihood" } else { "noise" };
            let objective =
                Choice::<dyn Objective>::new(&Dsm).with(&WEIGHTING, weighting).with(&REDUCTION, reduction(case));
            let regression = objective.regression(&conditioning, &clean, &z, &draws);
            assert!(relative_error(&regression.inputs, &numbers(&recorded["perturbed"])) < CLOSE);
            assert!(relative_error(&regression.labels, &numbers(&recorded["labels"])) < CLOSE);
            holds(&all, case, &regression, &format!("{kind}: {case}"), "loss_of_each", "loss");
        }
    }
}

#[test]
fn discrete_losses_are_the_published_ones() {
    let all = figures("losses.json");
    let (z, levels) = (numbers(&all["z"]), 1000.0);
    let objectives: [(&str, Told, &'static dyn Objective, &str); 2] =
        [("smld", Told::Smld, &Smld, "data_unit"), ("ddpm", Told::Ddpm, &Ddpm, "data_centred")];
    for (name, told, entry, clean) in objectives {
        let (recorded, conditioning) = (&all[name], told.conditioning());
        // Each level has a thousandth of all times, the least noise first; SMLD counts from the most.
        let draw = |label: f64| {
            let index = if told == Told::Smld { levels - 1.0 - label } else { label };
            Draw::at((index + 0.5) / levels)
        };
        let draws: Vec<Draw> = numbers(&recorded["labels"]).into_iter().map(draw).collect();
        for case in recorded["cases"].as_array().unwrap() {
            let objective = Choice::new(entry).with(&REDUCTION, reduction(case));
            let regression = objective.regression(&conditioning, &numbers(&all[clean]), &z, &draws);
            assert_eq!(regression.labels, numbers(&recorded["labels"]));
            holds(&all, case, &regression, &format!("{name}: {case}"), "loss_of_each", "loss");
        }
    }
}

/// EDM's regression of the recorded images.
fn edm(all: &Value, recorded: &Value, reduction: &'static str) -> Regression<f64> {
    let conditioning = Told::Edm.conditioning();
    let sde = conditioning.description().family.sde();
    let draws: Vec<Draw> = numbers(&recorded["sigma"]).into_iter().map(|s| Draw::at(sde.time_of_ratio(s))).collect();
    let objective = Choice::<dyn Objective>::new(&Edm).with(&REDUCTION, reduction);
    objective.regression(&conditioning, &numbers(&all["data_centred"]), &numbers(&all["z"]), &draws)
}

#[test]
fn edms_loss_is_the_published_one() {
    let all = figures("losses.json");
    let recorded = &all["edm"];
    for case in recorded["cases"].as_array().unwrap() {
        let regression = edm(&all, recorded, "mean");
        assert!(relative_error(&regression.labels, &numbers(&recorded["c_noise"])) < CLOSE);
        holds(&all, case, &regression, &format!("EDM: {case}"), "loss_mean_of_each", "loss_mean");
        let regression = edm(&all, recorded, "sum");
        let output = answer(&all["functions"][case["function"].as_str().unwrap()], &regression);
        let error = (mean(&regression.losses(&output)) / number(&case["loss_as_trained"]) - 1.0).abs();
        assert!(error < CLOSE, "off by {error:.1e}");
    }
}

#[test]
fn edms_loss_survives_single_precision() {
    // At σ = 71 the state hides the data behind 140 times as much noise, and the weight is 20,000 times that of F.
    let all = figures("losses.json");
    let recorded = &all["edm"];
    let conditioning = Told::Edm.conditioning();
    let sde = conditioning.description().family.sde();
    let draws: Vec<Draw> = numbers(&recorded["sigma"]).into_iter().map(|s| Draw::at(sde.time_of_ratio(s))).collect();
    let single = |key: &str| numbers(&all[key]).into_iter().map(|x| x as f32).collect::<Vec<f32>>();
    let objective = Choice::<dyn Objective>::new(&Edm);
    let narrow = objective.regression(&conditioning, &single("data_centred"), &single("z"), &draws);
    for case in recorded["cases"].as_array().unwrap() {
        let wide = edm(&all, recorded, "mean");
        let output = answer(&all["functions"][case["function"].as_str().unwrap()], &wide);
        let output: Vec<f32> = output.into_iter().map(|f| f as f32).collect();
        let error = relative_error(&narrow.losses(&output), &numbers(&case["loss_mean_of_each"]));
        assert!(error < 1e-5, "off by {error:.1e}");
    }
}

#[test]
fn the_uncertainty_of_edm2_is_the_published_one() {
    let all = figures("losses.json");
    let recorded = &all["edm2"];
    let log_variances = numbers(&recorded["logvar"]);
    for case in recorded["cases"].as_array().unwrap() {
        for (reduction, values) in [("mean", 1.0), ("sum", 48.0)] {
            let regression = edm(&all, recorded, reduction);
            let output = answer(&all["functions"][case["function"].as_str().unwrap()], &regression);
            let found = uncertain(&regression.losses(&output), &log_variances, values);
            if reduction == "sum" {
                assert!((mean(&found.losses) / number(&case["loss_as_trained"]) - 1.0).abs() < CLOSE);
                continue;
            }
            assert!(relative_error(&found.losses, &numbers(&case["loss_mean_of_each"])) < CLOSE);
            assert!((mean(&found.losses) / number(&case["loss_mean"]) - 1.0).abs() < CLOSE);
            assert!(relative_error(&found.slopes, &numbers(&case["gradient_of_loss_mean_by_logvar"])) < CLOSE);
        }
    }
}

/// Flow matching is the error of the answer on the straight path. Published code runs time in both directions, and the
/// one that has the data at 1 has the opposite velocity. One of the recorded times
/// is that of noise alone, where α is 2⁻¹⁴ here and not 0: that image is held to as much, and the others as close as ever.
#[test]
fn flows_in_both_directions_are_the_published_ones() {
    const AT_NOISE: f64 = 2e-4;
    let near = |found: &[f64], expected: &[f64], t: f64| {
        let close = if t < 1.0 { CLOSE } else { AT_NOISE };
        assert!(relative_error(found, expected) < close, "at {t}: off by {:.1e}", relative_error(found, expected));
    };
    let each = |found: &[f64], expected: &[f64], draws: &[Draw]| {
        let size = expected.len() / draws.len();
        let images = found.chunks(size).zip(expected.chunks(size)).zip(draws);
        images.for_each(|((found, expected), draw)| near(found, expected, draw.t));
    };
    let all = figures("losses.json");
    let conditioning = Told::Flow.conditioning();
    let objective = usual(conditioning.description());
    assert_eq!(objective.about().slug, "prediction");
    for (name, direction) in [("data_at_1", -1.0), ("data_at_0", 1.0)] {
        let recorded = &all["flow"][name];
        let times = numbers(&recorded["t"]);
        let draws: Vec<Draw> = times.iter().map(|&t| Draw::at(if direction > 0.0 { t } else { 1.0 - t })).collect();
        let regression =
            objective.regression(&conditioning, &numbers(&all["data_centred"]), &numbers(&all["z"]), &draws);
        each(&regression.inputs, &numbers(&recorded["perturbed"]), &draws);
        let size = regression.size();
        let target = |(place, offset): (usize, &f64)| -direction * offset / regression.gains[place / size];
        let velocity: Vec<f64> = regression.offsets.iter().enumerate().map(target).collect();
        each(&velocity, &numbers(&recorded["velocity"]), &draws);
        // A network of the program is told a thousand times the share of noise.
        let labels: Vec<f64> = draws.iter().map(|draw| 1000.0 * draw.t).collect();
        each(&regression.labels, &labels, &draws);
        let told = Regression { labels: times, ..regression.clone() };
        for case in recorded["cases"].as_array().unwrap() {
            let output = answer(&all["functions"][case["function"].as_str().unwrap()], &told);
            let output: Vec<f64> = output.iter().map(|value| direction * value).collect();
            let losses = told.losses(&output);
            each(&losses, &numbers(&case["loss_of_each"]), &draws);
            assert!((mean(&losses) / number(&case["loss"]) - 1.0).abs() < AT_NOISE, "{name}: {case}");
        }
    }
}

#[test]
fn the_gradient_is_the_slope_of_the_loss() {
    let (clean, noise): (Vec<f64>, Vec<f64>) =
        (0..12).map(|i| ((i as f64 * 0.7).sin(), (i as f64 * 1.9).cos())).unzip();
    let output: Vec<f64> = (0..12).map(|i| (i as f64 * 2.3).sin()).collect();
    for told in Told::ALL {
        let conditioning = told.conditioning();
        let draws = [0.2, 0.5, 0.9].map(|t| Draw { t, correction: 1.7 });
        let regression = usual(conditioning.description()).regression(&conditioning, &clean, &noise, &draws);
        let (losses, gradient) = regression.gradient(&output, 3);
        assert_eq!(losses, regression.losses(&output));
        for place in 0..output.len() {
            // The loss is quadratic: a central difference of any width is exact.
            let moved = |by: f64| {
                let mut output = output.clone();
                output[place] += by;
                mean(&regression.losses(&output))
            };
            let slope = (moved(0.5) - moved(-0.5)) / 1.0;
            let scale = gradient.iter().fold(0.0f64, |most, g| most.max(g.abs()));
            assert!((slope - gradient[place]).abs() < 1e-9 * scale, "{told:?}: {slope}, not {}", gradient[place]);
        }
        // Parts of a batch add up to the whole.
        let half = usual(conditioning.description()).regression(&conditioning, &clean[4..], &noise[4..], &draws[1..]);
        assert_eq!(half.gradient(&output[4..], 3).1, gradient[4..]);
    }
}

/// What is minimised is ‖σ·score + z‖² of the very score that samplers ask for later.
#[test]
fn the_loss_is_that_of_the_score_which_samplers_see() {
    let device = Device::flex();
    let nets = [
        "ncsnpp-ve-cifar10-discrete",
        "ncsnpp-vp-cifar10",
        "ddpmpp-subvp-cifar10",
        "ddpm-vp-cifar10-discrete",
        "ncsnpp-ve-ffhq1024",
    ];
    let mut opened = Vec::from(nets.map(|name| {
        let folder = data().join("nets").join(name);
        open_network(&folder.join("checkpoint.pth"), Some(&folder.join("config.json"))).unwrap()
    }));
    let refinenets = ["ncsn", "ncsnv2"].map(|name| data().join("ncsn").join(name).join("checkpoint.pth"));
    opened.extend(refinenets.map(|file| open_network(&file, None).unwrap()));
    let mut edm = opened[1].description.clone();
    let mut config = edm.config.unet().unwrap().clone();
    config.variant.sigma_data = Some(0.5);
    edm = Description::new(config.into(), Told::Edm.description().family, true, 1000, edm.range);
    let cases = opened.iter().map(|opened| (opened.description.clone(), &opened.weights));
    for (description, weights) in cases.chain([(edm, &opened[1].weights)]) {
        let size: usize = description.config.shape().iter().product();
        let mut random = fastrand::Rng::with_seed(3);
        let mut draw = |n: usize| (0..n).map(|_| 2.0 * random.f32() - 1.0).collect::<Vec<f32>>();
        let (clean, z) = (draw(2 * size), draw(2 * size));
        let conditioning = Conditioning::new(description.clone());
        let draws = [0.31, 0.77].map(Draw::at);
        let objective = usual(&description);
        objective.check_for(&description).unwrap();
        objective.entry().times().check_for(&Path::of(&conditioning)).unwrap();
        let regression = objective.clone().with(&REDUCTION, "sum").regression(&conditioning, &clean, &z, &draws);
        let [c, h, w] = description.config.shape();
        let image = |values: Vec<f32>| Image::from_data(TensorData::new(values, [2, c, h, w]), &device);
        let network = Network::new(&description.config, weights, &device).unwrap();
        let output = network.forward(image(regression.inputs.clone()), &regression.labels).unwrap();
        let losses = regression.losses(&output.try_to_vec_as().unwrap());

        let places = draws.map(|draw| conditioning.trained(draw.t));
        let model = NetworkScore::new(network, description.clone());
        let noised = |i: usize| (places[i / size].alpha as f32) * clean[i] + (places[i / size].sigma as f32) * z[i];
        let x = image((0..2 * size).map(noised).collect());
        let at = places.map(|place| Level::new(place.alpha, place.sigma));
        let score: Vec<f32> = model.score(&x, &at).unwrap().try_to_vec_as().unwrap();
        for (n, place) in places.iter().enumerate() {
            let of_image = n * size..(n + 1) * size;
            let square = |i: usize| (place.sigma * f64::from(score[i]) + f64::from(z[i])).powi(2);
            let weight = if objective.is(&Edm) { (place.sigma * place.gain).powi(-2) } else { 1.0 };
            let expected: f64 = weight * of_image.map(square).sum::<f64>();
            // Single precision in the network, and in x where σ is large.
            let error = (losses[n] / expected - 1.0).abs();
            assert!(error < 1e-3, "{} at {place:?}: {} not {expected}", objective.about().slug, losses[n]);
        }
    }
}

#[test]
fn an_objective_for_another_network_is_refused() {
    let wrong: [(Told, &'static dyn Objective, &str); 4] = [
        (Told::Smld, &Dsm, "smld"),
        (Told::Ddpm, &Smld, "ddpm"),
        (Told::Continuous(FamilyKind::Vp), &Edm, "dsm"),
        (Told::Edm, &Ddpm, "edm"),
    ];
    for (told, entry, usual) in wrong {
        let refused = Choice::new(entry).check_for(&told.description()).unwrap_err().to_string();
        assert!(refused.ends_with(&format!("; choose {usual}")), "{refused}");
    }
}
