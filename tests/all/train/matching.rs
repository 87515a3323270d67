//! Implicit and sliced score matching on a Gaussian.

use burn::tensor::{Device, Tensor, TensorData};
use score_explorer::train::{implicit, sliced};

const DIMENSIONS: usize = 3;
const COUNT: usize = 400;
const STEP: f64 = 0.1;

fn uniforms(seed: u64) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..COUNT * DIMENSIONS).map(|_| 4.0 * random.f32() - 2.0).collect()
}

fn tensor(values: Vec<f32>) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, [COUNT, DIMENSIONS]), &Device::flex())
}

fn list(values: Tensor<1>) -> Vec<f32> {
    values.inner().try_to_vec_as().unwrap()
}

/// The matrix of a score s(x) = −A·x that is no multiple of the identity, nor symmetric.
const A: [[f32; DIMENSIONS]; DIMENSIONS] = [[2.0, 0.5, 0.0], [-0.3, 1.0, 0.2], [0.1, 0.0, 0.7]];

fn linear(x: Tensor<2>) -> Tensor<2> {
    let matrix = Tensor::<2>::from_data(TensorData::new(A.concat(), [DIMENSIONS; 2]), &x.device());
    x.matmul(matrix.transpose()).neg()
}

#[test]
fn losses_of_a_linear_score_are_their_closed_forms() {
    let (values, signs) = (uniforms(1), uniforms(2).into_iter().map(f32::signum).collect::<Vec<f32>>());
    let (x, directions) = (tensor(values.clone()), tensor(signs.clone()));
    let (whole, along) = (list(implicit(linear, &x, STEP)), list(sliced(linear, &x, &directions, STEP)));
    let apply = |v: &[f32]| A.map(|row| row.iter().zip(v).map(|(a, v)| a * v).sum::<f32>());
    for (n, (x, v)) in values.chunks(DIMENSIONS).zip(signs.chunks(DIMENSIONS)).enumerate() {
        let half_square = 0.5 * apply(x).iter().map(|s| s * s).sum::<f32>();
        let trace: f32 = (0..DIMENSIONS).map(|d| A[d][d]).sum();
        let quadratic: f32 = apply(v).iter().zip(v).map(|(a, v)| a * v).sum();
        // Differences of single precision over a step of 0.1.
        assert!((whole[n] - (half_square - trace)).abs() < 3e-4, "{n}: {} not {}", whole[n], half_square - trace);
        assert!((along[n] - (half_square - quadratic)).abs() < 3e-4, "{n}");
    }
}

/// The loss of s(x) = −a·x has its least where a is D/mean ‖x‖², the inverse variance of the sample: the gradient by the
/// parameter passes through both terms.
#[test]
fn the_gradient_by_a_parameter_vanishes_at_the_inverse_variance() {
    let values = uniforms(3);
    let square = values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / COUNT as f64;
    let best = DIMENSIONS as f64 / square;
    for (share, directions) in [(0.5, false), (1.0, false), (2.0, false), (0.5, true), (1.0, true)] {
        let a = share * best;
        let device = Device::flex().autodiff();
        let parameter = Tensor::<1>::from_data(TensorData::new(vec![a as f32], [1]), &device).require_grad();
        let score = |x: Tensor<2>| x * parameter.clone().reshape([1, 1]).neg();
        let x = tensor(values.clone()).autodiff();
        let losses = match directions {
            true => sliced(score, &x, &tensor(uniforms(4).into_iter().map(f32::signum).collect()).autodiff(), STEP),
            false => implicit(score, &x, STEP),
        };
        let gradients = losses.mean().backward();
        let found = f64::from(parameter.grad(&gradients).unwrap().into_scalar::<f32>());
        let known = a * square - DIMENSIONS as f64;
        assert!((found - known).abs() < 1e-3, "{share}: {found}, not {known}");
    }
}
