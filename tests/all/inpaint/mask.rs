//! Strokes, and their undoing.

use super::{canvas, hard, place, stroke};
use score_explorer::app::inpaint::{Brush, Canvas, Operation, Shape};

fn at(canvas: &Canvas, x: usize, y: usize) -> u8 {
    canvas.mask().row(y, x, x + 1)[0]
}

#[test]
fn the_fastest_stroke_has_no_gap() {
    for brush in [hard(3.0), hard(10.0), Brush { hardness: 0.3, opacity: 0.6, ..hard(25.0) }] {
        let mut canvas = canvas(700, 120);
        // From one end to the other between two events.
        stroke(&mut canvas, brush, &[[60.5, 60.5], [640.5, 60.5]]);
        for y in 20..100 {
            let expected = (255.0 * brush.coverage((y as f32 - 60.0).abs())) as i32;
            for x in 61..640 {
                let found = i32::from(at(&canvas, x, y));
                assert!((found - expected).abs() <= 1, "{brush:?} at {x}, {y}: {found} for {expected}");
            }
        }
    }
}

#[test]
fn a_winding_stroke_covers_its_whole_path_however_often_it_is_told() {
    // A spiral of 2,000 events a second, of 100, and of 12.
    let spiral = |share: f32| {
        let (angle, radius) = (share * 20.0, 20.0 + 160.0 * share);
        [250.0 + radius * angle.cos(), 250.0 + radius * angle.sin()]
    };
    let brush = Brush { hardness: 0.9, opacity: 0.8, ..hard(8.0) };
    for events in [2000, 100] {
        let mut canvas = canvas(500, 500);
        let told: Vec<[f32; 2]> = (0..=events).map(|i| spiral(i as f32 / events as f32)).collect();
        stroke(&mut canvas, brush, &told);
        // Chords of told points lie on the path up to their sagitta, which is within the hard core for both.
        for i in 0..4000 {
            let [x, y] = spiral(i as f32 / 4000.0);
            let found = at(&canvas, x as usize, y as usize);
            assert!(found >= 203, "{events} events, {x} {y}: {found} of 204");
        }
    }
}

#[test]
fn a_stroke_in_small_steps_is_the_same_as_one_in_a_single_step() {
    let brush = Brush { hardness: 0.5, opacity: 0.7, ..hard(20.0) };
    let (mut one, mut many) = (canvas(400, 200), canvas(400, 200));
    stroke(&mut one, brush, &[[40.0, 50.0], [360.0, 150.0]]);
    let steps: Vec<[f32; 2]> =
        (0..=5000).map(|i| i as f32 / 5000.0).map(|s| [40.0 + 320.0 * s, 50.0 + 100.0 * s]).collect();
    stroke(&mut many, brush, &steps);
    let pairs = one.mask().values().iter().zip(many.mask().values().iter());
    assert!(pairs.map(|(a, b)| a.abs_diff(*b)).max() <= Some(1));
}

#[test]
fn opacity_does_not_add_up_within_a_stroke_but_does_between_strokes() {
    let brush = Brush { opacity: 0.4, ..hard(15.0) };
    let mut canvas = canvas(200, 100);
    let there_and_back: Vec<[f32; 2]> = (0..9).map(|i| [if i % 2 == 0 { 40.0 } else { 160.0 }, 50.0]).collect();
    stroke(&mut canvas, brush, &there_and_back);
    assert_eq!(at(&canvas, 100, 50), 102); // 0.4
    stroke(&mut canvas, brush, &there_and_back);
    assert!(at(&canvas, 100, 50).abs_diff(163) <= 1); // 1 − 0.6²
    stroke(&mut canvas, Brush { erases: true, opacity: 0.5, ..brush }, &there_and_back);
    assert!(at(&canvas, 100, 50).abs_diff(82) <= 1); // half of it
    stroke(&mut canvas, Brush { erases: true, opacity: 1.0, ..brush }, &there_and_back);
    assert_eq!(at(&canvas, 100, 50), 0);
}

#[test]
fn a_dab_is_a_disc() {
    for radius in [0.5, 1.0, 4.0, 30.0f32] {
        let mut canvas = canvas(100, 100);
        stroke(&mut canvas, hard(radius), &[[50.0, 50.0]]);
        let area: f64 = canvas.mask().values().iter().map(|&value| f64::from(value) / 255.0).sum();
        let expected = std::f64::consts::PI * f64::from(radius).powi(2);
        // A rim one pixel wide that rises evenly adds π/12 and less; the grid of pixels adds a share of the rim.
        let tolerance = 0.6 + 0.05 * 2.0 * std::f64::consts::PI * f64::from(radius);
        assert!((area - expected).abs() < tolerance, "{radius}: {area} for {expected}");
    }
}

#[test]
fn a_cancelled_stroke_leaves_nothing() {
    let mut canvas = canvas(300, 300);
    stroke(&mut canvas, hard(20.0), &[[50.0, 50.0], [250.0, 250.0]]);
    let before = canvas.mask().clone();
    canvas.press(hard(40.0), [250.0, 50.0], false);
    canvas.drag(&[[50.0, 250.0]]);
    assert_ne!(*canvas.mask(), before);
    assert!(canvas.cancel());
    assert_eq!(*canvas.mask(), before);
    assert_eq!(canvas.history().steps(), [1, 0]);
}

#[test]
fn shift_draws_a_line_from_the_last_stroke() {
    let mut canvas = canvas(300, 100);
    stroke(&mut canvas, hard(5.0), &[[20.0, 50.0]]);
    canvas.press(hard(5.0), [280.0, 50.0], true);
    canvas.lift();
    assert!((20..280).all(|x| at(&canvas, x, 50) == 255));
}

#[test]
fn a_hundred_and_fifty_strokes_are_undone_and_redone_to_the_byte() {
    let size = [1200, 900];
    let (mut canvas, mut random) = (canvas(1200, 900), fastrand::Rng::with_seed(7));
    let mut states = vec![canvas.mask().clone()];
    for round in 0..150 {
        match round % 10 {
            7 => canvas.apply(Operation::Invert),
            8 => {
                let corners = [place(&mut random, size), place(&mut random, size)];
                canvas.apply(Operation::Lay { shape: Shape::Rectangle(corners), takes: round % 20 == 8 });
            }
            _ => {
                let brush = Brush {
                    radius: 5.0 + 60.0 * random.f32(),
                    hardness: random.f32(),
                    opacity: 0.2 + 0.8 * random.f32(),
                    erases: round % 3 == 2,
                    ..hard(1.0)
                };
                let path: Vec<[f32; 2]> = (0..6).map(|_| place(&mut random, size)).collect();
                stroke(&mut canvas, brush, &path);
            }
        }
        states.push(canvas.mask().clone());
    }
    for _ in 0..2 {
        for state in states.iter().rev().skip(1) {
            assert!(canvas.undo());
            assert!(canvas.mask() == state);
        }
        assert!(!canvas.undo());
        for state in states.iter().skip(1) {
            assert!(canvas.redo());
            assert!(canvas.mask() == state);
        }
        assert!(!canvas.redo());
    }
    assert!(canvas.history().bytes() <= 128 << 20);
}

#[test]
fn undo_is_bounded_even_where_nothing_can_be_packed() {
    let mut canvas = canvas(2048, 2048);
    let mut random = fastrand::Rng::with_seed(3);
    let noise: Vec<u8> = (0..2048 * 2048).map(|_| (256.0 * random.f32()) as u8).collect();
    for round in 0..50u8 {
        let values = noise.iter().map(|value| value.wrapping_add(round)).collect::<Vec<_>>();
        canvas.apply(Operation::Replace(values.into()));
    }
    // 4 MB a step.
    assert!(canvas.history().bytes() <= 128 << 20, "{}", canvas.history().bytes());
    let [undo, _] = canvas.history().steps();
    assert!((28..=32).contains(&undo), "{undo}");
    while canvas.undo() {
        assert!(canvas.history().bytes() <= (128 << 20) + (5 << 20));
    }
}

#[test]
fn a_stroke_after_an_undo_forgets_what_was_undone() {
    let mut canvas = canvas(100, 100);
    stroke(&mut canvas, hard(5.0), &[[20.0, 20.0]]);
    stroke(&mut canvas, hard(5.0), &[[80.0, 80.0]]);
    canvas.undo();
    stroke(&mut canvas, hard(5.0), &[[50.0, 50.0]]);
    assert_eq!(canvas.history().steps(), [2, 0]);
    assert!(!canvas.redo());
}

#[test]
fn a_change_that_was_overtaken_is_not_taken() {
    let mut canvas = canvas(100, 100);
    let job = canvas.change(Operation::FillAll);
    stroke(&mut canvas, hard(5.0), &[[20.0, 20.0]]);
    let before = canvas.mask().clone();
    assert!(!canvas.accept(job.run()));
    assert_eq!(*canvas.mask(), before);
}
