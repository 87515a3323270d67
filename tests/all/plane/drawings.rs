//! What drawings become.

use super::all;
use score_explorer::plane::{Drawing, DrawingError, Gaussian, Ink, Piece, Shape};

fn of(shape: Shape) -> Vec<Gaussian> {
    Drawing { pieces: vec![Piece::new(shape)] }.gaussians().unwrap()
}

fn mean(gaussians: &[Gaussian], figure: impl Fn(&Gaussian) -> f64) -> f64 {
    gaussians.iter().map(|one| one.weight * figure(one)).sum()
}

#[test]
fn every_famous_set_is_in_the_square_and_small_enough() {
    for (name, plane) in all() {
        assert!((1..=Drawing::MOST).contains(&plane.len()), "{name}");
        let std = plane.std();
        assert!((0.2..0.9).contains(&std), "{name}: {std}");
        for gaussian in Drawing::famous(name.parse().unwrap()).gaussians().unwrap() {
            assert!(gaussian.at.iter().all(|x| x.abs() <= 1.0), "{name}: {gaussian:?}");
        }
    }
}

#[test]
fn a_stroke_is_even_along_its_length() {
    let gaussians = of(Shape::Stroke { points: vec![[-0.5, 0.0], [0.5, 0.0], [0.5, 1.0]], width: 0.1 });
    assert!(gaussians.iter().all(|one| (one.std - 0.025).abs() < 1e-3));
    assert_eq!((gaussians[0].at, gaussians.last().unwrap().at), ([-0.5, 0.0], [0.5, 1.0]));
    let steps: Vec<f64> =
        gaussians.windows(2).map(|two| (two[0].at[0] - two[1].at[0]).hypot(two[0].at[1] - two[1].at[1])).collect();
    // Round the corner the way is shorter than along the line.
    assert!(steps.iter().all(|step| *step <= 0.025 + 1e-9) && steps.iter().filter(|step| **step < 0.0249).count() <= 1);
    // One point is one Gaussian, and so are many on one place.
    assert_eq!(of(Shape::Stroke { points: vec![[0.1, 0.2]], width: 0.1 }).len(), 1);
    assert_eq!(of(Shape::Stroke { points: vec![[0.1, 0.2]; 5], width: 0.1 }).len(), 1);
}

/// Merging keeps mass, mean and mean square.
#[test]
fn many_points_become_few_gaussians_with_the_same_moments() {
    let mut random = fastrand::Rng::with_seed(1);
    let points: Vec<[f64; 2]> = (0..30_000).map(|_| [random.f64() - 0.2, random.f64().powi(2)]).collect();
    let gaussians = of(Shape::Points { points: points.clone(), std: 0.02 });
    assert!(gaussians.len() <= Drawing::MOST && gaussians.len() > Drawing::MOST / 4, "{}", gaussians.len());
    let count = points.len() as f64;
    for axis in 0..2 {
        let known = points.iter().map(|point| point[axis]).sum::<f64>() / count;
        assert!((mean(&gaussians, |one| one.at[axis]) - known).abs() < 1e-9);
    }
    let square = points.iter().map(|[x, y]| x * x + y * y + 2.0 * 0.02f64.powi(2)).sum::<f64>() / count;
    let found = mean(&gaussians, |one| one.at[0].powi(2) + one.at[1].powi(2) + 2.0 * one.std.powi(2));
    assert!((found - square).abs() < 1e-9, "{found}, not {square}");
    // A far point keeps the others apart.
    let far = Shape::Points { points: points.into_iter().chain([[99.0, 99.0]]).collect(), std: 0.02 };
    assert!(of(far).len() > 1000);
}

#[test]
fn ink_is_the_right_way_up_and_its_shares_are_its_darkness() {
    // Top left full, bottom right a third.
    let gaussians = of(Shape::Ink(Ink { width: 2, values: vec![255, 0, 0, 85], at: [1.0, 2.0], half: 1.0 }));
    let found: Vec<([f64; 2], f64)> = gaussians.iter().map(|one| (one.at, one.weight)).collect();
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].0, found[1].0), ([0.5, 2.5], [1.5, 1.5]));
    assert!((found[0].1 - 0.75).abs() < 1e-12 && (found[1].1 - 0.25).abs() < 1e-12);
}

#[test]
fn what_is_no_drawing_is_refused_in_a_sentence() {
    let refused = |drawing: Drawing| drawing.gaussians().unwrap_err();
    let piece = |shape: Shape| Drawing { pieces: vec![Piece::new(shape)] };
    let weighed = |weight: f64| Drawing {
        pieces: vec![Piece { weight, ..Piece::new(Shape::Gaussian { at: [0.0; 2], std: 0.1 }) }],
    };
    let ink = |width, values: Vec<u8>| piece(Shape::Ink(Ink { width, values, at: [0.0; 2], half: 1.0 }));
    assert_eq!(refused(Drawing::default()), DrawingError::Empty);
    for (drawing, word) in [
        (Drawing::default(), "empty"),
        (piece(Shape::Gaussian { at: [f64::NAN, 0.0], std: 0.1 }), "coordinate"),
        (piece(Shape::Gaussian { at: [0.0, 1e9], std: 0.1 }), "coordinate"),
        (piece(Shape::Gaussian { at: [0.0, 0.0], std: 0.0 }), "standard deviation"),
        (piece(Shape::Stroke { points: vec![], width: 0.1 }), "0 points"),
        (piece(Shape::Stroke { points: vec![[0.0; 2]], width: f64::INFINITY }), "width"),
        (piece(Shape::Points { points: vec![[0.0; 2]; Drawing::MOST_POINTS + 1], std: 0.1 }), "points"),
        (weighed(0.0), "weight"),
        (weighed(f64::NAN), "weight"),
        (ink(0, vec![1]), "rows of 0"),
        (ink(2, vec![1, 2, 3]), "whole rows"),
        (ink(300, vec![1; 300]), "256"),
        (ink(2, vec![0; 4]), "without ink"),
    ] {
        let sentence = refused(drawing).to_string();
        assert!(sentence.contains(word) && sentence.contains("; "), "{sentence}");
    }
}
