//! NCSN and NCSNv2 on the CPU's own layers against tensor operations, at sizes and widths that nobody published.

use super::{noise, relative_error, values};
use burn::tensor::{Device, Tensor, TensorData};
use score_explorer::network::{Architecture, Array, Nonlinearity, RefineNet, RefineNetConfig, ScoreNetwork, Weights};

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

/// Where gradients may be asked for, every layer is made of tensor operations.
fn agrees_with_tensors(config: &RefineNetConfig, images: usize, labels: &[f64]) {
    let weights = weights(config);
    let answer = |device: &Device| {
        let network = RefineNet::new(config, &weights, device).unwrap();
        values(network.forward(batch(config, images, device), labels).unwrap())
    };
    let (found, expected) = (answer(&Device::flex()), answer(&Device::flex().autodiff()));
    let each = expected.len() / images;
    // Each sample is held against its own largest value: levels answer by orders of magnitude apart.
    for (found, expected) in found.chunks(each).zip(expected.chunks(each)) {
        let error = relative_error(found, expected);
        println!("{images} images, {error:.1e}: {config:?}");
        assert!(error < HOST, "{images} images: the CPU's own layers differ by {error:.1e}: {config:?}");
    }
}

/// Stages that are dilated by 2 and 4 have maps of 14, 6, 4, 3, 2 pixels and one pixel: some phases hang over the
/// border, and some lie beyond it.
#[test]
fn odd_sizes_and_widths_agree_with_tensor_operations() {
    for (ngf, stages, size) in [(6, 4, 8), (20, 4, 12), (6, 4, 28), (20, 5, 12), (6, 5, 8), (6, 6, 16), (20, 6, 8)] {
        for conditional in [true, false] {
            for images in [1, 3] {
                agrees_with_tensors(&config(ngf, stages, size, conditional), images, &[2.0]);
            }
        }
    }
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
