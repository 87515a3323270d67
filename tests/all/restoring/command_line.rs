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
        let report = told(&place, &format!("inpaint {common} --method {method} --strip out.png"));
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
fn a_photo_is_written_at_its_full_size_with_the_answer_where_the_mask_is() {
    let place = Place::new();
    // A square of 96 pixels, three for each pixel of the model, in the middle of a wide photo.
    let photo = RgbImage::from_fn(120, 96, |x, y| Rgb([(x * 2) as u8, (y * 2) as u8, (x ^ y) as u8]));
    photo.save(place.path("photo.png")).expect("a picture");
    let hidden = |x: u32, y: u32| (36..84).contains(&x) && (24..72).contains(&y);
    image::GrayImage::from_fn(120, 96, |x, y| Luma([if hidden(x, y) { 255 } else { 0 }]))
        .save(place.path("mask.png"))
        .expect("a picture");
    let common = "--image photo.png --model exact:worlds --steps 8 --device cpu --tensor x.safetensors";
    for (line, whole) in [
        (format!("inpaint {common} --mask mask.png --count 2 --output r.png"), false),
        (format!("edit {common} --mask mask.png --strength 0.6 --count 2 --output r.png"), false),
        (format!("colorize {common} --count 2 --output r.png"), true),
        (format!("restore {common} --operator super-resolution:2 --count 2 --output r.png"), true),
    ] {
        place.succeeds(&line);
        let x = score_explorer::checkpoint::read_tensors(&place.path("x.safetensors")).expect("tensors")["x"].clone();
        for (sample, file) in ["r-1.png", "r-2.png"].into_iter().enumerate() {
            let written = image::open(place.path(file)).expect("a picture").into_rgb8();
            assert_eq!(written.dimensions(), (120, 96), "{line}");
            for (at_x, at_y, pixel) in written.enumerate_pixels() {
                let inside = (12..108).contains(&at_x) && (whole || hidden(at_x, at_y));
                let centre = at_x % 3 == 1 && at_y % 3 == 1;
                // The softened edge is half a pixel of the photo wide.
                let far = !(12..108).contains(&at_x) || !whole && !(33..87).contains(&at_x);
                if far {
                    assert_eq!(pixel, photo.get_pixel(at_x, at_y), "{line} {at_x} {at_y}");
                } else if inside && centre {
                    // At the middle of a pixel of the model every other weighs nothing in an interpolation.
                    let place = (at_y / 3 * 32 + (at_x - 12) / 3) as usize;
                    for channel in 0..3 {
                        let value = x.values[(sample * 3 + channel) * 1024 + place].clamp(0.0, 1.0);
                        let level = (255.0 * value).round();
                        assert!((level - f32::from(pixel.0[channel])).abs() <= 1.0, "{line} {at_x} {at_y}");
                    }
                }
            }
        }
    }
    // One answer goes to the very file; the strip and others are as many as are asked for.
    place.succeeds(&format!("inpaint {common} --mask mask.png --count 1 --output one.jpg --strip strip.png --zoom 2"));
    assert_eq!(image::image_dimensions(place.path("one.jpg")).expect("a picture"), (120, 96));
    assert_eq!(image::image_dimensions(place.path("strip.png")).expect("a picture"), (3 * 66 - 2, 64));
    let hours = "--image photo.png --mask mask.png --model exact:worlds --steps 100000";
    place.fails(&format!("inpaint {hours} --count 2 --output a.png --strip a-2.png"), 2, "two outputs");
    place.fails(&format!("inpaint {hours} --count 2 --output none/a.png"), 4, "cannot be written");
    place.fails(&format!("inpaint {hours} --count 600 --output a.png --strip s.png"), 2, "602 images");
}

#[test]
fn a_hole_is_filled_however_a_program_marks_it() {
    let place = Place::new();
    let photo = RgbImage::from_fn(32, 32, |x, y| Rgb([(x * 8) as u8, (y * 8) as u8, 70]));
    photo.save(place.path("photo.png")).expect("a picture");
    let hole = |x: u32, y: u32| (8..20).contains(&x) && (10..24).contains(&y);
    let grey = |name: &str, inside: u8, outside: u8| {
        let mask = image::GrayImage::from_fn(32, 32, |x, y| Luma([if hole(x, y) { inside } else { outside }]));
        mask.save(place.path(name)).expect("a picture");
    };
    let clear = |name: &str, pixel: &dyn Fn(bool) -> [u8; 4]| {
        let mask = image::RgbaImage::from_fn(32, 32, |x, y| image::Rgba(pixel(hole(x, y))));
        mask.save(place.path(name)).expect("a picture");
    };
    grey("white.png", 255, 0);
    grey("black.png", 0, 255);
    clear("erased.png", &|inside| [9, 99, 199, if inside { 0 } else { 255 }]);
    clear("layer.png", &|inside| [9, 99, 199, if inside { 255 } else { 0 }]);
    clear("opaque.png", &|inside| if inside { [255; 4] } else { [0, 0, 0, 255] });
    let fill = |mask: &str| {
        place.succeeds(&format!(
            "inpaint --image photo.png --mask {mask} --model exact:worlds --count 1 --steps 4 --device cpu --output o.png"
        ));
        place.bytes("o.png")
    };
    let (inside, outside) = (fill("white.png"), fill("black.png"));
    assert!(inside != outside);
    for mask in ["erased.png", "opaque.png", "black.png --invert-mask", "layer.png --invert-mask"] {
        assert!(fill(mask) == inside, "{mask}");
    }
    for mask in ["layer.png", "white.png --invert-mask", "erased.png --invert-mask"] {
        assert!(fill(mask) == outside, "{mask}");
    }
    // A mask of zeros and ones, as programs for learning write them, and one that lies where nobody looks.
    grey("ones.png", 1, 0);
    let common = "--image photo.png --model exact:worlds --steps 4";
    place.fails(&format!("inpaint {common} --mask ones.png"), 3, "1 of 255");
    RgbImage::from_pixel(64, 32, Rgb([50; 3])).save(place.path("wide.png")).expect("a picture");
    let side = |name: &str, from: u32| {
        let mask = image::GrayImage::from_fn(64, 32, |x, _| Luma([if x >= from { 255 } else { 0 }]));
        mask.save(place.path(name)).expect("a picture");
    };
    side("beside.png", 50);
    side("partly.png", 40);
    let common = "--image wide.png --model exact:worlds --count 1 --steps 4";
    place.fails(&format!("inpaint {common} --mask beside.png"), 3, "outside the central 32×32 square");
    let said = place.succeeds(&format!("inpaint {common} --mask partly.png")).stderr;
    assert!(said.contains("Only the central 32×32 square"), "{said}");
    place.fails("edit --image photo.png --invert-mask", 2, "required arguments");
}

#[test]
fn the_same_seed_fills_the_same_and_each_sample_whatever_their_number() {
    let place = place();
    let line = |count: usize, seed: usize, name: &str| {
        place.succeeds(&format!(
            "inpaint --image photo.png --mask mask.png --model exact:worlds --steps 8 --count {count} --seed {seed} \
             --output {name}.png --tensor {name}.safetensors"
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
        assert_eq!(report["files"], serde_json::json!(["restored-1.png", "restored-2.png"]), "{line}");
        for file in ["restored-1.png", "restored-2.png"] {
            assert_eq!(image::image_dimensions(place.path(file)).expect("a picture"), (80, 48), "{line}");
            std::fs::remove_file(place.path(file)).expect("a file");
        }
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
    place.fails("colorize --image photo.png --model mixture:ring", 3, "not a model of colour images");
    place.fails(&format!("inpaint {common} --mask mask.png --output x.txt"), 2, "x.txt");
    // A full mask leaves nothing known: any picture of the model will do.
    place.succeeds(&format!("inpaint {common} --mask full.png --count 1"));
    assert!(place.path("restored.png").exists());
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
