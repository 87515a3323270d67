//! Pictures of all kinds, whole and damaged.

use super::{crc32, forge, sentence};
use crate::allocations::most_held;
use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use score_explorer::checkpoint::{PictureSet, moments, read_picture, read_pictures, shipped_worlds};
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
    assert_eq!(
        set.warnings,
        [
            ".hidden.png is hidden and was skipped",
            "3 files (empty.jpg, forest/0.png, words.png) cannot be read as images and were skipped"
        ]
    );
}

#[test]
fn what_is_left_out_of_a_folder_is_counted_by_kind() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
        fs::write(folder.path().join(name), bytes).unwrap();
    };
    let sized = |width, height| encoded(&RgbImage::from_pixel(width, height, Rgb([7; 3])).into(), ImageFormat::Png);
    // The first and the last are not of the usual size.
    for (name, width, height) in [
        ("a.png", 1, 1),
        ("b.png", 48, 50),
        ("c.png", 60, 48),
        ("d.png", 48, 48),
        ("e.png", 30, 90),
        ("f.png", 300, 200),
    ] {
        write(name, &sized(width, height));
    }
    for name in ["g.tif", "h.HEIC", "i.avif", "j.TIFF"] {
        write(name, b"another format");
    }
    write("no_ending", &sized(48, 48));
    write(".trash/old.png", &sized(48, 48));
    write("__MACOSX/._a.png", b"what macOS keeps");
    write("readme.txt", b"words");
    write("deep/er/k.png", &sized(48, 48));
    let set = read_pictures(folder.path(), None).unwrap();
    assert_eq!(set.shape, [3, 48, 48], "the size of most, not of the first");
    assert_eq!(set.names, ["b.png", "c.png", "d.png", "deep/er/k.png", "e.png", "f.png"]);
    assert_eq!(
        set.warnings,
        [
            ".trash/ is hidden and was skipped",
            "4 files (g.tif, h.HEIC, i.avif, …) are in formats that are not read and were skipped; convert them to PNG \
             or JPEG",
            "no_ending has no file extension and was skipped; rename it if it is an image",
            "a.png is less than half of 48×48 pixels and was skipped",
            "e.png is enlarged to 48×48 pixels",
        ]
    );
    // Where a model gives the size, nothing is left out for its own.
    let set = read_pictures(folder.path(), Some(32)).unwrap();
    assert_eq!(set.names.len(), 7);
    assert_eq!(set.warnings[3..], ["2 files (a.png, e.png) are enlarged to 32×32 pixels"]);
}

#[test]
fn a_large_picture_in_a_set_is_resized_once() {
    // A chessboard of the set's size, four times as large: as it is resized from the file, and not by way of 64 pixels.
    let board = |scale: u32| {
        RgbImage::from_fn(20 * scale, 20 * scale, |x, y| {
            Rgb([if (x / scale + y / scale).is_multiple_of(2) { 0 } else { 255 }; 3])
        })
    };
    let folder = tempfile::tempdir().unwrap();
    for (name, scale) in [("a.png", 10), ("b.png", 1), ("c.png", 1)] {
        board(scale).save(folder.path().join(name)).unwrap();
    }
    let set = read_pictures(folder.path(), None).unwrap();
    assert_eq!(set.shape, [3, 20, 20]);
    let alone = only("a.png", &fs::read(folder.path().join("a.png")).unwrap(), Some(20));
    assert_eq!(set.values[..1200], alone.values);
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_a_file_does_not_block() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.png"), plain([1, 2, 3])).unwrap();
    let pipe = folder.path().join("b.png");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    // On a thread, so that one that blocks fails the test.
    let (outbox, inbox) = std::sync::mpsc::channel();
    let place = folder.path().to_owned();
    std::thread::spawn(move || outbox.send(read_pictures(&place, None).map(|set| set.warnings)));
    let warnings = inbox.recv_timeout(std::time::Duration::from_secs(20)).expect("an answer").unwrap();
    assert_eq!(warnings, ["b.png cannot be opened and was skipped: it is a pipe or a device, not a regular file"]);
    // And where it takes a file's place after that was looked at, as often as chance allows.
    let (swapped, other) = (folder.path().join("c.png"), folder.path().join("other"));
    fs::write(&other, plain([1, 2, 3])).unwrap();
    let (outbox, inbox) = std::sync::mpsc::channel();
    let reader = swapped.clone();
    std::thread::spawn(move || {
        for _ in 0..2000 {
            read_picture(&reader, 8).ok();
        }
        outbox.send(())
    });
    let next = folder.path().join("next");
    let swaps = (0..).take_while(|_| inbox.try_recv().is_err()).map(|round| {
        let _ = fs::hard_link(if round % 2 == 0 { &pipe } else { &other }, &next);
        let _ = fs::rename(&next, &swapped);
    });
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    swaps.take_while(|()| std::time::Instant::now() < deadline).for_each(drop);
    assert!(std::time::Instant::now() < deadline, "reading blocks");
}

/// A PNG with a chunk before its pixels.
fn with_chunk(png: &[u8], kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [kind.as_slice(), data].concat();
    let after = 8 + 25; // the signature and the header
    [&png[..after], &(data.len() as u32).to_be_bytes(), &body, &crc32(&body).to_be_bytes(), &png[after..]].concat()
}

#[test]
fn a_colour_profile_that_inflates_takes_bounded_memory() {
    let profile = 300 << 20;
    // As a PNG's own data are packed: the bytes of the pixels of a black picture are a zlib stream of zeros.
    let zeros = encoded(&GrayImage::new(1 << 14, (profile >> 14) as u32).into(), ImageFormat::Png);
    let mut packed = Vec::new();
    let mut at = 8;
    while at < zeros.len() {
        let length = u32::from_be_bytes(zeros[at..at + 4].try_into().unwrap()) as usize;
        if &zeros[at + 4..at + 8] == b"IDAT" {
            packed.extend_from_slice(&zeros[at + 8..at + 8 + length]);
        }
        at += 12 + length;
    }
    let bomb = with_chunk(&plain([10, 20, 30]), b"iCCP", &[b"p\0\0".as_slice(), &packed].concat());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.png");
    fs::write(&path, &bomb).unwrap();
    let (read, most) = most_held(|| read_picture(&path, 4));
    assert_eq!(read.unwrap().0, [[10; 16], [20; 16], [30; 16]].concat());
    // The file, the decoder's 32 MiB for all that is not pixels, and what it works with.
    assert!(most < bomb.len() + (72 << 20), "{most} bytes for a file of {}", bomb.len());
}

#[test]
fn names_of_strangers_are_written_out() {
    // Each would steer a terminal, or turn round what stands beside it.
    let (good, bad) = (plain([1, 2, 3]), b"no picture".as_slice());
    let names = ["in\u{202e}ner/a\u{1b}[2J.png", "b\u{200f}.png", "c\u{2066}.heic"];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.zip");
    let entries = [(names[0], good.as_slice()), (names[1], bad), (names[2], bad)];
    fs::write(&path, forge::archive(&entries, zip::CompressionMethod::Stored)).unwrap();
    let set = read_pictures(&path, None).unwrap();
    assert_eq!(set.names, [r"in\u{202e}ner/a\u{1b}[2J.png"]);
    let warnings = set.warnings.join("\n");
    assert!(warnings.contains(r"b\u{200f}.png") && warnings.contains(r"c\u{2066}.heic"), "{warnings}");
}

#[test]
fn folder_without_pictures_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(sentence(read_pictures(folder.path(), None), folder.path()).contains("no readable images; choose"));
    fs::write(folder.path().join("IMG_0001.HEIC"), b"a phone's").unwrap();
    let said = sentence(read_pictures(folder.path(), None), folder.path());
    assert!(said.contains("no readable images: IMG_0001.HEIC is in a format that is not read"), "{said}");
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
    let set = read_pictures(folder.path(), Some(4)).unwrap();
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
    let set = PictureSet {
        shape: [3, 1, 1],
        values: vec![0, 255, 51],
        names: vec!["a".into()],
        classes: None,
        warnings: vec![],
    };
    let unit = moments(&set, Range::Unit);
    assert!((unit.mean - 1.2 / 3.0).abs() < 1e-12 && (unit.mean_square - 1.04 / 3.0).abs() < 1e-12);
    let symmetric = moments(&set, Range::Symmetric); // −1, 1, −0.6
    assert!((symmetric.mean + 0.2).abs() < 1e-12 && (symmetric.mean_square - 2.36 / 3.0).abs() < 1e-12);
}
