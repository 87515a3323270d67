//! A training in the window: begun, watched, stopped, gone on with after a restart, and used.

use super::{Dropped, Folders, Storage, click, open_in, wait_until};
use crate::cli::Place;
use egui::Key;
use egui_kittest::Harness;
use score_explorer::app::App;
use score_explorer::app::train::Train;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn train(app: &App) -> &Train {
    app.workspace().expect("the workspace")
}

/// The window, with the place of its trainings.
fn window(storage: &Storage, home: &Path) -> Harness<'static, App> {
    open_in(storage, Folders { library: Some(home.join("models")), ..Folders::default() })
}

/// The window on the training `t` that a command has done, and the folder of trainings.
fn window_on_t(place: &Place) -> (Harness<'static, App>, PathBuf) {
    let home = place.path("data");
    let (mut harness, trainings) = (window(&Storage::default(), &home), home.join("trainings"));
    click(&mut harness, "Train");
    harness.run_steps(2);
    wait_until(&mut harness, "the list of trainings", |app| train(app).trainings().contains(&trainings.join("t")));
    click(&mut harness, "Training");
    click(&mut harness, "t");
    (harness, trainings)
}

#[test]
fn a_training_is_watched_stopped_gone_on_with_and_used() {
    let home = tempfile::tempdir().unwrap();
    let mut storage = Storage::default();
    let mut harness = window(&storage, home.path());
    click(&mut harness, "Train");
    click(&mut harness, "Tiny");
    harness.key_press(Key::Space);
    harness.run_steps(2);
    wait_until(&mut harness, "images and samples", |app| train(app).images() >= 192 && train(app).has_samples());
    click(&mut harness, "Pause");
    wait_until(&mut harness, "the pause", |app| train(app).is_paused());
    click(&mut harness, "Resume");
    let before = train(harness.state()).images();
    wait_until(&mut harness, "more images", |app| train(app).images() > before);
    click(&mut harness, "Stop");
    wait_until(&mut harness, "the end", |app| !train(app).is_active());
    let stopped = train(harness.state()).images();
    let folder = home.path().join("trainings/worlds-32-vp-tiny");
    assert!(folder.join("model.safetensors").is_file() && folder.join("state.safetensors").is_file());
    eframe::App::save(harness.state_mut(), &mut storage);
    drop(harness);

    // Another day.
    let mut harness = window(&storage, home.path());
    click(&mut harness, "Train");
    wait_until(&mut harness, "what was there", |app| train(app).images() == stopped);
    click(&mut harness, "Go on");
    wait_until(&mut harness, "more than before", |app| train(app).images() > stopped);
    // The window closes: it is saved.
    eframe::App::on_exit(harness.state_mut());
    let lines = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap().lines().count() as u64;
    assert!(lines * 32 > stopped, "{lines} lines");
    click(&mut harness, "Use model");
    let model = harness.state().draft().model.to_string();
    assert!(model.ends_with("worlds-32-vp-tiny/model.safetensors"), "{model}");
}

#[test]
fn the_average_is_chosen_after_the_training() {
    let place = Place::new();
    place.succeeds(
        "train --data worlds:32 --size tiny --batch 16 --images 320 --snapshots 80 --save-every 600 --device cpu --output \
         data/trainings/t",
    );
    let (mut harness, trainings) = window_on_t(&place);
    wait_until(&mut harness, "samples of the average", |app| train(app).has_samples());
    click(&mut harness, "Use this average");
    wait_until(&mut harness, "the model", |app| {
        app.draft().model.to_string().ends_with("average-0.050-320.safetensors")
    });
    // It is the one that the command makes.
    place.succeeds("average --training data/trainings/t --sigma-rel 0.05 --output a.safetensors");
    let bytes = |path| std::fs::read(path).unwrap();
    assert!(bytes(place.path("a.safetensors")) == bytes(trainings.join("t/average-0.050-320.safetensors")));
}

#[test]
fn a_branch_goes_on_with_larger_images() {
    let place = Place::new();
    place.succeeds("train --data worlds:32 --size tiny --batch 4 --images 8 --device cpu --output data/trainings/t");
    let (mut harness, trainings) = window_on_t(&place);
    wait_until(&mut harness, "what was there", |app| train(app).images() == 8);
    click(&mut harness, "Branch…");
    click(&mut harness, "Training images");
    click(&mut harness, "Little Worlds 64×64");
    harness.key_press(Key::Space);
    harness.run_steps(2);
    wait_until(&mut harness, "images", |app| train(app).images() > 0 && train(app).is_active());
    let text = std::fs::read_to_string(trainings.join("t-branch/training.json")).unwrap();
    assert!(text.contains("\"patch\": 2") && text.contains("worlds:64"), "{text}");
    // It answers v from then on, and is taught it.
    assert!(text.contains("\"predicts\": \"velocity\"") && text.contains("\"prediction\""), "{text}");
    eframe::App::on_exit(harness.state_mut());
}

#[test]
fn a_folder_that_is_dropped_is_the_data_of_the_next_training() {
    let home = tempfile::tempdir().unwrap();
    let pictures = home.path().join("holiday");
    std::fs::create_dir(&pictures).unwrap();
    for number in 0..3u8 {
        image::RgbImage::from_pixel(20, 16, image::Rgb([number * 80, 10, 90]))
            .save(pictures.join(format!("{number}.png")))
            .unwrap();
    }
    let mut harness = window(&Storage::default(), home.path());
    click(&mut harness, "Train");
    click(&mut harness, "Tiny");
    harness.input_mut().dropped_files.push(Arc::new(Dropped(pictures)));
    harness.run_steps(3);
    harness.key_press(Key::Space);
    harness.run_steps(2);
    wait_until(&mut harness, "images", |app| train(app).images() >= 64);
    let folder = home.path().join("trainings/holiday-32-vp-tiny");
    assert!(folder.join("training.json").is_file());
    eframe::App::on_exit(harness.state_mut());
}
