//! What is written as pictures reads back as what was meant.

use super::sentence;
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, Frame, ImageReader, Rgb, RgbImage};
use score_explorer::Pixels;
use score_explorer::checkpoint::{Animation, grid_image, write_animation, write_grid, write_picture};
use score_explorer::sde::Range;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

const DARK: Rgb<u8> = Rgb([30, 30, 30]);

/// Three samples of one channel, one pixel high, two wide.
fn three() -> Pixels<f32> {
    Pixels { shape: [3, 1, 1, 2], values: vec![-1.0, 1.0, 0.0, f32::NAN, 5.0, -5.0].into() }
}

fn grey(level: u8) -> Rgb<u8> {
    Rgb([level; 3])
}

#[test]
fn grid_is_laid_out_to_the_pixel() {
    let (a, b, c, d, e, f) = (grey(0), grey(255), grey(128), grey(0), grey(255), grey(0));
    let x = DARK;
    let expected = [
        [a, a, b, b, x, x, c, c, d, d],
        [a, a, b, b, x, x, c, c, d, d],
        [x; 10],
        [x; 10],
        [e, e, f, f, x, x, x, x, x, x],
        [e, e, f, f, x, x, x, x, x, x],
    ];
    let image = grid_image(&three(), Range::Symmetric, 2);
    assert_eq!(image.dimensions(), (10, 6));
    for (y, row) in expected.iter().enumerate() {
        for (x, colour) in row.iter().enumerate() {
            assert_eq!(image.get_pixel(x as u32, y as u32), colour, "at {x}, {y}");
        }
    }
}

#[test]
fn channels_become_colours() {
    let colour = |channels: usize| {
        let values: Vec<f32> = [1.0, 0.2, 0.6, 0.4].into_iter().take(channels).collect();
        let pixels = Pixels { shape: [1, channels, 1, 1], values: values.into() };
        grid_image(&pixels, Range::Unit, 1).get_pixel(0, 0).0
    };
    assert_eq!([colour(1), colour(2), colour(3), colour(4)], [[255; 3], [255, 51, 0], [255, 51, 153], [255, 51, 153]]);
}

fn read(path: &Path) -> RgbImage {
    ImageReader::open(path).unwrap().with_guessed_format().unwrap().decode().unwrap().into_rgb8()
}

#[test]
fn every_picture_format_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let wanted = grid_image(&three(), Range::Symmetric, 8);
    for name in ["grid.png", "grid.webp", "grid.bmp", "grid.gif", "grid.PNG"] {
        let path = folder.path().join(name);
        write_grid(&path, &three(), Range::Symmetric, 8).unwrap();
        assert_eq!(read(&path), wanted, "{name}");
    }
    let path = folder.path().join("grid.jpg");
    write_grid(&path, &three(), Range::Symmetric, 8).unwrap();
    assert_eq!(read(&path).dimensions(), wanted.dimensions());
    let path = folder.path().join("one.png");
    write_picture(&path, &three(), 1, Range::Symmetric, 3).unwrap();
    let one = read(&path);
    assert_eq!((one.dimensions(), *one.get_pixel(2, 2), *one.get_pixel(3, 0)), ((6, 3), grey(128), grey(0)));
}

#[test]
fn impossible_pictures_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grid.tiff");
    assert!(sentence(write_grid(&path, &three(), Range::Unit, 1), &path).contains("must end in .png"));
    let path = folder.path().join("grid.png");
    assert!(sentence(write_grid(&path, &three(), Range::Unit, 1 << 40), &path).contains("up to 16384 per side"));
    assert!(sentence(write_picture(&path, &three(), 3, Range::Unit, 1), &path).contains("sample 3 is out of range"));
    let none = Pixels { shape: [0, 3, 4, 4], values: Vec::new().into() };
    sentence(write_grid(&path, &none, Range::Unit, 1), &path);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written");
    // In memory, what does not fit is left out.
    assert_eq!(grid_image(&none, Range::Unit, 1).dimensions(), (1, 1));
    let image = grid_image(&three(), Range::Unit, usize::MAX);
    assert!(image.width() <= 16_384 && image.height() <= 16_384);
}

fn animation(frames: usize) -> Animation {
    let frame = |i: usize| Pixels { shape: [2, 3, 2, 2], values: vec![i as f32 / frames as f32; 24].into() };
    let frames = (0..frames).map(frame).collect();
    Animation { frames, range: Range::Unit, frame_time: Duration::from_millis(50), zoom: 4 }
}

fn decoded(path: &Path) -> Vec<Frame> {
    let file = BufReader::new(File::open(path).unwrap());
    let frames = match path.extension().unwrap().to_str().unwrap() {
        "gif" => GifDecoder::new(file).unwrap().into_frames().collect_frames(),
        "webp" => WebPDecoder::new(file).unwrap().into_frames().collect_frames(),
        _ => PngDecoder::new(file).unwrap().apng().unwrap().into_frames().collect_frames(),
    };
    frames.unwrap()
}

#[test]
fn animations_read_back_frame_by_frame() {
    let folder = tempfile::tempdir().unwrap();
    let animation = animation(7);
    for name in ["run.gif", "run.png", "run.apng", "run.webp"] {
        let path = folder.path().join(name);
        let mut shares = Vec::new();
        let mut progress = |share| {
            shares.push(share);
            true
        };
        write_animation(&path, &animation, &mut progress).unwrap();
        assert!(shares.len() == 7 && shares.is_sorted() && shares[6] == 1.0, "{name}: {shares:?}");
        let frames = decoded(&path);
        assert_eq!(frames.len(), 7, "{name}");
        for (index, frame) in frames.iter().enumerate() {
            let time = Duration::from(frame.delay());
            assert_eq!(time, Duration::from_millis(if index < 6 { 50 } else { 1000 }), "{name} {index}");
            let wanted = grid_image(&animation.frames[index], Range::Unit, 4);
            // Two colours a frame fit any palette.
            let shown = image::DynamicImage::ImageRgba8(frame.buffer().clone()).into_rgb8();
            assert_eq!(shown, wanted, "{name} {index}");
        }
    }
}

#[test]
fn cancelled_animation_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["run.gif", "run.png"] {
        let mut told = 0;
        let mut progress = |_| {
            told += 1;
            told < 3
        };
        write_animation(&folder.path().join(name), &animation(7), &mut progress).unwrap();
        assert_eq!(told, 3);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn impossible_animations_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, animation: &Animation| {
        let path = folder.path().join(name);
        sentence(write_animation(&path, animation, &mut |_| true), &path)
    };
    assert!(refused("run.gif", &animation(0)).contains("no frame"));
    assert!(refused("run.mp4", &animation(2)).contains("must end in .gif"));
    let mut uneven = animation(2);
    uneven.frames[1] = three();
    assert!(refused("run.gif", &uneven).contains("differ in size"));
}
