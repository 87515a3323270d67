//! Whole trainings by the command line: they learn, go on to the same bits after real kills, and refuse what cannot be.

use crate::cli::Place;
use burn::tensor::Device;
use score_explorer::checkpoint::ReadProgress;
use score_explorer::data::DataSource;
use score_explorer::registry::Choice;
use score_explorer::train::{Recipe, ScoreSde, Size, Tiny, TrainError, Trainer, Training, initial_weights};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A folder of small pictures: ramps of a few colours and directions.
pub(super) fn pictures(place: &Place, count: u32) {
    let folder = place.path("pictures");
    std::fs::create_dir(&folder).unwrap();
    for number in 0..count {
        let picture = image::RgbImage::from_fn(8, 8, |x, y| {
            let along = if number % 2 == 0 { x } else { y } * 36;
            image::Rgb([along as u8, (number * 37 % 256) as u8, 255 - along as u8])
        });
        picture.save(folder.join(format!("{number}.png"))).unwrap();
    }
}

pub(super) const TINY: &str = "--data pictures --size tiny --seed 3";

fn started(place: &Place, line: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_score-explorer"))
        .args(line.split_whitespace())
        .current_dir(place.path("."))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_killed_training_goes_on_to_the_same_bits() {
    let place = Place::new();
    pictures(&place, 12);
    let images = "--batch 4 --images 4000 --snapshots 2000";
    place.succeeds(&format!("train {TINY} {images} --output whole/t"));
    let line = format!("train {TINY} {images} --save-every 0.03 --output killed/t");
    let (mut random, mut kills) = (fastrand::Rng::with_seed(7), 0);
    for _ in 0..20 {
        let mut child = started(&place, &line);
        std::thread::sleep(Duration::from_millis(random.u64(60..200)));
        kills += u32::from(child.try_wait().unwrap().is_none());
        // Not a signal that could be heard.
        let _ = child.kill();
        child.wait().unwrap();
    }
    assert!(kills >= 10, "most kills must come before the end, not {kills}");
    place.succeeds(&line);
    for file in ["metrics.jsonl", "model.safetensors", "snapshots/000000002000.safetensors"] {
        assert!(place.bytes(&format!("whole/t/{file}")) == place.bytes(&format!("killed/t/{file}")), "{file} differs");
    }
    assert_eq!(place.files_in("killed/t"), place.files_in("whole/t"), "nothing half-written is left");
}

#[cfg(unix)]
#[test]
fn a_training_that_is_asked_to_end_is_saved() {
    let place = Place::new();
    pictures(&place, 12);
    let mut child = started(&place, &format!("train {TINY} --batch 4 --images 100000000 --output t"));
    let metrics = place.path("t/metrics.jsonl");
    while std::fs::metadata(&metrics).map_or(0, |about| about.len()) < 2000 {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let steps = std::fs::read_to_string(&metrics).unwrap().lines().count();
    let card = place.succeeds("models t/model.safetensors").stdout;
    assert!(card.contains(&format!("Trained for {steps} steps")), "{card}");
}

#[test]
fn weights_do_not_depend_on_the_number_of_threads() {
    let place = Place::new();
    pictures(&place, 5);
    for threads in ["1", "2", "3"] {
        let line = format!("train {TINY} --batch 40 --images 400 --output {threads}/t");
        let words: Vec<&str> = line.split_whitespace().collect();
        let ended = place.run_words(&words, &[("RAYON_NUM_THREADS", threads)]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    let model = |threads: &str| place.bytes(&format!("{threads}/t/model.safetensors"));
    assert!(model("1") == model("2") && model("1") == model("3"));
}

/// Losses of a range of steps, from the metrics.
pub(super) fn losses(path: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(path).unwrap();
    let value = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["loss"].as_f64().unwrap();
    text.lines().map(value).collect()
}

#[test]
fn a_network_learns_a_few_pictures_by_every_recipe() {
    let place = Place::new();
    pictures(&place, 4);
    for (name, options) in [
        ("vp", ""),
        ("ve", "--family ve"),
        ("edm", "--recipe edm"),
        ("muon", "--optimizer muon"),
        ("importance", "--times importance --weighting likelihood"),
    ] {
        place
            .succeeds(&format!("train {TINY} --batch 16 --images 4000 {options} --learning-rate 2e-3 --output {name}"));
        let losses = losses(&place.path(&format!("{name}/metrics.jsonl")));
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let (first, last) = (mean(&losses[..20]), mean(&losses[losses.len() - 100..]));
        assert!(last < 0.6 * first, "{name}: the loss went from {first} to {last}");
        // The model is one for every other command.
        place.succeeds(&format!("sample --model {name}/model.safetensors --count 2 --output {name}.png"));
    }
}

/// It has no option of its own: it stands in the file that decides a training.
#[test]
fn dropout_of_a_training_file_is_that_of_its_steps() {
    let place = Place::new();
    pictures(&place, 5);
    place.succeeds(&format!("train {TINY} --batch 4 --images 80 --output without"));
    let mut training: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.path("without/training.json")).unwrap()).unwrap();
    assert_eq!(training["dropout"], 0.0);
    training["dropout"] = 0.4.into();
    std::fs::write(place.path("dropout.json"), training.to_string()).unwrap();
    let [with, again] = ["with", "again"].map(|output| {
        place.succeeds(&format!("train --config dropout.json --output {output}"));
        losses(&place.path(&format!("{output}/metrics.jsonl")))
    });
    let without = losses(&place.path("without/metrics.jsonl"));
    assert_eq!((with.len(), without.len()), (20, 20));
    assert!(with == again && with.last() != without.last(), "{with:?}, {without:?}");
}

#[test]
fn what_cannot_be_trained_is_refused_in_a_sentence() {
    let place = Place::new();
    pictures(&place, 3);
    std::fs::create_dir(place.path("one")).unwrap();
    std::fs::copy(place.path("pictures/0.png"), place.path("one/0.png")).unwrap();
    std::fs::create_dir(place.path("none")).unwrap();
    place.fails("train --data one --size tiny --output t", 1, "too few");
    place.fails("train --data none --output t", 3, "no readable images");
    place.fails("train --data worlds:33 --output t", 2, "worlds:33");
    place.fails("train --output t", 2, "--data");
    place.fails(&format!("train {TINY} --batch 4 --images 2 --output t"), 2, "shorter than one batch");
    place.fails(&format!("train {TINY} --batch 0 --output t"), 2, "batch of 0");
    place.fails(&format!("train {TINY} --weighting likelihood --objective edm --output t"), 2, "weighting");
    // A folder that holds another training, or whose data have changed.
    place.succeeds(&format!("train {TINY} --batch 4 --images 40 --output t"));
    place.fails(
        "train --data pictures --size tiny --seed 4 --batch 4 --images 40 --output t",
        2,
        "already holds another training",
    );
    // The network of a file's training stays as it is.
    place.fails("train --config t/training.json --image-size 16 --output u", 2, "images of 8×8");
    place.fails("train --output t --channels 1", 2, "in 3 channels");
    std::fs::remove_file(place.path("pictures/2.png")).unwrap();
    place.fails(&format!("train {TINY} --batch 4 --images 80 --output t"), 1, "have changed");
    let mut file = std::fs::File::create(place.path("t/state.safetensors")).unwrap();
    file.write_all(b"not a state").unwrap();
    place.fails(&format!("train {TINY} --batch 4 --images 80 --output t"), 1, "state.safetensors");
}

#[test]
fn a_loss_that_is_not_finite_stops_with_its_noise_level_and_changes_nothing() {
    let source: DataSource = "worlds:32".parse().unwrap();
    let data = source.open(&ReadProgress::default()).unwrap();
    let network = ScoreSde.description(&Choice::<dyn Size>::new(&Tiny), None, data.shape());
    let mut weights = initial_weights(&network.config, 0);
    // The first convolution: its sums are beyond single precision.
    let (first, _) = network.config.parameters().into_iter().find(|(_, shape)| shape.len() == 4).unwrap();
    weights.get_mut(&first).unwrap().values.fill(3e38);
    let training = Training { batch: 4, ..Training::usual(source, network) };
    let mut trainer = Trainer::new(training, data, Some(weights.clone())).unwrap();
    let error = trainer.step(&Device::flex()).unwrap_err();
    assert!(matches!(error, TrainError::NotFinite { step: 1, ratio } if ratio > 0.0), "{error}");
    assert!(error.to_string().contains("smaller learning rate"), "{error}");
    assert_eq!((trainer.steps(), trainer.weights()), (0, &weights));
}

#[test]
fn two_programs_do_not_train_in_one_folder() {
    let place = Place::new();
    pictures(&place, 4);
    let line = format!("train {TINY} --batch 4 --images 100000000 --output t");
    let mut first = started(&place, &line);
    while std::fs::metadata(place.path("t/metrics.jsonl")).map_or(0, |about| about.len()) == 0 {
        std::thread::sleep(Duration::from_millis(20));
    }
    place.fails(&line, 1, "is being trained by another program");
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn a_dry_run_says_what_would_happen_and_writes_nothing() {
    let place = Place::new();
    pictures(&place, 6);
    let said = place.succeeds(&format!("train {TINY} --batch 4 --images 4000 --output t --dry-run")).stdout;
    for word in ["6 images of 3×8×8", "1000 steps", "images an hour", "parameters"] {
        assert!(said.contains(word), "{said}");
    }
    assert!(!place.path("t").exists());
}
