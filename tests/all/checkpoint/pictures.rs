//! Pictures of all kinds, whole and damaged.

use super::{forge, sentence};
use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use score_explorer::checkpoint::{PictureSet, moments, read_pictures, shipped_worlds};
use score_explorer::sde::Range;
use std::fs;
use std::io::Cursor;
use std::path::Path;

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn plain(colour: [u8; 3]) -> Vec<u8> {
    encoded(&RgbImage::from_pixel(4, 4, Rgb(colour)).into(), ImageFormat::Png)
}

/// The colour of a picture of the set at a place.
fn pixel(set: &PictureSet, index: usize, x: usize, y: usize) -> [u8; 3] {
    let [_, height, width] = set.shape;
    [0, 1, 2].map(|channel| set.values[((index * 3 + channel) * height + y) * width + x])
}

fn only(name: &str, bytes: &[u8], size: Option<usize>) -> PictureSet {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    read_pictures(folder.path(), size).unwrap()
}

#[test]
fn corrupt_picture_among_good_ones_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let good = [plain([10, 20, 30]), plain([200, 100, 50])];
    fs::create_dir(folder.path().join("forest")).unwrap();
    fs::write(folder.path().join("forest/2.png"), &good[1]).unwrap();
    fs::write(folder.path().join("forest/1.png"), &good[0]).unwrap();
    fs::write(folder.path().join("forest/0.png"), &good[0][..good[0].len() / 2]).unwrap();
    fs::write(folder.path().join("empty.jpg"), b"").unwrap();
    fs::write(folder.path().join("words.png"), b"no picture at all").unwrap();
    fs::write(folder.path().join("readme.txt"), b"passed over silently").unwrap();
    fs::write(folder.path().join(".hidden.png"), b"passed over silently").unwrap();
    let set = read_pictures(folder.path(), None).unwrap();
    assert_eq!(set.names, ["forest/1.png", "forest/2.png"]);
    assert_eq!(set.shape, [3, 4, 4]);
    assert_eq!((pixel(&set, 0, 3, 3), pixel(&set, 1, 0, 0)), ([10, 20, 30], [200, 100, 50]));
    let starts: Vec<&str> = set.warnings.iter().map(|warning| warning.split(':').next().unwrap()).collect();
    let damaged = |name: &str| format!("{name} is damaged and was skipped");
    assert_eq!(starts, [damaged("empty.jpg"), damaged("forest/0.png"), damaged("words.png")]);
}

#[test]
fn folder_without_pictures_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(sentence(read_pictures(folder.path(), None), folder.path()).contains("no readable images"));
    let file = folder.path().join("one.png");
    fs::write(&file, plain([0; 3])).unwrap();
    assert!(sentence(read_pictures(&file, None), &file).contains("choose a folder"));
}

#[cfg(unix)]
#[test]
fn links_that_go_in_circles_end() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.png"), plain([1, 2, 3])).unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).unwrap();
    std::os::unix::fs::symlink("loop.png", folder.path().join("loop.png")).unwrap();
    std::os::unix::fs::symlink("a.png", folder.path().join("b.png")).unwrap();
    assert_eq!(read_pictures(folder.path(), None).unwrap().names, ["a.png", "b.png"]);
}

#[test]
fn sixteen_bits_grey_and_alpha_become_rgb() {
    let deep = DynamicImage::ImageLuma16(ImageBuffer::from_pixel(2, 2, Luma([0x8080u16])));
    assert_eq!(pixel(&only("deep.png", &encoded(&deep, ImageFormat::Png), None), 0, 1, 1), [128; 3]); // 0x8080/257
    let grey = DynamicImage::ImageLuma8(GrayImage::from_pixel(2, 2, Luma([77])));
    assert_eq!(pixel(&only("grey.bmp", &encoded(&grey, ImageFormat::Bmp), None), 0, 0, 1), [77; 3]);
    let clear = DynamicImage::ImageRgba8(RgbaImage::from_pixel(2, 2, Rgba([255, 0, 0, 128])));
    // 255·(1 − 128/255) = 127 of white shine through.
    assert_eq!(pixel(&only("clear.png", &encoded(&clear, ImageFormat::Png), None), 0, 0, 0), [255, 127, 127]);
    let nothing = DynamicImage::ImageRgba8(RgbaImage::from_pixel(2, 2, Rgba([9, 9, 9, 0])));
    assert_eq!(pixel(&only("nothing.webp", &encoded(&nothing, ImageFormat::WebP), None), 0, 0, 0), [255; 3]);
}

#[test]
fn exif_orientation_turns_the_picture() {
    // Left half red, right half blue; orientation 6 is shown turned clockwise, so that left is on top.
    let image = RgbImage::from_fn(32, 32, |x, _| if x < 16 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) });
    let jpeg = encoded(&image.into(), ImageFormat::Jpeg);
    let tiff = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let exif = [b"\xff\xe1".as_slice(), &(tiff.len() as u16 + 8).to_be_bytes(), b"Exif\0\0", tiff].concat();
    let turned = [&jpeg[..2], &exif, &jpeg[2..]].concat();
    let is = |[r, g, b]: [u8; 3]| {
        if r > 200 && g < 60 && b < 60 {
            "red"
        } else if b > 200 && r < 60 {
            "blue"
        } else {
            "?"
        }
    };
    let corners = |set: &PictureSet| [(2, 2), (29, 2), (2, 29), (29, 29)].map(|(x, y)| is(pixel(set, 0, x, y)));
    assert_eq!(corners(&only("as-is.jpg", &jpeg, None)), ["red", "blue", "red", "blue"]);
    assert_eq!(corners(&only("turned.jpg", &turned, None)), ["red", "red", "blue", "blue"]);
}

#[test]
fn wide_pictures_are_cropped_about_the_centre_and_resized() {
    let image = RgbImage::from_fn(300, 100, |x, _| Rgb(if (100..200).contains(&x) { [40, 80, 120] } else { [255; 3] }));
    let bytes = encoded(&image.into(), ImageFormat::Png);
    let set = only("wide.png", &bytes, Some(32));
    assert_eq!(set.shape, [3, 32, 32]);
    assert!((0..32).all(|i| pixel(&set, 0, i, i) == [40, 80, 120] && pixel(&set, 0, 31 - i, i) == [40, 80, 120]));
    assert_eq!(only("wide.png", &bytes, None).shape, [3, 64, 64], "large pictures come down to 64");
}

#[test]
fn huge_claims_of_a_picture_are_a_warning() {
    let mut bytes = plain([1, 2, 3]);
    bytes[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]); // 65,536 × 65,536
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bomb.png"), bytes).unwrap();
    fs::write(folder.path().join("good.png"), plain([1, 2, 3])).unwrap();
    let set = read_pictures(folder.path(), Some(8)).unwrap();
    assert_eq!((set.names.len(), set.warnings.len()), (1, 1));
}

/// One file of a tar archive (POSIX ustar).
fn tar_entry(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = [0u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
    header[148..156].copy_from_slice(b"        ");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut entry = [header.as_slice(), bytes].concat();
    entry.resize(entry.len().div_ceil(512) * 512, 0);
    entry
}

#[test]
fn archives_are_read_like_folders() {
    let (a, b) = (plain([10, 20, 30]), plain([200, 100, 50]));
    let folder = tempfile::tempdir().unwrap();
    let files: [(&str, &[u8]); 4] =
        [("sea/2.png", &b), ("sea/1.png", &a), ("notes.txt", b"words"), ("../../out.png", b"no")];
    let zip = folder.path().join("set.zip");
    fs::write(&zip, forge::archive(&files, zip::CompressionMethod::Deflated)).unwrap();
    let tar = folder.path().join("set.tar");
    let mut bytes: Vec<u8> = files.iter().flat_map(|(name, bytes)| tar_entry(name, bytes)).collect();
    bytes.extend([0; 1024]);
    fs::write(&tar, &bytes).unwrap();
    for path in [&zip, &tar] {
        let set = read_pictures(path, None).unwrap();
        assert_eq!(set.names, ["sea/1.png", "sea/2.png"]);
        assert_eq!((pixel(&set, 0, 0, 0), pixel(&set, 1, 0, 0)), ([10, 20, 30], [200, 100, 50]));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "reading writes nothing");
    for path in [&zip, &tar] {
        let whole = fs::read(path).unwrap();
        for length in [0, 10, 300, whole.len() / 3, whole.len() / 2] {
            fs::write(path, &whole[..length]).unwrap();
            // Refused, or what is whole is read: never a panic.
            read_pictures(path, None).ok();
        }
    }
}

#[test]
fn shipped_worlds_are_512_of_six_kinds() {
    let set = shipped_worlds().unwrap();
    assert_eq!((set.shape, set.names.len(), set.warnings.len()), ([3, 32, 32], 512, 0));
    assert_eq!(set.values.len(), 512 * 3 * 32 * 32);
    for kind in ["sea", "mountains", "forest", "desert", "village", "night"] {
        let count = set.names.iter().filter(|name| Path::new(name).starts_with(kind)).count();
        assert!((85..=86).contains(&count), "{kind}: {count}");
    }
    let distinct: std::collections::HashSet<&[u8]> = set.values.chunks(3072).collect();
    assert_eq!(distinct.len(), 512, "no picture is there twice");
}

#[test]
fn moments_are_those_of_the_grey_levels() {
    let set = PictureSet { shape: [3, 1, 1], values: vec![0, 255, 51], names: vec!["a".into()], warnings: vec![] };
    let unit = moments(&set, Range::Unit);
    assert!((unit.mean - 1.2 / 3.0).abs() < 1e-12 && (unit.mean_square - 1.04 / 3.0).abs() < 1e-12);
    let symmetric = moments(&set, Range::Symmetric); // −1, 1, −0.6
    assert!((symmetric.mean + 0.2).abs() < 1e-12 && (symmetric.mean_square - 2.36 / 3.0).abs() < 1e-12);
}
