//! Raw outputs and scores of reference networks, as recorded from published code.

use super::{build, figures, image, open, relative_error, values};
use crate::graphics::{graphics, half_precision};
use burn::tensor::Device;
use score_explorer::checkpoint::{OpenedNetwork, open_network, read_tensors};
use score_explorer::network::Weights;
use score_explorer::score::ScoreModel;

/// As close as the figures' README asks for.
const PUBLISHED: f64 = 1e-3;

fn gives_published_figures(name: &str, device: &Device) {
    agrees(name, open(name), figures(name), device);
}

/// Whether a network answers as was recorded.
fn agrees(name: &str, opened: OpenedNetwork, recorded: Weights, device: &Device) {
    let model = build(&opened, device);
    let x = image(&recorded["x"], device);
    let labels: Vec<f64> = recorded["labels"].values.iter().map(|&label| f64::from(label)).collect();
    let output = values(model.network().forward(x.clone(), &labels).unwrap());
    let error = relative_error(&output, &recorded["output"].values);
    assert!(error < PUBLISHED, "{name}: output off by {error:.1e}");

    let times = recorded["t"].values.iter();
    let levels: Vec<_> = times.map(|&t| opened.description.published_level(f64::from(t))).collect();
    let size = recorded["score"].values.len() / levels.len();
    let score = values(model.score(&x, &levels).unwrap());
    // Scores of the two samples differ by orders of magnitude: each is held against its own largest value.
    for (found, expected) in score.chunks(size).zip(recorded["score"].values.chunks(size)) {
        let score_error = relative_error(found, expected);
        assert!(score_error < PUBLISHED, "{name}: score off by {score_error:.1e}");
        println!("{name}: output {error:.1e}, score {score_error:.1e}");
    }
}

#[test]
fn discrete_ve_ncsnpp_gives_published_figures() {
    gives_published_figures("ncsnpp-ve-cifar10-discrete", &Device::flex());
}

#[test]
fn progressive_fourier_ncsnpp_gives_published_figures() {
    gives_published_figures("ncsnpp-ve-ffhq1024", &Device::flex());
}

#[test]
fn vp_ncsnpp_gives_published_figures() {
    gives_published_figures("ncsnpp-vp-cifar10", &Device::flex());
}

#[test]
fn sub_vp_ddpmpp_gives_published_figures() {
    gives_published_figures("ddpmpp-subvp-cifar10", &Device::flex());
}

#[test]
fn discrete_vp_ddpm_gives_published_figures() {
    gives_published_figures("ddpm-vp-cifar10-discrete", &Device::flex());
}

/// A small DDPM++ that flax itself made, ran and wrote (tests/data/flax/make.py).
#[test]
fn jax_checkpoint_answers_as_in_jax() {
    let folder = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/flax");
    let opened = open_network(&folder.join("checkpoint_24"), None).unwrap();
    assert_eq!(opened.description.card, "Trained for 1234 steps.");
    let (recorded, device) = (read_tensors(&folder.join("io.safetensors")).unwrap(), Device::flex());
    let labels: Vec<f64> = recorded["labels"].values.iter().map(|&label| f64::from(label)).collect();
    let output = values(build(&opened, &device).network().forward(image(&recorded["x"], &device), &labels).unwrap());
    let error = relative_error(&output, &recorded["output"].values);
    println!("jax: {error:.1e}");
    // Sines of labels near 1000 in JAX's single precision are off by up to 1000·2⁻²⁴.
    assert!(error < 1e-4, "off by {error:.1e}");
}

/// The larger reference network, which is not part of the project: run by name, with the folder that holds its
/// `checkpoint.pth`, `config.json` and `io.safetensors` in `REFERENCE_NET`.
#[test]
#[ignore = "needs a folder of reference figures"]
fn a_named_reference_network_gives_published_figures() {
    let folder = std::path::PathBuf::from(std::env::var_os("REFERENCE_NET").expect("REFERENCE_NET names a folder"));
    let opened = open_network(&folder.join("checkpoint.pth"), None).unwrap();
    let recorded = read_tensors(&folder.join("io.safetensors")).unwrap();
    agrees(&folder.display().to_string(), opened, recorded, &Device::flex());
}

#[test]
fn networks_give_published_figures_on_vulkan() {
    let device = graphics();
    gives_published_figures("ddpmpp-subvp-cifar10", &device);
    gives_published_figures("ncsnpp-ve-cifar10-discrete", &device);
    gives_published_figures("ddpm-vp-cifar10-discrete", &device);
}

/// Features are rounded to eleven bits, sums are not: a few such roundings through some twenty layers.
#[test]
fn half_precision_stays_within_two_thousandths() {
    for name in ["ddpmpp-subvp-cifar10", "ncsnpp-ve-cifar10-discrete", "ncsnpp-ve-ffhq1024", "ddpm-vp-cifar10-discrete"]
    {
        let (opened, recorded) = (open(name), figures(name));
        let labels: Vec<f64> = recorded["labels"].values.iter().map(|&label| f64::from(label)).collect();
        let [single, half] = [graphics(), half_precision()].map(|device| {
            values(build(&opened, &device).network().forward(image(&recorded["x"], &device), &labels).unwrap())
        });
        let error = relative_error(&half, &single);
        println!("{name}: {error:.1e}");
        assert!(error < 2e-3, "{name}: off by {error:.1e}");
        assert!(error > 1e-6, "{name}: half precision makes no difference");
    }
}

#[test]
fn published_parameter_order_is_that_of_the_checkpoint() {
    use score_explorer::checkpoint::read_torch;
    for name in ["ncsnpp-ve-ffhq1024", "ncsnpp-vp-cifar10", "ddpm-vp-cifar10-discrete"] {
        let checkpoint = read_torch(&super::folder(name).join("checkpoint.pth")).unwrap();
        let config = open(name).description.config;
        let parameters = config.parameters();
        let names: Vec<_> = parameters.iter().map(|(name, _)| name.clone()).collect();
        let order: Vec<_> = checkpoint.order.iter().filter(|name| *name != "sigmas").cloned().collect();
        assert_eq!(names, order);
        for (name, shape) in &parameters {
            assert_eq!(shape, &checkpoint.model[name].shape, "{name}");
        }
        let trainable: Vec<_> = config.trainable().iter().map(|name| checkpoint.model[name].shape.clone()).collect();
        let averaged: Vec<_> = checkpoint.ema.iter().map(|array| array.shape.clone()).collect();
        assert_eq!(trainable, averaged);
    }
}
