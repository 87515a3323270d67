//! Trainings that begin with the weights of a checkpoint.

use super::whole::{TINY, losses, pictures};
use crate::cli::Place;
use score_explorer::checkpoint::{open_network, read_tensors};
use score_explorer::network::Weights;
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
    assert_eq!(open_network(&place.path("t/model.safetensors"), None).unwrap().description.config, larger);
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
    ] {
        place.fails(&format!("finetune {line} --output t"), code, word);
    }
    assert!(!place.path("t").exists());
}
