//! What the model is given, and how its fill comes back.

use super::{canvas, hard, place};
use image::{Rgb, RgbImage};
use score_explorer::Pixels;
use score_explorer::app::inpaint::{Brush, Canvas, Operation, Photo, Shape};

/// Means over areas by cutting every pixel of the photo into `fine`² parts.
fn by_parts(canvas: &Canvas, size: usize, fine: usize) -> (Vec<f64>, Vec<f64>) {
    let [left, top, side] = canvas.square().map(|part| part as usize);
    let plane = size * size;
    let (mut sums, mut known) = (vec![0.0; 3 * plane], vec![0.0; plane]);
    let all = side * fine;
    for v in 0..all {
        for u in 0..all {
            let (x, y) = (left + u / fine, top + v / fine);
            let cell = (v * size / all) * size + u * size / all;
            let weight = 1.0 - f64::from(canvas.mask().row(y, x, x + 1)[0]) / 255.0;
            known[cell] += weight;
            for channel in 0..3 {
                let level = canvas.photo.image.get_pixel(x as u32, y as u32).0[channel];
                sums[channel * plane + cell] += weight * f64::from(level) / 255.0;
            }
        }
    }
    let parts = (all / size).pow(2) as f64;
    let picture = (0..3 * plane).map(|place| sums[place] / known[place % plane]).collect();
    (picture, known.iter().map(|known| known / parts).collect())
}

#[test]
fn evidence_is_the_mean_of_what_is_known_and_the_share_of_it() {
    // The square's side is no multiple of the model's: cells share pixels.
    let mut canvas = canvas(150, 100);
    canvas.press(Brush { hardness: 0.2, opacity: 0.9, ..hard(20.0) }, [70.0, 50.0], false);
    canvas.drag(&[[90.0, 40.0]]);
    canvas.lift();
    canvas.apply(Operation::Lay { shape: Shape::Rectangle([[30.0, 60.0], [62.0, 95.0]]), takes: false });
    for size in [32, 7, 100] {
        let fine = if size == 32 {
            8
        } else if size == 7 {
            7
        } else {
            1
        };
        let (picture, confidence) = canvas.observation(size);
        assert_eq!(picture.shape, [1, 3, size, size]);
        let (exact, known) = by_parts(&canvas, size, fine);
        for place in 0..size * size {
            assert!((f64::from(confidence[place]) - known[place]).abs() < 1e-5, "confidence of {place} at {size}");
            for channel in 0..3 {
                let found = f64::from(picture.values[channel * size * size + place]);
                // Where next to nothing is known its mean is next to nothing by another.
                if known[place] > 1e-3 {
                    assert!((found - exact[channel * size * size + place]).abs() < 1e-4, "{place} at {size}");
                } else if known[place] == 0.0 {
                    assert_eq!(found, 0.5);
                }
            }
        }
    }
}

#[test]
fn evidence_after_many_strokes_is_that_of_the_whole_mask() {
    let (mut canvas, mut random) = (canvas(700, 500), fastrand::Rng::with_seed(11));
    canvas.observation(32);
    for round in 0..40 {
        let generation = canvas.generation();
        let brush = Brush { radius: 30.0 * random.f32() + 1.0, erases: round % 3 == 2, ..hard(1.0) };
        canvas.press(brush, place(&mut random, [700, 500]), false);
        canvas.drag(&[place(&mut random, [700, 500])]);
        assert_ne!(canvas.generation(), generation);
        canvas.observation(32);
        canvas.lift();
        if round % 7 == 0 {
            canvas.undo();
        }
    }
    let grown = canvas.observation(32);
    let mut fresh = Canvas::new(canvas.photo.clone(), canvas.crop());
    fresh.apply(Operation::Replace(canvas.mask().values().clone()));
    assert!(grown == fresh.observation(32));
}

#[test]
fn evidence_of_a_picture_of_the_models_size_is_the_picture() {
    let mut canvas = canvas(32, 32);
    let (picture, confidence) = canvas.observation(32);
    assert!(confidence.iter().all(|&confidence| confidence == 1.0));
    for (x, y, pixel) in canvas.photo.image.enumerate_pixels() {
        for channel in 0..3 {
            let found = picture.values[channel * 1024 + (y * 32 + x) as usize];
            assert!((found - f32::from(pixel.0[channel]) / 255.0).abs() < 1e-6);
        }
    }
}

fn fill(size: usize, level: impl Fn(usize, usize, usize) -> f32) -> Pixels<f32> {
    let values: Vec<f32> = (0..3 * size * size).map(|i| level(i / (size * size), i % size, i / size % size)).collect();
    Pixels { shape: [1, 3, size, size], values: values.into() }
}

#[test]
fn a_fill_replaces_what_is_painted_and_nothing_far_from_it() {
    let mut canvas = canvas(400, 300);
    canvas.press(hard(30.0), [200.0, 150.0], false);
    canvas.lift();
    let paste = canvas.paste_back(32);
    let filled = paste.run(&fill(32, |channel, _, _| [0.2, 0.4, 0.8][channel]), 0).unwrap();
    // A pixel of the model is 300/32 pixels of the photo, the edge's σ a seventh of that.
    let beyond = 30.0 + 5.0 * paste.inlay.edge + 1.5;
    let mut between = 0;
    for (x, y, pixel) in filled.enumerate_pixels() {
        let far = (x as f32 + 0.5 - 200.0).hypot(y as f32 + 0.5 - 150.0);
        let old = canvas.photo.image.get_pixel(x, y);
        if far < 29.0 {
            assert_eq!(pixel.0, [51, 102, 204], "{x} {y}");
        } else if far > beyond {
            assert_eq!(pixel, old, "{x} {y}");
        } else if pixel != old && pixel.0 != [51, 102, 204] {
            between += 1;
        }
    }
    assert!(between > 200, "the edge is soft: {between}");
}

#[test]
fn a_fill_is_enlarged_without_ringing_or_shift() {
    // A slope from left to right comes back as the same slope, apart from the outermost pixels of the model.
    let mut canvas = canvas(640, 640);
    canvas.apply(Operation::FillAll);
    let filled = canvas.paste_back(32).run(&fill(32, |_, x, _| (x as f32 + 0.5) / 32.0), 0).unwrap();
    for (x, _, pixel) in filled.enumerate_pixels().filter(|(x, ..)| (80..560).contains(x)) {
        let exact = 255.0 * (x as f32 + 0.5) / 640.0;
        // Lanczos-3 reproduces a slope to within about a hundredth of a step, 8 levels; and rounding.
        assert!((f32::from(pixel.0[0]) - exact).abs() < 0.75, "{x}: {} for {exact}", pixel.0[0]);
    }
}

#[test]
fn a_fill_of_a_reduced_photo_goes_onto_the_file_at_its_full_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.png");
    RgbImage::from_fn(4800, 300, |x, _| Rgb([if x % 2 == 0 { 10 } else { 250 }, 90, 90])).save(&path).unwrap();
    let opened = score_explorer::checkpoint::read_photo(&path, 1200).unwrap();
    assert_eq!(([1200, 75], [4800, 300]), ([opened.image.width(), opened.image.height()], opened.full));
    let mut canvas = Canvas::new(Photo::of_file(&path, opened), Default::default());
    canvas.press(hard(10.0), [600.0, 37.5], false);
    canvas.lift();
    let filled = canvas.paste_back(8).run(&fill(8, |_, _, _| 1.0), 0).unwrap();
    assert_eq!((filled.width(), filled.height()), (4800, 300));
    assert_eq!(filled.get_pixel(2400, 150).0, [255; 3]);
    assert_eq!((filled.get_pixel(100, 10).0, filled.get_pixel(101, 10).0), ([10, 90, 90], [250, 90, 90]));
}

#[test]
fn what_is_no_picture_is_refused() {
    let canvas = canvas(64, 64);
    let flat = Pixels { shape: [1, 3, 8, 4], values: vec![0.0; 96].into() };
    assert!(canvas.paste_back(8).run(&flat, 0).is_err());
    assert!(canvas.paste_back(8).run(&fill(8, |_, _, _| 0.0), 1).is_err(), "there is no second sample");
}
