//! Growing, shrinking, feathering; shapes and regions.

use image::{Rgb, RgbImage};
use score_explorer::app::inpaint::shape::{lasso, rectangle, similar};
use score_explorer::pixels::filter::{feather, grow, shrink};

const SIZE: [usize; 2] = [61, 43];

fn noise(density: f32, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..SIZE[0] * SIZE[1]).map(|_| if random.f32() < density { (256.0 * random.f32()) as u8 } else { 0 }).collect()
}

/// The largest (or smallest) value among all centres at most `radius` away, by looking at each.
fn among_all(values: &[u8], radius: usize, largest: bool) -> Vec<u8> {
    let [width, height] = SIZE.map(|side| side as isize);
    let reach = radius as isize;
    let mut found = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let near = (y - reach..=y + reach).flat_map(|v| (x - reach..=x + reach).map(move |u| (u, v)));
            let inside = near.filter(|&(u, v)| {
                let close = (u - x).pow(2) + (v - y).pow(2) <= reach * reach;
                close && (0..width).contains(&u) && (0..height).contains(&v)
            });
            let levels = inside.map(|(u, v)| values[(v * width + u) as usize]);
            found.push(if largest { levels.max() } else { levels.min() }.unwrap());
        }
    }
    found
}

#[test]
fn growing_and_shrinking_are_dilation_and_erosion_by_a_disc() {
    for radius in [1, 2, 3, 7, 13] {
        for density in [0.004, 0.5, 1.0] {
            let values = noise(density, radius as u64);
            assert!(grow(SIZE, &values, radius) == among_all(&values, radius, true), "grow {radius} {density}");
            let holes: Vec<u8> = values.iter().map(|value| 255 - value).collect();
            assert!(shrink(SIZE, &holes, radius) == among_all(&holes, radius, false), "shrink {radius} {density}");
        }
    }
}

#[test]
fn nothing_and_everything_stay_what_they_are() {
    let count = SIZE[0] * SIZE[1];
    for level in [0, 255] {
        let flat = vec![level; count];
        assert!(grow(SIZE, &flat, 9) == flat && shrink(SIZE, &flat, 9) == flat && feather(SIZE, &flat, 5.0) == flat);
    }
}

#[test]
fn feathering_is_a_gaussian_and_keeps_the_mass() {
    let size = [240, 200];
    for sigma in [0.7, 3.0, 12.0f32] {
        let values = rectangle(size, [90.0, 80.0], [150.0, 120.0]);
        let soft = feather(size, &values, sigma);
        let mass = |values: &[u8]| values.iter().map(|&value| f64::from(value)).sum::<f64>();
        let touched = soft.iter().filter(|&&value| value > 0).count() as f64;
        // Each of the touched values is rounded by a level of uniform error; beyond, tails under half a level are cut.
        let tolerance = 4.0 * (touched / 12.0).sqrt() + 0.5 * f64::from(sigma) * 200.0;
        assert!((mass(&soft) - mass(&values)).abs() < tolerance, "{sigma}: {} {}", mass(&soft), mass(&values));
        // Across the middle of the left edge: the integral of the Gaussian.
        for x in 60..120usize {
            let z = |edge: f64| (x as f64 + 0.5 - edge) / (f64::from(sigma) * std::f64::consts::SQRT_2);
            let across = 0.5 * (erf(z(90.0)) - erf(z(150.0)));
            let high = erf(20.0 / (f64::from(sigma) * std::f64::consts::SQRT_2));
            let found = f64::from(soft[100 * size[0] + x]);
            // Half a level of rounding; a kernel of whole places for a rather narrow Gaussian is off by some more.
            let tolerance = if sigma < 1.0 { 6.0 } else { 1.2 };
            assert!(
                (found - 255.0 * across * high).abs() < tolerance,
                "{sigma} at {x}: {found} {}",
                255.0 * across * high
            );
        }
    }
}

/// Abramowitz and Stegun 7.1.26, to 1.5e-7.
fn erf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let series = [0.254_829_592, -0.284_496_736, 1.421_413_741, -1.453_152_027, 1.061_405_429];
    let sum = series.iter().rev().fold(0.0, |sum, part| (sum + part) * t);
    (1.0 - sum * (-x * x).exp()).copysign(x)
}

#[test]
fn a_lasso_covers_the_area_that_it_goes_round() {
    let size = [200, 150];
    let sum = |values: &[u8]| values.iter().map(|&value| f64::from(value) / 255.0).sum::<f64>();
    let triangle = lasso(size, &[[20.0, 20.0], [180.0, 40.0], [60.0, 130.0]]);
    // Half the cross product of two sides; each of 110 rows is cut in four lines, whose ends are exact.
    let exact = 0.5 * (160.0 * 110.0 - 20.0 * 40.0f64);
    assert!((sum(&triangle) - exact).abs() < 0.002 * exact, "{} for {exact}", sum(&triangle));
    // A figure of eight; and a square that is gone round twice, which is outside again.
    let eight = lasso(size, &[[20.0, 20.0], [120.0, 120.0], [120.0, 20.0], [20.0, 120.0]]);
    assert!((sum(&eight) - 5000.0).abs() < 50.0);
    let once = [[30.0, 30.0], [90.0, 30.0], [90.0, 90.0], [30.0, 90.0]];
    assert_eq!(sum(&lasso(size, &once)), 3600.0);
    assert_eq!(sum(&lasso(size, &[once, once].concat())), 0.0);
    // What lies outside the photo is cut off.
    assert_eq!(sum(&lasso(size, &[[-50.0, -50.0], [250.0, -50.0], [250.0, 250.0], [-50.0, 250.0]])), 30_000.0);
}

#[test]
fn a_fill_stops_at_other_colours() {
    // Two grey rooms with a wall between them that has a door of one pixel, a third without a door, and a slope.
    let photo = RgbImage::from_fn(90, 40, |x, y| match (x, y) {
        (30, 20) => Rgb([100; 3]),
        (30, _) | (60, _) => Rgb([200, 20, 20]),
        _ => Rgb([100 + (x % 3) as u8; 3]),
    });
    let count = |values: &[u8]| values.iter().filter(|&&value| value == 255).count();
    let rooms = similar(&photo, [5, 5], 2, true);
    assert_eq!(count(&rooms), 59 * 40 + 1);
    assert!((0..40).all(|y| rooms[y * 90 + 75] == 0), "the third room has no door");
    assert_eq!(count(&similar(&photo, [5, 5], 2, false)), 88 * 40 + 1);
    // (5 % 3 = 2): columns of exactly this grey.
    assert_eq!(count(&similar(&photo, [5, 5], 0, true)), 40);
    assert_eq!(count(&similar(&photo, [60, 0], 0, true)), 40);
    assert_eq!(count(&similar(&photo, [0, 0], 255, true)), 90 * 40);
    assert_eq!(count(&similar(&photo, [90, 0], 9, true)), 0, "outside the photo");
}
