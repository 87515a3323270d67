//! What commands write, and what they refuse to write before they compute it.

use super::Place;
use image::{Rgb, RgbImage};
use score_explorer::checkpoint::{Layout, fitting_zoom, longest_side, read_tensors};
use std::fs;
use std::path::Path;

/// The text that a safetensors file carries, by its own format: a length, then JSON.
fn metadata(bytes: &[u8]) -> serde_json::Value {
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).expect("JSON");
    header["__metadata__"].clone()
}

#[test]
fn tensors_of_images_are_in_unit_range_whatever_the_family_and_say_so() {
    let place = Place::new();
    for family in ["vp", "ve", "sub-vp"] {
        let line = format!("sample --model exact:worlds --family {family} --count 2 --steps 6 --device cpu");
        place.succeeds(&format!("{line} --tensor {family}.safetensors --images {family}"));
        let bytes = place.bytes(&format!("{family}.safetensors"));
        assert_eq!(metadata(&bytes)["range"], "[0, 1]");
        let x = &read_tensors(&place.path(&format!("{family}.safetensors"))).expect("tensors")["x"];
        for (index, sample) in x.values.chunks(3 * 32 * 32).enumerate() {
            let picture = image::open(place.path(&format!("{family}/{index:06}.png"))).expect("a picture").into_rgb8();
            assert_eq!(picture.dimensions(), (32, 32), "as large as it is, whatever the zoom");
            for (x, y, pixel) in picture.enumerate_pixels() {
                let place = (y * 32 + x) as usize;
                let levels = [0, 1, 2].map(|channel| (255.0 * sample[channel * 1024 + place]).round() as u8);
                assert_eq!(pixel.0, levels, "{family} {index} {x} {y}");
            }
        }
    }
    place.succeeds("sample --model mixture:ring --count 3 --steps 4 --device cpu --tensor points.safetensors");
    assert_eq!(metadata(&place.bytes("points.safetensors"))["range"], "unbounded");
}

#[test]
fn images_go_to_a_folder_that_holds_nothing_else() {
    let place = Place::new();
    let line = "sample --model exact:worlds --count 11 --steps 1 --device cpu --images deep/er";
    place.succeeds(line);
    let names: Vec<String> = (0..11).map(|index| format!("{index:06}.png")).collect();
    assert_eq!((place.files_in("deep/er"), place.files()), (names.clone(), vec!["deep".to_owned()]));
    // The same again takes their place; fewer would leave some of them behind.
    place.succeeds(line);
    assert_eq!(place.files_in("deep/er"), names);
    place.fails(&line.replace("11", "10"), 4, "000010.png");
    fs::write(place.path("deep/er/notes.txt"), "").expect("a file");
    place.fails(line, 4, "notes.txt");
    fs::write(place.path("file"), "").expect("a file");
    for line in ["sample --images file --steps 100000", "sample --images file/in --steps 100000"] {
        place.fails(line, 4, "cannot be written");
    }
    place.fails("sample --model mixture:ring --images points --device cpu", 2, "--tensor");
    assert_eq!(place.files(), ["deep", "file"]);
}

#[test]
fn what_is_decoded_and_the_frames_of_a_walk_go_to_folders_too() {
    let place = Place::new();
    for (name, level) in [("a.png", 40), ("b.png", 200)] {
        RgbImage::from_pixel(32, 32, Rgb([level; 3])).save(place.path(name)).expect("a picture");
    }
    let solver = "--model exact:worlds --solver heun --steps 2";
    place.succeeds(&format!("interpolate a.png b.png {solver} --frames 3 --images walk --output s.png --zoom 1"));
    assert_eq!(place.files_in("walk"), ["000000.png", "000001.png", "000002.png"]);
    let (strip, frame) =
        (image::open(place.path("s.png")).unwrap(), image::open(place.path("walk/000001.png")).unwrap());
    assert_eq!(strip.crop_imm(34, 0, 32, 32).into_rgb8(), frame.into_rgb8());
    place.succeeds(&format!("encode a.png b.png {solver} --output l.safetensors"));
    place.succeeds("decode l.safetensors --images decoded");
    assert_eq!(place.files_in("decoded"), ["000000.png", "000001.png"]);
    assert!(!place.path("grid.png").exists(), "images alone were asked for");
}

#[test]
fn pictures_that_would_be_too_large_take_a_smaller_zoom_or_are_refused_at_once() {
    let place = Place::new();
    for name in ["a.png", "b.png"] {
        RgbImage::from_pixel(32, 32, Rgb([90; 3])).save(place.path(name)).expect("a picture");
    }
    // 18 columns of 32·z + 2 pixels, less 2, are at most 16,384 for z = 28; 512 of 34 are more.
    assert_eq!(fitting_zoom([300, 3, 32, 32], Layout::Grid, 64, usize::MAX), Some(28));
    assert_eq!(fitting_zoom([512, 3, 32, 32], Layout::Strip, 4, usize::MAX), None);
    assert_eq!(fitting_zoom([1, 3, 4096, 8], Layout::Grid, 4, longest_side(Path::new("a.webp")).unwrap()), Some(3));
    let hours = "--model exact:worlds --solver heun --steps 100000";
    place.fails(&format!("interpolate a.png b.png {hours} --frames 512 --output s.png"), 2, "512 images of 32×32");
    place.fails(&format!("sample {hours} --count 300000 --output big.png"), 2, "300000 images of 32×32");
    let ended = place.succeeds(
        "interpolate a.png b.png --model exact:worlds --solver heun --steps 1 --frames 100 --zoom 8 --output s.png",
    );
    assert!(ended.stderr.contains("from 8 to 5"), "{}", ended.stderr);
    assert_eq!(image::image_dimensions(place.path("s.png")).unwrap(), (100 * (32 * 5 + 2) - 2, 32 * 5));
    place.fails(&format!("sample {hours} --animate film.gif --count 300000"), 2, "film.gif");
}

#[cfg(unix)]
#[test]
fn a_file_that_must_not_be_replaced_is_refused_before_anything_is_computed() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    fs::write(place.path("kept.png"), "kept").expect("a file");
    fs::set_permissions(place.path("kept.png"), fs::Permissions::from_mode(0o444)).expect("read-only");
    place.fails("sample --model exact:worlds --steps 100000 --output kept.png", 4, "read-only");
    place.fails("decode none.safetensors --output kept.png", 4, "read-only");
    assert_eq!(place.bytes("kept.png"), b"kept");
}

/// As under `| head`.
#[cfg(unix)]
#[test]
fn a_command_whose_output_nobody_reads_ends_without_complaint() {
    use std::process::{Command, Stdio};
    let program = env!("CARGO_BIN_EXE_score-explorer");
    let mut child = Command::new(program)
        .args(["compare", "presets"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("the program ends");
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}
