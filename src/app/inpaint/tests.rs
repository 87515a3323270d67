//! The shader against the same rules in Rust, on an off-screen target.

use super::area::{Area, Part};
use super::brush::Brush;
use super::canvas::{Canvas, Photo};
use super::gpu::GpuView;
use super::hints::Hints;
use super::look::{Layers, Look};
use super::mask::Mask;
use super::pyramid::Pyramid;
use crate::app::photos::{Crop, Source};
use crate::app::picture::tests::{FORMATS, SIDE, device, on_target};
use image::{Rgb, RgbImage};

/// A photo of odd sides, so that its halves are rounded.
const SIZE: [usize; 2] = [213, 149];

fn photo() -> Photo {
    let image = RgbImage::from_fn(SIZE[0] as u32, SIZE[1] as u32, |x, y| {
        Rgb([(x * 7 % 256) as u8, (y * 5 % 256) as u8, ((x + y) * 3 % 256) as u8])
    });
    Photo::new(Source::Clipboard, String::new(), image)
}

/// A soft disc.
fn mask() -> Mask {
    let level = |place: usize| {
        let (x, y) = ((place % SIZE[0]) as f32 - 100.0, (place / SIZE[0]) as f32 - 70.0);
        ((60.0 - x.hypot(y)) * 12.0).clamp(0.0, 255.0) as u8
    };
    Mask::from_values(SIZE, (0..SIZE[0] * SIZE[1]).map(level).collect()).unwrap()
}

fn look(scale: f32) -> Look {
    Look {
        origin: [-20.0, 9.0],
        scale,
        size: SIZE,
        square: [40, 10, 120],
        tint: [0.9, 0.2, 0.5, 0.5],
        checks: [0.1, 0.2, 8.0],
        shade: 0.5,
    }
}

fn layers<'a>(
    photo: &'a Photo,
    hints: &'a Hints,
    smaller_photo: &'a Pyramid,
    (mask, smaller_mask): (&'a Mask, &'a Pyramid),
) -> Layers<'a> {
    Layers { photo, hints, smaller_photo, mask, smaller_mask }
}

/// The shares of pixels that differ by more than 2 and by more than 24 grey levels.
fn differences(found: &[[u8; 4]], layers: Layers<'_>, look: &Look) -> [f64; 2] {
    let mut counts = [0usize; 2];
    for (index, found) in found.iter().enumerate() {
        let at = [(index % SIDE as usize) as f32 + 0.5, (index / SIDE as usize) as f32 + 0.5];
        let expected = look.colour(layers, at).map(|part| (part * 255.0).round() as u8);
        let worst = (0..3).map(|channel| found[channel].abs_diff(expected[channel])).max().unwrap_or_default();
        counts[0] += usize::from(worst > 2);
        counts[1] += usize::from(worst > 24);
    }
    counts.map(|count| count as f64 / found.len() as f64)
}

#[test]
fn the_shader_draws_photo_and_mask_by_the_rules_in_both_target_formats() {
    let state = device();
    let (photo, mask, hints) = (photo(), mask(), Hints::new(SIZE));
    let mut smaller = Pyramid::new(SIZE, 1, mask.values());
    for format in FORMATS {
        for scale in [6.0, 2.0, 1.0, 0.62, 0.3] {
            let mut view = GpuView::on(&state.device, &state.queue, format);
            assert!(view.bind(&photo) && !view.bind(&photo), "a photo is sent once");
            view.update(&mask, &mut smaller, Area::whole(SIZE));
            let look = look(scale);
            let group = view.prepare(&look).unwrap();
            let drawn = on_target(&state, format, |pass| view.draw(&group, pass));
            let layers = layers(&photo, &hints, &photo.smaller, (&mask, &smaller));
            // Samplers weigh in steps of 1/256. The distance to the edge is a quotient of differences that are often
            // no more than a few such steps, and a hundredth of a pixel is more than a grey level: along its line, a
            // tenth of the picture, some pixels are off by a little.
            let [beyond_rounding, wrong] = differences(&drawn, layers, &look);
            assert!(beyond_rounding < 0.05 && wrong < 0.006, "{format:?} {scale}: {beyond_rounding} {wrong}");
        }
    }
}

#[test]
fn what_changed_of_the_mask_is_all_that_is_sent() {
    let state = device();
    let (photo, hints) = (photo(), Hints::new(SIZE));
    let mut view = GpuView::on(&state.device, &state.queue, FORMATS[0]);
    view.bind(&photo);
    let mut mask = Mask::new(SIZE);
    let mut smaller = Pyramid::new(SIZE, 1, mask.values());
    view.update(&mask, &mut smaller, Area::whole(SIZE));
    let area = Area { left: 61, top: 33, right: 118, bottom: 90 };
    for y in area.top..area.bottom {
        mask.row_mut(y, area.left, area.right).fill(255);
    }
    view.update(&mask, &mut smaller, area);
    assert_eq!(smaller, Pyramid::new(SIZE, 1, mask.values()), "smaller sizes follow");
    for scale in [2.0, 0.5] {
        let look = look(scale);
        let group = view.prepare(&look).unwrap();
        let drawn = on_target(&state, FORMATS[0], |pass| view.draw(&group, pass));
        let layers = layers(&photo, &hints, &photo.smaller, (&mask, &smaller));
        let [beyond_rounding, wrong] = differences(&drawn, layers, &look);
        assert!(beyond_rounding < 0.05 && wrong < 0.006, "{scale}: {beyond_rounding} {wrong}");
    }
}

#[test]
fn hints_are_drawn_over_the_photo_at_every_size() {
    let state = device();
    // Nothing is masked: along a mask's edge the sampler's steps would show.
    let (photo, mask) = (photo(), Mask::new(SIZE));
    let smaller_mask = Pyramid::new(SIZE, 1, mask.values());
    let mut canvas = Canvas::new(photo.clone(), Crop::default());
    let brush = Brush { radius: 22.0, hardness: 0.5, opacity: 0.8, erases: false, colour: Some([250, 220, 10]) };
    canvas.press(brush, [20.0, 130.0], false);
    canvas.drag(&[[190.0, 40.0], [212.0, 148.0]]);
    canvas.lift();
    let hints = canvas.hints();
    let (mut smaller, mut view) = ((*photo.smaller).clone(), GpuView::on(&state.device, &state.queue, FORMATS[0]));
    view.bind(&photo);
    view.update(&mask, &mut smaller_mask.clone(), Area::whole(SIZE));
    for area in hints.unlike(&Hints::new(SIZE)).iter() {
        view.update_photo(Part { area, values: &hints.part(&photo.image, area) }, &mut smaller);
    }
    assert_eq!(smaller, Pyramid::new(SIZE, 3, canvas.hinted().as_raw()), "smaller sizes follow");
    let mut seen = 0.0;
    for scale in [6.0, 1.0, 0.3] {
        let look = look(scale);
        let group = view.prepare(&look).unwrap();
        let drawn = on_target(&state, FORMATS[0], |pass| view.draw(&group, pass));
        let rules = layers(&photo, hints, &smaller, (&mask, &smaller_mask));
        let [beyond_rounding, wrong] = differences(&drawn, rules, &look);
        assert!(beyond_rounding < 0.03 && wrong < 0.006, "{scale}: {beyond_rounding} {wrong}");
        let none = Hints::default();
        let bare = layers(&photo, &none, &photo.smaller, (&mask, &smaller_mask));
        seen = f64::max(seen, differences(&drawn, bare, &look)[1]);
    }
    assert!(seen > 0.05, "hints are seen: {seen}");
}
