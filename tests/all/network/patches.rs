//! Networks that see patches of pixels as one: as those without, of images that were cut by hand.

use super::{folder, noise, open, relative_error, values};
use burn::tensor::{Device, Tensor, TensorData};
use score_explorer::Image;
use score_explorer::checkpoint::{Overrides, read_score_sde_config};
use score_explorer::network::{Architecture, Array, Config, Embedding, Network, Weights, peak_memory};
use serde_json::{Value, json};

const IMAGES: usize = 2;

/// A small published architecture of images in patches, and the same of images of as many pixels and channels.
fn pair(name: &str) -> [Config; 2] {
    let whole = open(name).description.config.unet().unwrap().clone();
    let cut = Config { num_channels: 12, ..whole.clone() };
    let patched = Config { patch: 2, image_size: 2 * whole.image_size, ..whole };
    [patched, cut]
}

fn drawn(config: &Config) -> Weights {
    let parameters = config.parameters().into_iter().enumerate();
    let drawn = parameters.map(|(seed, (name, shape))| {
        let values = noise(shape.iter().product(), seed as u64).into_iter().map(|x| 0.2 * x).collect();
        (name, Array { shape, values })
    });
    drawn.collect()
}

fn labels(config: &Config) -> [f64; IMAGES] {
    if config.embedding_type == Embedding::Fourier { [0.3, 2.0] } else { [20.0, 700.0] }
}

/// `pixel_unshuffle` by its definition: channel 4·c + 2·i + j has the pixels (2·y + i, 2·x + j) of channel c.
fn cut(images: &[f32], side: usize) -> Vec<f32> {
    let (half, mut out) = (side / 2, Vec::new());
    for image in images.chunks(3 * side * side) {
        for (c, i, j) in (0..12).map(|plane| (plane / 4, plane / 2 % 2, plane % 2)) {
            for (y, x) in (0..half * half).map(|place| (place / half, place % half)) {
                out.push(image[(c * side + 2 * y + i) * side + 2 * x + j]);
            }
        }
    }
    out
}

fn tensor(values: &[f32], [channels, side]: [usize; 2], device: &Device) -> Image {
    Tensor::from_data(TensorData::new(values.to_vec(), [IMAGES, channels, side, side]), device)
}

/// Output, and the slope of its product with some numbers by x.
fn output(network: &Network, x: Image, labels: &[f64], probe: Image) -> [Vec<f32>; 2] {
    let x = x.require_grad();
    let output = network.forward(x.clone(), labels).unwrap();
    let gradients = (output.clone() * probe).sum().backward();
    [values(output), values(x.grad(&gradients).unwrap())]
}

#[test]
fn patches_give_what_the_network_gives_for_images_cut_by_hand() {
    let device = Device::flex().autodiff();
    for name in ["ddpm-vp-cifar10-discrete", "ddpmpp-subvp-cifar10", "ncsnpp-vp-cifar10", "ncsnpp-ve-ffhq1024"] {
        let [patched, plain] = pair(name);
        assert_eq!(patched.parameters(), plain.parameters(), "{name}");
        let (weights, labels, side) = (drawn(&plain), labels(&plain), patched.image_size);
        let [x, probe] = [1, 2].map(|seed| noise(IMAGES * 3 * side * side, seed));
        let of = |config: &Config, tensors: bool, x: &[f32], probe: &[f32]| {
            let size = [config.num_channels, config.image_size];
            let build = if tensors { Network::of_tensors } else { Network::new };
            let network = build(&config.clone().into(), &weights, &device).unwrap();
            output(&network, tensor(x, size, &device), &labels, tensor(probe, size, &device))
        };
        let expected = of(&plain, false, &cut(&x, side), &cut(&probe, side));
        let found = of(&patched, false, &x, &probe);
        let by_tensors = of(&patched, true, &x, &probe);
        for ((expected, found), by_tensors) in expected.iter().zip(&found).zip(&by_tensors) {
            assert!(expected.iter().any(|&value| value != 0.0));
            assert_eq!(&cut(found, side), expected, "{name}");
            // Single precision, summed in another order.
            assert!(relative_error(&cut(by_tensors, side), expected) < 1e-4, "{name}");
        }
    }
}

#[test]
fn gradients_by_all_parameters_are_those_of_images_cut_by_hand() {
    let device = Device::flex().autodiff();
    for name in ["ddpmpp-subvp-cifar10", "ncsnpp-ve-ffhq1024"] {
        let [patched, plain] = pair(name);
        let (weights, labels, side) = (drawn(&plain), labels(&plain), patched.image_size);
        let [x, target] = [1, 2].map(|seed| noise(IMAGES * 3 * side * side, seed));
        // The slopes of half the squared distance from a target.
        let of = |config: &Config, x: &[f32], target: &[f32]| {
            let size = target.len() / IMAGES;
            let network = Network::new(&config.clone().into(), &weights, &device).unwrap();
            let at_output = |images: std::ops::Range<usize>, values: &mut [f32]| {
                let target = &target[images.start * size..images.end * size];
                values.iter_mut().zip(target).for_each(|(value, target)| *value -= target);
            };
            network.gradients(x, &labels, None, &at_output).unwrap()
        };
        let found = of(&patched, &x, &target);
        assert_eq!(found, of(&plain, &cut(&x, side), &cut(&target, side)), "{name}");
        assert!(found.iter().flatten().any(|&slope| slope != 0.0));
    }
}

#[test]
fn patches_cost_what_their_size_does_and_are_in_files_only_where_they_are() {
    let text = std::fs::read_to_string(folder("ddpmpp-subvp-cifar10").join("config.json")).unwrap();
    let read = |side: usize, patch: Option<usize>| -> Result<Architecture, String> {
        let mut config: Value = serde_json::from_str(&text).unwrap();
        config["data"]["image_size"] = json!(side);
        patch.into_iter().for_each(|patch| config["model"]["patch"] = json!(patch));
        let described = read_score_sde_config(&config.to_string(), &Overrides::default());
        described.map(|described| described.config).map_err(|error| error.to_string())
    };
    let [plain, patched, large] =
        [(32, None), (64, Some(2)), (64, None)].map(|(side, patch)| read(side, patch).unwrap());
    assert_eq!(patched.shape(), [3, 64, 64]);
    let memory = [&plain, &patched, &large].map(peak_memory);
    assert!(memory[1] == memory[0] && 3 * memory[1] < memory[2], "{memory:?}");
    assert!(patched.summary().ends_with("patches 2×2") && !plain.summary().contains("patches"));
    for (architecture, patch) in [(plain, Value::Null), (patched, json!(2))] {
        let written = serde_json::to_value(&architecture).unwrap();
        assert_eq!(written["patch"], patch);
        assert_eq!(serde_json::from_value::<Architecture>(written).unwrap(), architecture);
    }
    for (side, patch, said) in
        [(64, 5, "model.patch = 5"), (64, 0, "model.patch = 0"), (64, 300, "model.patch"), (38, 2, "patches 2×2")]
    {
        let error = read(side, Some(patch)).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

/// Images of k times the size, each pixel k×k times.
fn magnified(images: &[f32], side: usize, k: usize) -> Vec<f32> {
    let wide = side * k;
    let pixel = |plane: usize, place: usize| (plane * side + place / wide / k) * side + place % wide / k;
    let planes = images.len() / (side * side);
    (0..planes).flat_map(|plane| (0..wide * wide).map(move |place| images[pixel(plane, place)])).collect()
}

#[test]
fn an_enlarged_network_answers_patches_of_one_colour_as_the_network_answered_pixels() {
    let device = Device::flex();
    for name in ["ddpm-vp-cifar10-discrete", "ddpmpp-subvp-cifar10", "ncsnpp-vp-cifar10", "ncsnpp-ve-ffhq1024"] {
        let config = open(name).description.config.unet().unwrap().clone();
        let (weights, labels, side) = (drawn(&config), labels(&config), config.image_size);
        let x = noise(IMAGES * 3 * side * side, 1);
        let small: Architecture = config.into();
        let answers = |architecture: &Architecture, weights: &Weights, x: &[f32]| {
            let network = Network::new(architecture, weights, &device).unwrap();
            let size = [3, architecture.shape()[1]];
            values(network.forward(tensor(x, size, &device), &labels).unwrap())
        };
        let expected = answers(&small, &weights, &x);
        for k in [2, 3] {
            let large = small.enlarged([k * side; 2]).unwrap();
            assert_eq!(large.shape(), [3, k * side, k * side]);
            let found = answers(&large, &small.enlarge(weights.clone(), &large), &magnified(&x, side, k));
            // Sums of k² equal parts in single precision.
            let error = relative_error(&found, &magnified(&expected, side, k));
            assert!(error < 1e-5, "{name} {k}: {error}");
        }
        // Twice by two is by four: patches of patches are in the same order, and powers of two are not rounded.
        let [twice, fourfold] = [2, 4].map(|k| small.enlarged([k * side; 2]).unwrap());
        assert_eq!(twice.enlarged([4 * side; 2]).as_ref(), Some(&fourfold));
        let by_steps = twice.enlarge(small.enlarge(weights.clone(), &twice), &fourfold);
        assert_eq!(by_steps, small.enlarge(weights.clone(), &fourfold), "{name}");
        assert_eq!(small.enlarge(weights.clone(), &small), weights);
        for size in [[side / 2; 2], [5 * side; 2], [2 * side, side], [side + 1; 2]] {
            assert_eq!(small.enlarged(size), None, "{name} {size:?}");
        }
    }
}
