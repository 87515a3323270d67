//! Photos and masks from files: each right, or refused with one sentence.

use image::codecs::gif::GifEncoder;
use image::codecs::webp::WebPEncoder;
use image::{
    DynamicImage, ExtendedColorType, Frame, GrayImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, RgbImage, Rgba,
    RgbaImage,
};
use score_explorer::checkpoint::{
    OpenedPhoto, read_layer, read_mask, read_photo, write_layer, write_mask, write_photo,
};
use std::fs;
use std::io::Cursor;
use std::path::Path;

const LONGEST: u32 = 4096;

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn read(name: &str, bytes: &[u8]) -> Result<OpenedPhoto, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    read_photo(&path, LONGEST).map_err(|error| error.to_string())
}

/// The sentence of a refusal: what, and after a semicolon what to do.
#[track_caller]
fn refusal<T>(result: Result<T, String>, says: &str) {
    let Err(message) = result else { panic!("this must be refused: {says}") };
    assert!(message.contains(says) && message.contains("; ") && !message.contains('\n'), "{message}");
}

#[test]
fn every_kind_of_pixel_becomes_the_colour_that_it_shows() {
    let deep = DynamicImage::ImageRgb16(ImageBuffer::from_pixel(3, 2, Rgb([0xffffu16, 0x8080, 0])));
    let photo = read("deep.png", &encoded(&deep, ImageFormat::Png)).unwrap();
    assert_eq!(photo.image.get_pixel(2, 1).0, [255, 128, 0]);
    assert!(photo.notes.iter().any(|note| note.contains("16 bits")), "{:?}", photo.notes);
    let grey = DynamicImage::ImageLuma8(GrayImage::from_pixel(3, 2, Luma([77])));
    let photo = read("grey.jpg", &encoded(&grey, ImageFormat::Jpeg)).unwrap();
    assert!(photo.image.get_pixel(1, 1).0.iter().all(|level| level.abs_diff(77) <= 1) && photo.notes.is_empty());
    let clear = DynamicImage::ImageLumaA8(ImageBuffer::from_pixel(3, 2, LumaA([0, 128])));
    let photo = read("clear.png", &encoded(&clear, ImageFormat::Png)).unwrap();
    assert_eq!(photo.image.get_pixel(0, 0).0, [127; 3]); // 255·(1 − 128/255)
    assert!(photo.notes.iter().any(|note| note.contains("Transparent")), "{:?}", photo.notes);
}

/// A JPEG that EXIF says is to be turned.
fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let tiff =
        [b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(), &[orientation, 0, 0, 0, 0, 0, 0]].concat();
    let exif = [b"\xff\xe1".as_slice(), &(tiff.len() as u16 + 8).to_be_bytes(), b"Exif\0\0", &tiff].concat();
    [&jpeg[..2], &exif, &jpeg[2..]].concat()
}

#[test]
fn a_photo_is_turned_as_its_camera_was_held() {
    // Red at the upper left of a wide picture, else blue.
    let image = RgbImage::from_fn(64, 32, |x, y| if x < 32 && y < 16 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) });
    let jpeg = encoded(&image.into(), ImageFormat::Jpeg);
    // Where the first row and column of each orientation are to be seen (Exif 2.3, table 6): the red corner.
    let corners =
        [(1, [0, 0]), (2, [1, 0]), (3, [1, 1]), (4, [0, 1]), (5, [0, 0]), (6, [1, 0]), (7, [1, 1]), (8, [0, 1])];
    for (orientation, red) in corners {
        let photo = read("turned.jpg", &turned(&jpeg, orientation)).unwrap();
        let [width, height] = if orientation > 4 { [32, 64] } else { [64, 32] };
        assert_eq!((photo.full, [photo.image.width(), photo.image.height()]), ([width, height], [width, height]));
        for corner in [[0, 0], [1, 0], [0, 1], [1, 1]] {
            let place = |side: u32, far: u32| if far == 0 { side / 8 } else { side - 1 - side / 8 };
            let [r, _, b] = photo.image.get_pixel(place(width, corner[0]), place(height, corner[1])).0;
            assert_eq!(r > b, corner == red, "orientation {orientation}, corner {corner:?}");
        }
    }
}

#[test]
fn the_first_frame_of_an_animation_is_taken_with_a_note() {
    let colours = [[200u8, 30, 40, 255], [10, 220, 90, 255]];
    let frames = colours.map(|colour| RgbaImage::from_pixel(16, 16, Rgba(colour)));
    let mut gif = Vec::new();
    let mut encoder = GifEncoder::new(&mut gif);
    encoder.encode_frames(frames.iter().cloned().map(Frame::new)).unwrap();
    drop(encoder);
    let mut apng = Vec::new();
    let mut encoder = png::Encoder::new(&mut apng, 16, 16);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    frames.iter().for_each(|frame| writer.write_image_data(frame.as_raw()).unwrap());
    writer.finish().unwrap();
    for (name, bytes) in [("a.gif", gif), ("a.png", apng), ("a.webp", animated_webp(&frames))] {
        let photo = read(name, &bytes).unwrap();
        let [r, g, b] = photo.image.get_pixel(8, 8).0;
        assert!(r.abs_diff(200) < 9 && g.abs_diff(30) < 9 && b.abs_diff(40) < 9, "{name}: {r} {g} {b}");
        assert!(photo.notes.iter().any(|note| note.contains("first frame")), "{name}: {:?}", photo.notes);
    }
    let mut still = Vec::new();
    GifEncoder::new(&mut still).encode_frames([Frame::new(frames[0].clone())]).unwrap();
    assert!(read("still.gif", &still).unwrap().notes.iter().all(|note| !note.contains("animation")));
}

/// A RIFF chunk.
fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let pad = vec![0; data.len() % 2];
    [name.as_slice(), &(data.len() as u32).to_le_bytes(), data, &pad].concat()
}

/// A WebP of lossless frames (WebP container specification: VP8X, ANIM, ANMF).
fn animated_webp(frames: &[RgbaImage]) -> Vec<u8> {
    let side = |length: u32| (length - 1).to_le_bytes()[..3].to_vec();
    let (width, height) = (frames[0].width(), frames[0].height());
    let mut chunks = chunk(b"VP8X", &[&[0x12, 0, 0, 0], side(width).as_slice(), &side(height)].concat());
    chunks.extend(chunk(b"ANIM", &[0; 6]));
    for frame in frames {
        let mut still = Vec::new();
        WebPEncoder::new_lossless(&mut still).encode(frame, width, height, ExtendedColorType::Rgba8).unwrap();
        // The bitstream's own chunk follows RIFF, size, WEBP, and perhaps an extended header.
        let start = still.windows(4).position(|name| name == b"VP8L").unwrap();
        let head = [&[0; 6], side(width).as_slice(), &side(height), &[100, 0, 0], &[0]].concat();
        chunks.extend(chunk(b"ANMF", &[head, still[start..].to_vec()].concat()));
    }
    [b"RIFF".as_slice(), &(chunks.len() as u32 + 4).to_le_bytes(), b"WEBP", &chunks].concat()
}

/// A baseline JPEG of one block of four components, each 0 or 255, with or without Adobe's marker (ITU T.81).
fn ink_jpeg(inks: [u8; 4], adobe: bool) -> Vec<u8> {
    let segment =
        |marker: u8, data: &[u8]| [&[0xff, marker], (data.len() as u16 + 2).to_be_bytes().as_slice(), data].concat();
    let mut file = vec![0xff, 0xd8];
    if adobe {
        file.extend(segment(0xee, b"Adobe\0\x64\0\0\0\0\0")); // no colour transform
    }
    file.extend(segment(0xdb, &[&[0], [1u8; 64].as_slice()].concat()));
    let components: Vec<u8> = (1..=4).flat_map(|id| [id, 0x11, 0]).collect();
    file.extend(segment(0xc0, &[&[8, 0, 8, 0, 8, 4], components.as_slice()].concat()));
    // Differences of 0 and of 10 bits are 00 and 01; the end of a block is 0.
    let lengths = |place: usize, count: u8| (1..=16).map(move |length| if length == place { count } else { 0 });
    let dc: Vec<u8> = [0x00].into_iter().chain(lengths(2, 2)).chain([0, 10]).collect();
    let ac: Vec<u8> = [0x10].into_iter().chain(lengths(1, 1)).chain([0]).collect();
    file.extend(segment(0xc4, &dc));
    file.extend(segment(0xc4, &ac));
    let scan: Vec<u8> = (1..=4).flat_map(|id| [id, 0x00]).collect();
    file.extend(segment(0xda, &[&[4], scan.as_slice(), &[0, 63, 0]].concat()));
    // A block's mean is 128 + DC/8: 1016 makes 255, −1023 makes 0, whose ten bits are 0.
    let bits: String = inks.iter().map(|&ink| if ink == 255 { "0111111110000" } else { "0100000000000" }).collect();
    let padded = format!("{bits:1<56}");
    for byte in padded.as_bytes().chunks(8) {
        let byte = byte.iter().fold(0u8, |byte, bit| byte << 1 | (bit - b'0'));
        file.push(byte);
        if byte == 0xff {
            file.push(0);
        }
    }
    file.extend([0xff, 0xd9]);
    file
}

#[test]
fn inks_are_colours_where_the_file_says_how_and_refused_where_not() {
    // Adobe stores inks inverted: 255 is none. Magenta and yellow make red; black hides all.
    for (inks, colour) in [([255, 0, 0, 255], [255, 0, 0]), ([255; 4], [255; 3]), ([255, 255, 255, 0], [0; 3])] {
        let photo = read("inks.jpg", &ink_jpeg(inks, true)).unwrap();
        let found = photo.image.get_pixel(4, 4).0;
        assert!((0..3).all(|channel| found[channel].abs_diff(colour[channel]) <= 2), "{inks:?}: {found:?}");
        assert!(photo.notes.iter().any(|note| note.contains("CMYK")), "{:?}", photo.notes);
    }
    refusal(read("inks.jpg", &ink_jpeg([0; 4], false)), "save it as RGB");
}

#[test]
fn a_large_photo_is_averaged_down_with_a_note() {
    // Columns of alternating 0 and 200: their mean over whole pairs is 100.
    let image = RgbImage::from_fn(8192, 24, |x, _| Rgb([if x % 2 == 0 { 0 } else { 200 }, 60, 7]));
    let photo = read("large.png", &encoded(&image.into(), ImageFormat::Png)).unwrap();
    assert_eq!(([photo.image.width(), photo.image.height()], photo.full), ([4096, 12], [8192, 24]));
    assert!(photo.image.pixels().all(|pixel| pixel.0 == [100, 60, 7]));
    assert!(photo.notes.iter().any(|note| note.contains("8192×24") && note.contains("4096×12")), "{:?}", photo.notes);
    // A side that is no multiple: the mean stays.
    let image = RgbImage::from_fn(5001, 3000, |x, y| Rgb([(x % 251) as u8, (y % 199) as u8, 9]));
    let mean = |image: &RgbImage| {
        let sum: f64 = image.pixels().map(|pixel| f64::from(pixel.0[0]) + f64::from(pixel.0[1])).sum();
        sum / f64::from(image.width() * image.height())
    };
    let before = mean(&image);
    let photo = read("odd.bmp", &encoded(&image.into(), ImageFormat::Bmp)).unwrap();
    assert_eq!(photo.image.width(), 4096);
    assert!((mean(&photo.image) - before).abs() < 0.01);
}

#[test]
fn what_is_no_photo_is_refused_in_one_sentence() {
    let good = encoded(&RgbImage::from_pixel(64, 64, Rgb([9, 99, 199])).into(), ImageFormat::Png);
    refusal(read("empty.png", b""), "it is empty");
    refusal(read("words.jpg", b"no picture at all, only words"), "it is plain text; choose a PNG");
    refusal(read("half.png", &good[..good.len() / 2]), "cannot be read");
    let mut huge = good;
    huge[16..24].copy_from_slice(&[0, 0, 0x4e, 0x20, 0, 0, 0x4e, 0x20]); // 20,000 × 20,000
    assert!(read("huge.png", &huge).is_err());
    let path = Path::new("/nowhere/photo.png");
    refusal(read_photo(path, LONGEST).map_err(|error| error.to_string()), "photo.png");
}

#[test]
fn a_jpeg_that_is_cut_short_opens_and_says_so() {
    let image =
        RgbImage::from_fn(256, 256, |x, y| Rgb([(x * y % 251) as u8, (x * 7 % 256) as u8, (y * 5 % 256) as u8]));
    let whole = encoded(&image.into(), ImageFormat::Jpeg);
    assert!(read("whole.jpg", &whole).unwrap().notes.is_empty());
    // What follows the end, as the film in a phone's moving picture, is none of the picture.
    assert!(read("moving.jpg", &[&whole, b"and a film".as_slice()].concat()).unwrap().notes.is_empty());
    // Where a buffer ends between the two bytes of the end marker it is found too.
    let padding = 3 * 8192 - whole.len() % 8192 + 1;
    let comment = [b"\xff\xfe".as_slice(), &(padding as u16 - 2).to_be_bytes(), &vec![b'-'; padding - 4]].concat();
    let shifted = [&whole[..2], &comment, &whole[2..]].concat();
    assert!(shifted.len() % 8192 == 1 && read("shifted.jpg", &shifted).unwrap().notes.is_empty());
    let cut = read("cut.jpg", &whole[..whole.len() * 2 / 3]).unwrap();
    assert!(cut.notes.len() == 1 && cut.notes[0].contains("truncated"), "{:?}", cut.notes);
}

#[test]
fn a_layer_comes_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layer.png");
    // Colours multiplied by their coverage, which no program may undo.
    let values: Vec<u8> = (0..50 * 40 * 4).map(|place| (place * 37 % 256) as u8).collect();
    write_layer(&path, [50, 40], &values).unwrap();
    assert_eq!(read_layer(&path, [50, 40]).unwrap(), values);
    refusal(read_layer(&path, [40, 50]).map_err(|error| error.to_string()), "50×40 pixels");
    assert!(write_layer(&path, [50, 41], &values).is_err());
}

#[test]
fn a_photo_is_written_as_png_or_jpeg() {
    let folder = tempfile::tempdir().unwrap();
    let image = RgbImage::from_fn(40, 30, |x, y| Rgb([x as u8 * 5, y as u8 * 7, 100]));
    let png = folder.path().join("a.png");
    write_photo(&png, &image).unwrap();
    assert_eq!(image::open(&png).unwrap().into_rgb8(), image);
    let jpeg = folder.path().join("a.JPG");
    write_photo(&jpeg, &image).unwrap();
    assert_eq!(image::open(&jpeg).unwrap().into_rgb8().dimensions(), (40, 30));
    assert!(write_photo(&folder.path().join("a.txt"), &image).unwrap_err().to_string().contains(".png"));
}

#[test]
fn a_mask_comes_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.png");
    let values: Vec<u8> = (0..50 * 40).map(|place| (place * 37 % 256) as u8).collect();
    write_mask(&path, [50, 40], &values).unwrap();
    let mask = read_mask(&path, [50, 40]).unwrap();
    assert!(mask.values == values && mask.size == [50, 40] && mask.notes.is_empty());
    assert!(write_mask(&folder.path().join("mask.jpg"), [50, 40], &values).is_err());
}

#[test]
fn white_is_to_be_filled_or_what_is_transparent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.png");
    let save = |image: DynamicImage| image.save(&path).unwrap();
    save(RgbImage::from_fn(8, 4, |x, _| Rgb(if x < 3 { [255; 3] } else { [0; 3] })).into());
    let left = read_mask(&path, [8, 4]).unwrap();
    assert!((0..32).all(|place| left.values[place] == if place % 8 < 3 { 255 } else { 0 }) && left.notes.is_empty());
    // A photo with a hole, whatever its colours; and an alpha channel that says nothing.
    save(RgbaImage::from_fn(8, 4, |x, y| Rgba(if x < 3 { [0, 200, 0, 0] } else { [255, 9, y as u8, 255] })).into());
    let clear = read_mask(&path, [8, 4]).unwrap();
    assert!(clear.values == left.values && clear.notes.len() == 1);
    save(RgbaImage::from_pixel(8, 4, Rgba([0, 0, 0, 155])).into());
    assert_eq!(read_mask(&path, [8, 4]).unwrap().values, [100; 32], "half-transparent is partly filled");
    save(RgbaImage::from_fn(8, 4, |x, _| Rgba(if x < 3 { [255; 4] } else { [0, 0, 0, 255] })).into());
    assert_eq!(read_mask(&path, [8, 4]).unwrap().values, left.values);
    // An opacity that nobody sees says nothing, be it everywhere or in one place.
    save(RgbaImage::from_fn(8, 4, |x, _| Rgba(if x < 3 { [255, 255, 255, 254] } else { [0, 0, 0, 254] })).into());
    let nearly = read_mask(&path, [8, 4]).unwrap();
    assert!(nearly.values == left.values && nearly.notes.is_empty(), "{:?}", nearly.notes);
}

#[test]
fn masks_of_zeros_and_ones_are_told_how_to_be_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.png");
    let ones = |x: u32| u16::from(x < 3);
    GrayImage::from_fn(8, 4, |x, _| Luma([ones(x) as u8])).save(&path).unwrap();
    let said = read_mask(&path, [8, 4]).unwrap().faint.unwrap();
    assert!(said.contains("is 1 of 255") && said.contains("save it with 0 and 255"), "{said}");
    for value in [1, 255] {
        let fine = image::ImageBuffer::from_fn(8, 4, |x, _| Luma([ones(x) * value]));
        DynamicImage::ImageLuma16(fine).save(&path).unwrap();
        let said = read_mask(&path, [8, 4]).unwrap().faint.unwrap();
        assert!(said.contains(&format!("is {value} of 65535")) && said.contains("in 8 bits"), "{said}");
    }
    let full = image::ImageBuffer::from_fn(8, 4, |x, _| Luma([ones(x) * u16::MAX]));
    DynamicImage::ImageLuma16(full).save(&path).unwrap();
    assert_eq!(read_mask(&path, [8, 4]).unwrap().faint, None);
}

#[test]
fn what_is_no_picture_is_called_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photo.png");
    let whole = {
        let mut bytes = Vec::new();
        let image = RgbImage::from_fn(64, 64, |x, y| Rgb([x as u8 * 4, y as u8 * 4, 9]));
        image::codecs::jpeg::JpegEncoder::new(&mut bytes).encode_image(&image).unwrap();
        bytes
    };
    for (bytes, said) in [
        (b"".as_slice(), "it is empty; "),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer"),
        (b"<!DOCTYPE html><title>", "it is a web page"),
        (b"{\"error\": 404}", "it is JSON text"),
        (b"<svg xmlns='x'/>", "it is an SVG image, which is not read; save it as PNG or JPEG"),
        (b"II*\0\x08\0\0\0", "it is a TIFF image, which is not read; save it as PNG or JPEG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "it is a HEIC image, which is not read"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "it is an AVIF image, which is not read"),
        (b"\0\0\x01\0\x01\0\x10\x10\0\0", "it is an ICO image, which is not read"),
        (b"P6\n1 1\n255\nabc", "it is a PPM image, which is not read"),
        (&whole[..100], "it cannot be read"),
    ] {
        fs::write(&path, bytes).unwrap();
        for refused in [read_photo(&path, 64).map(drop), read_mask(&path, [8, 8]).map(drop)] {
            refusal(refused.map_err(|error| error.to_string()), said);
        }
    }
}

#[test]
fn what_jpeg_leaves_about_the_edges_of_a_mask_is_no_mask() {
    let drawn = GrayImage::from_fn(100, 80, |x, y| {
        let (x, y) = (x as f32 - 50.0, y as f32 - 40.0);
        Luma([if x.hypot(y) < 30.0 || (x + y).abs() < 2.0 { 255 } else { 0 }])
    });
    let folder = tempfile::tempdir().unwrap();
    for quality in [75, 90] {
        let path = folder.path().join("mask.jpg");
        let mut bytes = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(&drawn).unwrap();
        fs::write(&path, &bytes).unwrap();
        let noise = image::load_from_memory(&bytes).unwrap().into_luma8();
        assert!(noise.pixels().any(|pixel| !matches!(pixel.0[0], 0 | 255)), "there is some");
        assert!(read_mask(&path, [100, 80]).unwrap().values == drawn.as_raw()[..], "quality {quality}");
    }
    // Greys that are meant stay, as does every level of a format that loses nothing.
    let path = folder.path().join("mask.png");
    GrayImage::from_pixel(9, 9, Luma([30])).save(&path).unwrap();
    let mask = read_mask(&path, [9, 9]).unwrap();
    assert!(mask.values == [30; 81] && mask.notes.iter().any(|note| note.contains("30 of 255")), "{:?}", mask.notes);
}

#[test]
fn a_mask_of_another_size_is_scaled_and_of_another_shape_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.png");
    GrayImage::from_fn(100, 75, |x, _| Luma([if x < 50 { 255 } else { 0 }])).save(&path).unwrap();
    let mask = read_mask(&path, [401, 300]).unwrap();
    assert_eq!(mask.values.len(), 401 * 300);
    assert!(mask.notes.iter().any(|note| note.contains("100×75")), "{:?}", mask.notes);
    assert_eq!((mask.values[401 * 150 + 100], mask.values[401 * 150 + 300]), (255, 0));
    let refused = read_mask(&path, [300, 300]).map_err(|error| error.to_string());
    refusal(refused, "100×75 pixels but the photo has 300×300");
}
