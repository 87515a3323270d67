use super::Place;
use image::RgbImage;
use score_explorer::checkpoint::read_tensors;
use serde_json::Value;

fn picture(place: &Place, name: &str) -> RgbImage {
    image::load_from_memory(&place.bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}")).to_rgb8()
}

#[test]
fn a_run_leaves_all_the_files_that_were_asked_for_and_no_other() {
    let place = Place::new();
    let line = "sample --model exact:worlds --count 4 --steps 6 --device cpu --output g.png --animate a.gif \
                --tensor x.safetensors --save-run r.json --json";
    let told: Value = serde_json::from_str(&place.succeeds(line).stdout).expect("one JSON object");
    assert_eq!(place.files(), ["a.gif", "g.png", "r.json", "x.safetensors"]);
    assert_eq!(told["files"], serde_json::json!(["g.png", "a.gif", "x.safetensors", "r.json"]));
    // DPM-Solver++(2M) evaluates once a step.
    assert_eq!((told["nfe"].as_u64(), told["run"]["count"].as_u64()), (Some(6), Some(4)));
    assert!(told["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{told}");
    assert!(told["device"].as_str().is_some_and(|device| device.starts_with("CPU")), "{told}");

    let x = &read_tensors(&place.path("x.safetensors")).expect("tensors")["x"];
    assert_eq!(x.shape, [4, 3, 32, 32]);
    // The pictures show those numbers: [0, 1] becomes 0 to 255; each pixel is repeated 4 times.
    let grid = picture(&place, "g.png");
    let grey = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    let first: Vec<u8> = (0..3).map(|channel| grey(x.values[channel * 32 * 32])).collect();
    let corner = (0..grid.width().min(grid.height())).map(|place| grid.get_pixel(place, place).0.to_vec());
    assert!(corner.take(16).any(|pixel| pixel == first), "the first pixel {first:?} is not at the corner");
}

#[test]
fn without_any_output_option_a_grid_is_written() {
    let place = Place::new();
    place.succeeds("sample --model mixture:two-moons --count 50 --device cpu");
    assert_eq!(place.files(), ["grid.png"]);
    let plot = picture(&place, "grid.png");
    let inked = plot.pixels().filter(|pixel| pixel.0 != [255; 3]).count();
    assert!(inked > 50, "50 points leave more than {inked} pixels that are not white");
}

#[test]
fn the_same_seed_gives_the_same_bytes_at_any_number_of_threads() {
    let place = Place::new();
    let line = "sample --count 2 --predictor euler-maruyama --corrector langevin --steps 2 --device cpu";
    for (name, threads) in [("a.png", "1"), ("b.png", "2"), ("c.png", "2")] {
        let ended = place.run_with(&format!("{line} --output {name}"), &[("RAYON_NUM_THREADS", threads)]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    assert!(place.bytes("a.png") == place.bytes("b.png"), "1 thread and 2");
    assert!(place.bytes("b.png") == place.bytes("c.png"), "twice");
    place.succeeds(&format!("{line} --seed 1 --output d.png"));
    assert!(place.bytes("a.png") != place.bytes("d.png"), "another seed");
}

#[test]
fn a_sample_does_not_depend_on_how_many_others_there_are() {
    let place = Place::new();
    let grey_levels = |count: usize| -> Vec<Vec<u8>> {
        let file = format!("{count}.safetensors");
        place.succeeds(&format!("sample --count {count} --steps 3 --device cpu --tensor {file}"));
        let x = &read_tensors(&place.path(&file)).expect("tensors")["x"];
        let grey = |value: &f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        x.values.chunks(3 * 32 * 32).map(|sample| sample.iter().map(grey).collect()).collect()
    };
    let (one, three, sixteen) = (grey_levels(1), grey_levels(3), grey_levels(16));
    assert_eq!((one.len(), three.len(), sixteen.len()), (1, 3, 16));
    for (few, many) in [(&one, &three), (&one, &sixteen), (&three, &sixteen)] {
        for (a, b) in few.iter().zip(many) {
            let worst = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(1), "{worst:?} grey levels between batches of {} and {}", few.len(), many.len());
        }
    }
    assert_ne!(three[0], three[1], "samples differ from each other");
}

#[test]
fn a_recorded_run_gives_the_same_bytes_again() {
    let place = Place::new();
    place.succeeds(
        "sample --model exact:worlds --family sub-vp --predictor ancestral --corrector hmc --leapfrog 2 --steps 8 \
         --count 3 --seed 5 --device cpu --output a.png --save-run run.json",
    );
    place.succeeds("run run.json --device cpu --output b.png");
    assert!(place.bytes("a.png") == place.bytes("b.png"));
}

#[test]
fn a_branch_in_a_run_file_is_run_from_its_parent() {
    let place = Place::new();
    place.succeeds(
        "sample --model exact:worlds --predictor ancestral --steps 12 --count 2 --device cpu --output a.png --save-run run.json",
    );
    let parent: Value = serde_json::from_slice(&place.bytes("run.json")).expect("JSON");
    let mut branch = parent.clone();
    branch["seed"] = 99.into();
    branch["origin"] = serde_json::json!({ "branch": { "parent": parent, "step": 2 } });
    std::fs::write(place.path("branch.json"), branch.to_string()).expect("a file");
    place.succeeds("run branch.json --device cpu --output b.png");
    place.succeeds("run branch.json --device cpu --output c.png");
    assert!(place.bytes("b.png") == place.bytes("c.png"));
    assert!(place.bytes("a.png") != place.bytes("b.png"), "other noise goes another way");
}

#[test]
fn an_animated_png_moves() {
    let place = Place::new();
    place.succeeds("sample --model exact:worlds --count 1 --steps 4 --device cpu --animate a.png --zoom 1");
    let bytes = place.bytes("a.png");
    let control = bytes.windows(4).position(|window| window == b"acTL").expect("an animation control chunk");
    let frames = u32::from_be_bytes(bytes[control + 4..control + 8].try_into().expect("4 bytes"));
    assert_eq!(frames, 5, "the first state and one after each step");
}
