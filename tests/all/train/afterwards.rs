//! Averages made after a training from those that it stored, against one that was tracked in the training.

use super::whole::{TINY, pictures};
use crate::cli::Place;
use score_explorer::checkpoint::{open_network, read_tensors};
use score_explorer::network::Weights;
use score_explorer::train::{Folder, WIDTHS, posthoc};

/// ‖a − b‖ over all weights.
fn distance(a: &Weights, b: &Weights) -> f64 {
    assert!(a.keys().eq(b.keys()));
    let squares = a.values().zip(b.values()).flat_map(|(a, b)| a.values.iter().zip(&b.values));
    squares.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
}

/// A stored average.
fn stored(place: &Place, images: u64, width: f64) -> Weights {
    let all = read_tensors(&place.path(&format!("t/snapshots/{images:012}.safetensors"))).unwrap();
    let prefix = format!("power {width}/");
    all.into_iter().filter_map(|(name, array)| Some((name.strip_prefix(&prefix)?.to_owned(), array))).collect()
}

#[test]
fn an_average_of_any_length_is_made_after_the_training() {
    let place = Place::new();
    pictures(&place, 12);
    let line =
        format!("train {TINY} --batch 4 --images 8000 --snapshots 400 --average power --sigma-rel 0.07 --output t");
    place.succeeds(&line);
    let folder = Folder::new(&place.path("t"));
    // What was stored comes back, to the bit.
    for width in WIDTHS {
        for images in [4000, 8000] {
            let made = posthoc(&folder, width, Some(images), &|_| true).unwrap();
            assert_eq!((made.images, made.stored), (images, 1));
            assert_eq!(made.weights, stored(&place, images, width), "{width} {images}");
        }
    }
    // What was not stored is near what the training itself tracked: how near depends on how many were stored.
    let tracked = read_tensors(&place.path("t/state.safetensors")).unwrap();
    let tracked: Weights = tracked
        .into_iter()
        .filter_map(|(name, array)| Some((name.strip_prefix("average/")?.to_owned(), array)))
        .collect();
    let apart = distance(&stored(&place, 8000, WIDTHS[0]), &stored(&place, 8000, WIDTHS[1]));
    let made = posthoc(&folder, 0.07, None, &|_| true).unwrap();
    let error = distance(&made.weights, &tracked) / apart;
    println!("of {} stored ones, error {error:.1e}", made.stored);
    assert!(made.stored == 40 && error < 2e-3, "the error is {error:.1e} of what lies between the stored ones");
    // As a command, in half precision.
    let said = place.succeeds("average --training t --sigma-rel 0.07 --output a.safetensors").stdout;
    assert!(said.contains("8000 images, σ_rel 0.07"), "{said}");
    let [command, model] =
        ["a.safetensors", "t/model.safetensors"].map(|name| open_network(&place.path(name), None).unwrap());
    assert!(distance(&command.weights, &model.weights) / apart < 0.02);
    let card = place.succeeds("models a.safetensors").stdout;
    assert!(card.contains("power function average of width 0.07") && card.contains("2000 steps"), "{card}");
}

#[test]
fn what_was_not_stored_is_refused() {
    let place = Place::new();
    pictures(&place, 4);
    place.succeeds(&format!("train {TINY} --batch 4 --images 400 --output none"));
    place.succeeds(&format!("train {TINY} --batch 4 --images 400 --snapshots 200 --output t"));
    let files = place.files();
    for (line, code, word) in [
        ("--training none --sigma-rel 0.07", 3, "--snapshots"),
        ("--training pictures --sigma-rel 0.07", 3, "no training"),
        ("--training t --sigma-rel 0.07 --images 800", 2, "at most"),
        ("--training t --sigma-rel 0.07 --images 100", 2, "no stored average"),
        ("--training t --sigma-rel 0.5", 2, "0.28"),
        ("--training t --sigma-rel nan", 2, "0.28"),
    ] {
        place.fails(&format!("average {line} --output a.safetensors"), code, word);
    }
    assert_eq!(place.files(), files);
}
