//! Options that no reference network has.

use super::{noise, open, output_and_gradient, relative_error, same_bits_for_any_number_of_threads, values};
use crate::graphics::graphics;
use burn::tensor::{Device, Tensor, TensorData};
use score_explorer::network::ScoreNetwork;
use score_explorer::network::{
    Array, BlockKind, Combine, Config, Dropout, Embedding, Learner, Nonlinearity, Progressive, ProgressiveInput, Unet,
    Variant, Weights,
};
use std::ops::Range;

fn small() -> Config {
    let config = open("ddpmpp-subvp-cifar10").description.config.unet().unwrap().clone();
    Config { nf: 4, ch_mult: vec![1, 2, 3], attn_resolutions: vec![4], image_size: 8, ..config }
}

fn weights(config: &Config) -> Weights {
    let parameters = config.parameters().into_iter().enumerate();
    let array = |(seed, (name, shape)): (usize, (String, Vec<usize>))| {
        let values = noise(shape.iter().product(), seed as u64 + 1);
        (name, Array { shape, values })
    };
    parameters.map(array).collect()
}

/// Rounding through some twenty layers of random weights, in units of the largest output.
const HOST: f64 = 1e-4;

/// The CPU's own layers give the output and the gradient that tensor operations give, and a graphics device's own kernels
/// the output. Returns it.
fn agrees_with_tensors(config: &Config, x: &Tensor<4>, labels: &[f64]) -> Vec<f32> {
    let (device, weights) = (Device::flex(), weights(config));
    let plain = values(Unet::new(config, &weights, &device).unwrap().forward(x.clone(), labels).unwrap());
    let own = output_and_gradient(&Unet::new(config, &weights, &device.clone().autodiff()).unwrap(), x, labels);
    let by_tensors = Unet::of_tensors(config, &weights, &device.autodiff()).unwrap();
    let [output, gradient] = output_and_gradient(&by_tensors, x, labels);
    assert_eq!(plain, own[0], "asking for gradients changes the output: {config:?}");
    for (what, own, expected) in [("output", &own[0], &output), ("gradient", &own[1], &gradient)] {
        let error = relative_error(own, expected);
        assert!(error < HOST, "{what}: the CPU's own layers differ by {error:.1e}: {config:?}");
    }
    let device = graphics();
    let there = Tensor::from_data(x.to_data(), &device);
    let by_kernels = values(Unet::new(config, &weights, &device).unwrap().forward(there, labels).unwrap());
    let error = relative_error(&by_kernels, &output);
    assert!(error < HOST, "a graphics device's kernels differ by {error:.1e}: {config:?}");
    learns_as_the_cpu(config, &weights, x, labels);
    plain
}

/// A graphics device's own kernels give the gradients by all parameters that the CPU's layers give, also where the images
/// go part after part.
fn learns_as_the_cpu(config: &Config, weights: &Weights, x: &Tensor<4>, labels: &[f64]) {
    let (cpu, images) = (Device::flex().autodiff(), x.dims()[0]);
    let x = values(x.clone());
    let labels: Vec<f64> = labels.iter().copied().cycle().take(images).collect();
    let slopes = noise(x.len(), 6);
    let at_output = |images: Range<usize>, values: &mut [f32]| {
        let size = slopes.len() / labels.len();
        values.copy_from_slice(&slopes[images.start * size..images.end * size]);
    };
    let network = Unet::new(config, weights, &cpu).unwrap();
    let expected = network.gradients(&x, &labels, None, &at_output).unwrap();
    let (architecture, told) = (config.clone().into(), (&labels[..]).into());
    let found = Learner::default().gradients(&architecture, weights, &graphics(), &x, told, None, &at_output).unwrap();
    let Some(found) = found else {
        assert_eq!(config.variant.head_channels, Some(5), "there are kernels for heads of whole fours");
        return;
    };
    let norm = |values: &[f32]| values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let whole = expected.iter().map(|values| norm(values).powi(2)).sum::<f64>().sqrt();
    for ((found, expected), (name, _)) in found.iter().zip(&expected).zip(config.parameters()) {
        let apart: Vec<f32> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
        // What vanishes but for rounding, as what is told of keys' biases, is small beside the whole: 1.2e-7 of it were seen.
        let error = norm(&apart) / (norm(expected) + 3e-3 * whole);
        assert!(error < HOST, "{name} differs by {error:.1e}: {config:?}");
    }
}

/// Maps of 20, 10 and 5 pixels, and channels that fill no register: tiles hang over every edge.
#[test]
fn odd_sizes_and_widths_agree_with_tensor_operations() {
    let device = Device::flex();
    for (nf, head_channels, norm_groups) in [(12, None, Some(3)), (20, Some(5), Some(4)), (24, Some(24), Some(8))] {
        let variant = Variant { head_channels, scale_shift: head_channels.is_some(), ..Variant::default() };
        let size = 20;
        let config = Config {
            nf,
            image_size: size,
            attn_resolutions: vec![10, 5],
            norm_groups,
            variant,
            num_channels: 1,
            ..small()
        };
        config.check().unwrap();
        for images in [1, 3] {
            let values_of = noise(images * size * size, 5);
            let x: Tensor<4> = Tensor::from_data(TensorData::new(values_of, [images, 1, size, size]), &device);
            agrees_with_tensors(&config, &x, &[7.0]);
        }
    }
}

/// Channels in and out of 64 and more, which a graphics device convolves by products of matrices, where tiles of 4×4
/// pixels hang over the edges.
#[test]
fn wide_features_agree_with_tensor_operations() {
    let device = Device::flex();
    for (progressive, progressive_input, fir) in
        [(Progressive::Residual, ProgressiveInput::Residual, true), (Progressive::None, ProgressiveInput::None, false)]
    {
        let resblock_type = if fir { BlockKind::BigGan } else { BlockKind::Ddpm };
        let config = Config {
            nf: 64,
            ch_mult: vec![1, 1],
            image_size: 10,
            attn_resolutions: vec![5],
            resblock_type,
            progressive,
            progressive_input,
            fir,
            ..small()
        };
        config.check().unwrap();
        for images in [1, 3] {
            let values_of = noise(images * 300, 5);
            let x: Tensor<4> = Tensor::from_data(TensorData::new(values_of, [images, 3, 10, 10]), &device);
            agrees_with_tensors(&config, &x, &[7.0]);
        }
    }
}

#[test]
fn every_combination_of_options_makes_a_network() {
    let device = Device::flex();
    let x: Tensor<4> = Tensor::from_data(TensorData::new(noise(2 * 192, 9), [2, 3, 8, 8]), &device);
    let mut outputs = Vec::new();
    for resblock_type in [BlockKind::Ddpm, BlockKind::BigGan] {
        for progressive in [Progressive::None, Progressive::OutputSkip, Progressive::Residual] {
            for progressive_input in [ProgressiveInput::None, ProgressiveInput::InputSkip, ProgressiveInput::Residual] {
                for (fir, progressive_combine) in [(true, Combine::Sum), (false, Combine::Cat)] {
                    let conditional = progressive_combine == Combine::Sum;
                    let embedding_type = if fir { Embedding::Fourier } else { Embedding::Positional };
                    let config = Config {
                        resblock_type,
                        progressive,
                        progressive_input,
                        fir,
                        progressive_combine,
                        conditional,
                        embedding_type,
                        resamp_with_conv: fir,
                        scale_by_sigma: fir,
                        ..small()
                    };
                    config.check().unwrap();
                    let y = agrees_with_tensors(&config, &x, &[0.5, 3.0]);
                    assert_eq!(y.len(), 2 * 192, "{config:?}");
                    assert!(y.iter().all(|value| value.is_finite()), "{config:?}");
                    assert!(!outputs.contains(&y), "an option has no effect: {config:?}");
                    outputs.push(y);
                }
            }
        }
    }
}

#[test]
fn every_nonlinearity_and_an_odd_filter_make_a_network() {
    let device = Device::flex();
    let x: Tensor<4> = Tensor::from_data(TensorData::new(noise(192, 9), [1, 3, 8, 8]), &device);
    let mut outputs = Vec::new();
    for nonlinearity in [Nonlinearity::Swish, Nonlinearity::Elu, Nonlinearity::Relu, Nonlinearity::LeakyRelu] {
        for fir_kernel in [vec![1.0, 1.0], vec![1.0, 2.0, 1.0], vec![1.0, 4.0, 6.0, 4.0, 1.0]] {
            let (progressive, progressive_input) = (Progressive::Residual, ProgressiveInput::Residual);
            let config = Config { nonlinearity, fir: true, fir_kernel, progressive, progressive_input, ..small() };
            let y = agrees_with_tensors(&config, &x, &[40.0]);
            assert!(y.len() == 192 && y.iter().all(|value| value.is_finite()) && !outputs.contains(&y));
            outputs.push(y);
        }
    }
}

/// Nineteen images, of which sixteen go through together; with tensor operations all do.
#[test]
fn dropout_drops_the_same_values_on_every_device() {
    let device = Device::flex();
    for resblock_type in [BlockKind::Ddpm, BlockKind::BigGan] {
        let config = Config { resblock_type, ..small() };
        let weights = weights(&config);
        let labels: Vec<f64> = (0..19).map(|index| f64::from(index) * 50.0).collect();
        let each: usize = 192;
        let (x, probe) = (noise(labels.len() * each, 5), noise(labels.len() * each, 6));
        let at_output = |images: Range<usize>, values: &mut [f32]| {
            values.copy_from_slice(&probe[images.start * each..images.end * each]);
        };
        let network = Unet::new(&config, &weights, &device.clone().autodiff()).unwrap();
        let own = |dropout| network.gradients(&x, &labels, dropout, &at_output).unwrap();
        let dropout = Some(Dropout { rate: 0.3, seed: 7, first: 0 });
        let (found, without) = (own(dropout), own(None));
        assert!(own(Some(Dropout { rate: 0.0, seed: 7, first: 0 })) == without, "a rate of 0 changes the gradients");
        let by_tensors = Unet::gradients_by_tensors(&config, &weights, &device, &x, &labels, dropout, &at_output);
        let norm = |values: &[f32]| values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let off = |found: &[Vec<f32>], expected: &[Vec<f32>]| {
            let pairs = found.iter().flatten().zip(expected.iter().flatten());
            norm(&pairs.map(|(a, b)| a - b).collect::<Vec<f32>>()) / norm(&expected.concat())
        };
        let (error, change) = (off(&found, &by_tensors.unwrap()), off(&found, &without));
        println!("{error:.1e} off with dropout, which changes {change:.2}");
        assert!(error < 1e-5 && change > 0.1, "{error:.1e} off with dropout, which changes {change:.2}");
        let (architecture, told) = (config.into(), (&labels[..]).into());
        let mut learner = Learner::default();
        let there = learner.gradients(&architecture, &weights, &graphics(), &x, told, dropout, &at_output).unwrap();
        let error = off(&there.expect("there are kernels for it"), &found);
        assert!(error < 1e-5, "a graphics device drops others: {error:.1e}");
        same_bits_for_any_number_of_threads(|| own(dropout));
    }
}
