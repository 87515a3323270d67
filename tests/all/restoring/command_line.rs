use crate::cli::Place;
use image::{Luma, Rgb, RgbImage};

/// A folder with a photo, wider than high, and a mask of its size whose middle is white.
fn place() -> Place {
    let place = Place::new();
    let pixel = |x: u32, y: u32| Rgb([(x * 3) as u8, (y * 5) as u8, (x + y) as u8]);
    RgbImage::from_fn(80, 48, pixel).save(place.path("photo.png")).expect("a picture");
    let hidden = |x: u32, y: u32| (30..50).contains(&x) && (14..34).contains(&y);
    let mask = |name: &str, width, height, value: &dyn Fn(u32, u32) -> u8| {
        image::GrayImage::from_fn(width, height, |x, y| Luma([value(x, y)])).save(place.path(name)).expect("a picture");
    };
    mask("mask.png", 80, 48, &|x, y| if hidden(x, y) { 255 } else { 0 });
    mask("empty.png", 80, 48, &|_, _| 0);
    mask("full.png", 80, 48, &|_, _| 255);
    mask("tall.png", 48, 80, &|_, _| 255);
    place
}

fn told(place: &Place, line: &str) -> serde_json::Value {
    serde_json::from_str(&place.succeeds(line).stdout).expect("JSON")
}

#[test]
fn a_masked_photo_is_filled_and_what_is_known_stays() {
    let place = place();
    let common = "--image photo.png --mask mask.png --model exact:worlds --count 3 --steps 10 --zoom 1 --json";
    for method in ["projection", "null-space", "projection --resample 5:2"] {
        let report = told(&place, &format!("inpaint {common} --method {method} --output out.png"));
        assert_eq!(report["inconsistency"].as_array().map(Vec::len), Some(3), "{report}");
        let row = image::open(place.path("out.png")).expect("a picture").into_rgb8();
        // The original, what is known of it, and three samples, with gaps of two pixels.
        assert_eq!((row.width(), row.height()), (5 * 34 - 2, 32));
        for sample in 2..5 {
            for (x, y) in [(0, 0), (31, 31), (3, 20), (16, 2)] {
                assert_eq!(
                    row.get_pixel(sample * 34 + x, y),
                    row.get_pixel(x, y),
                    "{method}: sample {sample} at {x}, {y}"
                );
            }
            assert_ne!(row.get_pixel(sample * 34 + 16, 16), row.get_pixel(16, 16), "{method}: nothing was filled");
        }
    }
}

#[test]
fn the_same_seed_fills_the_same_and_each_sample_whatever_their_number() {
    let place = place();
    let line = |count: usize, seed: usize, name: &str| {
        place.succeeds(&format!(
            "inpaint --image photo.png --mask mask.png --model exact:worlds --steps 8 --count {count} --seed {seed} \
             --zoom 1 --output {name}.png --tensor {name}.safetensors"
        ));
        let tensors = score_explorer::checkpoint::read_tensors(&place.path(&format!("{name}.safetensors"))).unwrap();
        tensors["x"].values.clone()
    };
    let (four, two, other) = (line(4, 1, "four"), line(2, 1, "two"), line(2, 2, "other"));
    assert_eq!(four[..two.len()], two[..]);
    assert_ne!(two, other);
}

#[test]
fn colours_losses_and_edits_have_their_commands() {
    let place = place();
    let common = "--image photo.png --model exact:worlds --count 2 --steps 10 --json";
    for line in [
        format!("colorize {common}"),
        format!("restore {common} --operator super-resolution:4"),
        format!("restore {common} --operator blur:gaussian:1.5 --noise 0.02"),
        format!("restore {common} --operator blur:motion:7:30 --measured --noise 0.05"),
        format!("restore {common} --operator compressed-sensing:0.3"),
        format!("restore {common} --operator denoising --noise 0.2"),
        format!("edit {common} --strength 0.4"),
        format!("edit {common} --strength 0.4 --mask mask.png"),
    ] {
        let report = told(&place, &line);
        assert!(report["nfe"].as_u64().is_some_and(|nfe| (1..=30).contains(&nfe)), "{line}: {report}");
        assert!(place.path("restored.png").exists());
    }
}

#[test]
fn what_cannot_be_restored_is_refused_in_a_sentence() {
    let place = place();
    let common = "--image photo.png --model exact:worlds --steps 4";
    place.fails(&format!("inpaint {common} --mask empty.png"), 3, "mask is empty");
    place.fails(&format!("inpaint {common} --mask tall.png"), 3, "48×80");
    place.fails(&format!("inpaint {common} --mask none.png"), 3, "none.png");
    place.fails(&format!("inpaint {common}"), 2, "required arguments");
    place.fails(&format!("inpaint {common} --mask mask.png --method best"), 2, "null-space");
    place.fails(&format!("inpaint {common} --mask mask.png --resample 5"), 2, "10:5");
    place.fails(&format!("restore {common} --operator inpainting"), 2, "inpaint");
    place.fails(&format!("restore {common} --operator super-resolution:3"), 2, "2, 4 or 8");
    place.fails(&format!("restore {common} --operator denoising --noise -1"), 2, "noise");
    place.fails(&format!("edit {common} --strength 2"), 2, "strength");
    place.fails("colorize --image photo.png --model mixture:ring", 3, "not a model of colour or grey images");
    place.fails(&format!("inpaint {common} --mask mask.png --output x.txt"), 2, "x.txt");
    // A full mask leaves nothing known: any picture of the model will do.
    place.succeeds(&format!("inpaint {common} --mask full.png --count 1"));
}

#[test]
fn fillings_are_measured_side_by_side() {
    let place = place();
    let line = "eval-inpaint photo.png photo.png --model exact:worlds --method projection --method null-space --json";
    let lines = told(&place, line);
    let names: Vec<&str> = lines.as_array().unwrap().iter().filter_map(|line| line["filling"].as_str()).collect();
    assert_eq!(names, ["nearest kept pixel", "diffusion", "projection", "null-space"]);
    for line in lines.as_array().unwrap() {
        assert_eq!(line["masks"].as_array().map(Vec::len), Some(4));
    }
}
