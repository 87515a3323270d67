use super::dense::{apply, solve, times, transposed};
use super::{M, doubles, image, linear, matrix, normals, operators, values};
use crate::allocations::most_held;
use crate::choices::{operator, slugs};
use burn::tensor::{Device, Tensor};
use score_explorer::Image;
use score_explorer::registry::{Choice, ChoiceError, find};
use score_explorer::score::{Measurement, Operator, OperatorError};
use score_explorer::sde::Moments;

/// Even, odd and smallest shapes.
const SHAPES: [[usize; 3]; 5] = [[3, 8, 8], [1, 5, 7], [3, 7, 4], [2, 1, 1], [3, 4, 4]];

/// Of unit variance.
const DATA: Moments = Moments { mean: 0.0, mean_square: 1.0 };

fn largest(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |most, (a, b)| f64::max(most, (a - b).abs()))
}

#[test]
fn adjoints_are_the_transposed_operators() {
    for shape in SHAPES {
        for operator in operators(shape) {
            let a = linear(&operator, shape);
            let measured = a.measured();
            let (x, y) =
                (normals(2 * shape.iter().product::<usize>(), 1), normals(2 * measured.iter().product::<usize>(), 2));
            let there = doubles(a.apply(&image(&x, shape)));
            let back = doubles(a.adjoint(&image(&y, measured)));
            assert_eq!((there.len(), back.len()), (y.len(), x.len()), "{operator} over {shape:?}");
            for sample in 0..2 {
                let product = |a: &[f64], b: &[f64]| {
                    let size = a.len() / 2;
                    a.iter().zip(b).skip(sample * size).take(size).map(|(a, b)| a * b).sum::<f64>()
                };
                let (left, right) = (product(&there, &y), product(&x, &back));
                // Sums of some hundred products of single precision.
                assert!((left - right).abs() < 1e-4, "{operator} over {shape:?}: {left} and {right}");
            }
        }
    }
}

#[test]
fn gram_matrices_are_as_they_say() {
    for shape in SHAPES {
        for operator in operators(shape) {
            let a = linear(&operator, shape);
            let Some(gram) = a.gram() else { continue };
            let rows = matrix(&*a, shape);
            let found = times(&rows, &transposed(&rows));
            let known = a.known().map(|known| values(known.clone().expand([1, shape[0], shape[1], shape[2]])));
            for (i, row) in found.iter().enumerate() {
                for (j, entry) in row.iter().enumerate() {
                    let measured = known.as_ref().is_none_or(|known| known[i] == 1.0);
                    let expected = if i == j && measured { gram } else { 0.0 };
                    assert!((entry - expected).abs() < 1e-6, "{operator} over {shape:?}: {entry} for {expected}");
                }
            }
        }
    }
}

#[test]
fn pictures_of_measurements_show_them_and_nothing_else() {
    for shape in SHAPES {
        for operator in operators(shape) {
            let a = linear(&operator, shape);
            let y = a.apply(&image(&normals(shape.iter().product(), 3), shape));
            let picture = a.picture(&y);
            assert_eq!(picture.dims()[1..], shape, "{operator}");
            assert!(largest(&doubles(a.read(&picture)), &doubles(y.clone())) < 1e-5, "{operator} over {shape:?}");
            if a.gram().is_some() {
                // A·A⁺·A = A, and the picture is A⁺y: nothing of it lies in the null space.
                let again = a.picture(&a.apply(&picture));
                assert!(largest(&doubles(again), &doubles(picture)) < 1e-5, "{operator} over {shape:?}");
            }
        }
    }
}

#[test]
fn lifting_a_residual_solves_its_linear_system() {
    for shape in SHAPES {
        for operator in operators(shape) {
            for (uncertainty, noise) in [(0.3, 0.02), (1.0, 0.5), (100.0, 0.4)] {
                let a = linear(&operator, shape);
                let rows = matrix(&*a, shape);
                let r: Vec<f64> = apply(&rows, &normals(shape.iter().product(), 4));
                let variance = Tensor::full([1; 4], noise, &Device::flex());
                let y = image(&r, a.measured());
                let measurement = Measurement::new(a.into(), y.clone(), variance, DATA).unwrap();
                let found = doubles(measurement.lift(&y, &Tensor::full([1; 4], uncertainty, &Device::flex())));

                // uncertainty·Aᵀ(uncertainty·AAᵀ + noise)⁻¹r.
                let mut gram = times(&rows, &transposed(&rows));
                gram.iter_mut().for_each(|row| row.iter_mut().for_each(|entry| *entry *= uncertainty));
                (0..gram.len()).for_each(|i| gram[i][i] += noise);
                let solved: Vec<f64> = solve(gram, super::dense::column(&r)).0.into_iter().map(|row| row[0]).collect();
                let expected: Vec<f64> = apply(&transposed(&rows), &solved).iter().map(|u| u * uncertainty).collect();
                // Conjugate gradients stop at a residual of 1e-5, whose share of the solution the noise bounds.
                let error = largest(&found, &expected);
                assert!(error < 2e-4, "{operator} over {shape:?} at {uncertainty}, {noise}: {error:.2e}");
            }
        }
    }
}

#[test]
fn samples_of_a_batch_are_lifted_each_on_its_own() {
    let shape = [3, 8, 8];
    for operator in operators(shape) {
        let measured = linear(&operator, shape).measured();
        let r = image(&normals(3 * measured.iter().product::<usize>(), 8), measured);
        let uncertainty = image(&[0.1, 1.0, 9.0], [1, 1, 1]);
        let variance = Tensor::full([1; 4], 0.1, &Device::flex());
        let measurement = Measurement::new(linear(&operator, shape).into(), r.clone(), variance, DATA).unwrap();
        let together = doubles(measurement.lift(&r, &uncertainty));
        let size = together.len() / 3;
        for sample in 0..3 {
            let of = |image: &Image| image.clone().narrow(0, sample, 1);
            let alone = doubles(measurement.of_samples(sample, 1).lift(&of(&r), &of(&uncertainty)));
            // A batch goes on until its last sample has arrived.
            assert!(largest(&alone, &together[sample * size..(sample + 1) * size]) < 1e-4, "{operator}");
        }
    }
}

#[test]
fn super_resolution_averages_blocks_and_enlarges_by_repeating() {
    let shape = [1, 4, 4];
    let a = linear("super-resolution:2", shape);
    let picture: Vec<f64> = (0..16).map(f64::from).collect();
    let small = doubles(a.apply(&image(&picture, shape)));
    assert_eq!(small, [2.5, 4.5, 10.5, 12.5]);
    let large = doubles(a.picture(&image(&small, [1, 2, 2])));
    let expected = [2.5, 2.5, 4.5, 4.5, 2.5, 2.5, 4.5, 4.5, 10.5, 10.5, 12.5, 12.5, 10.5, 10.5, 12.5, 12.5];
    assert!(largest(&large, &expected) < 1e-6);
}

#[test]
fn the_grey_channel_is_the_published_one() {
    // score_sde, controllable_generation.py: the first column of the decoupling matrix, in x·M.
    let (shape, pixel) = ([3, 1, 1], [0.9, -0.4, 0.3]);
    let a = linear("colorization", shape);
    let grey: f64 = (0..3).map(|channel| pixel[channel] * M[channel][0]).sum();
    let found = doubles(a.apply(&image(&pixel, shape)));
    assert!((found[0] - grey).abs() < 1e-6);
    // What is shown is grey: all three channels their mean.
    let mean = pixel.iter().sum::<f64>() / 3.0;
    assert!(largest(&doubles(a.picture(&image(&found, [1, 1, 1]))), &[mean; 3]) < 1e-6);
}

/// The weights of a kernel with the sum 1, by rows, and the length of a row, written down independently.
fn kernel(text: &str) -> (Vec<f64>, usize) {
    let (kind, values) = text.split_once(':').unwrap();
    let numbers: Vec<f64> = values.split([':', ',']).map(|value| value.parse().unwrap()).collect();
    let (mut weights, size) = match (kind, &numbers[..]) {
        ("gaussian", [std]) => {
            // Cut off where less than a thousandth is left.
            let reach = (3.5 * std).ceil() as i32;
            let weight = |y: i32, x: i32| (-f64::from(x * x + y * y) / (2.0 * std * std)).exp();
            let rows = (-reach..=reach).flat_map(|y| (-reach..=reach).map(move |x| weight(y, x)));
            (rows.collect::<Vec<_>>(), 2 * reach as usize + 1)
        }
        // Each point of a line between the middles of its end pixels is shared among the pixels around it.
        ("motion", [length, angle]) => {
            let half = (length - 1.0) / 2.0;
            let reach = half.ceil();
            let (size, (sin, cos)) = (2 * reach as usize + 1, angle.to_radians().sin_cos());
            let points = 64 * size;
            let share = |along: f64, row: usize, column: usize| {
                let (x, y) = (reach + along * cos, reach - along * sin);
                (1.0 - (x - column as f64).abs()).max(0.0) * (1.0 - (y - row as f64).abs()).max(0.0)
            };
            let along = |point: usize| half * ((2 * point + 1) as f64 / points as f64 - 1.0);
            let weight = |at: usize| (0..points).map(|point| share(along(point), at / size, at % size)).sum();
            ((0..size * size).map(weight).collect(), size)
        }
        ("own", [size, weights @ ..]) => (weights.to_vec(), *size as usize),
        _ => panic!("{text} is no kernel"),
    };
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    (weights, size)
}

#[test]
fn blurs_keep_flat_pictures_and_draw_their_kernels() {
    let shape = [1, 15, 17];
    for text in ["gaussian:1.2", "gaussian:6", "motion:9:30", "motion:5:90", "own:3:0,1,2,0,3,1,0,0,1"] {
        let a = linear(&format!("blur:{text}"), shape);
        let flat = doubles(a.apply(&image(&[0.7; 15 * 17], shape)));
        assert!(largest(&flat, &[0.7; 15 * 17]) < 1e-5, "{text}");

        let (weights, size) = kernel(text);
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        if size > 15 {
            continue;
        }
        // A point of light in the middle becomes the kernel, turned about as a convolution's is.
        let mut point = vec![0.0; 15 * 17];
        point[7 * 17 + 8] = 1.0;
        let found = doubles(a.apply(&image(&point, shape)));
        let reach = size / 2;
        for row in 0..size {
            for column in 0..size {
                let drawn = found[(7 + reach - row) * 17 + 8 + reach - column];
                assert!((drawn - weights[row * size + column]).abs() < 1e-6, "{text}");
            }
        }
    }
}

#[test]
fn motion_moves_along_its_angle() {
    let moments = |angle: f64| {
        // A point of light in the middle draws the kernel, turned about, which second moments do not see.
        let mut point = vec![0.0; 15 * 15];
        point[7 * 15 + 7] = 1.0;
        let weights =
            doubles(linear(&format!("blur:motion:9:{angle}"), [1, 15, 15]).apply(&image(&point, [1, 15, 15])));
        let mut sums = [0.0; 3];
        for (at, weight) in weights.iter().enumerate() {
            // Up is positive.
            let (x, y) = ((at % 15) as f64 - 7.0, 7.0 - (at / 15) as f64);
            sums.iter_mut().zip([x * x, y * y, x * y]).for_each(|(sum, product)| *sum += weight * product);
        }
        sums
    };
    // A line of 8 between the middles of its end pixels has the variance 8²/12; sharing points among pixels adds up to
    // a quarter in each direction.
    for angle in [0.0, 30.0, 45.0, 90.0, 120.0] {
        let (sin, cos) = f64::to_radians(angle).sin_cos();
        let [xx, yy, xy] = moments(angle);
        let along = 64.0 / 12.0;
        assert!((xx - along * cos * cos).abs() < 0.26 && (yy - along * sin * sin).abs() < 0.26, "{angle}");
        assert!((xy - along * sin * cos).abs() < 0.05, "{angle}: {xy}");
    }
}

#[test]
fn compressed_sensing_takes_the_share_it_says_and_another_with_another_seed() {
    let shape = [3, 5, 7];
    let sense = |name: &str| matrix(&*linear(name, shape), shape);
    for (share, count) in [(0.25, 26), (0.5, 53), (1.0, 105), (0.001, 1)] {
        assert_eq!(sense(&format!("compressed-sensing:{share}")).len(), count);
    }
    let (one, same, other) =
        (sense("compressed-sensing:0.3:1"), sense("compressed-sensing:0.3:1"), sense("compressed-sensing:0.3:2"));
    assert_eq!(one, same);
    assert!(largest(&one[0], &other[0]) > 0.01);
    // Every row looks at the whole picture: no pixel has more than a tenth of it.
    assert!(one.iter().flatten().all(|entry| entry * entry < 0.1));
}

#[test]
fn operators_are_written_as_they_are_read() {
    for text in [
        "inpainting",
        "colorization",
        "super-resolution:4",
        "blur:gaussian:2",
        "blur:gaussian:0.75",
        "blur:motion:9:30",
        "blur:kernel:3:0,1,0,1,4,1,0,1,0",
        "compressed-sensing:0.25",
        "compressed-sensing:0.5:7",
        "denoising",
    ] {
        let written = Written(operator(text));
        assert_eq!(written.0.to_string(), text);
        let saved = serde_json::to_string(&written).unwrap();
        assert_eq!(saved, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<Written>(&saved).unwrap(), written);
    }
    assert_eq!(operator("blur:gaussian:2.0").to_string(), "blur:gaussian:2");
    for (older, newer) in [("colourisation", "colorization"), ("blur:own:1:2", "blur:kernel:1:2")] {
        assert_eq!(operator(older).to_string(), newer);
    }
    assert!(find::<dyn Operator>("blur:own").is_some_and(|found| found.about().slug == "blur:kernel"));
}

/// An operator as files have it.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
struct Written(#[serde(with = "score_explorer::registry::text")] Choice<dyn Operator>);

#[test]
fn impossible_operators_are_refused_in_one_sentence() {
    let error = |text: &str| text.parse::<Choice<dyn Operator>>().unwrap_err();
    for (text, sentence) in [
        ("super-resolution:3", "Factor = \"3\" is not supported; choose 2, 4 or 8"),
        ("blur:gaussian:0", "Std σ = 0 is out of range; choose 0.1 to 16"),
        ("blur:gaussian:NaN", "Std σ = NaN is out of range; choose 0.1 to 16"),
        ("blur:gaussian:inf", "Std σ = inf is out of range; choose 0.1 to 16"),
        ("blur:motion:65:0", "Length = 65 is out of range; choose 1 to 64"),
        ("blur:motion:5:361", "Angle = 361 is out of range; choose -360 to 360"),
        ("compressed-sensing:0", "Fraction = 0 is out of range; choose 1e-6 to 1"),
        ("compressed-sensing:1.5", "Fraction = 1.5 is out of range; choose 1e-6 to 1"),
        ("blur:kernel:65:1", "Size = 65 is out of range; choose 1 to 63"),
        ("blur:kernel:3:1,x", "Weights = \"1,x\" is not a list of numbers; choose one such as 1,2,1"),
        ("super-resolution:", "Factor = \"\" is not supported; choose 2, 4 or 8"),
        ("super-resolution:-4", "Factor = \"-4\" is not supported; choose 2, 4 or 8"),
        ("inpainting:1", "\"inpainting:1\" is not a valid operator inpainting; write inpainting"),
        ("blur:kernel:3", "\"blur:kernel:3\" is not a valid operator blur:kernel; write blur:kernel:3:WEIGHTS"),
    ] {
        assert_eq!(error(text).to_string(), sentence);
    }
    for (text, size, found) in [
        ("blur:kernel:2:1,1,1,1", 2, 4),
        ("blur:kernel:3:1,1", 3, 2),
        ("blur:kernel:1:-1", 1, 1),
        ("blur:kernel:1:NaN", 1, 1),
    ] {
        let sentence = OperatorError::Weights { size, found }.to_string();
        assert_eq!(error(text), ChoiceError::Unfit(sentence), "{text}");
    }
    for unknown in ["", "blur", "blur:box:3", "denoise"] {
        let sentence = error(unknown).to_string();
        assert!(sentence.starts_with(&format!("unknown operator {unknown:?}; choose inpainting, ")), "{sentence}");
        assert!(slugs::<dyn Operator>().all(|slug| sentence.contains(slug)), "{sentence}");
    }

    let over = |text: &str, shape| operator(text).over(shape, None, &Device::flex()).err().unwrap();
    let refused = over("super-resolution:4", [3, 6, 8]).to_string();
    assert_eq!(refused, "super-resolution:4 needs images whose sides are multiples of 4, not 3×6×8");
    assert_eq!(over("colorization", [1, 4, 4]).to_string(), "colorization needs images with 3 channels, not 1×4×4");
}

#[test]
fn blurs_are_preconditioned_by_their_own_diagonal_among_cosines() {
    let shape @ [_, h, w] = [1, 6, 8];
    let basis = |n: usize, k: usize, i: usize| {
        let scale = if k == 0 { 1.0 } else { 2.0f64.sqrt() } / (n as f64).sqrt();
        scale * (std::f64::consts::PI * (i as f64 + 0.5) * k as f64 / n as f64).cos()
    };
    for text in ["blur:gaussian:1", "blur:motion:4:30", "blur:kernel:3:0,1,2,0,3,1,0,0,1"] {
        let linear = operator(text).over(shape, None, &Device::flex()).unwrap();
        for (k, l) in (0..h).flat_map(|k| (0..w).map(move |l| (k, l))) {
            let wave: Vec<f64> = (0..h * w).map(|at| basis(h, k, at / w) * basis(w, l, at % w)).collect();
            let wave = image(&wave, shape);
            let diagonal: f64 = doubles(linear.adjoint(&wave)).iter().map(|value| value * value).sum();
            let noise = 0.3;
            let found = doubles(linear.precondition(&wave, &image(&[noise], [1, 1, 1])));
            for (found, wave) in found.iter().zip(doubles(wave)) {
                let expected = wave / (diagonal + noise);
                assert!((found - expected).abs() < 1e-5, "{text} at ({k}, {l}): {found}, not {expected}");
            }
        }
    }
}

#[test]
fn blurs_of_large_images_reserve_in_proportion_to_them() {
    // One image is 768 KiB. What was measured, and half as much again.
    for (text, most) in [("blur:gaussian:2", 12), ("blur:motion:31:30", 38)] {
        let ((), held) = most_held(|| {
            let linear = operator(text).over([3, 256, 256], None, &Device::flex()).unwrap();
            let x = Image::ones([1, 3, 256, 256], &Device::flex());
            let noise = Image::ones([1, 1, 1, 1], &Device::flex());
            drop(linear.adjoint(&linear.precondition(&linear.apply(&x), &noise)));
        });
        println!("{text}: {:.1} images", held as f64 / (768.0 * 1024.0));
        assert!(held < most * 768 * 1024, "{text} held {held} bytes");
    }
}
