//! The panel "Models": cards, published checkpoints, and taking a file into the library.

use super::{Folders, click, open_in, open_with, quick, runs, stored, wait_until};
use egui::Key;
use egui_kittest::kittest::Queryable;
use score_explorer::app::{Draft, RunState};
use score_explorer::checkpoint::{About, adopt, catalogue, checksum, open_network};
use score_explorer::sde::{Family, FamilyKind, Ve};
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

/// An EDM network has σ from 0.002 to 80 of images in [−1, 1]: half as much in the [0, 1] of runs of VE.
#[test]
fn a_chosen_network_runs_in_its_own_family() {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/edm/edm-ddpmpp.safetensors");
    let about = About { name: "small edm".into(), ..About::default() };
    adopt(open_network(&source, None).unwrap(), &source, &about, &folder.path().join("edm.safetensors")).unwrap();
    let folders = Folders { library: Some(folder.path().into()), ..Folders::default() };
    let (solver, grid) = (crate::choices::solver("heun"), crate::choices::grid("edm:7"));
    let mut harness = open_in(&stored(Draft { solver, grid, ..quick(18) }), folders);
    assert_eq!(harness.state().draft().family, FamilyKind::Vp);
    harness.key_press(Key::F2);
    let began = Instant::now();
    while harness.query_by_label("small edm").is_none() && began.elapsed() < Duration::from_secs(20) {
        harness.run_steps(2);
    }
    harness.get_by_label("small edm").click_accesskit();
    harness.run_steps(3);
    click(&mut harness, "Use this model");
    wait_until(&mut harness, "its family", |app| app.draft().family == FamilyKind::Ve);
    harness.key_press(Key::Escape);
    harness.run_steps(3);
    click(&mut harness, "Run");
    wait_until(&mut harness, "the end", |app| {
        runs(app).current().is_some_and(|entry| entry.view.state == RunState::Finished)
    });
    let report = &runs(harness.state()).current().unwrap().view.report;
    assert_eq!(report.run.family, Family::Ve(Ve::new(0.001, 40.0).unwrap()));
    assert_eq!((report.times[0], report.times.len()), (1.0, 19));
    assert!(harness.state().notices().all(|notice| !notice.contains("covers")));
}
