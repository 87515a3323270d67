//! Score networks against published figures, other devices, and facts that hold for every network.

mod classifier;
mod configuration;
mod ddpm_steps;
mod diffusers;
mod edm;
mod figures;
mod gradients;
mod inference;
mod invariants;
mod memory;
mod ncsn;
mod oblong;
mod options;
mod patches;
mod refinenets;

use burn::tensor::{Device, TensorData};
use score_explorer::Image;
use score_explorer::checkpoint::{OpenedNetwork, open_network, read_tensors};
use score_explorer::network::{Array, Config, Network, Weights};
use score_explorer::score::{Description, NetworkScore};
use std::path::PathBuf;

/// A reference network's folder.
fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/nets").join(name)
}

/// A reference network's description and EMA weights.
fn open(name: &str) -> OpenedNetwork {
    open_network(&folder(name).join("checkpoint.pth"), Some(&folder(name).join("config.json"))).unwrap()
}

fn build(opened: &OpenedNetwork, device: &Device) -> NetworkScore {
    let network = Network::new(&opened.description.config, &opened.weights, device).unwrap();
    NetworkScore::new(network, opened.description.clone())
}

/// The same of tensor operations, also on the CPU.
fn build_of_tensors(opened: &OpenedNetwork, device: &Device) -> NetworkScore {
    let network = Network::of_tensors(&opened.description.config, &opened.weights, device).unwrap();
    NetworkScore::new(network, opened.description.clone())
}

/// A reference network's recorded input and output.
fn figures(name: &str) -> Weights {
    read_tensors(&folder(name).join("io.safetensors")).unwrap()
}

fn image(array: &Array, device: &Device) -> Image {
    Image::from_data(TensorData::new(array.values.clone(), array.shape.clone()), device)
}

fn values(image: Image) -> Vec<f32> {
    image.into_data().try_into_vec().unwrap()
}

/// Largest difference, in units of the largest expected value.
fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0, |most: f64, &value| most.max(f64::from(value).abs()));
    let errors = found.iter().zip(expected).map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs());
    errors.fold(0.0, |most: f64, error| if error.is_nan() { f64::INFINITY } else { most.max(error) }) / largest
}

/// Numbers in [−1, 1] that look random; the same for the same `seed`.
fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| 2.0 * random.f32() - 1.0).collect()
}

/// Descriptions of networks that are U-Nets.
trait AsUnet {
    fn unet(&self) -> Config;
}

impl AsUnet for Description {
    fn unet(&self) -> Config {
        self.config.unet().expect("a U-Net").clone()
    }
}
