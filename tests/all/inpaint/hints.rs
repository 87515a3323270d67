//! Colours painted on the photo: what they do to it, their undoing, and what the model is given of them.

use super::{canvas, hard, place, stroke};
use image::RgbImage;
use score_explorer::Pixels;
use score_explorer::app::inpaint::{Brush, Canvas, Operation, Photo, Shape};

const RED: [u8; 3] = [200, 30, 20];

fn red(radius: f32) -> Brush {
    Brush { colour: Some(RED), ..hard(radius) }
}

/// The photo as it is shown, and the mask.
fn state(canvas: &Canvas) -> (RgbImage, Vec<u8>) {
    (canvas.hinted().into_owned(), canvas.mask().values().to_vec())
}

#[test]
fn a_hint_covers_the_photo_as_the_brush_says_and_the_photo_itself_stays() {
    let mut canvas = canvas(300, 200);
    let original = (*canvas.photo.image).clone();
    let brush = Brush { hardness: 0.4, opacity: 0.7, ..red(30.0) };
    stroke(&mut canvas, brush, &[[60.5, 100.5], [240.5, 100.5]]);
    let hinted = canvas.hinted().into_owned();
    for y in 60..140u32 {
        let cover = f64::from(brush.coverage((y as f32 - 100.0).abs()));
        for x in (61..240u32).step_by(7) {
            for (channel, red) in RED.into_iter().enumerate() {
                let photo = f64::from(original.get_pixel(x, y).0[channel]);
                let expected = photo + cover * (f64::from(red) - photo);
                // The coverage, the colour under it, the photo under that: each is rounded to a grey level.
                let found = f64::from(hinted.get_pixel(x, y).0[channel]);
                assert!((found - expected).abs() <= 1.5, "{x} {y}: {found} for {expected}");
            }
        }
    }
    assert_eq!(*canvas.photo.image, original);
    assert!(canvas.mask().share() == 0.0, "the mask is another layer");
    assert_eq!(canvas.colour_at([150.5, 100.5]), hinted.get_pixel(150, 100).0);
}

#[test]
fn erasing_and_clearing_give_the_photo_back_to_the_byte() {
    let (mut canvas, mut random) = (canvas(400, 300), fastrand::Rng::with_seed(5));
    let original = (*canvas.photo.image).clone();
    for _ in 0..12 {
        let path: Vec<[f32; 2]> = (0..4).map(|_| place(&mut random, [400, 300])).collect();
        let colour = [0; 3].map(|_: u8| (256.0 * random.f32()) as u8);
        stroke(&mut canvas, Brush { hardness: random.f32(), colour: Some(colour), ..hard(25.0) }, &path);
    }
    let painted = canvas.hinted().into_owned();
    assert_ne!(painted, original);
    canvas.clear_hints();
    assert!(*canvas.hinted() == original && canvas.hints().is_blank());
    canvas.undo();
    assert!(*canvas.hinted() == painted);
    stroke(&mut canvas, Brush { erases: true, ..red(600.0) }, &[[200.0, 150.0]]);
    assert!(*canvas.hinted() == original && canvas.hints().is_blank());
    let steps = canvas.history().steps();
    stroke(&mut canvas, Brush { erases: true, ..red(20.0) }, &[[200.0, 150.0]]);
    assert_eq!(canvas.history().steps(), steps, "where there is nothing to erase there is nothing to undo");
    assert!(!canvas.clear_hints());
}

#[test]
fn strokes_on_mask_and_photo_are_undone_in_the_order_they_were_made() {
    let size = [500, 400];
    let (mut canvas, mut random) = (canvas(500, 400), fastrand::Rng::with_seed(17));
    let mut states = vec![state(&canvas)];
    for round in 0..60 {
        match round % 12 {
            9 => canvas.apply(Operation::Invert),
            10 => _ = canvas.clear_hints(),
            _ => {
                let colour = (round % 2 == 0).then(|| [0; 3].map(|_: u8| (256.0 * random.f32()) as u8));
                let (radius, opacity) = (4.0 + 40.0 * random.f32(), 0.3 + 0.7 * random.f32());
                let brush = Brush { radius, hardness: random.f32(), opacity, erases: round % 5 == 4, colour };
                let path: Vec<[f32; 2]> = (0..4).map(|_| place(&mut random, size)).collect();
                stroke(&mut canvas, brush, &path);
            }
        }
        if canvas.history().steps()[0] == states.len() {
            states.push(state(&canvas));
        }
    }
    assert!(states.len() > 50, "{}", states.len());
    for _ in 0..2 {
        for expected in states.iter().rev().skip(1) {
            assert!(canvas.undo());
            assert!(state(&canvas) == *expected);
        }
        assert!(!canvas.undo() && canvas.hints().is_blank());
        for expected in states.iter().skip(1) {
            assert!(canvas.redo());
            assert!(state(&canvas) == *expected);
        }
    }
}

#[test]
fn undo_of_hints_is_bounded() {
    let mut canvas = canvas(2048, 2048);
    for round in 0..40u8 {
        // Every pixel another colour each time: 16 MB of tiles a step.
        let brush = Brush { colour: Some([round; 3]), opacity: 0.5, ..hard(3000.0) };
        stroke(&mut canvas, brush, &[[1024.0, 1024.0]]);
    }
    assert!(canvas.history().bytes() <= 128 << 20, "{}", canvas.history().bytes());
    let [undo, _] = canvas.history().steps();
    assert!((7..=8).contains(&undo), "{undo}");
}

#[test]
fn a_cancelled_hint_leaves_nothing() {
    let mut canvas = canvas(200, 200);
    stroke(&mut canvas, red(20.0), &[[40.0, 40.0], [150.0, 60.0]]);
    let (before, generation) = (state(&canvas), canvas.generation());
    canvas.press(Brush { erases: true, ..red(30.0) }, [60.0, 50.0], false);
    canvas.drag(&[[100.0, 100.0]]);
    assert!(state(&canvas) != before && canvas.generation() != generation);
    assert!(canvas.cancel());
    assert!(state(&canvas) == before);
    assert_eq!(canvas.history().steps(), [1, 0]);
}

#[test]
fn the_model_is_given_the_photo_with_its_hints() {
    let (mut canvas, mut random) = (canvas(700, 500), fastrand::Rng::with_seed(23));
    canvas.observation(32);
    for round in 0..20 {
        let brush = Brush { radius: 5.0 + 40.0 * random.f32(), erases: round % 4 == 3, ..red(1.0) };
        // Now and then what is hidden from the model is painted too.
        let brush = if round % 5 == 1 { Brush { colour: None, ..brush } } else { brush };
        canvas.press(brush, place(&mut random, [700, 500]), false);
        canvas.drag(&[place(&mut random, [700, 500])]);
        canvas.observation(32);
        canvas.lift();
        if round % 6 == 5 {
            canvas.undo();
        }
    }
    // A photo of the same pixels, and all of it averaged anew.
    let mut baked = Canvas::new(Photo::pasted("baked", canvas.hinted().into_owned()), canvas.crop());
    baked.apply(Operation::Replace(canvas.mask().values().clone()));
    assert!(canvas.observation(32) == baked.observation(32));
}

#[test]
fn a_fill_keeps_the_hints_outside_the_mask() {
    let mut canvas = canvas(200, 200);
    stroke(&mut canvas, red(15.0), &[[20.0, 100.0], [180.0, 100.0]]);
    let corners = [[100.0, 0.0], [200.0, 200.0]];
    canvas.apply(Operation::Lay { shape: Shape::Rectangle(corners), takes: false });
    let green = Pixels { shape: [1, 3, 8, 8], values: [[0.0; 64], [1.0; 64], [0.0; 64]].concat().into() };
    let pasted = canvas.paste_back(8).run(&green, 0).unwrap();
    assert_eq!(pasted.get_pixel(150, 100).0, [0, 255, 0]);
    assert_eq!(pasted.get_pixel(40, 100).0, RED);
    assert_eq!(pasted.get_pixel(40, 30), canvas.photo.image.get_pixel(40, 30));
}

#[test]
fn hints_come_back_onto_the_photo_at_its_full_size() {
    let mut canvas = canvas(100, 60);
    stroke(&mut canvas, red(10.0), &[[30.0, 30.0], [70.0, 30.0]]);
    let mut large = RgbImage::from_pixel(400, 240, image::Rgb([10, 120, 250]));
    canvas.hints().lay_on(&mut large);
    assert_eq!(large.get_pixel(200, 120).0, RED);
    assert_eq!(large.get_pixel(10, 10).0, [10, 120, 250]);
    // The edge of the stroke is 10 of the small pixels from its middle, half covered there.
    let edge = large.get_pixel(200, 160).0;
    assert!(edge[0].abs_diff(105) < 40 && edge[2].abs_diff(135) < 45, "{edge:?}");
}

#[test]
fn the_bucket_goes_by_the_colours_that_are_seen() {
    let mut canvas = canvas(120, 120);
    stroke(&mut canvas, red(20.0), &[[60.0, 60.0]]);
    let shape = Shape::Similar { at: [60, 60], tolerance: 3, connected: true };
    canvas.apply(Operation::Lay { shape, takes: false });
    let area = canvas.mask().share() * 120.0 * 120.0;
    // The disc, less a rim of a pixel that is not fully covered.
    let disc = |radius: f64| std::f64::consts::PI * radius * radius;
    assert!(area > disc(18.5) && area < disc(20.5), "{area}");
}
