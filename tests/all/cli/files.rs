//! Files that name others: run files, latents, and models by their paths.

use super::{Ended, Place};
use image::RgbImage;
use std::path::Path;

/// A folder of three small images in the place.
fn images(place: &Place, folder: &Path) {
    let folder = place.path(".").join(folder);
    std::fs::create_dir(&folder).expect("a folder");
    for level in [40u8, 120, 200] {
        let image = RgbImage::from_fn(8, 8, |x, y| image::Rgb([level, (x * 20) as u8, (y * 20) as u8]));
        image.save(folder.join(format!("{level}.png"))).expect("an image");
    }
}

#[test]
fn a_path_that_a_file_names_as_its_model_is_opened_only_on_request() {
    let place = Place::new();
    images(&place, Path::new("set"));
    place.succeeds("sample --model exact:set --count 2 --steps 4 --device cpu --output a.png --save-run run.json");
    let run: serde_json::Value = serde_json::from_slice(&place.bytes("run.json")).expect("JSON");
    let model = run["model"].as_str().expect("a model");
    assert!(Path::new(model.strip_prefix("exact:").expect("a set")).is_absolute(), "{model}");
    let sentence = place.fails("run run.json --device cpu --output b.png", 2, "--model");
    assert!(sentence.contains(model), "{sentence}");
    assert!(!place.path("b.png").exists());
    place.succeeds(&format!("run run.json --model {model} --device cpu --output b.png"));
    assert!(place.bytes("a.png") == place.bytes("b.png"));

    place.succeeds("encode set/40.png --model exact:set --solver ddim --steps 4 --device cpu --output l.safetensors");
    place.fails("decode l.safetensors --device cpu --output c.png", 2, "--model");
    place.succeeds("decode l.safetensors --model exact:set --device cpu --output c.png");

    // What ships has no path.
    place.succeeds("sample --model exact:worlds --count 1 --steps 1 --device cpu --output a.png --save-run run.json");
    place.succeeds("run run.json --device cpu --output b.png");
}

#[test]
fn a_name_that_is_a_file_of_this_folder_is_hinted_at() {
    let place = Place::new();
    place.fails("sample --model thing --device cpu", 3, "choose one of");
    std::fs::write(place.path("thing"), b"no model").expect("a file");
    place.fails("sample --model thing --device cpu", 3, "./thing");
}

#[cfg(unix)]
#[test]
fn paths_need_not_be_unicode() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    let folder = OsStr::from_bytes(b"pi\xffcs");
    images(&place, Path::new(folder));
    let with = |line: &str, last: &[u8]| -> Ended {
        let mut words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        words.push(OsStr::from_bytes(last).to_owned());
        place.run_words(&words, &[])
    };
    let sample = "sample --count 1 --steps 1 --device cpu --json --output a.png";
    let ended = with(&format!("{sample} --model"), b"exact:pi\xffcs");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ended = with("sample --model exact:worlds --count 1 --steps 1 --device cpu --json --output", b"\xfe.png");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(place.path(".").join(OsStr::from_bytes(b"\xfe.png")).exists());
    let ended = with(
        "encode --model exact:worlds --solver ddim --steps 1 --device cpu --output l.npz --json",
        b"pi\xffcs/40.png",
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // A run file is text, which cannot name it.
    let ended = with(&format!("{sample} --save-run r.json --model"), b"exact:pi\xffcs");
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("not Unicode") && !place.path("r.json").exists(), "{ended:?}");
}
