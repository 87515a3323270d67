//! NCSN and NCSNv2 against what their original releases answered, and what holds between their levels.

use super::{image, noise, relative_error, values};
use crate::graphics::{graphics, half_precision};
use burn::tensor::Device;
use score_explorer::Image;
use score_explorer::checkpoint::{Overrides, adopt, open_network, read_score_sde_config, read_tensors, read_torch};
use score_explorer::network::{Architecture, Array, Network, Nonlinearity, Weights};
use score_explorer::score::{Description, NetworkScore, ScoreModel};
use score_explorer::sde::{Family, Level, Range, Ve};
use serde_json::json;
use std::path::PathBuf;

/// Single precision sums over some hundred channels and pixels, in another order than PyTorch's.
const ROUNDING: f64 = 2e-5;

fn file(net: &str, name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/ncsn").join(net).join(name)
}

fn open(net: &str, device: &Device) -> NetworkScore {
    let opened = open_network(&file(net, "checkpoint.pth"), None).unwrap();
    build(opened.description, &opened.weights, device)
}

fn build(description: Description, weights: &Weights, device: &Device) -> NetworkScore {
    let network = Network::new(&description.config, weights, device).unwrap();
    NetworkScore::new(network, description)
}

/// A parameter as `tests/data/ncsn/make.py` fills it.
fn formula(name: &str, shape: &[usize], k: usize) -> Array {
    let count: usize = shape.iter().product();
    let row = (count / shape[0]) as f64;
    let value = |i: usize| {
        let i = i as f64;
        let s = (0.37 * i * (1.0 + 1e-4 * i) + 1.3 * k as f64).sin();
        (if shape.len() > 1 {
            1.2 * s * (2.0 / row).sqrt()
        } else if name.ends_with("alpha") || name.ends_with("gamma") {
            1.0 + 0.3 * s
        } else {
            0.1 * s
        }) as f32
    };
    Array { shape: shape.to_vec(), values: (0..count).map(value).collect() }
}

/// A network of formulas, configured in the words of score_sde.
fn deep(name: &str, device: &Device) -> NetworkScore {
    let centered = name == "ncsnv2_128";
    let (sigma, nonlinearity) = if centered { (190.0, "elu") } else { (348.0, "swish") };
    let config = json!({
        "training": { "sde": "vesde", "continuous": false },
        "data": { "image_size": 16, "num_channels": 3, "centered": centered },
        "model": {
            "name": name, "nf": 4, "num_scales": 20, "sigma_max": sigma, "sigma_min": 0.01,
            "normalization": "InstanceNorm++", "nonlinearity": nonlinearity, "scale_by_sigma": true,
        },
    });
    let description = read_score_sde_config(&config.to_string(), &Overrides::default()).unwrap();
    let mut parameters = description.config.parameters();
    parameters.sort();
    let filled = parameters.into_iter().enumerate();
    let weights = filled.map(|(k, (name, shape))| (name.clone(), formula(&name, &shape, k))).collect();
    build(description, &weights, device)
}

/// Output and score, which are the same here, of each recorded sample.
fn agrees(net: &str, model: &NetworkScore, device: &Device, tolerance: f64) {
    let recorded = read_tensors(&file(net, "io.safetensors")).unwrap();
    let x = image(&recorded["x"], device);
    let labels: Vec<f64> = recorded["labels"].values.iter().map(|&label| f64::from(label)).collect();
    let output = values(model.network().forward(x.clone(), &labels).unwrap());
    let description = model.description();
    let last = description.levels as f64 - 1.0;
    let levels: Vec<Level> = labels.iter().map(|label| description.family.sde().level(1.0 - label / last)).collect();
    let score = values(model.score(&x, &levels).unwrap());
    let expected = &recorded["output"].values;
    let size = expected.len() / labels.len();
    // Each sample is held against its own largest value.
    for (sample, expected) in expected.chunks(size).enumerate() {
        let of = |found: &[f32]| relative_error(&found[sample * size..][..size], expected);
        let (output, score) = (of(&output), of(&score));
        println!("{net}, level {}: output {output:.1e}, score {score:.1e}", labels[sample]);
        assert!(output < tolerance && score < tolerance, "{net}: output off by {output:.1e}, score by {score:.1e}");
    }
}

#[test]
fn ncsn_answers_as_its_original() {
    agrees("ncsn", &open("ncsn", &Device::flex()), &Device::flex(), ROUNDING);
}

#[test]
fn ncsnv2_answers_as_its_original() {
    agrees("ncsnv2", &open("ncsnv2", &Device::flex()), &Device::flex(), ROUNDING);
}

#[test]
fn deeper_ncsnv2_answer_as_their_originals() {
    for net in ["ncsnv2_128", "ncsnv2_256"] {
        agrees(net, &deep(net, &Device::flex()), &Device::flex(), ROUNDING);
    }
}

#[test]
fn differentiable_ncsn_answer_as_their_originals() {
    let device = Device::flex().autodiff();
    for net in ["ncsn", "ncsnv2"] {
        agrees(net, &open(net, &device), &device, ROUNDING);
    }
}

#[test]
fn ncsn_answer_as_their_originals_on_vulkan() {
    let device = graphics();
    for net in ["ncsn", "ncsnv2"] {
        agrees(net, &open(net, &device), &device, ROUNDING);
    }
}

/// Features are rounded to eleven bits, sums are not.
#[test]
fn half_precision_stays_within_two_thousandths() {
    let device = half_precision();
    for net in ["ncsn", "ncsnv2"] {
        agrees(net, &open(net, &device), &device, 2e-3);
    }
}

#[test]
fn configurations_of_the_originals_say_family_range_and_levels() {
    let described = |net: &str| open_network(&file(net, "checkpoint.pth"), None).unwrap().description;
    let ncsn = described("ncsn");
    assert_eq!((ncsn.family, ncsn.continuous, ncsn.levels), (Family::Ve(Ve::new(0.01, 1.0).unwrap()), false, 10));
    assert_eq!((ncsn.range, ncsn.config.shape()), (Range::Unit, [1, 28, 28]));
    let ncsnv2 = described("ncsnv2");
    assert_eq!((ncsnv2.family, ncsnv2.levels), (Family::Ve(Ve::new(0.01, 50.0).unwrap()), 20));
    assert_eq!(ncsnv2.card, "Trained for 1234 steps.");
    let Architecture::RefineNet(config) = ncsnv2.config else { panic!("another architecture") };
    assert_eq!((config.ngf, config.stages, config.conditional), (4, 4, false));
    assert_eq!(config.nonlinearity, Nonlinearity::Elu);
    assert_eq!(deep("ncsnv2_128", &Device::flex()).range(), Some(Range::Symmetric));
}

#[test]
fn parameters_are_in_the_order_of_the_originals() {
    for net in ["ncsn", "ncsnv2"] {
        let checkpoint = read_torch(&file(net, "checkpoint.pth")).unwrap();
        let parameters = open_network(&file(net, "checkpoint.pth"), None).unwrap().description.config.parameters();
        let names: Vec<_> = parameters.iter().map(|(name, _)| name).collect();
        let order: Vec<_> = checkpoint.order.iter().filter(|name| *name != "sigmas").collect();
        assert_eq!(names, order);
        assert!(parameters.iter().all(|(name, shape)| *shape == checkpoint.model[name].shape));
    }
}

/// As the originals' own classes count theirs; 29.7 million for NCSNv2 on CIFAR-10.
#[test]
fn published_sizes_have_the_published_number_of_parameters() {
    let count = |name: &str, size: usize| -> usize {
        let config = json!({
            "data": { "image_size": size, "channels": 3 },
            "model": { "name": name, "ngf": 128, "num_classes": 10, "sigma_begin": 1, "sigma_end": 0.01 },
        });
        let parameters = read_score_sde_config(&config.to_string(), &Overrides::default()).unwrap().config.parameters();
        parameters.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    };
    let counts = [("ncsn", 32), ("ncsnv2_64", 64), ("ncsnv2_128", 128), ("ncsnv2_256", 256)].map(|(n, s)| count(n, s));
    assert_eq!(counts, [30_117_635, 29_694_083, 83_445_379, 94_132_611]);
}

fn state(model: &NetworkScore) -> Image {
    let [c, h, w] = model.shape();
    image(&Array { shape: vec![1, c, h, w], values: noise(c * h * w, 3) }, &Device::flex())
}

/// An NCSNv2 knows the level by its division alone: σ times the score is the same for all σ.
#[test]
fn ncsnv2_answers_between_its_levels() {
    let model = open("ncsnv2", &Device::flex());
    let x = state(&model);
    let at = |sigma: f64| values(model.score(&x, &[Level::new(1.0, sigma)]).unwrap() * sigma);
    let expected = at(50.0);
    for sigma in [33.0, 2.0, 0.57, 0.01] {
        // The label lies in [0, 19] and comes through two logarithms.
        assert!(relative_error(&at(sigma), &expected) < 1e-5, "σ = {sigma}");
    }
}

/// Between the ten levels of an NCSN, x + σ²·score is that of the nearest one.
#[test]
fn ncsn_keeps_the_denoised_picture_of_its_nearest_level() {
    let model = open("ncsn", &Device::flex());
    let x = state(&model);
    let step = |sigma: f64| values(model.score(&x, &[Level::new(1.0, sigma)]).unwrap() * (sigma * sigma));
    // Levels lie at 10^(−2k/9): 0.6 is nearest to the second, 0.59948.
    let nearest = step(0.01_f64.powf(1.0 / 9.0));
    assert!(relative_error(&step(0.65), &nearest) < 1e-5);
    assert!(relative_error(&step(0.5), &nearest) < 1e-5);
    assert!(relative_error(&step(0.4), &nearest) > 1e-3, "another level answers otherwise");
}

/// A file of ours is as little to be trusted as any.
#[test]
fn a_description_of_an_ncsn_is_checked_when_it_is_read_again() {
    let description = open("ncsn", &Device::flex()).description().clone();
    let mut saved = serde_json::to_value(&description).unwrap();
    assert_eq!(serde_json::from_value::<Description>(saved.clone()).unwrap(), description);
    saved["config"]["num_classes"] = json!(1_u64 << 40);
    let said = serde_json::from_value::<Description>(saved).unwrap_err().to_string();
    assert!(said.contains("model.num_classes = 1099511627776 is invalid"), "{said}");
}

#[test]
fn outlines_have_all_parameters_and_come_back_to_their_resolution() {
    for model in [open("ncsn", &Device::flex()), deep("ncsnv2_256", &Device::flex())] {
        let config = &model.description().config;
        let outline = config.outline();
        let all: usize = config.parameters().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        assert_eq!(outline.iter().map(|stage| stage.parameters).sum::<usize>(), all);
        let (last, [channels, side, _]) = (outline.last().unwrap(), config.shape());
        assert_eq!((last.side, last.channels[1]), (side, channels));
        let joined: Vec<_> = outline.iter().filter_map(|stage| Some((stage, &outline[stage.joins?]))).collect();
        assert!(!joined.is_empty() && joined.iter().all(|(stage, from)| stage.side == from.side));
    }
}

#[test]
fn imported_ncsn_is_the_same_network() {
    let folder = tempfile::tempdir().unwrap();
    for net in ["ncsn", "ncsnv2"] {
        let output = folder.path().join(net).with_extension("safetensors");
        adopt(
            open_network(&file(net, "checkpoint.pth"), None).unwrap(),
            &file(net, "checkpoint.pth"),
            &Default::default(),
            &output,
        )
        .unwrap();
        let again = open_network(&output, None).unwrap();
        // The file's weights are in half precision, which is what an import keeps.
        agrees(net, &build(again.description, &again.weights, &Device::flex()), &Device::flex(), ROUNDING);
    }
}
