//! The weights that a training starts from.

use super::{Told, data};
use score_explorer::checkpoint::open_network;
use score_explorer::network::{Architecture, Array, Weights};
use score_explorer::train::initial_weights;

/// A reference network's architecture, made wide, so that variances are measured well.
fn unet(name: &str, nf: usize) -> Architecture {
    let folder = data().join("nets").join(name);
    let opened = open_network(&folder.join("checkpoint.pth"), Some(&folder.join("config.json"))).unwrap();
    let mut config = opened.description.config.unet().unwrap().clone();
    config.nf = nf;
    config.into()
}

fn refinenet(conditional: bool) -> Architecture {
    let config = serde_json::json!({
        "ngf": 32, "stages": 4, "conditional": conditional, "nonlinearity": "elu", "image_size": 32, "channels": 3,
        "rescaled": false, "sigma_begin": 50.0, "sigma_end": 0.01, "num_classes": 40,
    });
    serde_json::from_value(config).unwrap()
}

fn moments(array: &Array) -> (f64, f64) {
    let count = array.values.len() as f64;
    let mean = array.values.iter().map(|&w| f64::from(w)).sum::<f64>() / count;
    (mean, array.values.iter().map(|&w| (f64::from(w) - mean).powi(2)).sum::<f64>() / count)
}

/// Holds mean and variance of a parameter whose values have the fourth moment `kurtosis` in units of the variance squared:
/// 9/5 uniform, 3 normal.
fn follows(name: &str, array: &Array, mean: f64, variance: f64, kurtosis: f64) {
    let count = array.values.len() as f64;
    let found = moments(array);
    // Six standard errors, for several hundred parameters.
    assert!((found.0 - mean).abs() <= 6.0 * (variance / count).sqrt(), "{name}: mean {}, not {mean}", found.0);
    let allowed = 6.0 * ((kurtosis - 1.0) / count).sqrt() + 1.0 / count;
    assert!((found.1 / variance - 1.0).abs() <= allowed, "{name}: variance {}, not {variance}", found.1);
}

const UNIFORM: f64 = 1.8;
const NORMAL: f64 = 3.0;

/// The variance of score_sde's `default_init(scale)`.
fn fan_average(shape: &[usize], scale: f64) -> f64 {
    let taps: usize = shape[2..].iter().product();
    2.0 * scale / ((shape[0] + shape[1]) * taps) as f64
}

/// Names of published modules whose weights are nearly zero at first, by their end.
const LAST: [&str; 2] = ["Conv_1.weight", "NIN_3.W"];

fn published(architecture: &Architecture, fourier: bool) {
    let weights = initial_weights(architecture, 7);
    let parameters = architecture.parameters();
    assert_eq!(parameters.len(), weights.len());
    let image = architecture.shape()[0];
    for (index, (name, shape)) in parameters.iter().enumerate() {
        let array = &weights[name];
        assert_eq!(&array.shape, shape);
        let constant = |value: f32| assert!(array.values.iter().all(|&w| w == value), "{name}");
        match shape.as_slice() {
            [_] if fourier && index == 0 => follows(name, array, 0.0, 256.0, NORMAL),
            // A normalisation's weight, of one dimension.
            [_] if name.ends_with("weight") => constant(1.0),
            [_] => constant(0.0),
            shape => {
                let to_image = shape.len() == 4 && shape[0] == image;
                let scale = match LAST.iter().any(|end| name.ends_with(end)) || to_image {
                    true => 1e-10,
                    false if name.ends_with(".W") => 0.1,
                    false => 1.0,
                };
                follows(name, array, 0.0, fan_average(shape, scale), UNIFORM);
                // Uniform to the bound, and not beyond.
                let largest = array.values.iter().fold(0.0f64, |most, w| most.max(f64::from(w.abs())));
                let bound = (3.0 * fan_average(shape, scale)).sqrt();
                assert!(largest <= bound * 1.000_001 && largest > 0.9 * bound, "{name}: {largest} of {bound}");
            }
        }
    }
}

#[test]
fn unets_begin_as_published() {
    published(&unet("ddpm-vp-cifar10-discrete", 16), false);
    published(&unet("ddpmpp-vp-cifar10", 16), false);
    published(&unet("ncsnpp-ve-ffhq1024", 16), true);
    published(&unet("ncsnpp-ve-cifar10-discrete", 16), false);
}

#[test]
fn an_untrained_unet_answers_nearly_nothing() {
    // So that the first loss is that of the best constant.
    let architecture = unet("ddpmpp-vp-cifar10", 16);
    let device = burn::tensor::Device::flex();
    let network =
        score_explorer::network::Network::new(&architecture, &initial_weights(&architecture, 1), &device).unwrap();
    let [c, h, w] = architecture.shape();
    let x = score_explorer::Image::ones([1, c, h, w], &device);
    let output: Vec<f32> = network.forward(x, &[500.0]).unwrap().try_to_vec_as().unwrap();
    let largest = output.iter().fold(0.0f32, |most, f| most.max(f.abs()));
    assert!(largest > 0.0 && largest < 1e-3, "{largest}");
}

#[test]
fn refinenets_begin_as_published() {
    for conditional in [false, true] {
        let architecture = refinenet(conditional);
        let weights = initial_weights(&architecture, 7);
        let fan_in_of = |shape: &[usize]| (shape[1] * shape[2] * shape[3]) as f64;
        for (name, shape) in architecture.parameters() {
            let array = &weights[&name];
            if name.ends_with("embed.weight") {
                let width = shape[1];
                let part = |range: std::ops::Range<usize>| {
                    let values: Vec<f32> =
                        array.values.chunks(width).flat_map(|row| row[range.clone()].to_vec()).collect();
                    Array { shape: vec![values.len()], values }
                };
                follows(&name, &part(0..2 * width / 3), 1.0, 4e-4, NORMAL);
                assert!(part(2 * width / 3..width).values.iter().all(|&beta| beta == 0.0));
            } else if name.ends_with("alpha") || name.ends_with("gamma") {
                follows(&name, array, 1.0, 4e-4, NORMAL);
            } else if name.ends_with("beta") {
                assert!(array.values.iter().all(|&beta| beta == 0.0));
            } else {
                // Uniform in ±1/√fan-in, biases as their weights.
                let weight = name.strip_suffix("bias").map_or(name.clone(), |at| format!("{at}weight"));
                follows(&name, array, 0.0, 1.0 / (3.0 * fan_in_of(&weights[&weight].shape)), UNIFORM);
            }
        }
    }
}

#[test]
fn weights_are_a_function_of_seed_and_name() {
    let architecture = Told::Edm.description().config;
    let (weights, again) = (initial_weights(&architecture, 3), initial_weights(&architecture, 3));
    assert_eq!(weights, again);
    let other: Weights = initial_weights(&architecture, 4);
    let random: Vec<_> = weights.iter().filter(|(_, array)| moments(array).1 > 0.0).collect();
    assert!(random.len() > 10);
    for (index, (name, array)) in random.iter().enumerate() {
        assert_ne!(other[*name].values, array.values);
        // Of two parameters of one shape, none is a multiple of the other.
        for (also, twin) in random[index + 1..].iter().filter(|(_, twin)| twin.shape == array.shape) {
            let dot = |a: &Array, b: &Array| {
                a.values.iter().zip(&b.values).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
            };
            let correlation = dot(array, twin) / (dot(array, array) * dot(twin, twin)).sqrt();
            assert!(correlation.abs() < 6.0 / (array.values.len() as f64).sqrt(), "{name}, {also}: {correlation}");
        }
    }
}
