//! Classifiers by the CPU's own layers against the same of tensor operations, and their gradients.

use super::{noise, relative_error};
use crate::graphics::graphics;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use score_explorer::Image;
use score_explorer::network::{Array, Classifier, ClassifierConfig, Learner, Weights};
use score_explorer::train::cross_entropy;

const IMAGES: usize = 5;

fn config(conditional: bool) -> ClassifierConfig {
    ClassifierConfig {
        nf: 20,
        ch_mult: vec![1, 2],
        num_res_blocks: 1,
        conditional,
        classes: 7,
        image_size: 12,
        num_channels: 3,
    }
}

/// Weights of which none is 0, so that every path carries something.
fn weights(config: &ClassifierConfig) -> Weights {
    let array = |(place, parameter): (usize, score_explorer::network::Parameter)| {
        let count: usize = parameter.shape.iter().product();
        let fan = (count / parameter.shape[0]).max(1) as f32;
        let scale = if parameter.shape.len() > 1 { (3.0f32 / fan).sqrt() } else { 0.3 };
        let shift = if parameter.start == score_explorer::network::Start::Constant(1.0) { 1.0 } else { 0.0 };
        let values = noise(count, place as u64).into_iter().map(|x| shift + scale * x).collect();
        (parameter.name, Array { shape: parameter.shape, values })
    };
    config.plan().into_iter().enumerate().map(array).collect()
}

fn images() -> (Vec<f32>, [usize; 4]) {
    (noise(IMAGES * 3 * 144, 100), [IMAGES, 3, 12, 12])
}

fn places() -> Vec<f64> {
    (0..IMAGES).map(|image| image as f64 * 0.4 - 1.0).collect()
}

fn tensor(values: Vec<f32>, dims: [usize; 4], device: &Device) -> Image {
    Tensor::from_data(TensorData::new(values, dims), device)
}

#[test]
fn the_cpus_own_classifier_is_that_of_tensors() {
    let device = Device::flex();
    for conditional in [false, true] {
        let config = config(conditional);
        let weights = weights(&config);
        let (own, other) = (
            Classifier::new(&config, &weights, &device).unwrap(),
            Classifier::of_tensors(&config, &weights, &device).unwrap(),
        );
        let (x, dims) = images();
        let x = tensor(x, dims, &device);
        for labels in [places(), vec![0.3]] {
            let values = |of: Tensor<2>| -> Vec<f32> { of.into_data().try_into_vec().unwrap() };
            let (a, b) = (own.logits(x.clone(), &labels).unwrap(), other.logits(x.clone(), &labels).unwrap());
            assert_eq!(a.dims(), [IMAGES, 7]);
            assert!(relative_error(&values(a), &values(b)) < 1e-5);
            let (a, b) = (own.features(x.clone(), &labels).unwrap(), other.features(x.clone(), &labels).unwrap());
            assert_eq!((a.dims(), config.features()), ([IMAGES, 40], 40));
            assert!(relative_error(&values(a), &values(b)) < 1e-5);
        }
        let told =
            |labels: &[f64]| -> Vec<f32> { own.logits(x.clone(), labels).unwrap().into_data().try_into_vec().unwrap() };
        assert_eq!(told(&[0.1]) == told(&[0.9]), !conditional, "only a noisy one is told the level");
    }
}

#[test]
fn logits_are_a_linear_map_of_features() {
    let (device, config) = (Device::flex(), config(false));
    let weights = weights(&config);
    let classifier = Classifier::new(&config, &weights, &device).unwrap();
    let (x, dims) = images();
    let x = tensor(x, dims, &device);
    let plan = config.plan();
    let [.., weight, bias] = plan.as_slice() else { panic!("a linear map") };
    let (weight, bias) = (&weights[&weight.name].values, &weights[&bias.name].values);
    let features: Vec<f32> = classifier.features(x.clone(), &[0.0]).unwrap().into_data().try_into_vec().unwrap();
    let logits: Vec<f32> = classifier.logits(x, &[0.0]).unwrap().into_data().try_into_vec().unwrap();
    let expected: Vec<f32> = features
        .chunks(40)
        .flat_map(|row| {
            let dot = |class: usize| row.iter().zip(&weight[class * 40..]).map(|(a, b)| a * b).sum::<f32>();
            (0..7).map(|class| dot(class) + bias[class]).collect::<Vec<_>>()
        })
        .collect();
    assert!(relative_error(&logits, &expected) < 1e-5);
}

#[test]
fn gradients_of_a_classifier_are_those_of_autodiff() {
    let labels = [3, 0, 6, 2, 2];
    let at_output = |images: std::ops::Range<usize>, values: &mut [f32]| {
        cross_entropy(values, &labels[images], 0.1, IMAGES);
    };
    for conditional in [false, true] {
        let config = config(conditional);
        let (weights, (x, dims), places) = (weights(&config), images(), places());
        let device = Device::flex().autodiff();
        let own = Classifier::new(&config, &weights, &device).unwrap();
        let found = own.gradients(&x, &places, &at_output).unwrap();
        let expected =
            Classifier::gradients_by_tensors(&config, &weights, &Device::flex(), &x, &places, &at_output).unwrap();
        let mut learner = Learner::default();
        let there = learner.gradients_of_classifier(&config, &weights, &graphics(), &x, &places, &at_output);
        for found in [found, there.unwrap().expect("there are kernels for it")] {
            for ((found, expected), parameter) in found.iter().zip(&expected).zip(config.plan()) {
                let error = relative_error(found, expected);
                assert!(error < 3e-4, "{}: {error:.1e}", parameter.name);
            }
        }

        // By the images, of log p of one class.
        let other = Classifier::of_tensors(&config, &weights, &device).unwrap();
        let by_images = |classifier: &Classifier| -> Vec<f32> {
            let x = tensor(x.clone(), dims, &device).require_grad();
            let log = log_softmax(classifier.logits(x.clone(), &places).unwrap(), 1).narrow(1, 4, 1);
            x.grad(&log.sum().backward()).unwrap().into_data().try_into_vec().unwrap()
        };
        assert!(relative_error(&by_images(&own), &by_images(&other)) < 1e-4);
    }
}
