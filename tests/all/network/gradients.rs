//! Gradients of published losses by every parameter, as recorded from published code, by both ways of computing them.

use super::{folder, noise, open, same_bits_for_any_number_of_threads};
use crate::graphics::graphics;
use burn::tensor::Device;
use score_explorer::checkpoint::{OpenedNetwork, read_tensors};
use score_explorer::network::{Architecture, Embedding, Learner, Network, Weights};
use serde_json::Value;
use std::ops::Range;

/// The recorded loss of a network, on two pictures.
pub(crate) struct Recorded {
    opened: OpenedNetwork,
    /// `perturbed`, `z` and `labels`, and what was found.
    pub(crate) tensors: Weights,
    pub(crate) facts: Value,
    /// What the output is multiplied with before the noise is taken away (VP) or added (VE).
    gains: Vec<f32>,
    labels: Vec<f64>,
}

impl Recorded {
    pub(crate) fn read(name: &str) -> Recorded {
        let opened = open(name);
        let file = folder("").join("../training").join(format!("gradients-{name}.safetensors"));
        let tensors = read_tensors(&file).unwrap();
        let facts: Value = serde_json::from_str(&metadata(&std::fs::read(file).unwrap())).unwrap();
        let labels: Vec<f64> = tensors["labels"].values.iter().map(|&label| f64::from(label)).collect();
        let config = opened.description.config.unet().unwrap();
        let exploding = facts.get("variance_exploding").unwrap().as_bool().unwrap();
        let sigma = |&label: &f64| match config.embedding_type {
            Embedding::Fourier => label,
            Embedding::Positional => config.discrete_sigma(label as usize),
        };
        let gain = |label| if exploding { sigma(label) as f32 } else { -1.0 };
        Recorded { gains: labels.iter().map(gain).collect(), opened, tensors, facts, labels }
    }

    /// Turns outputs into slopes of Σ (gain·output + z)², of the mean over values or half of it, and of the mean over
    /// images; and the loss.
    fn loss(&self, images: Range<usize>, values: &mut [f32]) -> f64 {
        let z = &self.tensors["z"].values;
        let size = z.len() / self.gains.len();
        let share = match self.facts["reduce_mean"].as_bool().unwrap() {
            true => 1.0 / z.len() as f32,
            false => 0.5 / self.gains.len() as f32,
        };
        let mut loss = 0.0;
        for (values, image) in values.chunks_mut(size).zip(images) {
            for (value, z) in values.iter_mut().zip(&z[image * size..]) {
                let rest = self.gains[image] * *value + z;
                loss += f64::from(share) * f64::from(rest).powi(2);
                *value = 2.0 * share * self.gains[image] * rest;
            }
        }
        loss
    }

    pub(crate) fn architecture(&self) -> &Architecture {
        &self.opened.description.config
    }

    fn on_the_cpu(&self) -> Vec<Vec<f32>> {
        let device = Device::flex().autodiff();
        let network = Network::new(self.architecture(), &self.opened.weights, &device).unwrap();
        let x = &self.tensors["perturbed"].values;
        network.gradients(x, &self.labels, None, &|images, values| _ = self.loss(images, values)).unwrap()
    }

    /// By a graphics device's own kernels.
    fn by_kernels(&self, device: &Device) -> Vec<Vec<f32>> {
        let (weights, x) = (&self.opened.weights, &self.tensors["perturbed"].values);
        let at_output = |images, values: &mut [f32]| _ = self.loss(images, values);
        let labels = (&self.labels[..]).into();
        let found = Learner::default().gradients(self.architecture(), weights, device, x, labels, None, &at_output);
        found.unwrap().expect("there are kernels for all published networks")
    }

    fn by_tensors(&self, device: &Device) -> Vec<Vec<f32>> {
        let (weights, x) = (&self.opened.weights, &self.tensors["perturbed"].values);
        let at_output = |images, values: &mut [f32]| {
            let loss = self.loss(images, values);
            let expected = self.facts["loss"].as_f64().unwrap();
            assert!((loss / expected - 1.0).abs() < 1e-5, "the loss is {loss}, not {expected}");
        };
        Network::gradients_by_tensors(self.architecture(), weights, device, x, &self.labels, None, &at_output).unwrap()
    }

    /// Holds gradients against the recorded ones. Published code in single precision is off by up to 3e-5; what was
    /// measured here is below 1e-5.
    pub(crate) fn holds(&self, found: &[Vec<f32>]) {
        let names: Vec<&str> =
            self.facts["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        let vanishing: Vec<&str> =
            self.facts["vanishes"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
        let whole = self.facts["gradient_norm"].as_f64().unwrap();
        let mut worst: f64 = 0.0;
        let parameters = self.architecture().parameters();
        assert_eq!(found.len(), parameters.len());
        for (found, (name, _)) in found.iter().zip(&parameters) {
            let norm = found.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            let Some(row) = names.iter().position(|known| known == name) else {
                // What is not trained: the frequencies of a Fourier embedding.
                assert!(name.ends_with(".W"), "{name}");
                continue;
            };
            if vanishing.contains(&name.as_str()) {
                assert!(norm < 1e-6 * whole, "{name} should vanish, and is {norm:.1e} of {whole}");
                continue;
            }
            let expected = f64::from(self.tensors["norm"].values[row]);
            assert!((norm / expected - 1.0).abs() < 5e-5, "{name}: norm {norm}, not {expected}");
            let places =
                self.tensors["positions"].values[16 * row..].iter().zip(&self.tensors["entries"].values[16 * row..]);
            for (&place, &entry) in places.take(16) {
                let error = (f64::from(found[place as usize]) - f64::from(entry)).abs() / expected;
                assert!(error < 5e-5, "{name}: off by {error:.1e} of its norm at {place}");
                worst = worst.max(error);
            }
        }
        println!("worst entry: {worst:.1e}");
    }
}

/// What a safetensors file says of itself under "figures".
fn metadata(file: &[u8]) -> String {
    let size = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&file[8..8 + size]).unwrap();
    header["__metadata__"]["figures"].as_str().unwrap().to_owned()
}

fn agrees_with_published_code(name: &str) {
    let recorded = Recorded::read(name);
    let found = recorded.on_the_cpu();
    recorded.holds(&found);
    let by_tensors = recorded.by_tensors(&Device::flex());
    recorded.holds(&by_tensors);
    let by_kernels = recorded.by_kernels(&graphics());
    recorded.holds(&by_kernels);
}

#[test]
fn gradients_of_discrete_vp_ddpm_are_the_published_ones() {
    agrees_with_published_code("ddpm-vp-cifar10-discrete");
}

#[test]
fn gradients_of_vp_ddpmpp_are_the_published_ones() {
    agrees_with_published_code("ddpmpp-vp-cifar10");
}

#[test]
fn gradients_of_sub_vp_ddpmpp_are_the_published_ones() {
    agrees_with_published_code("ddpmpp-subvp-cifar10");
}

#[test]
fn gradients_of_discrete_ve_ncsnpp_are_the_published_ones() {
    agrees_with_published_code("ncsnpp-ve-cifar10-discrete");
}

#[test]
fn gradients_of_progressive_ncsnpp_are_the_published_ones() {
    agrees_with_published_code("ncsnpp-ve-ffhq1024");
}

#[test]
fn gradients_of_vp_ncsnpp_are_the_published_ones() {
    agrees_with_published_code("ncsnpp-vp-cifar10");
}

/// Groups are of sixteen images here.
#[test]
fn gradients_are_the_same_bits_for_any_number_of_threads() {
    let opened = open("ddpmpp-vp-cifar10");
    let network = Network::new(&opened.description.config, &opened.weights, &Device::flex().autodiff()).unwrap();
    let labels: Vec<f64> = (0..35).map(|index| f64::from(index) * 25.0).collect();
    let x = noise(labels.len() * opened.description.config.shape().iter().product::<usize>(), 1);
    same_bits_for_any_number_of_threads(|| network.gradients(&x, &labels, None, &|_, _| {}).unwrap());
}

#[test]
fn gradients_on_vulkan_are_the_published_ones() {
    let recorded = Recorded::read("ddpmpp-subvp-cifar10");
    recorded.holds(&recorded.by_tensors(&graphics()));
}
