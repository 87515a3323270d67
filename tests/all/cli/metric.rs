//! The command `metric`.

use super::Place;
use score_explorer::checkpoint::write_tensors;
use score_explorer::network::{Array, Weights};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;

fn reference(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/metrics").join(name)
}

/// PNGs of `side`×`side`, which differ by their number and the shift.
fn pictures(place: &Place, folder: &str, count: usize, side: u32, shift: u32) {
    fs::create_dir_all(place.path(folder)).unwrap();
    for index in 0..count as u32 {
        let pixel = |x: u32, y: u32| {
            let level = |k: u32| ((x * (3 + index % 7) + y * k + index * 31 + shift) % 256) as u8;
            image::Rgb([level(5), level(7), level(11)])
        };
        image::RgbImage::from_fn(side, side, pixel).save(place.path(&format!("{folder}/{index:03}.png"))).unwrap();
    }
}

fn value(place: &Place, line: &str, key: &str) -> f64 {
    let told: Value = serde_json::from_str(&place.succeeds(line).stdout).unwrap();
    told["metrics"][key]["value"].as_f64().unwrap_or_else(|| panic!("{line}: {told}"))
}

/// The recorded sets as files of features.
fn features(place: &Place, name: &str) {
    let all = score_explorer::checkpoint::read_tensors(&reference("metrics.safetensors")).unwrap();
    let tensors = Weights::from([("features".into(), all[name].clone())]);
    write_tensors(&place.path(&format!("{name}.safetensors")), &tensors).unwrap();
}

#[test]
fn recorded_figures_come_out_of_files_of_features() {
    let place = Place::new();
    ["a", "b", "few_a", "few_b"].iter().for_each(|name| features(&place, name));
    let close = |found: f64, exact: f64| assert!((found - exact).abs() <= 1e-6 * exact, "{found}, not {exact}");
    close(value(&place, "metric fd a.safetensors b.safetensors --json", "fd"), 4.814660524990096);
    close(value(&place, "metric fd few_a.safetensors few_b.safetensors --json", "fd"), 14.099194997118358);
    // Where real is a: precision, recall, density, coverage of b.
    let prdc = "metric prdc:3 b.safetensors a.safetensors --json";
    close(value(&place, prdc, "precision"), 0.764);
    close(value(&place, prdc, "recall"), 0.8466666666666667);
    // One subset of all.
    let kid = value(&place, "metric kid:1:250 a.safetensors b.safetensors --limit 250 --json", "kid");
    close(kid, 4.493746921692807);
    let all = place.succeeds("metric all a.safetensors b.safetensors");
    for word in
        ["FD 4.81466", "KD ", "precision", "coverage", "MIND", "FD∞", "300 images against 250", "fewer than 2048"]
    {
        assert!(all.stdout.contains(word), "{word}: {}", all.stdout);
    }
    place.fails("metric is a.safetensors", 2, "no classes");
    place.fails("metric fd a.safetensors", 2, "reference");
    place.fails("metric nonsense a.safetensors b.safetensors", 2, "unknown metric");
}

#[test]
fn statistics_of_numpy_give_the_same_distance() {
    let place = Place::new();
    ["a", "b"].iter().for_each(|name| features(&place, name));
    // mu and sigma of b, m and s of it, and pool_3.
    let all = score_explorer::checkpoint::read_tensors(&reference("metrics.safetensors")).unwrap();
    let b = &all["b"];
    let (n, d) = (b.shape[0], b.shape[1]);
    let at = |i: usize, j: usize| f64::from(b.values[i * d + j]);
    let mean: Vec<f64> = (0..d).map(|j| (0..n).map(|i| at(i, j)).sum::<f64>() / n as f64).collect();
    let covariance = (0..d * d).map(|place| {
        let (j, k) = (place / d, place % d);
        (0..n).map(|i| (at(i, j) - mean[j]) * (at(i, k) - mean[k])).sum::<f64>() / (n as f64 - 1.0)
    });
    let covariance: Vec<f64> = covariance.collect();
    let doubles = |values: &[f64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let npy = |kind: &str, shape: &str, bytes: Vec<u8>| {
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.bytes());
        file.extend(bytes);
        file
    };
    let write = |name: &str, arrays: &[(&str, Vec<u8>)]| {
        let mut zip = zip::ZipWriter::new(fs::File::create(place.path(name)).unwrap());
        for (name, bytes) in arrays {
            zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
    };
    let (of_mean, of_covariance) = (npy("<f8", "(16,)", doubles(&mean)), npy("<f8", "(16, 16)", doubles(&covariance)));
    write("mu.npz", &[("mu", of_mean.clone()), ("sigma", of_covariance.clone())]);
    write("m.npz", &[("m", of_mean.clone()), ("s", of_covariance.clone())]);
    let pool = b.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    write("pool.npz", &[("pool_3", npy("<f4", "(250, 16)", pool))]);
    for file in ["mu.npz", "m.npz", "pool.npz"] {
        let found = value(&place, &format!("metric fd a.safetensors {file} --json"), "fd");
        assert!((found - 4.814660524990096).abs() < 1e-6 * 4.8, "{file}: {found}");
    }
    // Only moments are known.
    place.fails("metric kid a.safetensors mu.npz", 2, "only their moments");
    write("nan.npz", &[("mu", npy("<f8", "(16,)", doubles(&[f64::NAN; 16]))), ("sigma", of_covariance.clone())]);
    place.fails("metric fd a.safetensors nan.npz", 3, "nan.npz");
    write("other.npz", &[("mu", of_mean), ("sigma", npy("<f8", "(8, 16)", doubles(&covariance[..128])))]);
    place.fails("metric fd a.safetensors other.npz", 3, "other.npz");
    write(
        "skewed.npz",
        &[
            ("mu", npy("<f8", "(2,)", doubles(&[0.0; 2]))),
            ("sigma", npy("<f8", "(2, 2)", doubles(&[1.0, 0.5, -0.5, 1.0]))),
        ],
    );
    place.fails("metric fd a.safetensors skewed.npz", 3, "not symmetric");
    write(
        "small.npz",
        &[
            ("mu", npy("<f8", "(2,)", doubles(&[0.0; 2]))),
            ("sigma", npy("<f8", "(2, 2)", doubles(&[1.0, 0.0, 0.0, 1.0]))),
        ],
    );
    place.fails("metric fd a.safetensors small.npz", 3, "16 features");
    // The covariance of so many would take terabytes.
    let many = Array { shape: vec![2, 1_000_000], values: vec![0.0; 2_000_000] };
    write_tensors(&place.path("many.safetensors"), &Weights::from([("features".into(), many)])).unwrap();
    place.fails("metric fd many.safetensors mu.npz", 3, "1000000 features are more than the limit of 8192");
}

#[test]
fn images_of_any_kind_are_measured_and_named_by_their_features() {
    let place = Place::new();
    pictures(&place, "a", 12, 20, 0);
    pictures(&place, "b", 12, 20, 90);
    let text = place.succeeds("metric fd a b --features random --no-cache");
    assert!(text.stdout.contains("FD-random ") && text.stdout.contains("12 images against 12"), "{}", text.stdout);
    assert!(value(&place, "metric fd a a --features random --no-cache --json", "fd") < 1e-6);
    let direct = value(&place, "metric fd a b --features random --no-cache --json", "fd");
    // The same from features that were written, and with a reference that was kept.
    place.succeeds("metric fd b a --features random --save-features b.safetensors --no-cache");
    assert_eq!(value(&place, "metric fd a b.safetensors --features random --json", "fd"), direct);
    for _ in 0..2 {
        assert_eq!(value(&place, "metric fd a b --features random --json", "fd"), direct);
    }
    // Features of another extractor do not compare, even of as many.
    let error = place.fails("metric fd a b.safetensors --features pixels", 3, "features");
    assert!(error.contains("b.safetensors"), "{error}");
    // The test set of Little Worlds, whose features are bundled: drawn ones are nearer to it than anything else.
    let near = value(&place, "metric fd worlds:32 worlds-test --features worlds --limit 600 --no-cache --json", "fd");
    pictures(&place, "others", 12, 32, 0);
    let far = value(&place, "metric fd others worlds-test --features worlds --json", "fd");
    assert!(far > 10.0 * near, "{near} and {far}");
    place.fails("metric fd others worlds-test --features random", 2, "worlds-test");
    let c10 = place.succeeds("metric fd others others --features c10 --no-cache");
    assert!(c10.stdout.contains("FD-C10 0,"), "{}", c10.stdout);
    // Drawn worlds, with the bundled classifier, which has classes.
    let all = place.succeeds("metric all worlds:32 worlds:32 --limit 24 --features worlds --no-cache");
    for word in ["FD-worlds 0", "IS-worlds ", "precision-worlds 1", "24 images"] {
        assert!(all.stdout.contains(word), "{word}: {}", all.stdout);
    }
}

#[test]
fn what_is_no_measurable_set_of_images_is_refused() {
    let place = Place::new();
    pictures(&place, "a", 6, 20, 0);
    pictures(&place, "one", 1, 20, 0);
    pictures(&place, "small", 6, 16, 0);
    fs::create_dir(place.path("empty")).unwrap();
    place.fails("metric fd a empty --features random", 3, "no readable images");
    place.fails("metric fd one a --features random --no-cache", 3, "one: one image");
    place.fails("metric fd a one --features random --no-cache", 3, "one: one image");
    place.fails("metric fd a small --features pixels --no-cache", 3, "20×20");
    place.fails("metric fd a small --features random --no-cache", 3, "--size");
    place.succeeds("metric fd a small --features random --size 16 --no-cache");
    place.fails("metric fd a a --features worlds", 3, "3×32×32");
    place.fails("metric fd a a", 3, "pt_inception-2015-12-05");
    place.fails("metric fd a a --features worlds --resize tf1", 2, "--resize");
    place.fails("metric fd a missing --features random", 3, "missing");
    // Sizes that differ within a set.
    pictures(&place, "mixed", 3, 20, 0);
    fs::copy(place.path("small/004.png"), place.path("mixed/004.png")).unwrap();
    place.fails("metric fd a mixed --features random", 3, "16×16");
    // A JPEG among PNGs, and a file that is no image.
    pictures(&place, "jpegs", 5, 20, 0);
    image::open(place.path("a/000.png")).unwrap().save(place.path("jpegs/100.jpg")).unwrap();
    fs::write(place.path("jpegs/200.png"), "text").unwrap();
    let ended = place.succeeds("metric fd a jpegs --features random --no-cache");
    assert!(ended.stderr.contains("1 of 6 images are JPEG") && ended.stderr.contains("200.png"), "{}", ended.stderr);
    // Tensors: not a number, or not in [0, 1].
    let tensor = |name: &str, values: Vec<f32>| {
        let tensors = Weights::from([("x".into(), Array { shape: vec![2, 3, 20, 20], values })]);
        write_tensors(&place.path(name), &tensors).unwrap();
    };
    tensor("good.safetensors", (0..2400).map(|place| (place % 7) as f32 / 6.0).collect());
    place.succeeds("metric fd good.safetensors a --features random --no-cache");
    tensor("nan.safetensors", (0..2400).map(|place| if place == 1300 { f32::NAN } else { 0.5 }).collect());
    place.fails("metric fd nan.safetensors a --features random", 3, "image 1");
    tensor("wide.safetensors", (0..2400).map(|place| (place % 7) as f32 - 3.0).collect());
    place.fails("metric fd wide.safetensors a --features random", 3, "[0, 1]");
}
