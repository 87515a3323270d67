//! Inverse problems solved with an unconditional model, against closed forms and exact posteriors.

mod bias;
mod checkpoint;
mod dense;
mod images;
mod measurements;
mod operators;
mod projection;
mod restorations;
mod samples;
mod scores;
mod values;

use crate::choices;
use burn::tensor::{Device, Tensor, TensorData};
use dense::{Gaussian, Matrix};
use score_explorer::registry::{Category, Choice};
use score_explorer::score::{Component, Condition, Linear, Measurement, Mixture, Operator, ScoreModel};
use score_explorer::sde::FamilyKind;
use score_explorer::solver::{Noise, NoiseSource, Unobserved};
use score_explorer::task::{Count, ModelRef, Observation, Origin, Restoration, Run, Shows, Steps, restore};
use score_explorer::{Image, Pixels};

/// The orthonormal channels of the published colourisation (score_sde, `controllable_generation.py`), digit by digit.
#[allow(clippy::approx_constant)]
const M: [[f64; 3]; 3] =
    [[0.57735014, -0.8164961, 0.0], [0.57735026, 0.40824777, 0.7071068], [0.57735026, 0.40824822, -0.7071067]];

/// Numbers that look random, standard normal for all that is asked of them; the same for the same `seed`.
fn normals(count: usize, seed: u64) -> Vec<f64> {
    let noise = Noise { seed, first: 0, count: 1, shape: [count, 1, 1], device: Device::flex() };
    values(noise.normal(0, score_explorer::solver::Purpose::Prior)).into_iter().map(f64::from).collect()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().unwrap()
}

fn doubles<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    values(tensor).into_iter().map(f64::from).collect()
}

fn image(values: &[f64], [c, h, w]: [usize; 3]) -> Image {
    let count = values.len() / (c * h * w);
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    Tensor::from_data(TensorData::new(values, [count, c, h, w]), &Device::flex())
}

fn pixels(values: &[f64], [c, h, w]: [usize; 3]) -> Pixels<f32> {
    Pixels { shape: [values.len() / (c * h * w), c, h, w], values: values.iter().map(|&value| value as f32).collect() }
}

/// Confidence that is full, partial and none, in a pattern without symmetry.
fn confidence([_, h, w]: [usize; 3]) -> Pixels<f32> {
    let levels = [1.0, 0.0, 0.5, 0.0, 0.9, 1.0, 0.2];
    pixels(&(0..h * w).map(|i| levels[(i + i / w * 2) % 7]).collect::<Vec<_>>(), [1, h, w])
}

/// One of each kind of operator and kernel that fits the shape.
fn operators(shape: [usize; 3]) -> Vec<String> {
    // One's own kernel has no usual weights.
    let usual = <dyn Operator>::all().iter().map(|entry| Choice::new(*entry)).filter(|choice| choice.check().is_ok());
    let mut all: Vec<String> = usual.map(|choice| choice.to_string()).collect();
    let names =
        ["super-resolution:2", "blur:gaussian:0.7", "blur:kernel:3:0,1,2,0,3,1,0,0,1", "compressed-sensing:0.6:5"];
    all.extend(names.map(Into::into));
    all.retain(|name| choices::operator(name).over(shape, None, &Device::flex()).is_ok());
    all
}

fn linear(operator: &str, shape: [usize; 3]) -> Box<dyn Linear> {
    let confidence = confidence(shape);
    let confidence = Tensor::from_data(TensorData::new(confidence.values.to_vec(), confidence.shape), &Device::flex());
    choices::operator(operator).over(shape, Some(&confidence), &Device::flex()).unwrap()
}

/// A by its columns A·eᵢ, as rows.
fn matrix(linear: &dyn Linear, shape: [usize; 3]) -> Matrix {
    let size: usize = shape.iter().product();
    let unit: Vec<f64> = (0..size * size).map(|at| f64::from(u8::from(at / size == at % size))).collect();
    let columns = doubles(linear.apply(&image(&unit, shape)));
    let rows = columns.len() / size;
    (0..rows).map(|i| (0..size).map(|j| columns[j * rows + i]).collect()).collect()
}

/// A measurement as plain numbers: A, y and σ_y² where anything is known.
struct Known {
    a: Matrix,
    y: Vec<f64>,
    variance: Vec<f64>,
}

fn known(measurement: &Measurement, shape: [usize; 3]) -> Known {
    let a = matrix(measurement.linear(), shape);
    let y = doubles(measurement.y().clone());
    let variance = doubles(measurement.variance().clone().expand(measurement.y().dims()));
    let rows: Vec<usize> = (0..a.len()).filter(|&i| a[i].iter().any(|&entry| entry != 0.0)).collect();
    Known {
        a: rows.iter().map(|&i| a[i].clone()).collect(),
        y: rows.iter().map(|&i| y[i]).collect(),
        variance: rows.iter().map(|&i| variance[i]).collect(),
    }
}

/// The components of a mixture as Gaussians with full covariances, with their weights.
fn gaussians(mixture: &Mixture) -> Vec<(f64, Gaussian)> {
    let full = |c: &Component| {
        let covariance = |i: usize| (0..c.std.len()).map(|j| if i == j { c.std[i].powi(2) } else { 0.0 }).collect();
        (c.weight, Gaussian { mean: c.mean.clone(), covariance: (0..c.std.len()).map(covariance).collect() })
    };
    mixture.components().iter().map(full).collect()
}

/// One Gaussian with the same mean and variance in every coordinate, so that the variance of all coordinates together
/// is that of each.
fn isotropic(shape: [usize; 3], std: f64) -> Mixture {
    Mixture::new(shape, vec![Component::round(1.0, vec![0.2; shape.iter().product()], std)]).unwrap()
}

/// A restoration of an own model from the prior.
fn restoration(operator: &str, noise: f64, method: &str, kind: FamilyKind, solver: &str) -> Restoration {
    Restoration {
        run: Run {
            model: ModelRef::Mixture("own".into()),
            family: kind.published(),
            solver: choices::solver(solver),
            grid: choices::grid("log-snr"),
            steps: Steps::new(60).unwrap(),
            denoise: true,
            clip: false,
            guidance: None,
            seed: 21,
            count: Count::new(1024).unwrap(),
            origin: Origin::Prior,
        },
        operator: choices::operator(operator),
        noise,
        method: choices::method(method),
        resampling: None,
        strength: 1.0,
        fork: None,
    }
}

fn observation(picture: &[f64], shape: [usize; 3]) -> Observation {
    Observation { picture: pixels(picture, shape), confidence: Some(confidence(shape)), shows: Shows::Original }
}

fn measure(restoration: &Restoration, observation: &Observation, model: &dyn ScoreModel) -> Measurement {
    observation.measure(restoration, model, &Device::flex()).unwrap()
}

fn noise(restoration: &Restoration, shape: [usize; 3]) -> Noise {
    let run = &restoration.run;
    Noise { seed: run.seed, first: 0, count: run.count.get(), shape, device: Device::flex() }
}

/// Final states.
fn run(restoration: &Restoration, observation: &Observation, model: &dyn ScoreModel) -> Image {
    let condition = Condition::new(measure(restoration, observation, model));
    let (plan, noise) = (restoration.plan(model), noise(restoration, model.shape()));
    let start = restoration.first_state(&plan, model, observation, &noise).unwrap();
    restore(restoration, &plan, model, &condition, start, &noise, &mut Unobserved).unwrap()
}

/// Mean and covariance of samples by rows of `size`.
fn sample_moments(samples: &[f64], size: usize) -> Gaussian {
    let n = (samples.len() / size) as f64;
    let mut mean = vec![0.0; size];
    samples.chunks(size).for_each(|x| mean.iter_mut().zip(x).for_each(|(m, x)| *m += x / n));
    let mut covariance = vec![vec![0.0; size]; size];
    for x in samples.chunks(size) {
        for i in 0..size {
            let apart = (x[i] - mean[i]) / n;
            (0..size).for_each(|j| covariance[i][j] += apart * (x[j] - mean[j]));
        }
    }
    Gaussian { mean, covariance }
}
