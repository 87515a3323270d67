//! The network of FID against recorded outputs, with weights by the recorded formula.

use super::{json, numbers};
use score_explorer::metric::{PytorchFid, Resize, resized};
use score_explorer::network::{Array, Inception, Weights};
use serde_json::Value;

/// Every parameter by the formula of the reference.
fn weights(recorded: &Value) -> Weights {
    let names = recorded["keys"].as_array().unwrap().iter().zip(recorded["shapes"].as_array().unwrap());
    let parameter = |(k, (name, shape)): (usize, (&Value, &Value))| {
        let name = name.as_str().unwrap();
        let shape: Vec<usize> = numbers(shape).into_iter().map(|size| size as usize).collect();
        let row: usize = shape.iter().skip(1).product();
        let value = |i: usize| {
            let i = i as f64;
            let s = (0.37 * i * (1.0 + 1e-4 * i) + 1.3 * k as f64).sin();
            let value = match () {
                () if name.ends_with("running_var") => 1.0 + 0.3 * s,
                () if shape.len() > 1 => 1.2 * s * (2.0 / row as f64).sqrt(),
                () if name.ends_with("bn.weight") => 1.0 + 0.3 * s,
                () => 0.1 * s,
            };
            value as f32
        };
        let values = (0..shape.iter().product()).map(value).collect();
        (name.to_owned(), Array { shape, values })
    };
    names.enumerate().map(parameter).collect()
}

/// The recorded input at the network's size, in [−1, 1].
fn images() -> Vec<Vec<f32>> {
    let taps = PytorchFid.taps(32, 299);
    let plane = |first: usize| {
        let values: Vec<f64> = (first..first + 1024).map(|j| 0.5 * (0.11 * j as f64).sin() + 0.5).collect();
        resized(&values, 32, &taps, &taps).into_iter().map(|value| (2.0 * value - 1.0) as f32).collect::<Vec<f32>>()
    };
    (0..2).map(|image| (0..3).flat_map(|c| plane((image * 3 + c) * 1024)).collect()).collect()
}

#[test]
fn blocks_are_those_of_the_published_variant() {
    let recorded = json("inception.json");
    let network = Inception::new(&weights(&recorded)).unwrap();
    let images = images();
    for (number, image) in images.iter().enumerate() {
        let layers = network.layers(image);
        for (block, layer) in [("block0", 2), ("block1", 5), ("block2", 13)] {
            let (found, expected) = (&layers[layer], &recorded[block]);
            let mean = found.iter().map(|&x| f64::from(x)).sum::<f64>() / found.len() as f64;
            let deviation = found.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / found.len() as f64;
            let (means, stds) = (numbers(&expected["mean"]), numbers(&expected["std"]));
            assert!((mean - means[number]).abs() <= 1e-3 * means[number].abs(), "{block}: {mean}, {means:?}");
            assert!((deviation.sqrt() - stds[number]).abs() <= 1e-3 * stds[number], "{block}: {stds:?}");
            for (found, exact) in found.iter().zip(numbers(&expected["first16"][number])) {
                assert!((f64::from(*found) - exact).abs() <= 1e-3 * stds[number], "{block}: {found}, not {exact}");
            }
        }
    }
    let together = network.forward(&images.concat());
    for (number, output) in together.iter().enumerate() {
        let exact = numbers(&recorded["pool"][number]);
        let largest = exact.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        assert_eq!(output.features.len(), exact.len());
        let worst = output.features.iter().zip(&exact).map(|(found, exact)| (f64::from(*found) - exact).abs());
        assert!(worst.fold(0.0, f64::max) <= 1e-3 * largest);
        assert_eq!(output.logits.len(), 1008);
    }
    // Alone as in company.
    assert_eq!(network.forward(&images[1]), together[1..]);
}

#[test]
fn other_weights_are_refused_by_name() {
    let recorded = json("inception.json");
    let mut weights: Weights = weights(&recorded);
    let fc = weights.remove("fc.weight").unwrap();
    assert!(Inception::new(&weights).unwrap_err().to_string().contains("fc.weight"));
    // Torchvision's network has 1000 classes.
    weights.insert("fc.weight".into(), Array { shape: vec![1000, 2048], values: fc.values[..1000 * 2048].to_vec() });
    assert!(Inception::new(&weights).unwrap_err().to_string().contains("[1000, 2048]"));
}
