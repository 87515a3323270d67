//! Run files: what is written is read again, what no run can be is refused.

use super::sentence;
use score_explorer::checkpoint::{read_run, write_run};
use score_explorer::sde::{Family, Ve};
use score_explorer::solver::Preset;
use score_explorer::task::{Origin, Run, Steps};
use std::fs;

fn branch() -> Run {
    let mut parent = Run { family: Family::Ve(Ve::new(0.02, 40.0).unwrap()), seed: u64::MAX, ..Run::default() };
    parent.apply(Preset::find("pc1000-reverse-diffusion").unwrap());
    let mut run = parent.clone();
    run.steps = Steps::new(300).unwrap();
    run.origin = Origin::Branch { parent: Box::new(parent), step: 12 };
    run
}

#[test]
fn run_files_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    for run in [Run::default(), branch()] {
        write_run(&path, &run).unwrap();
        assert_eq!(read_run(&path).unwrap(), run);
    }
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("{\n  \"score-explorer-run\": 1,\n"), "{text}");
}

#[test]
fn impossible_runs_each_have_their_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    write_run(&path, &branch()).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    for (from, to, expected) in [
        ("\"steps\": 300", "\"steps\": 0", "0 steps is out of range"),
        ("\"count\": 16", "\"count\": 0", "0 samples is out of range"),
        ("\"snr\": 0.16", "\"snr\": NaN", "NaN or Infinity"),
        ("\"snr\": 0.16", "\"snr\": -1.0", "SNR r = -1 is out of range; choose 1e-20 to 1e20"),
        ("\"sigma_min\": 0.02", "\"sigma_min\": 90", "σ_min is 90 and σ_max is 40"),
        ("\"sigma_max\": 40.0", "\"sigma_max\": 1e300", "σ_max is 1e300"),
        ("\"predictor\": \"reverse-diffusion\"", "\"predictor\": \"magic\"", "magic"),
        ("\"step\": 12", "\"step\": 5000", "cannot branch at step 5000"),
        ("\"score-explorer-run\": 1", "\"score-explorer-run\": 2", "newer Score Explorer"),
        ("\"score-explorer-run\": 1,", "", "lacks \"score-explorer-run\""),
        ("{", "", "is not JSON"),
    ] {
        assert!(text.contains(from), "{from} in {text}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let message = sentence(read_run(&path), &path);
        assert!(message.contains(expected), "{expected}: {message}");
    }
}

#[test]
fn files_that_are_no_run_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    write_run(&path, &branch()).unwrap();
    let whole = read_run(&path).unwrap();
    fs::write(&path, [b"\xef\xbb\xbf".to_vec(), fs::read(&path).unwrap()].concat()).unwrap();
    assert_eq!(read_run(&path).unwrap(), whole, "a mark of the byte order is no fault");
    for (bytes, expected) in [
        (b"".to_vec(), "is empty"),
        (b"[1, 2]".to_vec(), "lacks"),
        (b"\x89PNG".to_vec(), "is a PNG image; choose a file saved by `--save-run`"),
        (b"<!-- saved --><html>".to_vec(), "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1".to_vec(), "is a Git LFS pointer"),
        (vec![b'['; 100_000], "is not JSON"),
        (vec![b' '; (16 << 20) + 1], "the limit of 16777216"),
    ] {
        fs::write(&path, bytes).unwrap();
        let message = sentence(read_run(&path), &path);
        assert!(message.contains(expected), "{message}");
    }
}
