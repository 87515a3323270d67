//! Score networks against published figures, other devices, and facts that hold for every network.

mod classifier;
mod configuration;
mod ddpm_steps;
mod diffusers;
mod edm;
mod figures;
pub(crate) mod filled;
pub(crate) mod gradients;
mod inference;
mod invariants;
mod memory;
mod ncsn;
mod oblong;
mod options;
mod patches;
mod refinenets;
mod transformers;

use burn::tensor::{Device, Tensor, TensorData};
use score_explorer::Image;
use score_explorer::checkpoint::{OpenedNetwork, open_network, read_tensors};
use score_explorer::network::{Array, Config, Network, ScoreNetwork, Weights};
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

/// The network's output, and the gradient of its product with numbers that look random.
fn output_and_gradient(network: &impl ScoreNetwork, x: &Tensor<4>, labels: &[f64]) -> [Vec<f32>; 2] {
    let device = Device::flex().autodiff();
    let x: Tensor<4> = Tensor::from_data(x.to_data(), &device).require_grad();
    let y = network.forward(x.clone(), labels).unwrap();
    let output = values(y.clone().inner());
    let probe: Tensor<4> = Tensor::from_data(TensorData::new(noise(output.len(), 6), y.dims()), &device);
    let gradients = (y * probe).sum().backward();
    [output, values(x.grad(&gradients).unwrap())]
}

/// Largest difference, in units of the largest expected value.
fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0, |most: f64, &value| most.max(f64::from(value).abs()));
    let errors = found.iter().zip(expected).map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs());
    errors.fold(0.0, |most: f64, error| if error.is_nan() { f64::INFINITY } else { most.max(error) }) / largest
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    norm(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f32>>())
}

/// On the CPU every sum has one order, by however many threads it is computed.
fn same_bits_for_any_number_of_threads(gradients: impl Fn() -> Vec<Vec<f32>> + Sync) {
    let [one, two, three] = [1, 2, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(&gradients)
    });
    assert!(one.iter().flatten().any(|&x| x != 0.0) && one.iter().flatten().all(|x| x.is_finite()));
    assert!(one == two && one == three, "gradients depend on the number of threads");
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
