//! What is computed survives everything.

use super::{figures, results};
use crate::cli::Place;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// Eight cells, among them some whose samples depend on their block, and some that choose their own steps.
const CELLS: &str = "fast-10,heun-10,dpm++-10,ddim-10,pc-langevin-20,pc-hmc-20,adaptive-1e-3,p1000-reverse-diffusion";

fn line(output: &str) -> String {
    format!(
        "compare --device cpu --model mixture:two-moons --presets {CELLS} --count 200 --save-every 0 --output {output}"
    )
}

/// When anything in a folder was written last.
fn newest(place: &Place, folder: &str) -> Option<SystemTime> {
    let entries = std::fs::read_dir(place.path(folder)).ok()?;
    entries.flatten().filter_map(|entry| entry.metadata().ok()?.modified().ok()).max()
}

#[test]
fn a_comparison_killed_twenty_times_is_that_of_an_undisturbed_one_to_the_bit() {
    let place = Place::new();
    place.succeeds(&line("undisturbed"));
    let mut killed = 0;
    for attempt in 0..200u64 {
        if killed == 20 {
            break;
        }
        let before = newest(&place, "disturbed/cells");
        let mut child = Command::new(env!("CARGO_BIN_EXE_score-explorer"))
            .args(line("disturbed").split(' '))
            .current_dir(place.path("."))
            .env("XDG_DATA_HOME", place.path("data"))
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        // Not before it has come further, and at any moment after that.
        let began = Instant::now();
        while newest(&place, "disturbed/cells") == before && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(attempt * 7919 % 15_000));
        child.kill().expect("it is killed");
        let ended = child.wait().expect("it ends");
        assert!(ended.code().is_none(), "it was done after {killed} kills already");
        killed += 1;
    }
    assert_eq!(killed, 20);
    place.succeeds(&line("disturbed"));
    assert_eq!(figures(&results(&place, "disturbed")), figures(&results(&place, "undisturbed")));
    assert!(place.files_in("disturbed/cells").iter().all(|name| !name.ends_with(".tmp")));
}

#[test]
fn a_raised_count_uses_what_is_there_and_is_as_if_it_had_been_asked_for_at_once() {
    let place = Place::new();
    let line = |count: usize, output: &str| {
        format!(
            "compare --device cpu --model mixture:ring --presets heun-10,pc-langevin-20,adaptive-1e-3 --count {count} --output \
             {output}"
        )
    };
    place.succeeds(&line(100, "raised"));
    let foretold = place.succeeds(&format!("{} --dry-run --json", line(150, "raised")));
    let foretold: serde_json::Value = serde_json::from_str(&foretold.stdout).unwrap();
    // Of the samples that depend on their block, the incomplete block is drawn again.
    assert_eq!((foretold["there"].as_u64(), foretold["samples"].as_u64()), (Some(100 + 64 + 100), Some(450)));
    // Another number of cells, too.
    place.succeeds(&line(150, "raised"));
    place.succeeds(&line(150, "at-once"));
    assert_eq!(figures(&results(&place, "raised")), figures(&results(&place, "at-once")));
    let again = place.succeeds(&format!("{} --dry-run --json", line(150, "raised")));
    let again: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!((again["evaluations"].as_f64(), again["seconds"].as_f64()), (Some(0.0), Some(0.0)));
    place.fails(&line(100, "raised"), 1, "more than 100");
    place.fails(&format!("{} --seed 1", line(150, "raised")), 2, "another model, seed or features");
    let fewer = line(150, "raised").replace("heun-10,", "");
    place.succeeds(&format!("{fewer} --y steps=4,5"));
    assert_eq!(results(&place, "raised").cells.len(), 4);
}

#[test]
fn what_cannot_be_compared_is_refused_before_anything_is_made() {
    let place = Place::new();
    for (line, code, word) in [
        ("--model mixture:ring --features random", 1, "points"),
        ("--model mixture:ring --reference worlds:32", 1, "points"),
        ("--model worlds-64-vp-small --reference worlds:32", 1, "does not compare with samples of 64×64"),
        ("--model exact:worlds --reference nowhere", 1, "nowhere"),
        ("--reference model", 1, "does not hold its images"),
        ("--model exact:worlds --features inception", 1, "Inception"),
        ("--model exact:worlds --count 0", 2, "samples"),
        ("--model exact:worlds --x steps=0", 2, "steps"),
        ("--model exact:worlds --measures fud", 2, "fud"),
    ] {
        place.fails(&format!("compare --device cpu --presets heun-10 --output o {line}"), code, word);
        assert!(!place.path("o").exists(), "{line}");
    }
}

#[test]
fn a_cell_that_fails_says_so_and_the_others_go_on() {
    let place = Place::new();
    let line = "compare --device cpu --model mixture:ring --presets pc-langevin-20 --x solver.snr=0.1,1e19 --count 32 --output o";
    let ended = place.succeeds(line);
    let found = results(&place, "o");
    assert!(found.cells[0].failure.is_none() && found.cells[0].distance.is_some());
    let failure = found.cells[1].failure.as_ref().expect("a sentence");
    assert!(failure.contains("not finite") && found.cells[1].distance.is_none(), "{failure}");
    assert!(ended.stdout.contains(failure.as_str()), "{}", ended.stdout);
    // It is known, and not tried again.
    assert!(place.succeeds(&format!("{line} --dry-run")).stdout.contains("0 left"));
}
