use super::{by, drawn, flow, go_on};
use burn::tensor::Device;
use score_explorer::Pixels;
use score_explorer::score::Mixture;
use score_explorer::sde::FamilyKind;
use score_explorer::solver::Stepping;
use score_explorer::task::{
    between, combine, decode, encode, histogram, largest_error, linear, norm_in_units, psnr, spherical, temper,
};

fn norm(v: &[f32]) -> f64 {
    v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn the_ends_of_a_walk_are_the_latents_and_the_circle_keeps_its_radius() {
    let pixels = Pixels { shape: [2, 2, 1, 1], values: [3.0, 4.0, -5.0, 0.0].into() };
    for on_circle in [true, false] {
        let row = between(&pixels, 0, 1, 9, on_circle);
        assert_eq!(row.shape, [9, 2, 1, 1]);
        for (end, sample) in [(0, 0), (8, 1)] {
            let apart = largest_error(row.sample(end), pixels.sample(sample));
            assert!(apart < 1e-6, "frame {end} is {apart} off");
        }
        let radii: Vec<f64> = (0..9).map(|frame| norm(row.sample(frame))).collect();
        let even = radii.iter().all(|radius| (radius - 5.0).abs() < 1e-5);
        assert_eq!(even, on_circle, "{radii:?}");
    }
}

#[test]
fn the_ends_of_a_decoded_walk_are_the_reconstructions() {
    let mixture = Mixture::named("blocks").unwrap();
    let data = drawn(&mixture, [3, 4, 4], 2, 5);
    let adaptive = flow(FamilyKind::Vp, 1e-5, Stepping::Sample);
    for flow in [adaptive.clone(), by(adaptive, "heun", 12)] {
        let there = encode(&flow, &mixture, &data, &Device::flex(), &mut go_on).unwrap().latents.pixels;
        let back = decode(&flow, &mixture, &there, &Device::flex(), &mut go_on).unwrap().pictures;
        for on_circle in [true, false] {
            let walk = between(&there, 0, 1, 5, on_circle);
            let frames = decode(&flow, &mixture, &walk, &Device::flex(), &mut go_on).unwrap().pictures;
            for (frame, sample) in [(0, 0), (4, 1)] {
                // The latents differ by rounding (1e-7 of 4), which decoding does not enlarge more than tenfold.
                let apart = largest_error(frames.sample(frame), back.sample(sample));
                assert!(apart < 1e-5, "frame {frame} is {apart} off");
            }
            let middle = largest_error(frames.sample(2), back.sample(0));
            assert!(middle > 0.05, "the middle is still the first picture");
        }
    }
}

#[test]
fn where_no_circle_is_given_the_walk_is_straight() {
    let a = [1.0, 2.0];
    for b in [[2.0, 4.0], [-1.0, -2.0], [0.0, 0.0]] {
        assert_eq!(spherical(&a, &b, 0.25), linear(&a, &b, 0.25));
    }
}

#[test]
fn arithmetic_weighs_and_temperature_scales() {
    let (a, b): (&[f32], &[f32]) = (&[1.0, 0.0], &[0.0, 1.0]);
    assert_eq!(combine(&[(1.0, a), (1.0, b), (-1.0, a)], false), [0.0, 1.0]);
    assert!((norm(&combine(&[(1.0, a), (1.0, b)], true)) - 1.0).abs() < 1e-6);
    assert_eq!(temper(&[1.0, -2.0], 0.5), [0.5, -1.0]);
}

#[test]
fn figures_of_known_values_are_known() {
    assert!((psnr(&[0.0, 0.0], &[0.1, 0.1]) - 20.0).abs() < 1e-5);
    assert_eq!(psnr(&[0.3], &[0.3]), f64::INFINITY);
    assert_eq!(largest_error(&[0.0, 1.0], &[0.25, 1.0]), 0.25);
    assert_eq!(norm_in_units(&[2.0, -2.0], 2.0), 1.0);
    // Four values in bins of width 1 over −2 to 2; the last lies outside.
    assert_eq!(histogram(&[-3.0, -1.0, 1.0, 9.0], 2.0, 4, 2.0), [0.25, 0.25, 0.25, 0.0]);
}
