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

/// The bundled network in a file of our own format, with another description and an empty tensor of this name.
fn disguised(place: &Place, file: &str, name: &str, tensor: &str) {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/checkpoints/worlds-vp-small.safetensors")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let text = header["__metadata__"]["score-explorer"].as_str().unwrap();
    let mut described: serde_json::Value = serde_json::from_str(text).unwrap();
    described["name"] = name.into();
    described["card"] = format!("one {name}\ntwo").into();
    header["__metadata__"]["score-explorer"] = described.to_string().into();
    if !tensor.is_empty() {
        header[tensor] = serde_json::json!({ "dtype": "F32", "shape": [0], "data_offsets": [0, 0] });
    }
    let header = serde_json::to_vec(&header).unwrap();
    let whole = [&(header.len() as u64).to_le_bytes(), header.as_slice(), &bytes[8 + length..]].concat();
    std::fs::write(place.path(file), whole).unwrap();
}

#[test]
fn what_a_strangers_file_says_does_not_steer_the_terminal() {
    let place = Place::new();
    let bad = "\u{1b}]0;title\u{7}\u{1b}[2J\u{202e}\u{200b}\r";
    let escaped = r"\u{1b}]0;title\u{7}\u{1b}[2J\u{202e}\u{200b}\u{d}";
    let steers = |text: &str| text.chars().any(|letter| bad.contains(letter) && !letter.is_ascii_graphic());
    disguised(&place, "card.safetensors", bad, "");
    let told = place.succeeds("models ./card.safetensors");
    assert!(!steers(&told.stdout) && told.stdout.matches(escaped).count() == 2, "{told:?}");
    disguised(&place, "more.safetensors", "n", bad);
    let told = place.fails("sample --model ./more.safetensors --count 1 --steps 1 --device cpu", 3, escaped);
    assert!(!steers(&told), "{told}");
    // A solver that no run file of ours names.
    place.succeeds("sample --model exact:worlds --count 1 --steps 1 --device cpu --output a.png --save-run run.json");
    let mut run: serde_json::Value = serde_json::from_slice(&place.bytes("run.json")).unwrap();
    run["solver"] = bad.into();
    std::fs::write(place.path("run.json"), run.to_string()).unwrap();
    let told = place.run("run run.json --device cpu");
    assert!(told.code == Some(3) && !steers(told.stderr.trim_end()), "{told:?}");

    // A line break forges no line.
    run["solver"] = "x\nerror: forged".into();
    std::fs::write(place.path("run.json"), run.to_string()).unwrap();
    let told = place.run("run run.json --device cpu");
    assert!(told.code == Some(3) && told.stderr.lines().count() == 1, "{told:?}");

    // Long names are cut.
    let long = "x".repeat(1 << 16);
    disguised(&place, "long.safetensors", &long, &format!("y{}", &long[..1000]));
    let told = place.fails("sample --model ./long.safetensors --count 1 --steps 1 --device cpu", 3, "yxxx");
    assert!(told.chars().count() < 400, "{} characters", told.chars().count());
    disguised(&place, "long.safetensors", &long, "");
    let told = place.succeeds("models ./long.safetensors");
    assert!(told.stdout.lines().all(|line| line.chars().count() <= 200), "{told:?}");
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_computed() {
    let place = Place::new();
    images(&place, Path::new("set"));
    place.fails("edit --image set/40.png --count 1000000 --device cpu", 2, "choose 1 to 10000");
    place.fails(
        "sample --model exact:worlds --count 60000 --steps 1 --device cpu --tensor x.safetensors",
        1,
        "choose 1 to 54613",
    );
    place.fails("sample --tensor x.pt", 2, "use .safetensors");
    place.fails("bench --model exact:worlds --device cpu", 2, "is not a network");
    place.succeeds("encode set/40.png --model exact:set --solver ddim --steps 2 --device cpu --output l.npz");
    place.fails("decode l.npz --model exact:worlds --device cpu", 3, "holds latents of 3×8×8");
    for command in ["encode", "likelihood"] {
        let ended = place.run(&format!("{command} set --model exact:set --limit 0"));
        assert!(ended.code == Some(2) && ended.stderr.contains("1 or more"), "{ended:?}");
    }
    // A checkpoint is not written over by what is imported from it.
    disguised(&place, "net.safetensors", "n", "");
    let before = place.bytes("net.safetensors");
    place.fails("import net.safetensors --output net.safetensors", 2, "is the checkpoint itself");
    assert!(place.bytes("net.safetensors") == before);
    place.fails("import net.safetensors --name worlds-vp-small", 2, "bundled model");
}
