//! Trainings that begin with the weights of a checkpoint.

use super::whole::{TINY, losses, pictures};
use crate::cli::Place;
use burn::tensor::Device;
use score_explorer::checkpoint::{open_network, read_tensors};
use score_explorer::network::{Network, Weights};
use score_explorer::score::{NetworkScore, Predicts, ScoreModel};
use score_explorer::solver::{Noise, NoiseSource, Purpose};
use std::path::Path;

fn data(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name).display().to_string()
}

/// The arrays of a state under a prefix.
fn part(place: &Place, prefix: &str) -> Weights {
    let all = read_tensors(&place.path("t/state.safetensors")).unwrap();
    all.into_iter().filter_map(|(name, array)| Some((name.strip_prefix(prefix)?.to_owned(), array))).collect()
}

#[test]
fn a_checkpoint_learns_on_from_where_it_was() {
    let place = Place::new();
    pictures(&place, 4);
    let learnt = "--batch 16 --images 8000 --learning-rate 2e-3";
    place.succeeds(&format!("train {TINY} {learnt} --output first"));
    place.succeeds(&format!("finetune --model first/model.safetensors --data pictures --seed 5 {learnt} --output on"));
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let [first, on] = ["first", "on"].map(|name| losses(&place.path(&format!("{name}/metrics.jsonl"))));
    let (learnt, begun) = (mean(&first[first.len() - 50..]), mean(&on[..50]));
    assert!(begun < 1.5 * learnt && begun < 0.7 * mean(&first[..50]), "{learnt} before, then {begun}");
    // The same command goes on; another checkpoint is another training.
    let line = "finetune --data pictures --seed 5 --batch 16 --learning-rate 2e-3 --images 8160 --output on --model";
    place.succeeds(&format!("{line} first/model.safetensors"));
    assert_eq!(losses(&place.path("on/metrics.jsonl")).len(), 510);
    place.fails(&format!("{line} worlds-vp-small"), 2, "already holds another training");
    place.fails(&format!("{line} on/model.safetensors"), 2, "already holds another training");
    let card = place.succeeds("models on/model.safetensors").stdout;
    assert!(card.contains("first/model.safetensors"), "{card}");
}

#[test]
fn published_networks_of_each_kind_are_trained_on_images_of_any_size() {
    let place = Place::new();
    // 8×8, of which each network makes its own size.
    pictures(&place, 4);
    for net in [
        "nets/ddpm-vp-cifar10-discrete/checkpoint.pth",
        "nets/ncsnpp-ve-cifar10-discrete/checkpoint.pth",
        "edm/edm-ddpmpp.safetensors",
        "diffusers/ncsnpp",
        "ncsn/ncsnv2/checkpoint.pth",
    ] {
        let model = data(net);
        let whole = open_network(Path::new(&model), None).unwrap_or_else(|error| panic!("{error}"));
        // A first step of score_sde's schedule has the learning rate 0: the weights are still the checkpoint's.
        place.succeeds(&format!("finetune --model {model} --data pictures --batch 2 --images 2 --output t"));
        assert_eq!(part(&place, "weights/"), whole.weights, "{net}");
        place.succeeds(&format!("finetune --model {model} --data pictures --batch 2 --images 6 --output t"));
        let moved = part(&place, "weights/");
        assert!(moved != whole.weights && moved.keys().eq(whole.weights.keys()), "{net}");
        let after = open_network(&place.path("t/model.safetensors"), None).unwrap().description;
        assert_eq!((after.config, after.family, after.labels), {
            let before = whole.description;
            (before.config, before.family, before.labels)
        });
        std::fs::remove_dir_all(place.path("t")).unwrap();
    }
}

/// Where there is next to nothing but noise, images are denoised to the mean of the data: of v to within the error of the
/// answer, of the noise to within σ/α times as much.
#[test]
fn a_network_of_the_noise_learns_to_answer_v() {
    let place = Place::new();
    pictures(&place, 4);
    let learnt = "--batch 16 --images 4000 --learning-rate 2e-3";
    place.succeeds(&format!("train {TINY} {learnt} --output first"));
    let line =
        format!("finetune --model first/model.safetensors --data pictures {learnt} --predicts velocity --output on");
    place.succeeds(&line);
    let off = |name: &str| {
        let (opened, device) = (open_network(&place.path(name), None).unwrap(), Device::flex());
        let network = Network::new(&opened.description.config, &opened.weights, &device).unwrap();
        let (description, shape) = (opened.description, [16, 3, 8, 8]);
        let (level, mean) = (description.family.sde().level(1.0), description.moments.unwrap().mean);
        let noise = Noise { seed: 1, first: 0, count: 16, shape: [3, 8, 8], device }.normal(0, Purpose::Prior);
        let clean = NetworkScore::new(network, description).denoised(&(noise * level.sigma), &[level]).unwrap();
        assert_eq!(clean.dims(), shape);
        let clean: Vec<f32> = clean.into_data().try_into_vec().unwrap();
        let squares = clean.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>();
        (squares / clean.len() as f64).sqrt()
    };
    let [noise, v] = ["first/model.safetensors", "on/model.safetensors"].map(off);
    assert!(v < 1.0 && noise > 4.0 * v, "{noise} from the mean, by v {v}");
    // The same command goes on; another answer is another training.
    assert!(place.succeeds(&line).stderr.contains("4000"));
    place.fails(&line.replace("velocity", "noise"), 2, "already holds another training");
    let branch = "finetune --model on/model.safetensors --data pictures --batch 2 --images 2 --output branch";
    place.succeeds(branch);
    assert_eq!(
        open_network(&place.path("branch/model.safetensors"), None).unwrap().description.predicts,
        Predicts::Velocity
    );
}

#[test]
fn larger_images_are_learnt_by_the_same_layers_behind_patches() {
    let place = Place::new();
    pictures(&place, 4);
    let model = data("nets/ddpm-vp-cifar10-discrete/checkpoint.pth");
    let whole = open_network(Path::new(&model), None).unwrap();
    let [_, height, _] = whole.description.config.shape();
    let larger = whole.description.config.enlarged([2 * height; 2]).unwrap();
    let line = format!("finetune --model {model} --data pictures --batch 2 --image-size {} --output t", 2 * height);
    // The first step has the learning rate 0.
    place.succeeds(&format!("{line} --images 2"));
    assert_eq!(part(&place, "weights/"), whole.description.config.enlarge(whole.weights, &larger));
    place.succeeds(&format!("{line} --images 6"));
    // An error in the noise of so many more values would be as many times as large in the image.
    let after = open_network(&place.path("t/model.safetensors"), None).unwrap().description;
    assert_eq!((after.config, after.predicts), (larger, Predicts::Velocity));
    place.succeeds(&format!("{line}-noise --images 2 --predicts noise"));
    assert_eq!(
        open_network(&place.path("t-noise/model.safetensors"), None).unwrap().description.predicts,
        Predicts::Noise
    );
    let other = format!("finetune --model {model} --data pictures --batch 2 --images 6 --output t --image-size");
    place.fails(&format!("{other} {}", 3 * height), 2, "already holds another training");
    // Worlds have a size of their own.
    let said = place.succeeds("finetune --model worlds-vp-small --data worlds:64 --output w --dry-run").stdout;
    assert!(said.contains("patches 2×2") && said.contains("3×64×64"), "{said}");
    let distilled = "--objective consistency-distillation --batch 2 --images 8 --output w";
    place.fails(&format!("finetune --model worlds-vp-small --data worlds:64 {distilled}"), 1, "cannot teach them");
}

#[test]
fn the_bundled_model_is_trained_on_and_what_is_no_network_is_refused() {
    let place = Place::new();
    pictures(&place, 4);
    let said = place
        .succeeds("finetune --model worlds-vp-small --data pictures --batch 8 --images 800 --output t --dry-run")
        .stdout;
    assert!(said.contains("4 images of 3×32×32") && said.contains("100 steps"), "{said}");
    for (line, code, word) in [
        ("--model mixture:two-moons --data pictures", 2, "not a network"),
        ("--model missing.pth --data pictures", 3, "missing.pth"),
        ("--model worlds-vp-small", 2, "--data"),
        ("--model worlds-vp-small --data pictures --image-size 160", 1, "choose another size"),
        ("--model worlds-vp-small --data pictures --image-size 16", 1, "choose another size"),
        ("--model worlds-vp-small --data pictures --objective edm", 2, "choose dsm"),
        (&format!("--model {} --data pictures --dropout 0.1", data("ncsn/ncsnv2/checkpoint.pth")), 2, "no dropout"),
        (&format!("--model {} --data pictures --predicts data", data("edm/edm-ddpmpp.safetensors")), 2, "of its own"),
    ] {
        place.fails(&format!("finetune {line} --output t"), code, word);
    }
    assert!(!place.path("t").exists());
}
