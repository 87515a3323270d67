//! Classifiers on the command line: trained, measured, and leading samples to a class.

use super::Place;
use score_explorer::checkpoint::{ReadProgress, read_classifier, read_tensors, write_classifier};
use serde_json::Value;

const TRAIN: &str = "classifier train --data worlds:32 --width 8 --multipliers 1,2 --images 512 --batch 64";

/// The samples of a tensor's file.
fn samples(place: &Place, name: &str) -> Vec<f32> {
    read_tensors(&place.path(name)).expect("tensors").remove("x").expect("x").values
}

#[test]
fn a_classifier_is_trained_measured_and_refused_where_it_is_none() {
    let place = Place::new();
    place.succeeds(&format!("{TRAIN} --output plain.safetensors"));
    let evaluate = "classifier evaluate --data worlds:32 --limit 120 --json --model";
    let told: Value = serde_json::from_str(&place.succeeds(&format!("{evaluate} plain.safetensors")).stdout).unwrap();
    let shares = told["accuracies"].as_array().expect("a list");
    // 120 worlds of six kinds are a sixth by chance, with a deviation of 0.034.
    assert!(shares.len() == 1 && shares[0]["share"].as_f64().unwrap() > 0.5, "{told}");
    assert_eq!(told["classes"].as_array().map(Vec::len), Some(6));
    // Images twice as large are told by the means of their pixels, but not trained on.
    let larger = evaluate.replace("worlds:32", "worlds:64");
    let told: Value = serde_json::from_str(&place.succeeds(&format!("{larger} plain.safetensors")).stdout).unwrap();
    assert!(told["accuracies"][0]["share"].as_f64().unwrap() > 0.5, "{told}");
    let line = "classifier train --data worlds:64 --from plain.safetensors --output a.safetensors";
    place.fails(line, 3, "the pictures are [3, 64, 64]");
    let further = "classifier train --data worlds:32 --images 256 --batch 64 --from";
    place.succeeds(&format!("{further} plain.safetensors --output further.safetensors"));
    let more: Value = serde_json::from_str(&place.succeeds(&format!("{evaluate} further.safetensors")).stdout).unwrap();
    assert_eq!(more["config"], told["config"]);
    assert!(more["accuracies"][0]["share"].as_f64().unwrap() > 0.5, "{more}");
    place.fails(&format!("{TRAIN} --from plain.safetensors --output a.safetensors"), 2, "cannot be used with");
    place.fails(&format!("{further} none.safetensors --output a.safetensors"), 3, "cannot be read");
    // Of two that are the same, the mean is they.
    let both = "classifier average plain.safetensors plain.safetensors --test worlds:32 --output both.safetensors";
    assert!(place.succeeds(both).stdout.contains("right at"));
    let weights = |name: &str| read_tensors(&place.path(name)).expect("tensors");
    assert_eq!(weights("both.safetensors"), weights("plain.safetensors"));
    place.succeeds("classifier average plain.safetensors further.safetensors --output mean.safetensors");
    let [plain, further, mean] = ["plain", "further", "mean"].map(|name| weights(&format!("{name}.safetensors")));
    for (name, mean) in &mean {
        let pairs = plain[name].values.iter().zip(&further[name].values);
        for ((a, b), mean) in pairs.zip(&mean.values) {
            // Stored in half precision.
            assert!((0.5 * (a + b) - mean).abs() <= mean.abs() / 1024.0 + 1e-7, "{name}: {a} and {b} give {mean}");
        }
    }
    place.fails("classifier average plain.safetensors --output a.safetensors", 2, "2 values required");
    place.succeeds(&format!("{TRAIN} --blocks 2 --output deeper.safetensors"));
    let other = "classifier average plain.safetensors deeper.safetensors --output a.safetensors";
    place.fails(other, 3, "not a classifier of the same network");
    let mut part = read_classifier(&place.path("plain.safetensors"), &ReadProgress::default()).unwrap();
    let (missing, _) = part.weights.pop_last().expect("a weight");
    write_classifier(&place.path("part.safetensors"), &part).unwrap();
    let of_part = "classifier average plain.safetensors part.safetensors --output a.safetensors";
    let sentence = place.fails(of_part, 3, "part.safetensors: ");
    assert!(sentence.contains(&missing) && !place.path("a.safetensors").exists(), "{sentence}");
    place.fails("sample --model plain.safetensors", 3, "it holds a classifier");
    place.fails("models ./plain.safetensors", 3, "it holds a classifier");
    place.fails("sample --class sea --classifier plain.safetensors", 1, "clean images");
    place.fails(&format!("{evaluate} none.safetensors"), 3, "cannot be read");
    place.fails("classifier train --data exact --output a.safetensors", 3, "exact");
    place.fails(&format!("{TRAIN} --muon-rate 1000000 --output a.safetensors"), 2, "1000000");
    std::fs::write(place.path("a.txt"), "no model").unwrap();
    place.fails("classifier evaluate --data worlds:32 --model a.txt", 3, "safetensors");
}

#[test]
fn guidance_is_part_of_a_run_and_repeats_with_it() {
    let place = Place::new();
    place.succeeds(&format!("{TRAIN} --noisy --output noisy.safetensors"));
    let sample = "sample --count 3 --steps 4 --device cpu";
    place.succeeds(&format!("{sample} --tensor free.safetensors"));
    let led = format!("{sample} --class sea --guidance 3 --classifier noisy.safetensors");
    place.succeeds(&format!("{led} --tensor led.safetensors --save-run run.json"));
    let (free, led) = (samples(&place, "free.safetensors"), samples(&place, "led.safetensors"));
    assert_ne!(free, led);
    assert_ne!(led, vec![0.0; led.len()]);
    // A path in a file is not opened unasked.
    place.fails("run run.json --device cpu --tensor again.safetensors", 2, "--guide-model");
    place.succeeds("run run.json --device cpu --classifier noisy.safetensors --tensor again.safetensors");
    assert_eq!(led, samples(&place, "again.safetensors"));
    place.succeeds(&format!("{sample} --class sea --guidance 0 --tensor weightless.safetensors"));
    assert_eq!(free, samples(&place, "weightless.safetensors"));
    place.fails(&format!("{sample} --class unicorn"), 1, "unicorn");
    place.fails(&format!("{sample} --class 6"), 1, "6");
    place.fails(&format!("{sample} --class sea --guidance -1"), 2, "-1");
    place.fails(&format!("{sample} --class sea --guidance-kind classifier --model mixture:ring"), 1, "shape");
}
