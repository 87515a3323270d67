//! All commands read pictures alike.

use super::{Ended, Place};
use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use std::fs;
use std::io::Cursor;

fn jpeg(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(image.clone()).write_to(&mut bytes, ImageFormat::Jpeg).expect("a JPEG");
    bytes.into_inner()
}

/// Pictures as people have them, and whether they are taken.
fn pictures(place: &Place) -> Vec<(&'static str, bool)> {
    let image = RgbImage::from_fn(64, 64, |x, y| Rgb([(x * 4) as u8, (y * 4) as u8, 90]));
    let whole = jpeg(&image);
    let write = |name: &str, bytes: &[u8]| fs::write(place.path(name), bytes).expect("a file");
    write("cut.jpg", &whole[..whole.len() * 2 / 3]);
    // The number of components, 4, stands after the size in the frame header; the scan no longer fits it.
    let mut inks = whole.clone();
    let frame = inks.windows(2).position(|marker| marker == [0xff, 0xc0]).expect("a frame header");
    inks[frame + 9] = 4;
    write("inks.jpg", &inks);
    GrayImage::from_pixel(20_000, 40, Luma([120])).save(place.path("panorama.png")).expect("a picture");
    DynamicImage::from(image.clone()).into_luma16().save(place.path("deep.png")).expect("a picture");
    let mut clear = DynamicImage::from(image).into_rgba8();
    clear.pixels_mut().take(900).for_each(|pixel| pixel.0[3] = 0);
    clear.save(place.path("clear.png")).expect("a picture");
    write("empty.png", b"");
    write("words.jpg", b"<html>404</html>");
    // Headers alone: 12,000 × 9,000 pixels are read for, 30,000 × 8,000 are not.
    for (name, width, height) in [("108.bmp", 12_000i32, 9_000i32), ("240.bmp", 30_000, 8_000)] {
        let mut header = b"BM\0\0\0\0\0\0\0\0".to_vec();
        header.extend([54u32, 40].iter().flat_map(|number| number.to_le_bytes()));
        header.extend([width, height].iter().flat_map(|number| number.to_le_bytes()));
        header.extend([1, 0, 24, 0]);
        header.extend([0u8; 24]);
        write(name, &header);
    }
    vec![
        ("cut.jpg", true),
        ("inks.jpg", false),
        ("panorama.png", true),
        ("deep.png", true),
        ("clear.png", true),
        ("empty.png", false),
        ("words.jpg", false),
        ("108.bmp", false),
        ("240.bmp", false),
    ]
}

/// What is said of a picture, without its name.
fn said(ended: &Ended, name: &str) -> Vec<String> {
    let lines = ended.stderr.lines().filter(|line| line.starts_with("note: ") || line.starts_with("error: "));
    lines.map(|line| line.replace(&format!("{name}: "), "")).filter(|line| !line.contains("reduced from")).collect()
}

#[test]
fn every_command_takes_refuses_and_notes_the_same_pictures() {
    let place = Place::new();
    for (name, taken) in pictures(&place) {
        let options = "--model exact:worlds --device cpu --steps 1";
        let one = place.run(&format!("colorize --image {name} {options} --count 1"));
        let two = place.run(&format!("encode {name} {options} --solver heun"));
        assert_eq!((one.code, two.code), (Some(if taken { 0 } else { 3 }), one.code), "{name}: {one:?} {two:?}");
        assert_eq!(said(&one, name), said(&two, name), "{name}");
    }
    let folder = place.path("photos");
    fs::create_dir(&folder).expect("a folder");
    for (name, _) in pictures(&place) {
        fs::rename(place.path(name), folder.join(name)).expect("a file");
    }
    let warned = place.run("encode photos --model exact:worlds --device cpu --solver heun --steps 1 --json");
    let told: serde_json::Value = serde_json::from_str(&warned.stdout).expect("JSON");
    assert_eq!(told["pictures"], serde_json::json!(["clear.png", "cut.jpg", "deep.png", "panorama.png"]));
    assert!(warned.stderr.contains("warning: 5 files (108.bmp, 240.bmp, empty.png, …) cannot be read as images"));
    assert!(warned.stderr.contains("warning: cut.jpg: The file is truncated"), "{}", warned.stderr);
}

#[test]
fn the_sizes_that_are_refused_are_named() {
    let place = Place::new();
    pictures(&place);
    place.fails("encode 240.bmp --model exact:worlds", 3, "30000×8000 pixels are more than 200 megapixels");
    let cut = place.fails("encode 108.bmp --model exact:worlds", 3, "108.bmp");
    assert!(!cut.contains("megapixels"), "{cut}");
}
