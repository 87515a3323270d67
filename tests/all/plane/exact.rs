//! The exact score, density and posterior, against the general mixture and against closed forms.

use super::{all, famous, gaussian};
use burn::tensor::{DType, Device, Tensor, TensorData};
use score_explorer::plane::{HalfPlane, Known, Plane, Point, noise, noised};
use score_explorer::score::{ScoreModel, denoised};
use score_explorer::sde::{FamilyKind, Level};
use score_explorer::{Image, plane};

fn image(points: &[Point]) -> Image {
    let values: Vec<f32> = points.concat();
    Tensor::from_data(TensorData::new(values, [points.len(), 2, 1, 1]), &Device::flex())
}

fn values(x: Image) -> Vec<f64> {
    x.try_into_vec_as::<f64>().unwrap()
}

/// Points of noised data, and some far from all data.
fn places(plane: &Plane, level: Level) -> Vec<Point> {
    let mut points = plane.sample(&noise(3, 60));
    let z = plane::Drawing::famous("gaussian".parse().unwrap()).plane().unwrap().sample(&noise(4, 60));
    for (x, z) in points.iter_mut().zip(z) {
        *x = [0, 1].map(|axis| (level.alpha * f64::from(x[axis]) + 3.0 * level.sigma * f64::from(z[axis])) as f32);
    }
    points.extend([[2.0, -3.0], [0.0, 0.0], [-1.7, 1.9]]);
    points
}

/// In single precision a score errs by the rounding of x − α·μ, about 6e-8·|x|, over the narrowest variance; the general
/// mixture in double precision is the reference.
#[test]
fn score_and_density_are_those_of_the_general_mixture_for_every_family_and_time() {
    for (name, plane) in all() {
        let mixture = plane.mixture().unwrap();
        for kind in FamilyKind::ALL {
            let family = kind.published();
            for t in [1e-3, 0.05, 0.3, 1.0] {
                let level = family.sde().level(t);
                let points = places(&plane, level);
                let x = image(&points).cast(DType::F64);
                let known = values(mixture.score(&x, &[level]).unwrap());
                let narrow = mixture.components().iter().map(|c| c.std[0]).fold(f64::MAX, f64::min);
                let least = (level.alpha * narrow).hypot(level.sigma).powi(2);
                for ((point, found), known) in points.iter().zip(plane.scores(&points, &[level])).zip(known.chunks(2)) {
                    let reach = f64::from(point[0].hypot(point[1])).max(1.0);
                    let allowed = 4e-7 * reach / least * (1.0 + (reach * reach / least).sqrt());
                    for axis in 0..2 {
                        let apart = (f64::from(found[axis]) - known[axis]).abs();
                        assert!(
                            apart < allowed,
                            "{name}, {kind} at {t}, {point:?}: {} not {}",
                            found[axis],
                            known[axis]
                        );
                    }
                }
                let logs = mixture.log_density(&x, &[level]).unwrap().try_into_vec_as::<f64>().unwrap();
                for (found, known) in plane.log_density(&points, &[level]).iter().zip(logs) {
                    let allowed = 2e-6 * (1.0 + known.abs()) + 1e-6 / least;
                    assert!((found - known).abs() < allowed, "{name}, {kind} at {t}: {found}, not {known}");
                }
            }
        }
    }
}

#[test]
fn points_at_levels_of_their_own_are_answered_as_one_by_one() {
    let plane = famous("pinwheel");
    let sde = FamilyKind::Vp.published();
    let points = places(&plane, sde.sde().level(0.3));
    let levels: Vec<Level> = (0..points.len()).map(|k| sde.sde().level(0.01 + 0.015 * k as f64)).collect();
    let together = plane.scores(&points, &levels);
    for ((point, level), found) in points.iter().zip(&levels).zip(together) {
        assert_eq!(plane.scores(&[*point], &[*level]), [found]);
    }
}

/// Differences of the general mixture's score in double precision over 2e-4 err by their square.
#[test]
fn jacobians_are_derivatives_and_gradients_pass_through_them() {
    let plane = famous("two-moons");
    let mixture = plane.mixture().unwrap();
    let level = Level::new(0.8, 0.2);
    let points = places(&plane, level);
    let both = plane.scores_and_jacobians(&points, &[level]);
    let score = |dx: f64, dy: f64| {
        let moved: Vec<f64> = points.iter().flat_map(|[x, y]| [f64::from(*x) + dx, f64::from(*y) + dy]).collect();
        let x = Tensor::from_data(TensorData::new(moved, [points.len(), 2, 1, 1]), (&Device::flex(), DType::F64));
        values(mixture.score(&x, &[level]).unwrap())
    };
    let h = 1e-4;
    let (right, left, up, down) = (score(h, 0.0), score(-h, 0.0), score(0.0, h), score(0.0, -h));
    let x = image(&points).autodiff().require_grad();
    let graph = plane.score(&x, &[level]).unwrap();
    let v = [0.7f32, -1.3];
    let direction = image(&vec![v; points.len()]).autodiff();
    let gradient = values(x.grad(&(graph.clone() * direction).sum().backward()).unwrap());
    let value = values(graph.inner());
    for (n, (score, [xx, xy, yy])) in both.iter().enumerate() {
        let slope = |a: &[f64], b: &[f64], axis: usize| (a[2 * n + axis] - b[2 * n + axis]) / (2.0 * h);
        let known = [slope(&right, &left, 0), slope(&right, &left, 1), slope(&up, &down, 1)];
        for (found, known) in [xx, xy, yy].into_iter().zip(known) {
            assert!((f64::from(*found) - known).abs() < 2e-4 * (1.0 / 0.04 + known.abs()), "{n}: {found}, not {known}");
        }
        let product = [xx * v[0] + xy * v[1], xy * v[0] + yy * v[1]];
        for axis in 0..2 {
            assert_eq!(value[2 * n + axis] as f32, score[axis]);
            let apart = gradient[2 * n + axis] - f64::from(product[axis]);
            assert!(apart.abs() < 1e-4 * (1.0 + f64::from(product[axis]).abs()), "{n}");
        }
    }
}

#[test]
fn the_mean_of_clean_data_is_that_of_the_score_and_there_is_one_at_pure_noise() {
    let plane = famous("face");
    let level = Level::new(0.9, 0.3);
    let x = image(&places(&plane, level));
    let (direct, score) = (values(plane.denoised(&x, &[level]).unwrap()), plane.score(&x, &[level]).unwrap());
    for (direct, implied) in direct.iter().zip(values(denoised(&x, &score, &[level]))) {
        assert!((direct - implied).abs() < 1e-5, "{direct}, not {implied}");
    }
    // Where nothing is left of the data their mean is all that is known.
    let noise = Level::new(0.0, 1.0);
    for (found, known) in plane.denoised_points(&[[1.0, -2.0]], &[noise])[0].iter().zip(plane.mean()) {
        assert!((f64::from(*found) - known).abs() < 1e-5);
    }
}

#[test]
fn density_and_marginal_are_laws() {
    let plane = famous("swiss-roll");
    let level = Level::new(0.95, 0.15);
    let view = plane::View { centre: [0.1, -0.2], half: 2.0 };
    let side = 200;
    let field = plane::density(&plane, level, view, side);
    let cell = (2.0 * view.half / side as f64).powi(2);
    // The least standard deviation is 8 cells: sums of smooth functions are then exact, and what lies outside is below 1e-9.
    let total: f64 = field.values.iter().map(|p| f64::from(*p)).sum::<f64>() * cell;
    assert!((total - 1.0).abs() < 1e-4, "{total}");
    for axis in 0..2 {
        let places: Vec<f64> = view.cells(side).iter().map(|point| f64::from(point[axis])).collect();
        let columns: Vec<f64> = match axis {
            0 => places[..side].to_vec(),
            _ => places.iter().step_by(side).copied().collect(),
        };
        let marginal = plane.marginal(axis, &columns, level);
        for (k, known) in marginal.iter().enumerate() {
            let along = (0..side).map(|other| if axis == 0 { other * side + k } else { k * side + other });
            let sum: f64 = along.map(|index| f64::from(field.values[index])).sum::<f64>() * cell.sqrt();
            assert!((sum - known).abs() < 1e-4, "axis {axis}, {k}: {sum}, not {known}");
        }
    }
}

/// Against the general mixture's posterior, which has another arithmetic: full covariances and their eigenvectors.
#[test]
fn posteriors_are_those_of_the_general_mixture() {
    let plane = famous("rings");
    let mixture = plane.mixture().unwrap();
    let device = Device::flex();
    for known in [
        Known::Line { direction: [2.0, 1.0], value: 0.3, noise: 0.1 },
        Known::Line { direction: [0.0, -1.0], value: 0.2, noise: 0.3 },
        Known::Point { at: [0.5, -0.4], noise: 0.25 },
    ] {
        let measurement = known.measurement(&plane, &device).unwrap().unwrap();
        let exact = mixture.given(&measurement).unwrap().unwrap();
        let by_trait = plane.given(&measurement).unwrap().unwrap();
        let ours = known.given(&plane).unwrap();
        for (alpha, sigma) in [(1.0, 0.05), (0.7, 0.7), (0.05, 1.0)] {
            let level = Level::new(alpha, sigma);
            let points = places(&plane, level);
            let x = image(&points);
            let expected = values(exact.score(&x, &[level]).unwrap());
            let found = values(by_trait.score(&x, &[level]).unwrap());
            // Rounding of both in single precision over the least variance.
            let allowed = 2e-5 / (0.04f64 * alpha).hypot(sigma).powi(2);
            for (n, (a, b)) in expected.iter().zip(&found).enumerate() {
                assert!((a - b).abs() < allowed * (1.0 + a.abs()), "{known:?} at {level:?}, {n}: {b}, not {a}");
            }
            for (a, b) in ours.scores(&points, &[level]).concat().iter().zip(&found) {
                assert!((f64::from(*a) - b).abs() < allowed * (1.0 + b.abs()), "{known:?}: {a}, not {b}");
            }
        }
    }
}

/// p_t(x | y) of one Gaussian is an integral over what its coordinate along the direction may be.
#[test]
fn a_half_plane_gives_the_integral_that_defines_it() {
    let plane = gaussian([0.2, -0.1], 0.4);
    let (value, noise) = (0.5, 0.1);
    let half = HalfPlane::new(&plane, [3.0, 4.0], value, noise);
    let level = Level::new(0.8, 0.5);
    let along = |[x, y]: [f64; 2]| 0.6 * x + 0.8 * y;
    let integral = |x: [f64; 2]| {
        let (mean, std) = (along([0.2, -0.1]), 0.4);
        let density = |u: f64| {
            let clean = (-0.5 * ((u - mean) / std).powi(2)).exp();
            let noised = (-0.5 * ((along(x) - 0.8 * u) / 0.5).powi(2)).exp();
            // Φ by its own integral would be slow: an error function of the likelihood itself.
            clean
                * noised
                * Known::HalfPlane { direction: [1.0, 0.0], value, noise }.likelihood(&[[u as f32, 0.0]], 0.4)[0]
        };
        let sum: f64 = (0..8000).map(|k| density(-4.0 + 0.001 * f64::from(k))).sum::<f64>() * 0.001;
        // What is across is as without the measurement.
        let across = -0.8 * (x[0] - 0.8 * 0.2) + 0.6 * (x[1] + 0.8 * 0.1);
        sum.ln() - 0.5 * across.powi(2) / (0.64 * 0.16 + 0.25)
    };
    let points: [[f32; 2]; 4] = [[0.1, 0.3], [-1.0, -0.7], [1.5, 0.2], [-2.0, 1.0]];
    let logs = half.log_density(&points, &[level]);
    let scores = values(half.score(&image(&points), &[level]).unwrap());
    for (n, point) in points.iter().enumerate() {
        let point = point.map(f64::from);
        let expected = integral(point) - integral([0.1f32, 0.3].map(f64::from));
        assert!((logs[n] - logs[0] - expected).abs() < 1e-5, "{n}: {}, not {expected}", logs[n] - logs[0]);
        for axis in 0..2 {
            let moved = |by: f64| integral([0, 1].map(|k| point[k] + if k == axis { by } else { 0.0 }));
            let slope = (moved(1e-3) - moved(-1e-3)) / 2e-3;
            assert!((scores[2 * n + axis] - slope).abs() < 1e-3 * (1.0 + slope.abs()), "{n}: {slope}");
        }
    }
}

#[test]
fn noised_points_have_the_moments_of_their_time() {
    let plane = gaussian([0.2, -0.1], 0.3);
    let count = 20_000;
    for kind in FamilyKind::ALL {
        let family = kind.published();
        let sde = family.sde();
        for t in [0.0, 0.4, 1.0] {
            let (level, points) = (sde.level(t), noised(&plane, sde, t, 7, count));
            let std = level.marginal_std(0.3);
            for axis in 0..2 {
                let values = points.iter().map(|point| f64::from(point[axis]));
                let mean = values.clone().sum::<f64>() / count as f64;
                let known = level.alpha * [0.2, -0.1][axis];
                let square = values.map(|x| (x - known).powi(2)).sum::<f64>() / count as f64;
                // Five standard errors: of a mean s/√N, of a mean square s²·√(2/N).
                assert!((mean - known).abs() < 5.0 * std / f64::from(count as u32).sqrt(), "{kind} at {t}");
                assert!((square / std.powi(2) - 1.0).abs() < 5.0 * (2.0 / count as f64).sqrt(), "{kind} at {t}");
            }
        }
    }
}
