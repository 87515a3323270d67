//! NCSN and NCSNv2 on the CPU's own layers and a graphics device's against tensor operations, at sizes and widths that nobody published.

use super::{distance, noise, norm, output_and_gradient, relative_error, same_bits_for_any_number_of_threads, values};
use crate::graphics::graphics;
use burn::tensor::{Device, Tensor, TensorData};
use score_explorer::network::{Architecture, Array, Nonlinearity, RefineNet, RefineNetConfig, ScoreNetwork, Weights};
use std::ops::Range;

/// Rounding through some hundred layers of random weights, in units of the largest output.
const HOST: f64 = 1e-4;

fn config(ngf: usize, stages: usize, image_size: usize, conditional: bool) -> RefineNetConfig {
    let nonlinearity = Nonlinearity::Elu;
    let (rescaled, channels, sigma_begin, sigma_end, num_classes) = (false, 2, 10.0, 0.1, 7);
    let config = RefineNetConfig {
        ngf,
        stages,
        conditional,
        nonlinearity,
        image_size,
        channels,
        rescaled,
        sigma_begin,
        sigma_end,
        num_classes,
    };
    config.check().unwrap();
    config
}

/// Sums neither grow nor shrink much from layer to layer.
fn weights(config: &RefineNetConfig) -> Weights {
    let parameters = Architecture::from(config.clone()).parameters().into_iter().enumerate();
    let array = |(seed, (name, shape)): (usize, (String, Vec<usize>))| {
        let count: usize = shape.iter().product();
        let row = (count / shape[0]) as f32;
        let of_norm = ["gamma", "alpha", "embed.weight"].iter().any(|end| name.ends_with(end));
        let (middle, spread) = match shape.len() {
            4 => (0.0, (3.0 / row).sqrt()),
            _ if of_norm => (0.8, 0.3),
            _ => (0.0, 0.2),
        };
        let values = noise(count, seed as u64 + 1).into_iter().map(|value| middle + spread * value).collect();
        (name, Array { shape, values })
    };
    parameters.map(array).collect()
}

fn batch(config: &RefineNetConfig, images: usize, device: &Device) -> Tensor<4> {
    let (channels, side) = (config.channels, config.image_size);
    let shape = [images, channels, side, side];
    Tensor::from_data(TensorData::new(noise(shape.iter().product(), 5), shape), device)
}

/// The output by a graphics device's own kernels.
fn by_kernels(config: &RefineNetConfig, images: usize, labels: &[f64]) -> Vec<f32> {
    let device = graphics();
    let network = RefineNet::new(config, &weights(config), &device).unwrap();
    values(network.forward(batch(config, images, &device), labels).unwrap())
}

/// The CPU's own layers give the output and the gradient that tensor operations give, and a graphics device's own kernels
/// the output.
fn agrees_with_tensors(config: &RefineNetConfig, images: usize, labels: &[f64]) {
    let (device, weights) = (Device::flex(), weights(config));
    let x = batch(config, images, &device);
    let plain = values(RefineNet::new(config, &weights, &device).unwrap().forward(x.clone(), labels).unwrap());
    let device = device.autodiff();
    let own = output_and_gradient(&RefineNet::new(config, &weights, &device).unwrap(), &x, labels);
    let expected = output_and_gradient(&RefineNet::of_tensors(config, &weights, &device).unwrap(), &x, labels);
    assert_eq!(plain, own[0], "asking for gradients changes the output: {config:?}");
    let each = plain.len() / images;
    // Each size has kernels of its own, which take long to make.
    let there = (images > 1).then(|| by_kernels(config, images, labels));
    // Each sample is held against itself alone: levels answer by orders of magnitude apart.
    for image in 0..images {
        let of = |values: &[f32]| values[image * each..][..each].to_vec();
        let output = relative_error(&of(&own[0]), &of(&expected[0]));
        let kernels = there.as_ref().map_or(0.0, |there| relative_error(&of(there), &of(&expected[0])));
        let gradient = distance(&of(&own[1]), &of(&expected[1])) / norm(&of(&expected[1]));
        println!("{images} images, output {output:.1e}, {kernels:.1e} by kernels, gradient {gradient:.1e}: {config:?}");
        assert!(output < HOST, "{images} images: the CPU's own layers differ by {output:.1e}: {config:?}");
        assert!(kernels < HOST, "{images} images: a graphics device's kernels differ by {kernels:.1e}: {config:?}");
        assert!(gradient < bound(config), "{images} images: gradients differ by {gradient:.1e}: {config:?}");
    }
}

/// Of gradients, in units of their norms. Measured are up to 1.1e-5 where all layers are smooth. Where the largest of some
/// pixels are taken, or a nonlinearity has an edge, rounding may decide for another pixel: one of some ten thousand, by
/// which a gradient was seen to change by 1e-2.
fn bound(config: &RefineNetConfig) -> f64 {
    let smooth = config.conditional && matches!(config.nonlinearity, Nonlinearity::Elu | Nonlinearity::Swish);
    if smooth { 4e-5 } else { 5e-2 }
}

/// Stages that are dilated by 2 and 4 have maps of 14, 6, 4, 3, 2 pixels and one pixel: some phases hang over the
/// border, and some lie beyond it.
#[test]
fn odd_sizes_and_widths_agree_with_tensor_operations() {
    for (ngf, stages, size) in [(6, 4, 8), (20, 4, 12), (6, 4, 28), (20, 5, 12), (6, 5, 8), (6, 6, 16), (20, 6, 8)] {
        for (conditional, images) in [(true, 1), (false, 3)] {
            agrees_with_tensors(&config(ngf, stages, size, conditional), images, &[2.0]);
        }
    }
}

/// Channels of 64 and more, which a graphics device convolves by products of matrices, dilated where tiles of 4×4 pixels
/// hang over every edge.
#[test]
fn wide_features_agree_with_tensor_operations() {
    agrees_with_tensors(&config(64, 4, 14, true), 2, &[2.0, 5.0]);
}

#[test]
fn every_image_has_its_own_level() {
    for conditional in [true, false] {
        agrees_with_tensors(&config(6, 4, 12, conditional), 3, &[0.0, 6.0, 3.0]);
    }
}

#[test]
fn every_nonlinearity_agrees_with_tensor_operations() {
    for nonlinearity in [Nonlinearity::Swish, Nonlinearity::Relu, Nonlinearity::LeakyRelu] {
        for conditional in [true, false] {
            agrees_with_tensors(&RefineNetConfig { nonlinearity, ..config(6, 4, 8, conditional) }, 2, &[4.0]);
        }
    }
}

/// On the CPU every sum has one order, whatever it is computed beside and by how many threads.
#[test]
fn a_batch_gives_what_its_samples_give_alone_to_the_bit() {
    let device = Device::flex();
    const COUNT: usize = 19;
    for conditional in [true, false] {
        let config = config(20, 4, 28, conditional);
        let network = RefineNet::new(&config, &weights(&config), &device).unwrap();
        let x = batch(&config, COUNT, &device);
        let labels: Vec<f64> = (0..COUNT).map(|index| (index % 7) as f64).collect();
        let together = values(network.forward(x.clone(), &labels).unwrap());
        let each = together.len() / COUNT;
        for (index, label) in labels.iter().enumerate() {
            let alone = values(network.forward(x.clone().narrow(0, index, 1), &[*label]).unwrap());
            assert!(together[index * each..][..each] == alone, "sample {index} differs");
        }
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert!(
                pool.install(|| values(network.forward(x.clone(), &labels).unwrap())) == together,
                "{threads} threads"
            );
        }
        let one = values(network.forward(x.clone(), &[2.0]).unwrap());
        assert!(one == values(network.forward(x, &[2.0; COUNT]).unwrap()));
    }
}

/// A loss that is linear in the output.
fn loss(probe: &[f32], output: &[f32]) -> f64 {
    probe.iter().zip(output).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Its gradients by all parameters, on the CPU's own layers and by tensor operations.
fn gradients_of(config: &RefineNetConfig, weights: &Weights, labels: &[f64]) -> [Vec<Vec<f32>>; 2] {
    let device = Device::flex();
    let x = values(batch(config, labels.len(), &device));
    let (probe, each) = (noise(x.len(), 6), x.len() / labels.len());
    let at_output = |images: Range<usize>, values: &mut [f32]| {
        values.copy_from_slice(&probe[images.start * each..images.end * each]);
    };
    let network = RefineNet::new(config, weights, &device.clone().autodiff()).unwrap();
    let own = network.gradients(&x, labels, None, &at_output).unwrap();
    let by_tensors = RefineNet::gradients_by_tensors(config, weights, &device, &x, labels, None, &at_output).unwrap();
    [own, by_tensors]
}

fn parameters_agree_with_tensors(config: &RefineNetConfig, labels: &[f64]) {
    let [own, expected] = gradients_of(config, &weights(config), labels);
    let parameters = Architecture::from(config.clone()).parameters();
    assert_eq!((own.len(), expected.len()), (parameters.len(), parameters.len()));
    // What is less than that of all is made of sums that nearly cancel.
    let least = 1e-3 * norm(&expected.concat());
    let mut worst: f64 = 0.0;
    for ((own, expected), (name, _)) in own.iter().zip(&expected).zip(&parameters) {
        let size = norm(expected);
        assert!(size > 0.0, "{name} has no gradient");
        let error = distance(own, expected) / size.max(least);
        worst = if error.is_nan() { f64::INFINITY } else { worst.max(error) };
    }
    println!("{} images, {worst:.1e}: {config:?}", labels.len());
    assert!(worst < bound(config), "off by {worst:.1e} of a parameter's norm: {config:?}");
}

/// Dilated maps of 4 and 3 pixels a side, each image at a level of its own.
#[test]
fn gradients_by_parameters_agree_with_tensor_operations() {
    for (ngf, stages, size) in [(6, 4, 8), (20, 5, 12), (6, 6, 32)] {
        for conditional in [true, false] {
            parameters_agree_with_tensors(&config(ngf, stages, size, conditional), &[6.0, 0.0, 3.0, 6.0]);
        }
    }
}

#[test]
fn gradients_by_parameters_through_every_nonlinearity_agree_with_tensor_operations() {
    for nonlinearity in [Nonlinearity::Swish, Nonlinearity::Relu, Nonlinearity::LeakyRelu] {
        for conditional in [true, false] {
            let config = RefineNetConfig { nonlinearity, rescaled: true, ..config(6, 4, 8, conditional) };
            parameters_agree_with_tensors(&config, &[2.0, 5.0]);
        }
    }
}

/// No more than sixteen images go through together.
#[test]
fn gradients_of_large_batches_are_sums_over_groups() {
    for conditional in [true, false] {
        let labels: Vec<f64> = (0..19).map(|index| f64::from(index % 7)).collect();
        parameters_agree_with_tensors(&config(6, 4, 8, conditional), &labels);
    }
}

/// Along a direction in which all parameters move.
#[test]
fn gradients_by_parameters_are_those_of_differences() {
    for conditional in [true, false] {
        let (config, labels, device) = (config(6, 4, 12, conditional), [6.0, 3.0], Device::flex());
        let weights = weights(&config);
        let [gradients, _] = gradients_of(&config, &weights, &labels);
        let names: Vec<String> =
            Architecture::from(config.clone()).parameters().into_iter().map(|(name, _)| name).collect();
        let directions: Vec<Vec<f32>> =
            gradients.iter().zip(100..).map(|(gradient, seed)| noise(gradient.len(), seed)).collect();
        let x = batch(&config, labels.len(), &device);
        let probe = noise(x.dims().iter().product(), 6);
        let moved = |step: f32| {
            let mut there = weights.clone();
            for (name, direction) in names.iter().zip(&directions) {
                let values = &mut there.get_mut(name).unwrap().values;
                values.iter_mut().zip(direction).for_each(|(value, direction)| *value += step * direction);
            }
            let network = RefineNet::new(&config, &there, &device).unwrap();
            loss(&probe, &values(network.forward(x.clone(), &labels).unwrap()))
        };
        let slope: f64 = gradients.iter().zip(&directions).map(|(a, b)| loss(a, b)).sum();
        // Outputs are rounded to about a millionth, which is half a hundredth of what such a step changes.
        let step = 1e-4_f32;
        let difference = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
        println!("{slope} by differentiation, {difference} by differences");
        assert!(
            (slope - difference).abs() < 3e-2 * slope.abs(),
            "{slope} by differentiation, {difference} by differences"
        );
    }
}

#[test]
fn gradients_are_the_same_bits_for_any_number_of_threads() {
    for conditional in [true, false] {
        let config = config(20, 4, 12, conditional);
        let labels: Vec<f64> = (0..35).map(|index| f64::from(index % 7)).collect();
        let x = values(batch(&config, labels.len(), &Device::flex()));
        let network = RefineNet::new(&config, &weights(&config), &Device::flex().autodiff()).unwrap();
        same_bits_for_any_number_of_threads(|| network.gradients(&x, &labels, None, &|_, _| {}).unwrap());
    }
}

#[test]
fn a_network_that_was_not_loaded_for_gradients_gives_none() {
    let config = config(6, 4, 8, false);
    let network = RefineNet::new(&config, &weights(&config), &Device::flex()).unwrap();
    let x = batch(&config, 1, &Device::flex().autodiff()).require_grad();
    assert!(!network.forward(x.clone(), &[1.0]).unwrap().is_tracked());
    assert!(network.gradients(&values(x.inner()), &[1.0], None, &|_, _| {}).is_none());
}
