//! Every distance against recorded ones: relative 1e-6, zeros within 1e-6.

use super::{json, numbers, path};
use score_explorer::checkpoint::read_tensors;
use score_explorer::metric::{
    CleanFid, Edge, Features, Moments, PytorchFid, Resize, Tally, Tf1, frechet, frechet_error, frechet_infinity_of,
    inception_score, inception_score_infinity_of, kernel_distance, kernel_distance_of, mind, mind_of, neighbours,
    resized, subset,
};
use score_explorer::network::{Array, Weights};
use serde_json::Value;

struct Recorded {
    tensors: Weights,
    figures: Value,
}

impl Recorded {
    fn open() -> Self {
        Recorded { tensors: read_tensors(&path("metrics.safetensors")).unwrap(), figures: json("metrics.json") }
    }

    fn array(&self, name: &str) -> &Array {
        &self.tensors[name]
    }

    fn features(&self, name: &Value) -> Features {
        let array = self.array(name.as_str().unwrap());
        Features::new(array.shape[1], array.values.clone()).unwrap()
    }

    fn rows(&self, name: &str) -> Vec<Vec<usize>> {
        let array = self.array(name);
        let width = *array.shape.last().unwrap();
        array.values.chunks(width).map(|row| row.iter().map(|&index| index as usize).collect()).collect()
    }

    fn cases(&self, name: &str) -> &Vec<Value> {
        self.figures[name].as_array().unwrap()
    }
}

#[track_caller]
fn close(found: f64, recorded: &Value) {
    let recorded = recorded.as_f64().unwrap();
    let bound = if recorded == 0.0 { 1e-6 } else { 1e-6 * recorded.abs() };
    assert!((found - recorded).abs() <= bound, "{found}, not {recorded}");
}

#[test]
fn frechet_distances_of_full_flat_and_dependent_sets() {
    let recorded = Recorded::open();
    for case in recorded.cases("frechet") {
        let [a, b] = ["a", "b"].map(|name| Moments::of_features(&recorded.features(&case[name])).unwrap());
        close(frechet(&a, &b).unwrap(), &case["distance"]);
    }
    for case in json("frechet.json").as_array().unwrap() {
        let features = |name: &str| {
            let rows: Vec<Vec<f64>> = case[name].as_array().unwrap().iter().map(numbers).collect();
            Features::new(rows[0].len(), rows.concat().iter().map(|&value| value as f32).collect()).unwrap()
        };
        let (a, b) = (features("a"), features("b"));
        let (frechet_recorded, kernel_recorded) = (case["frechet"].as_f64().unwrap(), case["kid"].as_f64().unwrap());
        let found = frechet(&Moments::of_features(&a).unwrap(), &Moments::of_features(&b).unwrap()).unwrap();
        assert!((found - frechet_recorded).abs() <= (1e-6 * frechet_recorded).max(1e-6), "{found}");
        let found = kernel_distance(&a, &b).unwrap();
        assert!((found - kernel_recorded).abs() <= 1e-5 * kernel_recorded.abs(), "{found}, not {kernel_recorded}");
    }
}

#[test]
fn kernel_distances() {
    let recorded = Recorded::open();
    let (a, b, kernel) = (recorded.features(&"a".into()), recorded.features(&"b".into()), &recorded.figures["kernel"]);
    let equal = &kernel["whole_of_equal_size"];
    close(kernel_distance(&a.first(250), &b).unwrap(), &equal["distance"]);
    close(kernel_distance(&a, &b).unwrap(), &kernel["whole_of_unequal_sizes"]);
    close(kernel_distance(&a, &a).unwrap(), &kernel["same_set_twice"]);
    let subsets = recorded.rows("kid_subsets_a").into_iter().zip(recorded.rows("kid_subsets_b"));
    let found = kernel_distance_of(&a, &b, subsets.map(|(a, b)| [a, b])).unwrap();
    close(found.value, &kernel["mean"]);
    close(found.std, &kernel["std"]);
    assert_eq!((found.subsets, found.size), (6, 100));
}

#[test]
fn precision_recall_density_and_coverage_to_the_count() {
    let recorded = Recorded::open();
    for case in recorded.cases("neighbours") {
        let (real, fake) = (recorded.features(&case["real"]), recorded.features(&case["fake"]));
        let k = case["k"].as_u64().unwrap() as usize;
        let found = neighbours(&real, &fake, k, Edge::Outside).unwrap();
        let all = [found.precision, found.recall, found.density, found.coverage];
        for (found, name) in all.into_iter().zip(["precision", "recall", "density", "coverage"]) {
            let exact = case["prdc"][name].as_f64().unwrap();
            assert!((found - exact).abs() < 1e-12, "{name} of {}, {k}: {found}, not {exact}", case["real"]);
        }
        let found = neighbours(&real, &fake, k, Edge::Inside).unwrap();
        for (found, name) in [(found.precision, "precision"), (found.recall, "recall")] {
            let exact = case["kynkaanniemi"][name].as_f64().unwrap();
            assert!((found - exact).abs() < 1e-12, "{name} of {}, {k}: {found}, not {exact}", case["real"]);
        }
    }
}

#[test]
fn inception_scores_and_their_splits() {
    let recorded = Recorded::open();
    let logits = recorded.features(&"logits".into());
    for case in recorded.cases("inception_score") {
        let found = inception_score(&logits, case["splits"].as_u64().unwrap() as usize).unwrap();
        close(found.value, &case["mean"]);
        close(found.std, &case["std"]);
        found.of_each.iter().zip(case["of_each"].as_array().unwrap()).for_each(|(found, each)| close(*found, each));
    }
}

#[test]
fn lines_are_read_at_infinitely_many_samples() {
    let recorded = Recorded::open();
    let first = |name: &str, sizes: &Value| -> Vec<Vec<usize>> {
        let rows = recorded.rows(name).into_iter().zip(numbers(sizes));
        rows.map(|(row, size)| row[..size as usize].to_vec()).collect()
    };
    let case = &recorded.figures["frechet_infinity"];
    let reference = Moments::of_features(&recorded.features(&case["real"])).unwrap();
    let subsets = first("infinity_orders", &case["sizes"]);
    let found = frechet_infinity_of(&reference, &recorded.features(&case["fake"]), subsets).unwrap();
    close(found.value, &case["distance"]);
    close(found.slope, &case["slope"]);
    let case = &recorded.figures["inception_score_infinity"];
    let subsets = first("infinity_orders_logits", &case["sizes"]);
    let found = inception_score_infinity_of(&recorded.features(&"logits".into()), subsets).unwrap();
    close(found.value, &case["score"]);
    found.points.iter().zip(case["of_each_size"].as_array().unwrap()).for_each(|(point, each)| close(point.1, each));
}

#[test]
fn sliced_distances_of_given_directions() {
    let recorded = Recorded::open();
    for case in recorded.cases("mind") {
        let (a, b) = (recorded.features(&case["a"]), recorded.features(&case["b"]));
        let directions = recorded.array(case["directions"].as_str().unwrap());
        // In double precision: they are unit vectors.
        let unit: Vec<f64> = directions.values.iter().map(|&x| f64::from(x)).collect();
        let rows = case.get("rows_of_larger").map(|name| recorded.rows(name.as_str().unwrap()).concat());
        close(mind_of(&a, &b, &unit, &rows.unwrap_or_default()).unwrap(), &case["distance"]);
    }
    // Moving a set by Δ is 3·‖Δ‖² on average over directions, whose relative deviation is √(2/directions).
    let (a, moved) = (recorded.features(&"a".into()), recorded.features(&"shifted_a".into()));
    let found = mind(&a, &moved, 2000, 7).unwrap();
    assert!((found - 3.0).abs() < 5.0 * 3.0 * f64::sqrt(2.0 / 2000.0), "{found}");
}

/// The distance of two standard normal sets of n in one dimension is about (Δmean)² + (Δstd)², of which the bootstrap must
/// find the deviation over truly new sets.
#[test]
fn the_bootstrap_finds_the_deviation_of_new_sets() {
    let recorded = Recorded::open();
    let a = recorded.features(&"a".into());
    let reference = Moments::of_features(&recorded.features(&"shifted_a".into())).unwrap();
    let error = frechet_error(&reference, &a, 200, 1).unwrap();
    // Halves of a set, each of n/2: their deviation is that of n times √2, of halves drawn without replacement as well
    // (the half that is left out makes up for it).
    let halves: Vec<f64> = (0..200)
        .map(|number| {
            let half = a.select(&subset(a.len(), a.len() / 2, 2, number));
            frechet(&Moments::of_features(&half).unwrap(), &reference).unwrap()
        })
        .collect();
    let mean = halves.iter().sum::<f64>() / 200.0;
    let std = (halves.iter().map(|half| (half - mean).powi(2)).sum::<f64>() / 199.0).sqrt();
    assert!((0.6..1.6).contains(&(error / std)), "{error} and {std}");
}

#[test]
fn resizing_is_that_of_three_published_programs() {
    let recorded = json("metrics_resize.json");
    let rules: [(&dyn Resize, &str, f64); 3] =
        [(&PytorchFid, "pytorch_fid", 1e-4), (&Tf1, "torch_fidelity_tf1", 0.01), (&CleanFid, "clean_fid", 1e-3)];
    let formula = numbers(&recorded["formula_of_large"]);
    for image in recorded["images"].as_array().unwrap() {
        let [height, width] = ["height", "width"].map(|name| image[name].as_u64().unwrap() as usize);
        let given = image.get("pixels").map(numbers);
        let level = |y: usize, x: usize, c: usize| match &given {
            Some(pixels) => pixels[(y * width + x) * 3 + c] as u8,
            None => {
                let k = |i: usize| formula[i] as usize;
                ((k(0) * x + k(1) * y + k(2) * c + x * y / k(3)) % 256) as u8
            }
        };
        for (rule, name, bound) in rules {
            let planes: Vec<Vec<f64>> = (0..3)
                .map(|c| {
                    let plane: Vec<u8> =
                        (0..height * width).map(|place| level(place / width, place % width, c)).collect();
                    resized(&plane, width, &rule.taps(width, 299), &rule.taps(height, 299))
                })
                .collect();
            for (at, exact) in image["at"].as_array().unwrap().iter().zip(numbers(&image[name])) {
                let at: Vec<usize> = numbers(at).into_iter().map(|place| place as usize).collect();
                let found = planes[at[2]][at[0] * 299 + at[1]];
                let found = if name == "pytorch_fid" { rule.scaled(found) } else { found };
                assert!((found - exact).abs() <= bound, "{name} {} {at:?}: {found}, not {exact}", image["name"]);
            }
        }
    }
}

#[test]
fn what_cannot_be_measured_is_refused_in_a_sentence() {
    let set = |rows: usize, dims: usize| Features::new(dims, vec![0.5; rows * dims]).unwrap();
    let said = |error: score_explorer::metric::MetricError| error.to_string();
    assert!(said(Moments::of_features(&set(0, 3)).unwrap_err()).contains("no images"));
    assert!(said(Moments::of_features(&set(1, 3)).unwrap_err()).contains("one image is too few"));
    let moments = |dims| Moments::of_features(&set(4, dims)).unwrap();
    assert!(said(frechet(&moments(3), &moments(4)).unwrap_err()).contains("do not compare"));
    assert!(kernel_distance(&set(1, 3), &set(5, 3)).is_err());
    assert!(neighbours(&set(4, 3), &set(9, 3), 5, Edge::Outside).is_err());
    assert!(inception_score(&set(4, 3), 5).is_err() && inception_score(&set(0, 3), 1).is_err());
    assert!(mind(&set(4, 3), &set(0, 3), 8, 0).is_err());
    assert!(Tally::new(3).add(u64::MAX, &set(2, 3)).is_err());
    assert!(Moments::new(None, vec![0.0; 2], &[1.0, 0.5, -0.5, 1.0]).is_err());
    assert!(Moments::new(None, vec![0.0; 2], &[1.0, 0.0, 0.0, -1.0]).is_err());
    assert!(Moments::new(None, vec![0.0; 2], &[1.0, 0.0, f64::NAN, 1.0]).is_err());
    assert!(Moments::new(None, vec![0.0; 2], &[1.0; 3]).is_err());
}
