//! The panel "Models": cards, published checkpoints, and taking a file into the library.

use super::{Folders, click, open_in, open_with, quick, stored, wait_until};
use egui::Key;
use egui_kittest::kittest::Queryable;
use score_explorer::app::Draft;
use score_explorer::checkpoint::{catalogue, checksum};
use score_explorer::task::ModelRef;
use std::path::Path;
use std::time::{Duration, Instant};

#[test]
fn every_model_at_hand_has_a_card_and_can_be_chosen() {
    let mut harness = open_with(quick(3));
    harness.key_press(Key::F2);
    // The library is read in the background.
    let began = Instant::now();
    while harness.query_by_label("Mixture: two-moons").is_none() && began.elapsed() < Duration::from_secs(20) {
        harness.run_steps(2);
    }
    harness.get_by_label("Mixture: two-moons").click_accesskit();
    harness.run_steps(3);
    click(&mut harness, "Use this model");
    assert_eq!(harness.state().draft().model, "mixture:two-moons".parse().unwrap());
    assert!(harness.query_by_label("In use").is_some());
    harness.key_press(Key::Escape);
    harness.run_steps(3);
    assert!(harness.query_by_label("In use").is_none());
}

#[test]
fn a_networks_card_draws_its_layers_and_lists_its_tensors() {
    let mut harness = open_with(Draft::default());
    click(&mut harness, "Models");
    for label in ["In use", "Diagram of the layers", "residual block", "4.0 million", "3×32×32 in [−1, 1]"] {
        assert!(harness.query_all_by_label(label).next().is_some(), "{label}");
    }
    harness.get_by_label("Tensors").click_accesskit();
    harness.run_steps(3);
    assert!(harness.query_by_label("all_modules.0.weight").is_some());
}

#[test]
fn published_checkpoints_are_found_with_what_to_do() {
    let mut harness = open_with(quick(3));
    click(&mut harness, "Models");
    click(&mut harness, "Search models");
    harness.get_by_label("Search models").type_text("church ddpm");
    harness.run_steps(3);
    assert!(harness.query_by_label_contains("google/ddpm-bedroom-256").is_none());
    harness.get_by_label_contains("google/ddpm-church-256").click();
    harness.run_steps(3);
    for label in ["Apache 2.0", "https://huggingface.co/google/ddpm-church-256", "113.7 million"] {
        assert!(harness.query_all_by_label(label).next().is_some(), "{label}");
    }
    assert!(harness.query_by_label_contains("hf download google/ddpm-church-256").is_some());
}

#[test]
fn an_open_checkpoint_is_taken_into_the_library_with_its_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("models");
    let nets = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/nets");
    let source = nets.join("ncsnpp-ve-cifar10-discrete/checkpoint.pth");
    let model = ModelRef::File(source.clone());
    let folders = Folders { library: Some(library.clone()), ..Folders::default() };
    let mut harness = open_in(&stored(Draft { model, ..quick(3) }), folders);
    click(&mut harness, "Models");
    click(&mut harness, "Import");
    wait_until(&mut harness, "the library", |app| {
        app.notices().any(|notice| notice.contains("Imported into the model library"))
    });
    assert_eq!(harness.state().draft().model, "checkpoint".parse().unwrap());
    let entries = catalogue(Some(&library));
    let entry = entries.iter().find(|entry| entry.reference == "checkpoint").unwrap();
    let card = &entry.description.as_ref().unwrap().card;
    let (digest, bytes) = checksum(&source).unwrap();
    assert!(card.contains(&digest) && card.contains(&format!("{bytes} bytes")), "{card}");
}
