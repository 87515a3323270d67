//! Diffusion transformers on the CPU's own layers and a graphics device's against tensor operations, at sizes and widths that nobody published.

use super::{distance, noise, norm, output_and_gradient, relative_error, same_bits_for_any_number_of_threads, values};
use crate::allocations::most_held;
use crate::graphics::{graphics, half_precision};
use burn::tensor::{Device, Tensor, TensorData};
use score_explorer::network::{
    Architecture, Array, Classes, Dit, DitConfig, Joins, Labels, NetworkConfig, ScoreNetwork, Weights, peak_memory,
};
use std::ops::Range;

/// Channels, heads, patches' and images' sides.
fn config(hidden_size: usize, num_heads: usize, patch_size: usize, image_size: usize) -> DitConfig {
    let config = DitConfig {
        hidden_size,
        depth: 2,
        num_heads,
        mlp_width: 2 * hidden_size + 5,
        patch_size,
        classes: Some(Classes { count: 2, joins: Joins::Embedding, none: true }),
        image_size,
        num_channels: 3,
        sigma_data: None,
    };
    config.check().unwrap();
    config
}

/// Heads of 12, 12, 24, 16 and 4 channels; 25, 16, 9 tokens, one token, and 121, more than one band.
fn odd() -> [DitConfig; 5] {
    [config(36, 3, 1, 5), config(12, 1, 2, 8), config(48, 2, 3, 9), config(16, 1, 4, 4), config(20, 5, 2, 22)]
}

/// Sums neither grow nor shrink much from layer to layer, and what is told makes a difference.
fn weights(config: &DitConfig) -> Weights {
    let parameters = Architecture::from(config.clone()).parameters().into_iter().enumerate();
    let array = |(seed, (name, shape)): (usize, (String, Vec<usize>))| {
        let count: usize = shape.iter().product();
        let spread = if shape.len() == 1 { 0.3 } else { (3.0 / (count / shape[0]) as f32).sqrt() };
        let values = noise(count, seed as u64 + 1).into_iter().map(|value| spread * value).collect();
        (name, Array { shape, values })
    };
    parameters.map(array).collect()
}

fn batch(config: &DitConfig, images: usize) -> Tensor<4> {
    let [channels, height, width] = config.shape();
    let shape = [images, channels, height, width];
    Tensor::from_data(TensorData::new(noise(shape.iter().product(), 5), shape), &Device::flex())
}

/// A noise level for each image.
fn levels(images: usize) -> Vec<f64> {
    (0..images).map(|index| (index * 7 % 5) as f64 * 3.1 - 2.0).collect()
}

/// A class for each image, or none.
fn classes(images: usize) -> Vec<Option<usize>> {
    (0..images).map(|index| [Some(1), None, Some(0)][index % 3]).collect()
}

/// Rounding through some dozen layers of random weights, in units of the largest value. Measured is up to 2e-6.
const ROUNDING: f64 = 1e-5;

/// The output by a graphics device's own kernels, for images of these levels and classes.
fn by_kernels(config: &DitConfig, x: &Tensor<4>, labels: Labels, device: &Device) -> Vec<f32> {
    let there = Tensor::from_data(x.to_data(), device);
    values(Dit::new(config, &weights(config), device).unwrap().forward(there, labels).unwrap())
}

/// Classes that are told, or that are none, of a network with a table of them and one without.
#[test]
fn kernels_agree_with_tensor_operations_of_classes() {
    for config in odd().into_iter().flat_map(|config| [config.clone(), DitConfig { classes: None, ..config }]) {
        let (x, levels, classes) = (batch(&config, 3), levels(3), classes(3));
        let by_tensors = Dit::of_tensors(&config, &weights(&config), &Device::flex()).unwrap();
        for (levels, classes) in [(&levels[..1], &classes[..1]), (&levels, &classes[..0]), (&levels, &classes)] {
            let labels = Labels { levels, classes };
            let expected = values(by_tensors.forward(x.clone(), labels).unwrap());
            let error = relative_error(&by_kernels(&config, &x, labels, &graphics()), &expected);
            println!("{} levels, {} classes: {error:.1e}: {config:?}", levels.len(), classes.len());
            assert!(error < ROUNDING, "a graphics device's kernels differ by {error:.1e}: {config:?}");
        }
    }
}

/// Features are rounded to eleven bits, sums are not.
#[test]
fn half_precision_stays_within_two_thousandths() {
    for config in odd() {
        let (x, levels) = (batch(&config, 2), levels(1));
        let labels = Labels::from(&levels);
        let [single, half] = [graphics(), half_precision()].map(|device| by_kernels(&config, &x, labels, &device));
        let error = relative_error(&half, &single);
        println!("{error:.1e}: {config:?}");
        assert!(error > 1e-6, "half precision makes no difference");
        assert!(error < 2e-3, "off by {error:.1e}: {config:?}");
    }
}

#[test]
fn odd_sizes_and_widths_agree_with_tensor_operations() {
    for config in odd() {
        let (device, weights) = (Device::flex(), weights(&config));
        for images in [1, 3] {
            let x = batch(&config, images);
            for levels in [levels(1), levels(images)] {
                let plain = values(Dit::new(&config, &weights, &device).unwrap().forward(x.clone(), &levels).unwrap());
                let tracked = device.clone().autodiff();
                let own = output_and_gradient(&Dit::new(&config, &weights, &tracked).unwrap(), &x, &levels);
                assert!(plain == own[0], "gradients change the output: {config:?}");
                let expected = output_and_gradient(&Dit::of_tensors(&config, &weights, &tracked).unwrap(), &x, &levels);
                for (what, own, expected) in [("output", &own[0], &expected[0]), ("gradient", &own[1], &expected[1])] {
                    let error = relative_error(own, expected);
                    println!("{images} images, {what}: {error:.1e}: {config:?}");
                    assert!(error < ROUNDING, "{images} images: the {what} differs by {error:.1e}: {config:?}");
                }
            }
        }
    }
}

/// Gradients of a loss that is linear in the output by all parameters, on the CPU's own layers and by tensor operations.
fn parameters_agree_with_tensors(config: &DitConfig, images: usize) {
    let (device, weights, levels, classes) = (Device::flex(), weights(config), levels(images), classes(images));
    let (x, labels) = (values(batch(config, images)), Labels { levels: &levels, classes: &classes });
    let (probe, each) = (noise(x.len(), 6), x.len() / images);
    let at_output = |images: Range<usize>, values: &mut [f32]| {
        values.copy_from_slice(&probe[images.start * each..images.end * each]);
    };
    let network = Dit::new(config, &weights, &device.clone().autodiff()).unwrap();
    let own = network.gradients(&x, labels, None, &at_output).unwrap();
    let expected = Dit::gradients_by_tensors(config, &weights, &device, &x, labels, None, &at_output).unwrap();
    let parameters = Architecture::from(config.clone()).parameters();
    assert_eq!((own.len(), expected.len()), (parameters.len(), parameters.len()));
    // What is less than that of all is made of sums that nearly cancel: nothing depends on the bias of a key.
    let least = 1e-3 * norm(&expected.concat());
    let mut worst: f64 = 0.0;
    for ((own, expected), (name, _)) in own.iter().zip(&expected).zip(&parameters) {
        let size = norm(expected);
        assert!(size > 0.0 || config.image_size == config.patch_size, "{name} has no gradient");
        let error = distance(own, expected) / size.max(least);
        worst = if error.is_nan() { f64::INFINITY } else { worst.max(error) };
    }
    println!("{images} images, {worst:.1e}: {config:?}");
    assert!(worst < ROUNDING, "off by {worst:.1e} of a parameter's norm: {config:?}");
}

#[test]
fn gradients_by_parameters_agree_with_tensor_operations() {
    for config in odd() {
        parameters_agree_with_tensors(&config, 3);
        parameters_agree_with_tensors(&DitConfig { classes: None, ..config }, 1);
    }
}

/// No more than sixteen images go through together.
#[test]
fn gradients_of_large_batches_are_sums_over_groups() {
    parameters_agree_with_tensors(&config(36, 3, 1, 5), 19);
}

#[test]
fn gradients_are_the_same_bits_for_any_number_of_threads() {
    for config in [config(36, 3, 1, 5), config(20, 5, 2, 22)] {
        let (levels, classes) = (levels(35), classes(35));
        let (x, labels) = (values(batch(&config, 35)), Labels { levels: &levels, classes: &classes });
        let network = Dit::new(&config, &weights(&config), &Device::flex().autodiff()).unwrap();
        same_bits_for_any_number_of_threads(|| network.gradients(&x, labels, None, &|_, _| {}).unwrap());
    }
}

/// On the CPU every sum has one order, whatever it is computed beside and by how many threads.
#[test]
fn a_batch_gives_what_its_samples_give_alone_to_the_bit() {
    const COUNT: usize = 19;
    for config in [config(36, 3, 1, 5), config(20, 5, 2, 22)] {
        let network = Dit::new(&config, &weights(&config), &Device::flex()).unwrap();
        let (x, levels, classes) = (batch(&config, COUNT), levels(COUNT), classes(COUNT));
        let labels = Labels { levels: &levels, classes: &classes };
        let together = values(network.forward(x.clone(), labels).unwrap());
        let each = together.len() / COUNT;
        for index in 0..COUNT {
            let labels = Labels { levels: &levels[index..=index], classes: &classes[index..=index] };
            let alone = values(network.forward(x.clone().narrow(0, index, 1), labels).unwrap());
            assert!(together[index * each..][..each] == alone, "sample {index} differs");
        }
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| values(network.forward(x.clone(), labels).unwrap()));
            assert!(found == together, "{threads} threads");
        }
        let one = values(network.forward(x.clone(), &[2.0]).unwrap());
        assert!(one == values(network.forward(x, &[2.0; COUNT]).unwrap()));
    }
}

/// On one thread, whose allocations are counted.
#[test]
fn memory_for_gradients_does_not_grow_with_the_batch() {
    let config = config(36, 3, 1, 5);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let [few, many] = [16, 160].map(|images| {
        let (x, levels) = (values(batch(&config, images)), levels(images));
        pool.install(|| {
            let network = Dit::new(&config, &weights(&config), &Device::flex().autodiff()).unwrap();
            most_held(|| network.gradients(&x, &levels, None, &|_, _| {}).unwrap()).1
        })
    });
    println!("{few} bytes for 16 images, {many} for 160");
    assert!((many as f64) < 1.5 * few as f64, "{few} bytes for 16 images, {many} for 160");
}

#[test]
fn the_outline_has_every_parameter_once() {
    for config in odd() {
        let outlined: usize = config.outline().iter().map(|stage| stage.parameters).sum();
        assert_eq!(outlined, Architecture::from(config).count());
    }
}

/// On one thread, too. Features are most of it.
#[test]
fn the_estimate_of_memory_is_what_an_evaluation_holds() {
    for config in [config(64, 2, 2, 64), DitConfig { mlp_width: 256, ..config(64, 2, 1, 32) }] {
        let estimate = peak_memory(&config.clone().into()) as f64;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let x = batch(&config, 1);
        let held = pool.install(|| {
            let network = Dit::new(&config, &weights(&config), &Device::flex()).unwrap();
            most_held(|| network.forward(x, &[0.5]).unwrap()).1
        });
        println!("{estimate} estimated, {held} held");
        assert!((0.5..2.0).contains(&(estimate / held as f64)), "{estimate} estimated, {held} held");
    }
}

#[test]
fn a_transformer_that_was_not_loaded_for_gradients_gives_none() {
    let config = config(12, 1, 2, 8);
    let network = Dit::new(&config, &weights(&config), &Device::flex()).unwrap();
    assert!(network.gradients(&values(batch(&config, 1)), &[1.0], None, &|_, _| {}).is_none());
}
