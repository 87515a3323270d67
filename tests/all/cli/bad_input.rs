//! Whatever is wrong is told in one sentence, with a code of its own, and leaves nothing behind.

use super::{Place, reference};
use std::fs;

#[test]
fn values_that_are_not_possible_end_with_2() {
    let place = Place::new();
    for (line, word) in [
        ("sample --steps 0", "0 steps"),
        ("sample --steps many", "whole number"),
        ("sample --count 0", "0 samples"),
        ("sample --corrector langevin --snr nan", "SNR"),
        ("sample --corrector langevin --snr -1", "SNR"),
        ("sample --model mixture:ring --family ve --sigma-min 5 --sigma-max 1 --device cpu", "σ_min"),
        ("sample --model mixture:ring --beta-min 30 --device cpu", "β_min"),
        ("sample --model mixture:ring --predictor none --device cpu", "does nothing"),
        ("sample --model mixture:", "unknown model"),
        ("sample --output picture.tiff", ".png"),
        ("sample --animate film.mp4", ".gif"),
        ("sample --output a.png --animate a.png", "two outputs"),
        ("sample --preset slow", "fast-20"),
        ("smaple", "smaple"),
        ("bench --model exact:worlds --quick --device gpuu", "gpuu"),
    ] {
        place.fails(line, 2, word);
    }
    assert!(place.files().is_empty(), "{:?}", place.files());
}

#[test]
fn a_mistyped_option_is_answered_with_the_right_one() {
    let ended = Place::new().run("sample --correcter langevin");
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("--corrector"), "{}", ended.stderr);
}

#[test]
fn places_that_cannot_be_written_end_with_4_before_anything_is_computed() {
    let place = Place::new();
    fs::write(place.path("file"), "").expect("a file");
    fs::create_dir(place.path("folder.png")).expect("a folder");
    for option in [
        "--output missing/a.png",
        "--output file/a.png",
        "--output folder.png",
        "--tensor missing/x.safetensors",
        "--save-run missing/r",
    ] {
        // A run of this length would take hours.
        place.fails(&format!("sample --steps 100000 --count 64 {option}"), 4, "cannot be written");
    }
    assert_eq!(place.files(), ["file", "folder.png"]);
}

#[test]
fn files_that_are_no_models_end_with_3() {
    let place = Place::new();
    let net = "ncsnpp-vp-cifar10";
    let whole = fs::read(reference(net, "checkpoint.pth")).expect("a checkpoint");
    fs::copy(reference(net, "config.json"), place.path("config.json")).expect("a copy");
    let huge_header = [&(10u64 << 30).to_le_bytes()[..], b"{}"].concat();
    let header = br#"{"w":{"dtype":"F32","shape":[51200,51200],"data_offsets":[0,10485760000]}}"#;
    let huge_tensor = [&(header.len() as u64).to_le_bytes()[..], header].concat();
    for (name, bytes) in [
        ("empty.pth", &[][..]),
        ("truncated.pth", &whole[..whole.len() / 2]),
        ("text.pth", b"this is no checkpoint"),
        ("zip.pth", b"PK\x03\x04 but not really"),
        ("header.safetensors", &huge_header),
        ("tensor.safetensors", &huge_tensor),
    ] {
        fs::write(place.path(name), bytes).expect("a file");
        place.fails(&format!("sample --model {name} --device cpu"), 3, name);
    }
    place.fails("sample --model absent.pth --device cpu", 3, "absent.pth");
    place.fails("sample --model absent --device cpu", 3, "worlds-vp-small");
    place.fails("sample --model exact:absent --device cpu", 3, "absent");
    place.fails("sample --model mixture:absent --device cpu", 3, "absent");
    place.fails("run absent.json", 3, "absent.json");
    place.fails("run config.json", 3, "config.json");
    place.fails("score --model empty.pth --input x --output y", 3, "empty.pth");
    assert!(!place.files().iter().any(|name| name.ends_with(".png")), "{:?}", place.files());
}

#[test]
fn a_checkpoint_with_another_networks_configuration_ends_with_3() {
    let place = Place::new();
    fs::copy(reference("ncsnpp-vp-cifar10", "checkpoint.pth"), place.path("net.pth")).expect("a copy");
    fs::copy(reference("ncsnpp-ve-ffhq1024", "config.json"), place.path("net.json")).expect("a copy");
    place.fails("sample --model net.pth --device cpu", 3, "configuration");
    place.fails("import net.pth --output net.safetensors", 3, "configuration");
    assert_eq!(place.files(), ["net.json", "net.pth"]);
}

#[test]
fn a_corrupt_picture_among_good_ones_is_named_and_left_out() {
    let place = Place::new();
    let photos = place.path("photos");
    fs::create_dir(&photos).expect("a folder");
    for level in [0u8, 120, 250] {
        image::RgbImage::from_pixel(8, 8, image::Rgb([level; 3]))
            .save(photos.join(format!("{level}.png")))
            .expect("a file");
    }
    let good = fs::read(photos.join("0.png")).expect("a picture");
    fs::write(photos.join("broken.png"), &good[..good.len() / 2]).expect("a file");
    let ended = place.succeeds("sample --model exact:photos --steps 5 --count 2 --device cpu --output a.png");
    let warned = ended.stderr.lines().any(|line| line.starts_with("warning: ") && line.contains("broken.png"));
    assert!(warned, "{}", ended.stderr);

    fs::create_dir(place.path("none")).expect("a folder");
    place.fails("sample --model exact:none --device cpu", 3, "none");
}
