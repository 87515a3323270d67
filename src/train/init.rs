//! The weights that a training starts from.

use crate::network::{Architecture, Array, Parameter, Start, Weights};
use crate::solver::{Purpose, Stream};

/// All weights of a network before training, as published for its architecture: a function of the seed and each
/// parameter's name, whatever their order.
pub fn initial_weights(architecture: &Architecture, seed: u64) -> Weights {
    started(architecture.plan(), seed)
}

/// The same of parameters of any network.
pub(super) fn started(parameters: Vec<Parameter>, seed: u64) -> Weights {
    let weights = |parameter: Parameter| {
        let values = values(&parameter, seed);
        (parameter.name, Array { shape: parameter.shape, values })
    };
    parameters.into_iter().map(weights).collect()
}

fn values(parameter: &Parameter, seed: u64) -> Vec<f32> {
    let stream = Stream::new(seed, Purpose::Weights, words(&parameter.name));
    let mut values = vec![0.0; parameter.shape.iter().product()];
    match parameter.start {
        Start::Constant(value) => values.fill(value),
        Start::FanAverage(scale) => {
            // Of a variance v, the bound is √(3·v).
            uniform(stream, (3.0 * scale / mean_fan(&parameter.shape)).sqrt(), &mut values);
        }
        Start::FanIn(fan_in) => uniform(stream, 1.0 / (fan_in as f64).sqrt(), &mut values),
        Start::Normal { mean, std } => normal(stream, mean, std, &mut values),
        Start::Styles(std) => {
            normal(stream, 1.0, std, &mut values);
            let width = parameter.shape.last().copied().unwrap_or(1).max(1);
            values.chunks_mut(width).for_each(|row| row[2 * width / 3..].fill(0.0));
        }
    }
    values
}

/// The mean of fan-in and fan-out of a filter, outputs × inputs × height × width, or of a matrix.
fn mean_fan(shape: &[usize]) -> f64 {
    let (channels, kernel) = shape.split_at(shape.len().min(2));
    let taps = kernel.iter().product::<usize>() as f64;
    channels.iter().map(|&channels| channels as f64).sum::<f64>() / 2.0 * taps
}

fn uniform(stream: Stream, bound: f64, values: &mut [f32]) {
    stream.uniforms(values);
    values.iter_mut().for_each(|value| *value = ((2.0 * f64::from(*value) - 1.0) * bound) as f32);
}

fn normal(stream: Stream, mean: f64, std: f64, values: &mut [f32]) {
    stream.normals(values);
    values.iter_mut().for_each(|value| *value = (mean + std * f64::from(*value)) as f32);
}

/// Two words from a name (Fowler, Noll and Vo's hash FNV-1a, 64 bits).
fn words(name: &str) -> [u32; 2] {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    [hash as u32, (hash >> 32) as u32]
}
